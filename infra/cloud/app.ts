/**
 * The CDK app. Without an image only the foundation is made: what an operator's ceremony needs first.
 *
 *     node dist/infra/cloud/app.js --out DIR [--image sha256:… --deployment DIR --forge URL]
 *
 * DIR gets the cloud assembly that `npx aws-cdk@2 deploy --app DIR` takes. cdk-nag's findings end it with 1.
 */
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { App, Validations } from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'
import { BUNDLES, bundleFunctions } from './bundle.ts'
import { ROOT_FILE, readDeployment, SETTINGS_FILE } from './deployment.ts'
import { functionsByName } from './functions.ts'
import { DeliveryStack, type DeliveryProps } from './stacks/delivery-stack.ts'
import { FoundationStack } from './stacks/foundation-stack.ts'

/** What a new CDK app would be made with: access logs come by the bucket's policy, not by an ACL. */
const FLAGS = { '@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy': true }

export type Stacks = { app: App; foundation: FoundationStack; delivery?: DeliveryStack }

/** `out`: the assembly's folder. `delivery` undefined = the foundation alone. */
export function makeApp(out: string, delivery?: Omit<DeliveryProps, 'foundation'>): Stacks {
  const app = new App({ outdir: out, analyticsReporting: false, context: FLAGS })
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
  const foundation = new FoundationStack(app, 'HeddleFoundation')
  if (delivery === undefined) return { app, foundation }
  return { app, foundation, delivery: new DeliveryStack(app, 'HeddleDelivery', { foundation, ...delivery }) }
}

/** Bundles with the deployment's files beside the code that reads them. */
async function settledBundles(deployment: string): Promise<string> {
  readDeployment(deployment)
  await bundleFunctions(BUNDLES)
  for (const [name, { readsDeployment }] of functionsByName()) {
    if (!readsDeployment) continue
    for (const file of [SETTINGS_FILE, ROOT_FILE]) await cp(join(deployment, file), join(BUNDLES, name, file))
  }
  return BUNDLES
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const
  const { values } = parseArgs({ options: { out: text, image: text, deployment: text, forge: text } })
  const { out, image, deployment, forge } = values
  const isWhole = image !== undefined && deployment !== undefined && forge !== undefined
  if (out === undefined || (!isWhole && (image ?? deployment ?? forge) !== undefined)) {
    console.error('usage: app --out DIR [--image sha256:… --deployment DIR --forge URL]')
    process.exit(2)
  }
  const delivery = isWhole ? { image, forge, bundles: await settledBundles(deployment) } : undefined
  makeApp(out, delivery).app.synth()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
