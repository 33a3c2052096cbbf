/**
 * Scene: the object store is in the enemy's hands. An artifact is tampered with
 * while a release travels, and later the store is set back to an older release.
 */
import { readFileSync } from 'node:fs'
import { Manifest } from '../../pipelines/contract/artifact.ts'
import { blobKey, metadataKey } from '../../pipelines/contract/object-keys.ts'
import { BROKEN_FILE, POLICY_FILE, SECOND_POLICY } from './demo-policies.ts'
import { RINGS } from './fleet.ts'
import type { LocalNode } from './nodes.ts'
import { enforcedBy, type JournalReport, reportsOf, rolloutOf, within } from './observe.ts'
import type { Running } from './process.ts'
import type { Stack } from './stack.ts'
import type { Timeline } from './timeline.ts'

const DEADLINE_MS = 15_000
const TIMESTAMP = metadataKey('timestamp.json')

/** A second release travels; in every ring its nodes first find a changed byte in the artifact. */
export async function tamperWithArtifact(stack: Stack, timeline: Timeline): Promise<void> {
  signal([...stack.agents.values()], 'SIGSTOP')
  timeline.note('every agent is stopped (SIGSTOP): the kernels go on judging without them')
  const number = ((await rolloutOf(stack.cloud.store))?.current?.number ?? 0) + 1
  const pushed = stack.cloud.clone.push(
    { [POLICY_FILE]: SECOND_POLICY, [BROKEN_FILE]: null },
    'Let web read reports; remove the broken policy',
  )
  pushed.catch(() => {})
  for (const { name, nodes } of RINGS) {
    const released = await within(DEADLINE_MS, () => releasedTo(stack, name, number))
    if (released === undefined) throw new Error(`release ${number} never reached ${name}`)
    const elf = await elfOf(stack, released)
    const honest = await stolen(stack, elf)
    await stack.cloud.store.overwrite(elf, changedInTheMiddle(honest))
    const members = stack.nodes.filter((node) => nodes.includes(node.name))
    await expectRefusals(members, 'artifact-tampered', timeline, () =>
      signal(agentsOf(stack, members), 'SIGCONT'),
    )
    await stack.cloud.store.overwrite(elf, honest)
    const took = await within(
      DEADLINE_MS,
      () => members.every((node) => enforcedBy(node)?.number === number) || undefined,
    )
    timeline.promise(
      took === true,
      `${name}: with the honest bytes back, ${nodes.join(' and ')} took release ${number}`,
    )
  }
  signal([...stack.agents.values()], 'SIGCONT')
  await pushed
  const done = await within(
    DEADLINE_MS,
    async () => (await rolloutOf(stack.cloud.store))?.current?.state === 'done' || undefined,
  )
  timeline.promise(done === true, `release ${number} is enforced in every ring`)
}

/** Freshness metadata of an earlier moment is put back, as a thief of the bucket would. */
export async function replayOlderRelease(stack: Stack, timeline: Timeline, older: Buffer): Promise<void> {
  const runs = stack.nodes.map((node) => enforcedBy(node)?.generation)
  // The functions would repair what the thief does; here the thief is alone with the agents.
  signal([stack.cloud.functions], 'SIGSTOP')
  const honest = await freshnessOf(stack)
  await expectRefusals(stack.nodes, 'metadata-rollback', timeline, () =>
    stack.cloud.store.overwrite(TIMESTAMP, older),
  )
  await stack.cloud.store.overwrite(TIMESTAMP, honest)
  signal([stack.cloud.functions], 'SIGCONT')
  const still = stack.nodes.map((node) => enforcedBy(node)?.generation)
  timeline.promise(JSON.stringify(runs) === JSON.stringify(still), 'every node goes on with what it ran')
}

export const freshnessOf = (stack: Stack): Promise<Buffer> => stolen(stack, TIMESTAMP)

async function stolen(stack: Stack, key: string): Promise<Buffer> {
  const bytes = await stack.cloud.store.read(key)
  if (bytes === undefined) throw new Error(`${key} is not in the store`)
  return bytes
}

/** Do it, and expect a new report with this code in the journal of every one of the nodes. */
async function expectRefusals(
  nodes: LocalNode[],
  code: string,
  timeline: Timeline,
  act: () => void | Promise<void>,
): Promise<void> {
  const known = nodes.map((node) => reportsOf(node).length)
  await act()
  for (const [index, node] of nodes.entries()) {
    const refused = (report: JournalReport) => report.outcome === 'refused' && report.code === code
    const report = await within(DEADLINE_MS, () => reportsOf(node).slice(known[index]).find(refused))
    timeline.promise(
      report !== undefined,
      `${node.name} refuses: ${code}: ${report?.message ?? `never said; its journal ends:\n${lastLines(node)}`}`,
    )
  }
}

const lastLines = (node: LocalNode) => readFileSync(node.log, 'utf8').split('\n').slice(-6).join('\n')

async function releasedTo(stack: Stack, ring: string, number: number): Promise<string | undefined> {
  const release = (await rolloutOf(stack.cloud.store))?.released[ring]
  return release?.number === number ? release.artifact : undefined
}

/** Key of the ELF that a manifest names. */
async function elfOf(stack: Stack, artifact: string): Promise<string> {
  const manifest = await stolen(stack, blobKey(artifact))
  return blobKey(Manifest.parse(JSON.parse(manifest.toString('utf8'))).elf.digest)
}

function changedInTheMiddle(bytes: Buffer): Buffer {
  const changed = Buffer.from(bytes)
  const middle = changed.length >> 1
  changed[middle] = (changed[middle] ?? 0) ^ 1
  return changed
}

const agentsOf = (stack: Stack, nodes: LocalNode[]): Running[] =>
  nodes.flatMap((node) => stack.agents.get(node.name) ?? [])

function signal(processes: Running[], name: 'SIGSTOP' | 'SIGCONT'): void {
  for (const each of processes) process.kill(each.pid, name)
}
