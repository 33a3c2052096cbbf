/** A bus at the command line: made, its servers started, a node admitted, heard, revoked. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { execa } from 'execa'
import { fsStore } from '../../agent/adapters/fs-store.ts'
import { natsLink } from '../../agent/adapters/nats-link.ts'
import { readConfig } from '../../agent/config.ts'
import { openDisk } from '../../agent/disk.ts'
import { killServer, noServer, startServer } from '../fakes/bus-member.ts'
import { freePort } from '../fakes/free-port.ts'
import { eventually } from '../fakes/local-delivery.ts'
import { type Fleet, nodeFleet } from '../fakes/node-fleet.ts'
import { HEDDLE } from '../fakes/heddle-command.ts'

describe('heddle bus, and the nodes on it', { skip: noServer, timeout: 60_000 }, () => {
  let directory: string
  let fleet: Fleet
  let server: ChildProcess | undefined
  const at = (...names: string[]) => join(directory, ...names)
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'heddle-bus-cli-'))
    fleet = await nodeFleet()
    await writeFile(at('root.json'), fleet.published.root)
  })
  after(async () => {
    await killServer(server)
    await fleet.close()
    await rm(directory, { recursive: true, force: true })
  })

  async function heddle(...args: string[]) {
    const { stdout } = await execa(process.execPath, [HEDDLE, ...args])
    return JSON.parse(stdout)
  }
  const bus = () => ['--bus', at('bus'), '--store', at('store')]
  async function enroll(url: string): Promise<{ config: string; nats: { nkey: string; request: string } }> {
    const flags: [string, string][] = [
      ['directory', at('node')],
      ['name', 'node-1'],
      ['ring', 'canary'],
      ['store', at('store')],
      ['root', at('root.json')],
      ['nats', url],
      ['nats-ca', at('bus', 'keys', 'clients-ca.pem')],
      ['workloads', at('workloads.json')],
      ['cgroup', at('cgroup')],
      ['bpffs', '/sys/fs/bpf/heddle'],
    ]
    return heddle('node', 'enroll', ...flags.flatMap(([name, value]) => [`--${name}`, value]))
  }

  test('three servers get a directory each, and nats-server takes what is in them', async () => {
    const places = [1, 2, 3].flatMap((number) => ['--server', `nats-${number}=127.0.0.${number}`])
    const { servers } = await heddle('bus', 'init', '--bus', at('cluster'), ...places)
    for (const { start } of servers as { start: string }[]) {
      const [command = '', ...args] = start.split(' ')
      await execa(command, [...args, '-t'])
      const config = await readFile(args[1] ?? '', 'utf8')
      assert.equal(config.match(/nats-route:/g)?.length, 2)
    }
  })

  test('a node is enrolled and admitted, gets what it shows from the store, and is cut off when it is revoked', async () => {
    const { servers } = await heddle('bus', 'init', '--bus', at('bus'), '--server', 'nats-1=127.0.0.1')
    const port = await freePort()
    server = startServer([...servers[0].start.split(' '), '-p', String(port)])
    const { config, nats } = await enroll(`tls://127.0.0.1:${port}`)
    const { node, ring, nats: its, stateDirectory } = await readConfig(config)
    assert.ok(its)
    const options = { ...its, node, ring, store: fsStore(at('store')), disk: openDisk(stateDirectory) }
    const link = natsLink({ ...options, lookMs: 100 }, () => {})
    try {
      await writeFile(at('node.csr'), nats.request)
      const asked = ['--ring', ring, '--nkey', nats.nkey, '--csr', at('node.csr')]
      await heddle('node', 'admit', node, ...bus(), ...asked)
      await eventually('the node on the bus', () => link.connection())
      const { revoked, reloaded } = await heddle('node', 'revoke', node, ...bus())
      assert.deepEqual({ revoked, reloaded }, { revoked: [nats.nkey], reloaded: ['nats-1'] })
      await eventually('its end', () => (link.connection() === undefined ? true : undefined))
    } finally {
      await link.close()
    }
  })

  const wrong: [string, string[]][] = [
    ['no server', ['bus', 'init', '--bus', 'x']],
    ['a server without address', ['bus', 'init', '--bus', 'x', '--server', 'nats-1']],
    ['a server by name', ['bus', 'init', '--bus', 'x', '--server', 'nats-1=nats.example']],
  ]
  for (const [what, args] of wrong) {
    test(`${what} is wrong usage`, async () => {
      const { exitCode } = await execa(process.execPath, [HEDDLE, ...args], { reject: false })
      assert.equal(exitCode, 2)
    })
  }
})
