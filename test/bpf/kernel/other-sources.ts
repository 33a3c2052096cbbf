/** The kernel sources with a few words changed: another dispatcher, another ABI, built by the same compiler. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ClangCompiler, clangCompiler } from '../../../functions/adapters/clang-compiler.ts'

/** In this file below bpf/, `from`, which must stand there, becomes `to`. */
export type Edit = { file: string; from: string | RegExp; to: string }

export type OtherSources = { root: string; compiler: ClangCompiler; remove(): void }

export function otherSources(edits: readonly Edit[]): OtherSources {
  const root = mkdtempSync(join(tmpdir(), 'heddle-sources-'))
  cpSync('bpf', join(root, 'bpf'), { recursive: true })
  for (const { file, from, to } of edits) {
    const path = join(root, 'bpf', file)
    const before = readFileSync(path, 'utf8')
    const after = before.replace(from, to)
    if (after === before) throw new Error(`${file} does not have ${from}`)
    writeFileSync(path, after)
  }
  return { root, compiler: clangCompiler(root), remove: () => rmSync(root, { recursive: true }) }
}

/** A reason that no plain HTTP/1 traffic is counted under: what `nextDispatcher` marks its work with. */
export const MARK = 'HTTP2'

/** A dispatcher of the same ABI that counts every segment that it hands on. */
export async function nextDispatcher(): Promise<Uint8Array> {
  const handOn = 'bpf_tail_call(skb, &verdicts, active_slot());'
  const marked = `count(HEDDLE_${MARK});\n\t${handOn}`
  const sources = otherSources([{ file: 'programs/dispatcher.c', from: handOn, to: marked }])
  try {
    return await sources.compiler.dispatcher()
  } finally {
    sources.remove()
  }
}
