/**
 * What the functions use of AWS beside the store, on loopback: SQS takes messages, KMS signs and opens.
 * Who calls is told by the access key; each may do what the functions' table grants, as its role would.
 * Sources: the API references of SQS (SendMessage) and KMS (Sign, Decrypt).
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { FUNCTIONS, type FunctionName } from '../../infra/cloud/functions.ts'
import type { StageName } from '../../pipelines/contract/events.ts'

const MAX_DELAY_S = 900
const MAX_MESSAGE_BYTES = 1024 * 1024
const MAX_RAW_BYTES = 4096

export type Sent = { stage: StageName; body: string; delayMs: number; sender: FunctionName }
/** Around each call: `before` nothing has happened, `after` it has, and the caller does not know. */
export type Gate = (when: 'before' | 'after', action: string) => Promise<'refuse' | undefined>

type Key = { privateKey: KeyObject; publicKey: Uint8Array; seal: Buffer }
type Body = Record<string, unknown>

class Refusal extends Error {}

export class FakeAws {
  readonly sent: Sent[] = []
  gate: Gate = async () => undefined
  readonly #keys = new Map<string, Key>()
  readonly #server = createServer((request, response) => {
    this.#serve(request, response).catch(() => response.destroy())
  })

  static async open(): Promise<FakeAws> {
    const aws = new FakeAws()
    await new Promise<void>((resolve) => aws.#server.listen(0, '127.0.0.1', resolve))
    return aws
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Makes a key of this name, to sign and to seal; a real KMS has one kind each. */
  makeKey(name: string): Key {
    const { privateKey } = generateKeyPairSync('ed25519')
    const der = createPublicKey(privateKey).export({ format: 'der', type: 'spki' })
    const key = { privateKey, publicKey: new Uint8Array(der.subarray(-32)), seal: randomBytes(32) }
    this.#keys.set(name, key)
    return key
  }

  /** Encrypts under a key, for one purpose. */
  seal(name: string, plaintext: Uint8Array): Uint8Array {
    const nonce = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', this.#key(name).seal, nonce)
    cipher.setAAD(contextOf({ 'heddle:purpose': name }))
    return new Uint8Array(
      Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]),
    )
  }

  /** The private key as KMS's GenerateDataKeyPairWithoutPlaintext gives it: PKCS #8, sealed. */
  sealedKey(name: string): Uint8Array {
    return this.seal(
      name,
      new Uint8Array(this.#key(name).privateKey.export({ format: 'der', type: 'pkcs8' })),
    )
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const caller = callerOf(request)
    const body = JSON.parse((await buffer(request)).toString('utf8')) as Body
    const [, action] = String(request.headers['x-amz-target']).split('.')
    const refused = (await this.gate('before', String(action))) === 'refuse'
    let answer: { status: number; body: Body }
    try {
      if (refused) throw new Refusal('not now')
      answer = { status: 200, body: this.#act(caller, String(action), body) }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      answer = { status: 400, body: { __type: 'AccessDeniedException', message: error.message } }
    }
    await this.gate('after', String(action))
    response.writeHead(answer.status, { 'content-type': 'application/x-amz-json-1.0' })
    response.end(JSON.stringify(answer.body))
  }

  #act(caller: FunctionName, action: string, body: Body): Body {
    if (action === 'SendMessage') return this.#send(caller, body)
    const name = String(body['KeyId'])
    const granted: readonly string[] = FUNCTIONS[caller].keys
    if (!granted.includes(name)) throw new Refusal(`${caller} may not use the key ${name}`)
    if (action === 'Sign') return this.#sign(name, body)
    if (action === 'Decrypt') return this.#open(name, body)
    throw new Refusal(`no action ${action} here`)
  }

  #send(sender: FunctionName, body: Body): Body {
    const stage = String(body['QueueUrl']).split('/').at(-1) as StageName
    const granted: readonly string[] = FUNCTIONS[sender].sends
    if (!granted.includes(stage)) throw new Refusal(`${sender} may not send to ${stage}`)
    const text = String(body['MessageBody'])
    const delay = Number(body['DelaySeconds'] ?? 0)
    if (!Number.isInteger(delay) || delay < 0 || delay > MAX_DELAY_S)
      throw new Refusal(`a delay of ${delay} s`)
    if (Buffer.byteLength(text) > MAX_MESSAGE_BYTES) throw new Refusal('the message is too long')
    this.sent.push({ stage, body: text, delayMs: delay * 1000, sender })
    return {
      MessageId: `m-${this.sent.length}`,
      MD5OfMessageBody: createHash('md5').update(text).digest('hex'),
    }
  }

  #sign(name: string, body: Body): Body {
    const message = Buffer.from(String(body['Message']), 'base64')
    if (body['SigningAlgorithm'] !== 'ED25519_SHA_512' || body['MessageType'] !== 'RAW')
      throw new Refusal('an Ed25519 key signs ED25519_SHA_512 over RAW')
    if (message.length > MAX_RAW_BYTES) throw new Refusal(`a message of ${message.length} bytes`)
    return { Signature: sign(null, message, this.#key(name).privateKey).toString('base64') }
  }

  #open(name: string, body: Body): Body {
    const sealed = Buffer.from(String(body['CiphertextBlob']), 'base64')
    const decipher = createDecipheriv('aes-256-gcm', this.#key(name).seal, sealed.subarray(0, 12))
    decipher.setAAD(contextOf(body['EncryptionContext']))
    decipher.setAuthTag(sealed.subarray(-16))
    try {
      const plaintext = Buffer.concat([decipher.update(sealed.subarray(12, -16)), decipher.final()])
      return { Plaintext: plaintext.toString('base64') }
    } catch {
      throw new Refusal('the ciphertext is of another key or context')
    }
  }

  #key(name: string): Key {
    const key = this.#keys.get(name)
    if (key === undefined) throw new Refusal(`no key ${name}`)
    return key
  }
}

const contextOf = (context: unknown): Buffer => Buffer.from(JSON.stringify(context ?? {}))

/** The access key is the function's name: `Credential=<name>/<date>/…`. */
function callerOf({ headers }: IncomingMessage): FunctionName {
  const name = /Credential=([^/]+)\//.exec(String(headers.authorization))?.[1] ?? ''
  if (!(name in FUNCTIONS)) throw new Error(`nobody's credential: ${name}`)
  return name as FunctionName
}
