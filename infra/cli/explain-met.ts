/** The rules that a request met on its way in, as text and as they are named by the caller. */
import { join } from 'node:path'
import type { Source } from '../../pipelines/policy/source.ts'
import type { MatchTrace, PolicyTrace, RuleTrace } from '../../pipelines/policy/trace.ts'
import { paint } from './style.ts'
import { answerText, askedText, matchLines } from './trace-text.ts'

/** Which lines are wanted: `all` = also of what does not apply, and every part. */
export type Asking = { all: boolean }

/** Files named as the caller named them. */
export function placedIn(root: string, policies: PolicyTrace[]): PolicyTrace[] {
  const placed = <T extends { source: Source }>(each: T): T => ({
    ...each,
    source: { ...each.source, file: join(root, each.source.file) },
  })
  const rule = (each: RuleTrace): RuleTrace => ({
    ...placed(each),
    matches: each.matches?.map((match): MatchTrace => placed(match)) ?? null,
  })
  return policies.map((each) => ({ ...placed(each), rules: each.rules.map(rule) }))
}

const oneLine = (text: string) => text.trim().replace(/[\s\p{C}]+/gu, ' ')
const placeText = ({ file, line }: Source) => `${file}:${line}`

function ruleLines(policy: PolicyTrace, rule: RuleTrace, { all }: Asking): string[] {
  const { action, why, does, judges, peers, ports, matches, applies } = rule
  const about = `${policy.namespace}/${policy.policy} ${placeText(rule.source)}`
  const inked = applies ? paint(action === 'deny' ? 'red' : 'green', action) : paint('dim', action)
  const line = `  ${inked} ${judges} ${about}${does === undefined ? '' : `: ${does}`}${why === undefined ? '' : ` (${oneLine(why)})`}`
  const ends = all ? [peers, ports].map((end) => `    ${answerText(end.holds)} ${askedText(end)}`) : []
  return [
    line,
    ...ends,
    ...(matches ?? []).flatMap(({ source, parts, holds }) =>
      matchLines({ place: placeText(source), parts, holds }, { indent: '    ', all }),
    ),
  ]
}

/** Rules that apply to the connection; where none does, how many there are that could have. */
export function metLines(policies: PolicyTrace[], asking: Asking): string[] {
  const lines = policies.flatMap((policy) => {
    const { subject, rules } = policy
    const shown = rules.filter(({ applies }) => applies || asking.all)
    const about = `  ${policy.namespace}/${policy.policy} ${placeText(policy.source)}`
    if (asking.all && !subject.holds) return [about, `    ${answerText(false)} ${askedText(subject)}`]
    return shown.flatMap((rule) => ruleLines(policy, rule, asking))
  })
  const rules = policies.flatMap((policy) => policy.rules).length
  if (lines.length > 0 || rules === 0) return lines
  return [`  no rule of ${rules} applies to the connection; --all says why`]
}
