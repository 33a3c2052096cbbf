/** The stack that programs need, read from their instructions as a kernel's verifier reads it. */
import { execa } from 'execa'

/** The chain of calls that needs most, the program's own frame first; `bytes` as kernel 6.1 counts. `depth`: most calls in any. */
export type Chain = { program: string; bytes: number; frames: string[]; depth: number }

type Body = { name: string; section: string; bytes: number; calls: Set<string> }

/** 6.1 counts each frame in such steps; later kernels, in 16 (kernel/bpf/verifier.c, check_max_stack_depth). */
const FRAME_STEP = 32
const SHARED = '.text'

/** The deepest chain of each program of an ELF. Throws where a call can't be followed. */
export async function deepestChains(elf: string): Promise<Chain[]> {
  const said = await execa('llvm-objdump-22', ['-d', '-r', '--no-show-raw-insn', elf])
  const bodies = bodiesIn(said.stdout.split('\n'))
  const callee = new Map(bodies.filter(({ section }) => section === SHARED).map((body) => [body.name, body]))
  const known = new Map<Body, Chain>()
  const deepest = (body: Body): Chain => {
    const chain = known.get(body) ?? below(body, callee, deepest)
    known.set(body, chain)
    return chain
  }
  return bodies.filter(({ section }) => section !== SHARED).map(deepest)
}

function below(body: Body, callee: Map<string, Body>, deepest: (body: Body) => Chain): Chain {
  const own = Math.ceil(Math.max(body.bytes, 1) / FRAME_STEP) * FRAME_STEP
  const called = [...body.calls].map((name) => {
    const next = callee.get(name)
    if (next === undefined) throw new Error(`${body.name} calls ${name}, which is not there`)
    return deepest(next)
  })
  const most = called.sort((a, b) => b.bytes - a.bytes)[0]
  return {
    program: body.name,
    bytes: own + (most?.bytes ?? 0),
    frames: [`${body.name} ${body.bytes}`, ...(most?.frames ?? [])],
    depth: 1 + Math.max(0, ...called.map((chain) => chain.depth)),
  }
}

function bodiesIn(lines: readonly string[]): Body[] {
  const bodies: Body[] = []
  const named = new Map<string, string>()
  let section = ''
  for (const [at, line] of lines.entries()) {
    section = /^Disassembly of section (\S+):/.exec(line)?.[1] ?? section
    const [, address = '', name = ''] = /^([0-9a-f]{16}) <(?!LBB)(\S+)>:/.exec(line) ?? []
    if (name !== '') bodies.push({ name, section, bytes: 0, calls: new Set() })
    if (name !== '' && section === SHARED) named.set(`@${Number.parseInt(address, 16)}`, name)
    const body = bodies.at(-1)
    if (body) read(body, line, lines[at - 1] ?? '')
  }
  for (const body of bodies) body.calls = new Set([...body.calls].map((call) => named.get(call) ?? call))
  return bodies
}

/** One instruction or relocation; a relocation is about the instruction before it. */
function read(body: Body, line: string, before: string): void {
  const offset =
    /r10 - 0x([0-9a-f]+)/.exec(line)?.[1] ?? (/ = r10$/.test(before) && /\+= -0x([0-9a-f]+)/.exec(line)?.[1])
  if (offset) body.bytes = Math.max(body.bytes, Number.parseInt(offset, 16))
  const called = /R_BPF_64_32\s+(\S+)/.exec(line)?.[1] ?? /\bcall .*<([^>+]+)>/.exec(line)?.[1]
  if (called !== undefined) body.calls.add(called)
  // A function that a helper calls: named by its place.
  if (/R_BPF_64_64\s+\.text$/.test(line))
    body.calls.add(`@${Number.parseInt(/= 0x([0-9a-f]+) ll/.exec(before)?.[1] ?? '', 16)}`)
}
