/**
 * `npm run -s bench -- SUITE --json [--rounds N] [--seconds N] [--only PATTERN] [--all]`
 * prints one JSON object and nothing else; progress goes to stderr.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { searchSbin } from '../../infra/local/sbin.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { datapath } from './datapath.ts'
import { delivery } from './delivery.ts'
import { compiler, enforce } from './enforce.ts'
import { fleet } from './fleet/fleet.ts'
import { heddleMesh } from './heddle-mesh.ts'
import { history } from './history.ts'
import { inbound, type Rounds } from './inbound.ts'
import { machine } from './machine.ts'
import type { Mesh } from './mesh.ts'
import { type Summary, summaries } from './statistics.ts'

const EXIT_BY_SIGNAL = 130
const USAGE = `usage: bench inbound|delivery|history|fleet [--json] [--rounds N] [--seconds N] [--only PATTERN]
       bench datapath         the same, and [--all] for all sizes`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string' },
    all: { type: 'boolean', default: false },
  },
})

/** The one that the cases `heddle-*` of the suite datapath start; without it they are absent. */
const MESH: Mesh | undefined = heddleMesh

/** `tables`: of spreads, a case each or a pair of cases; `facts`: what else a suite says. */
type Outcome = { tables: Record<string, Record<string, Summary>>; facts?: Record<string, unknown> }

const SUITES: Record<string, (dir: string, options: Rounds) => Promise<Outcome>> = {
  inbound: async (dir, options) => ({ tables: { cases: summaries(await inbound(dir, enforce, options)) } }),
  delivery: async (dir, options) => {
    const compile = (set: PolicySet) => compiler.compile(set)
    return { tables: { cases: summaries(await delivery(dir, compile, options)) } }
  },
  history: async (dir, options) => ({ tables: { cases: summaries(await history(dir, options)) } }),
  fleet: async (dir, options) => {
    const { samples, facts } = await fleet(dir, options)
    return { tables: { cases: summaries(samples) }, facts }
  },
  datapath: (dir, options) => datapath(dir, MESH, { ...options, all: values.all }),
}

const suite = positionals[0] ?? ''
const run = SUITES[suite]
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
if (run === undefined || !(rounds >= 1) || !(seconds >= 1) || (values.all && suite !== 'datapath')) {
  process.stderr.write(`${USAGE}\n`)
  process.exit(2)
}

searchSbin()
const only = values.only === undefined ? undefined : new RegExp(values.only)
const say = (line: string) => process.stderr.write(`${line}\n`)
const dir = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
process.on('exit', () => rmSync(dir, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // A suite that has more to take down listens as well, and ends the process itself.
    if (process.listenerCount(signal) === 1) process.exit(EXIT_BY_SIGNAL)
  })
}
const { tables, facts } = await run(dir, { rounds, seconds, only, say })
if (values.json) {
  const all = { suite, machine: machine(), rounds, seconds, ...facts, ...tables }
  process.stdout.write(`${JSON.stringify(all)}\n`)
} else {
  for (const [name, table] of Object.entries(tables)) print(name, table)
}

function print(name: string, table: Record<string, Summary>): void {
  process.stdout.write(`${name}\n`)
  for (const [row, metrics] of Object.entries(table)) {
    const told = Object.entries(metrics).map(
      ([metric, { median, min, max }]) => `${metric} ${median} (${min}..${max})`,
    )
    process.stdout.write(`  ${row.padEnd(32)} ${told.join('  ')}\n`)
  }
}
