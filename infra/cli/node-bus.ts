/** `heddle node admit`, `heddle node revoke`: which nodes the bus knows. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { JWT_LIFE_MS } from '../../functions/bus/renewal.ts'
import { UserKey } from '../../pipelines/contract/bus-members.ts'
import { NodeName, RingName } from '../../pipelines/contract/release.ts'
import { admitNode, type Membership, publishMembers, revokeNode } from '../nats/members.ts'
import { removeMember, writeMember } from '../node/members-file.ts'
import { absoluteAddress, openStore } from '../store/open-store.ts'
import { UsageError } from './usage.ts'

type BusFlags = { bus: string; store: string; members?: string }
type AdmitFlags = BusFlags & {
  ring: string
  nkey: string
  csr?: string
  range?: string[]
  speaks?: string[]
}

async function admit(node: string, flags: AdmitFlags): Promise<void> {
  const name = nameOf(node)
  const ring = RingName.safeParse(flags.ring)
  if (!ring.success) throw new UsageError(`${flags.ring}: no name of a ring`)
  const nkey = UserKey.safeParse(flags.nkey)
  if (!nkey.success) throw new UsageError(`${flags.nkey}: no public key of a user, as enroll prints it`)
  const { members, range, speaks } = flags
  if (members === undefined && (range ?? speaks) !== undefined)
    throw new UsageError('--range and --speaks are written to a file: say --members as well')
  // First: a range that is none admits nobody.
  const workloads = speaks?.map(speaking)
  const ranges = range ?? []
  if (members !== undefined)
    await writeMember(resolve(members), {
      node: name,
      ranges,
      ...(workloads === undefined ? {} : { workloads }),
    })
  const request = flags.csr === undefined ? null : await readFile(flags.csr, 'utf8')
  const bus = resolve(flags.bus)
  print(await admitNode(bus, { node: name, ring: ring.data, nkey: nkey.data }, request))
  await publish(flags)
}

/** What the node shows is in the store when this command ends; the functions renew it from then on. */
async function publish({ bus, store }: BusFlags): Promise<void> {
  await publishMembers(
    resolve(bus),
    await openStore(absoluteAddress(store), { now: () => new Date() }),
    JWT_LIFE_MS,
  )
}

/** `shop`, `shop/app=cart,tier=db`, or `*` for any namespace. */
function speaking(text: string): { namespace: string | null; labels: Record<string, string> } {
  const [, namespace = '', written = ''] = /^([^/]+)(?:\/(.+))?$/.exec(text) ?? []
  const pairs = written === '' ? [] : written.split(',').map((pair) => pair.split('='))
  if (namespace === '' || pairs.some((pair) => pair.length !== 2 || pair[0] === ''))
    throw new UsageError(`${text}: write it like shop, shop/app=cart or */app=cart`)
  return { namespace: namespace === '*' ? null : namespace, labels: Object.fromEntries(pairs) }
}

async function revoke(node: string, flags: BusFlags): Promise<void> {
  const name = nameOf(node)
  print(await revokeNode(resolve(flags.bus), name))
  await publish(flags)
  if (flags.members !== undefined) await removeMember(resolve(flags.members), name)
}

function nameOf(node: string): string {
  const name = NodeName.safeParse(node)
  if (!name.success) throw new UsageError(`${node}: no name of a node`)
  return name.data
}

function print(membership: Membership): void {
  process.stdout.write(`${JSON.stringify(membership, null, 2)}\n`)
}

export function register(program: Command): void {
  const node = program.commands.find((command) => command.name() === 'node') ?? program.command('node')
  const command = (name: string, text: string) =>
    node
      .command(name)
      .argument('<node>', 'name of the node')
      .description(text)
      .requiredOption('--bus <path>', 'directory with keys and members of the bus; servers here are told')
      .requiredOption('--store <address>', 'object store: what the node shows to the bus lies there')
  command('admit', 'let a node speak on the bus with this key, and with no other that it had')
    .requiredOption('--ring <ring>', 'ring that it belongs to')
    .requiredOption('--nkey <key>', 'its public key, as enroll prints it')
    .option('--csr <file>', 'what it asks for a certificate with, as enroll prints it')
    .option('--members <file>', 'write there what the node may announce; give the file to every node')
    .option('--range <cidr...>', 'addresses that it may announce; without one, none')
    .option(
      '--speaks <namespace/labels...>',
      'workloads that it may announce, like shop/app=cart; without it, all',
    )
    .action(admit)
  command('revoke', 'a lost node: its keys open no connection any more, and open ones end')
    .option('--members <file>', 'take what it may announce from there')
    .action(revoke)
}
