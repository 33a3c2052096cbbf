import assert from 'node:assert/strict'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileWorkloads, parseWorkloads } from '../../../agent/adapters/file-workloads.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'

const ONE = '- {name: a, namespace: n, labels: {app: a}, addresses: [10.0.0.1, "fd00::1"]}\n'

describe('workloads of a file', () => {
  test('a list, or under workloads; YAML or JSON; mode is auto unless said', () => {
    const expected = [
      { name: 'a', namespace: 'n', labels: { app: 'a' }, addresses: ['10.0.0.1', 'fd00::1'], mode: 'auto' },
    ]
    assert.deepEqual(parseWorkloads('w', ONE), expected)
    assert.deepEqual(parseWorkloads('w', `workloads:\n${ONE}`), expected)
    assert.deepEqual(parseWorkloads('w', JSON.stringify({ workloads: expected })), expected)
  })

  test('labels lose the word for where they were read, as in selectors', () => {
    const labels = '{"k8s:app": a, "any:tier": x, app: a, k8s:io.kubernetes.pod.namespace: n, plain: y}'
    const [workload] = parseWorkloads('w', ONE.replace('{app: a}', labels))
    assert.deepEqual(workload?.labels, {
      app: 'a',
      tier: 'x',
      'io.kubernetes.pod.namespace': 'n',
      plain: 'y',
    })
  })

  const TABLE: [string, string, string, RegExp][] = [
    [
      'a label of another source',
      ONE.replace('{app: a}', '{"reserved:host": ""}'),
      'schema-violation',
      /w:1:53: 0.labels.reserved:host: .*write k8s:name/,
    ],
    [
      'a label with two values under two spellings',
      ONE.replace('{app: a}', '{app: a, "k8s:app": b}'),
      'schema-violation',
      /w:1:55: 0.labels.k8s:app: .*two values/,
    ],
    [
      'a label without name',
      ONE.replace('{app: a}', '{"k8s:": a}'),
      'schema-violation',
      /w:1:44: 0.labels.k8s:: .*without name/,
    ],
    [
      'a namespace label that says something else',
      ONE.replace('{app: a}', '{k8s:io.kubernetes.pod.namespace: m}'),
      'schema-violation',
      /w:1:69: .*says namespace n/,
    ],
    ['bad YAML', '- {', 'yaml-syntax', /^w:1:/],
    [
      'an unknown field',
      '- {name: a, namespace: n, labels: {}, addresses: [::1], x: 1}',
      'schema-violation',
      /w:1:3: 0: /,
    ],
    [
      'no address',
      '- {name: a, namespace: n, labels: {}, addresses: []}',
      'schema-violation',
      /w:1:50: 0.addresses: /,
    ],
    [
      'a bad address',
      `${ONE}- {name: b, namespace: n, labels: {}, addresses: [10.0.0.300]}`,
      'schema-violation',
      /w:2:51: 1.addresses.0: .*no address/,
    ],
    [
      'an address twice',
      `${ONE}- {name: b, namespace: n, labels: {}, addresses: ["::ffff:10.0.0.1"]}`,
      'schema-violation',
      /w:2:51: .*given twice/,
    ],
    [
      'a name twice',
      ONE + ONE.replace('10.0.0.1, "fd00::1"', '10.0.0.2'),
      'schema-violation',
      /w:2:10: .*there twice/,
    ],
    ['no list', 'a: 1', 'schema-violation', /w:1:1: /],
  ]
  for (const [says, text, code, place] of TABLE) {
    test(`${says} is refused with its place`, () => {
      assert.throws(
        () => parseWorkloads('w', text),
        (error) => {
          assert.ok(error instanceof Failure)
          assert.equal(error.code, code)
          assert.match([error.message, ...error.detail].join('\n'), new RegExp(place.source, 'm'))
          return true
        },
      )
    })
  }
})

test('a change is told, also when the file is replaced', async (context) => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-workloads-'))
  const file = join(folder, 'w.yaml')
  writeFileSync(file, '[]')
  const workloads = fileWorkloads(file)
  let told = () => {}
  const stop = workloads.watch(() => told())
  context.after(() => {
    stop()
    rmSync(folder, { recursive: true, force: true })
  })
  assert.deepEqual(await workloads.list(), [])
  for (const text of [ONE, '[]']) {
    const change = new Promise<void>((resolve) => {
      told = resolve
    })
    writeFileSync(`${file}.new`, text)
    renameSync(`${file}.new`, file)
    await change
    assert.equal((await workloads.list()).length, text === ONE ? 1 : 0)
  }
})
