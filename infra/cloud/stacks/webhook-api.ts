/**
 * The one door to the outside: POST /webhook. What comes in has at most the 6 MiB that Lambda takes (the
 * handler says 413 above), is slowed above a named rate, and is believed only with an HMAC of its bytes.
 */
import { RemovalPolicy } from 'aws-cdk-lib'
import { CfnStage, HttpApi, HttpMethod } from 'aws-cdk-lib/aws-apigatewayv2'
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { Construct } from 'constructs'
import { accept } from './accept.ts'

/** Requests a second, and at once: a forge of one repository sends a few; each costs a question to it. */
const RATE = 20
const BURST = 40

export function webhookApi(scope: Construct, receive: IFunction): HttpApi {
  const api = new HttpApi(scope, 'Webhook', { description: 'Heddle: webhooks of the policy repository' })
  const [route] = api.addRoutes({
    path: '/webhook',
    methods: [HttpMethod.POST],
    integration: new HttpLambdaIntegration('Receive', receive),
  })
  if (route !== undefined)
    accept(
      route,
      'AwsSolutions-APIG4',
      'a forge has no credentials of ours: the handler checks an HMAC over the raw body',
    )
  const logs = new LogGroup(scope, 'Log-webhook', {
    retention: RetentionDays.THREE_MONTHS,
    removalPolicy: RemovalPolicy.RETAIN,
  })
  const stage = api.defaultStage?.node.defaultChild
  if (!(stage instanceof CfnStage)) throw new Error('the API has no default stage')
  stage.defaultRouteSettings = { throttlingRateLimit: RATE, throttlingBurstLimit: BURST }
  // No headers and no body: the signature is made with a secret.
  const format = {
    id: '$context.requestId',
    at: '$context.requestTime',
    status: '$context.status',
    from: '$context.identity.sourceIp',
  }
  stage.accessLogSettings = { destinationArn: logs.logGroupArn, format: JSON.stringify(format) }
  return api
}
