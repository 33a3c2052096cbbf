/** `heddle audit` of a fleet, or of what a node was told at a time: out of the signed history in the store. */
import { readFile } from 'node:fs/promises'
import { csv } from '../audit/history/csv.ts'
import { readHistory } from '../audit/history/read-history.ts'
import { type RolloutFacts, rolloutsOf, toldAt } from '../audit/history/rollouts.ts'
import { nodeAt } from '../audit/history/node-at.ts'
import { openStore } from '../audit/open-store.ts'
import type { Subject } from '../node/subject.ts'
import { tellChain } from './chain-output.ts'
import { paint } from './style.ts'

export type HistoryOptions = {
  store: string
  root: string
  ring?: string
  /** Milliseconds since the epoch. */
  at?: number
  json?: boolean
  csv?: boolean
}

const HEADER = [
  'number',
  'rollout',
  'ring',
  'told',
  'succeeded',
  'artifact',
  'repository',
  'commit',
  'author',
  'approvals',
  'end',
  'ended',
  'why',
]

export async function auditHistory(options: HistoryOptions): Promise<void> {
  const { links, broken, ...history } = await readHistory(
    openStore(options.store),
    await readFile(options.root),
  )
  const all = rolloutsOf(history)
  const now = options.at === undefined ? undefined : toldAt(history.told, options.at)
  const rollouts = all.map((rollout) => ({
    ...rollout,
    rings: rollout.rings.filter(({ ring }) => asked(rollout.number, ring)),
  }))
  const shown = rollouts.filter(({ rings }) => rings.length > 0)
  if (options.json) process.stdout.write(`${JSON.stringify({ links, broken, rollouts: shown }, null, 2)}\n`)
  else if (options.csv) process.stdout.write(csv(HEADER, shown.flatMap(rowsOf)))
  else process.stdout.write(`${shown.map(tellRollout).join('')}${tellChain({ links, broken })}`)
  if (broken === null) return
  if (options.csv) process.stderr.write(`${broken.code}: ${broken.link}: ${broken.message}\n`)
  process.exitCode = 1

  function asked(number: number, ring: string): boolean {
    return (options.ring ?? ring) === ring && (now === undefined || now.get(ring)?.number === number)
  }
}

function rowsOf(rollout: RolloutFacts) {
  const { number, artifact, repository, commit, author, approvals, end, ended, why } = rollout
  return rollout.rings.map(({ ring, told, succeeded }) => [
    number,
    rollout.rollout,
    ring,
    told,
    succeeded,
    artifact,
    repository,
    commit,
    author,
    approvals?.join('; ') ?? null,
    end,
    ended,
    why,
  ])
}

function tellRollout({ number, commit, author, approvals, artifact, rings, end, why }: RolloutFacts): string {
  const ink = end === 'done' ? 'green' : 'yellow'
  const by = `by ${author ?? 'nobody that is named'}, ${approvals === null ? 'no review' : `approved by ${approvals.join(', ') || 'nobody'}`}`
  const lines = rings.map(
    ({ ring, told, succeeded }) =>
      `    ${ring.padEnd(12)} told ${told}  ${succeeded === null ? 'not succeeded' : `succeeded ${succeeded}`}\n`,
  )
  return `${paint('bold', `release ${number}`)} ${commit.slice(0, 12)} ${by}\n    ${artifact}\n${lines.join('')}    ${paint(ink, end)}: ${why}\n`
}

export async function auditNodeAt(subject: Subject, at: number, json: boolean | undefined): Promise<void> {
  const store = openStore(subject.config.store)
  const { rollout, taken, broken } = await nodeAt(store, subject, at)
  const { node, ring } = subject
  const time = new Date(at).toISOString()
  if (json)
    process.stdout.write(`${JSON.stringify({ node, ring, at: time, rollout, taken, broken }, null, 2)}\n`)
  else if (rollout === null) process.stdout.write(`ring ${ring} was told nothing by ${time}\n`)
  else {
    const kept = taken
      ? 'the node has its evidence'
      : 'the node keeps no evidence of it any more, or never took it'
    process.stdout.write(`${node} in ring ${ring} at ${time}; ${kept}\n${tellRollout(rollout)}`)
  }
  if (broken === null) return
  process.stderr.write(`${broken.code}: ${broken.link}: ${broken.message}\n`)
  process.exitCode = 1
}
