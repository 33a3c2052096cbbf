/** Writes the JSON Schema of Cilium policies for editors; `--check` exits with 1 when it is stale. */
import { readFileSync, writeFileSync } from 'node:fs'
import { ciliumJsonSchema } from '../../pipelines/languages/cilium/json-schema.ts'

const OUTPUT = 'pipelines/languages/cilium/schema.gen.json'

const made = ciliumJsonSchema()
if (process.argv.includes('--check')) {
  if (readFileSync(OUTPUT, 'utf8') !== made) {
    console.error(`${OUTPUT} is stale: run npm run generate`)
    process.exit(1)
  }
} else {
  writeFileSync(OUTPUT, made)
}
