/**
 * `npm run demo`: the whole pipe on this machine, in nine scenes, with measured
 * times. Exit 1 when a promise was not kept, 2 when it could not be shown.
 *
 *     demo.js [--dir DIR] [--soak-ms N] [--nats-cluster N] [--store files|s3]
 */
import { freshnessOf, replayOlderRelease, tamperWithArtifact } from './scene-attack.ts'
import { searchSbin } from './sbin.ts'
import { auditNode } from './scene-audit.ts'
import { pushBrokenPolicies } from './scene-broken.ts'
import { pushHarmfulPolicy } from './scene-harm.ts'
import { shadowHarmfulPolicy } from './scene-shadow.ts'
import { pushRoute } from './scene-route.ts'
import { pushGoodPolicy, tellLoss } from './scene-push.ts'
import { stackArguments } from './stack-options.ts'
import { type Stack, up } from './stack.ts'
import { openTimeline, type Timeline } from './timeline.ts'
import { downOnSignals } from './signals.ts'

const options = stackArguments('npm run demo: the whole pipe on this machine, in scenes', {
  dir: '.heddle/demo',
  soakMs: 1000,
})

async function play(stack: Stack, timeline: Timeline): Promise<void> {
  timeline.scene('git push of a good policy: ring by ring, on live connections')
  await pushGoodPolicy(stack, timeline)
  const older = await freshnessOf(stack)

  timeline.scene('git push of broken policies: refused by name, nodes do not notice')
  await pushBrokenPolicies(stack, timeline)

  timeline.scene('an artifact tampered with in the store, and an older release replayed')
  await tamperWithArtifact(stack, timeline)
  await replayOlderRelease(stack, timeline, older)

  timeline.scene('a harmful policy in shadow: what it would have refused, and nobody notices')
  await shadowHarmfulPolicy(stack, timeline)

  timeline.scene('git push of a harmful policy: the first ring trips its gate, and goes back by itself')
  await pushHarmfulPolicy(stack, timeline)

  timeline.scene('heddle audit: from the attached program back to the commit')
  await auditNode(stack, timeline)

  timeline.scene('git push of a route: each request of a live connection on its own way')
  await pushRoute(stack, timeline)

  const stats = await stack.client.stop()
  timeline.scene('the whole run, and its end')
  tellLoss(stats, timeline)
  const ended = stack.ended().filter((text) => !text.startsWith('client ended (exit code 0)'))
  timeline.promise(
    ended.length === 0,
    `every process lived through it${ended.length === 0 ? '' : `, but: ${ended.join('; ')}`}`,
  )
}

const colour = process.stdout.isTTY === true && process.env['NO_COLOR'] === undefined
const timeline = openTimeline(
  (text) => process.stdout.write(text),
  colour,
  () => performance.now(),
)
searchSbin()
downOnSignals(options.dir)
try {
  timeline.scene('a local stack: five nodes in three rings')
  const stack = await up({ ...options, say: timeline.note })
  try {
    await play(stack, timeline)
  } finally {
    await stack.down()
    timeline.note('everything is taken down: processes, namespaces, cgroups, pins, files')
  }
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 2
}
const broken = timeline.broken()
if (broken.length > 0) {
  process.stdout.write(
    `\n${broken.length} promises not kept:\n${broken.map((text) => `  ${text}\n`).join('')}`,
  )
  process.exitCode = 1
}
process.stdout.write(`\n${timeline.seconds().toFixed(1)} s\n`)
