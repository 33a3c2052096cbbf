/** `heddle trust` at the command line: exit codes, --json, what is missing and where. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, beforeEach, describe, test } from 'node:test'
import { execa } from 'execa'
import { openOnlineKeys } from '../../functions/adapters/dev-keys.ts'
import { openFsStore } from '../../functions/adapters/fs-store.ts'
import { Repository } from '../../functions/trust/repository.ts'
import { type Custody, initTrust, signCheckout } from '../../infra/trust/custody.ts'
import { fakeCode } from '../fakes/compiler.ts'
import { systemClock } from '../fakes/keys.ts'
import { HEDDLE } from '../fakes/heddle-command.ts'

let directory: string
let custody: Custody
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-trust-cli-'))
})
after(() => rm(directory, { recursive: true, force: true }))

let count = 0
beforeEach(async () => {
  const at = (name: string) => join(directory, String(count), name)
  count++
  custody = { store: at('store'), root: at('root.json'), offline: [at('offline')], online: at('online') }
  await initTrust(custody, fakeCode)
})

async function trust(...args: string[]) {
  const where = ['--store', custody.store, '--root', custody.root, '--online', custody.online]
  const all = ['trust', ...args, ...where, '--offline', ...custody.offline]
  return execa(process.execPath, [HEDDLE, ...all], { reject: false })
}
/** As the functions do when they start. */
async function publish(): Promise<void> {
  const [store, keys] = [await openFsStore(custody.store), await openOnlineKeys(custody.online)]
  const trustedRoot = await readFile(custody.root)
  await new Repository({ store, keys, clock: systemClock, trustedRoot }).refresh()
}
const stored = async () => (await readdir(join(custody.store, 'tuf'))).sort()

describe('heddle trust', () => {
  test('init held twice changes nothing; the functions get no offline key, the operator no online one', async () => {
    const before = [await stored(), await readFile(custody.root)]
    await initTrust(custody, fakeCode)
    assert.deepEqual([await stored(), await readFile(custody.root)], before)
    const keysIn = async (path: string) => (await readdir(path)).filter((name) => name.endsWith('.key'))
    assert.deepEqual(await keysIn(custody.online), [
      'log-1.key',
      'policy-1.key',
      'release-1.key',
      'snapshot-1.key',
      'timestamp-1.key',
    ])
    assert.equal((await keysIn(custody.offline[0] ?? '')).length, 5)
    for (const name of await keysIn(custody.online)) await rm(join(custody.online, name))
    assert.equal((await trust('rotate', 'root')).exitCode, 0)
    assert.deepEqual(await keysIn(custody.online), [])
  })

  test('status: 1 while somebody must act, 0 when nobody must; --save writes the newest root', async () => {
    const early = await trust('status')
    assert.equal(early.exitCode, 1)
    assert.match(early.stdout, /^timestamp +online +v- .* unpublished$/m)
    await publish()
    await trust('extend', 'root')
    const saved = join(directory, 'saved.json')
    const good = await trust('status', '--json', '--save', saved)
    assert.equal(good.exitCode, 0, good.stdout)
    const { root, roles } = JSON.parse(good.stdout)
    assert.deepEqual(root, { trusted: 1, newest: 2 })
    assert.equal(roles[0].threshold, 2)
    assert.deepEqual(
      JSON.parse(await readFile(saved, 'utf8')),
      JSON.parse(await readFile(join(custody.store, 'tuf/2.root.json'), 'utf8')),
    )
  })

  test('one root key of three on another medium is not needed; with two away the missing ones are named', async () => {
    const [offline = ''] = custody.offline
    await rename(join(offline, 'root-1.key'), join(directory, `root-1-${count}`))
    assert.equal((await trust('extend', 'root')).exitCode, 0)
    await rename(join(offline, 'root-2.key'), join(directory, `root-2-${count}`))
    const { exitCode, stderr } = await trust('extend', 'root')
    assert.equal(exitCode, 1)
    assert.match(stderr, /^metadata-untrusted: root \(root 2\) needs 2 of its keys, 1 are at hand.*--offline/)
    assert.equal(stderr.match(/^ {2}not at hand: [0-9a-f]{64}$/gm)?.length, 2)
  })

  test('keys brought together from several media sign as one', async () => {
    const [offline = ''] = custody.offline
    const stick = join(directory, String(count), 'root-2.key')
    await rename(join(offline, 'root-2.key'), stick)
    await rm(join(offline, 'root-3.key'))
    assert.equal((await trust('extend', 'root')).exitCode, 1)
    custody = { ...custody, offline: [offline, join(directory, String(count))] }
    assert.equal((await trust('extend', 'root')).exitCode, 0)
  })

  test('rotate names one key by its beginning, puts the next in its place, and takes no old one back', async () => {
    const { roles } = JSON.parse((await trust('status', '--json')).stdout)
    const [lost = '', ...kept] = roles[0].keys
    const first = JSON.parse((await trust('rotate', 'root', '--json', '--key', lost.slice(0, 12))).stdout)
    assert.equal(first.state, 'rotated')
    assert.deepEqual(first.keys.slice(0, 2), kept)
    const second = JSON.parse((await trust('rotate', 'root', '--json')).stdout)
    for (const id of [lost, ...first.keys]) assert.ok(!second.keys.includes(id))
    const codes = []
    for (let times = 0; times < 3; times++) {
      codes.push(...JSON.parse((await trust('rotate', 'code', '--json')).stdout).keys)
    }
    assert.equal(new Set(codes).size, 3)
    const wrong = await trust('rotate', 'root', '--key', lost)
    assert.equal(wrong.exitCode, 1)
    assert.match(wrong.stderr, /is no key of root\n( {2}root key [0-9a-f]{64}\n?){3}$/)
  })

  test('a command that failed between making keys and signing goes on with these keys', async () => {
    const [offline = ''] = custody.offline
    const rootKeys = async () => (await readdir(offline)).filter((name) => /^root-\d+\.key$/.test(name))
    const lend = async (from: string, to: string) => {
      for (const name of ['root-1.key', 'root-2.key']) await rename(join(from, name), join(to, name))
    }
    await lend(offline, directory)
    assert.equal((await trust('rotate', 'root')).exitCode, 1)
    assert.equal((await rootKeys()).length, 4)
    await lend(directory, offline)
    assert.equal((await trust('rotate', 'root')).exitCode, 0)
    assert.equal((await rootKeys()).length, 6)
  })

  test('the log: named by code, one more key at a rotation, none that went comes back', async () => {
    const log = async () => JSON.parse((await trust('status', '--json')).stdout).log
    const named = await log()
    assert.equal(named.origin, 'heddle.local/log')
    assert.equal(named.keys.length, 1)
    const first = JSON.parse((await trust('rotate', 'log', '--json')).stdout)
    assert.equal(first.keys.length, 2)
    assert.deepEqual((await log()).keys.slice(0, 1), named.keys)
    const second = JSON.parse((await trust('rotate', 'log', '--json', '--key', ...first.keys)).stdout)
    assert.equal(second.keys.length, 1)
    assert.ok(!first.keys.includes(second.keys[0]))
    assert.ok(
      (await trust('status')).stdout.includes(`log heddle.local/log (${second.keys[0]}), named by code`),
    )
    const wrong = await trust('rotate', 'log', '--key', first.keys[0])
    assert.match(wrong.stderr, /is no key of the log\n {2}log key [0-9a-f]{8}/)
    assert.equal(await signCheckout(custody, fakeCode), false, 'sign-code keeps the log that is named')
  })

  test('restart makes a new root of trust only when told so, and keeps every number', async () => {
    await publish()
    const { exitCode, stderr } = await trust('restart')
    assert.equal(exitCode, 2)
    assert.match(stderr, /--yes/)
    const before = JSON.parse((await trust('status', '--json')).stdout).roles
    for (const name of ['root-1.key', 'root-2.key', 'root-3.key'])
      await rm(join(custody.offline[0] ?? '', name))
    assert.equal((await trust('restart', '--yes')).exitCode, 0)
    await publish()
    const after = JSON.parse((await trust('status', '--json')).stdout)
    assert.deepEqual(after.root, { trusted: 2, newest: 2 })
    for (const [at, { role, version }] of before.entries()) {
      if (role !== 'root') assert.ok(after.roles[at].version >= version, role)
    }
  })

  const wrong: [string, string[]][] = [
    ['no place', ['trust', 'status']],
    ['an unknown role', ['trust', 'rotate', 'boss', '--stack', 'x']],
    ['an online role to extend', ['trust', 'extend', 'timestamp', '--stack', 'x']],
    ['no version', ['trust', 'restart', '--from', 'x', '--stack', 'x']],
    ['an odd node name', ['node', 'revoke', '../x', '--bus', 'x', '--store', 'x']],
    [
      'a private key for a public one',
      ['node', 'admit', 'n', '--ring', 'r', '--nkey', 'SU', '--bus', 'x', '--store', 'x'],
    ],
  ]
  for (const [name, args] of wrong) {
    test(`${name} is wrong usage`, async () => {
      const { exitCode, stderr } = await execa(process.execPath, [HEDDLE, ...args], { reject: false })
      assert.equal(exitCode, 2)
      assert.match(stderr, /^error: /)
    })
  }

  test('what is no configuration of a bus, and what is not there, is refused by name', async () => {
    const bus = join(directory, 'other')
    const revoke = ['node', 'revoke', 'n1', '--bus', bus, '--store', custody.store]
    for (const content of [undefined, '{}']) {
      if (content !== undefined) await mkdir(bus)
      if (content !== undefined) await writeFile(join(bus, 'bus.json'), content)
      const odd = await execa(process.execPath, [HEDDLE, ...revoke], { reject: false })
      assert.equal(odd.exitCode, 1)
      assert.match(odd.stderr, /^schema-violation: .*bus\.json/)
    }
    await rm(custody.root)
    const gone = await trust('status')
    assert.equal(gone.exitCode, 1)
    assert.match(gone.stderr, /root\.json/)
  })
})
