import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { matchesFully, parseRegex } from '../../../pipelines/automata/regex.ts'
import { withoutEdges } from '../../../pipelines/automata/regex-edges.ts'
import { setNode } from '../../../pipelines/automata/regex-node.ts'
import { single } from '../../../pipelines/automata/byte-set.ts'
import { utf8 } from '../../../pipelines/bytes.ts'
import { regexPattern, subjectFor } from './patterns.ts'

const SEED = 20_261_123
const PATTERNS = process.env['HEDDLE_DEEP'] === '1' ? 50_000 : 600
const SUBJECTS = 8

function nodeOf(pattern: string) {
  const parsed = parseRegex(pattern)
  assert.ok(parsed.ok, pattern)
  return parsed.node
}

/** The pattern between two marks that are no word's bytes, as it stands in a larger one. */
function between(pattern: string) {
  const mark = setNode(single(0x3b))
  return { kind: 'sequence' as const, parts: [mark, withoutEdges(nodeOf(pattern)), mark] }
}

describe('a pattern that stands inside a larger one', () => {
  const TABLE: [pattern: string, text: string, matches: boolean][] = [
    ['^a$', 'a', true],
    ['a|b$', 'b', true],
    ['a$b', 'ab', false],
    ['(a$|b)*', 'ba', true],
    ['(a$|b)*', 'ab', false],
    ['(^a|b){2}', 'ab', true],
    ['(^a|b){2}', 'ba', false],
    ['a($|b)c*', 'a', true],
    ['a($|b)c*', 'ac', false],
    ['(?m)^a$', 'a', true],
    ['\\ba\\b', 'a', true],
    ['', '', true],
    ['$^', '', true],
    ['a$a', 'aa', false],
  ]
  for (const [pattern, text, matches] of TABLE) {
    it(`${pattern} ${matches ? 'matches' : 'does not match'} ${JSON.stringify(text)}`, () => {
      assert.equal(matchesFully(between(pattern), utf8(`;${text};`)), matches)
    })
  }

  it('matches what it matches alone, whatever it is', () => {
    fc.assert(
      fc.property(regexPattern(), fc.nat(), (pattern, seed) => {
        const node = nodeOf(pattern)
        const inside = between(pattern)
        for (let turn = 0; turn < SUBJECTS; turn++) {
          const text = subjectFor(pattern, seed + turn)
          assert.equal(
            matchesFully(inside, utf8(`;${text};`)),
            matchesFully(node, utf8(text)),
            `${pattern} on ${text}`,
          )
        }
      }),
      { seed: SEED, numRuns: PATTERNS, endOnFailure: true },
    )
  })
})
