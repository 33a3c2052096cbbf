/**
 * Where an object store is, in one word that fits into an option or a configuration:
 *
 *     /a/directory
 *     https://host/path                                      a bucket, a CDN, a mirror: to read from
 *     s3://bucket/prefix?region=eu-central-1                 S3; further parameters below
 */
import { Failure } from './failures.ts'
import { isObjectKey } from './object-keys.ts'

export type S3Address = {
  kind: 's3'
  bucket: string
  /** Empty, or a key's beginning that ends with a slash. */
  prefix: string
  /** Undefined = what AWS's own settings say. */
  region: string | undefined
  /** `http(s)://host[:port]`, or `unix:/socket` for a server behind one. Undefined = AWS. */
  endpoint: string | undefined
  /** File with `{ accessKeyId, secretAccessKey, sessionToken? }`. Undefined = where AWS's own tools look. */
  credentials: string | undefined
  /** Days that Object Lock keeps what is created, in compliance mode. Undefined = it is not locked. */
  lockDays: number | undefined
  /** False = the bucket need not keep versions: for servers that keep conditions only without them. */
  versioning: boolean
}
export type WriterAddress = { kind: 'directory'; path: string } | S3Address
export type StoreAddress = WriterAddress | { kind: 'http'; url: string }

/** What any reader may say, and what only who writes has to know. */
const READER = ['region', 'endpoint', 'credentials']
const WRITER = ['lock-days', 'versioning']

const HTTP = /^https?:\/\/[^\s/?#]+(\/\S*)?$/
const S3 = /^s3:\/\/([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/
/** Names that fit into a host name: others are of buckets from before 2018. */
const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/
const REGION = /^[a-z0-9-]{1,64}$/
const ENDPOINT = /^(https?:\/\/[A-Za-z0-9.[\]:-]+|unix:\/\S+)$/
/** A hundred years: more is a slip of the hand that nobody could take back. */
const MAX_LOCK_DAYS = 36_500
/** Where a server that is not AWS has no regions, requests are signed for this one. */
const ANY_REGION = 'us-east-1'

/** For who only reads. Throws Failure('schema-violation') that says what to write instead. */
export function readerAddress(text: string): StoreAddress {
  if (HTTP.test(text)) return { kind: 'http', url: text }
  return common(text, READER, 'https://host/path, ')
}

/** For who writes as well: he says what the bucket must keep. Throws as readerAddress does. */
export function writerAddress(text: string): WriterAddress {
  return common(text, [...READER, ...WRITER], '')
}

function common(text: string, known: readonly string[], others: string): WriterAddress {
  if (text.startsWith('/')) return { kind: 'directory', path: text }
  if (text.startsWith('s3:')) return s3Address(text, known)
  throw refused(text, `say an absolute directory, ${others}or s3://bucket/prefix?region=…`)
}

/** Of a bucket and nothing else, to write. Throws as readerAddress does. */
export const bucketAddress = (text: string): S3Address => s3Address(text, [...READER, ...WRITER])

function s3Address(text: string, known: readonly string[]): S3Address {
  const [, bucket = '', path = '', query = ''] = S3.exec(text) ?? []
  if (!BUCKET.test(bucket)) throw refused(text, 'say s3://bucket or s3://bucket/prefix')
  const folder = path.replace(/^\/|\/$/g, '')
  if (folder !== '' && !isObjectKey(folder)) throw refused(text, `${folder} is no prefix of keys`)
  const said = parameters(text, query, known)
  const take = (name: string, pattern: RegExp, form: string) => {
    const value = said.get(name)
    if (value === undefined || pattern.test(value)) return value
    throw refused(text, `${name} is ${form}`)
  }
  const endpoint = take('endpoint', ENDPOINT, 'http(s)://host[:port] or unix:/path')
  const region = take('region', REGION, 'a name such as eu-central-1')
  return {
    kind: 's3',
    bucket,
    prefix: folder === '' ? '' : `${folder}/`,
    region: region ?? (endpoint === undefined ? undefined : ANY_REGION),
    endpoint,
    credentials: take('credentials', /^\//, "a file's absolute path"),
    lockDays: lockDays(text, take('lock-days', /^[1-9]\d{0,5}$/, 'a number of days from 1')),
    versioning: take('versioning', /^(on|off)$/, 'on or off') !== 'off',
  }
}

function lockDays(text: string, said: string | undefined): number | undefined {
  if (said === undefined) return undefined
  if (Number(said) > MAX_LOCK_DAYS) throw refused(text, `lock-days is at most ${MAX_LOCK_DAYS}`)
  return Number(said)
}

function parameters(text: string, query: string, known: readonly string[]): Map<string, string> {
  const said = new Map<string, string>()
  for (const part of query.split('&').filter((each) => each !== '')) {
    const [name = '', value = ''] = part.split(/=(.*)/s)
    if (!known.includes(name)) throw refused(text, `${name} is none of ${known.join(', ')}`)
    if (said.has(name)) throw refused(text, `${name} is said twice`)
    said.set(name, decoded(text, value))
  }
  if (said.has('lock-days') && said.get('versioning') === 'off')
    throw refused(text, 'Object Lock keeps versions: leave versioning=off away')
  return said
}

function decoded(text: string, value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    throw refused(text, 'a % is written %25')
  }
}

const refused = (text: string, why: string): Failure =>
  new Failure('schema-violation', `${text} is no address of an object store: ${why}`)
