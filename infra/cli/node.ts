/** `heddle node`: enrol a node, look at it, end its enforcement. */
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import { holdNode } from '../../agent/adapters/directory-lock.ts'
import { fileWorkloads } from '../../agent/adapters/file-workloads.ts'
import { readConfig } from '../../agent/config.ts'
import { assign } from '../../agent/identities.ts'
import { askRelay } from '../../agent/relay/stats.ts'
import { enroll } from '../node/enroll.ts'
import { parseStats, statsText } from '../node/stats.ts'
import { auditsText, viewAudits } from '../node/audited.ts'
import { shadowText, viewShadow } from '../node/shadow.ts'
import { servicesText, supportOf, viewServices } from '../node/services.ts'
import { openSubject } from '../node/subject.ts'
import { absoluteAddress } from '../store/open-store.ts'
import { UsageError } from './usage.ts'

type EnrollFlags = {
  directory: string
  name: string
  ring: string
  previousRing?: string
  store: string
  root: string
  nats?: string
  natsCa?: string
  bpffs: string
  cgroup: string
  workloads: string
  services?: string
  zone?: string
  members?: string
  repin?: boolean
  rekey?: boolean
}
/** Where a relay that is configured beside its node answers. */
const RELAY_SOCKET = 'relay.sock'

type Look = { config: string; json?: boolean }

async function enrollNode(flags: EnrollFlags): Promise<void> {
  const enrolled = await enroll({
    directory: resolve(flags.directory),
    node: flags.name,
    ring: flags.ring,
    previousRing: flags.previousRing ?? null,
    store: absoluteAddress(flags.store),
    rootFile: resolve(flags.root),
    natsUrl: flags.nats ?? null,
    ...(flags.natsCa === undefined ? {} : { natsCa: resolve(flags.natsCa) }),
    bpffs: resolve(flags.bpffs),
    cgroup: resolve(flags.cgroup),
    workloads: resolve(flags.workloads),
    ...(flags.services === undefined ? {} : { services: resolve(flags.services) }),
    ...(flags.members === undefined ? {} : { members: resolve(flags.members) }),
    ...(flags.zone === undefined ? {} : { zone: flags.zone }),
    repin: flags.repin ?? false,
    rekey: flags.rekey ?? false,
  })
  print(enrolled)
}

async function status({ config }: Look): Promise<void> {
  const { node, ring, state, kernel } = await openSubject(config)
  const { enforced, predecessor, accepted, dispatcher, offered, draining, slots } = state
  print({
    node,
    ring,
    enforced,
    predecessor,
    accepted,
    dispatcher,
    offered,
    draining,
    shadow: state.shadow,
    slots,
    services: await supportOf(kernel),
    kernel: await kernel.inspect(),
  })
}

/** Identities as the agent has numbered them, with their workloads' addresses. */
async function workloads({ config }: Look): Promise<void> {
  const { state, workloadsFile } = await openSubject(config)
  const { identities, addresses } = assign(state, await fileWorkloads(workloadsFile).list())
  const rows = identities.map((identity) => ({
    ...identity,
    addresses: addresses.filter((entry) => entry.identity === identity.number).map(({ address }) => address),
  }))
  print(rows)
}

/** Service ports, their addresses and endpoints in order, and where each of them is known from. */
async function services({ config, json }: Look): Promise<void> {
  const view = await viewServices(await openSubject(config))
  if (json === true) print(view)
  else process.stdout.write(servicesText(view))
}

/** What the node's relay counts: verdicts by reason, how requests to services went, endings, modes. What audits and a shadow saw. */
async function stats({ config, json, socket }: Look & { socket?: string }): Promise<void> {
  const said = await askRelay(socket ?? join(dirname(resolve(config)), RELAY_SOCKET))
  const subject = await openSubject(config)
  const [shadow, audits] = [await viewShadow(subject), await viewAudits(subject)]
  if (json === true) print({ ...(said as object), shadow, audits })
  else {
    const seen = auditsText(audits) + (shadow === null ? '' : shadowText(shadow))
    process.stdout.write(statsText(parseStats(said)) + seen)
  }
}

async function detach({ config, yes }: Look & { yes?: boolean }): Promise<void> {
  if (yes !== true)
    throw new UsageError('detach ends enforcement on this node: stop its agent, then say --yes')
  // A running agent would attach at its next look what this takes away.
  holdNode(await readConfig(config))
  await (await openSubject(config)).kernel.detach()
}

function print(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
}

export function register(program: Command): void {
  const node = program.command('node').description('enrol a node, look at it, end its enforcement')
  node
    .command('enroll')
    .description('make the key, pin the root of trust, write the configuration; twice is fine')
    .requiredOption('--directory <path>', 'where configuration, key and state of the node lie')
    .requiredOption('--name <node>', 'name of the node')
    .requiredOption('--ring <ring>', 'ring that it belongs to')
    .option('--previous-ring <ring>', 'ring that must have succeeded before')
    .requiredOption(
      '--store <address>',
      'object store: a directory, https://host/path, or s3://bucket/prefix?region=…&credentials=FILE',
    )
    .requiredOption('--root <file>', 'root.json to pin')
    .option('--nats <urls>', 'bus, servers with commas between; without it the node only looks by its timer')
    .option('--nats-ca <file>', "who signs the bus's servers: both ends show certificates then")
    .requiredOption('--workloads <file>', 'workloads of this node')
    .option('--services <file>', 'services that workloads of this node call')
    .option('--zone <name>', 'what fails together with this node')
    .option('--members <file>', 'who may announce which workloads on the bus, as heddle node admit writes it')
    .requiredOption('--cgroup <path>', 'cgroup whose sockets are managed')
    .option('--bpffs <path>', 'BPF file system for the pins', '/sys/fs/bpf/heddle')
    .option(
      '--repin',
      'take this root instead of the one that is pinned, and give up what metadata is damaged',
    )
    .option('--rekey', 'make other keys for the bus; tell the bus with heddle node admit')
    .action(enrollNode)
  look(node, 'status', 'what the node remembers and what its kernel runs').action(status)
  look(node, 'workloads', 'identities of this node and their addresses').action(workloads)
  look(node, 'services', 'services of this node, their endpoints in order, and where each is known from')
    .option('--json', 'as data')
    .action(services)
  look(
    node,
    'stats',
    'verdicts by reason, and how much of the traffic to services took the slow path and why',
  )
    .option('--json', 'as data: all that the relay says')
    .option('--socket <path>', "the relay's stats socket, when it is not beside the configuration")
    .action(stats)
  look(node, 'detach', 'end enforcement: detach and unpin the programs')
    .option('--yes', 'yes, managed workloads are unprotected from here on')
    .action(detach)
}

function look(node: Command, name: string, text: string): Command {
  return node.command(name).description(text).requiredOption('--config <file>', "the node's configuration")
}
