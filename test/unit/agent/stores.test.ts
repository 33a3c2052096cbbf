/** The reading side of the object store: bounded, and never outside its directory. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { fsStore } from '../../../agent/adapters/fs-store.ts'
import { httpStore } from '../../../agent/adapters/http-store.ts'
import type { Store } from '../../../agent/ports.ts'

const KEY = 'blobs/sha256/abc'
const BYTES = Buffer.from('0123456789')
/** 32 KB that swell to 32 MB. */
const BOMB = gzipSync(Buffer.alloc(32 << 20))
/** Milliseconds: what does not end by itself has failed by then. */
const PATIENCE = { timeout: 20_000 }

let directory: string
let server: Server
let stores: Record<string, Store>
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-store-'))
  await mkdir(join(directory, 'store', 'blobs', 'sha256'), { recursive: true })
  await writeFile(join(directory, 'store', KEY), BYTES)
  await writeFile(join(directory, 'secret'), BYTES)
  server = createServer(answer)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  stores = { fs: fsStore(join(directory, 'store')), http: httpStore(`http://127.0.0.1:${port}/bucket`) }
})
after(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(directory, { recursive: true, force: true })
})

const answer: RequestListener = (request, response) => {
  switch (request.url) {
    case `/bucket/${KEY}`:
      response.end(BYTES)
      return
    case '/bucket/endless': {
      const more = () => response.write(Buffer.alloc(65_536)) && setImmediate(more)
      response.on('drain', more)
      more()
      return
    }
    case '/bucket/bomb':
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(BOMB)
      return
    case '/bucket/trickle': {
      const more = () => response.writable && response.write('x', () => setImmediate(more))
      more()
      return
    }
    case '/bucket/truncated':
      response.writeHead(200, { 'content-length': 100 }).end(BYTES)
      response.socket?.destroySoon()
      return
    case '/bucket/elsewhere':
      response.writeHead(302, { location: `/bucket/${KEY}` }).end()
      return
    case '/bucket/broken':
      response.writeHead(500).end()
      return
    default:
      response.writeHead(404).end()
  }
}

for (const name of ['fs', 'http']) {
  const get = (key: string, max: number) => (stores[name] as Store).get(key, max)

  test(`${name}: an object, also when it is exactly as large as allowed`, async () => {
    assert.deepEqual(Buffer.from((await get(KEY, 10)) ?? []), BYTES)
  })
  test(`${name}: an object that is one byte too large`, async () => {
    await assert.rejects(get(KEY, 9), { code: 'store-too-large' })
  })
  test(`${name}: no such object`, async () => {
    assert.equal(await get('blobs/sha256/none', 10), undefined)
  })
}

for (const key of ['../secret', 'blobs/../../secret', '/etc/passwd', '', '.hidden', 'a//b']) {
  test(`fs: ${JSON.stringify(key)} is no key`, async () => {
    await assert.rejects((stores['fs'] as Store).get(key, 10), { code: 'store-unavailable' })
  })
}

const refused: [string, string, string][] = [
  ['data without end', 'endless', 'store-too-large'],
  ['a compressed answer', 'bomb', 'store-unavailable'],
  ['a redirect', 'elsewhere', 'store-unavailable'],
  ['an answer that breaks off', 'truncated', 'store-unavailable'],
  ['a server in trouble', 'broken', 'store-unavailable'],
]
for (const [what, key, code] of refused) {
  test(`http: ${what} is refused`, PATIENCE, async () => {
    await assert.rejects((stores['http'] as Store).get(key, 100_000), { code })
  })
}

test('http: a server that sends byte by byte, and never an end, is left', PATIENCE, async () => {
  const { port } = server.address() as AddressInfo
  const store = httpStore(`http://127.0.0.1:${port}/bucket`, 50)
  await assert.rejects(store.get('trickle', 2 ** 40), { code: 'store-unavailable' })
})

test('http: a server that is not there', async () => {
  await assert.rejects(httpStore('http://127.0.0.1:9').get(KEY, 10), { code: 'store-unavailable' })
})
