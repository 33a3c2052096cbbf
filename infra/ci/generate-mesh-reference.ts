/** Writes the reference page of MeshPolicy; with an argument, into that file, for whoever compares. */
import { writeFileSync } from 'node:fs'
import { meshReference } from '../../pipelines/languages/mesh/reference.ts'

const OUTPUT = 'pipelines/languages/mesh/reference.gen.md'

writeFileSync(process.argv[2] ?? OUTPUT, meshReference())
