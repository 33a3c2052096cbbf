/** A client that doesn't read, a server that sends files: the kernel takes messages in part. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { test } from 'node:test'
import { whyNoKernel } from './kernel-fixture.ts'
import { enforced, oneRule, until } from './one-rule.ts'

const BYTES = 20_000_000
const ATTEMPTS = 3
const skip = whyNoKernel() ?? (spawnSync('nginx', ['-v']).error ? 'needs nginx' : false)

test('a refusal finds its place behind a file that the client was slow to read', { skip }, async (t) => {
  const { fixture } = await enforced(t, oneRule())
  const at = fixture.directory
  const port = 20_000 + (process.pid % 10_000)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${at}/${name};`,
  )
  writeFileSync(`${at}/open`, Buffer.alloc(BYTES, 7))
  writeFileSync(
    `${at}/nginx.conf`,
    `user root; daemon off; master_process off; pid ${at}/pid; events {} http { access_log off;
     sendfile on; tcp_nopush on; keepalive_timeout 2s; ${temporary.join(' ')}
     server { listen 127.0.0.1:${port}; root ${at}; } }`,
  )
  fixture.spawnManaged('nginx', ['-p', at, '-c', `${at}/nginx.conf`, '-e', `${at}/error`])
  await until(() => spawnSync('sh', ['-c', `ss -ltn | grep -q :${port}`]).status === 0)
  // Of a message behind one that was taken in part no program is shown anything (reply-order.h). Where that is the
  // last of the file, nobody sees its end: without a relay the connection ends without a 403. That is seldom.
  for (let denied = 1; denied <= ATTEMPTS; denied++) {
    const { body, tail } = await slowly(port, () => fixture.counters().DENIED === denied)
    assert.equal(body, BYTES)
    if (tail.includes('HTTP/1.1 403 ')) return
  }
  assert.fail(`no 403 in ${ATTEMPTS} connections`)
})

/** All that a client is sent that reads only when the second of its requests is refused. */
async function slowly(port: number, refused: () => boolean): Promise<{ body: number; tail: string }> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  socket.write('GET /open HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(socket, 'readable')
  socket.write('GET /shut HTTP/1.1\r\nHost: a\r\n\r\n')
  await until(refused)
  let body = 0
  let tail = ''
  socket.on('data', (bytes: Buffer) => {
    body += bytes.filter((byte) => byte === 7).length
    tail = (tail + bytes.subarray(-200).toString('latin1')).slice(-200)
  })
  await until(() => tail.includes('HTTP/1.1 403 ') || socket.destroyed)
  socket.destroy()
  return { body, tail }
}
