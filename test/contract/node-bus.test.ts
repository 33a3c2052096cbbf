/** The bus against a real nats-server: what a node may do there, and that it lives without it. */
import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { reportOf } from '../fakes/report.ts'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type NatsConnection } from '@nats-io/transport-node'
import { natsBus } from '../../agent/adapters/nats-bus.ts'
import { openDisk } from '../../agent/disk.ts'
import {
  ANNOUNCEMENTS,
  announcement,
  functionsPermissions,
  hint,
  inbox,
  ROLLOUT_ENDED,
  report,
} from '../../pipelines/contract/subjects.ts'
import { type PreparedNats, prepareNats } from '../../infra/nats/local-server.ts'
import {
  killServer,
  noServer,
  optionsOf,
  keysIn,
  quiet,
  shownBy,
  shownByFunctions,
  startServer,
} from '../fakes/bus-member.ts'
import { memoryStore } from '../fakes/memory-store.ts'

const NODES = [
  { name: 'node-1', ring: 'canary' },
  { name: 'node-2', ring: 'prod' },
]
const absent = noServer

let directory: string
let prepared: PreparedNats
const store = memoryStore()
let server: ChildProcess
let url: string
before(async () => {
  if (absent) return
  directory = await mkdtemp(join(tmpdir(), 'heddle-nats-'))
  prepared = await prepareNats(directory, '127.0.0.1', NODES)
  await prepared.publish(store)
  server = startServer(prepared.command)
  url = await listening()
})
after(async () => {
  if (absent) return
  await killServer(server)
  await rm(directory, { recursive: true, force: true })
})

async function listening(): Promise<string> {
  for (let tries = 0; tries < 500; tries++) {
    const found = await prepared.url()
    if (found !== undefined) return found
    await sleep(20)
  }
  throw new Error('nats-server does not listen')
}

async function as(user: string): Promise<NatsConnection> {
  const shown = await (user === 'functions' ? shownByFunctions(prepared) : shownBy(prepared, store, user))
  return connect({ servers: url, ...shown, inboxPrefix: inbox(user), reconnect: false })
}

/** The server's answer to a publish: undefined when it was let through. */
async function publishing(connection: NatsConnection, subject: string): Promise<string | undefined> {
  const refusals: string[] = []
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type === 'error') refusals.push(status.error.message)
    }
  })()
  connection.publish(subject, 'x')
  // The server handles a connection's lines in order: its PONG comes after its refusal.
  await connection.flush()
  await new Promise(setImmediate)
  return refusals[0]
}

async function subscribing(connection: NatsConnection, subject: string): Promise<string | undefined> {
  const refused = new Promise<string>((resolve) => {
    connection.subscribe(subject, {
      callback: (error) => {
        if (error !== null) resolve(error.message)
      },
    })
  })
  await connection.flush()
  return Promise.race([refused, Promise.resolve(undefined)])
}

const statement = reportOf({})

const publications: [string, string, boolean][] = [
  ['its own report', report('node-1'), true],
  ['a report of another node', report('node-2'), false],
  ['what it has', announcement('node-1'), true],
  ['what another node has', announcement('node-2'), false],
  ['a hint to its own ring', hint('canary'), false],
  ['a hint to another ring', hint('prod'), false],
  ["another node's inbox", `${inbox('node-2')}.x`, false],
  ['the JetStream API', '$JS.API.INFO', false],
]
for (const [what, subject, allowed] of publications) {
  test(`a node publishing ${what} is ${allowed ? 'let through' : 'refused by the server'}`, {
    skip: absent,
  }, async () => {
    const connection = await as('node-1')
    try {
      const refusal = await publishing(connection, subject)
      assert.equal(refusal === undefined, allowed, refusal)
    } finally {
      await connection.close()
    }
  })
}

const subscriptions: [string, string, boolean][] = [
  ['the hints of its ring', hint('canary'), true],
  ['what everybody has', ANNOUNCEMENTS, true],
  ['its own inbox', `${inbox('node-1')}.>`, true],
  ['the hints of another ring', hint('prod'), false],
  ['all hints', hint('*'), false],
  ["everybody's reports", report('*'), false],
  ['its own report', report('node-1'), false],
  ["everybody's inboxes", '_INBOX.>', false],
  ["another node's inbox", `${inbox('node-2')}.>`, false],
  ['everything', '>', false],
]
for (const [what, subject, allowed] of subscriptions) {
  test(`a node subscribing to ${what} is ${allowed ? 'let' : 'refused by the server'}`, {
    skip: absent,
  }, async () => {
    const connection = await as('node-1')
    try {
      const refusal = await subscribing(connection, subject)
      assert.equal(refusal === undefined, allowed, refusal)
    } finally {
      await connection.close()
    }
  })
}

test('a key that nobody enrolled gets no connection, neither do keys that another bus has enrolled', {
  skip: absent,
}, async () => {
  const [other, theirs] = [join(directory, 'other'), memoryStore()]
  const stranger = await prepareNats(other, '127.0.0.1', NODES)
  await stranger.publish(theirs)
  const options = { servers: url, inboxPrefix: inbox('node-1'), reconnect: false }
  const keys = await keysIn(stranger.accessOf('node-1').seed)
  await assert.rejects(connect({ ...options, ...(await shownBy(stranger, theirs, 'node-1')) }))
  await assert.rejects(connect({ ...options, ...(await shownByFunctions(stranger)) }))
  await assert.rejects(connect({ ...options, authenticator: quiet('', keys) }))
  await assert.rejects(connect(options))
})

test('the functions hear reports and hint, and nothing else', { skip: absent }, async () => {
  assert.deepEqual(functionsPermissions().publish, [hint('*'), ROLLOUT_ENDED])
  const functions = await as('functions')
  try {
    assert.notEqual(await publishing(functions, report('node-1')), undefined)
    assert.equal(await subscribing(functions, report('*')), undefined)
  } finally {
    await functions.close()
  }
})

test('hint and report travel; the bus goes away and comes back', {
  skip: absent,
  timeout: 60_000,
}, async () => {
  const functions = await as('functions')
  const heard = functions.subscribe(report('*'))
  let hints = 0
  let hinted = () => {}
  const nextHint = () =>
    new Promise<void>((resolve) => {
      hinted = resolve
    })
  const connected = nextHint()
  const bus = natsBus(optionsOf(prepared, store, { node: 'node-1', ring: 'canary', url }), () => {})
  await bus.onHint(() => {
    hints++
    hinted()
  })
  try {
    await connected
    assert.equal(hints, 1, 'being connected counts as a hint: earlier ones are lost')
    await bus.report(statement)
    for await (const message of heard) {
      assert.equal(message.subject, report('node-1'))
      assert.deepEqual(message.json(), statement)
      break
    }
    const second = nextHint()
    functions.publish(hint('canary'))
    await second

    await functions.close()
    await killServer(server)
    await assert.rejects(bus.report(statement), { code: 'bus-unavailable' })
    const back = nextHint()
    const port = new URL(url.replace('nats:', 'http:')).port
    server = startServer([...prepared.command, '-p', port])
    await back
    await bus.report(statement)
  } finally {
    await bus.close()
  }
})

test('a bus that is not there neither blocks nor ends anything', async () => {
  const gone = { seed: '/nonexistent', tls: null }
  const options = { node: 'node-1', ring: 'canary', url: 'nats://127.0.0.1:9', ...gone }
  const nothing = { store: { get: async () => undefined }, disk: openDisk('/nonexistent') }
  const bus = natsBus({ ...options, ...nothing }, () => {})
  await assert.rejects(bus.report(statement), { code: 'bus-unavailable' })
  await bus.close()
})
