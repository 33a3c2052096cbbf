/** The child of node-table-builder.ts: policies on stdin, tables or the failure on stdout, both as V8 serialises. */
import { buffer } from 'node:stream/consumers'
import { deserialize, serialize } from 'node:v8'
import type { FailureCode } from '../../pipelines/contract/failures.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { buildTables, type Tables } from '../../pipelines/tables/build-tables.ts'

/** A Failure is a class, which no serialisation keeps. */
export type Told =
  | { tables: Tables }
  | { failures: readonly { code: FailureCode; message: string; detail: readonly string[] }[] }

const result = buildTables(deserialize(await buffer(process.stdin)) as PolicySet)
const told: Told = result.ok
  ? { tables: result.tables }
  : { failures: result.failures.map(({ code, message, detail }) => ({ code, message, detail })) }
process.stdout.write(serialize(told))
