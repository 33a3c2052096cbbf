/**
 * The log's keys among an operator's: made beside the online ones, named by the offline code key in `code/log.json`.
 * A key that is listed stays listed, for the proofs that it made, until somebody says that it must go.
 */
import { addKey, ensureKeys, readPublicKeys } from '../../functions/adapters/dev-keys.ts'
import { logCrypto } from '../../functions/log/log-reader.ts'
import { readLogTarget } from '../../functions/log/named-log.ts'
import { readVersions } from '../../functions/trust/authority.ts'
import { putCode } from '../../functions/trust/ceremony.ts'
import { encode } from '../../functions/trust/metadata.ts'
import type { Target } from '../../functions/trust/repository.ts'
import { LOG_KEY } from '../../functions/trust/roles.ts'
import type { Table } from '../../functions/trust/signing.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { LOG_TARGET, LogTarget } from '../../pipelines/contract/log.ts'
import { targetKey } from '../../pipelines/contract/object-keys.ts'
import { formatKey } from '../../pipelines/log/signed-note.ts'

/** Until somebody gives the log a name: the address that it can be read at, without its scheme. */
const DEFAULT_ORIGIN = 'heddle.local/log'
/** Bytes of `code/log.json`. */
const MAX_LOG_TARGET_BYTES = 16_384

export type RotatedLog = { state: 'rotated'; role: typeof LOG_KEY; keys: string[] }

/** The code with the log that is named; where none is, with one of the keys in `online`, the first of which is made. */
export async function withLog(
  code: readonly Target[],
  from: { table: Table; online: string; trustedRoot?: Uint8Array; origin?: string | undefined },
): Promise<Target[]> {
  const { table, online, trustedRoot, origin = DEFAULT_ORIGIN } = from
  const named = trustedRoot && (await readLogTarget(table.store, trustedRoot))
  if (named !== undefined) return [...code, targetOf(named)]
  await ensureKeys(online, LOG_KEY, 1)
  const keys = (await readPublicKeys(online, LOG_KEY)).map((publicKey) => vkey(origin, publicKey))
  return [...code, targetOf({ schema: 'heddle.log/1', origin, keys })]
}

/**
 * One more key; of the listed ones those go whose number (or its beginning) is given: what they alone have proved
 * is refused from then on. Called again after a death it takes the key that it made.
 */
export async function rotateLog(
  table: Table,
  trustedRoot: Uint8Array,
  { online, drop = [] }: { online: string; drop?: readonly string[] | undefined },
): Promise<RotatedLog> {
  const named = await readLogTarget(table.store, trustedRoot)
  if (named === undefined)
    throw new Failure('metadata-untrusted', 'the code key names no log: heddle trust sign-code does')
  const gone = new Set(drop.map((text) => onlyKey(named.keys, text)))
  const past = await pastKeys(table.store)
  const known = (await readPublicKeys(online, LOG_KEY)).map((publicKey) => vkey(named.origin, publicKey))
  const fresh = known.find((key) => !past.has(key)) ?? vkey(named.origin, await addKey(online, LOG_KEY))
  const keys = [...named.keys.filter((key) => !gone.has(key)), fresh]
  await putCode(table, trustedRoot, targetOf(LogTarget.parse({ ...named, keys })))
  return { state: 'rotated', role: LOG_KEY, keys: keys.map(numberOf) }
}

const targetOf = (log: LogTarget): Target => ({ path: LOG_TARGET, bytes: encode(log) })
const vkey = (name: string, publicKey: Uint8Array) => formatKey(logCrypto.sha256, { name, publicKey })
/** The eight hexadecimal digits between name and key. */
export const numberOf = (key: string): string => key.split('+')[1] ?? ''

/** Every key that any version of code has listed: none comes back as a new one. */
async function pastKeys(store: Table['store']): Promise<Set<string>> {
  const past = new Set<string>()
  for (const { metadata } of await readVersions(store, 'code')) {
    const hex = metadata.signed.targets[LOG_TARGET]?.hashes['sha256']
    const stored = hex && (await store.get(targetKey(LOG_TARGET, hex), MAX_LOG_TARGET_BYTES))
    if (!stored) continue
    const { keys } = LogTarget.parse(JSON.parse(Buffer.from(stored.bytes).toString('utf8')))
    for (const key of keys) past.add(key)
  }
  return past
}

function onlyKey(keys: readonly string[], text: string): string {
  const [found, ...more] = keys.filter((key) => numberOf(key).startsWith(text))
  if (found !== undefined && more.length === 0) return found
  const message = `${text} is ${found === undefined ? 'no key' : 'the beginning of several keys'} of the log`
  throw new Failure('metadata-untrusted', message, { detail: keys.map((key) => `log key ${numberOf(key)}`) })
}
