import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { MAX_BODY_BYTES } from '../../functions/receive/receive.ts'
import { SEALED_PURPOSES } from '../../infra/cloud/deployment.ts'
import { keyVariable, queueVariable } from '../../infra/cloud/environment.ts'
import { type CloudFunction, type FunctionName, functionsByName } from '../../infra/cloud/functions.ts'
import type { StageName } from '../../pipelines/contract/events.ts'
import { DELIVERY } from '../../pipelines/delivery.ts'
import { CloudTemplate, grantsIn, IMAGE_DIGEST, nameOf, type Properties } from '../fakes/cloud-template.ts'

const STAGES = Object.keys(DELIVERY) as StageName[]
const DAYS = 86_400
/** Bytes that Lambda takes in an invocation that is waited for. */
const LAMBDA_REQUEST_BYTES = 6 * 1024 * 1024

let cloud: CloudTemplate
const functionOf = (name: FunctionName) => cloud.one('AWS::Lambda::Function', `Function${name}`)
const keyIn = (on: string) => /^Key([a-z]+)/.exec(on)?.[1]
const statementsOf = (properties: Properties) =>
  (properties['PolicyDocument'] as { Statement: Record<string, unknown>[] }).Statement

/** What the table says that a role may do, in the words of the template. */
function tableGrants(name: FunctionName, { keys, sends, reads, writes, trigger }: CloudFunction): string[] {
  const isSealed = (key: string) => SEALED_PURPOSES.some((purpose) => purpose === key)
  const takes = trigger.kind === 'queue' ? [`Queue${trigger.stage}`] : STAGES.map((stage) => `Dead${stage}`)
  const consume = [
    'ReceiveMessage',
    'ChangeMessageVisibility',
    'GetQueueUrl',
    'DeleteMessage',
    'GetQueueAttributes',
  ]
  const queues = trigger.kind === 'queue' || trigger.kind === 'dead' ? takes : []
  return [
    `logs:CreateLogStream Log${name}:*`,
    `logs:PutLogEvents Log${name}:*`,
    ...keys.map((key) => `${isSealed(key) ? 'kms:Decrypt' : 'kms:Sign'} Key${key}`),
    ...sends.map((stage) => `sqs:SendMessage Queue${stage}`),
    ...queues.flatMap((queue) => consume.map((action) => `sqs:${action} ${queue}`)),
    ...reads.map((pattern) => `s3:GetObject HeddleStoreArn/${pattern}`),
    ...(reads.length > 0 ? ['s3:ListBucket HeddleStoreArn'] : []),
    ...writes.map((pattern) => `s3:PutObject HeddleStoreArn/${pattern}`),
  ].sort()
}

/** Without the digits and letters that CloudFormation's ids end with. */
const plain = (on: string) => on.replace(/([a-z])[0-9A-F]{8}(Arn[0-9A-F]{8})?(?=:|$)/, '$1')

describe('the cloud stacks', () => {
  before(() => {
    cloud = new CloudTemplate()
  })

  for (const [name, spec] of functionsByName()) {
    it(`lets ${name} do what the table says, and nothing else`, () => {
      const grants = cloud.grantsOf(name)
      const said = grants.map(({ action, on }) => `${action} ${plain(on)}`).sort()
      assert.deepEqual(said, tableGrants(name, spec))
      for (const { action, on } of grants) {
        assert.doesNotMatch(action, /\*|Delete(?!Message)|Bypass|Retention|LegalHold/)
        assert.notEqual(on, '*')
      }
      for (const { action, on, when } of grants.filter(({ action }) => action.startsWith('kms:'))) {
        const wanted =
          action === 'kms:Sign'
            ? { 'kms:SigningAlgorithm': 'ED25519_SHA_512', 'kms:MessageType': 'RAW' }
            : { 'kms:EncryptionContext:heddle:purpose': keyIn(on) }
        assert.deepEqual(when, { StringEquals: wanted })
      }
    })

    it(`tells ${name} of its own keys and queues only, and keeps its log`, () => {
      const { Properties } = functionOf(name)
      const { Variables } = Properties['Environment'] as { Variables: Record<string, unknown> }
      const told = Object.keys(Variables).filter((variable) => /_(KEY|QUEUE)_/.test(variable))
      assert.deepEqual(told.sort(), [...spec.keys.map(keyVariable), ...spec.sends.map(queueVariable)].sort())
      for (const key of spec.keys) assert.equal(keyIn(nameOf(Variables[keyVariable(key)])), key)
      assert.equal(cloud.one('AWS::Logs::LogGroup', `Log${name}`).Properties['RetentionInDays'], 90)
      assert.equal(Properties['Timeout'], spec.timeoutMs / 1000)
    })
  }

  it('lets nobody but its own functions use a key: two may sign for a list, none for both', () => {
    const users = new Map<string, FunctionName[]>()
    for (const [name] of functionsByName()) {
      for (const { action, on } of cloud.grantsOf(name)) {
        if (action.startsWith('kms:'))
          users.set(keyIn(on) ?? on, [...(users.get(keyIn(on) ?? on) ?? []), name])
      }
    }
    assert.deepEqual(Object.fromEntries(users), {
      webhook: ['receive'],
      policy: ['sign', 'publish', 'refresh'],
      snapshot: ['publish', 'rollout', 'refresh'],
      timestamp: ['publish', 'rollout', 'refresh'],
      release: ['rollout'],
      log: ['publish'],
    })
    for (const { id, Properties } of cloud.all('AWS::KMS::Key', cloud.foundation)) {
      const statements = (Properties['KeyPolicy'] as { Statement: { Principal: unknown }[] }).Statement
      assert.match(JSON.stringify(statements), /:root/, id)
      assert.equal(statements.length, 1, `${id} is ruled by the account's own policies`)
    }
  })

  it('has keys that sign where statements are short, and keys that seal where they grow', () => {
    for (const { id, Properties, DeletionPolicy } of cloud.all('AWS::KMS::Key', cloud.foundation)) {
      const isSealing = SEALED_PURPOSES.some((purpose) => purpose === keyIn(id))
      assert.equal(Properties['KeySpec'], isSealing ? undefined : 'ECC_NIST_EDWARDS25519', id)
      assert.equal(Properties['KeyUsage'], isSealing ? undefined : 'SIGN_VERIFY', id)
      assert.equal(Properties['EnableKeyRotation'], isSealing ? true : undefined, id)
      assert.equal(DeletionPolicy, 'Retain', id)
    }
  })

  it('keeps every version of every object from everybody for longer than a year', () => {
    const { Properties, DeletionPolicy } = cloud.one('AWS::S3::Bucket', 'Store', cloud.foundation)
    assert.deepEqual(Properties['VersioningConfiguration'], { Status: 'Enabled' })
    assert.equal(Properties['ObjectLockEnabled'], true)
    const lock = Properties['ObjectLockConfiguration'] as {
      Rule: { DefaultRetention: { Mode: string; Days: number } }
    }
    assert.equal(lock.Rule.DefaultRetention.Mode, 'COMPLIANCE')
    assert.ok(lock.Rule.DefaultRetention.Days > 366)
    assert.equal(DeletionPolicy, 'Retain')
    for (const bucket of cloud.all('AWS::S3::Bucket', cloud.foundation)) {
      const blocked = bucket.Properties['PublicAccessBlockConfiguration'] as object
      assert.deepEqual(Object.values(blocked), [true, true, true, true])
      assert.ok(bucket.Properties['BucketEncryption'] !== undefined)
    }
    for (const { Properties } of cloud.all('AWS::S3::BucketPolicy', cloud.foundation)) {
      const conditions = statementsOf(Properties).filter(({ Effect }) => Effect === 'Deny')
      assert.match(JSON.stringify(conditions), /"aws:SecureTransport":"false"/)
      assert.match(JSON.stringify(conditions), /"s3:TlsVersion":1.2/)
    }
  })

  it('lets nodes read what is signed, and nothing else', () => {
    const { Properties } = cloud.one('AWS::IAM::ManagedPolicy', 'NodesRead', cloud.foundation)
    const grants = grantsIn(Properties['PolicyDocument']).map(
      ({ action, on }) => `${action} ${on.replace(/^Store[0-9A-F]*/, '')}`,
    )
    assert.deepEqual(grants, [
      's3:GetObject /tuf/*',
      's3:GetObject /blobs/*',
      's3:GetObject /log/*',
      's3:ListBucket ',
    ])
  })

  for (const stage of STAGES) {
    it(`gives an event of ${stage} again while it may succeed, and then to the dead-letter queue`, () => {
      const dead = cloud.one('AWS::SQS::Queue', `Dead${stage}`)
      const { id, Properties } = cloud.one('AWS::SQS::Queue', `Queue${stage}`)
      const redrive = Properties['RedrivePolicy'] as { deadLetterTargetArn: unknown; maxReceiveCount: number }
      assert.equal(nameOf(redrive.deadLetterTargetArn), dead.id)
      assert.equal(redrive.maxReceiveCount, DELIVERY[stage].attempts)
      const consumers = (queue: string) =>
        cloud
          .all('AWS::Lambda::EventSourceMapping')
          .filter((each) => nameOf(each.Properties['EventSourceArn']) === queue)
      for (const [queue, visible] of [
        [id, Properties['VisibilityTimeout']],
        [dead.id, dead.Properties['VisibilityTimeout']],
      ] as const) {
        const [mapping, ...others] = consumers(queue)
        assert.deepEqual(others, [])
        assert.deepEqual(mapping?.Properties['FunctionResponseTypes'], ['ReportBatchItemFailures'])
        const consumer = cloud.one('AWS::Lambda::Function', nameOf(mapping?.Properties['FunctionName']))
        assert.ok(Number(visible) >= 6 * Number(consumer.Properties['Timeout']), `${queue} ${visible}`)
      }
      for (const each of [dead.Properties, Properties]) {
        assert.equal(each['MessageRetentionPeriod'], 14 * DAYS)
        assert.equal(each['SqsManagedSseEnabled'], true)
      }
    })

    it(`rings when an event of ${stage} waits for too long, or can't be buried`, () => {
      for (const begin of [`Alarmdead${stage}`, `Alarmlate${stage}`]) {
        const { Properties } = cloud.one('AWS::CloudWatch::Alarm', begin)
        const [action] = Properties['AlarmActions'] as unknown[]
        assert.match(nameOf(action), /^Alarms/)
      }
    })
  }

  it('lets queues and the topic of alarms be reached by TLS only', () => {
    const policies = [...cloud.all('AWS::SQS::QueuePolicy'), ...cloud.all('AWS::SNS::TopicPolicy')]
    assert.equal(policies.length, 2 * STAGES.length + 1)
    for (const { id, Properties } of policies) {
      const denied = statementsOf(Properties).filter(({ Effect }) => Effect === 'Deny')
      assert.match(JSON.stringify(denied), /"aws:SecureTransport":"false"/, id)
    }
  })

  it('lets the director wake itself, and takes any other loop for a mistake', () => {
    for (const [name] of functionsByName()) {
      const loops = functionOf(name).Properties['RecursiveLoop']
      assert.equal(loops, name === 'rollout' ? 'Allow' : 'Terminate', name)
    }
  })

  it('compiles in the image of one digest, and runs the rest on a Node that is maintained', () => {
    for (const [name] of functionsByName()) {
      const { Code, Runtime } = functionOf(name).Properties as {
        Code: { ImageUri?: unknown }
        Runtime?: string
      }
      if (name === 'compile') assert.ok(nameOf(Code.ImageUri).endsWith(`@${IMAGE_DIGEST}`))
      else assert.equal(Runtime, 'nodejs24.x', name)
    }
  })

  it('has one door, for webhooks, that is slowed, and takes no more than the function can', () => {
    const routes = cloud.all('AWS::ApiGatewayV2::Route').map(({ Properties }) => Properties['RouteKey'])
    assert.deepEqual(routes, ['POST /webhook'])
    const { Properties } = cloud.one('AWS::ApiGatewayV2::Stage', 'Webhook')
    const limits = Properties['DefaultRouteSettings'] as {
      ThrottlingRateLimit: number
      ThrottlingBurstLimit: number
    }
    assert.ok(limits.ThrottlingRateLimit > 0 && limits.ThrottlingBurstLimit > 0)
    assert.ok(MAX_BODY_BYTES <= LAMBDA_REQUEST_BYTES)
    assert.deepEqual(cloud.all('AWS::Lambda::Url'), [])
  })

  it('looks at the branch every minute and at metadata every hour', () => {
    const rates = cloud
      .all('AWS::Events::Rule')
      .map(({ id, Properties }) => [plain(id), Properties['ScheduleExpression']])
    assert.deepEqual(rates, [
      ['Schedulereconcile', 'rate(1 minute)'],
      ['Schedulerefresh', 'rate(1 hour)'],
    ])
  })
})
