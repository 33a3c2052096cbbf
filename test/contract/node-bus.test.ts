/** The bus against a real nats-server: what a node may do there, and that it lives without it. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, type NatsConnection, nkeyAuthenticator } from '@nats-io/transport-node'
import { natsBus } from '../../agent/adapters/nats-bus.ts'
import type { Report } from '../../pipelines/contract/release.ts'
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

const NODES = [
  { name: 'node-1', ring: 'canary' },
  { name: 'node-2', ring: 'prod' },
]
const absent = spawnSync('nats-server', ['--version']).error !== undefined && 'nats-server is not installed'

let directory: string
let prepared: PreparedNats
let server: ChildProcess
let url: string
before(async () => {
  if (absent) return
  directory = await mkdtemp(join(tmpdir(), 'heddle-nats-'))
  prepared = await prepareNats(directory, '127.0.0.1', NODES)
  server = start(prepared.command)
  url = await listening()
})
after(async () => {
  if (absent) return
  if (server.exitCode === null) {
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
  await rm(directory, { recursive: true, force: true })
})

function start([command, ...parameters]: string[]): ChildProcess {
  return spawn(command ?? '', parameters, { stdio: 'ignore' })
}

async function listening(): Promise<string> {
  for (let tries = 0; tries < 500; tries++) {
    const found = await prepared.url()
    if (found !== undefined) return found
    await sleep(20)
  }
  throw new Error('nats-server does not listen')
}

async function as(user: string, seedFile: string, prefix = inbox(user)): Promise<NatsConnection> {
  const seed = Buffer.from((await readFile(seedFile, 'utf8')).trim())
  return connect({
    servers: url,
    authenticator: nkeyAuthenticator(seed),
    inboxPrefix: prefix,
    reconnect: false,
  })
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

const statement: Report = {
  schema: 'heddle.report/1',
  node: 'node-1',
  ring: 'canary',
  at: '2026-11-23T00:00:00Z',
  sequence: 1,
  outcome: 'unchanged',
  number: null,
  artifact: null,
  generation: null,
  failure: null,
  timings: {},
  measures: null,
}

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
    const connection = await as('node-1', prepared.seedOf('node-1'))
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
    const connection = await as('node-1', prepared.seedOf('node-1'))
    try {
      const refusal = await subscribing(connection, subject)
      assert.equal(refusal === undefined, allowed, refusal)
    } finally {
      await connection.close()
    }
  })
}

test('a key that nobody enrolled gets no connection', { skip: absent }, async () => {
  const stranger = await prepareNats(join(directory, 'stranger'), '127.0.0.1', [])
  await assert.rejects(as('node-1', stranger.seedFile))
})

test('the functions hear reports and hint, and nothing else', { skip: absent }, async () => {
  assert.deepEqual(functionsPermissions().publish, [hint('*'), ROLLOUT_ENDED])
  const functions = await as('functions', prepared.seedFile)
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
  const functions = await as('functions', prepared.seedFile)
  const heard = functions.subscribe(report('*'))
  let hints = 0
  let hinted = () => {}
  const nextHint = () =>
    new Promise<void>((resolve) => {
      hinted = resolve
    })
  const connected = nextHint()
  const options = { url, seedFile: prepared.seedOf('node-1'), node: 'node-1', ring: 'canary' }
  const bus = natsBus(options, () => {})
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
    server.kill('SIGKILL')
    await once(server, 'exit')
    await assert.rejects(bus.report(statement), { code: 'bus-unavailable' })
    const back = nextHint()
    const port = new URL(url.replace('nats:', 'http:')).port
    server = start([...prepared.command, '-p', port])
    await back
    await bus.report(statement)
  } finally {
    await bus.close()
  }
})

test('a bus that is not there neither blocks nor ends anything', async () => {
  const options = { url: 'nats://127.0.0.1:9', seedFile: '/nonexistent', node: 'node-1', ring: 'canary' }
  const bus = natsBus(options, () => {})
  await assert.rejects(bus.report(statement), { code: 'bus-unavailable' })
  await bus.close()
})
