import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressBytes } from '../../../agent/adapters/address-bytes.ts'
import {
  decodeSocket,
  destroyRequest,
  dumpRequest,
  errnoOf,
  messages,
  queryRequest,
  STATE_LISTEN,
} from '../../../agent/relay/sock-diag.ts'

const name = (local: string, remote: string) => ({
  cookie: 0x1122334455667788n,
  local: addressBytes(local),
  remote: addressBytes(remote),
  localPort: 80,
  remotePort: 40_000,
})

test('a socket is named from its own side: family, ports and addresses in network order, cookie', () => {
  const bytes = destroyRequest(name('10.0.0.1', '10.0.0.2'))
  assert.equal(
    bytes.toString('hex'),
    [
      '48000000 1500 0500 00000000 00000000',
      '02 06 00 00 ffffffff',
      '0050 9c40 0a000001 00000000 00000000 00000000 0a000002 00000000 00000000 00000000',
      '00000000 8877665544332211',
    ]
      .join('')
      .replaceAll(' ', ''),
  )
})

test('IPv6 is asked for as IPv6, and a query asks for TCP_INFO', () => {
  const bytes = queryRequest(name('fd00::1', 'fd00::2'))
  assert.equal(bytes.readUInt8(16), 10)
  assert.equal(bytes.readUInt8(18), 2)
  assert.deepEqual(bytes.subarray(28, 44), addressBytes('fd00::1'))
})

test('a dump names states and no socket', () => {
  const bytes = dumpRequest(2, STATE_LISTEN)
  assert.equal(bytes.readUInt16LE(6) & 0x300, 0x300)
  assert.equal(bytes.readUInt32LE(20), 1 << 10)
})

function answer(): Buffer {
  const info = Buffer.alloc(4 + 104)
  info.writeUInt16LE(info.length, 0)
  info.writeUInt16LE(2, 2)
  info.writeUInt32LE(33, 4 + 44)
  const cgroup = Buffer.alloc(12)
  cgroup.writeUInt16LE(12, 0)
  cgroup.writeUInt16LE(21, 2)
  cgroup.writeBigUInt64LE(77n, 4)
  const body = Buffer.alloc(72)
  body.writeUInt8(2, 0)
  body.writeUInt8(1, 1)
  body.writeUInt16BE(80, 4)
  body.writeUInt16BE(40_000, 6)
  body.set([10, 0, 0, 1], 8)
  body.set([10, 0, 0, 2], 24)
  body.writeBigUInt64LE(5n, 44)
  body.writeUInt32LE(86, 60)
  body.writeUInt32LE(4242, 68)
  const head = Buffer.alloc(16)
  head.writeUInt32LE(16 + 72 + info.length + 12, 0)
  head.writeUInt16LE(20, 4)
  return Buffer.concat([head, body, info, cgroup])
}

test('an answer tells queue, time since sent, inode and cgroup', () => {
  const [message] = [...messages(answer())]
  assert.deepEqual(message && decodeSocket(message), {
    state: 1,
    localPort: 80,
    remotePort: 40_000,
    local: new Uint8Array(addressBytes('10.0.0.1')),
    remote: new Uint8Array(addressBytes('10.0.0.2')),
    cookie: 5n,
    unacknowledged: 86,
    inode: 4242,
    sinceSentMs: 33,
    cgroup: 77n,
  })
})

test('cut, overlong and foreign messages are not read past their end', () => {
  const whole = answer()
  for (let length = 0; length < whole.length; length++)
    assert.deepEqual([...messages(whole.subarray(0, length))], [])
  const cutAttributes = Buffer.from(whole.subarray(0, 16 + 72 + 6))
  cutAttributes.writeUInt32LE(cutAttributes.length, 0)
  const [message] = [...messages(cutAttributes)]
  assert.equal(message && decodeSocket(message)?.sinceSentMs, 0)
  assert.equal(decodeSocket({ type: 99, body: Buffer.alloc(100) }), undefined)
  assert.equal(decodeSocket({ type: 20, body: Buffer.alloc(100) }), undefined)
})

test('an error carries its errno, an acknowledgement zero', () => {
  const body = Buffer.alloc(4)
  assert.equal(errnoOf({ type: 2, body }), 0)
  body.writeInt32LE(-2)
  assert.equal(errnoOf({ type: 2, body }), 2)
})
