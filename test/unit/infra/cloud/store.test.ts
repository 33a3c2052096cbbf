import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { openStore } from '../../../../infra/cloud/parts/store.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { systemClock } from '../../../fakes/keys.ts'

test('a function opens a directory that plays the bucket', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-cloud-store-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const store = await openStore({ HEDDLE_STORE: `file://${directory}` }, systemClock)
  await store.create('blobs/x', new Uint8Array([1]))
  assert.deepEqual((await store.get('blobs/x', 10))?.bytes, new Uint8Array([1]))
})

test('a function opens a bucket without asking what it keeps, and reads from it', async (t) => {
  const asked: string[] = []
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url?.split('?')[0]}`)
    response.writeHead(200, { etag: '"0123456789abcdef0123456789abcdef"' }).end('hello')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const directory = mkdtempSync(join(tmpdir(), 'heddle-cloud-store-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const credentials = join(directory, 'credentials.json')
  writeFileSync(credentials, JSON.stringify({ accessKeyId: 'a', secretAccessKey: 'b' }))
  const endpoint = encodeURIComponent(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const address = `s3://heddle-store?endpoint=${endpoint}&credentials=${encodeURIComponent(credentials)}`
  const store = await openStore({ HEDDLE_STORE: address }, systemClock)
  assert.deepEqual(asked, [])
  assert.equal(Buffer.from((await store.get('tuf/timestamp.json', 10))?.bytes ?? []).toString(), 'hello')
  assert.deepEqual(asked, ['GET /heddle-store/tuf/timestamp.json'])
})

test('what is no store is refused by name', async () => {
  for (const wrong of ['', 'ftp://x', 's3://', 's3://heddle-store?lock-days=7'])
    await assert.rejects(openStore({ HEDDLE_STORE: wrong }, systemClock), (error) =>
      wrong === '' ? error instanceof Error : error instanceof Failure && error.code === 'schema-violation',
    )
})
