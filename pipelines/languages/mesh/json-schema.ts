/** The language as JSON Schema (draft 2020-12), for editors; reference.ts is made from it too. */
import { z } from 'zod'
import { MeshPolicy } from './schema.ts'

export const meshSchema = () => z.toJSONSchema(MeshPolicy)

/** Text of schema.gen.json. */
export function meshJsonSchema(): string {
  return `${JSON.stringify({ title: 'MeshPolicy', ...meshSchema() }, null, 2)}\n`
}
