/** What moves a commit to the nodes: functions, queues, schedules, the webhook's door, alarms. */
import { join } from 'node:path'
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { Rule, Schedule } from 'aws-cdk-lib/aws-events'
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets'
import {
  Architecture,
  Code,
  DockerImageCode,
  DockerImageFunction,
  Function as Lambda,
  RecursiveLoop,
  Runtime,
} from 'aws-cdk-lib/aws-lambda'
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { Construct } from 'constructs'
import type { StageName } from '../../../pipelines/contract/events.ts'
import { ENVIRONMENT, keyVariable, queueVariable } from '../environment.ts'
import { type CloudFunction, type FunctionName, functionsByName } from '../functions.ts'
import { watch } from './alarms.ts'
import type { FoundationStack } from './foundation-stack.ts'
import { makeQueues, type StageQueue } from './queues.ts'
import { functionRole } from './role.ts'
import { webhookApi } from './webhook-api.ts'

/** Where Lambda unpacks a function's code, and with it the deployment's settings. */
const TASK_ROOT = '/var/task'
const RUNTIME = Runtime.NODEJS_24_X
/** Messages that the director takes at once: a fleet reports together. The others work for long at each. */
const ROLLOUT_BATCH = 10
/** The least that SQS knows. Not reserved concurrency: it lets messages count as received that nobody saw. */
const AT_ONCE = 2

export type DeliveryProps = {
  foundation: FoundationStack
  /** Folder with a folder a function, settings included. */
  bundles: string
  /** Digest of the compile function's image, `sha256:…`, as it lies in the foundation's repository. */
  image: string
  /** What HEDDLE_FORGE says. */
  forge: string
}

export class DeliveryStack extends Stack {
  readonly #props: DeliveryProps
  readonly #queues: Map<StageName, StageQueue>

  constructor(scope: Construct, id: string, props: DeliveryProps) {
    super(scope, id, { description: 'Heddle: delivery from a webhook to signed releases' })
    this.#props = props
    this.#queues = makeQueues(this)
    const functions = new Map<FunctionName, Lambda>()
    for (const [name, spec] of functionsByName()) {
      const made = this.#makeFunction(name, spec)
      functions.set(name, made)
      this.#wake(name, spec, made)
    }
    watch(this, functions, this.#queues)
  }

  #makeFunction(name: FunctionName, spec: CloudFunction): Lambda {
    const logs = new LogGroup(this, `Log-${name}`, {
      retention: RetentionDays.THREE_MONTHS,
      removalPolicy: RemovalPolicy.RETAIN,
    })
    const granted = { foundation: this.#props.foundation, queues: this.#queues, logs }
    const shared = {
      role: functionRole(this, name, spec, granted),
      logGroup: logs,
      architecture: Architecture.X86_64,
      memorySize: spec.memoryMb,
      timeout: Duration.millis(spec.timeoutMs),
      environment: this.#environment(name, spec),
      // The director wakes itself until a soak is over; Lambda would take that for a loop, and stop it.
      recursiveLoop: spec.sends.some((stage) => stage === name)
        ? RecursiveLoop.ALLOW
        : RecursiveLoop.TERMINATE,
    }
    if (name === 'compile') {
      const code = DockerImageCode.fromEcr(this.#props.foundation.images, { tagOrDigest: this.#props.image })
      return new DockerImageFunction(this, `Function-${name}`, { ...shared, code })
    }
    return new Lambda(this, `Function-${name}`, {
      ...shared,
      runtime: RUNTIME,
      handler: 'handler.handler',
      code: Code.fromAsset(join(this.#props.bundles, name)),
    })
  }

  #environment(name: FunctionName, spec: CloudFunction): Record<string, string> {
    const { foundation, forge } = this.#props
    const variables: Record<string, string> = { [ENVIRONMENT.store]: `s3://${foundation.bucket.bucketName}` }
    if (spec.asksForge) variables[ENVIRONMENT.forge] = forge
    if (spec.readsDeployment) variables[ENVIRONMENT.settings] = TASK_ROOT
    for (const key of spec.keys) variables[keyVariable(key)] = foundation.keys[key].keyArn
    for (const stage of spec.sends) variables[queueVariable(stage)] = this.#queue(stage, name).queue.queueUrl
    return variables
  }

  #wake(name: FunctionName, { trigger }: CloudFunction, target: Lambda): void {
    switch (trigger.kind) {
      case 'http':
        webhookApi(this, target)
        break
      case 'queue': {
        const batchSize = trigger.stage === 'rollout' ? ROLLOUT_BATCH : 1
        const { queue } = this.#queue(trigger.stage, name)
        const atOnce = trigger.stage === 'rollout' ? { maxConcurrency: AT_ONCE } : {}
        target.addEventSource(
          new SqsEventSource(queue, { batchSize, reportBatchItemFailures: true, ...atOnce }),
        )
        break
      }
      case 'dead':
        for (const { dead } of this.#queues.values())
          target.addEventSource(new SqsEventSource(dead, { batchSize: 1, reportBatchItemFailures: true }))
        break
      case 'schedule': {
        const every = Duration.minutes(trigger.minutes)
        const rule = new Rule(this, `Schedule-${name}`, { schedule: Schedule.rate(every) })
        // The next one does the same, later.
        rule.addTarget(new LambdaFunction(target, { retryAttempts: 0, maxEventAge: every }))
        break
      }
    }
  }

  #queue(stage: StageName, name: FunctionName): StageQueue {
    const found = this.#queues.get(stage)
    if (found === undefined) throw new Error(`${name} names ${stage}, which has no queue`)
    return found
  }
}
