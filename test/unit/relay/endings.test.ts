/** Endings with a turned clock, a kernel of values and sockets that do what they are told. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection, RelayEvent } from '../../../agent/adapters/connection.ts'
import type { Connections } from '../../../agent/relay/connections.ts'
import { type Ending, Endings } from '../../../agent/relay/endings.ts'
import type { Sockets } from '../../../agent/relay/netlink.ts'
import type { DiagSocket } from '../../../agent/relay/sock-diag.ts'
import { ConnFlag, EventKind, Limit, Phase, Reason } from '../../../bpf/abi/heddle.gen.ts'

const LIMITS = { lingerMs: 20, graceMs: 1_000, replyMs: 10_000, owedMs: 60_000 }
const { EVENT_END, EVENT_END_LATER, EVENT_VERDICT } = EventKind
const { CONN_REPLY_OUT, CONN_REPLY_DUE } = ConnFlag

type Socket = { unacknowledged: number; sinceSentMs: number; refuses?: boolean }

function connection(cookie: bigint, more: Partial<Connection> = {}): Connection {
  const name = { cookie, local: new Uint8Array(16), remote: new Uint8Array(16), localPort: 80, remotePort: 1 }
  const state = { phase: Phase.CLOSED, flags: 0, reason: Reason.DENIED, status: 403, slot: 0, requests: 1 }
  return { ...name, ...state, ...more }
}

function event(cookie: bigint, kind: number, status = 403): RelayEvent {
  return { ...connection(cookie), kind, status, generation: 1n }
}

function world() {
  const alive = new Map<bigint, Connection>()
  const sockets = new Map<bigint, Socket>()
  const destroyed: bigint[] = []
  const outcomes: [bigint, Ending][] = []
  const connections: Connections = { one: (cookie) => alive.get(cookie), all: () => alive.values() }
  const kernel = {
    look: ({ cookie }) => {
      const socket = sockets.get(cookie)
      return socket && ({ ...connection(cookie), ...socket, state: 1, inode: 0, cgroup: 0n } as DiagSocket)
    },
    destroy: ({ cookie }) => {
      if (sockets.get(cookie)?.refuses) throw new Error('EOPNOTSUPP')
      alive.delete(cookie)
      const was = sockets.delete(cookie)
      if (was) destroyed.push(cookie)
      return was
    },
    list: () => [],
  } satisfies Sockets
  const endings = new Endings(
    { connections, sockets: kernel, ended: ({ cookie }, how) => outcomes.push([cookie, how]) },
    LIMITS,
  )
  const born = (cookie: bigint, socket: Socket, more: Partial<Connection> = {}) => {
    alive.set(cookie, connection(cookie, more))
    sockets.set(cookie, socket)
  }
  return { alive, sockets, destroyed, outcomes, endings, born, all: () => [...alive.values()] }
}

const SENT = { unacknowledged: 0, sinceSentMs: 25 }

test('a refused connection is not touched before the linger time, and gone at the first look after it', () => {
  const w = world()
  w.born(1n, SENT)
  w.endings.tell(event(1n, EVENT_END), 0)
  w.endings.tick(19)
  assert.deepEqual(w.destroyed, [])
  w.endings.tick(20)
  assert.deepEqual(w.outcomes, [[1n, 'afterReply']])
  assert.equal(w.endings.busy, false)
})

const HOLDING: [string, Socket, Partial<Connection>, number][] = [
  ['its reply is on the way through sk_msg', SENT, { flags: CONN_REPLY_OUT }, 10_000],
  ['its reply is not acknowledged', { unacknowledged: 86, sinceSentMs: 900 }, {}, 1_000],
  ['its reply has only just been sent', { unacknowledged: 0, sinceSentMs: 19 }, {}, 1_000],
]
for (const [why, socket, more, grace] of HOLDING)
  test(`while ${why} it lives, at most for ${grace} ms`, () => {
    const w = world()
    w.born(1n, socket, more)
    w.endings.tell(event(1n, EVENT_END), 0)
    for (let now = 20; now < grace; now += 10) w.endings.tick(now)
    assert.deepEqual(w.destroyed, [])
    w.endings.tick(grace)
    assert.deepEqual(w.outcomes, [[1n, 'atGrace']])
  })

test('a client that closes by itself leaves nothing to destroy', () => {
  const w = world()
  w.endings.tell(event(1n, EVENT_END), 0)
  w.endings.tick(20)
  assert.deepEqual(w.outcomes, [[1n, 'byItself']])
  assert.deepEqual(w.destroyed, [])
})

test('where no request came before a refusal without a reply, the connection ends at once', () => {
  const w = world()
  w.born(1n, { unacknowledged: 10, sinceSentMs: 0 })
  w.endings.tell({ ...event(1n, EVENT_END, 0), requests: 0 }, 0)
  assert.deepEqual(w.outcomes, [[1n, 'atOnce']])
})

test('without a reply of its own a refusal still lets earlier responses be acknowledged', () => {
  const w = world()
  w.born(1n, { unacknowledged: 10, sinceSentMs: 0 })
  w.endings.tell(event(1n, EVENT_END_LATER, 0), 0)
  w.endings.tell(event(1n, EVENT_END, 0), 10)
  w.endings.tick(50)
  assert.deepEqual(w.destroyed, [])
  w.sockets.set(1n, SENT)
  w.endings.tick(60)
  assert.deepEqual(w.outcomes, [[1n, 'afterReply']])
})

test('owed responses have their own deadline, and the end of them starts the grace', () => {
  const w = world()
  w.born(1n, SENT, { flags: CONN_REPLY_DUE })
  w.born(2n, SENT, { flags: CONN_REPLY_DUE })
  w.endings.tell(event(1n, EVENT_END_LATER), 0)
  w.endings.tell(event(2n, EVENT_END_LATER), 0)
  w.endings.tick(59_000)
  w.endings.sweep(w.all(), 59_000)
  assert.deepEqual(w.destroyed, [])
  w.alive.set(2n, connection(2n))
  w.endings.tell(event(2n, EVENT_END), 59_990)
  w.endings.sweep(w.all(), 60_000)
  w.endings.tick(60_010)
  assert.deepEqual(w.outcomes, [
    [1n, 'owedTooLong'],
    [2n, 'afterReply'],
  ])
})

test('a sweep finds what no event told of, once, and knows whether responses are owed', () => {
  const w = world()
  w.born(1n, SENT)
  w.born(2n, SENT, { flags: CONN_REPLY_DUE })
  w.born(3n, SENT, { status: 0, requests: 0 })
  w.born(4n, SENT, { phase: Phase.START })
  w.endings.sweep(w.all(), 0)
  w.endings.sweep(w.all(), 1)
  assert.deepEqual(w.outcomes, [
    [1n, 'foundBySweep'],
    [2n, 'foundBySweep'],
    [3n, 'foundBySweep'],
    [3n, 'atOnce'],
  ])
  assert.deepEqual(w.endings.pending, { ending: 1, owing: 1 })
})

test('a refusal seen by the sweep before its reply was noted as due waits all the same', () => {
  const w = world()
  w.born(1n, SENT)
  w.endings.sweep(w.all(), 0)
  w.alive.set(1n, connection(1n, { flags: CONN_REPLY_DUE }))
  w.endings.tick(20)
  assert.deepEqual(w.endings.pending, { ending: 0, owing: 1 })
  assert.deepEqual(w.destroyed, [])
})

test('an event told twice, and verdicts, change nothing', () => {
  const w = world()
  w.born(1n, SENT)
  for (const kind of [EVENT_END, EVENT_END, EVENT_END_LATER, EVENT_VERDICT])
    w.endings.tell(event(1n, kind), 0)
  assert.deepEqual(w.endings.pending, { ending: 1, owing: 0 })
})

test('what cannot be destroyed is counted as failed, and the next sweep tries again', () => {
  const w = world()
  w.born(1n, { ...SENT, refuses: true })
  w.endings.tell(event(1n, EVENT_END), 0)
  w.endings.tick(20)
  assert.deepEqual(w.outcomes, [[1n, 'failed']])
  w.sockets.set(1n, SENT)
  w.endings.sweep(w.all(), 5_000)
  w.endings.tick(5_020)
  assert.deepEqual(w.destroyed, [1n])
})

test('endings under way are bounded; what is above is found by a later sweep', () => {
  const w = world()
  for (let i = 1n; i <= BigInt(Limit.MAX_CONNS) + 1n; i++) w.endings.tell(event(i, EVENT_END), 0)
  assert.equal(w.endings.pending.ending, Limit.MAX_CONNS)
  assert.deepEqual(w.outcomes, [[BigInt(Limit.MAX_CONNS) + 1n, 'overflow']])
})
