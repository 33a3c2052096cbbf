/** `compile-child.js SOURCES`, policies on stdin: compiles as whoever it runs as; tells who that is, and the digests. */
import { text } from 'node:stream/consumers'
import { clangCompiler } from '../../functions/adapters/clang-compiler.ts'
import { sha256Hex } from '../../functions/trust/metadata.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'

const [, , sources = ''] = process.argv
const set = JSON.parse(await text(process.stdin)) as PolicySet
const { elf, code, tables } = await clangCompiler(sources).compile(set)
const uid = process.getuid?.()
console.log(JSON.stringify({ uid, elf: sha256Hex(elf), code: code.digest, tables: tables.digest }))
