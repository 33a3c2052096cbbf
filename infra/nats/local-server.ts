/** A nats-server of one's own: its keys, its configuration, its port. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readRevoked } from './members.ts'
import { ensureUserSeed } from './nkeys.ts'
import { serverConfig } from './server-config.ts'

const ANY_PORT = -1

export type PreparedNats = {
  /** Start this; it runs in the foreground. */
  command: string[]
  seedFile: string
  seedOf(node: string): string
  /** Where clients find it; undefined until the server listens. */
  url(): Promise<string | undefined>
}

/** Write seeds and configuration below `directory`; keys that are there stay. */
export async function prepareNats(
  directory: string,
  host: string,
  nodes: { name: string; ring: string }[],
): Promise<PreparedNats> {
  const seedFile = join(directory, 'functions.nk')
  const seedOf = (node: string) => join(directory, 'nodes', `${node}.nk`)
  const portsDirectory = join(directory, 'ports')
  const configFile = join(directory, 'nats.json')
  const functions = await ensureUserSeed(seedFile)
  const users = await Promise.all(
    nodes.map(async ({ name, ring }) => ({ name, ring, nkey: await ensureUserSeed(seedOf(name)) })),
  )
  const revoked = await readRevoked(directory)
  const known = users.filter(({ nkey }) => !revoked.has(nkey))
  // The file of a server that was killed would name a port that is another's by now.
  await rm(portsDirectory, { recursive: true, force: true })
  await mkdir(portsDirectory, { recursive: true })
  const server = {
    host,
    port: ANY_PORT,
    storeDirectory: join(directory, 'jetstream'),
    portsDirectory,
    pidFile: join(directory, 'nats.pid'),
  }
  await writeFile(configFile, serverConfig(server, { functions, nodes: known }), { mode: 0o600 })
  return {
    command: ['nats-server', '-c', configFile],
    seedFile,
    seedOf,
    url: () => readUrl(portsDirectory),
  }
}

async function readUrl(portsDirectory: string): Promise<string | undefined> {
  for (const name of await readdir(portsDirectory)) {
    if (!name.endsWith('.ports')) continue
    try {
      const ports: { nats?: string[] } = JSON.parse(await readFile(join(portsDirectory, name), 'utf8'))
      return ports.nats?.[0]
    } catch {
      // Half written: the next look finds it whole.
    }
  }
  return undefined
}
