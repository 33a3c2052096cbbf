import type { Report } from '../../pipelines/contract/release.ts'

/** What a node says that has taken nothing yet, but for these fields. */
export const reportOf = (fields: Partial<Report>): Report => ({
  schema: 'heddle.report/1',
  node: 'node-1',
  ring: 'canary',
  at: '2026-11-23T00:00:00Z',
  sequence: 1,
  outcome: 'unchanged',
  number: null,
  artifact: null,
  generation: null,
  failure: null,
  timings: {},
  measures: null,
  shadow: null,
  ...fields,
})
