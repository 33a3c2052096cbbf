/**
 * `npm run -s bench -- SUITE --json [--rounds N] [--seconds N] [--only PATTERN]`
 * prints one JSON object and nothing else; progress goes to stderr.
 */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { searchSbin } from '../../infra/local/sbin.ts'
import { delivery } from './delivery.ts'
import { compiler, enforce } from './enforce.ts'
import { inbound, type Rounds } from './inbound.ts'
import { machine } from './machine.ts'
import { type Sample, summarize } from './statistics.ts'

const USAGE = 'usage: bench inbound|delivery [--json] [--rounds N] [--seconds N] [--only PATTERN]'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string' },
  },
})

const SUITES: Record<string, (dir: string, options: Rounds) => Promise<Map<string, Sample[]>>> = {
  inbound: (dir, options) => inbound(dir, enforce, options),
  delivery: (dir, options) => delivery(dir, (set) => compiler.compile(set), options),
}

const suite = positionals[0] ?? ''
const run = SUITES[suite]
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
if (run === undefined || !(rounds >= 1) || !(seconds >= 1)) {
  process.stderr.write(`${USAGE}\n`)
  process.exit(2)
}

searchSbin()
const only = values.only === undefined ? undefined : new RegExp(values.only)
const say = (line: string) => process.stderr.write(`${line}\n`)
const dir = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
const samples = await run(dir, { rounds, seconds, only, say })
const cases = Object.fromEntries([...samples].map(([name, each]) => [name, summarize(each)]))
if (values.json) process.stdout.write(`${JSON.stringify({ suite, machine: machine(), rounds, cases })}\n`)
else print(cases)

function print(all: typeof cases): void {
  for (const [name, metrics] of Object.entries(all)) {
    const told = Object.entries(metrics).map(
      ([metric, { median, min, max }]) => `${metric} ${median} (${min}..${max})`,
    )
    process.stdout.write(`${name.padEnd(32)} ${told.join('  ')}\n`)
  }
}
