/** The meaning of each balance policy: shares by weight, loads, and who never wins. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { choose, type Lots, shares, type Standing } from '../../../pipelines/services/balance.ts'
import { hashNumber } from '../../../pipelines/services/balance-hash.ts'
import { Policy } from '../../../pipelines/services/model.ts'
import { chiSquare, chiSquareLimit } from '../../fakes/chi-square.ts'

const SEED = 20261123
const DRAWS = 6_000

/** 32 bits each, the same ones in every run. */
function seeded(seed: number): () => number {
  let state = seed
  return () => hashNumber(state++)
}

function lots(seed = SEED): Lots {
  const random = seeded(seed)
  let turn = 0
  return {
    random,
    turn: () => turn++,
    get key() {
      return random()
    },
  }
}

const standing = (more: Partial<Standing> = {}): Standing => ({
  weight: 1,
  ejected: false,
  inFlight: 0,
  latency: 0,
  started: 1,
  ...more,
})

const everywhere = { local: 0, zone: 0 }

/** How often each endpoint was chosen. */
function counts(policy: Policy, endpoints: readonly Standing[], near = everywhere): number[] {
  const drawn = lots()
  const counted = endpoints.map(() => 0)
  for (let i = 0; i < DRAWS; i++) {
    const place = choose(policy, endpoints, near, drawn)
    assert.ok(place !== undefined)
    counted[place] = (counted[place] as number) + 1
  }
  return counted
}

/** Two draws may fall on the same one eight times: then there is nothing to compare. */
function assertWins(counted: readonly number[], place: number): void {
  assert.ok((counted[place] as number) > 0.95 * DRAWS, `${counted}, not nearly all ${place}`)
}

function assertShares(counted: readonly number[], expected: readonly number[]): void {
  const found = chiSquare(counted, expected)
  const free = expected.filter((share) => share > 0).length - 1
  assert.ok(found <= chiSquareLimit(free), `${counted} is not as ${expected}: chi-square ${found}`)
}

for (const policy of Policy.options)
  describe(policy, () => {
    for (const weights of [
      [1, 1],
      [1, 1, 1, 1, 1],
      [3, 1],
      [1, 2, 7],
      [0, 1, 2],
      [5, 0, 0, 5],
      [1_000, 1, 300],
    ])
      test(`endpoints with nothing to do have shares as their weights, and 0 never wins: ${weights}`, () => {
        assertShares(
          counts(
            policy,
            weights.map((weight) => standing({ weight })),
          ),
          weights,
        )
      })

    test('an ejected endpoint never wins; the others share what it had', () => {
      const endpoints = [standing({ weight: 8, ejected: true }), standing(), standing({ weight: 3 })]
      assertShares(counts(policy, endpoints), [0, 1, 3])
    })

    test('one of a hundred that takes requests is found', () => {
      const endpoints = Array.from({ length: 100 }, (_, i) => standing({ ejected: i !== 42 }))
      assert.equal(choose(policy, endpoints, everywhere, lots()), 42)
    })

    test('the nearest take it: this node, else its zone, else any; none where all rest', () => {
      const near = { local: 1, zone: 2 }
      const resting = (count: number) => Array.from({ length: 4 }, (_, i) => standing({ ejected: i < count }))
      const found = (count: number) => choose(policy, resting(count), near, lots())
      assert.deepEqual([found(0), found(1)], [0, 1])
      assert.ok([2, 3].includes(found(2) as number))
      assert.equal(found(4), undefined)
      assert.equal(choose(policy, [], near, lots()), undefined)
      assert.equal(choose(policy, [standing({ weight: 0 })], { local: 1, zone: 1 }, lots()), undefined)
    })
  })

for (const policy of ['random', 'round-robin', 'two-choices', 'least-request', 'ewma'] as const)
  test(`${policy}: what has begun to a tenth has a tenth of its share`, () => {
    const [young = 0, old = 0] = counts(policy, [standing({ started: 0.1 }), standing()])
    // Comparing ones draw twice, the other one the second time: with two endpoints, both.
    assert.ok(young > 0.05 * old && young < 0.2 * old, `${young} of ${old}`)
  })

test('round robin: equal ones in order, unequal ones evenly mixed', () => {
  const drawn = lots()
  const turns = (endpoints: Standing[], count: number) =>
    Array.from({ length: count }, () => choose('round-robin', endpoints, everywhere, drawn))
  assert.deepEqual(turns([standing(), standing(), standing()], 6), [0, 1, 2, 0, 1, 2])
  const mixed = turns([standing({ weight: 3 }), standing()], 400)
  const apart = mixed.flatMap((place, at) => (place === 1 ? [at] : []))
  const gaps = apart.slice(1).map((at, i) => at - (apart[i] as number))
  assert.ok(Math.max(...gaps) <= 6 && Math.min(...gaps) >= 2, `${gaps}`)
})

test('two choices: the busier of two per weight takes none', () => {
  const busy = standing({ inFlight: 4, weight: 2 })
  assertWins(counts('two-choices', [busy, standing({ inFlight: 1 })]), 1)
  assertWins(counts('two-choices', [busy, standing({ inFlight: 3 })]), 0)
})

test('two choices: the busiest of three is never the better one of two', () => {
  const [a, b, c] = counts('two-choices', [standing({ inFlight: 9 }), standing(), standing()])
  assert.equal(a, 0)
  assertShares([b, c] as number[], [1, 1])
})

test('least request: all are compared', () => {
  const endpoints = Array.from({ length: 50 }, (_, i) => standing({ inFlight: i === 17 ? 2 : 3 }))
  assert.equal(counts('least-request', endpoints)[17], DRAWS)
})

test('latency: the slower of two takes none until the faster one has as much more to do', () => {
  const slow = standing({ latency: 10_000 })
  assertWins(counts('ewma', [slow, standing({ latency: 1_000, inFlight: 8 })]), 1)
  assertWins(counts('ewma', [slow, standing({ latency: 1_000, inFlight: 10 })]), 0)
})

test('latency: who was never measured gets one request, and no second before its answer', () => {
  const known = standing({ latency: 1_000 })
  assertWins(counts('ewma', [standing(), known]), 0)
  assertWins(counts('ewma', [standing({ inFlight: 1 }), known]), 1)
})

test('shares are without a common divisor, and need not be there', () => {
  assert.deepEqual(shares([1_000_000, 500_000, 0]), [2, 3, 3])
  assert.deepEqual(shares([0, 0]), [0, 0])
  assert.deepEqual(shares([]), [])
})
