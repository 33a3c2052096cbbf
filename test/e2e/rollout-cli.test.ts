/** `heddle rollout` against real functions, a real bus and nodes that report. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { openPolicy } from '../fakes/policies.ts'
import { execa } from 'execa'
import { ensureOperator } from '../../functions/adapters/dev-keys.ts'
import { rolloutEndKey } from '../../pipelines/contract/object-keys.ts'
import { eventually, LocalDelivery } from '../fakes/local-delivery.ts'
import { HEDDLE } from '../fakes/heddle-command.ts'

const absent = spawnSync('nats-server', ['--version']).error !== undefined && 'nats-server is not installed'

const TENANTS = { 'tenants.yaml': 'tenants:\n  - path: policies\n    namespaces: [shop]\n' }

describe('heddle rollout', { skip: absent }, () => {
  let delivery: LocalDelivery

  before(async () => {
    // Long enough that a soak never ends by itself here: promote ends it.
    delivery = await LocalDelivery.start({ bus: true, until: 'published', soakMs: 3_600_000 })
    await delivery.startNodes()
  })
  after(() => delivery.stop())

  const heddle = async (...args: string[]) => {
    const { stdout, stderr, exitCode } = await execa(process.execPath, [HEDDLE, 'rollout', ...args], {
      reject: false,
    })
    return { stdout, stderr, exitCode }
  }
  const at = async () => ['--functions', await delivery.url()]
  const key = (name = 'ada') => ['--key', delivery.path(`operators/${name}.key`)]
  const look = async () => JSON.parse((await heddle('status', '--json', ...(await at()))).stdout)
  const command = async (verb: string, ...more: string[]) => heddle(verb, ...(await at()), ...key(), ...more)
  /** Lets a commit through every ring. */
  const promoteAll = async (commit: string) => {
    for (const ring of ['ring-0', 'ring-1']) {
      await eventually(`${ring} soaks`, async () => {
        const { current, rings } = await look()
        const mine = rings.find((each: { ring: string }) => each.ring === ring)
        return current?.commit === commit && mine?.state === 'soaking' ? true : undefined
      })
      assert.equal((await command('promote', '--why', 'seen enough')).exitCode, 0)
    }
    await eventually('done', async () => ((await look()).current.state === 'done' ? true : undefined))
  }

  it('shows, pauses, resumes, promotes and rolls back; the history says who and why', async () => {
    assert.match((await heddle('status', ...(await at()))).stdout, /no rollout has begun yet/)
    const one = await delivery.push({ ...TENANTS, ...openPolicy('api') })
    await promoteAll(one.commit)
    const first = await look()
    const two = await delivery.push(openPolicy('web'))
    await eventually('the second', async () =>
      (await look()).current.commit === two.commit ? true : undefined,
    )
    assert.match((await command('pause', '--why', 'a look first')).stdout, /paused: ada: a look first/)
    assert.equal((await look()).current.held.by, 'ada')
    assert.equal((await command('resume')).exitCode, 0)
    await promoteAll(two.commit)

    const back = await command('rollback', '--why', 'orders fail', '--json')
    assert.equal(back.exitCode, 0, back.stderr)
    const { current } = JSON.parse(back.stdout)
    assert.deepEqual(
      [current.kind, current.artifact, current.number],
      ['rollback', first.current.artifact, 3],
    )
    await eventually('the way back', async () => ((await look()).current.state === 'done' ? true : undefined))
    assert.equal((await delivery.released('ring-1'))?.artifact, first.current.artifact)
    const status = await eventually('the status', async () => {
      const found = await delivery.status(two.commit)
      return found?.stage === 'rolled-back' ? found : undefined
    })
    assert.match(status.description, /rolled back in ring-1: rolled back by ada: orders fail/)
    const ended = await (await delivery.store()).get(rolloutEndKey(2, 'rolled-back'), 100_000)
    assert.ok(ended, 'its end is in the signed history')
    assert.match((await heddle('status', ...(await at()))).stdout, /rolled-back in ring-1/)
  })

  it('stop keeps the next one from every ring until start', async () => {
    assert.equal((await command('stop', '--why', 'incident')).exitCode, 0)
    const three = await delivery.push(openPolicy('db'))
    const told = await eventually('the third', async () => {
      const view = await look()
      return view.current.commit === three.commit ? view : undefined
    })
    assert.deepEqual([told.stopped.why, told.current.why], ['incident', 'stopped by ada: incident'])
    assert.notEqual((await delivery.released('ring-0'))?.commit, three.commit)
    assert.match((await heddle('status', ...(await at()))).stdout, /STOPPED by ada: incident/)
    assert.equal((await command('start')).exitCode, 0)
    await eventually('ring-0', async () =>
      (await delivery.released('ring-0'))?.commit === three.commit ? true : undefined,
    )
    assert.match((await command('abort', '--why', 'enough')).stdout, /on the way back/)
  })

  it('refuses whom it does not know, what is not there, and wrong usage, each with its exit code', async () => {
    await ensureOperator(delivery.path('strangers'), 'eve')
    const eve = await heddle('stop', ...(await at()), '--key', delivery.path('strangers/eve.key'))
    assert.deepEqual([eve.exitCode, /^command-untrusted: /.test(eve.stderr)], [1, true])
    const old = await command('abort', '--rollout', '1-0000')
    assert.deepEqual([old.exitCode, /^command-refused: the rollout is /.test(old.stderr)], [1, true])
    assert.equal((await heddle('status', '--functions', 'http://127.0.0.1:1')).exitCode, 1)
    for (const wrong of [
      ['status'],
      ['status', '--functions', 'ftp://x'],
      ['pause', ...(await at())],
      ['explode'],
    ])
      assert.equal((await heddle(...wrong)).exitCode, 2, wrong.join(' '))
    const made = await heddle('operator', 'grace', '--keys', delivery.path('grace'))
    assert.match(made.stdout, /^-----BEGIN PUBLIC KEY-----/)
    await rm(delivery.path('grace'), { recursive: true })
  })
})
