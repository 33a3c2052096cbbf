import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Command, CommanderError } from 'commander'
import { inheritedListeners } from '../../agent/relay/inherited-listeners.ts'
import { RelayConfig } from '../../agent/relay/config.ts'
import { register } from '../../infra/cli/node-units.ts'
import { relayService, relaySocket } from '../../infra/node/relay-systemd.ts'
import { systemdUnit } from '../../infra/node/systemd.ts'
import { heddleIn } from '../fakes/heddle-command.ts'

const CONFIG = {
  schema: 'heddle.relay/1',
  node: 'node-a',
  bpffs: '/sys/fs/bpf/heddle',
  cgroup: '/sys/fs/cgroup/workloads',
  workloads: '/etc/heddle/workloads.yaml',
  stats: '/var/lib/heddle/relay.sock',
}

/** Values of a directive, in order. */
function values(unit: string, directive: string): string[] {
  return unit
    .split('\n')
    .filter((line) => line.startsWith(`${directive}=`))
    .map((line) => line.slice(directive.length + 1))
}

function service(fields: object = {}, file = '/var/lib/heddle/relay.json'): string {
  const config = RelayConfig.parse({ ...CONFIG, ...fields })
  return relayService({ runtime: '/n', relay: '/r.js', file, config })
}

test('the unit starts the agent with its configuration', () => {
  const unit = systemdUnit({
    runtime: '/n',
    agent: '/a.js',
    config: '/c.json',
    writable: ['/var/lib/heddle'],
  })
  assert.match(unit, /^ExecStart=\/n (--\S+ )+\/a\.js --config \/c\.json$/m)
  assert.deepEqual(values(unit, 'ReadWritePaths'), ['/var/lib/heddle'])
})

describe("the relay's service", () => {
  test('starts the relay with its configuration and takes the sockets', () => {
    assert.deepEqual(values(service(), 'ExecStart'), ['/n /r.js --config /var/lib/heddle/relay.json'])
    assert.deepEqual(values(service(), 'Sockets'), ['heddle-relay.socket'])
  })
  test('is as confined as the agent is, but for what it may do', () => {
    const agent = systemdUnit({ runtime: '/n', agent: '/a.js', config: '/c.json', writable: [] })
    for (const name of ['NoNewPrivileges', 'ProtectSystem', 'ProtectHome', 'PrivateTmp', 'LimitMEMLOCK'])
      assert.deepEqual(values(service(), name), values(agent, name), name)
    assert.doesNotMatch(service(), /CAP_SYS_ADMIN/)
  })
  for (const stopMs of [1, 5_000, 90_500, 86_400_000])
    test(`is not killed before the relay's own ${stopMs} ms to stop are over`, () => {
      const [seconds] = values(service({ stopMs }), 'TimeoutStopSec')
      assert.match(seconds ?? '', /^\d+$/)
      assert.ok(Number(seconds) * 1_000 >= stopMs + 10_000)
    })
  test('may write where its configuration says, each directory once', () => {
    const writable = (fields: object) => values(service(fields), 'ReadWritePaths')
    assert.deepEqual(writable({}), ['/var/lib/heddle /sys/fs/bpf'])
    assert.deepEqual(writable({ journal: '/var/lib/heddle/relay.jsonl' }), ['/var/lib/heddle /sys/fs/bpf'])
    assert.deepEqual(writable({ journal: '/var/log/heddle/relay.jsonl' }), [
      '/var/lib/heddle /var/log/heddle /sys/fs/bpf',
    ])
  })
  test('names paths as systemd reads them', () => {
    const unit = service({ stats: '/a "b"/100%/$c/s' }, '/a b/$c%d.json')
    assert.deepEqual(values(unit, 'ExecStart'), ['/n /r.js --config "/a b/$$c%%d.json"'])
    assert.deepEqual(values(unit, 'ReadWritePaths'), ['"/a \\"b\\"/100%%/$c" /sys/fs/bpf'])
  })
})

describe("the relay's socket", () => {
  const streams = (ipv6: boolean) => values(relaySocket({ port: 14_000, ipv6 }), 'ListenStream')
  test('listens on both loopbacks at one port', () => {
    assert.deepEqual(streams(true), ['127.0.0.1:14000', '[::1]:14000'])
    assert.deepEqual(streams(false), ['127.0.0.1:14000'])
  })
  for (const ipv6 of [true, false])
    test(`has no listener that the relay would not take, ${ipv6 ? 'with' : 'without'} IPv6`, () => {
      const count = streams(ipv6).length
      assert.equal(inheritedListeners({ LISTEN_FDS: String(count), LISTEN_PID: '7' }, 7).length, count)
    })
  test('belongs to the service, as the service to it', () => {
    assert.deepEqual(values(relaySocket({ port: 1, ipv6: true }), 'Service'), ['heddle-relay.service'])
  })
})

describe('heddle node', () => {
  let folder = ''
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'heddle-units-'))
    writeFileSync(join(folder, 'relay.json'), JSON.stringify({ ...CONFIG, stopMs: 7_000 }))
    writeFileSync(join(folder, 'wrong.json'), JSON.stringify({ ...CONFIG, stopMs: '7s' }))
  })
  after(() => rmSync(folder, { recursive: true, force: true }))
  const node = (...args: string[]) => heddleIn(folder, 'node', ...args)

  test("relay-unit says what the relay's configuration says", () => {
    const { status, stdout, stderr } = node('relay-unit', '--config', 'relay.json')
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
    assert.deepEqual(values(stdout, 'TimeoutStopSec'), ['22'])
    assert.match(stdout, /^ExecStart=.*agent\/relay\/main\.js --config \S*relay\.json$/m)
  })
  test('relay-unit says where a configuration is wrong', () => {
    const { status, stdout, stderr } = node('relay-unit', '--config', 'wrong.json')
    assert.deepEqual({ status, stdout }, { status: 1, stdout: '' })
    assert.match(
      stderr,
      /^schema-violation: .*wrong\.json is no configuration of a relay\n.*:1:\d+: stopMs: /,
    )
  })
  test('relay-socket-unit takes a port, and whether there is IPv6', () => {
    const { stdout } = node('relay-socket-unit', '--port', '65535', '--no-ipv6')
    assert.deepEqual(values(stdout, 'ListenStream'), ['127.0.0.1:65535'])
    assert.equal(values(node('relay-socket-unit').stdout, 'ListenStream').length, 2)
  })
  const WRONG: string[][] = [
    ['unit'],
    ['unit', '--config', 'node.json', '--port', '14000'],
    ['relay-unit'],
    ['relay-unit', '--config', 'relay.json', '--port', '14000'],
    ['relay-socket-unit', '--config', 'relay.json'],
    ...['0', '65536', '-1', '014', '80.5', '1e3', 'http', ''].map((port) => [
      'relay-socket-unit',
      '--port',
      port,
    ]),
  ]
  for (const args of WRONG)
    test(`\`heddle node ${args.join(' ')}\` is wrong usage`, async () => {
      // In this process: a start for each would take longer than all other tests here.
      const program = new Command('heddle').exitOverride().configureOutput({ writeErr: () => {} })
      register(program)
      const asked = program.parseAsync(['node', ...args], { from: 'user' })
      await assert.rejects(asked, (error) => {
        assert.ok(error instanceof CommanderError)
        assert.match(error.message, /^error: /)
        return error.exitCode !== 0
      })
    })
  test('wrong usage is exit code 2', () => {
    const { status, stdout, stderr } = node('relay-socket-unit', '--port', '0')
    assert.deepEqual({ status, stdout }, { status: 2, stdout: '' })
    assert.match(stderr, /^error: /)
  })
})
