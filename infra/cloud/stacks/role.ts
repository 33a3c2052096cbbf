/** A function's role: what the functions' table grants it, and its own log. Nothing comes from a managed policy. */
import { Stack } from 'aws-cdk-lib'
import { Effect, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { CfnLogGroup, LogGroup } from 'aws-cdk-lib/aws-logs'
import type { Construct } from 'constructs'
import type { StageName } from '../../../pipelines/contract/events.ts'
import { SEALED_PURPOSES } from '../deployment.ts'
import type { KeyName } from '../environment.ts'
import type { CloudFunction } from '../functions.ts'
import { acceptWildcards } from './accept.ts'
import { type FoundationStack, STORE_EXPORT } from './foundation-stack.ts'
import type { StageQueue } from './queues.ts'

export type Granted = {
  foundation: FoundationStack
  queues: ReadonlyMap<StageName, StageQueue>
  logs: LogGroup
}

export function functionRole(scope: Construct, name: string, spec: CloudFunction, granted: Granted): Role {
  const role = new Role(scope, `Role-${name}`, { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
  for (const statement of statementsOf(spec, granted)) role.addToPolicy(statement)
  const { logs } = granted
  const log = `<${Stack.of(logs).getLogicalId(logs.node.defaultChild as CfnLogGroup)}.Arn>:*`
  const objects = [...spec.reads, ...spec.writes].map((pattern) => `${STORE_EXPORT}/${pattern}`)
  acceptWildcards(role, objects, 'keys below a prefix are digests and numbers: there is no list of them')
  acceptWildcards(role, [log], 'a log stream is named by the instance that writes it')
  return role
}

function statementsOf(spec: CloudFunction, { foundation, queues, logs }: Granted): PolicyStatement[] {
  const { storeArn } = foundation
  const objects = (patterns: readonly string[]) => patterns.map((pattern) => `${storeArn}/${pattern}`)
  const statements = [
    allow(['logs:CreateLogStream', 'logs:PutLogEvents'], [`${logs.logGroupArn}:*`]),
    ...spec.keys.map((key) => keyStatement(foundation, key)),
  ]
  const queueArns = spec.sends.flatMap((stage) => queues.get(stage)?.queue.queueArn ?? [])
  if (queueArns.length > 0) statements.push(allow(['sqs:SendMessage'], queueArns))
  if (spec.writes.length > 0) statements.push(allow(['s3:PutObject'], objects(spec.writes)))
  if (spec.reads.length > 0) {
    statements.push(allow(['s3:GetObject'], objects(spec.reads)))
    // Without it a missing object answers 403, and nobody could tell it from a refusal.
    statements.push(allow(['s3:ListBucket'], [storeArn]))
  }
  return statements
}

/** To sign, in the one way that it signs; or to open, what was sealed for this purpose. */
function keyStatement({ keys }: FoundationStack, name: KeyName): PolicyStatement {
  const resources = [keys[name].keyArn]
  if (SEALED_PURPOSES.some((purpose) => purpose === name)) {
    return new PolicyStatement({
      effect: Effect.ALLOW,
      actions: ['kms:Decrypt'],
      resources,
      conditions: { StringEquals: { 'kms:EncryptionContext:heddle:purpose': name } },
    })
  }
  return new PolicyStatement({
    effect: Effect.ALLOW,
    actions: ['kms:Sign'],
    resources,
    conditions: { StringEquals: { 'kms:SigningAlgorithm': 'ED25519_SHA_512', 'kms:MessageType': 'RAW' } },
  })
}

const allow = (actions: string[], resources: string[]): PolicyStatement =>
  new PolicyStatement({ effect: Effect.ALLOW, actions, resources })
