/** Scene: one command leads from the program attached in a kernel back to the commit and its author. */
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { enforcedBy } from './observe.ts'
import type { Stack } from './stack.ts'
import type { Timeline } from './timeline.ts'

const HEDDLE = fileURLToPath(new URL('../cli/main.js', import.meta.url))

export async function auditNode(stack: Stack, timeline: Timeline): Promise<void> {
  const node = stack.nodes.at(-1)
  if (node === undefined) throw new Error('a stack without nodes')
  const args = [HEDDLE, 'audit', node.name, '--stack', stack.dir]
  const audit = await execa(process.execPath, args, { reject: false, all: true })
  timeline.quote(audit.all)
  const runs = enforcedBy(node)
  timeline.promise(
    audit.exitCode === 0 && runs !== null && audit.all.includes(runs.artifact.slice('sha256:'.length)),
    `heddle audit ${node.name}: the attached program is artifact ${runs?.artifact.slice(0, 19)}… of release ${runs?.number}`,
  )
  timeline.promise(audit.all.includes('Policy Author'), 'and names the author of the commit')
}
