import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import { compilePaced } from './load.ts'
import { requestHeads } from './rules.ts'

const BYTES = 2_000
const dir = mkdtempSync(join(tmpdir(), 'heddle-paced-'))
let program: string
let seen = 0
let stallMs = 0
let answer = { status: 200, bytes: BYTES }
let server: Server

before(async () => {
  program = await compilePaced(dir)
  writeFileSync(join(dir, 'heads'), requestHeads(BYTES).join(''))
  server = createServer((_, response) => {
    seen++
    response.writeHead(answer.status, { 'content-length': answer.bytes })
    response.end(Buffer.alloc(answer.bytes))
    // A server that does nothing for a while, as in a garbage collection.
    if (seen === 50) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stallMs)
  })
  server.listen(0, '127.0.0.1')
  await sleep(0)
})

after(() => {
  server.closeAllConnections()
  server.close()
  rmSync(dir, { recursive: true })
})

async function run(connections: number, rate: number, milliseconds: number): Promise<Record<string, number>> {
  seen = 0
  const { port } = server.address() as AddressInfo
  const numbers = [connections, 200, BYTES, rate, milliseconds].map(String)
  const { stdout } = await execa(program, ['127.0.0.1', String(port), join(dir, 'heads'), ...numbers])
  return JSON.parse(stdout)
}

describe('the open loop', () => {
  test('sends as many requests as the rate says, and waits for their answers', async () => {
    const result = await run(4, 500, 400)
    assert.equal(result['requests'], 200)
    assert.equal(seen, 200)
    assert.ok(Math.abs((result['duration_us'] ?? 0) - 400_000) < 40_000)
  })

  test('counts a stall once for every request that fell due meanwhile', async () => {
    stallMs = 200
    const result = await run(1, 500, 400)
    stallMs = 0
    // On one connection a single request met the stall of 200 ms, and 100 waited for it.
    assert.equal(result['requests'], 200)
    assert.ok((result['p99_us'] ?? 0) > 150_000, `p99 ${result['p99_us']} us`)
    assert.ok((result['since_sent_p99_us'] ?? Infinity) < 150_000, `sent ${result['since_sent_p99_us']} us`)
    assert.ok((result['late_p99_us'] ?? 0) > 150_000, `late ${result['late_p99_us']} us`)
  })

  test('without a rate sends whenever an answer has come', async () => {
    const result = await run(2, 0, 200)
    assert.equal(result['requests'], seen)
    assert.ok(seen > 200, `${seen} requests`)
  })

  const wrong: [string, typeof answer, RegExp][] = [
    ['another status', { status: 503, bytes: BYTES }, /answered with HTTP\/1\.1 503/],
    ['another length', { status: 200, bytes: BYTES - 1 }, /an answer has 1999 bytes/],
  ]
  for (const [what, given, expected] of wrong) {
    test(`ends at an answer of ${what}`, async () => {
      answer = given
      await assert.rejects(run(1, 100, 100), expected)
      answer = { status: 200, bytes: BYTES }
    })
  }
})
