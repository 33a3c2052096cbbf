#!/usr/bin/env node
/** `heddle`: nouns look, verbs act. Exit codes: 0 done (lint: accepted, audit: whole), 1 refused or failed, 2 wrong usage. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { Failure } from '../../pipelines/contract/failures.ts'
import { searchSbin } from '../local/sbin.ts'
import { UsageError } from './usage.ts'
import * as audit from './audit.ts'
import * as explain from './explain.ts'
import * as node from './node.ts'
import * as nodeBus from './node-bus.ts'
import * as nodeUnits from './node-units.ts'
import * as policyLint from './policy-lint.ts'
import * as trust from './trust.ts'

const COMMANDS = [policyLint, explain, audit, node, nodeBus, nodeUnits, trust]
const EXIT_USAGE = 2

function version(): string {
  // dist/infra/cli/main.js → the package's root.
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { version: string }).version
}

export function createProgram(): Command {
  const program = new Command('heddle')
    .description('L7 policies in git, enforced in the kernel, without sidecars')
    .version(version())
    .showHelpAfterError('(heddle --help shows the commands)')
    .exitOverride()
  for (const { register } of COMMANDS) register(program)
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
  await createProgram().parseAsync()
} catch (error) {
  process.exitCode = complain(error)
}
