import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { frozenUntil, openFreeze } from '../../../../functions/rollout/freezes.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'

const weekend = { cron: '0 18 * * 5', zone: 'Europe/Berlin', minutes: 60 * 60, why: 'weekend' }
const at = (text: string) => Date.parse(text)

describe('a freeze', () => {
  const cases: [what: string, freezes: object[], now: string, until: string | null][] = [
    ['begins at its minute', [weekend], '2026-11-20T17:00:00Z', '2026-11-23T05:00:00Z'],
    ['has not begun a millisecond before', [weekend], '2026-11-20T16:59:59.999Z', null],
    ['ends at its last minute', [weekend], '2026-11-23T05:00:00Z', null],
    ['lasts over midnight', [weekend], '2026-11-22T00:00:00Z', '2026-11-23T05:00:00Z'],
    ['knows summer time', [weekend], '2026-07-03T16:00:00Z', '2026-07-06T04:00:00Z'],
    [
      'ends with the last of several',
      [weekend, { ...weekend, minutes: 100 * 60 }],
      '2026-11-21T00:00:00Z',
      '2026-11-24T21:00:00Z',
    ],
    [
      'lies over itself',
      [{ cron: '*/10 * * * *', zone: 'UTC', minutes: 25, why: '' }],
      '2026-11-23T00:01:00Z',
      '2026-11-23T00:25:00Z',
    ],
    ['is none without freezes', [], '2026-11-23T00:00:00Z', null],
  ]
  for (const [what, freezes, now, until] of cases) {
    it(what, () => {
      const found = frozenUntil(freezes as (typeof weekend)[], at(now))
      assert.equal(
        found === null ? null : new Date(found).toISOString(),
        until && new Date(until).toISOString(),
      )
    })
  }

  for (const wrong of [
    { cron: 'now and then' },
    { cron: '61 * * * *' },
    { zone: 'Europe/Nowhere' },
    { cron: '* * * * * *' },
  ]) {
    it(`is refused by name: ${JSON.stringify(wrong)}`, () => {
      assert.throws(
        () => openFreeze({ ...weekend, ...wrong }),
        (error) =>
          error instanceof Failure && error.code === 'schema-violation' && error.message.includes('freeze'),
      )
    })
  }
})
