/**
 * Requests to an S3 server that may be slow, broken or hostile: each answer is bounded in bytes and in time
 * before anything parses it, and each failure has a meaning.
 */
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { Readable } from 'node:stream'
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import type { S3Address } from '../../pipelines/contract/store-address.ts'
import { type Meaning, meaningOf, pauseMs, plainName } from '../../pipelines/contract/store-answers.ts'

export type Patience = {
  /** Milliseconds for one request and the whole of its answer; who trickles is cut off here. */
  attemptMs: number
  /** Requests before we say that nobody answers. */
  attempts: number
  /** In [0, 1): the part of a pause that is waited. */
  random(): number
}
/** 64 MB in 30 s is 17 Mbit/s; the pauses between six attempts outlast a failover of a second. */
export const PATIENCE: Patience = { attemptMs: 30_000, attempts: 6, random: Math.random }

const CONNECT_MS = 5_000
/** Bytes of an answer that is no object: an error, a bucket's settings. */
const MAX_DOCUMENT_BYTES = 64 * 1024
/** Sockets at a time; further requests wait for one. */
const MAX_SOCKETS = 64
/** The SDK asks again 5 minutes before this: credentials that are exchanged in their file count without a restart. */
const CREDENTIALS_MS = 10 * 60_000

const Credentials = z.strictObject({
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().min(1).optional(),
})

/** Why a request did not succeed. */
export class Refusal extends Error {
  readonly meaning: Meaning

  constructor(meaning: Meaning, message: string, cause: unknown) {
    super(message, { cause })
    this.meaning = meaning
  }

  /** For who can do nothing about it. */
  get failure(): Failure {
    const { message, cause } = this
    if (this.meaning === 'denied') return new Failure('store-denied', message, { cause })
    if (this.meaning === 'unfit') return new Failure('store-unfit', message, { cause })
    return new Failure('store-unavailable', message, { cause })
  }
}

type Ask<T> = (client: S3Client, options: { abortSignal: AbortSignal }) => Promise<T>

export class S3Wire {
  readonly #client: S3Client
  readonly #patience: Patience

  constructor(address: S3Address, patience: Patience) {
    this.#client = new S3Client(configOf(address))
    this.#patience = patience
    this.#client.middlewareStack.add(
      (next, { commandName }) =>
        async (args) => {
          const result = await next(args)
          await boundDocument(result.response as Answer, commandName === 'GetObjectCommand')
          return result
        },
      { step: 'deserialize', priority: 'low', name: 'heddleBound' },
    )
  }

  /** One attempt. `what` is named when it fails. Throws Refusal or Failure. */
  async once<T>(what: string, ask: Ask<T>): Promise<T> {
    const abortSignal = AbortSignal.timeout(this.#patience.attemptMs)
    try {
      return await ask(this.#client, { abortSignal })
    } catch (error) {
      if (error instanceof Failure) throw error
      throw refusalOf(what, error, abortSignal.aborted)
    }
  }

  /** For what may be asked twice: again, after a pause, until there is an answer. Throws Refusal or Failure. */
  async patiently<T>(what: string, ask: Ask<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.once(what, ask)
      } catch (error) {
        if (!(await this.shallTryAgain(error, attempt))) throw error
      }
    }
  }

  /** Waits, and says whether another attempt makes sense. */
  async shallTryAgain(error: unknown, attempt: number): Promise<boolean> {
    if (!(error instanceof Refusal) || attempt + 1 >= this.#patience.attempts) return false
    if (error.meaning !== 'unsure' && error.meaning !== 'raced') return false
    const pause = pauseMs(attempt, this.#patience.random())
    await new Promise((resolve) => setTimeout(resolve, pause))
    return true
  }

  close(): void {
    this.#client.destroy()
  }
}

/** Bytes of an object, never more than `maxBytes`, whatever its head says. */
export async function collect(body: unknown, maxBytes: number, what: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  // Leaving the loop by an error ends the connection.
  for await (const chunk of body as Readable) {
    length += (chunk as Uint8Array).length
    if (length > maxBytes) throw new Failure('store-too-large', `${what} has more than ${maxBytes} bytes`)
    chunks.push(chunk as Uint8Array)
  }
  return new Uint8Array(Buffer.concat(chunks, length))
}

type Answer = { statusCode: number; body: unknown }

/** The SDK reads errors and documents to their end: here they have one. Objects are bounded by who asked. */
async function boundDocument(answer: Answer, isObject: boolean): Promise<void> {
  if (isObject && answer.statusCode < 300) return
  // Its own kind of error: whether the request was done is not known.
  const bytes = await collect(answer.body, MAX_DOCUMENT_BYTES, 'the answer').catch((cause: Error) => {
    throw new Error(cause.message, { cause })
  })
  answer.body = Readable.from([bytes])
}

function refusalOf(what: string, error: unknown, isLate: boolean): Refusal {
  const { name, $metadata } = error as { name?: unknown; $metadata?: { httpStatusCode?: number } }
  const status = isLate ? undefined : $metadata?.httpStatusCode
  const named = plainName(name)
  const said = status === undefined ? (isLate ? 'too slow' : (error as Error).message) : `${status} ${named}`
  return new Refusal(meaningOf(status, named), `${what}: ${said}`, error)
}

function configOf(address: S3Address): S3ClientConfig {
  // The pinned version is one that supports this Node; its word about the next ones is for who upgrades it.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  const { region, endpoint, credentials } = address
  return {
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint: urlOf(endpoint), forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials: () => readCredentials(credentials) }),
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      httpAgent: new Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, ...socketOf(endpoint) }),
    },
    // Attempts are counted where it is known what a second one would mean.
    maxAttempts: 1,
    // Bodies are signed as they are: servers that are not AWS know no trailing checksums.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
  }
}

const SOCKET = 'unix:'
const urlOf = (endpoint: string): string => (endpoint.startsWith(SOCKET) ? 'http://localhost' : endpoint)
const socketOf = (endpoint = '') =>
  endpoint.startsWith(SOCKET) ? { socketPath: endpoint.slice(SOCKET.length) } : {}

async function readCredentials(file: string) {
  try {
    const { accessKeyId, secretAccessKey, sessionToken } = Credentials.parse(
      JSON.parse(await readFile(file, 'utf8')),
    )
    const token = sessionToken === undefined ? {} : { sessionToken }
    return { accessKeyId, secretAccessKey, ...token, expiration: new Date(Date.now() + CREDENTIALS_MS) }
  } catch (cause) {
    const form = '{ "accessKeyId", "secretAccessKey" }'
    throw new Failure('store-denied', `${file} can't be read as ${form}`, { cause })
  }
}
