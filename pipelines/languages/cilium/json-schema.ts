/** The dialect as JSON Schema (draft 2020-12), for editors and for people. */
import { z } from 'zod'
import { CiliumNetworkPolicy } from './schema.ts'

/** Text of schema.gen.json. */
export function ciliumJsonSchema(): string {
  const schema = z.toJSONSchema(CiliumNetworkPolicy, { reused: 'ref' })
  return `${JSON.stringify({ title: 'CiliumNetworkPolicy, as Heddle honours it', ...schema }, null, 2)}\n`
}
