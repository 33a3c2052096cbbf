/** A lane = the driver on one kernel: on this machine's in namespaces of its own, or in a virtual machine. */
import { readdirSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { boot, findCommand, machineMissing } from '../../../infra/ci/vm-boot.ts'
import { kernelImage } from '../../../infra/ci/vm-image.ts'
import type { Entry } from '../../../infra/ci/vm-archive.ts'
import { findCgroup2, makeCgroup, removeCgroup } from '../../../infra/local/cgroup.ts'
import { type Line, MARK } from './cases.ts'
import { buildRoutedGenerations } from './outbound-programs.ts'
import { buildPrograms } from './programs.ts'

const root = fileURLToPath(new URL('../../../..', import.meta.url))
const DRIVER = 'dist/test/bpf/vm/driver.js'
/** Beyond the watchdog of the driver, which says more. */
const TIMEOUT_MS = 450_000
const TOOLS = ['bpftool', 'ip', 'unshare']
/** What the driver, the agent's adapter and the relay load at run time. */
const PACKAGES = ['koffi', '@koromix/koffi-linux-x64', 'execa', 'yaml', 'zod']
/** In this order: a link between namespaces, and what the relay asks about sockets. */
const MODULES = ['drivers/net/veth.ko', 'net/ipv4/inet_diag.ko', 'net/ipv4/tcp_diag.ko']
const COMPILED = ['dist/agent', 'dist/bpf', 'dist/pipelines', 'dist/test/bpf/vm']

function linesIn(console: string[]): Line[] {
  return console.flatMap((line) => {
    const at = line.indexOf(MARK)
    return at < 0 ? [] : [JSON.parse(line.slice(at + MARK.length)) as Line]
  })
}

async function withPrograms<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-lane-'))
  try {
    await buildPrograms(directory)
    await buildRoutedGenerations(directory)
    return await use(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** Why the lane of this machine's kernel can't run; undefined = it can. */
export function hostMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'loading programs needs root'
  if (findCgroup2() === undefined) return 'no cgroup v2 is mounted'
  const missing = ['clang-22', ...TOOLS].filter((name) => findCommand(name) === undefined)
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`
}

/** Everything that the driver makes ends with its namespaces; the cgroup is removed here. */
export async function hostLane(): Promise<Line[]> {
  const cgroup = makeCgroup(join(findCgroup2() ?? '', `heddle-lane-${process.pid}`))
  try {
    return await withPrograms(async (directory) => {
      const driver = [process.execPath, join(root, DRIVER), cgroup, join(directory, 'bpffs'), directory]
      const run = await execa('unshare', ['--net', '--mount', ...driver], {
        reject: false,
        all: true,
        stdin: 'ignore',
        timeout: TIMEOUT_MS,
      })
      const lines = linesIn(run.all.split('\n'))
      if (lines.length === 0) throw new Error(`the driver said nothing: ${run.all}`)
      return lines
    })
  } finally {
    await removeCgroup(cgroup)
  }
}

function addTree(files: Map<string, Entry>, from: string, to: string, wanted: RegExp): void {
  for (const entry of readdirSync(join(root, from), { withFileTypes: true })) {
    const path = join(from, entry.name)
    if (entry.isDirectory()) addTree(files, path, join(to, entry.name), wanted)
    else if (wanted.test(entry.name)) files.set(join(to, entry.name), { file: join(root, path) })
  }
}

/** The packages and whatever they depend on, from the lock file. */
function packageClosure(locked: Record<string, { dependencies?: Record<string, string> }>): string[] {
  const names = new Set<string>()
  const add = (name: string) => {
    if (names.has(name)) return
    names.add(name)
    for (const next of Object.keys(locked[`node_modules/${name}`]?.dependencies ?? {})) add(next)
  }
  for (const name of PACKAGES) add(name)
  return [...names]
}

async function machineFiles(programs: string): Promise<Map<string, Entry>> {
  const files = new Map<string, Entry>()
  const { default: lock } = await import(join(root, 'package-lock.json'), { with: { type: 'json' } })
  for (const name of packageClosure(lock.packages))
    addTree(files, `node_modules/${name}`, `/heddle/node_modules/${name}`, /\.(c?js|json|node)$/)
  for (const folder of COMPILED) addTree(files, folder, `/heddle/${folder}`, /\.js$/)
  files.set('/heddle/package.json', { file: join(root, 'package.json') })
  for (const name of readdirSync(programs).filter((file) => /\.(o|json)$/.test(file)))
    files.set(`/programs/${name}`, { file: join(programs, name) })
  return files
}

/** Path of libbpf on this machine, as the loader finds it. */
async function libbpf(): Promise<string> {
  const listed = await execa('ldd', [findCommand('ip') ?? 'ip'])
  const path = /(\/\S*libbpf\.so\.1)/.exec(listed.stdout)?.[1]
  if (path === undefined) throw new Error('libbpf.so.1 is not where iproute2 finds it')
  return path
}

/** The same driver on 6.1. A string says why there is no such machine here. */
export async function machineLane(): Promise<Line[] | string> {
  const missing = machineMissing(['clang-22', ...TOOLS])
  if (missing !== undefined) return missing
  const image = await kernelImage(join(root, '.heddle/kernel-6.1'))
  if (typeof image === 'string') return image
  return withPrograms(async (directory) => {
    const console = await boot({
      image,
      modules: MODULES,
      programs: TOOLS,
      libraries: [await libbpf()],
      files: await machineFiles(directory),
      command: ['/usr/bin/node', join('/heddle', DRIVER), '/sys/fs/cgroup/lane', '/sys/fs/bpf', '/programs'],
      timeoutMs: TIMEOUT_MS,
    })
    const lines = linesIn(console)
    if (lines.length === 0) throw new Error(`the driver said nothing:\n${console.slice(-40).join('\n')}`)
    return lines
  })
}
