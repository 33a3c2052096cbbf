/**
 * Object store in an S3 bucket, the reading side, with this node's own credentials: s3:GetObject is all they need.
 * What is read is bounded in bytes and in time; nothing of it is believed.
 */
import { readFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { Readable } from 'node:stream'
import { GetObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3'
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import { isObjectKey } from '../../pipelines/contract/object-keys.ts'
import type { S3Address } from '../../pipelines/contract/store-address.ts'
import { meaningOf, pauseMs, plainName } from '../../pipelines/contract/store-answers.ts'
import type { Store } from '../ports.ts'

export type Patience = {
  /** Milliseconds for one whole object; who trickles is cut off here. */
  attemptMs: number
  /** Requests before this look is given up; the agent's timer brings the next one. */
  attempts: number
  /** In [0, 1): the part of a pause that is waited. */
  random(): number
}
const PATIENCE: Patience = { attemptMs: 60_000, attempts: 3, random: Math.random }

const CONNECT_MS = 5_000
/** Bytes of an answer that is no object: an error. */
const MAX_ERROR_BYTES = 64 * 1024
/** The SDK asks again 5 minutes before this: credentials that are exchanged in their file count without a restart. */
const CREDENTIALS_MS = 10 * 60_000

const Credentials = z.strictObject({
  accessKeyId: z.string().min(1),
  secretAccessKey: z.string().min(1),
  sessionToken: z.string().min(1).optional(),
})

export function s3Store(address: S3Address, patience: Patience = PATIENCE): Store {
  const client = clientOf(address)
  const { bucket, prefix } = address
  return {
    async get(key, maxBytes) {
      if (!isObjectKey(key)) throw new Failure('store-unavailable', `${key} is no object key`)
      const where = { Bucket: bucket, Key: `${prefix}${key}` }
      for (let attempt = 0; ; attempt++) {
        const abortSignal = AbortSignal.timeout(patience.attemptMs)
        try {
          const { Body } = await client.send(new GetObjectCommand(where), { abortSignal })
          return await readBounded(Body as Readable, key, maxBytes)
        } catch (error) {
          const found = abortSignal.aborted ? tooSlow(key, error) : judged(key, error)
          if (found === 'missing') return undefined
          if (found.isFinal || attempt + 1 >= patience.attempts) throw found.failure
          await new Promise((resolve) => setTimeout(resolve, pauseMs(attempt, patience.random())))
        }
      }
    },
  }
}

type Judged = { failure: Failure; isFinal: boolean }

const tooSlow = (key: string, cause: unknown): Judged => ({
  failure: new Failure('store-unavailable', `${key}: too slow`, { cause }),
  isFinal: false,
})

function judged(key: string, cause: unknown): 'missing' | Judged {
  if (cause instanceof Failure) return { failure: cause, isFinal: true }
  const { name, $metadata } = cause as { name?: unknown; $metadata?: { httpStatusCode?: number } }
  const status = $metadata?.httpStatusCode
  const meaning = meaningOf(status, plainName(name))
  // Who may not list a bucket is told this of what is not there, too (as with plain HTTP).
  if (meaning === 'missing' || plainName(name) === 'AccessDenied') return 'missing'
  const said = status === undefined ? `can't read ${key}` : `${key}: ${status} ${plainName(name)}`
  const isFinal = meaning === 'denied' || meaning === 'unfit'
  const code =
    meaning === 'denied' ? 'store-denied' : meaning === 'unfit' ? 'store-unfit' : 'store-unavailable'
  return { failure: new Failure(code, said, { cause }), isFinal }
}

async function readBounded(body: Readable, key: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  // Leaving the loop by an error ends the connection.
  for await (const chunk of body) {
    length += (chunk as Uint8Array).length
    if (length > maxBytes) throw new Failure('store-too-large', `${key} has more than ${maxBytes} bytes`)
    chunks.push(chunk as Uint8Array)
  }
  return Buffer.concat(chunks, length)
}

/** The SDK reads an error to its end: here it has one, and is no object that is too large. */
function readError(body: Readable): Promise<Uint8Array> {
  return readBounded(body, 'an error of the store', MAX_ERROR_BYTES).catch((cause: Error) => {
    throw new Error(cause.message, { cause })
  })
}

function clientOf(address: S3Address): S3Client {
  const client = new S3Client(configOf(address))
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args)
      const answer = result.response as { statusCode: number; body: Readable }
      if (answer.statusCode >= 300) answer.body = Readable.from([await readError(answer.body)])
      return result
    },
    { step: 'deserialize', priority: 'low', name: 'heddleBound' },
  )
  return client
}

function configOf({ region, endpoint, credentials }: S3Address): S3ClientConfig {
  // The pinned version is one that supports this Node; its word about the next ones is for who upgrades it.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true'
  const socketPath = endpoint?.startsWith('unix:') ? endpoint.slice('unix:'.length) : undefined
  const url = socketPath === undefined ? endpoint : 'http://localhost'
  return {
    ...(region === undefined ? {} : { region }),
    ...(url === undefined ? {} : { endpoint: url, forcePathStyle: true }),
    ...(credentials === undefined ? {} : { credentials: () => readCredentials(credentials) }),
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      httpAgent: new Agent({ keepAlive: true, ...(socketPath === undefined ? {} : { socketPath }) }),
    },
    maxAttempts: 1,
    responseChecksumValidation: 'WHEN_REQUIRED',
  }
}

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
