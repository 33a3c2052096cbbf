/** `heddle test`: the cases beside policies, from the command line; and what lint and plan say of them. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { document, POLICY, ROUTE } from '../unit/languages/case-text.ts'
import { heddleIn } from '../fakes/heddle-command.ts'

const HOLDS =
  '{name: no admin, request: {line: GET /admin}, to: {labels: {app: api}}, expect: {verdict: drop}}'
const FAILS =
  '{name: "to the old one", request: {line: GET /v2/x}, service: {name: front}, expect: {forward: front}}'

let folder = ''
before(() => {
  folder = mkdtempSync(join(tmpdir(), 'heddle-cases-'))
  const write = (name: string, ...texts: string[]) => {
    mkdirSync(join(folder, name))
    for (const [index, text] of texts.entries()) writeFileSync(join(folder, name, `${index}.yaml`), text)
  }
  write('good', POLICY.text, ROUTE.text, document([HOLDS]).text)
  write('failing', POLICY.text, ROUTE.text, document([HOLDS, FAILS]).text)
  write('refused', POLICY.text, document([HOLDS.replace('verdict', 'verdikt')]).text)
  write('bare', POLICY.text)
})
after(() => rmSync(folder, { recursive: true, force: true }))

const heddle = (...args: string[]) => heddleIn(folder, ...args)

const REFUSAL =
  'refused/1.yaml:5:84 error unknown-field: unknown field `verdikt` in cases[0].expect\n    did you mean `verdict`?\n'

describe('heddle test', () => {
  test('says a line a case, and 0 when all hold', () => {
    assert.deepEqual(heddle('test', '-f', 'good'), {
      status: 0,
      stdout: 'holds shop/t: no admin\n1 hold, 0 fail\n',
      stderr: '',
    })
  })
  test('says what came instead, by which line, and 1 when a case fails', () => {
    assert.deepEqual(heddle('test', '-f', 'failing'), {
      status: 1,
      stdout:
        'holds shop/t: no admin\n' +
        'fails shop/t: to the old one: expected forward to shop/front, came forward to shop/front-v2' +
        ' by route shop/front at failing/1.yaml:7 (failing/2.yaml:6:3)\n' +
        '1 hold, 1 fail\n',
      stderr: '',
    })
  })
  test('takes several files, and only the cases that are asked for', () => {
    const files = ['failing/0.yaml', 'failing/1.yaml', 'failing/2.yaml']
    const { status, stdout } = heddle('test', '-f', ...files, '--only', '^shop/t: no ')
    assert.deepEqual([status, stdout], [0, 'holds shop/t: no admin\n1 hold, 0 fail\n'])
    assert.equal(heddle('test', '-f', ...files, '--only', 'old').status, 1)
  })
  test('prints results as JSON', () => {
    const { status, stdout } = heddle('test', '-f', 'failing', '--json', '--only', 'old')
    assert.deepEqual(
      [status, JSON.parse(stdout)],
      [
        1,
        {
          cases: [
            {
              namespace: 'shop',
              test: 't',
              name: 'to the old one',
              source: { file: 'failing/2.yaml', line: 6, column: 3 },
              holds: false,
              expected: 'forward to shop/front',
              came: 'forward to shop/front-v2',
              deciding: {
                kind: 'route',
                namespace: 'shop',
                name: 'front',
                source: { file: 'failing/1.yaml', line: 7, column: 15 },
              },
            },
          ],
          held: 0,
          failed: 1,
          findings: [],
        },
      ],
    )
  })
  test('says of policies that are refused what lint says, and 1', () => {
    const { status, stdout } = heddle('test', '-f', 'refused')
    assert.equal(status, 1)
    assert.equal(stdout, `${REFUSAL}refused: 1 findings\n`)
    assert.ok(heddle('policy', 'lint', 'refused').stdout.startsWith(REFUSAL))
    const { findings, ...rest } = JSON.parse(heddle('test', '-f', 'refused', '--json').stdout)
    assert.deepEqual(rest, { cases: [], held: 0, failed: 0 })
    assert.deepEqual(findings, JSON.parse(heddle('policy', 'lint', '--json', 'refused').stdout))
  })
  const WRONG: [string, string[]][] = [
    ['no files', []],
    ['a folder that is not there', ['-f', 'nowhere']],
    ['no cases', ['-f', 'bare']],
    ['no case of that name', ['-f', 'good', '--only', 'nothing']],
    ['no pattern', ['-f', 'good', '--only', '(']],
    ['an option that is none', ['-f', 'good', '--frob']],
  ]
  for (const [says, args] of WRONG)
    test(`${says}: wrong usage`, () => {
      const { status, stdout, stderr } = heddle('test', ...args)
      assert.deepEqual([status, stdout], [2, ''])
      assert.match(stderr, /^error: /)
    })
})

test('lint refuses what validate would', () => {
  const { status, stdout } = heddle('policy', 'lint', 'failing')
  assert.equal(status, 1)
  assert.match(stdout, /^failing\/2\.yaml:6:3 error policy-test-failed: `to the old one`: expected /)
  assert.equal(heddle('policy', 'lint', 'good').stdout, 'accepted: 3 policies in 3 files\n')
})

test('explain answers whether cases hold or not: a failing one has to be understood', () => {
  const asked = ['--service', 'front', '--namespace', 'shop', '--request', 'GET /v2/x']
  assert.match(heddle('explain', '-f', 'failing', ...asked).stdout, /^forward to shop\/front-v2:8080\n/)
})
