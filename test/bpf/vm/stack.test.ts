/**
 * What the oldest supported kernel refuses to load, told without it: a chain of calls that needs more
 * stack than there is. The newer kernel of a developer's machine counts smaller frames, and takes it.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { findCommand } from '../../../infra/ci/vm-boot.ts'
import { type Chain, deepestChains } from './call-chains.ts'
import { buildPrograms } from './programs.ts'

const missing = ['clang-22', 'llvm-objdump-22'].filter((name) => findCommand(name) === undefined)
const skip = missing.length > 0 && `not installed: ${missing.join(', ')}`
/** MAX_BPF_STACK and MAX_CALL_FRAMES (include/linux/filter.h, bpf_verifier.h). */
const STACK_BYTES = 512
const FRAMES = 8

let directory: string
const chains: Chain[] = []

before(async () => {
  if (skip) return
  directory = await mkdtemp(join(tmpdir(), 'heddle-stack-'))
  await buildPrograms(directory)
  for (const file of ['dispatcher.o', 'public.o'])
    chains.push(...(await deepestChains(join(directory, file))))
})
after(async () => {
  if (!skip) await rm(directory, { recursive: true })
})

test('each chain of calls fits the stack of kernel 6.1', { skip }, () => {
  assert.ok(chains.some(({ depth }) => depth > 4))
  const tooDeep = chains.filter(({ bytes, depth }) => bytes > STACK_BYTES || depth > FRAMES)
  assert.deepEqual(
    tooDeep.map(({ bytes, frames }) => `${bytes}: ${frames.join(' > ')}`),
    [],
  )
})
