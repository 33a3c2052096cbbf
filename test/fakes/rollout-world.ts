/**
 * Two directors on one store that fails, and nodes that take what the repository tells them as agents
 * do: the numbers that their kernels count say whether an artifact does harm.
 */
import { rollout } from '../../functions/rollout/rollout.ts'
import type { Cause, RolloutPorts } from '../../functions/rollout/rollout.ts'
import { loadRollout } from '../../functions/rollout/rollout-store.ts'
import { loadCurrent } from '../../functions/trust/repository-state.ts'
import { Repository } from '../../functions/trust/repository.ts'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { DENIALS_TARGET, targetKey } from '../../pipelines/contract/object-keys.ts'
import { Denials, type Report } from '../../pipelines/contract/release.ts'
import type { RolloutPlan } from '../../pipelines/rollout/plan.ts'
import { turnOf } from '../../pipelines/rollout/turns.ts'
import { fakeCode } from './compiler.ts'
import { type Gate, gated, released, succeeded } from './delivery-world.ts'
import { initRepository } from './init-repository.ts'
import { type AllKeys, manualClock } from './keys.ts'
import { memoryForge, memoryStatuses } from './memory-forge.ts'
import { memoryStore } from './memory-store.ts'

export type WorldNode = {
  ring: string
  accepted: number
  runs: Digest | null
  judged: number
  sequence: number
}

export type RolloutWorld = Awaited<ReturnType<typeof rolloutWorld>>

/** `harmful` says what an artifact does to the traffic of a node. */
export async function rolloutWorld(keys: AllKeys, plan: RolloutPlan, harmful: (artifact: Digest) => boolean) {
  const clock = manualClock()
  const store = memoryStore()
  const forge = memoryForge()
  const statuses = memoryStatuses()
  const trustedRoot = await initRepository(store, keys, fakeCode, clock)
  /** Called around every call of a port; it fails by throwing. */
  let gate: Gate = () => {}
  const nodes = new Map<string, WorldNode>()
  for (const { name: ring, nodes: names } of plan.rings)
    for (const name of names) nodes.set(name, { ring, accepted: 0, runs: null, judged: 0, sequence: 0 })

  const director = (): RolloutPorts => {
    const own = gated(store, (when) => gate(when))
    return {
      store: own,
      queue: { send: async () => {} },
      statuses: gated(statuses, (when) => gate(when)),
      forge: gated(forge, (when) => gate(when)),
      bus: { hint: async () => {}, tellEnd: async () => {}, onReport: () => {}, close: async () => {} },
      clock,
      repository: new Repository({ store: own, keys, clock, trustedRoot }),
      director: keys.release,
      operators: [],
      plan,
      branch: 'main',
      log: () => {},
      applied: { revision: null, known: null },
    }
  }
  const directors = [director(), director()]

  const world = {
    clock,
    forge,
    statuses,
    nodes,
    setGate(next: Gate) {
      gate = next
    },
    /** False = it failed, or died: the same causes have to come again. */
    async direct(which: number, causes: Cause[]): Promise<boolean> {
      try {
        await rollout(directors[which % directors.length] as RolloutPorts, causes)
        return true
      } catch (error) {
        // A death forgets what was brought in line.
        if (!(error instanceof Failure)) directors[which % directors.length] = director()
        return false
      }
    },
    /** The node looks at the repository and takes what agent/verify.ts would take. */
    async look(name: string): Promise<void> {
      const node = nodes.get(name) as WorldNode
      const index = plan.rings.findIndex((ring) => ring.name === node.ring)
      const release = await released(store, keys, node.ring)
      if (release === undefined || release.number <= node.accepted) return
      if (turnOf(release.rollout, name) > release.through) return
      if ((await denied()).includes(release.artifact)) return
      const before = plan.rings[index - 1]
      const success = before && (await succeeded(store, keys, before.name))
      if (
        before !== undefined &&
        (success?.number !== release.number || success.artifact !== release.artifact)
      )
        return
      Object.assign(node, { accepted: release.number, runs: release.artifact, judged: 0 })
    },
    /** What the node says now. */
    report(name: string, failing = false): Report {
      const node = nodes.get(name) as WorldNode
      node.sequence++
      node.judged += 100
      const bad = node.runs !== null && harmful(node.runs)
      return {
        schema: 'heddle.report/1',
        node: name,
        ring: node.ring,
        at: clock.now().toISOString(),
        sequence: node.sequence,
        outcome: failing ? 'failed' : 'enforced',
        number: node.accepted === 0 ? null : node.accepted,
        artifact: node.runs,
        generation: 1,
        failure: failing ? { code: 'attached-differs', message: '', detail: [] } : null,
        timings: {},
        shadow: null,
        measures: {
          from: 0,
          to: 1,
          judged: node.judged,
          refused: bad ? node.judged / 2 : 0,
          unintended: bad ? node.judged / 2 : 0,
          responses: node.judged,
          errors: 0,
          latency: [node.judged],
          trips: 0,
        },
      }
    },
    state: async () => (await loadRollout(store, keys.release)).state,
  }
  return world

  async function denied(): Promise<Digest[]> {
    const file = (await loadCurrent(store, keys)).roles.release.signed.targets[DENIALS_TARGET]
    if (file === undefined) return []
    const object = await store.get(targetKey(DENIALS_TARGET, file.hashes['sha256'] ?? ''), file.length)
    const { payload } = JSON.parse(Buffer.from(object?.bytes ?? []).toString())
    return Denials.parse(JSON.parse(Buffer.from(payload, 'base64').toString())).denied
  }
}
