/** Writes the JSON Schema of Cilium policies for editors; with an argument, into that file, for whoever compares. */
import { writeFileSync } from 'node:fs'
import { ciliumJsonSchema } from '../../pipelines/languages/cilium/json-schema.ts'

const OUTPUT = 'pipelines/languages/cilium/schema.gen.json'

writeFileSync(process.argv[2] ?? OUTPUT, ciliumJsonSchema())
