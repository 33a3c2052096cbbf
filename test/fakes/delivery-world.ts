/**
 * The whole delivery in memory, with nodes that take what their ring is told to, a scheduler that
 * may give events in any order and twice, and a gate at which a handler can be killed.
 */
import assert from 'node:assert/strict'
import type { SQSEvent } from 'aws-lambda'
import { nodePolicyReader } from '../../functions/adapters/node-policy-reader.ts'
import { composeFunctions, type Functions, type Parts } from '../../functions/compose.ts'
import type { Bus, ObjectStore } from '../../functions/ports.ts'
import { loadCurrent } from '../../functions/trust/repository-state.ts'
import { canonicalJson } from '../../pipelines/contract/canonical-json.ts'
import type { DeliveryEvent } from '../../pipelines/contract/events.ts'
import { releaseTarget, successTarget, targetKey } from '../../pipelines/contract/object-keys.ts'
import { Release, RingSuccess } from '../../pipelines/contract/release.ts'
import { type Ring, RolloutPlan } from '../../pipelines/rollout/plan.ts'
import { fakeCode, fakeCompiler } from './compiler.ts'
import { initRepository, logTarget } from './init-repository.ts'
import { type AllKeys, manualClock, memoryKeys } from './keys.ts'
import { memoryForge, memoryStatuses } from './memory-forge.ts'
import { memoryStore } from './memory-store.ts'

const RINGS: Ring[] = [
  { name: 'ring-0', nodes: ['node-0'] },
  { name: 'ring-1', nodes: ['node-1', 'node-2'] },
]
const SOAK_MS = 1000
const MAX_STEPS = 2000

type Waiting = { event: DeliveryEvent; due: number }
/** Called around every call of a port; it kills by throwing. */
export type Gate = (when: 'before' | 'after') => void
/** What a scheduler may choose: which of n, and whether the event comes again. */
export type Choices = { pick(count: number): number; again(): boolean }

export const IN_ORDER: Choices = { pick: () => 0, again: () => false }

export type World = Awaited<ReturnType<typeof deliveryWorld>>

/** `compose`: who gives the stages their ports. */
export async function deliveryWorld(
  keys: AllKeys = memoryKeys(),
  compose: (parts: Parts) => Functions = composeFunctions,
) {
  const clock = manualClock()
  const store = memoryStore()
  const forge = memoryForge()
  const statuses = memoryStatuses()
  const waiting: Waiting[] = []
  const numbers = new Map<string, number>()
  const reported = new Map<string, number>()
  const lines: string[] = []
  /** Nothing has changed for anybody while the timestamp is the same. */
  let looked: Uint8Array | undefined
  let checked: Uint8Array | undefined
  let gate: Gate = () => {}
  const trustedRoot = await initRepository(store, keys, [...fakeCode, logTarget(keys)], clock)

  const send = async (event: DeliveryEvent, delayMs = 0) => {
    waiting.push({ event, due: clock.now().getTime() + delayMs })
  }
  const hints: string[] = []
  const bus: Bus = {
    hint: async (ring) => void hints.push(ring),
    tellEnd: async () => {},
    onReport: () => {},
    close: async () => {},
  }
  const functions = compose({
    store: gated(store, (when) => gate(when)),
    forge: gated(forge, (when) => gate(when)),
    statuses: gated(statuses, (when) => gate(when)),
    queue: gated({ send }, (when) => gate(when)),
    bus: gated(bus, (when) => gate(when)),
    reader: nodePolicyReader(),
    compiler: fakeCompiler,
    clock,
    keys,
    trustedRoot,
    plan: RolloutPlan.parse({ rings: RINGS, soakMs: SOAK_MS }),
    operators: [],
    repository: 'acme/policies',
    branch: 'main',
    secrets: ['secret'],
    builderId: 'test',
    log: (line) => {
      lines.push(line)
    },
  })

  async function deliver({ event }: Waiting): Promise<boolean> {
    const record = { messageId: 'message', body: canonicalJson(event) }
    const sqs = { Records: [record] } as unknown as SQSEvent
    const { batchItemFailures } = await functions.stages[event.stage](sqs)
    return batchItemFailures.length === 0
  }

  /** Nodes look at their ring's release and report what they took, once a release. */
  async function nodesLook(): Promise<void> {
    const timestamp = store.objects.get('tuf/timestamp.json')
    if (timestamp === looked) return
    looked = timestamp
    for (const { name: ring, nodes } of RINGS) {
      const release = await released(store, keys, ring)
      if (release === undefined) continue
      for (const node of nodes) {
        if (reported.get(node) === release.number) continue
        reported.set(node, release.number)
        const at = new Date(clock.now().getTime() + reported.size).toISOString()
        const report = {
          schema: 'heddle.report/1' as const,
          node,
          ring,
          at,
          sequence: release.number,
          outcome: 'enforced' as const,
          number: release.number,
          artifact: release.artifact,
          generation: release.number,
          failure: null,
          timings: {},
          measures: null,
          shadow: null,
        }
        await send({ stage: 'rollout', cause: { kind: 'report', report } })
      }
    }
  }

  /** What must hold whenever anybody looks: numbers grow, and no ring runs ahead of the one before. */
  async function checkRings(): Promise<void> {
    const timestamp = store.objects.get('tuf/timestamp.json')
    if (timestamp === checked) return
    checked = timestamp
    for (const [index, { name }] of RINGS.entries()) {
      const release = await released(store, keys, name)
      if (release === undefined) continue
      assert.ok(release.number >= (numbers.get(name) ?? 0), `release numbers of ${name} only grow`)
      numbers.set(name, release.number)
      const before = RINGS[index - 1]
      if (before === undefined) continue
      const success = await succeeded(store, keys, before.name)
      assert.equal(success?.number, release.number, `${before.name} soaked with what ${name} is told to run`)
      assert.equal(success?.artifact, release.artifact)
    }
  }

  return {
    forge,
    statuses,
    store,
    keys,
    functions,
    waiting,
    lines,
    /** Rings that were told to look, in this order. */
    hints,
    send,
    setGate(next: Gate) {
      gate = next
    },
    /** Works until nothing waits. What fails comes again. */
    async settle(choices: Choices = IN_ORDER): Promise<void> {
      for (let steps = 0; steps < MAX_STEPS; steps++) {
        await nodesLook()
        if (waiting.length === 0) return
        const due = waiting.filter((each) => each.due <= clock.now().getTime())
        if (due.length === 0) {
          clock.advance(Math.min(...waiting.map((each) => each.due)) - clock.now().getTime())
          continue
        }
        const chosen = due[choices.pick(due.length)] as Waiting
        if (!choices.again()) waiting.splice(waiting.indexOf(chosen), 1)
        if (!(await deliver(chosen))) waiting.push(chosen)
        await checkRings()
      }
      assert.fail('delivery does not come to rest')
    },
    /** What is left in the end, without what may differ: versions and numbers. */
    async outcome() {
      const current = await loadCurrent(store, keys)
      const rings: Record<string, unknown> = {}
      for (const { name } of RINGS) {
        const release = await released(store, keys, name)
        const success = await succeeded(store, keys, name)
        rings[name] = { commit: release?.commit, artifact: release?.artifact, success: success?.artifact }
      }
      const ends = [...statuses.posted].map(([commit, { state, stage, artifact }]) => ({
        commit,
        state,
        stage,
        artifact,
      }))
      return {
        rings,
        published: Object.keys(current.roles.policy.signed.targets).sort(),
        statuses: ends.sort((a, b) => (a.commit < b.commit ? -1 : 1)),
      }
    },
  }
}

/** The same port, every call of which passes the gate twice. */
export function gated<T extends object>(port: T, gate: Gate): T {
  return new Proxy(port, {
    get(target, name) {
      const method = Reflect.get(target, name) as unknown
      if (typeof method !== 'function') return method
      return async (...args: unknown[]) => {
        gate('before')
        const result: unknown = await Reflect.apply(method, target, args)
        gate('after')
        return result
      }
    },
  })
}

async function target(store: ObjectStore, keys: AllKeys, path: string): Promise<unknown> {
  const file = (await loadCurrent(store, keys)).roles.release.signed.targets[path]
  if (file === undefined) return undefined
  const object = await store.get(targetKey(path, file.hashes['sha256'] ?? ''), file.length)
  return JSON.parse(Buffer.from(object?.bytes ?? []).toString())
}

export async function released(
  store: ObjectStore,
  keys: AllKeys,
  ring: string,
): Promise<Release | undefined> {
  const content = await target(store, keys, releaseTarget(ring))
  return content === undefined ? undefined : Release.parse(content)
}

export async function succeeded(
  store: ObjectStore,
  keys: AllKeys,
  ring: string,
): Promise<RingSuccess | undefined> {
  const envelope = (await target(store, keys, successTarget(ring))) as { payload: string } | undefined
  if (envelope === undefined) return undefined
  return RingSuccess.parse(JSON.parse(Buffer.from(envelope.payload, 'base64').toString()))
}
