import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RE2JS } from 're2js'
import { matchesFully, parseRegex } from '../../../pipelines/automata/regex.ts'
import { regexPattern, subjectFor } from './patterns.ts'

const encoder = new TextEncoder()

function matches(pattern: string, input: string | Uint8Array): boolean {
  const parsed = parseRegex(pattern)
  if (!parsed.ok) assert.fail(`${pattern}: ${parsed.reason} at ${parsed.offset}`)
  return matchesFully(parsed.node, typeof input === 'string' ? encoder.encode(input) : input)
}

const MATCHES: [pattern: string, yes: string[], no: string[]][] = [
  ['', [''], ['a']],
  ['GET|HEAD', ['GET', 'HEAD'], ['GE', 'GETHEAD', 'get', ' GET']],
  ['/api/.*', ['/api/', '/api/x?y=1'], ['/api', '/API/']],
  ['(?i)/api', ['/API', '/aPi'], ['/apis']],
  ['/(?i:api)/x', ['/API/x'], ['/API/X']],
  ['a(?i)b|c', ['ab', 'aB', 'C'], ['Ab']],
  ['^/a$', ['/a'], ['/a\n']],
  ['\\A/a\\z', ['/a'], ['/a/']],
  ['(?m)a$.^b', [], ['a\nb']],
  ['(?ms)a$.^b', ['a\nb'], ['a.b']],
  ['[^a]', ['b', '\n'], ['a', '']],
  ['.', ['a'], ['\n']],
  ['(?s).', ['\n'], ['']],
  ['[[:alpha:]_-]+', ['ab_-'], ['a1']],
  ['[[:^digit:]x]', ['a'], ['1']],
  ['[]a]+', [']a'], ['b']],
  ['[a-]+', ['a-'], ['b']],
  ['\\d{2,3}', ['12', '123'], ['1', '1234']],
  ['a{2}', ['aa'], ['a', 'aaa']],
  ['a{2,}', ['aa', 'aaaa'], ['a']],
  ['a{,2}', ['a{,2}'], ['a']],
  ['a{', ['a{'], ['a']],
  ['\\Q.*\\E+', ['.*', '.**'], ['a']],
  ['\\Qab', ['ab'], ['a']],
  ['\\x41\\x{42}\\103\\.', ['ABC.'], ['ABCx']],
  ['\\bfoo\\b.*', ['foo', 'foo-'], ['food']],
  ['f\\Boo', ['foo'], ['f oo']],
  ['(?P<x>a)(?<y>b)', ['ab'], []],
  ['(a|b|)*c??', ['', 'abab', 'abc'], ['d']],
  ['é', ['é'], ['e', '\u00c3']],
  ['é+', ['éé'], ['\u00e9\u00a9']],
  ['\\x{e9}', ['é'], []],
  ['..', ['é', 'ab'], ['a']],
  ['(?i)中', ['中'], []],
  ['\\C\\C', ['é'], []],
  ['(?-s)(?i-m:A)', ['a'], []],
  ['[^\\x00-\\x7f]', [], ['a', 'é']],
]

for (const [pattern, yes, no] of MATCHES) {
  test(`${JSON.stringify(pattern)} means what RE2 says on bytes`, () => {
    for (const input of yes) assert.equal(matches(pattern, input), true, JSON.stringify(input))
    for (const input of no) assert.equal(matches(pattern, input), false, JSON.stringify(input))
  })
}

test('a dot takes one byte that is no UTF-8', () => {
  assert.equal(matches('a.', new Uint8Array([0x61, 0xff])), true)
})

const REFUSED: [pattern: string, offset: number, reason: RegExp][] = [
  ['(a)\\1', 3, /backreference/],
  ['a(?=b)', 1, /lookaround/],
  ['(?<!b)', 0, /lookaround/],
  ['(?>b)', 0, /not part of RE2/],
  ['(?P=x)', 0, /not part of RE2/],
  ['\\pL', 0, /unicode classes/],
  ['a\\p{Greek}', 1, /unicode classes/],
  ['[\\PL]', 1, /unicode classes/],
  ['a**', 2, /repetition of a repetition/],
  ['a{2}{3}', 4, /repetition of a repetition/],
  ['*a', 0, /nothing to repeat/],
  ['a|*', 2, /nothing to repeat/],
  ['a{1001}', 1, /1000/],
  ['(a{100}){11}', 8, /1000/],
  ['a{3,2}', 1, /ends before/],
  ['(abcdefghijklmnopqrstuv){1000}', 24, /larger/],
  ['(a', 0, /no \)/],
  ['a)', 1, /no \(/],
  ['[a', 0, /no \]/],
  ['[b-a]', 1, /ends before/],
  ['[[:foo:]]', 1, /no character class/],
  ['[[:constructor:]]', 1, /no character class/],
  ['[é]', 1, /ASCII/],
  ['(?i)é', 4, /ASCII/],
  ['\\q', 0, /no escape/],
  ['\\Z', 0, /no escape/],
  ['\\E', 0, /no escape/],
  ['a\\', 1, /backslash/],
  ['\\x{110000}', 0, /10FFFF/],
  ['\ud800', 0, /surrogate/],
  ['(?P<a>x)(?P<a>y)', 8, /twice/],
  ['(?P<a-b>x)', 0, /letters/],
  ['(?z)', 0, /not part of RE2/],
  ['(?i-)', 0, /not part of RE2/],
  [`${'('.repeat(1001)}${')'.repeat(1001)}`, 1000, /nest/],
  ['a'.repeat(65_537), 0, /characters/],
]

for (const [pattern, offset, reason] of REFUSED) {
  test(`${JSON.stringify(pattern.slice(0, 40))} is refused`, () => {
    const parsed = parseRegex(pattern)
    assert.ok(!parsed.ok)
    assert.match(parsed.reason, reason)
    assert.equal(parsed.offset, offset)
  })
}

test('matching agrees with RE2 on generated patterns and inputs', () => {
  const pairs = process.env['HEDDLE_DEEP'] ? 50_000 : 1_500
  let positive = 0
  fc.assert(
    fc.property(
      regexPattern(),
      fc.array(fc.nat(0xffffff), { minLength: 5, maxLength: 5 }),
      (pattern, seeds) => {
        const reference = RE2JS.compile(pattern)
        for (const seed of seeds) {
          const input = subjectFor(pattern, seed)
          const expected = reference.matcher(input).matches()
          if (expected) positive++
          assert.equal(matches(pattern, input), expected, `${pattern} on ${JSON.stringify(input)}`)
        }
      },
    ),
    { seed: 20_260_101, numRuns: pairs / 5 },
  )
  assert.ok(positive > pairs / 20, `only ${positive} pairs match: the generator tests too little`)
})

test('a pattern that RE2 refuses is refused, and one that it takes is taken', () => {
  const soup = fc.array(fc.constantFrom(...'ab()[]{}*+?|^$\\.-,12:dwsQEAzbB'), { maxLength: 9 })
  let taken = 0
  fc.assert(
    fc.property(soup, (parts) => {
      const pattern = parts.join('')
      let expected = true
      try {
        RE2JS.compile(pattern)
      } catch {
        expected = false
      }
      if (expected) taken++
      assert.equal(parseRegex(pattern).ok, expected, pattern)
    }),
    { seed: 7, numRuns: process.env['HEDDLE_DEEP'] ? 100_000 : 2_500 },
  )
  assert.ok(taken > 500)
})

test('a pattern made to backtrack costs linear time', () => {
  assert.equal(matches('(a|aa|a*)*b', 'a'.repeat(2_000)), false)
})
