/** Writes the JSON Schema of MeshPolicy for editors; with an argument, into that file, for whoever compares. */
import { writeFileSync } from 'node:fs'
import { meshJsonSchema } from '../../pipelines/languages/mesh/json-schema.ts'

const OUTPUT = 'pipelines/languages/mesh/schema.gen.json'

writeFileSync(process.argv[2] ?? OUTPUT, meshJsonSchema())
