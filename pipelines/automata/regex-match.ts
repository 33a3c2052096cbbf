/**
 * Thompson's simulation, as Pike wrote it: all alternatives advance together, one
 * byte at a time, so time is linear in the input whatever the pattern is.
 */
import { type ByteSet, membership } from './byte-set.ts'
import { WORD } from './regex-class.ts'
import type { Assertion, RegexNode } from './regex-node.ts'

type Instruction =
  | { readonly op: 'byte'; readonly table: Uint8Array }
  | { readonly op: 'assert'; readonly at: Assertion }
  | { op: 'split'; targets: number[] }
  | { readonly op: 'match' }

export type RegexProgram = readonly Instruction[]

const isWord = membership(WORD)

class Assembler {
  readonly program: Instruction[] = []
  private readonly tables = new Map<ByteSet, Uint8Array>()

  emit(node: RegexNode): void {
    switch (node.kind) {
      case 'set':
        this.program.push({ op: 'byte', table: this.table(node.set) })
        return
      case 'assert':
        this.program.push({ op: 'assert', at: node.at })
        return
      case 'sequence':
        for (const part of node.parts) this.emit(part)
        return
      case 'choice':
        this.choice(node.options)
        return
      case 'repeat':
        this.repeat(node.node, node.min, node.max)
        return
    }
  }

  private table(set: ByteSet): Uint8Array {
    const known = this.tables.get(set) ?? membership(set)
    this.tables.set(set, known)
    return known
  }

  private split(targets: number[]): { op: 'split'; targets: number[] } {
    const instruction: { op: 'split'; targets: number[] } = { op: 'split', targets }
    this.program.push(instruction)
    return instruction
  }

  private choice(options: readonly RegexNode[]): void {
    const fork = this.split([])
    const ends: { targets: number[] }[] = []
    for (const option of options) {
      fork.targets.push(this.program.length)
      this.emit(option)
      ends.push(this.split([]))
    }
    for (const end of ends) end.targets.push(this.program.length)
  }

  private repeat(node: RegexNode, min: number, max: number | null): void {
    for (let copy = 0; copy < min; copy++) this.emit(node)
    if (max === null) {
      const loop = this.program.length
      const fork = this.split([loop + 1])
      this.emit(node)
      this.split([loop])
      fork.targets.push(this.program.length)
      return
    }
    const forks: { targets: number[] }[] = []
    for (let copy = min; copy < max; copy++) {
      forks.push(this.split([this.program.length + 1]))
      this.emit(node)
    }
    for (const fork of forks) fork.targets.push(this.program.length)
  }
}

export function assemble(node: RegexNode): RegexProgram {
  const assembler = new Assembler()
  assembler.emit(node)
  assembler.program.push({ op: 'match' })
  return assembler.program
}

function holds(at: Assertion, input: Uint8Array, position: number): boolean {
  const before = input[position - 1] ?? -1
  const after = input[position] ?? -1
  switch (at) {
    case 'text-start':
      return before < 0
    case 'text-end':
      return after < 0
    case 'line-start':
      return before < 0 || before === 0x0a
    case 'line-end':
      return after < 0 || after === 0x0a
    case 'word':
      return isWord[before] === 1 ? isWord[after] !== 1 : isWord[after] === 1
    case 'not-word':
      return !holds('word', input, position)
  }
}

/** True if the whole input matches. Time O(input x program), memory O(program). */
export function run(program: RegexProgram, input: Uint8Array): boolean {
  const seen = new Int32Array(program.length).fill(-1)
  let current: number[] = []
  let matched = false
  const follow = (first: number, position: number, into: number[]): void => {
    const stack = [first]
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (seen[at] === position) continue
      seen[at] = position
      const step = program[at]
      if (step?.op === 'byte') into.push(at)
      else if (step?.op === 'match') matched ||= position === input.length
      else if (step?.op === 'split') stack.push(...step.targets)
      else if (step && holds(step.at, input, position)) stack.push(at + 1)
    }
  }
  follow(0, 0, current)
  for (let position = 0; position < input.length && current.length > 0; position++) {
    const next: number[] = []
    for (const at of current) {
      const step = program[at]
      if (step?.op === 'byte' && step.table[input[position] ?? 0] === 1) follow(at + 1, position + 1, next)
    }
    current = next
  }
  return matched
}
