/** What every object store promises. Each adapter's test calls this with a way to make an empty one. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { ObjectStore } from '../../functions/ports.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

const LIMIT = 1024
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text))
const text = (object: { bytes: Uint8Array } | undefined): string | undefined =>
  object && Buffer.from(object.bytes).toString()
const hasCode = (code: string) => (error: unknown) => error instanceof Failure && error.code === code

export function objectStoreContract(name: string, empty: () => Promise<ObjectStore>): void {
  describe(`object store contract: ${name}`, () => {
    it('has nothing under a key that nobody wrote', async () => {
      assert.equal(await (await empty()).get('blobs/sha256/none', LIMIT), undefined)
    })

    it('gives back the bytes that were created, the empty object too', async () => {
      const store = await empty()
      for (const content of ['', 'one', '\u0000\u00ff'.repeat(100)]) {
        const key = `blobs/of-${content.length}`
        assert.equal(await store.create(key, bytes(content)), 'created')
        assert.equal(text(await store.get(key, LIMIT)), content)
      }
    })

    it('never changes an object that is there by create', async () => {
      const store = await empty()
      await store.create('a/b', bytes('first'))
      assert.equal(await store.create('a/b', bytes('second')), 'exists')
      assert.equal(text(await store.get('a/b', LIMIT)), 'first')
    })

    it('lets exactly one of many racing creates win, and its bytes stay', async () => {
      const store = await empty()
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) => store.create('raced', bytes(`writer ${index}`))),
      )
      assert.equal(outcomes.filter((outcome) => outcome === 'created').length, 1)
      assert.equal(text(await store.get('raced', LIMIT)), `writer ${outcomes.indexOf('created')}`)
    })

    it('refuses to read more than the caller allows', async () => {
      const store = await empty()
      await store.create('large', new Uint8Array(LIMIT + 1))
      await assert.rejects(store.get('large', LIMIT), hasCode('store-too-large'))
      assert.equal((await store.get('large', LIMIT + 1))?.bytes.length, LIMIT + 1)
    })

    it('replaces only the version that the writer has read', async () => {
      const store = await empty()
      const first = await store.replace('tuf/timestamp.json', bytes('1'), undefined)
      const second = await store.replace('tuf/timestamp.json', bytes('2'), first)
      await assert.rejects(store.replace('tuf/timestamp.json', bytes('3'), first), hasCode('store-conflict'))
      await assert.rejects(
        store.replace('tuf/timestamp.json', bytes('3'), undefined),
        hasCode('store-conflict'),
      )
      await assert.rejects(store.replace('tuf/other.json', bytes('3'), first), hasCode('store-conflict'))
      const now = await store.get('tuf/timestamp.json', LIMIT)
      assert.deepEqual([text(now), now?.version], ['2', second])
    })

    it('loses no update when many writers count by compare-and-swap', async () => {
      const store = await empty()
      await store.replace('counter', bytes('0'), undefined)
      const increment = async (): Promise<void> => {
        for (;;) {
          const current = await store.get('counter', LIMIT)
          try {
            await store.replace('counter', bytes(String(Number(text(current)) + 1)), current?.version)
            return
          } catch (error) {
            if (!hasCode('store-conflict')(error)) throw error
          }
        }
      }
      await Promise.all(Array.from({ length: 8 }, increment))
      assert.equal(text(await store.get('counter', LIMIT)), '8')
    })

    it('gives out copies: who changes what was read changes nothing', async () => {
      const store = await empty()
      const written = bytes('kept')
      await store.create('copy', written)
      written.fill(0)
      ;(await store.get('copy', LIMIT))?.bytes.fill(0)
      assert.equal(text(await store.get('copy', LIMIT)), 'kept')
    })
  })
}
