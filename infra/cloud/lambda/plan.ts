/** What a pull request would change; the tables are built without clang. */
import { nodeTableBuilder } from '../../../functions/adapters/node-table-builder.ts'
import { NO_PULLS } from '../../../functions/no-forge.ts'
import { planHandler } from '../../../functions/plan/handler.ts'
import { storedPlans } from '../../../functions/plans.ts'
import { openHere } from '../parts/here.ts'

const here = await openHere(process.env)
const plans = storedPlans({ ...here, pulls: NO_PULLS })

export const handler = planHandler({ ...here, plans, tables: nodeTableBuilder() })
