/** GitHub on loopback: tokens for a signed JWT, the endpoints that are used, and the ways in which it fails. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createPublicKey, generateKeyPairSync, randomUUID, verify } from 'node:crypto'
import type { AddressInfo } from 'node:net'
import type { GithubSettings } from '../../functions/adapters/octokit-client.ts'
import { GithubRepository } from './github-repository.ts'
import { type Answered, answer } from './github-routes.ts'

export const REPOSITORY = 'acme/policies'
/** One pair for all servers of a process: 2,048 bits take a while. */
const KEYS = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PRIVATE_KEY = KEYS.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string

export type Fault =
  | 'rate-limit'
  | 'rate-limit-hour'
  | 'secondary'
  | 'broken'
  | 'silent'
  | 'cut'
  | 'page'
  | 'missing'
  | 'refused'
type Planned = { fault: Fault; where: RegExp; times: number }

export type GithubServer = {
  repository: GithubRepository
  settings: GithubSettings
  /** `METHOD path` of every request, in order. */
  asked: string[]
  lines: string[]
  tokens: Set<string>
  /** The next `times` requests whose `METHOD path` fits fail like this. */
  fail(fault: Fault, where?: RegExp, times?: number): void
  heal(): void
  /** Every token that was given is no longer taken. */
  revoke(): void
  close(): Promise<void>
}

/** Of each server another: the app's library shares what it asks for by the installation, not by the server. */
let installations = 0

export async function githubServer(): Promise<GithubServer> {
  const installationId = ++installations
  const repository = new GithubRepository()
  const faults: Planned[] = []
  const [asked, lines, tokens]: [string[], string[], Set<string>] = [[], [], new Set()]
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://github.test')
    const name = `${request.method} ${url.pathname}`
    asked.push(name)
    const planned = faults.find(({ where, times }) => times > 0 && where.test(name))
    if (planned !== undefined) {
      planned.times--
      if (misbehave(planned.fault, response)) return
    }
    bodyOf(request)
      .then((body) => respond(response, reply(repository, tokens, { request, url, body, installationId })))
      .catch((error: Error) => respond(response, { status: 500, body: { message: error.message } }))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    repository,
    asked,
    lines,
    tokens,
    settings: {
      appId: 4242,
      installationId,
      privateKey: PRIVATE_KEY,
      baseUrl: `http://127.0.0.1:${port}`,
      repository: REPOSITORY,
      log: (line) => void lines.push(line),
      secondMs: 1,
    },
    fail: (fault, where = /./, times = 1) => void faults.push({ fault, where, times }),
    heal: () => void faults.splice(0),
    revoke: () => tokens.clear(),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type Request = { request: IncomingMessage; url: URL; body: Record<string, unknown>; installationId: number }

function reply(repository: GithubRepository, tokens: Set<string>, asked: Request): Answered {
  const { request, url, body } = asked
  const { method = '', headers } = request
  const [kind = '', credential = ''] = (headers.authorization ?? '').split(' ')
  if (url.pathname === `/app/installations/${asked.installationId}/access_tokens`) {
    if (kind.toLowerCase() !== 'bearer' || !isOurJwt(credential)) return unauthorised()
    const token = `ghs_${randomUUID().replaceAll('-', '')}`
    tokens.add(token)
    const expires_at = new Date(Date.now() + 3_600_000).toISOString()
    return { status: 201, body: { token, expires_at, permissions: {}, repository_selection: 'selected' } }
  }
  if (!tokens.has(credential)) return unauthorised()
  const path = decodeURIComponent(url.pathname)
  if (!path.startsWith(`/repos/${REPOSITORY}`)) return { status: 404, body: { message: 'Not Found' } }
  const inside = path.slice(`/repos/${REPOSITORY}`.length)
  return answer(repository, { method, path: inside, query: url.searchParams, body, app: 4242 })
}

const unauthorised = (): Answered => ({ status: 401, body: { message: 'Bad credentials' } })

/** RS256 by the app's key, of this app, for at most ten minutes. */
function isOurJwt(jwt: string): boolean {
  const [head = '', claims = '', signature = ''] = jwt.split('.')
  const signed = Buffer.from(`${head}.${claims}`)
  const key = createPublicKey(KEYS.publicKey.export({ type: 'spki', format: 'pem' }))
  if (!verify('RSA-SHA256', signed, key, Buffer.from(signature, 'base64url'))) return false
  const { iss, iat, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, number>
  const now = Date.now() / 1000
  return Number(iss) === 4242 && (iat ?? 0) <= now && (exp ?? 0) > now && (exp ?? 0) - (iat ?? 0) <= 600
}

/** True when this was the answer, such as it is. */
function misbehave(fault: Fault, response: ServerResponse): boolean {
  const json = { 'content-type': 'application/json; charset=utf-8' }
  const say = (status: number, message: string, headers: Record<string, string> = {}) => {
    response.writeHead(status, { ...json, ...headers })
    response.end(JSON.stringify({ message }))
  }
  const reset = (seconds: number) => String(Math.floor(Date.now() / 1000) + seconds)
  const spent = 'API rate limit exceeded for installation ID 7.'
  switch (fault) {
    case 'rate-limit':
      say(403, spent, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset(2) })
      return true
    case 'rate-limit-hour':
      say(403, spent, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': reset(3600) })
      return true
    case 'secondary':
      say(403, 'You have exceeded a secondary rate limit. Please wait.', { 'retry-after': '2' })
      return true
    case 'broken':
      say(502, 'Server Error')
      return true
    case 'missing':
      say(404, 'Not Found')
      return true
    case 'refused':
      say(422, 'Validation Failed')
      return true
    case 'page':
      response.writeHead(200, { 'content-type': 'text/html' })
      response.end('<html>maintenance</html>')
      return true
    case 'cut':
      response.writeHead(200, { ...json, 'content-length': '1000' })
      response.write('{"object": ')
      setImmediate(() => response.destroy())
      return true
    case 'silent':
      return true
  }
}

async function bodyOf(request: IncomingMessage): Promise<Record<string, unknown>> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString('utf8')
  return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>)
}

function respond(response: ServerResponse, { status, body }: Answered): void {
  response.writeHead(status, body === undefined ? {} : { 'content-type': 'application/json; charset=utf-8' })
  response.end(body === undefined ? undefined : JSON.stringify(body))
}
