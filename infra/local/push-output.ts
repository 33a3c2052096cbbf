/** A commit's status as lines for who pushed it. */
import type { CommitStatus } from '../../pipelines/contract/commit-status.ts'
import type { HostConfig } from './host-config.ts'

const PUBLISHED = new Set<CommitStatus['stage']>(['published', 'rollout', 'done'])
const ENDED = new Set<CommitStatus['stage']>(['done', 'refused', 'superseded', 'rolled-back', 'aborted'])

/** Where the commit is, and whether whoever waits for `until` may go. */
export function summary(
  status: CommitStatus,
  until: HostConfig['hook']['until'],
): { lines: string[]; finished: boolean } {
  const { state, stage, description, artifact, release, findings, rings } = status
  const lines = findings.flatMap(({ file, line, column, code, message, hint, severity }) => [
    `${file}:${line}:${column}: ${severity}: ${message} [${code}]`,
    ...(hint === '' ? [] : [`    ${hint.replaceAll('\n', '\n    ')}`]),
  ])
  lines.push(`${stage === 'done' ? 'success' : state}: ${description.replaceAll('\n', '\n    ')}`)
  if (artifact !== null && PUBLISHED.has(stage)) lines.push(`artifact ${artifact}`)
  if (release !== null) {
    const progress = rings.map(({ ring, state, enforced, nodes }) => `${ring} ${state} ${enforced}/${nodes}`)
    lines.push(`release ${release}: ${progress.join(', ')}`)
  }
  const [first] = rings
  const taken = first !== undefined && first.state !== 'waiting' && first.enforced === first.nodes
  const reached = until === 'published' ? PUBLISHED.has(stage) : until === 'first-ring' && taken
  return { lines, finished: ENDED.has(stage) || reached || first?.state === 'paused' }
}

/** Prints what is new: lines that stood in the status before are not said again. */
export function printer(say: (line: string) => void): (status: CommitStatus) => void {
  const said = new Set<string>()
  return (status) => {
    for (const line of summary(status, 'done').lines) {
      if (said.has(line)) continue
      said.add(line)
      say(line)
    }
  }
}
