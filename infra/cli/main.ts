#!/usr/bin/env node
/** `heddle`: nouns look, verbs act. Exit codes: 0 done (lint: accepted, audit: whole), 1 refused or failed, 2 wrong usage. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { Failure } from '../../pipelines/contract/failures.ts'
import { searchSbin } from '../local/sbin.ts'
import { UsageError } from './usage.ts'

type Noun = { register(program: Command): void }

/** By first word. Only what is asked for is loaded: all of it takes four times as long. */
const COMMANDS: Readonly<Record<string, () => Promise<Noun[]>>> = {
  policy: async () => [await import('./policy-lint.ts')],
  test: async () => [await import('./test.ts')],
  plan: async () => [await import('./plan.ts')],
  explain: async () => [await import('./explain.ts')],
  audit: async () => [await import('./audit.ts')],
  node: () => Promise.all([import('./node.ts'), import('./node-bus.ts'), import('./node-units.ts')]),
  rollout: async () => [await import('./rollout.ts')],
  bus: async () => [await import('./bus.ts')],
  trust: async () => [await import('./trust.ts')],
  log: async () => [await import('./log.ts')],
  verify: async () => [await import('./verify.ts')],
  rebuild: async () => [await import('./rebuild.ts')],
}
const EXIT_USAGE = 2

function version(): string {
  // dist/infra/cli/main.js → the package's root.
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

/** Of the command that `word` names, or of all: then they can be shown. */
async function commandsFor(word: string): Promise<Noun[]> {
  const named = Object.hasOwn(COMMANDS, word) ? COMMANDS[word] : undefined
  const loads = named === undefined ? Object.values(COMMANDS) : [named]
  return (await Promise.all(loads.map((load) => load()))).flat()
}

async function createProgram([word = '']: readonly string[]): Promise<Command> {
  const program = new Command('heddle')
    .description('L7 policies in git, enforced in the kernel, without sidecars')
    .version(version())
    .showHelpAfterError('(heddle --help shows the commands)')
    .exitOverride()
  for (const { register } of await commandsFor(word)) register(program)
  return program
}

function complain(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
  if (error instanceof UsageError) {
    process.stderr.write(`error: ${error.message}\n`)
    return EXIT_USAGE
  }
  if (error instanceof Failure) {
    process.stderr.write(
      `${error.code}: ${error.message}\n${error.detail.map((line) => `  ${line}\n`).join('')}`,
    )
    return 1
  }
  // A missing file, a refused socket: the system's word says it; a defect shows its stack.
  if (error instanceof Error && 'syscall' in error) {
    process.stderr.write(`error: ${error.message}\n`)
    return 1
  }
  throw error
}

searchSbin()
try {
  const program = await createProgram(process.argv.slice(2))
  await program.parseAsync()
} catch (error) {
  process.exitCode = complain(error)
}
