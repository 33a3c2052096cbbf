/** Makes a difference small enough to be read: whatever can go while it stays, goes. */
import type { Backend, Route, RouteRule } from '../../../pipelines/policy/route.ts'
import type { Message, Stretch } from './outbound-differential-cases.ts'
import type { Rules } from './outbound-differential-prediction.ts'

export type Case = { rules: Rules; stretch: Stretch }

/** Tries; each stages a generation. */
const MAX_TRIES = 80

/** A list without one of its things, or with one of them made smaller. */
function smaller<T>(list: readonly T[], parts: (one: T) => T[] = () => [], least = 0): T[][] {
  const without = list.length > least ? list.map((_, i) => list.toSpliced(i, 1)) : []
  return [...without, ...list.flatMap((one, i) => parts(one).map((part) => list.toSpliced(i, 1, part)))]
}

const ofBackend = (backend: Backend): Backend[] =>
  smaller(backend.filters).map((filters) => ({ ...backend, filters }))

function ofRule(rule: RouteRule): RouteRule[] {
  return [
    ...smaller(rule.matches, undefined, 1).map((matches) => ({ ...rule, matches })),
    ...smaller(rule.filters).map((filters) => ({ ...rule, filters })),
    ...smaller(rule.backends, ofBackend).map((backends) => ({ ...rule, backends })),
  ]
}

function ofRoute(route: Route): Route[] {
  return smaller(route.rules, ofRule, 1).map((rules) => ({ ...route, rules }))
}

function ofMessage(message: Message): Message[] {
  const lines = message.head.split('\r\n')
  const heads = lines.flatMap((line, i) =>
    i === 0 || line === '' || /^(host|z-|content-length|transfer-encoding|connection)/i.test(line)
      ? []
      : [lines.toSpliced(i, 1).join('\r\n')],
  )
  const whole = message.cuts.length > 0 ? [{ ...message, cuts: [] }] : []
  return [...whole, ...heads.map((head) => ({ ...message, head, cuts: [] }))]
}

function* candidates({ rules, stretch }: Case): Generator<Case> {
  for (const messages of smaller(stretch.messages, ofMessage, 1))
    yield { rules, stretch: { ...stretch, messages } }
  const { set } = rules
  for (const routes of smaller(set.routes, ofRoute))
    yield { rules: { ...rules, set: { ...set, routes } }, stretch }
  for (const policies of smaller(set.policies))
    yield { rules: { ...rules, set: { ...set, policies } }, stretch }
}

export async function reduced(one: Case, fails: (each: Case) => Promise<boolean>): Promise<Case> {
  let least = one
  for (let tries = 0, found = true; found; ) {
    found = false
    for (const each of candidates(least)) {
      if (tries++ >= MAX_TRIES) return least
      found = await fails(each)
      if (found) {
        least = each
        break
      }
    }
  }
  return least
}
