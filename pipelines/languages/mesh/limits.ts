/** `action: limit` → rules that count requests. */
import type { Limit, LimitKey } from '../../policy/limit.ts'
import type { LimitRule, Rule } from '../../policy/model.ts'
import { millisecondsOf } from '../durations.ts'
import { isToken } from '../field-text.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'
import type * as schema from './schema.ts'

const DAY_MS = 86_400_000
/** They frame a message: the kernel reads them for that alone. */
const FRAMING = ['content-length', 'transfer-encoding', 'upgrade']

function headerKey(reader: Reader, header: string, path: Path): LimitKey[] {
  const name = header.toLowerCase()
  if (isToken(name) && !FRAMING.includes(name)) return [{ kind: 'header', name }]
  const message = isToken(name)
    ? `\`${header}\` frames the message, and is no key`
    : `\`${header}\` is no name of a header`
  reader.refuse(path, 'schema-violation', message, 'name a header that says who asks, or for whom')
  return []
}

function keysOf(reader: Reader, keys: NonNullable<schema.Limit['key']>, path: Path): LimitKey[] {
  const seen = new Set<string>()
  return keys.flatMap((key, index): LimitKey[] => {
    const here = [...path, index]
    const name = typeof key === 'string' ? key : `header ${key.header.toLowerCase()}`
    if (seen.has(name)) {
      reader.refuse(here, 'schema-violation', `the key ${name} stands twice`, 'remove one')
      return []
    }
    seen.add(name)
    return typeof key === 'string' ? [{ kind: key }] : headerKey(reader, key.header, [...here, 'header'])
  })
}

function limitOf(reader: Reader, written: schema.Limit, path: Path): Limit {
  const { bucket = 'token', rate, burst = bucket === 'token' ? rate : 1, key = [] } = written
  const per = millisecondsOf(written.per)
  if (per < 1 || per > DAY_MS) {
    const message = `\`${written.per}\` is ${per < 1 ? 'no time at all' : 'longer than a day'}`
    reader.refuse([...path, 'per'], 'schema-violation', message, 'write a duration from 1ms to 24h')
  }
  // Keys in one order: what is the same limit has the same buckets.
  const keys = keysOf(reader, key, [...path, 'key'])
  const ordered = keys.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  return { bucket, rate, per, burst, key: ordered }
}

/** None for another action, whose rule has no limit. `rule`: what the other fields of it say. */
export function limitRuleOf(reader: Reader, written: schema.MeshRule, path: Path, rule: Rule): LimitRule[] {
  const { action, limit, name } = written
  if (action !== 'limit') {
    if (limit !== undefined) {
      const hint = 'write action: limit, a rule of its own beside what it counts'
      reader.refuse([...path, 'limit'], 'schema-violation', `a limit in a rule that is to ${action}`, hint)
    }
    return []
  }
  if (limit === undefined) {
    reader.refuse(
      path,
      'schema-violation',
      'the action limit without `limit`',
      'write limit: {rate: 100, per: 1s}',
    )
    return []
  }
  if (name === undefined) {
    const hint = 'give it a name: its buckets are known by it when the policy changes'
    reader.refuse(path, 'schema-violation', 'a limit without name', hint)
    return []
  }
  if (rule.http === null) {
    const hint = 'write ports: [80] and match: {} to count every request there'
    reader.refuse(path, 'schema-violation', 'a limit without match: it counts requests', hint)
    return []
  }
  return [{ ...rule, name, http: rule.http, limit: limitOf(reader, limit, [...path, 'limit']) }]
}
