/** What a generation counts of its traffic, held against what a client has seen of it. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { percentile } from '../../../pipelines/rollout/latency.ts'
import { type KernelFixture, whyNoKernel } from './kernel-fixture.ts'
import { enforce, enforced, oneRule } from './one-rule.ts'

const skip = whyNoKernel() ?? false
const SLOW_MS = 60

/** Everything below /open. */
function openBelow(): PolicySet {
  const [policy] = oneRule().policies
  const [rule] = policy?.allow ?? []
  assert.ok(policy && rule)
  const http = [{ source: rule.source, path: '/open/.*', headers: [] }]
  return { policies: [{ ...policy, allow: [{ ...rule, http }] }], routes: [] }
}

/** Answers with the status that the path ends in; below /open/slow after a while. */
const SERVER = `
  const { createServer } = require('node:http')
  const server = createServer((asked, answer) => {
    const end = () => { answer.statusCode = Number(asked.url.split('/').at(-1)); answer.end('x') }
    asked.url.includes('slow') ? setTimeout(end, ${SLOW_MS}) : end()
  })
  server.listen(0, '127.0.0.1', () => console.log(server.address().port))
`

async function startServer(fixture: KernelFixture): Promise<number> {
  const child = fixture.spawnManaged(process.execPath, ['-e', SERVER])
  assert.ok(child.stdout)
  const [line] = await once(createInterface(child.stdout), 'line')
  return Number(line)
}

test('requests, refusals, responses, errors and times are counted as the client saw them', {
  skip,
}, async (t) => {
  const { fixture } = await enforced(t, openBelow())
  const port = await startServer(fixture)
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.after(() => agent.destroy())
  const ask = (path: string, method = 'GET'): Promise<number> =>
    new Promise((resolve, reject) => {
      const asked = request({ host: '127.0.0.1', port, path, method, agent }, (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode ?? 0))
      })
      asked.on('error', reject).end()
    })
  const statuses: number[] = []
  for (const path of ['/open/200', '/open/404', '/open/500', '/open/503', '/open/slow/200'])
    for (let again = 0; again < 4; again++) statuses.push(await ask(path))
  for (const path of ['/shut/1', '/shut/2']) statuses.push(await ask(path))
  statuses.push(await ask('/open', 'DELETE'))
  const seen = (wanted: (status: number) => boolean) => statuses.filter(wanted).length

  const counts = await fixture.kernel.counts(1)
  assert.ok(counts)
  assert.deepEqual(
    [counts.allowed, counts.refused, counts.responses, counts.errors],
    [20, seen((status) => status === 403), 20, seen((status) => status >= 500)],
  )
  assert.equal(
    counts.latency.reduce((sum, count) => sum + count, 0),
    20,
  )
  const slowest = percentile(counts.latency, 0.99) ?? 0
  assert.ok(slowest >= SLOW_MS, `the slowest fifth took at least ${SLOW_MS} ms, counted ${slowest}`)
  assert.ok((percentile(counts.latency, 0.5) ?? 0) < SLOW_MS)

  const { last, refusals } = await fixture.kernel.refusals(1, 0)
  assert.deepEqual(refusals.map(({ method, path }) => `${method} ${path}`).sort(), [
    'DELETE /open',
    'GET /shut/1',
    'GET /shut/2',
  ])
  assert.deepEqual(await fixture.kernel.refusals(1, last), { last, refusals: [] })
})

test('each generation counts its own; what is told of refusals has an end', { skip }, async (t) => {
  const { fixture } = await enforced(t, openBelow())
  const port = await startServer(fixture)
  const ask = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).status
  for (let i = 0; i < 100; i++) assert.equal(await ask(`/shut/${i}/${'long'.repeat(100)}`), 403)
  const { last, refusals } = await fixture.kernel.refusals(1, 0)
  assert.deepEqual([last, refusals.length], [100, 64])
  assert.ok(refusals.every(({ path }) => path.startsWith('/shut/') && path.length > 80 && path.length < 112))
  await enforce(fixture, openBelow(), 2)
  assert.equal(await ask('/open/200'), 200)
  assert.deepEqual(
    [(await fixture.kernel.counts(2))?.allowed, (await fixture.kernel.counts(2))?.refused],
    [1, 0],
  )
  assert.equal((await fixture.kernel.counts(1))?.refused, 100)
  assert.equal(await fixture.kernel.counts(5), null)
})
