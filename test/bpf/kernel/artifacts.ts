import { execFileSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import { buildTables } from '../../../pipelines/tables/build-tables.ts'

const D = '/tmp/hk-art'
mkdirSync(D, { recursive: true })
const F = [
  '-O2',
  '-g',
  '-target',
  'bpf',
  '-mcpu=v3',
  '-Wno-c23-extensions',
  '-I/usr/include/x86_64-linux-gnu',
]
export async function dispatcherElf(): Promise<Uint8Array> {
  execFileSync('clang-22', [...F, '-c', 'bpf/programs/dispatcher.c', '-o', `${D}/dispatcher.o`])
  return readFileSync(`${D}/dispatcher.o`)
}
const cache = new Map<number, { elf: Buffer; offset: number }>()
export async function compileSet(set: PolicySet) {
  const r = buildTables(set)
  if (!r.ok) throw r.failures[0]
  const { blob, blocks } = r.tables
  const log2 = [14, 16, 18, 20, 22, 23].find((n) => blob.length <= 4 << n) ?? 23
  let base = cache.get(log2)
  if (!base) {
    writeFileSync(`${D}/policy.bin`, Buffer.alloc(4 << log2))
    execFileSync('clang-22', [
      ...F,
      `-DPOLICY_WORDS_LOG2=${log2}`,
      `--embed-dir=${D}`,
      '-c',
      'bpf/programs/inbound.c',
      '-o',
      `${D}/in.o`,
    ])
    const sections = execFileSync('llvm-readelf-22', ['-S', '-W', `${D}/in.o`], { encoding: 'utf8' })
    const line = sections.split('\n').find((l) => / \.rodata\.policy /.test(l)) ?? ''
    const offset = Number.parseInt(line.trim().split(/\s+/).slice(-8)[0] ?? '', 16)
    const m = /\.rodata\.policy\s+PROGBITS\s+[0-9a-f]+\s+([0-9a-f]+)/.exec(line)
    base = { elf: readFileSync(`${D}/in.o`), offset: m ? Number.parseInt(m[1] as string, 16) : offset }
    cache.set(log2, base)
  }
  const elf = Buffer.from(base.elf)
  elf.set(blob, base.offset)
  return { elf, blocks: [...blocks] }
}
