/**
 * Object store in an S3 bucket. Creation is If-None-Match, compare-and-swap is If-Match: the server judges, in
 * one place, whoever writes. A request whose answer is lost may have been done: each write carries a mark of its
 * own, by which the next attempt knows its own work from somebody else's.
 */
import { createHash, randomUUID } from 'node:crypto'
import {
  GetBucketVersioningCommand,
  GetObjectCommand,
  GetObjectLockConfigurationCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3'
import { Failure } from '../../pipelines/contract/failures.ts'
import { isObjectKey } from '../../pipelines/contract/object-keys.ts'
import type { S3Address } from '../../pipelines/contract/store-address.ts'
import type { Clock, ObjectStore, StoredObject } from '../ports.ts'
import { collect, PATIENCE, type Patience, Refusal, S3Wire } from './s3-wire.ts'

const DAY_MS = 86_400_000
/** Name of the metadata that tells whose write made an object what it is. */
const MARK = 'heddle-write'
/** Says that a prefix is a Heddle store; and whoever opens it asks for its creation, which must be refused. */
const SIGN = 'heddle-store'
const SIGN_BYTES = Buffer.from('{"schema":"heddle.store/1"}\n')
/** Well-formed, and of no object. */
const NO_VERSION = '0'.repeat(32)

type Condition = Pick<PutObjectCommandInput, 'IfNoneMatch' | 'IfMatch'>
const ABSENT: Condition = { IfNoneMatch: '*' }

/**
 * For who may ask for the bucket's settings. Throws Failure('store-unfit') when it does not keep what is asked of
 * it, naming what to do.
 */
export async function openS3Store(
  address: S3Address,
  clock: Clock,
  patience: Patience = PATIENCE,
): Promise<S3Store> {
  const store = new S3Store(address, clock, patience)
  try {
    await store.check()
  } catch (error) {
    store.close()
    throw error
  }
  return store
}

export class S3Store implements ObjectStore {
  readonly #address: S3Address
  readonly #clock: Clock
  readonly #wire: S3Wire

  constructor(address: S3Address, clock: Clock, patience: Patience = PATIENCE) {
    this.#address = address
    this.#clock = clock
    this.#wire = new S3Wire(address, patience)
  }

  async get(key: string, maxBytes: number): Promise<StoredObject | undefined> {
    const { what, ...where } = this.#where(key)
    try {
      return await this.#wire.patiently(what, async (client, options) => {
        const { Body, ETag } = await client.send(new GetObjectCommand(where), options)
        return { bytes: await collect(Body, maxBytes, what), version: versionOf(ETag, what) }
      })
    } catch (error) {
      if (error instanceof Refusal && error.meaning === 'missing') return undefined
      throw plain(error)
    }
  }

  async create(key: string, bytes: Uint8Array): Promise<'created' | 'exists'> {
    return (await this.#put(key, bytes, { ...ABSENT, ...this.#lock() })) === undefined ? 'exists' : 'created'
  }

  async replace(key: string, bytes: Uint8Array, ifVersion: string | undefined): Promise<string> {
    const condition = ifVersion === undefined ? ABSENT : { IfMatch: ifVersion }
    const version = await this.#put(key, bytes, condition)
    if (version === undefined) throw new Failure('store-conflict', `${key} has changed`)
    return version
  }

  /** The bucket keeps versions and locks, if that is asked of it, and conditions in any case. */
  async check(): Promise<void> {
    const { bucket, versioning, lockDays } = this.#address
    const Bucket = bucket
    try {
      if (versioning) await this.#checkVersioning(Bucket)
      if (lockDays !== undefined) await this.#checkLock(Bucket)
      await this.#checkConditions()
    } catch (error) {
      throw plain(error)
    }
  }

  close(): void {
    this.#wire.close()
  }

  async #checkVersioning(Bucket: string): Promise<void> {
    const { Status } = await this.#wire.patiently(`versioning of ${Bucket}`, (client, options) =>
      client.send(new GetBucketVersioningCommand({ Bucket }), options),
    )
    if (Status === 'Enabled') return
    const how = `aws s3api put-bucket-versioning --bucket ${Bucket} --versioning-configuration Status=Enabled`
    throw new Failure('store-unfit', `bucket ${Bucket} keeps no versions: ${how}`, {
      detail: ['or say versioning=off in the address: then whoever may write can destroy what is there'],
    })
  }

  async #checkLock(Bucket: string): Promise<void> {
    const ask = this.#wire.patiently(`Object Lock of ${Bucket}`, (client, options) =>
      client.send(new GetObjectLockConfigurationCommand({ Bucket }), options),
    )
    // A bucket without it answers 404.
    const said = await ask.catch((error: unknown) => {
      if (error instanceof Refusal && error.meaning === 'missing') return undefined
      throw error
    })
    if (said?.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled') return
    const how = 'make the bucket with Object Lock, or leave lock-days out of the address'
    throw new Failure('store-unfit', `bucket ${Bucket} has no Object Lock: ${how}`)
  }

  /**
   * There are servers that take If-None-Match and If-Match and do not look at them (s3rver; radosgw up to
   * Ceph 16 in a bucket that keeps versions): on these, two writers would silently undo each other's work.
   */
  async #checkConditions(): Promise<void> {
    const first = await this.#put(SIGN, SIGN_BYTES, ABSENT)
    const again = first === undefined ? undefined : await this.#put(SIGN, SIGN_BYTES, ABSENT)
    const other = await this.#put(SIGN, SIGN_BYTES, { IfMatch: NO_VERSION })
    if (again === undefined && other === undefined) return
    const { bucket, versioning } = this.#address
    const how = versioning ? 'a bucket without versions may (versioning=off)' : 'choose another server'
    throw new Failure(
      'store-unfit',
      `the server of bucket ${bucket} ignores If-None-Match or If-Match: ${how}`,
    )
  }

  #lock(): Pick<PutObjectCommandInput, 'ObjectLockMode' | 'ObjectLockRetainUntilDate'> {
    const { lockDays } = this.#address
    if (lockDays === undefined) return {}
    const until = new Date(this.#clock.now().getTime() + lockDays * DAY_MS)
    return { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: until }
  }

  /**
   * The version that is there by this very write, in whichever attempt it was done. Undefined = the condition did
   * not hold, and not because of us.
   */
  async #put(
    key: string,
    bytes: Uint8Array,
    input: Omit<PutObjectCommandInput, 'Bucket' | 'Key'>,
  ): Promise<string | undefined> {
    const { what, ...where } = this.#where(key)
    const mark = randomUUID()
    // The digest is for the way there; Object Lock asks for it too.
    const ContentMD5 = createHash('md5').update(bytes).digest('base64')
    const Body = Buffer.from(bytes)
    const command = { ...where, ...input, Body, ContentMD5, Metadata: { [MARK]: mark } }
    for (let attempt = 0, mayBeDone = false; ; attempt++) {
      try {
        return await this.#wire.once(what, async (client, options) => {
          const { ETag } = await client.send(new PutObjectCommand(command), options)
          return versionOf(ETag, what)
        })
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        // 404: If-Match of an object that is not there.
        if (error.meaning === 'precondition' || error.meaning === 'missing')
          return mayBeDone ? this.#madeBy(mark, key) : undefined
        mayBeDone ||= error.meaning === 'unsure'
        if (!(await this.#wire.shallTryAgain(error, attempt))) throw error.failure
      }
    }
  }

  /** The object's version, if this write made it. */
  async #madeBy(mark: string, key: string): Promise<string | undefined> {
    const { what, ...where } = this.#where(key)
    try {
      const head = await this.#wire.patiently(what, (client, options) =>
        client.send(new HeadObjectCommand(where), options),
      )
      return head.Metadata?.[MARK] === mark ? versionOf(head.ETag, what) : undefined
    } catch (error) {
      // Who may write and not read takes it for somebody else's: what is there stays, or is read again.
      if (error instanceof Refusal && ['missing', 'denied'].includes(error.meaning)) return undefined
      throw plain(error)
    }
  }

  #where(key: string): { Bucket: string; Key: string; what: string } {
    if (!isObjectKey(key)) throw new RangeError(`not an object key: ${key}`)
    const { bucket, prefix } = this.#address
    return { Bucket: bucket, Key: `${prefix}${key}`, what: `s3://${bucket}/${prefix}${key}` }
  }
}

const plain = (error: unknown): unknown => (error instanceof Refusal ? error.failure : error)

/** Without its quotes: so radosgw wants it back, and AWS takes it. */
function versionOf(etag: string | undefined, what: string): string {
  const version = etag?.replaceAll('"', '')
  if (version === undefined || version === '') throw new Failure('store-unavailable', `${what}: without ETag`)
  return version
}
