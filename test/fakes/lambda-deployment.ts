/** One deployment of the cloud's functions on this machine: store, trust, keys in a fake KMS, and each function's environment. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openFsStore } from '../../functions/adapters/fs-store.ts'
import type { ObjectStore } from '../../functions/ports.ts'
import { begin } from '../../functions/trust/ceremony.ts'
import type { Target } from '../../functions/trust/repository.ts'
import { BUNDLES } from '../../infra/cloud/bundle.ts'
import { ROOT_FILE, SETTINGS_FILE, SIGNERS } from '../../infra/cloud/deployment.ts'
import { ENVIRONMENT, keyVariable, queueVariable } from '../../infra/cloud/environment.ts'
import { type CloudFunction, type FunctionName, functionsByName } from '../../infra/cloud/functions.ts'
import type { Ring } from '../../pipelines/rollout/plan.ts'
import { FakeAws } from './aws.ts'
import { logTarget, membersOf, tableOf } from './init-repository.ts'
import { type AllKeys, memoryKeys, systemClock } from './keys.ts'
import { LambdaRuntime, ricProcess, type Start } from './lambda-runtime.ts'
import { memorySigner } from '../../functions/adapters/dev-keys.ts'

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url))
const TEXTS = fileURLToPath(new URL('../../programs', import.meta.url))

export const RINGS: Ring[] = [
  { name: 'ring-0', nodes: ['node-0'] },
  { name: 'ring-1', nodes: ['node-1', 'node-2'] },
]
export const REPOSITORY = 'acme/policies'
export const SECRET = 'a secret of the test'

export type LambdaDeployment = {
  directory: string
  store: ObjectStore
  aws: FakeAws
  keys: AllKeys
  functions: Record<FunctionName, LambdaRuntime>
  close(): Promise<void>
}

/** `repository`: a git repository. `code`: what the code key signs. `starts`: functions that are started otherwise. */
export async function deployLambdas(
  repository: string,
  code: readonly Target[],
  starts: Partial<Record<FunctionName, (variables: Record<string, string>) => Start>> = {},
): Promise<LambdaDeployment> {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-lambda-'))
  const aws = await FakeAws.open()
  const keys = memoryKeys()
  for (const role of SIGNERS)
    keys[role] = { signers: [memorySigner(aws.makeKey(role).privateKey)], threshold: 1 }
  aws.makeKey('webhook')
  const store = await openFsStore(join(directory, 'store'))
  const root = await begin(tableOf(store, keys, systemClock), membersOf(keys), [...code, logTarget(keys)])
  await writeSettings(join(directory, 'settings'), aws, keys, root)
  const shared = {
    [ENVIRONMENT.store]: `file://${join(directory, 'store')}`,
    [ENVIRONMENT.forge]: `file://${repository}`,
    [ENVIRONMENT.settings]: join(directory, 'settings'),
    [ENVIRONMENT.sources]: CHECKOUT,
    [ENVIRONMENT.texts]: TEXTS,
    AWS_ENDPOINT_URL: aws.url,
  }
  const functions: Partial<Record<FunctionName, LambdaRuntime>> = {}
  for (const [name, spec] of functionsByName()) {
    const variables = { ...shared, ...ownVariables(name, spec, aws.url) }
    const start = starts[name]?.(variables) ?? ricProcess(join(BUNDLES, name), variables)
    functions[name] = await LambdaRuntime.open(start)
  }
  const opened = functions as Record<FunctionName, LambdaRuntime>
  return {
    directory,
    store,
    aws,
    keys,
    functions: opened,
    async close() {
      await Promise.all(Object.values(opened).map((runtime) => runtime.close()))
      await aws.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

/** As the stacks would set them (the SDK calls a queue's URL as it is); a key's name stands for its ARN, the access key says who calls. */
function ownVariables(name: FunctionName, spec: CloudFunction, sqs: string): Record<string, string> {
  const variables: Record<string, string> = { AWS_ACCESS_KEY_ID: name }
  for (const key of spec.keys) variables[keyVariable(key)] = key
  for (const stage of spec.sends) variables[queueVariable(stage)] = `${sqs}/${stage}`
  return variables
}

async function writeSettings(
  directory: string,
  aws: FakeAws,
  keys: AllKeys,
  root: Uint8Array,
): Promise<void> {
  const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64')
  const publicKeys = SIGNERS.map((role) => [role, text(keys[role].signers[0]?.publicKey ?? new Uint8Array())])
  const deployment = {
    repository: { name: REPOSITORY, branch: 'main' },
    builderId: 'https://heddle.dev/builder/test',
    rings: RINGS,
    soakMs: 100,
    publicKeys: Object.fromEntries(publicKeys),
    sealed: {
      policy: text(aws.sealedKey('policy')),
      release: text(aws.sealedKey('release')),
      webhook: text(aws.seal('webhook', Buffer.from(`${SECRET}\n`))),
    },
  }
  await mkdir(directory)
  await writeFile(join(directory, SETTINGS_FILE), JSON.stringify(deployment))
  await writeFile(join(directory, ROOT_FILE), root)
}
