import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clangCompiler } from '../../../functions/adapters/clang-compiler.ts'
import { compileSet } from './artifacts.ts'
import { generatedSet } from './generated-policies.ts'
import { random } from '../../fakes/random.ts'

test('tables put into a compiled text give the bytes that the compiler gives', async () => {
  const [first, second] = [generatedSet(random(1), 80), generatedSet(random(2), 80)]
  await compileSet(first)
  const { elf } = await compileSet(second)
  assert.deepEqual(Buffer.from(elf), Buffer.from((await clangCompiler('.').compile(second)).elf))
})
