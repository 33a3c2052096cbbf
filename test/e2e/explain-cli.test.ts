/** `heddle explain --service`, from the command line. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { heddleIn } from '../fakes/heddle-command.ts'
import { FILES } from '../unit/infra/explain-text.ts'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-explain-'))
  for (const { path, text } of FILES) writeFileSync(join(folder, path), text)
})
after(() => rmSync(folder, { recursive: true, force: true }))

const explain = (...args: string[]) => heddleIn(folder, 'explain', '-f', 'front.yaml', 'office.yaml', ...args)

test('the command line says who asks, and prints JSON', () => {
  const asked = ['--service', 'shop/front', '--request', 'GET /v2', '--from', 'app=desk', '--json']
  const { stdout } = explain(...asked, '--from-namespace', 'office')
  const { service, client, deciding, outcomes } = JSON.parse(stdout)
  assert.deepEqual(
    [service, client, deciding],
    [
      { namespace: 'shop', name: 'front', port: 80 },
      'office',
      { route: 'own', namespace: 'office', source: { file: 'office.yaml', line: 7, column: 5 } },
    ],
  )
  assert.equal(outcomes.length, 1)
  const { weight, sum, kind, service: to } = outcomes[0]
  assert.deepEqual([weight, sum, kind, to.name], [1, 1, 'forward', 'elsewhere'])
})

test('JSON has each match in order of precedence, and the bytes of each outcome', () => {
  const { stdout } = explain(
    '--service',
    'shop/front',
    '--request',
    'GET /v2',
    '--header',
    'X-B: é',
    '--json',
  )
  const { met, outcomes } = JSON.parse(stdout)
  const ends = 'HTTP/1.1\r\nHost:'
  const after = `GET / ${ends} two\r\nX-A: 1\r\n\r\n`
  assert.deepEqual(
    [met.before, met.after, outcomes.length],
    [`GET /v2 ${ends} explain\r\nX-B: Ã©\r\n\r\n`, [after, after], 2],
  )
  assert.deepEqual(
    met.matches.map(({ source, holds, decides }: Record<string, unknown>) => [source, holds, decides]),
    [21, 23, 19, 7].map((line) => [{ file: 'front.yaml', line, column: 15 }, line === 7, line === 7]),
  )
})

test('what stands behind the empty line is no part of the head', () => {
  const smuggled = ['--header', 'A: 1\r\n\r\nGET /v2 HTTP/1.1']
  const { stdout } = explain('--service', 'x/front', '--request', 'GET /', ...smuggled, '--json')
  const head = 'GET / HTTP/1.1\r\nHost: explain\r\nA: 1\r\n\r\n'
  const { before, after } = JSON.parse(stdout).met
  assert.deepEqual([before, after], [head, [head]])
})

test('JSON has no bytes that go on where no backend gets them', () => {
  const { stdout } = explain('--service', 'shop/front', '--request', 'GET /old', '--json')
  assert.deepEqual(JSON.parse(stdout).met.after, [null])
})

test('a request that is not canonical is refused, whatever the routes', () => {
  const { status, stdout } = explain('--service', 'shop/front', '--request', 'GET  /v2')
  assert.deepEqual([status, stdout], [0, 'refused (bad-target)\n'])
})

for (const args of [[], ['--to', 'app=a', '--service', 'a']])
  test(`\`explain --request 'GET /' ${args.join(' ')}\` is wrong usage`, () => {
    const { status, stderr } = explain('--request', 'GET /', ...args)
    assert.deepEqual([status, stderr.slice(0, 7)], [2, 'error: '])
  })
