import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ALL_BYTES, type ByteSet, range } from '../../../pipelines/automata/byte-set.ts'
import { AutomatonLimit, walkDfa } from '../../../pipelines/automata/dfa.ts'
import { determinize } from '../../../pipelines/automata/determinize.ts'
import type { GroupedPattern, LatchPolicy } from '../../../pipelines/automata/nfa.ts'
import { matchesFully, parseRegex } from '../../../pipelines/automata/regex.ts'
import { mixedPatterns } from './mixed-rules.ts'
import { regexPattern, subjectFor } from './patterns.ts'

const RUNS = process.env['HEDDLE_DEEP'] ? 5_000 : 40
const SMALL_WORK = 1 << 18
const PATH = range(0x21, 0x7e)
const encode = (text: string) => new TextEncoder().encode(text)

function grouped(texts: readonly string[], groups = texts.length): GroupedPattern[] {
  return texts.map((text, index) => {
    const parsed = parseRegex(text)
    assert.ok(parsed.ok, text)
    return { node: parsed.node, group: index % groups, text }
  })
}

function expectedGroups(patterns: readonly GroupedPattern[], input: Uint8Array): number[] {
  const groups = patterns.filter(({ node }) => matchesFully(node, input)).map(({ group }) => group)
  return [...new Set(groups)].sort((a, b) => a - b)
}

function walked(
  patterns: GroupedPattern[],
  latches: LatchPolicy,
  inputs: string[],
  alphabet: ByteSet,
): number[][] {
  const dfa = determinize(patterns, { alphabet, latches, work: SMALL_WORK })
  return inputs.map((input) => [...walkDfa(dfa, encode(input))].sort((a, b) => a - b))
}

for (const latches of ['none', 'unanchored', 'all'] as const) {
  test(`generated pattern sets mean the same as automaton (latches: ${latches})`, () => {
    let matched = 0
    let limited = 0
    const tail = fc.tuple(regexPattern(1), fc.constantFrom('', '.*', '.*'), fc.constantFrom('', '.*'))
    const sets = fc.array(
      tail.map(([pattern, before, after]) =>
        before + after === '' ? pattern : `${before}(?:${pattern})${after}`,
      ),
      { minLength: 1, maxLength: 5 },
    )
    fc.assert(
      fc.property(sets, fc.array(fc.nat(0xffffff), { minLength: 8, maxLength: 8 }), (texts, seeds) => {
        const patterns = grouped(texts, 3)
        const inputs = seeds.map((seed) => subjectFor(texts.join(), seed).replaceAll(' ', '/'))
        let got: number[][]
        try {
          got = walked(patterns, latches, inputs, PATH)
        } catch (error) {
          // Some generated sets do multiply; those that don't are what this test is about.
          assert.ok(error instanceof AutomatonLimit)
          limited++
          return
        }
        inputs.forEach((input, index) => {
          // The empty input is no path; a latch is reported from the first byte on.
          if (input === '' && latches !== 'none') return
          const expected = expectedGroups(patterns, encode(input))
          matched += expected.length
          assert.deepEqual(got[index], expected, `${JSON.stringify(texts)} on ${input}`)
        })
      }),
      { seed: 20_260_102, numRuns: RUNS, endOnFailure: true },
    )
    assert.ok(matched > RUNS)
    assert.ok(limited < RUNS * 0.4, `${limited} sets were too large`)
  })
}

const CASES: [pattern: string, input: string, matches: boolean][] = [
  ['/x/.*', '/x/', true],
  ['/x/.*', '/x', false],
  ['/x/.+', '/x/', false],
  ['/x/.+', '/x/y', true],
  ['.*', '/', true],
  ['.*/admin/.*', '/a/admin/', true],
  ['.*/admin', '/admin/admin', true],
  ['.*/admin', '/admin/admi', false],
  ['/a\\b.*', '/a-', true],
  ['/a\\b.*', '/ab', false],
  ['(/a|/b/.*)', '/b/c', true],
  ['^(?:/a)$', '/a', true],
]
for (const [text, input, matches] of CASES) {
  test(`${text} ${matches ? 'takes' : 'leaves'} ${input}, latched or not`, () => {
    for (const latches of ['none', 'unanchored', 'all'] as const) {
      assert.deepEqual(walked(grouped([text]), latches, [input], PATH), [matches ? [0] : []])
    }
  })
}

test('bytes outside the alphabet lead nowhere', () => {
  assert.deepEqual(walked(grouped(['/.*x']), 'none', ['/\u0001x', '/ x', '/-x'], PATH), [[], [], [0]])
  assert.deepEqual(walked(grouped(['(?s)/.*x']), 'none', ['/\u0001x'], ALL_BYTES), [[0]])
})

test('states grow with the letters of the rules, not with their product', () => {
  const states = (count: number) =>
    determinize(grouped(mixedPatterns(count)), { alphabet: PATH, latches: 'all' }).states
  const [small, large] = [states(500), states(2_000)]
  assert.ok(large < small * 5, `${small} states for 500 rules, ${large} for 2,000`)
})

test('patterns that multiply are refused, and the costly ones named', () => {
  const hostile = Array.from(
    { length: 30 },
    (_, i) => `.*${String.fromCharCode(97 + (i % 26)).repeat(1 + (i % 3))}.{10}b.*x`,
  )
  assert.throws(
    () =>
      determinize(grouped(['/cheap', ...hostile]), {
        alphabet: PATH,
        latches: 'all',
        work: 1 << 20,
      }),
    (error) => error instanceof AutomatonLimit && error.patterns.every((text) => text.startsWith('.*')),
  )
})
