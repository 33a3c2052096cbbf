/** Prints pipelines/languages/cilium/schema.gen.json. */
import { ciliumJsonSchema } from '../../pipelines/languages/cilium/json-schema.ts'

process.stdout.write(ciliumJsonSchema())
