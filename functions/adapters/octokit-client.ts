/**
 * GitHub's REST API as an installed app, bounded: every answer has a limit of bytes and of time, short
 * waits (retries, rate limits) happen here, long ones are the queue's. What comes in is `unknown` until a
 * schema has read it: a proxy's page in the place of an answer is a failure, not a value.
 */
import { createAppAuth } from '@octokit/auth-app'
import { retry } from '@octokit/plugin-retry'
import { throttling } from '@octokit/plugin-throttling'
import { Octokit } from '@octokit/rest'
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import { pace } from './octokit-pace.ts'

export type GithubSettings = {
  appId: number
  /** PEM. Never part of a message or a log line. */
  privateKey: string
  installationId: number
  /** https://api.github.com, or https://<host>/api/v3 of an own server. */
  baseUrl: string
  /** owner/name */
  repository: string
  log: (line: string) => void
  /** Milliseconds of the second in which GitHub counts its waits; a test's are shorter. */
  secondMs?: number
  /** Milliseconds that a request may take, its answer read to the end. */
  requestMs?: number
}

export type Parameters = Record<string, unknown>

export interface GithubClient {
  readonly appId: number
  /** Throws Failure('forge-unavailable'), or 'forge-refused' where the same request will never be taken. */
  ask<T>(route: string, parameters: Parameters, answer: z.ZodType<T>): Promise<T>
  /** The same; undefined = there is no such thing. */
  find<T>(route: string, parameters: Parameters, answer: z.ZodType<T>): Promise<T | undefined>
  /** The same; 'forbidden' = the app was not given the permission. */
  findAllowed<T>(
    route: string,
    parameters: Parameters,
    answer: z.ZodType<T>,
  ): Promise<T | undefined | 'forbidden'>
  /** All pages of a list, at most MAX_PAGES of 100. */
  list<T>(route: string, parameters: Parameters, entry: z.ZodType<T>): Promise<T[]>
}

/** Tries behind the first one, after 1 and 4 seconds: more is the queue's. */
const RETRIES = 2
/** Seconds of a rate limit that are waited for here. */
const MAX_WAIT_SECONDS = 5
const REQUEST_MS = 10_000
/** The largest answer is a tree, of which GitHub gives 7 MB. */
const MAX_ANSWER_BYTES = 32 * 1024 * 1024
const PAGE = 100
/** 1,000 comments or reviews of one pull request. */
const MAX_PAGES = 10
/** GitHub: pause at least a second between requests that write (REST best practices). */
const WRITE_SECONDS = 1

const Client = Octokit.plugin(retry, throttling)

export function githubClient(settings: GithubSettings): GithubClient {
  const octokit = open(settings)
  const [owner = '', repo = ''] = settings.repository.split('/')
  const ask = async <T>(route: string, parameters: Parameters, answer: z.ZodType<T>): Promise<T> => {
    const { data } = await octokit.request(route, { owner, repo, ...parameters }).catch((error: unknown) => {
      throw failureOf(route, error)
    })
    const read = answer.safeParse(data)
    if (read.success) return read.data
    throw new Failure('forge-unavailable', `${route}: the answer is not what GitHub documents`)
  }
  const find = <T>(route: string, parameters: Parameters, answer: z.ZodType<T>) =>
    ask(route, parameters, answer).catch((error: unknown) => {
      if (error instanceof Failure && statusOf(error.cause) === 404) return undefined
      throw error
    })
  return {
    appId: settings.appId,
    ask,
    find,
    findAllowed: (route, parameters, answer) =>
      find(route, parameters, answer).catch((error: unknown) => {
        if (error instanceof Failure && (error.cause as Answered).lacksPermission) return 'forbidden'
        throw error
      }),
    async list<T>(route: string, parameters: Parameters, entry: z.ZodType<T>): Promise<T[]> {
      const all: T[] = []
      for (let page = 1; page <= MAX_PAGES; page++) {
        const entries = await ask(route, { ...parameters, per_page: PAGE, page }, z.array(entry))
        all.push(...entries)
        if (entries.length < PAGE) break
      }
      return all
    },
  }
}

function open({ appId, privateKey, installationId, baseUrl, log, ...times }: GithubSettings) {
  const { secondMs = 1000, requestMs = REQUEST_MS } = times
  const quiet = () => {}
  const waits = (what: string) => (seconds: number, options: object, _: unknown, tries: number) => {
    const { method, url } = options as { method: string; url: string }
    const wait = seconds <= MAX_WAIT_SECONDS && tries < RETRIES
    log(`github: ${what} at ${method} ${url}: ${seconds} s, ${wait ? 'waiting' : 'left to the queue'}`)
    return wait
  }
  const writes = pace(WRITE_SECONDS * secondMs)
  return new Client({
    baseUrl,
    userAgent: 'heddle',
    log: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    authStrategy: installationAuth,
    auth: { appId, privateKey, installationId },
    request: { fetch: boundedFetch(requestMs) },
    retry: { retries: RETRIES, retryAfterBaseValue: secondMs },
    throttle: {
      id: `${appId}/${installationId}/${baseUrl}`,
      retryAfterBaseValue: secondMs,
      fallbackSecondaryRateRetryAfter: 60,
      onRateLimit: waits('rate limit'),
      onSecondaryRateLimit: waits('secondary rate limit'),
      // The plugin asks of a group that it gives a limiter by key; one client has one key.
      write: writes as never,
      notifications: writes as never,
    },
  })
}

type Auth = ReturnType<typeof createAppAuth>

/**
 * createAppAuth, but for a token that the server no longer takes (revoked, or our clock is off): that one is
 * replaced at once, and once. Its own hook would wait for it to come into force.
 */
function installationAuth(options: Parameters_<typeof createAppAuth>) {
  const auth = createAppAuth(options)
  const hook: Auth['hook'] = async (request, route, parameters) => {
    const endpoint = request.endpoint.merge(route as string, parameters)
    if (endpoint.url?.includes('/app/installations/')) return auth.hook(request, route as string, parameters)
    const send = async (refresh: boolean) => {
      const { token } = await auth({ type: 'installation', refresh })
      return request({
        ...endpoint,
        headers: { ...endpoint.headers, authorization: `token ${token}` },
      } as never)
    }
    return send(false).catch((error: unknown) => {
      if (statusOf(error) === 401) return send(true)
      throw error
    }) as never
  }
  return Object.assign(auth.bind(null), { hook })
}
type Parameters_<F extends (...args: never[]) => unknown> = F extends (options: infer O) => unknown
  ? O
  : never

/** fetch within the limits; a body that ends early is an error, not a shorter answer. */
function boundedFetch(requestMs: number) {
  return async (url: string, options: RequestInit): Promise<Response> => {
    const response = await fetch(url, { ...options, signal: AbortSignal.timeout(requestMs) })
    const chunks: Uint8Array[] = []
    let length = 0
    for await (const chunk of response.body ?? []) {
      length += chunk.length
      if (length > MAX_ANSWER_BYTES) throw new Error(`the answer has more than ${MAX_ANSWER_BYTES} bytes`)
      chunks.push(chunk)
    }
    const { status, headers } = response
    return new Response(chunks.length === 0 ? null : Buffer.concat(chunks), { status, headers })
  }
}

type Answered = { status: number | undefined; lacksPermission: boolean }

/** Only method, path and status: what GitHub's errors carry besides are requests with their headers. */
function failureOf(route: string, error: unknown): Failure {
  const status = statusOf(error)
  const never = status === 422 || status === 410
  const message = status === undefined ? 'no answer' : `answered ${status}`
  // A rate limit is a 403 as well.
  const lacksPermission = status === 403 && /not accessible by integration/i.test((error as Error).message)
  const cause: Answered = { status, lacksPermission }
  return new Failure(never ? 'forge-refused' : 'forge-unavailable', `${route}: ${message}`, { cause })
}

function statusOf(error: unknown): number | undefined {
  const status = (error as { status?: unknown } | undefined)?.status
  return typeof status === 'number' ? status : undefined
}
