/** Scene: broken policies are refused at the push, by file, line and what to write; nothing else happens. */
import { BROKEN, BROKEN_FILE } from './demo-policies.ts'
import { enforcedBy } from './observe.ts'
import type { Stack } from './stack.ts'
import type { Timeline } from './timeline.ts'

export async function pushBrokenPolicies(stack: Stack, timeline: Timeline): Promise<void> {
  const before = await published(stack)
  for (const { what, text, code, line } of BROKEN) {
    const push = await stack.cloud.clone.push({ [BROKEN_FILE]: text }, `Try ${what}`)
    timeline.note(`push of ${what}, answered in ${Math.round(push.milliseconds)} ms`)
    timeline.quote(push.said)
    const finding = stack.cloud.statusOf(push.commit)?.findings.find((each) => each.code === code)
    const status = stack.cloud.statusOf(push.commit)?.state
    timeline.promise(
      push.said.includes(`${BROKEN_FILE}:${line}:`) && push.said.includes(code),
      `the push names ${BROKEN_FILE}:${line} and ${code}`,
    )
    const told = finding?.file === BROKEN_FILE && finding.line === line && (finding.hint ?? '') !== ''
    timeline.promise(
      status === 'failure' && told,
      'the commit status says the same, and what to write instead',
    )
  }
  timeline.promise(
    (await published(stack)) === before,
    'nothing was published, and no node runs anything else',
  )
}

/** Everything that a node could take, and everything that nodes run, in one comparable word. */
async function published(stack: Stack): Promise<string> {
  const targets = await stack.cloud.store.list('tuf')
  const runs = stack.nodes.map((node) => enforcedBy(node)?.generation ?? 0)
  return JSON.stringify([targets.filter((name) => !name.includes('timestamp')).sort(), runs])
}
