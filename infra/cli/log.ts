/** `heddle log`: what was published, for everyone to see, and whether the log is still the one that was seen before. */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Command, InvalidArgumentError } from 'commander'
import { LogReader, logCrypto, type LogState } from '../../functions/log/log-reader.ts'
import { namedLog } from '../../functions/log/named-log.ts'
import type { ObjectStore } from '../../functions/ports.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { type LogEntry, logEntryBytes, logOf, readLogEntry } from '../../pipelines/contract/log.ts'
import { formatProof, type Log, provenIn } from '../../pipelines/log/checkpoint.ts'
import { TILE_WIDTH } from '../../pipelines/log/tiles.ts'
import { readMemory, writeMemory } from '../audit/log-memory.ts'
import { type Look, lookAtLog } from '../audit/log-monitor.ts'
import { openStore, readOnly } from '../audit/open-store.ts'
import { paint } from './style.ts'
import { UsageError } from './usage.ts'

/** Seconds between two looks. */
const DEFAULT_SECONDS = 60
/** Entries that `show` prints. */
const DEFAULT_COUNT = 10

type Where = { store: string; root?: string; key?: string; json?: boolean }

async function open({ store: address, root, key }: Where) {
  const store = readOnly(openStore(address))
  return { store, log: await logFrom(store, root, key) }
}

/** By the code key's word, from the trusted root on, or by a key that somebody was told another way. */
async function logFrom(store: Pick<ObjectStore, 'get'>, root?: string, key?: string): Promise<Log> {
  if (key === undefined) {
    if (root === undefined) throw new UsageError('say --root, or --key for a log whose key you know')
    return namedLog(store, await readFile(root))
  }
  const [origin = ''] = key.split('+')
  const log = logOf({ schema: 'heddle.log/1', origin, keys: [key] }, logCrypto)
  if (log === undefined) throw new UsageError(`${key} is no key of a log: name+hash+key`)
  return log
}

const tell = (json: boolean | undefined, value: object, text: string): void => {
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${text}\n`)
}

async function monitor(where: Where & { state?: string; watch?: boolean; every: number }): Promise<void> {
  const { store, log } = await open(where)
  let kept = where.state === undefined ? undefined : await readMemory(where.state, log)
  for (let first = true; ; first = false) {
    const look = await lookAtLog(store, log, { kept, everything: first }).catch((error: unknown) => {
      if (!(error instanceof Failure) || error.disposition === 'alarm' || where.watch !== true) throw error
      tell(where.json, { failure: error.code, message: error.message }, `${error.code}: ${error.message}`)
      return undefined
    })
    if (look !== undefined) {
      await tellLook(where, log, { look, kept })
      kept = look.now
    }
    if (where.watch !== true) return
    await sleep(where.every * 1000)
  }
}

async function tellLook(
  { state, json }: { state?: string; json?: boolean },
  { origin }: Log,
  { look: { now, checked }, kept }: { look: Look; kept: LogState | undefined },
): Promise<void> {
  if (state !== undefined && now !== undefined && now.note !== kept?.note) await writeMemory(state, now.note)
  const [size, before] = [now?.size ?? 0, kept?.size ?? 0]
  const grown = kept === undefined ? '' : `, ${size - before} more than before`
  const text = `${paint('green', 'consistent')}: log ${origin} has ${size} entries${grown}`
  tell(json, { origin, size, before, checked }, text)
}

type Found = LogEntry & { index: number }

/** Entries from the newest on, each checked against its tile. */
async function* newestFirst(reader: LogReader, size: number): AsyncGenerator<Found> {
  for (let end = size; end > 0; end -= ((end - 1) % TILE_WIDTH) + 1) {
    const first = end - 1 - ((end - 1) % TILE_WIDTH)
    const entries = await reader.entries(end - 1, size)
    for (const [at, bytes] of [...entries.entries()].reverse()) {
      const entry = readLogEntry(Buffer.from(bytes).toString('utf8'))
      if (entry === undefined) throw new Failure('log-damaged', `what is logged at ${first + at} is no entry`)
      yield { ...entry, index: first + at }
    }
  }
}

async function show(where: Where & { count: number }): Promise<void> {
  const { store, log } = await open(where)
  const size = (await lookAtLog(store, log, { kept: undefined, everything: true })).now?.size ?? 0
  const reader = new LogReader(store, log)
  const entries: Found[] = []
  for await (const entry of newestFirst(reader, size)) {
    if (entries.length >= where.count) break
    entries.push(entry)
  }
  const lines = entries.map(({ index, commit, artifact }) => `${index}  ${commit.slice(0, 12)}  ${artifact}`)
  tell(where.json, { origin: log.origin, size, entries }, [`log ${log.origin}: ${size}`, ...lines].join('\n'))
}

async function prove(artifact: string, where: Where): Promise<void> {
  const { store, log } = await open(where)
  const reader = new LogReader(store, log)
  const now = await reader.checkpoint()
  if (now !== undefined)
    for await (const { index, ...entry } of newestFirst(reader, now.size)) {
      if (entry.artifact !== artifact) continue
      const hashes = await reader.tree(now.size).inclusion(index)
      const proof = formatProof({ index, hashes, checkpoint: now.note })
      if (provenIn(log, logEntryBytes(entry), proof) === undefined)
        throw new Failure('log-damaged', 'the tiles in the store are not those of the checkpoint')
      process.stdout.write(where.json ? `${JSON.stringify({ ...entry, index, proof })}\n` : proof)
      return
    }
  throw new Failure('artifact-unlogged', `log ${log.origin} has no entry of ${artifact}`)
}

function positive(text: string): number {
  const number = Number(text)
  if (!(number > 0 && number <= 1_000_000)) throw new InvalidArgumentError('a number above 0')
  return number
}

const HELP = `
monitor alarms (exit code 1) on log-split-view, log-shrunk and log-damaged. With --state it remembers the newest
checkpoint that it found consistent, and goes on from there; the first look of a run hashes the whole log anew.`

export function register(program: Command): void {
  const log = program.command('log').description('the transparency log').addHelpText('after', HELP)
  const command = (name: string, text: string) =>
    log
      .command(name)
      .description(text)
      .requiredOption('--store <address>', 'object store: a directory, http(s)://… or s3://bucket/prefix?…')
      .option('--root <file>', "the trusted root.json, which leads to the log's keys")
      .option('--key <key>', "the log's key, name+hash+key, instead of the root")
      .option('--json', 'print JSON, one object a line')
  command('monitor', 'is it the log that was seen before, and whole?')
    .option('--state <file>', 'remembers the checkpoint that was seen')
    .option('--watch', 'look again and again, until an alarm')
    .option('--every <seconds>', 'time between two looks', positive, DEFAULT_SECONDS)
    .action(monitor)
  command('show', 'what was logged last')
    .option('--count <number>', 'so many entries', positive, DEFAULT_COUNT)
    .action(show)
  command('prove', 'a tlog-proof of an artifact').argument('<artifact>', 'its digest, sha256:…').action(prove)
}
