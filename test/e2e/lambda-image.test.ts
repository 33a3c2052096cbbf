import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { buildImage } from '../../infra/cloud/image/build-image.ts'
import { ENVIRONMENT } from '../../infra/cloud/environment.ts'
import { IMAGE } from '../../infra/cloud/image/root-files.ts'
import { checkoutCode } from '../../infra/trust/checkout-code.ts'
import { type Container, imageAbsent, openContainer } from '../fakes/image-container.ts'
import { deployLambdas, type LambdaDeployment } from '../fakes/lambda-deployment.ts'
import { ricAbsent } from '../fakes/lambda-runtime.ts'
import { LambdaWorld } from '../fakes/lambda-world.ts'
import { policyRepository } from '../fakes/policy-repository.ts'

/** Building it twice and unpacking it are 1.5 GB of writes. */
const skip =
  process.env['HEDDLE_DEEP'] === '1' ? ricAbsent() || imageAbsent() : 'builds two images: npm run test:deep'

const POLICY = {
  'policies/api.yaml': JSON.stringify({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: 'api', namespace: 'shop' },
    spec: { endpointSelector: { matchLabels: { app: 'api' } }, ingress: [{}] },
  }),
}

describe('the compile function as a container image', { skip }, () => {
  let directory = ''
  let commits: string[] = []
  let container: Container | undefined
  const open: LambdaDeployment[] = []

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'heddle-lambda-image-'))
    commits = await policyRepository(join(directory, 'policies'), [POLICY])
  })
  after(async () => {
    for (const deployment of open) await deployment.close()
    await container?.close()
    await rm(directory, { recursive: true, force: true })
  })

  /** One push through every ring; what came of it. */
  async function deliver(image?: Container) {
    const compile = (variables: Record<string, string>) => (api: string) => {
      const shared = variables[ENVIRONMENT.store]?.replace('file://', '') ?? ''
      return (image as Container).start(shared, variables)(api)
    }
    const starts = image === undefined ? {} : { compile }
    const deployment = await deployLambdas(join(directory, 'policies'), await checkoutCode(), starts)
    open.push(deployment)
    const world = new LambdaWorld(deployment, commits)
    assert.equal(await world.webhook(), 202)
    await world.settle()
    const where = image === undefined ? 'dist/lambda/compile' : IMAGE.task
    assert.match(deployment.functions.compile.output, new RegExp(`in function directory '[^']*${where}'`))
    return world.outcome()
  }

  it('has the same digest whenever it is built', async () => {
    const [one, other] = [join(directory, 'one.tar'), join(directory, 'other.tar')]
    assert.equal(await buildImage(one), await buildImage(other))
    container = await openContainer(one)
  })

  it('compiles a push to the same artifact as outside, with the programs that it carries', async () => {
    assert.ok(container !== undefined)
    const inside = await deliver(container)
    assert.equal(inside.statuses[0]?.stage, 'done')
    assert.deepEqual(inside, await deliver())
    const kept = await container.list(IMAGE.texts)
    assert.deepEqual(kept, await readdir('dist/programs'), 'clang was asked for no program again')
  })
})
