/**
 * The whole delivery over functions on Lambda's own runtime client: messages come in any order, in batches
 * and twice; an environment may be killed around any call that it makes, and what it had is given again;
 * nodes take what their ring is told to.
 */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { storeStatuses } from '../../functions/adapters/store-statuses.ts'
import { signatureOf } from '../../functions/receive/webhook-signature.ts'
import { loadCurrent } from '../../functions/trust/repository-state.ts'
import { FUNCTIONS, type FunctionName } from '../../infra/cloud/functions.ts'
import { canonicalJson } from '../../pipelines/contract/canonical-json.ts'
import type { StageName } from '../../pipelines/contract/events.ts'
import { releaseTarget, targetKey } from '../../pipelines/contract/object-keys.ts'
import { Release, type Report } from '../../pipelines/contract/release.ts'
import { type LambdaDeployment, REPOSITORY, RINGS, SECRET } from './lambda-deployment.ts'
import type { Gate } from './aws.ts'
import type { Outcome } from './lambda-runtime.ts'

const MAX_STEPS = 600
const POLL_MS = 5

type Message = { id: string; stage: StageName; body: string; due: number; received: number }

/**
 * What befalls an invocation: its environment is killed as it has the event, around its first call of a kind,
 * or before anybody hears that it is done; or all of its calls of a kind are refused.
 */
export type Mishap =
  | 'taken'
  | 'done'
  | { when: 'before' | 'after' | 'refused'; call: 'SendMessage' | 'Sign' | 'Decrypt' }
/** What is left to chance; in order and undisturbed by default. */
export type Chances = {
  pick(count: number): number
  again(): boolean
  mishap(name: FunctionName): Mishap | undefined
}
const UNDISTURBED: Chances = { pick: () => 0, again: () => false, mishap: () => undefined }

export class LambdaWorld {
  readonly deployment: LambdaDeployment
  readonly #commits: readonly string[]
  readonly #waiting: Message[] = []
  readonly #reported = new Map<string, number>()
  readonly #numberOf = new Map<string, number>()
  readonly #commitOf = new Map<number, string>()
  #taken = 0
  #invocations = 0
  kills = 0

  constructor(deployment: LambdaDeployment, commits: readonly string[]) {
    this.deployment = deployment
    this.#commits = commits
  }

  /** What every stage's event source says of a message that a clock or a node sent. */
  send(stage: StageName, event: object): void {
    this.#put(stage, canonicalJson(event as Parameters<typeof canonicalJson>[0]), 0)
  }

  /** A push, as the forge tells it through the HTTP API. Returns the status code. */
  async webhook(secret = SECRET): Promise<number> {
    const push = { ref: 'refs/heads/main', after: '0'.repeat(40), repository: { full_name: REPOSITORY } }
    const body = JSON.stringify(push)
    const headers = {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-hub-signature-256': signatureOf(Buffer.from(body), secret),
    }
    const event = {
      version: '2.0',
      routeKey: 'POST /webhook',
      rawPath: '/webhook',
      headers,
      requestContext: { http: { method: 'POST', path: '/webhook' } },
      body: Buffer.from(body).toString('base64'),
      isBase64Encoded: true,
    }
    const outcome = await this.#invoke('receive', event)
    this.#takeSent()
    if ('response' in outcome) return (outcome.response as { statusCode: number }).statusCode
    throw new Error(`receive: ${JSON.stringify(outcome)} ${this.deployment.functions.receive.output}`)
  }

  /** What a schedule wakes. */
  async wake(name: 'reconcile' | 'refresh'): Promise<Outcome> {
    const outcome = await this.#invoke(name, {})
    this.#takeSent()
    return outcome
  }

  /** An event that a dead-letter queue gives. */
  bury(event: Parameters<typeof canonicalJson>[0]): Promise<Outcome> {
    const message = {
      id: 'dead-1',
      stage: 'compile' as const,
      body: canonicalJson(event),
      due: 0,
      received: 1,
    }
    return this.#invoke('bury', sqsEvent([message]))
  }

  /** Works until nothing waits. What fails or is killed comes again. */
  async settle(chances = UNDISTURBED): Promise<void> {
    for (let steps = 0; steps < MAX_STEPS; steps++) {
      await this.#nodesLook()
      if (this.#waiting.length === 0) return
      const due = this.#waiting.filter((each) => each.due <= Date.now())
      const chosen = due[chances.pick(due.length)]
      if (chosen === undefined) await sleep(POLL_MS)
      else await this.#deliver(this.#batch(chosen, due, chances), chances)
    }
    assert.fail(`delivery does not come to rest: ${JSON.stringify(this.#waiting.slice(0, 3))}`)
  }

  /** What is left in the end, without what may differ: versions and numbers. */
  async outcome() {
    const { store, keys } = this.deployment
    const current = await loadCurrent(store, keys)
    const statuses = await Promise.all(
      this.#commits.map(async (commit) => {
        const status = await storeStatuses(store).get(commit)
        return { commit, state: status?.state, stage: status?.stage, artifact: status?.artifact }
      }),
    )
    const rings: Record<string, unknown> = {}
    for (const { name } of RINGS) {
      const release = await this.#released(name)
      rings[name] = { commit: release?.commit, artifact: release?.artifact }
    }
    return { rings, published: Object.keys(current.roles.policy.signed.targets).sort(), statuses }
  }

  /** Some of what is due for the same stage, in the order of chance. */
  #batch(first: Message, due: Message[], chances: Chances): Message[] {
    const others = due.filter((each) => each.stage === first.stage && each !== first)
    const batch = [first]
    for (let more = chances.pick(3); more > 0 && others.length > 0; more--)
      batch.push(...others.splice(chances.pick(others.length), 1))
    return batch
  }

  async #deliver(batch: Message[], chances: Chances): Promise<void> {
    const [first] = batch
    if (first === undefined) return
    for (const message of batch) message.received++
    const outcome = await this.#invoke(first.stage, sqsEvent(batch), chances.mishap(first.stage))
    this.#takeSent()
    if (!('response' in outcome)) {
      assert.ok('killed' in outcome, `${first.stage} failed: ${JSON.stringify(outcome)}`)
      return
    }
    const { batchItemFailures } = outcome.response as { batchItemFailures: { itemIdentifier: string }[] }
    const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier))
    for (const message of batch) {
      if (!failed.has(message.id) && !chances.again()) this.#waiting.splice(this.#waiting.indexOf(message), 1)
    }
  }

  async #invoke(name: FunctionName, event: object, mishap?: Mishap): Promise<Outcome> {
    const runtime = this.deployment.functions[name]
    const end = () => {
      this.kills++
      return runtime.kill()
    }
    this.deployment.aws.gate = gateOf(mishap, end)
    this.#invocations++
    const outcome = await runtime.invoke(event, FUNCTIONS[name].timeoutMs, () => {
      if (mishap === 'taken') void end()
    })
    this.deployment.aws.gate = gateOf(undefined, end)
    if (mishap !== 'done' || 'killed' in outcome) return outcome
    await end()
    return { killed: true }
  }

  #takeSent(): void {
    const { sent } = this.deployment.aws
    for (; this.#taken < sent.length; this.#taken++) {
      const message = sent[this.#taken]
      if (message !== undefined) this.#put(message.stage, message.body, message.delayMs)
    }
  }

  #put(stage: StageName, body: string, delayMs: number): void {
    const id = `${stage}-${this.#invocations}-${this.#waiting.length}`
    this.#waiting.push({ id, stage, body, due: Date.now() + delayMs, received: 0 })
  }

  /** Nodes report what they took, once a release. A number is of one commit, and a commit has one number. */
  async #nodesLook(): Promise<void> {
    for (const { name: ring, nodes } of RINGS) {
      const release = await this.#released(ring)
      if (release === undefined) continue
      const { number, artifact, commit } = release
      assert.equal(this.#numberOf.get(commit) ?? number, number, `${commit} was released under two numbers`)
      assert.equal(this.#commitOf.get(number) ?? commit, commit, `${number} is the number of two commits`)
      this.#numberOf.set(commit, number)
      this.#commitOf.set(number, commit)
      for (const node of nodes) {
        if (this.#reported.get(node) === number) continue
        assert.ok(number > (this.#reported.get(node) ?? 0), `numbers of ${ring} only grow`)
        this.#reported.set(node, number)
        const report: Report = {
          schema: 'heddle.report/1',
          node,
          ring,
          at: new Date().toISOString(),
          sequence: number,
          outcome: 'enforced',
          number,
          artifact,
          generation: number,
          failure: null,
          timings: {},
          measures: null,
          shadow: null,
        }
        this.send('rollout', { stage: 'rollout', cause: { kind: 'report', report } })
      }
    }
  }

  async #released(ring: string): Promise<Release | undefined> {
    const { store, keys } = this.deployment
    const path = releaseTarget(ring)
    const file = (await loadCurrent(store, keys)).roles.release.signed.targets[path]
    if (file === undefined) return undefined
    const object = await store.get(targetKey(path, file.hashes['sha256'] ?? ''), file.length)
    return Release.parse(JSON.parse(Buffer.from(object?.bytes ?? []).toString()))
  }
}

function gateOf(mishap: Mishap | undefined, end: () => Promise<void>): Gate {
  if (typeof mishap !== 'object') return async () => undefined
  let isOver = false
  const at = mishap.when === 'after' ? 'after' : 'before'
  return async (when, action) => {
    if (isOver || when !== at || action !== mishap.call) return undefined
    if (mishap.when === 'refused') return 'refuse'
    isOver = true
    await end()
    // What nobody waits for any more has not happened either.
    return when === 'before' ? 'refuse' : undefined
  }
}

/** A batch as SQS's event source gives it. */
function sqsEvent(batch: readonly Message[]): object {
  return {
    Records: batch.map(({ id, stage, body, received }) => ({
      messageId: id,
      receiptHandle: `${id}-${received}`,
      body,
      attributes: {
        ApproximateReceiveCount: String(received),
        SentTimestamp: String(Date.now()),
        SenderId: 'AIDALOOPBACK',
        ApproximateFirstReceiveTimestamp: String(Date.now()),
      },
      messageAttributes: {},
      md5OfBody: '',
      eventSource: 'aws:sqs',
      eventSourceARN: `arn:aws:sqs:eu-central-1:000000000000:${stage}`,
      awsRegion: 'eu-central-1',
    })),
  }
}
