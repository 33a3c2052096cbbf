/** The object store in S3, against a real server: Ceph's radosgw, alone and with faults in front of it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { s3Store } from '../../agent/adapters/s3-store.ts'
import type { Store } from '../../agent/ports.ts'
import { openS3Store, S3Store } from '../../functions/adapters/s3-store.ts'
import { openStore } from '../../infra/store/open-store.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { bucketAddress as s3, type S3Address } from '../../pipelines/contract/store-address.ts'
import { type Fault, type FaultyProxy, faultyProxy } from '../fakes/faulty-proxy.ts'
import { systemClock } from '../fakes/keys.ts'
import { noRadosgw, type TestServer, testRadosgw } from '../fakes/radosgw.ts'
import { objectStoreContract } from './object-store.ts'
import { publishRace } from './publish-race.ts'

const PATIENCE = { attemptMs: 5_000, attempts: 4, random: () => 0.2 }
/** For servers that never come to an end. */
const HASTE = { ...PATIENCE, attemptMs: 300, attempts: 3 }
const ENDLESS: Fault[] = ['never', 'trickle']
const LIMIT = 1 << 20
const ONE = Buffer.from('one')
const TWO = Buffer.from('two')
const hasCode = (code: string) => (error: unknown) => error instanceof Failure && error.code === code

describe('object store in S3', { skip: noRadosgw }, () => {
  let server: TestServer
  let proxy: FaultyProxy
  before(async () => {
    server = await testRadosgw()
    proxy = await faultyProxy(server.endpoint)
  })
  after(async () => {
    await proxy?.stop()
    await server?.stop()
  })

  objectStoreContract('S3 (radosgw)', async () => openStore((await server.bucket()).writer, systemClock))
  publishRace(async () => (await server.bucket()).writer)

  /** A store whose requests all pass the proxy, and one that asks the server itself. */
  async function behindProxy(fault?: Fault) {
    const patience = fault !== undefined && ENDLESS.includes(fault) ? HASTE : PATIENCE
    proxy.fault = () => undefined
    const { writer, reader } = await server.bucket()
    const [address, own] = [s3(writer), s3(`${reader}&versioning=off`)]
    const through = { ...address, endpoint: proxy.endpoint }
    const store = await openS3Store(through, systemClock, patience)
    const agent = s3Store({ ...own, endpoint: proxy.endpoint }, patience)
    const honest = new S3Store(address, systemClock, PATIENCE)
    proxy.count = 0
    return { store, agent, honest }
  }

  /** The first requests of this method have these faults, one each. */
  const first = (method: string, ...faults: Fault[]) => {
    const left = [...faults]
    proxy.fault = (request) => (request.method === method ? left.shift() : undefined)
  }

  const passing: Fault[] = [500, 'slow-down', 429, 'reset-before', 'never', 'endless-error']
  for (const fault of passing) {
    it(`asks again after ${fault}, and then it is done`, async () => {
      const { store, agent } = await behindProxy(fault)
      first('PUT', fault, fault)
      const version = await store.replace('p', ONE, undefined)
      first('PUT', fault)
      await store.replace('p', TWO, version)
      first('GET', fault)
      assert.deepEqual(Buffer.from((await store.get('p', LIMIT))?.bytes ?? []), TWO)
      first('GET', fault)
      assert.deepEqual(Buffer.from((await agent.get('p', LIMIT)) ?? []), TWO)
    })
  }

  for (const fault of ['reset-after', 'error-after', 'endless', 'trickle'] as const) {
    it(`knows its own write when it was done and the answer is lost: ${fault}`, async () => {
      const { store } = await behindProxy(fault)
      first('PUT', fault)
      assert.equal(await store.create('a', ONE), 'created')
      first('PUT', fault, fault)
      const one = await store.replace('p', ONE, undefined)
      first('PUT', fault)
      const two = await store.replace('p', TWO, one)
      assert.deepEqual((await store.get('p', LIMIT))?.version, two)
    })

    it(`does not take another's write for its own, the same bytes too: ${fault}`, async () => {
      const { store, honest } = await behindProxy(fault)
      await honest.create('a', ONE)
      first('PUT', fault)
      assert.equal(await store.create('a', ONE), 'exists')
      const version = await honest.replace('p', ONE, undefined)
      await honest.replace('p', TWO, version)
      first('PUT', fault)
      await assert.rejects(store.replace('p', TWO, version), hasCode('store-conflict'))
    })
  }

  it('says that its write is gone when another one has replaced it before it knew', async () => {
    const { store, honest } = await behindProxy()
    let puts = 0
    proxy.fault = ({ method }) => (method === 'PUT' && puts++ === 0 ? 'reset-after' : undefined)
    const writing = store.replace('p', ONE, undefined)
    const others = async () => {
      const there = await honest.get('p', LIMIT)
      return there === undefined ? undefined : honest.replace('p', TWO, there.version)
    }
    while ((await others()) === undefined);
    const outcome = await writing.catch((error: unknown) => error)
    assert.ok(typeof outcome === 'string' || hasCode('store-conflict')(outcome))
    assert.deepEqual(Buffer.from((await honest.get('p', LIMIT))?.bytes ?? []), TWO)
  })

  const stores = async (fault?: Fault): Promise<[string, Store['get']][]> => {
    const { store, agent, honest } = await behindProxy(fault)
    await honest.create('large', Buffer.alloc(100_000, 'x'))
    await honest.create('small', ONE)
    return [
      ['functions', async (key, max) => (await store.get(key, max))?.bytes],
      ['agent', agent.get],
    ]
  }

  for (const fault of ['truncated', 'trickle', 'never', 'reset-after', 'lying-length', 503] as Fault[]) {
    it(`gives no part of an object for the whole: ${fault}, always`, async () => {
      for (const [name, get] of await stores(fault)) {
        proxy.fault = () => fault
        proxy.count = 0
        // Bytes past the length that was said are no part of the answer: a digest tells.
        const told =
          fault === 'lying-length' ? (bytes?: Uint8Array) => assert.equal(bytes?.length, 1) : undefined
        const reading = get('large', LIMIT)
        if (told === undefined) await assert.rejects(reading, hasCode('store-unavailable'), name)
        else told(await reading)
        assert.ok(proxy.count <= PATIENCE.attempts, `${name} asked ${proxy.count} times`)
      }
    })
  }

  it('reads no more than allowed of data without end', async () => {
    for (const [name, get] of await stores()) {
      proxy.fault = () => 'endless'
      await assert.rejects(get('small', 1000), hasCode('store-too-large'), name)
    }
  })

  it('gives corrupted bytes to who checks digests, and believes none of the server', async () => {
    for (const [name, get] of await stores()) {
      proxy.fault = () => 'corrupted'
      assert.notDeepEqual(Buffer.from((await get('small', LIMIT)) ?? []), ONE, name)
    }
  })

  it('tells the agent that what it may not list is not there, and the functions who says no', async () => {
    const { reader } = await server.bucket()
    const nodes = s3(`${reader}&versioning=off`)
    assert.equal(await s3Store(nodes).get('none', LIMIT), undefined)
    await assert.rejects(new S3Store(nodes, systemClock, PATIENCE).create('a', ONE), hasCode('store-denied'))
    const nobody = { ...nodes, credentials: '/nowhere' }
    await assert.rejects(s3Store(nobody).get('none', LIMIT), hasCode('store-denied'))
    await assert.rejects(openS3Store(nodes, systemClock, PATIENCE), hasCode('store-denied'))
  })

  it('refuses a bucket that keeps no versions, no locks or no conditions, and one that is not there', async () => {
    const { writer } = await server.bucket()
    const plain = s3(writer)
    const open = (change: Partial<S3Address>) => openS3Store({ ...plain, ...change }, systemClock, PATIENCE)
    const unfit = (pattern: RegExp) => (error: Error) =>
      hasCode('store-unfit')(error) && pattern.test(error.message)
    await assert.rejects(
      open({ versioning: true }),
      unfit(/keeps no versions: aws s3api put-bucket-versioning/),
    )
    await assert.rejects(open({ lockDays: 1 }), unfit(/has no Object Lock: make the bucket with/))
    await assert.rejects(open({ bucket: 'nowhere' }), unfit(/NoSuchBucket/))
    // Ceph 16 looks at no condition where it keeps versions: two writers would undo each other's work.
    const locked = s3((await server.bucket('locked')).writer)
    await assert.rejects(openS3Store(locked, systemClock, PATIENCE), unfit(/ignores If-None-Match/))
  })

  it('locks what it creates for as long as it is told, and nothing that is replaced', async () => {
    const bucket = await server.bucket('locked')
    const now = new Date()
    const store = new S3Store(s3(bucket.writer), { now: () => now }, PATIENCE)
    await store.create('kept', ONE)
    await store.replace('pointer', ONE, undefined)
    const kept = await bucket.retention('fleet/kept')
    assert.equal(kept?.mode, 'COMPLIANCE')
    assert.equal(Math.round((Number(kept.until) - now.getTime()) / 86_400_000), 2)
    await assert.rejects(bucket.destroy('fleet/kept'), { name: 'AccessDenied' })
    await bucket.overwrite('fleet/kept', TWO)
    assert.equal(await bucket.retention('fleet/pointer'), undefined)
    await bucket.destroy('fleet/pointer')
  })
})
