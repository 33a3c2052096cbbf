/** `heddle rollout`: look at what is under way, and steer it with an operator's signature. */
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { ensureOperator, openSigner } from '../../functions/adapters/dev-keys.ts'
import { sealCommand } from '../../functions/rollout/commands.ts'
import { Digest } from '../../pipelines/contract/artifact.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { RolloutCommand, VERBS } from '../../pipelines/rollout/command.ts'
import { askDesk, type DeskPlace, type DeskView } from './rollout-desk.ts'
import { tellRollout } from './rollout-text.ts'
import { UsageError } from './usage.ts'

type Verb = (typeof VERBS)[number]
type Where = { stack?: string; functions?: string; json?: boolean }
type Order = Where & { key?: string; why?: string; to?: string; rollout?: string }

/** How long a command waits for the director's word, and how often it asks (ms). */
const WORD_MS = 30_000
const ASK_MS = 100
const WATCH_MS = 500

/** A local stack's desk is a socket: its functions live in a network namespace of their own. */
function placeOf({ stack, functions }: Where): DeskPlace {
  if (functions !== undefined) return { url: functions }
  if (stack !== undefined) return { socket: join(resolve(stack), 'cloud', 'functions.sock') }
  throw new UsageError('say --functions URL, or --stack DIRECTORY for a local one')
}

function keyOf({ key, stack }: Order): string {
  if (key !== undefined) return key
  if (stack !== undefined) return join(resolve(stack), 'operators', 'operator.key')
  throw new UsageError('say --key FILE: the operator who signs')
}

function say(where: Where, view: DeskView): void {
  process.stdout.write(where.json ? `${JSON.stringify(view, null, 2)}\n` : tellRollout(view))
}

async function status(where: Where): Promise<void> {
  say(where, await askDesk(placeOf(where)))
}

/** Every change once, until the rollout has ended. */
async function watch(where: Where): Promise<void> {
  const place = placeOf(where)
  for (let known = -1; ; await sleep(WATCH_MS)) {
    const view = await askDesk(place)
    if (view.revision !== known) say(where, view)
    known = view.revision
    if (view.current === null || view.current.state === 'done') return
  }
}

async function order(verb: Verb, options: Order): Promise<void> {
  const place = placeOf(options)
  const signer = await openSigner(keyOf(options))
  const all = verb === 'stop' || verb === 'start'
  const current = all ? null : (options.rollout ?? (await askDesk(place)).current?.id)
  if (current === undefined) throw new Failure('command-refused', 'no rollout has begun yet')
  const command: RolloutCommand = {
    schema: 'heddle.command/1',
    id: randomUUID(),
    verb,
    rollout: current,
    to: options.to === undefined ? null : digest(options.to),
    why: options.why ?? '',
    at: Date.now(),
  }
  const envelope = Buffer.from(await sealCommand(command, signer)).toString('utf8')
  await askDesk(place, envelope)
  const view = await obeyed(place, command.id)
  say(options, view)
}

/** Waits for the director's word. Throws Failure('command-refused') with the reason. */
async function obeyed(place: DeskPlace, id: string): Promise<DeskView> {
  const deadline = Date.now() + WORD_MS
  while (Date.now() < deadline) {
    const view = await askDesk(place)
    const found = view.commanded.find((each) => each.id === id)
    if (found?.refused != null) throw new Failure('command-refused', found.refused)
    if (found !== undefined) return view
    await sleep(ASK_MS)
  }
  throw new Failure(
    'command-refused',
    `the director has not answered within ${WORD_MS / 1000} s; it may still do so`,
  )
}

function digest(text: string): Digest {
  const parsed = Digest.safeParse(text)
  if (!parsed.success) throw new UsageError(`${text} is no artifact: write sha256: and 64 hexadecimal digits`)
  return parsed.data
}

async function operator(name: string, { keys }: { keys: string }): Promise<void> {
  if (!/^[a-z0-9][a-z0-9._-]{0,63}$/.test(name)) throw new UsageError(`${name} is no operator's name`)
  await ensureOperator(resolve(keys), name)
  const pub = join(resolve(keys), `${name}.pub`)
  process.stdout.write(`${await readFile(pub, 'utf8')}`)
  process.stderr.write(`${pub}: put it into the functions' directory of operators; keep ${name}.key\n`)
}

const DOES: Record<Verb, string> = {
  shadow: 'let the next ring judge by it too, without effect, while it waits',
  promote: 'let the ring go without the rest of its soak and its checks',
  pause: 'let no more nodes take the release',
  resume: 'end a pause',
  abort: 'go back in every ring that was told, and deny the artifact',
  rollback: 'go back to the release before, or to --to, in every ring at once',
  stop: 'stop all rollouts; what goes back still does',
  start: 'end a stop',
}

export function register(program: Command): void {
  const noun = program.command('rollout').description('look at a rollout, steer it, stop all of them')
  const placed = (command: Command) =>
    command
      .option('--functions <url>', 'where the functions listen')
      .option('--stack <directory>', 'a local stack')
      .option('--json', 'print it as JSON')
  placed(noun.command('status').description('rings, nodes, gates and what has ended')).action(status)
  placed(noun.command('watch').description('the same at every change, until the rollout has ended')).action(
    watch,
  )
  for (const [verb, does] of Object.entries(DOES) as [Verb, string][]) {
    const command = placed(noun.command(verb).description(does))
      .option('--key <file>', "the operator's private key (PEM)")
      .option('--why <text>', 'a reason, for the history')
    if (verb !== 'stop' && verb !== 'start')
      command.addOption(
        new Option('--rollout <id>', 'the rollout that is meant; refused when it is another by now'),
      )
    if (verb === 'rollback') command.option('--to <artifact>', 'an artifact that was in every ring')
    command.action((options: Order) => order(verb, options))
  }
  noun
    .command('operator')
    .argument('<name>', 'how the history names the operator')
    .description("make an operator's key pair")
    .requiredOption('--keys <directory>', 'where the pair is put')
    .action(operator)
}
