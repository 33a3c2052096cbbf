/** What a Maglev table promises (NSDI 2016, sections 3.4 and 5.3): even shares, and few places that move. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type MaglevEndpoint, maglevSize, maglevTable } from '../../../pipelines/services/balance-maglev.ts'

const named = (count: number, weight = (_: number) => 1): MaglevEndpoint[] =>
  Array.from({ length: count }, (_, i) => ({ name: `10.0.0.${i}:80`, weight: weight(i) }))

function filled(endpoints: readonly MaglevEndpoint[]): string[] {
  return maglevTable(endpoints, maglevSize(endpoints.length)).map((index) => endpoints[index]?.name ?? '')
}

const shareOf = (table: readonly string[], name: string) =>
  table.filter((each) => each === name).length / table.length

describe('maglev', () => {
  for (const count of [1, 2, 3, 10, 40, 100])
    test(`${count} endpoints have even shares`, () => {
      const table = filled(named(count))
      for (const { name } of named(count))
        assert.ok(
          Math.abs(shareOf(table, name) * count - 1) < 0.02,
          `${name}: ${shareOf(table, name) * count}`,
        )
    })

  test('shares are as weights, and 0 has no place', () => {
    const table = filled(named(4, (i) => i))
    assert.equal(shareOf(table, '10.0.0.0:80'), 0)
    for (const i of [1, 2, 3]) assert.ok(Math.abs(shareOf(table, `10.0.0.${i}:80`) - i / 6) < 0.01)
  })

  test('every place is somebody’s, also with weights far apart; with none there is no table', () => {
    assert.ok(filled(named(5, (i) => 10 ** i)).every((name) => name !== ''))
    assert.deepEqual(
      maglevTable(
        named(3, () => 0),
        251,
      ),
      [],
    )
    assert.deepEqual(maglevTable([], 251), [])
  })

  test('the order in which endpoints are told does not matter', () => {
    assert.deepEqual(filled(named(20)), filled(named(20).reverse()))
  })

  for (const count of [5, 20, 100])
    test(`of ${count} endpoints one goes: few keys of the others move`, () => {
      const before = maglevTable(named(count), 65_521).map((index) => named(count)[index]?.name)
      const left = named(count).filter((_, i) => i !== 2)
      const after = maglevTable(left, 65_521).map((index) => left[index]?.name)
      const stayed = before.filter((name) => name !== '10.0.0.2:80').length
      const moved = before.filter((name, i) => name !== '10.0.0.2:80' && after[i] !== name).length
      assert.ok(moved / stayed < 0.05, `${((100 * moved) / stayed).toFixed(1)} % of the others' keys moved`)
    })
})
