/** A radosgw for one file of tests, on loopback: started once, with buckets as they are asked for. */
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import {
  DeleteObjectCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  S3Client,
  S3ServiceException,
} from '@aws-sdk/client-s3'
import { findCgroup2, makeCgroup, removeCgroup } from '../../infra/local/cgroup.ts'
import { launch } from '../../infra/local/process.ts'
import { Bucket } from '../../infra/store/bucket.ts'
import { type S3User, startRadosgw } from '../../infra/store/radosgw.ts'
import { freePort } from './free-port.ts'

const OWNER: S3User = { name: 'functions', accessKeyId: 'FUNCTIONS', secretAccessKey: 'of-the-functions' }
const READER: S3User = { name: 'nodes', accessKeyId: 'NODES', secretAccessKey: 'of-the-nodes' }

const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/bin', '/usr/sbin']
const missing = ['ceph-mon', 'ceph-osd', 'radosgw'].filter(
  (name) => !folders.some((folder) => existsSync(join(folder, name))),
)
/** Why there can be none here; false = there can. */
export const noRadosgw: string | false =
  process.getuid?.() !== 0
    ? 'a cgroup for radosgw needs root'
    : missing.length > 0 && `${missing.join(', ')}: not installed`

export type TestBucket = {
  /** Addresses: of the functions and of the nodes. */
  writer: string
  reader: string
  overwrite(key: string, bytes: Uint8Array): Promise<void>
  /** How long, and how, the newest version of an object is kept; undefined = it is not. */
  retention(key: string): Promise<{ mode: string | undefined; until: Date | undefined } | undefined>
  /** Deletes the newest version, not only from sight. */
  destroy(key: string): Promise<void>
}
export type TestServer = {
  endpoint: string
  bucket(kind?: 'locked'): Promise<TestBucket>
  /** Kills the server at once. */
  stop(): Promise<void>
}

export async function testRadosgw(): Promise<TestServer> {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-rgw-'))
  const cgroup = makeCgroup(join(findCgroup2() ?? '/sys/fs/cgroup', `heddle-test-${process.pid}-rgw`))
  const [port, monitorPort] = [await freePort(), await freePort()]
  const stop = async () => {
    await removeCgroup(cgroup)
    await rm(directory, { recursive: true, force: true })
  }
  const start = (what: Parameters<Parameters<typeof startRadosgw>[0]['start']>[0]) =>
    launch({ ...what, cgroup })
  const where = { directory: join(directory, 'ceph'), host: '127.0.0.1', port, monitorPort }
  try {
    await startRadosgw({ ...where, users: [OWNER, READER], start, listens: () => listens(port) })
  } catch (error) {
    await stop()
    throw error
  }
  const endpoint = `http://127.0.0.1:${port}`
  const fileOf = async ({ name, accessKeyId, secretAccessKey }: S3User) => {
    const file = join(directory, `${name}.json`)
    await writeFile(file, JSON.stringify({ accessKeyId, secretAccessKey }))
    return encodeURIComponent(file)
  }
  const [ownerFile, readerFile] = [await fileOf(OWNER), await fileOf(READER)]
  let count = 0
  const bucket = async (kind?: 'locked') => {
    const name = `bucket-${count++}`
    const made = new Bucket({ user: OWNER, bucket: name, endpoint })
    await made.make({ locked: kind === 'locked', readers: [READER] })
    const base = `s3://${name}/fleet?endpoint=${encodeURIComponent(endpoint)}`
    const versions = kind === 'locked' ? '&lock-days=2' : '&versioning=off'
    return {
      ...versionsOf(name, endpoint),
      overwrite: (key: string, bytes: Uint8Array) => made.overwrite(key, bytes),
      writer: `${base}&credentials=${ownerFile}${versions}`,
      reader: `${base}&credentials=${readerFile}`,
    }
  }
  return { endpoint, bucket, stop }
}

function versionsOf(Bucket: string, endpoint: string): Pick<TestBucket, 'retention' | 'destroy'> {
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials: OWNER })
  return {
    async retention(Key) {
      try {
        const { Retention } = await client.send(new GetObjectRetentionCommand({ Bucket, Key }))
        return { mode: Retention?.Mode, until: Retention?.RetainUntilDate }
      } catch (error) {
        if (error instanceof S3ServiceException && error.$metadata.httpStatusCode === 404) return undefined
        throw error
      }
    },
    async destroy(Key) {
      const { VersionId } = await client.send(new HeadObjectCommand({ Bucket, Key }))
      await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))
    },
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const settle = (does: boolean) => () => {
      socket.destroy()
      resolve(does)
    }
    socket.once('connect', settle(true)).once('error', settle(false))
  })
}
