/**
 * The object store of a local stack: a directory, or a bucket of a real radosgw on the stack's wire. Scenes see it
 * as whoever got hold of it does: they read everything, and write what Heddle never would.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Bucket } from '../store/bucket.ts'
import { type S3User, startRadosgw } from '../store/radosgw.ts'
import { addressFileOfStack } from '../trust/custody.ts'
import { makeCgroup } from './cgroup.ts'
import type { Foundation } from './foundation.ts'
import { listens } from './network.ts'
import { launch, type Running, untilReady } from './process.ts'

export const STORE_KINDS = ['files', 's3'] as const
export type StoreKind = (typeof STORE_KINDS)[number]

export type StackStore = {
  /** Addresses: of the functions, and of nodes. */
  writer: string
  reader: string
  processes: Running[]
  read(key: string): Promise<Buffer | undefined>
  overwrite(key: string, bytes: Uint8Array): Promise<void>
  /** Every key that begins with this folder. */
  list(folder: string): Promise<string[]>
}

const DOOR = fileURLToPath(new URL('./store-door.js', import.meta.url))
const BUCKET = 'heddle'
const PREFIX = 'fleet'
/** The wire's namespace is the stack's own. */
const PORT = 7480
const MONITOR_PORT = 3300

/** `directory`: where the cloud's side keeps what it has. */
export function startObjectStore(kind: StoreKind, stack: Foundation, directory: string): Promise<StackStore> {
  return kind === 's3' ? startBucket(stack, directory) : openDirectory(join(directory, 'store'))
}

async function openDirectory(root: string): Promise<StackStore> {
  return {
    writer: root,
    reader: root,
    processes: [],
    async read(key) {
      return existsSync(join(root, key)) ? readFile(join(root, key)) : undefined
    },
    overwrite: (key, bytes) => writeFile(join(root, key), bytes),
    list: (folder) => readdir(join(root, folder), { recursive: true }),
  }
}

async function startBucket(stack: Foundation, directory: string): Promise<StackStore> {
  const [functions, nodes] = [newUser('functions'), newUser('nodes')]
  const cgroup = makeCgroup(join(stack.cgroup, 'store'))
  const namespace = stack.cloud.namespace
  const host = stack.cloud.address4
  const place = join(directory, 'radosgw')
  mkdirSync(place)
  const processes = await startRadosgw({
    directory: place,
    host,
    port: PORT,
    monitorPort: MONITOR_PORT,
    users: [functions, nodes],
    start: (what) => launch({ ...what, cgroup, namespace }),
    listens: () => listens(namespace, PORT),
  })
  const socket = join(directory, 'store.sock')
  const door = launch({
    name: 'door of the object store',
    command: [process.execPath, DOOR, socket, host, String(PORT)],
    cgroup,
    namespace,
    log: join(stack.dir, 'log', 'store-door.log'),
  })
  await untilReady(door, () => existsSync(socket))
  const bucket = new Bucket({ user: functions, bucket: BUCKET, endpoint: 'http://localhost', socket })
  await bucket.make({ locked: false, readers: [nodes] })
  const address = (endpoint: string, user: S3User, more = '') => {
    const file = join(place, `${user.name}.json`)
    const { accessKeyId, secretAccessKey } = user
    writeFileSync(file, JSON.stringify({ accessKeyId, secretAccessKey }), { mode: 0o600 })
    const [at, credentials] = [encodeURIComponent(endpoint), encodeURIComponent(file)]
    return `s3://${BUCKET}/${PREFIX}?endpoint=${at}&credentials=${credentials}${more}`
  }
  // This radosgw keeps conditions in buckets without versions only (functions/README.md).
  const unversioned = '&versioning=off'
  writeFileSync(addressFileOfStack(stack.dir), address(`unix:${socket}`, functions, unversioned))
  return {
    writer: address(`http://${host}:${PORT}`, functions, unversioned),
    reader: address(`http://${host}:${PORT}`, nodes),
    processes: [...processes, door],
    read: (key) => bucket.read(`${PREFIX}/${key}`),
    overwrite: (key, bytes) => bucket.overwrite(`${PREFIX}/${key}`, bytes),
    list: (folder) => bucket.list(`${PREFIX}/${folder}/`),
  }
}

const newUser = (name: string): S3User => ({
  name,
  accessKeyId: randomBytes(10).toString('hex'),
  secretAccessKey: randomBytes(20).toString('hex'),
})
