/**
 * The ABI after ours, as ABI.md allows it: every value in the live maps grows at its end. With it, kernel programs
 * that write such values, and a build of agent and relay that expects them.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Abi } from '../../../bpf/abi/heddle.gen.ts'
import { type Edit, type OtherSources, otherSources } from './other-sources.ts'

const DIST = fileURLToPath(new URL('../../../', import.meta.url))
export const NEXT_ABI = Abi.ABI + 1
const HEADER = 'abi/heddle.h'
/** What stands in a live map, in a map of a generation, or in the ring. */
const VALUES = ['conn', 'identity_rows', 'active', 'self', 'node', 'population', 'event']

const grown = (name: string): Edit => ({
  file: HEADER,
  from: new RegExp(`(struct heddle_${name} \\{\\n[^}]*)\\};`),
  to: '$1\t__u64 next_abi[2];\n};',
})

export type NextAbi = OtherSources & { dist: string }

export function nextAbi(): NextAbi {
  const raised = { file: HEADER, from: `HEDDLE_ABI = ${Abi.ABI},`, to: `HEDDLE_ABI = ${NEXT_ABI},` }
  const sources = otherSources([raised, ...VALUES.map(grown)])
  const dist = join(sources.root, 'dist')
  // The layouts as the generator makes them of that header; without types it is JavaScript.
  execFileSync(process.execPath, [join(DIST, 'bpf/abi/generate.js')], { cwd: sources.root })
  const layouts = readFileSync(join(sources.root, 'bpf/abi/heddle.gen.ts'), 'utf8')
  cpSync(DIST, dist, { recursive: true })
  symlinkSync(join(DIST, '../node_modules'), join(sources.root, 'node_modules'))
  writeFileSync(join(sources.root, 'package.json'), '{ "type": "module" }')
  writeFileSync(join(dist, 'bpf/abi/heddle.gen.js'), layouts.replaceAll(' as const', ''))
  return { ...sources, dist }
}
