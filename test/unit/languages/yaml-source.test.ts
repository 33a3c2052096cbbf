import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readYaml } from '../../../functions/adapters/yaml-source.ts'
import { placeOf, plainValue } from '../../../pipelines/languages/source-node.ts'

const read = (text: string) => readYaml('f.yaml', text)

describe('YAML as located trees', () => {
  test('values are plain, empty documents are left out', () => {
    const result = read('# nothing\n---\na: [1, "1", true, null, x]\n---\n---\n"b": {c: }\n')
    assert.ok('documents' in result)
    assert.deepEqual(result.documents.map(plainValue), [{ a: [1, '1', true, null, 'x'] }, { b: { c: null } }])
  })

  test('every part knows its line and column', () => {
    const result = read('a:\n  - b: 1\n    c:\n      - x\n      - y\n')
    assert.ok('documents' in result)
    const [root] = result.documents
    assert.ok(root)
    const place = (...path: (string | number)[]) => {
      const { line, column } = placeOf(root, path)
      return `${line}:${column}`
    }
    assert.equal(place('a', 0, 'c'), '3:5')
    assert.equal(place('a', 0, 'c', 1), '5:9')
    assert.equal(place('a', 0, 'missing'), '2:5')
    assert.equal(place(), '1:1')
  })

  test('an alias is the value that it stands for', () => {
    const result = read('a: &x {k: v}\nb: *x\n')
    assert.ok('documents' in result)
    assert.deepEqual(result.documents.map(plainValue), [{ a: { k: 'v' }, b: { k: 'v' } }])
  })

  const laughs = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
  for (let level = 1; level < 9; level++) {
    const item = `*a${level - 1}`
    laughs.push(`a${level}: &a${level} [${new Array(10).fill(item).join(', ')}]`)
  }
  const REFUSED: [string, string, string][] = [
    ['a duplicate key', 'a: 1\nb: 2\na: 3\n', 'yaml-syntax 3:1'],
    ['a duplicate key in quotes', 'a: 1\n"a": 3\n', 'yaml-syntax 2:1'],
    ['bad indentation', 'a:\n  b: 1\n c: 2\n', 'yaml-syntax 3:1'],
    ['a tab', 'a:\n\tb: 1\n', 'yaml-syntax 2:1'],
    ['an open quote', 'a: "b\n', 'yaml-syntax 2:1'],
    ['a key that readers drop', 'a:\n  __proto__: x\n', 'yaml-syntax 2:3'],
    ['a custom tag', 'a: !secret x\n', 'yaml-syntax 1:4'],
    ['a key that is a number', 'a:\n  1: x\n', 'yaml-syntax 2:3'],
    ['a key that is a list', '? [a]\n: x\n', 'yaml-syntax 1:3'],
    ['an alias without anchor', 'a: *x\n', 'yaml-syntax 1:4'],
    ['a template', 'a: {{ .Values.x }}\n', 'yaml-syntax 1:5'],
    ['a billion laughs', laughs.join('\n'), 'yaml-limit'],
    ['an alias of itself', 'a: &a [*a]\n', 'yaml-limit'],
    ['33 levels', `${'['.repeat(33)}${']'.repeat(33)}\n`, 'yaml-limit'],
    ['a hundred thousand brackets', '['.repeat(100_000), 'yaml-limit 1:34'],
    ['a hundred thousand list marks', '- '.repeat(100_000), 'yaml-limit 1:'],
    ['deep keys', '? '.repeat(1000), 'yaml-limit 1:'],
    ['more than a MiB', `a: ${'x'.repeat(1_048_576)}\n`, 'yaml-limit 1:1'],
    ['1,001 documents', '--- a\n'.repeat(1001), 'yaml-limit 1:1'],
  ]
  for (const [says, text, expected] of REFUSED) {
    test(`${says} is refused`, () => {
      const result = read(text)
      assert.ok('finding' in result, 'must be refused')
      const { code, line, column } = result.finding
      assert.ok(`${code} ${line}:${column}`.startsWith(expected), `${code} ${line}:${column}`)
    })
  }
})
