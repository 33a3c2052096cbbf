/** External checks against a real Prometheus and a real HTTP server that says yes, no, nothing, or far too much. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { askChecks } from '../../functions/rollout/checks.ts'
import type { Check } from '../../pipelines/rollout/plan.ts'
import type { Answer } from '../../pipelines/rollout/state.ts'
import { freePort } from '../fakes/free-port.ts'
import { fleet, planOf } from '../unit/pipelines/rollout/rollout-cases.ts'

const absent = spawnSync('prometheus', ['--version']).error !== undefined && 'prometheus is not installed'

/** What a soaking rollout hears when it asks this. */
async function answerOf(check: Check): Promise<Answer | undefined> {
  const plan = planOf({ gates: { checks: [check] } })
  const it = fleet(plan)
  it.publish('a')
  it.say('a')
  assert.equal(it.current?.state, 'soaking')
  return (await askChecks(it.state, plan, it.now)).answers[check.name]
}

async function serving(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
}

describe('a webhook', () => {
  const webhook = (url: string): Check => ({ kind: 'webhook', name: 'smoke', url })

  it('says yes with any 2xx, and is told which rollout and ring it is about', async (t) => {
    let told: unknown
    const url = await serving(t, async (request, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      told = JSON.parse(Buffer.concat(chunks).toString())
      response.writeHead(204).end()
    })
    assert.equal((await answerOf(webhook(url)))?.ok, true)
    const { rollout, ring, check } = told as Record<string, unknown>
    assert.deepEqual([rollout, ring, check], ['1-aaaaaaaaaaaa', 0, 'smoke'])
  })

  it('says no with everything else, a redirect and silence among them', async (t) => {
    const no = await serving(t, (_, response) => response.writeHead(409).end('no'))
    const elsewhere = await serving(t, (_, response) => response.writeHead(302, { location: no }).end())
    const cut = await serving(t, (request) => request.socket.destroy())
    assert.deepEqual(
      [(await answerOf(webhook(no)))?.ok, (await answerOf(webhook(no)))?.why],
      [false, 'it answered 409'],
    )
    for (const url of [elsewhere, cut, 'http://127.0.0.1:1/']) {
      const answer = await answerOf(webhook(url))
      assert.equal(answer?.ok, false)
      assert.match(answer?.why ?? '', /^no answer/)
    }
  })

  it('is asked again for another ring', async (t) => {
    let asked = 0
    const url = await serving(t, (_, response) => {
      asked++
      response.end()
    })
    const plan = planOf({ gates: { checks: [webhook(url)] } })
    const it = fleet(plan)
    it.publish('a')
    it.say('a')
    const once_ = await askChecks(it.state, plan, it.now)
    assert.equal(await askChecks(once_, plan, it.now + 1), once_)
    assert.equal(asked, 1)
    assert.equal((await askChecks(once_, plan, it.now + 5000)).answers['smoke']?.ok, true)
    assert.equal(asked, 2)
  })
})

describe('a Prometheus', { skip: absent }, () => {
  let url = ''
  let stop = async () => {}

  before(async () => {
    const directory = mkdtempSync(join(tmpdir(), 'heddle-prometheus-'))
    const config = join(directory, 'prometheus.yml')
    writeFileSync(config, 'scrape_configs: []\n')
    const port = await freePort()
    const args = [
      `--config.file=${config}`,
      `--storage.tsdb.path=${directory}/data`,
      `--web.listen-address=127.0.0.1:${port}`,
    ]
    const child = spawn('prometheus', args, { stdio: 'ignore' })
    const ended = once(child, 'exit')
    url = `http://127.0.0.1:${port}/`
    stop = async () => {
      child.kill('SIGKILL')
      await ended
      rmSync(directory, { recursive: true, force: true })
    }
    while (
      !(await fetch(`${url}-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ))
    ) {
      assert.equal(child.exitCode, null, 'prometheus has ended')
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  })
  after(() => stop())

  const cases: [query: string, bounds: { least?: number; most?: number }, ok: boolean, why: RegExp][] = [
    ['vector(0.004)', { most: 0.01 }, true, /1 values/],
    ['scalar(vector(3))', { least: 2, most: 4 }, true, /1 values/],
    ['vector(0.2)', { most: 0.01 }, false, /0\.2 is not within/],
    ['vector(1) / vector(0) - vector(1) / vector(0)', { most: 1 }, false, /NaN is not within/],
    ['up{job="nothing"}', { most: 1 }, false, /no value/],
    ['not a query', { most: 1 }, false, /answered 400/],
  ]
  for (const [query, bounds, ok, why] of cases) {
    it(`says ${ok ? 'yes' : 'no'} with ${query} within ${JSON.stringify(bounds)}`, async () => {
      const answer = await answerOf({ kind: 'prometheus', name: 'slo', url, query, ...bounds })
      assert.equal(answer?.ok, ok)
      assert.match(answer?.why ?? '', why)
    })
  }

  it('that answers without end is not read to the end', async (t) => {
    const endless = await serving(t, (_, response) => {
      const more = () => response.write('x'.repeat(65536)) && setImmediate(more)
      response.on('drain', more)
      more()
    })
    const answer = await answerOf({ kind: 'prometheus', name: 'slo', url: endless, query: 'up' })
    assert.equal(answer?.ok, false)
  })
})
