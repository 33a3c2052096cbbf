/** Generated heads and filters: edits are few and in order, and come to what filters say line by line. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { utf8 } from '../../../pipelines/bytes.ts'
import type { Filter } from '../../../pipelines/policy/route.ts'
import { requestChange } from '../../../pipelines/policy/route-change.ts'
import { applyEdits, requestEdits } from '../../../pipelines/policy/route-edits.ts'
import { byteText } from '../../../pipelines/protocols/http1-grammar.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import { match } from './small-routes.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const RUNS = DEEP ? 20_000 : 1_000

type Line = { name: string; text: string }
const name = fc.constantFrom('a', 'A', 'b', 'c', 'long-name')
const line = fc
  .tuple(name, fc.constantFrom('', ' ', '\t '), fc.constantFrom('', '1', 'x y'), fc.constantFrom('', ' '))
  .map(([field, before, value, after]): Line => ({ name: field, text: `${field}:${before}${value}${after}` }))
const host = fc.constantFrom<Line>({ name: 'Host', text: 'Host: x:80' }, { name: 'hOST', text: 'hOST:\tx ' })
const lines = fc
  .tuple(fc.array(line, { maxLength: 6 }), host, fc.nat(6))
  .map(([list, of, place]) => list.toSpliced(place, 0, of))

const field = fc.record({ name, value: fc.constantFrom('1', 'new') })
const fields = fc.array(field, { maxLength: 3 })
const headerFilter = fc.record({
  kind: fc.constant('request-headers' as const),
  set: fields,
  add: fields,
  remove: fc.array(name, { maxLength: 2 }),
})
const rewrite: fc.Arbitrary<Filter> = fc
  .tuple(
    fc.constantFrom(undefined, 'h', 'a.much.longer.name'),
    fc.constantFrom(undefined, ['full', '/n'], ['prefix', ''], ['prefix', '/'], ['prefix', '/n/m']),
  )
  .map(([of, path]) => ({
    kind: 'rewrite',
    ...(of === undefined ? {} : { host: of }),
    ...(path === undefined ? {} : { path: { kind: path[0] as 'full', value: path[1] as string } }),
  }))
const filters = fc.array(fc.oneof<fc.Arbitrary<Filter>[]>(headerFilter, rewrite), { maxLength: 4 })

const same = (left: string, right: string) => left.toLowerCase() === right.toLowerCase()

/** Filter by filter on a list of lines: what the edits are a shorter way to. */
function oneByOne(list: Line[], steps: readonly Filter[]): Line[] {
  let now = list
  for (const step of steps) {
    if (step.kind === 'rewrite' && step.host !== undefined) {
      const { host: of } = step
      now = now.map((item) =>
        same(item.name, 'host')
          ? { ...item, text: item.text.replace(/(:[ \t]*).*?([ \t]*)$/, `$1${of}$2`) }
          : item,
      )
    }
    if (step.kind !== 'request-headers') continue
    for (const gone of step.remove) now = now.filter((item) => !same(item.name, gone))
    for (const { name: of, value } of step.set) {
      now = [...now.filter((item) => !same(item.name, of)), { name: of, text: `${of}: ${value}` }]
    }
    now = [...now, ...step.add.map(({ name: of, value }) => ({ name: of, text: `${of}: ${value}` }))]
  }
  return now
}

/** By segments, as the specification's words have it. */
function pathOneByOne(path: string, prefix: string, steps: readonly Filter[]): string {
  const last = steps.findLast((step) => step.kind === 'rewrite' && step.path !== undefined)
  if (last?.kind !== 'rewrite' || last.path === undefined) return path
  if (last.path.kind === 'full') return last.path.value
  const segments = (text: string) => text.split('/').filter((segment) => segment !== '')
  const kept = segments(path).slice(segments(prefix).length)
  const trailing = path.endsWith('/') && !(kept.length === 0 && segments(last.path.value).length === 0)
  return `/${[...segments(last.path.value), ...kept].join('/')}${trailing ? '/' : ''}`
}

const paths = fc.constantFrom(['/p', '/p'], ['/p/', '/p'], ['/p/q', '/p/'], ['/p/q/', '/p/q'], ['/x/y', '/'])
const query = fc.constantFrom('', '?', '?a=/p&b')

test('edits of a request are what its filters say, one by one', () => {
  const property = fc.property(
    lines,
    filters,
    paths,
    query,
    (list, steps, [path = '', prefix = ''], rest) => {
      const head = (target: string, all: Line[]) =>
        `GET ${target} HTTP/1.1\r\n${all.map(({ text }) => `${text}\r\n`).join('')}\r\n`
      const before = utf8(head(path + rest, list))
      const edits = requestEdits(before, requestChange(steps, match(prefix)))
      const after = applyEdits(before, edits)
      const wanted = head(pathOneByOne(path, prefix, steps) + rest, oneByOne(list, steps))
      assert.equal(byteText(after), wanted)
      let end = 0
      for (const edit of edits) {
        assert.ok(edit.at >= end && edit.at + edit.remove <= before.length, 'in order, never over each other')
        end = edit.at + edit.remove
      }
      assert.ok(edits.length <= 3 + list.length)
      // The kernel accepts no head that it would refuse from a client.
      assert.equal(parseHttp1(after)[0]?.kind, 'head')
    },
  )
  fc.assert(property, { seed: 20_265, numRuns: RUNS })
})
