/** The kernel tells whose programs are attached: a dispatcher that is not the given one is left alone and known as another. */
import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { tagsOf } from '../../../agent/recognise.ts'
import { clangCompiler } from '../../../functions/adapters/clang-compiler.ts'
import { dispatcherElf } from './artifacts.ts'
import { KernelFixture, whyNoKernel } from './kernel-fixture.ts'

const skip = whyNoKernel() ?? false
const ENTRY = 'int note_flow(struct __sk_buff *skb)\n{\n'

let directory: string
let node: KernelFixture
let own: string
let other: string

before(async () => {
  if (skip) return
  directory = await mkdtemp(join(tmpdir(), 'heddle-recognise-'))
  await cp('bpf', join(directory, 'bpf'), { recursive: true })
  const source = join(directory, 'bpf/programs/dispatcher.c')
  const text = await readFile(source, 'utf8')
  assert.ok(text.includes(ENTRY))
  await writeFile(source, text.replace(ENTRY, `${ENTRY}\tbpf_get_smp_processor_id();\n`))
  own = join(directory, 'dispatcher.o')
  other = join(directory, 'other.o')
  await writeFile(own, await dispatcherElf())
  await writeFile(other, await clangCompiler(directory).dispatcher())
  node = await KernelFixture.create(await dispatcherElf())
})
after(async () => {
  if (skip) return
  await node.close()
  await rm(directory, { recursive: true })
})

const attached = async () => tagsOf((await node.kernel.inspect())?.hooks ?? {})

test('the tags of an ELF are those of its attached programs, and looking leaves nothing', {
  skip,
}, async () => {
  assert.deepEqual(await node.kernel.tags(own), await attached())
  assert.deepEqual(await readdir(node.pins.root), ['base'])
})

test('another dispatcher has other tags, also when it is installed', {
  skip,
}, async () => {
  const before = await attached()
  const tags = await node.kernel.tags(other)
  assert.deepEqual(
    Object.keys(tags).filter((hook) => tags[hook] !== before[hook]),
    ['cgroup_egress'],
  )
  await node.kernel.install(other)
  assert.deepEqual(await attached(), tags)
})
