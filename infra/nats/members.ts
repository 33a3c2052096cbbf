/**
 * Which nodes a bus knows: the users in a configuration that `serverConfig` wrote. A key that was
 * revoked is remembered beside it and never admitted again, whoever asks.
 */
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { z } from 'zod'
import { openDisk } from '../../agent/disk.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { nodePermissions, report } from '../../pipelines/contract/subjects.ts'
import { user } from './server-config.ts'

const REVOKED = 'revoked.json'
const User = z.looseObject({
  nkey: z.string(),
  permissions: z.looseObject({ publish: z.looseObject({ allow: z.array(z.string()) }) }),
})
const Config = z.looseObject({
  pid_file: z.string().optional(),
  authorization: z.looseObject({ users: z.array(User) }),
})
type Config = z.infer<typeof Config>

export type Membership = {
  /** Keys that the bus knew before and knows no more. */
  revoked: string[]
  /** True = the server has been told; false = it was not running. */
  reloaded: boolean
}

/** The node speaks with this key from now on; what it had before is revoked. Twice is once. */
export async function admitNode(
  configFile: string,
  node: { name: string; ring: string; nkey: string },
): Promise<Membership> {
  if ((await readRevoked(dirname(configFile))).has(node.nkey)) {
    throw new Failure('metadata-untrusted', `${node.nkey} was revoked: enrol the node again with a new key`)
  }
  return change(configFile, node.name, [user(node.nkey, nodePermissions(node.name, node.ring))])
}

/** The node's keys open no connection any more, and those that are open end. Twice is once. */
export function revokeNode(configFile: string, name: string): Promise<Membership> {
  return change(configFile, name, [])
}

/** Public keys that the bus of this directory must not know. */
export async function readRevoked(directory: string): Promise<Set<string>> {
  const bytes = await openDisk(directory).read(REVOKED)
  return new Set(
    bytes === undefined ? [] : z.array(z.string()).parse(JSON.parse(Buffer.from(bytes).toString())),
  )
}

async function change(configFile: string, name: string, its: ReturnType<typeof user>[]): Promise<Membership> {
  const disk = openDisk(dirname(configFile))
  const config = await readConfig(configFile)
  const { users } = config.authorization
  const isIts = ({ permissions }: z.infer<typeof User>) => permissions.publish.allow.includes(report(name))
  const revoked = users.filter((known) => isIts(known) && !its.some(({ nkey }) => nkey === known.nkey))
  const nkeys = revoked.map(({ nkey }) => nkey)
  // First: a death in between must not let the key back in.
  const all = new Set([...(await readRevoked(dirname(configFile))), ...nkeys])
  if (nkeys.length > 0) await disk.write(REVOKED, `${JSON.stringify([...all], null, 2)}\n`)
  const authorization = {
    ...config.authorization,
    users: [...users.filter((known) => !isIts(known)), ...its],
  }
  await disk.write(basename(configFile), `${JSON.stringify({ ...config, authorization }, null, 2)}\n`)
  return { revoked: nkeys, reloaded: await reload(config, configFile) }
}

async function readConfig(file: string): Promise<Config> {
  const text = await readFile(file, 'utf8')
  try {
    return Config.parse(JSON.parse(text))
  } catch (cause) {
    const message = `${file} is no configuration that heddle has written for a nats-server`
    throw new Failure('schema-violation', message, { cause })
  }
}

/** SIGHUP makes nats-server read its configuration again and end what it no longer allows. */
async function reload({ pid_file: pidFile }: Config, configFile: string): Promise<boolean> {
  const pid = Number(pidFile && (await readFile(pidFile, 'utf8').catch(() => '')))
  if (!Number.isInteger(pid) || pid < 2) return false
  // A pid outlives its process: only the server of this very configuration is told.
  const command = await readFile(join('/proc', String(pid), 'cmdline'), 'utf8').catch(() => '')
  if (!command.split('\0').includes(configFile)) return false
  process.kill(pid, 'SIGHUP')
  return true
}
