/** What a person has to know: an event was given up, can't even be given up, or waits for too long. */
import { Duration } from 'aws-cdk-lib'
import { Alarm, ComparisonOperator, type IMetric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Key } from 'aws-cdk-lib/aws-kms'
import type { Function as Lambda } from 'aws-cdk-lib/aws-lambda'
import { Topic } from 'aws-cdk-lib/aws-sns'
import type { Construct } from 'constructs'
import type { StageName } from '../../../pipelines/contract/events.ts'
import { DELIVERY } from '../../../pipelines/delivery.ts'
import type { FunctionName } from '../functions.ts'
import type { StageQueue } from './queues.ts'

const PERIOD = Duration.minutes(5)
/** Deliveries that a message may wait for before it is late. */
const LATE_DELIVERIES = 3
/** Failed invocations of a function within a period; a throttled service costs one or two. */
const ERRORS = 3

export function watch(
  scope: Construct,
  functions: ReadonlyMap<FunctionName, Lambda>,
  queues: ReadonlyMap<StageName, StageQueue>,
): void {
  // CloudWatch may not use the key that AWS manages for SNS.
  const masterKey = new Key(scope, 'AlarmKey', { enableKeyRotation: true, description: 'Heddle: alarms' })
  masterKey.grantEncryptDecrypt(new ServicePrincipal('cloudwatch.amazonaws.com'))
  const topic = new Topic(scope, 'Alarms', { displayName: 'Heddle', enforceSSL: true, masterKey })
  const alarm = (id: string, metric: IMetric, above: number, alarmDescription: string) =>
    new Alarm(scope, `Alarm-${id}`, {
      metric,
      alarmDescription,
      threshold: above,
      comparisonOperator: ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: 1,
      treatMissingData: TreatMissingData.NOT_BREACHING,
    }).addAlarmAction(new SnsAction(topic))

  for (const [stage, { queue, dead }] of queues) {
    const waiting = dead.metricApproximateNumberOfMessagesVisible({ period: PERIOD })
    alarm(`dead-${stage}`, waiting, 0, `an event of ${stage} was given up, and nobody could be told`)
    const age = queue.metricApproximateAgeOfOldestMessage({ period: PERIOD })
    const late = (LATE_DELIVERIES * DELIVERY[stage].timeoutMs) / 1000
    alarm(`late-${stage}`, age, late, `an event of ${stage} waits for longer than ${late} s`)
  }
  for (const [name, made] of functions)
    alarm(`errors-${name}`, made.metricErrors({ period: PERIOD }), ERRORS, `${name} fails again and again`)
  const buried = functions.get('bury')?.metricInvocations({ period: PERIOD })
  if (buried !== undefined) alarm('buried', buried, 0, 'an event was given up: see dead/ in the bucket')
}
