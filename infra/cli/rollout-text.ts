/** What is under way, for people. */
import type { DeskView } from './rollout-desk.ts'
import { type Ink, paint } from './style.ts'

/** Rollouts that have ended, told at most. */
const TOLD = 5
const INK: Record<string, Ink> = {
  done: 'green',
  soaking: 'yellow',
  releasing: 'yellow',
  paused: 'red',
  'rolled-back': 'red',
  aborted: 'red',
  superseded: 'dim',
  'new-deny': 'red',
  'new-allow': 'yellow',
}
const ink = (word: string) => paint(INK[word] ?? 'dim', word)

export function tellRollout(view: DeskView): string {
  const { current, rings, ended, denied, stopped, frozenUntil, shadow } = view
  const lines: string[] = []
  if (stopped !== null) lines.push(`${paint('red', 'STOPPED')} by ${stopped.by}: ${stopped.why}`)
  if (frozenUntil !== null) lines.push(`frozen until ${new Date(frozenUntil).toISOString()}`)
  if (current === null) lines.push('no rollout has begun yet')
  else {
    const back = current.kind === 'rollback' ? ', on the way back' : ''
    const why = current.why === '' ? '' : `: ${current.why}`
    lines.push(`rollout ${paint('bold', current.id)}${back} ${ink(current.state)}${why}`)
    lines.push(`  artifact ${current.artifact}`)
    for (const { ring, state, enforced, nodes } of rings)
      lines.push(`  ${ring.padEnd(16)} ${ink(state)} ${enforced} of ${nodes}`)
  }
  if (shadow !== null && shadow.compared > 0) lines.push(...shadowLines(shadow))
  for (const each of ended.slice(-TOLD).reverse()) {
    const when = new Date(each.endedAt).toISOString()
    const why = each.why === '' ? '' : `: ${each.why}`
    lines.push(`${when} ${each.id} ${ink(each.outcome)} in ${each.ring}${why}`)
  }
  if (denied.length > 0)
    lines.push(`${denied.length} artifact${denied.length === 1 ? ' is' : 's are'} denied`)
  return lines.map((line) => `${line}\n`).join('')
}

/** Samples told at most. */
const SAMPLES = 5

function shadowLines({
  compared,
  newDenies,
  unintended,
  newAllows,
  samples,
}: NonNullable<DeskView['shadow']>) {
  const counts = `${newDenies} would be refused (${unintended} of them undeclared), ${newAllows} let in`
  return [
    `  in shadow: ${compared} verdicts compared: ${counts}`,
    ...samples.slice(0, SAMPLES).map(({ kind, source, destination, request }) => {
      const asked = request === null ? '' : ` ${request.method} ${request.path}`
      return `    ${ink(kind)} ${source} -> ${destination}${asked}`
    }),
  ]
}
