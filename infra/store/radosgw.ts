/**
 * An S3 server of one's own: Ceph's radosgw over one monitor and one storage daemon that keeps objects in
 * memory. For this machine's demo and tests; nothing of it outlives its processes and its directory.
 */
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Running, untilReady } from '../local/process.ts'

export type S3User = { name: string; accessKeyId: string; secretAccessKey: string }
export type Radosgw = {
  /** Made when it is not there. Absolute. */
  directory: string
  /** Where radosgw listens, and a loopback port for its monitor. */
  host: string
  port: number
  monitorPort: number
  users: readonly S3User[]
  /** Starts a process, of whose end the caller takes care. */
  start(what: { name: string; command: string[]; log: string; environment: Record<string, string> }): Running
  /** True when something accepts connections at host and port. */
  listens(): Promise<boolean>
}

/** Four seconds on two idle cores: the first start makes pools. */
const READY_MS = 120_000
const POLL_MS = 10
/** Bytes of memory for objects, at most. */
const OBJECT_MEMORY = 2 ** 30

/** Resolves, with the processes that serve, when it answers. Throws with the last words of what failed. */
export async function startRadosgw(options: Radosgw): Promise<Running[]> {
  const { directory, users } = options
  for (const name of ['mon', 'osd', 'rgw']) await mkdir(join(directory, name), { recursive: true })
  const storageKey = cephKey()
  await writeFile(join(directory, 'keyring'), keyring(storageKey), { mode: 0o600 })
  await writeFile(join(directory, 'ceph.conf'), configuration(options))
  await writeFile(join(directory, 'osd.json'), JSON.stringify({ cephx_secret: storageKey }), { mode: 0o600 })
  const start = (name: string, command: string[]) =>
    options.start({
      name,
      command,
      log: join(directory, `${name}.log`),
      environment: { CEPH_CONF: join(directory, 'ceph.conf') },
    })
  const run = (name: string, ...command: string[]) => toItsEnd(start(name, command))

  const id = randomUUID()
  await run('mon-mkfs', 'ceph-mon', '--mkfs', '-i', 'a')
  const monitor = start('mon', ['ceph-mon', '-i', 'a', '-f'])
  await run('osd-mkfs', 'ceph-osd', '--mkfs', '-i', '0', '--osd-uuid', id)
  await run('osd-new', 'ceph', 'osd', 'new', id, '-i', join(directory, 'osd.json'))
  const storage = start('osd', ['ceph-osd', '-i', '0', '-f'])
  for (const user of users) await run('user', ...userCommand(user))
  const gateway = start('rgw', ['radosgw', '-n', 'client.admin', '-f'])
  await untilReady(gateway, options.listens, READY_MS)
  return [monitor, storage, gateway]
}

function userCommand({ name, accessKeyId, secretAccessKey }: S3User): string[] {
  const keys = [`--access-key=${accessKeyId}`, `--secret=${secretAccessKey}`]
  return ['radosgw-admin', 'user', 'create', `--uid=${name}`, `--display-name=${name}`, ...keys]
}

async function toItsEnd(running: Running): Promise<void> {
  while (running.ended() === undefined) await sleep(POLL_MS)
  const end = running.ended()
  if (end !== 'exit code 0') throw new Error(`${running.name} failed (${end}):\n${running.lastLines(10)}`)
}

/** As ceph-authtool makes one: type AES, no time, 16 bytes (CryptoKey::encode). */
function cephKey(): string {
  const head = Buffer.alloc(12)
  head.writeUInt16LE(1, 0)
  head.writeUInt16LE(16, 10)
  return Buffer.concat([head, randomBytes(16)]).toString('base64')
}

/** The monitor takes all of it over; to the storage daemon it gives these capabilities and no others. */
function keyring(storageKey: string): string {
  const may = (mon: string, mgr: string) => `caps mon = "${mon}"\ncaps osd = "allow *"\ncaps mgr = "${mgr}"\n`
  return `[mon.]
key = ${cephKey()}
${may('allow *', 'allow *')}
[client.admin]
key = ${cephKey()}
${may('allow *', 'allow *')}
[osd.0]
key = ${storageKey}
${may('allow profile osd', 'allow profile osd')}`
}

/**
 * One copy of everything, one placement group a pool. The monitor is told not to wait for more to decide upon:
 * with its own interval of a second each of the pools costs two. Without tcp_nodelay each answer with a body waits
 * 40 ms for the acknowledgement of its head.
 */
function configuration({ directory, host, port, monitorPort }: Radosgw): string {
  return `[global]
fsid = ${randomUUID()}
mon_initial_members = a
mon_host = [v2:127.0.0.1:${monitorPort}]
public_network = 127.0.0.0/8
ms_bind_ipv4 = true
auth_allow_insecure_global_id_reclaim = false
keyring = ${directory}/keyring
mon_data = ${directory}/mon
osd_data = ${directory}/osd
rgw_data = ${directory}/rgw
run_dir = ${directory}
admin_socket =
log_file =
log_to_stderr = true
paxos_propose_interval = 0.01
paxos_min_wait = 0.005
mon_data_avail_crit = 1
mon_data_avail_warn = 2
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = ${OBJECT_MEMORY}
rgw_frontends = beast endpoint=${host}:${port} tcp_nodelay=1
rgw_thread_pool_size = 64
rgw_enable_gc_threads = false
rgw_enable_lc_threads = false
rgw_enable_quota_threads = false
rgw_run_sync_thread = false
[mon.a]
public_addrv = [v2:127.0.0.1:${monitorPort}]
`
}
