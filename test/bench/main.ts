/**
 * `npm run -s bench -- SUITE --json [--rounds N] [--seconds N] [--only PATTERN] [--all]`
 * prints one JSON object and nothing else; progress goes to stderr.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ownerOf } from '../../infra/local/journal.ts'
import { searchSbin } from '../../infra/local/sbin.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { ACTION_CASES } from './action-cases.ts'
import { actions } from './actions.ts'
import { datapath } from './datapath.ts'
import { delivery } from './delivery.ts'
import { compiler, enforce } from './enforce.ts'
import { endOnSignals, onFoundation } from './ending.ts'
import { fleet } from './fleet/fleet.ts'
import { heddleMesh } from './heddle-mesh.ts'
import { history } from './history.ts'
import { inbound, type Rounds } from './inbound.ts'
import { machine } from './machine.ts'
import type { Mesh } from './mesh.ts'
import { shownCases, shownTable } from './shown.ts'
import { type Summary, summaries } from './statistics.ts'

const USAGE = `usage: bench SUITE [--json] [--rounds N] [--seconds N] [--only PATTERN]
  actions    what it costs to do something to every request: CASE by its baseline, with its goal
             ${ACTION_CASES.map(({ name }) => name).join(' ')}
  datapath   a request's whole way, straight, through Heddle and through proxies; [--all] for all sizes
  delivery   from a push to five nodes that enforce it
  fleet      a release on its way to thousands of agents
  history    a fleet's signed history, verified
  inbound    what stands in front of a server`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '5' },
    only: { type: 'string' },
    all: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

/** The one that the suite actions and the cases `heddle-*` of the suite datapath start. */
const MESH: Mesh = heddleMesh

/** `tables`: of spreads, a case each or a pair of cases; `facts`: what else a suite says; `told`: to people, first. */
type Outcome = {
  tables: Record<string, Record<string, Summary>>
  facts?: Record<string, unknown>
  told?: string
}

const SUITES: Record<string, (dir: string, options: Rounds) => Promise<Outcome>> = {
  actions: async (dir, options) => {
    const { cases, samples, facts } = await onFoundation(dir, () => actions(dir, MESH, options))
    return { tables: { samples }, facts: { ...facts, cases }, told: shownCases(cases) }
  },
  inbound: async (dir, options) => {
    const samples = await onFoundation(dir, () => inbound(dir, enforce, options))
    return { tables: { cases: summaries(samples) } }
  },
  delivery: async (dir, options) => {
    const compile = (set: PolicySet) => compiler.compile(set)
    const samples = await onFoundation(dir, () => delivery(dir, compile, options))
    return { tables: { cases: summaries(samples) } }
  },
  history: async (dir, options) => ({ tables: { cases: summaries(await history(dir, options)) } }),
  fleet: async (dir, options) => {
    const { samples, facts } = await fleet(dir, options)
    return { tables: { cases: summaries(samples) }, facts }
  },
  datapath: (dir, options) => onFoundation(dir, () => datapath(dir, MESH, { ...options, all: values.all })),
}

if (values.help) {
  process.stdout.write(`${USAGE}\n`)
  process.exit(0)
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
const place = mkdtempSync(join(tmpdir(), 'heddle-bench-'))
const dir = join(place, 'stack')
// What compilers keep for a moment goes with the rest when they are cut short.
process.env['TMPDIR'] = join(place, 'tmp')
mkdirSync(process.env['TMPDIR'])
process.on('exit', () => {
  // While there is a journal, its janitor needs it.
  if (ownerOf(dir) === undefined) rmSync(place, { recursive: true, force: true, maxRetries: 5 })
})
endOnSignals(say)
const { tables, facts, told } = await run(dir, { rounds, seconds, only, say })
if (values.json) {
  const all = { suite, machine: machine(), rounds, seconds, ...facts, ...tables }
  process.stdout.write(`${JSON.stringify(all)}\n`)
} else {
  const shown = Object.entries(tables).map(([name, table]) => shownTable(name, table))
  process.stdout.write(`${told ?? ''}${shown.join('')}`)
}
