/** A delivery over a GitHub on loopback. */
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { octokitParts } from '../../functions/adapters/octokit-parts.ts'
import { composeFunctions } from '../../functions/compose.ts'
import type { Posts } from '../../functions/ports.ts'
import { signatureOf } from '../../functions/receive/webhook-signature.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { Provenance } from '../../pipelines/contract/provenance.ts'
import { deliveryWorld, type World } from './delivery-world.ts'
import { type GithubServer, githubServer, REPOSITORY } from './github-server.ts'
import { memoryKeys } from './keys.ts'

const keys = memoryKeys()
const repository = { full_name: REPOSITORY }
export const PUSH = { ref: 'refs/heads/main', repository }

export const policy = (name: string, path = '/public') => ({
  [`policies/${name}.yaml`]: JSON.stringify({
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name, namespace: 'shop' },
    spec: {
      endpointSelector: { matchLabels: { app: name } },
      ingress: [{ toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }], rules: { http: [{ path }] } }] }],
    },
  }),
})
/** One GitHub and one delivery; tests have their own, so that they wait side by side. */
export class Scene {
  readonly server: GithubServer
  readonly world: World

  private constructor(server: GithubServer, world: World) {
    this.server = server
    this.world = world
  }

  /** Statuses can't be posted before `ready` says so. */
  static async open(ready: (at: Scene) => Promise<boolean> = async () => true): Promise<Scene> {
    const server = await githubServer()
    const { posts, ...forge } = octokitParts(server.settings)
    const opened: { scene?: Scene } = {}
    const status: Posts['status'] = async (commit, told) => {
      if (opened.scene === undefined || !(await ready(opened.scene))) {
        throw new Failure('forge-unavailable', 'down')
      }
      return posts.status(commit, told)
    }
    const world = await deliveryWorld(keys, (parts) =>
      composeFunctions({ ...parts, ...forge, posts: { ...posts, status } }),
    )
    opened.scene = new Scene(server, world)
    return opened.scene
  }

  async hook(event: string, payload: object): Promise<number | undefined> {
    const body = Buffer.from(JSON.stringify(payload))
    const headers = { 'x-github-event': event, 'x-hub-signature-256': signatureOf(body, 'secret') }
    const request = { headers, body: body.toString('base64'), isBase64Encoded: true }
    return (await this.world.functions.receive(request as unknown as APIGatewayProxyEventV2)).statusCode
  }

  pulled(action: string, number: number, more: object = {}): Promise<number | undefined> {
    const pull_request = { base: { ref: 'main' }, ...more }
    return this.hook('pull_request', { action, number, repository, pull_request })
  }

  /** A delivered first commit. */
  async delivered(): Promise<string> {
    const first = this.server.repository.commit(policy('api'))
    this.server.repository.push(first)
    await this.hook('push', PUSH)
    await this.world.settle()
    return first
  }

  async released(ring = 'ring-1'): Promise<string | undefined> {
    return ((await this.world.outcome()).rings[ring] as { commit?: string }).commit
  }

  stages(): string[] {
    return this.world.waiting.map(({ event }) => event.stage)
  }

  /** In the envelope whose statement names the commit. */
  async review(commit: string): Promise<unknown> {
    for (const bytes of this.world.store.objects.values()) {
      const text = Buffer.from(bytes).toString('utf8')
      if (!text.startsWith('{"payload":')) continue
      const { payload } = JSON.parse(text) as { payload: string }
      const read = Provenance.safeParse(JSON.parse(Buffer.from(payload, 'base64').toString()))
      if (!read.success) continue
      const { externalParameters, internalParameters } = read.data.predicate.buildDefinition
      if (externalParameters.commit === commit) return internalParameters?.review
    }
    return undefined
  }
}

/** Ends what the test began, whatever comes of it. */
export function scene(play: (at: Scene) => Promise<void>, open = () => Scene.open()): () => Promise<void> {
  return async () => {
    const at = await open()
    await play(at).finally(at.server.close)
  }
}
