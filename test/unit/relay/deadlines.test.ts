/** Who is ended by deadline: old generations held, replaced dispatchers, and connections that nobody judges. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addressBytes } from '../../../agent/adapters/address-bytes.ts'
import type { Connection } from '../../../agent/adapters/connection.ts'
import { Draining } from '../../../agent/relay/draining.ts'
import { Established } from '../../../agent/relay/established.ts'
import { addressKey } from '../../../agent/relay/managed.ts'
import { OldDispatchers } from '../../../agent/relay/old-dispatchers.ts'
import { type DiagSocket, STATE_LISTEN } from '../../../agent/relay/sock-diag.ts'
import { Phase } from '../../../bpf/abi/heddle.gen.ts'

const LISTEN = 10
const ESTABLISHED = 1

function socket(cookie: bigint, more: Partial<DiagSocket> = {}): DiagSocket {
  const local = addressBytes('10.0.0.1')
  const remote = addressBytes('10.0.0.2')
  const ports = { localPort: 80, remotePort: 4_000, inode: 0 }
  return {
    cookie,
    local,
    remote,
    ...ports,
    state: ESTABLISHED,
    unacknowledged: 0,
    sinceSentMs: 0,
    cgroup: 7n,
    ...more,
  }
}

function kernel(all: DiagSocket[]) {
  const destroyed: bigint[] = []
  return {
    destroyed,
    look: () => undefined,
    destroy: ({ cookie }: { cookie: bigint }) => destroyed.push(cookie) > 0,
    list: (states: number) => all.filter(({ state }) => (state === LISTEN) === (states === STATE_LISTEN)),
  }
}

const MANAGED = { cgroups: new Set([7n]), addresses: new Set([addressKey(addressBytes('10.0.0.1'))]) }
const LISTENER = socket(1n, { state: LISTEN, local: new Uint8Array(16), remotePort: 0 })

const LEFT_ALONE: [string, DiagSocket][] = [
  ['of another cgroup', socket(9n, { cgroup: 8n })],
  ['that the workload began: nobody listens on its port', socket(9n, { localPort: 50_000 })],
  ['to an address that is no workload', socket(9n, { local: addressBytes('127.0.0.1') })],
]
for (const [what, other] of LEFT_ALONE)
  test(`a connection ${what} is left alone`, () => {
    const sockets = kernel([LISTENER, other])
    const none = { one: () => undefined, all: () => [] }
    const established = new Established(
      { connections: none, sockets, relayed: () => false, found: () => {} },
      0,
    )
    established.sweep(MANAGED, 0)
    assert.deepEqual(sockets.destroyed, [])
  })

test('an unjudged inbound connection is told once, destroyed at its deadline; an enrolled or relayed one never', () => {
  const sockets = kernel([LISTENER, socket(2n), socket(3n), socket(4n)])
  const told: [bigint, boolean][] = []
  const enrolled = {
    one: (cookie: bigint) => (cookie === 3n ? ({} as Connection) : undefined),
    all: () => [],
  }
  const found = ({ cookie }: { cookie: bigint }, destroyed: boolean) => told.push([cookie, destroyed])
  const relayed = ({ cookie }: { cookie: bigint }) => cookie === 4n
  const established = new Established({ connections: enrolled, sockets, relayed, found }, 100)
  established.sweep(MANAGED, 0)
  established.sweep(MANAGED, 99)
  assert.deepEqual(established.report(99), {
    count: 1,
    first: [{ connection: '10.0.0.2|4000 > 10.0.0.1|80', leftMs: 1 }],
  })
  established.sweep(MANAGED, 100)
  assert.deepEqual(sockets.destroyed, [2n])
  assert.deepEqual(told, [
    [2n, false],
    [2n, true],
  ])
})

function busy(cookie: bigint, slot: number, requests = 1, phase: number = Phase.BODY): Connection {
  return { ...socket(cookie), phase, flags: 0, reason: 0, status: 0, slot, requests }
}

test('the drain deadline counts for one message, under a slot that is not active', () => {
  const sockets = kernel([])
  const drained: bigint[] = []
  const draining = new Draining({ sockets, drained: ({ cookie }) => drained.push(cookie) }, 100)
  const idle = busy(4n, 0, 1, Phase.START)
  draining.sweep([busy(1n, 0), busy(2n, 0), busy(3n, 1), idle], 1, 0)
  assert.equal(draining.count, 2)
  draining.sweep([busy(1n, 0), busy(2n, 0, 2), busy(3n, 1), idle], 1, 100)
  assert.deepEqual(drained, [1n])
  assert.deepEqual(sockets.destroyed, [1n])
  assert.equal(draining.count, 1)
})

test('without an active generation nothing is drained', () => {
  const sockets = kernel([])
  const draining = new Draining({ sockets, drained: () => assert.fail() }, 0)
  draining.sweep([busy(1n, 0)], null, 0)
  assert.equal(draining.count, 0)
})

test('connections of a replaced dispatcher are ended at its deadline, each dispatcher by its own, and no other', () => {
  const sockets = kernel([LISTENER, socket(2n), socket(3n), socket(4n)])
  const told: [bigint, string][] = []
  const drained = ({ cookie }: { cookie: bigint }, digest: string) => told.push([cookie, digest])
  const old = new OldDispatchers({ sockets, drained }, 100)
  const first = { digest: 'first', cookies: [2n] }
  const second = { digest: 'second', cookies: [3n, 99n] }
  old.sweep([first, { digest: 'empty', cookies: [] }], 0)
  old.sweep([first, second], 60)
  assert.deepEqual(old.report(60), [
    { dispatcher: 'first', connections: 1, leftMs: 40 },
    { dispatcher: 'second', connections: 2, leftMs: 100 },
  ])
  old.sweep([first, second], 99)
  assert.deepEqual(sockets.destroyed, [])
  old.sweep([first, second], 100)
  assert.deepEqual(sockets.destroyed, [2n])
  // 99 is a socket that is gone.
  old.sweep([second], 160)
  assert.deepEqual(told, [
    [2n, 'first'],
    [3n, 'second'],
  ])
  assert.equal(old.destroyed, 2)
})

test('a dispatcher that enrols again is not drained, and gets a new deadline when it is replaced again', () => {
  const sockets = kernel([socket(2n)])
  const old = new OldDispatchers({ sockets, drained: () => {} }, 100)
  const first = { digest: 'first', cookies: [2n] }
  old.sweep([first], 0)
  old.sweep([], 90)
  assert.deepEqual(old.report(90), [])
  old.sweep([first], 120)
  old.sweep([first], 219)
  assert.deepEqual(sockets.destroyed, [])
  old.sweep([first], 220)
  assert.deepEqual(sockets.destroyed, [2n])
})
