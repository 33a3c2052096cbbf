/** The child of node-table-builder.ts. */
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { buildTables } from '../../pipelines/tables/build-tables.ts'
import { answerParent } from './node-child.ts'

await answerParent((set) => {
  const result = buildTables(set as PolicySet)
  if (!result.ok) throw result.failures[0]
  return result.tables
})
