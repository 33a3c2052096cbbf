/**
 * A plan as GitHub-flavoured Markdown. Names, labels and patterns come from files that anybody may have
 * written: they stand in code spans that they can't leave, where no markup, link or @mention works.
 */
import type { Finding } from '../../pipelines/contract/commit-status.ts'
import type { PlanRecord } from '../../pipelines/contract/plan-record.ts'
import type { Change, Plan } from '../../pipelines/policy/plan.ts'
import type { Effect } from '../../pipelines/policy/plan-effects.ts'

/** Lines of each list; the rest is in the check's annotations and in `heddle plan`. */
const MAX_LINES = 50
/** Characters of one name or pattern. */
const MAX_SPAN = 200
const RANK = { closed: 0, requests: 1, open: 2 } as const
const WORDS = { closed: 'closed', requests: 'only named requests', open: 'open' } as const

/** Of a pull request's commit, or of a work tree. */
export function planText(record: Omit<PlanRecord, 'schema' | 'pull'>): string {
  const { commit, state, description, findings, against, plan } = record
  const mark = state === 'success' ? '✅' : '❌'
  const lines = [`### Heddle plan`, '', `${mark} ${span(commit.slice(0, 12))}: ${span(description)}`]
  if (findings.length > 0) lines.push('', ...some(findings.map(findingLine), 'findings'))
  if (state === 'success') lines.push('', ...comparison(against, plan))
  return `${lines.join('\n')}\n`
}

/** A code span: no line break, no backtick of the text's own. */
export function span(text: string): string {
  const flat = text.replaceAll(/[`\p{C}\p{Z}]+/gu, ' ').trim()
  return `\`${flat.length > MAX_SPAN ? `${flat.slice(0, MAX_SPAN)}…` : flat || ' '}\``
}

function comparison(against: PlanRecord['against'], plan: Plan | null): string[] {
  if (against === null) return ['There is no delivered commit to compare with.']
  const base = span(against.commit.slice(0, 12))
  if (plan === null) return [`${base}, which it is compared with, is refused itself: no comparison.`]
  const behind = against.behind
    ? ['', 'The branch has gone on since: update this pull request to see the plan against its head.']
    : []
  const { changes, effects, unnamed } = plan
  const opens = effects.filter((effect) => opensOrCloses(effect).opens)
  const closes = effects.filter((effect) => opensOrCloses(effect).closes)
  return [
    `Compared with ${base}:`,
    ...behind,
    '',
    ...section('Changes', changes.map(changeLine), unnamed.changes),
    ...section(
      'Opens',
      opens.map((effect) => effectLine(effect, effect.opened)),
      0,
    ),
    ...section(
      'Closes',
      closes.map((effect) => effectLine(effect, effect.closed)),
      0,
    ),
    ...limits(unnamed),
    'Opens and closes are what the policies say of workloads with just these labels; what no changed policy',
    'names is as it was. Requests are compared as they are written: one that closes may be part of one that opens.',
  ]
}

function opensOrCloses({ before, after, opened, closed }: Effect): {
  opens: boolean
  closes: boolean
} {
  const step = RANK[after] - RANK[before]
  return { opens: step > 0 || opened.length > 0, closes: step < 0 || closed.length > 0 }
}

function section(title: string, lines: string[], more: number): string[] {
  if (lines.length === 0 && title !== 'Changes') return []
  const shown = lines.length === 0 ? ['nothing: the same policies'] : some(lines, title.toLowerCase(), more)
  return [`**${title}**`, ...shown, '']
}

function some(lines: string[], what: string, more = 0): string[] {
  const left = Math.max(0, lines.length - MAX_LINES) + more
  return [...lines.slice(0, MAX_LINES), ...(left > 0 ? [`- … and ${left} more ${what}`] : [])]
}

function limits({ effects, probes }: Plan['unnamed']): string[] {
  const notes: string[] = []
  if (effects > 0) notes.push(`${effects} more effects are not named here.`)
  if (probes > 0) notes.push(`${probes} combinations of subject, peer and port were not looked at.`)
  return notes.length === 0 ? [] : [...notes, '']
}

function changeLine({ kind, change, namespace, name, service, source }: Change): string {
  const about = service === null ? '' : ` of service ${span(service)}`
  return `- ${change}: ${kind} ${span(`${namespace}/${name}`)}${about} (${span(`${source.file}:${source.line}`)})`
}

function effectLine({ subject, peer, port, before, after }: Effect, requests: string[]): string {
  const step = before === after ? WORDS[after] : `${WORDS[before]} → ${WORDS[after]}`
  const named = requests.length === 0 ? '' : `: ${requests.map(span).join(', ')}`
  return `- ${span(peer)} → ${span(subject)} at ${span(port)}: ${step}${named}`
}

function findingLine({ file, line, column, severity, code, message, hint }: Finding): string {
  const advice = hint === '' ? '' : ` — ${span(hint)}`
  return `- ${severity} ${span(code)} ${span(`${file}:${line}:${column}`)}: ${span(message)}${advice}`
}
