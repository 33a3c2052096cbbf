/**
 * What a node shows to the bus: its keys, which never leave it, and what was signed for them, which lies in
 * the object store and is asked for there before it ends. A store that lies can keep a node from the bus, and
 * no more: the bus believes signatures, and the node looks again.
 */
import { X509Certificate, createPrivateKey } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fromSeed, type KeyPair } from '@nats-io/nkeys'
import type { ConnectionOptions, TlsOptions } from '@nats-io/transport-node'
import { z } from 'zod'
import { BUS_SERVER_NAME, MAX_CREDENTIAL_BYTES } from '../../pipelines/contract/bus-members.ts'
import { busCertificateKey, busJwtKey } from '../../pipelines/contract/object-keys.ts'
import type { Disk } from '../disk.ts'
import type { Store } from '../ports.ts'

/** Files of the node's state. */
const JWT = 'bus.jwt'
const CERTIFICATE = 'bus.pem'
/** Part of its life from which on what is kept is asked for again. */
const ASKED_AT = 1 / 3

export type CredentialOptions = {
  node: string
  /** Files: the seed of the node's NKEY; who signs servers, and the node's own key. */
  seed: string
  tls: { ca: string; key: string } | null
  store: Store
  disk: Disk
}

type Kept = { text: string; begins: number; ends: number }

const Claims = z.looseObject({ sub: z.string(), name: z.string(), iat: z.number(), exp: z.number() })

export class NatsCredentials {
  readonly #options: CredentialOptions
  readonly #keys: KeyPair
  readonly #nkey: string
  readonly #tlsKey: string | undefined
  #jwt: Kept | undefined
  #certificate: Kept | undefined
  #refused = false

  private constructor(options: CredentialOptions, keys: KeyPair, tlsKey: string | undefined) {
    this.#options = options
    this.#keys = keys
    this.#nkey = keys.getPublicKey()
    this.#tlsKey = tlsKey
  }

  /** With what was kept by an earlier process. Throws the file system's error for a key that is not there. */
  static async open(options: CredentialOptions): Promise<NatsCredentials> {
    const { seed, tls, disk } = options
    const keys = fromSeed(Buffer.from((await readFile(seed, 'utf8')).trim()))
    const credentials = new NatsCredentials(options, keys, tls ? await readFile(tls.key, 'utf8') : undefined)
    credentials.#jwt = credentials.#judgeJwt(await disk.read(JWT))
    credentials.#certificate = credentials.#judgeCertificate(await disk.read(CERTIFICATE))
    return credentials
  }

  /** Undefined = nobody has signed anything for this node yet. Read again at every connect. */
  get shown(): Pick<ConnectionOptions, 'authenticator' | 'tls'> | undefined {
    const { tls, disk } = this.#options
    if (this.#jwt === undefined || (tls !== null && this.#certificate === undefined)) return undefined
    // Without the public key, which the JWT names: nats-server 2.9 ends who shows both at each reload.
    const authenticator = (nonce = '') => ({
      jwt: this.#jwt?.text ?? '',
      sig: Buffer.from(this.#keys.sign(Buffer.from(nonce))).toString('base64url'),
    })
    if (tls === null) return { authenticator }
    const files = { caFile: tls.ca, keyFile: tls.key, certFile: disk.path(CERTIFICATE) }
    // The client hands what it does not know to node:tls.
    return { authenticator, tls: { ...files, servername: BUS_SERVER_NAME } as TlsOptions }
  }

  /** The bus would not have what it was shown: revoked, ended by the bus's clock, or not what the store should say. */
  refused(): void {
    this.#refused = true
  }

  /** Asks the store, where it is time to. True = there is something that was not there before. */
  async renew(now: number): Promise<boolean> {
    const { node, tls, store, disk } = this.#options
    const again = this.#refused
    this.#refused = false
    let changed = false
    if (again || isDue(this.#jwt, now)) {
      const bytes = await store.get(busJwtKey(node), MAX_CREDENTIAL_BYTES)
      const found = this.#judgeJwt(bytes)
      if (found !== undefined && found.text !== this.#jwt?.text) {
        await disk.write(JWT, found.text)
        this.#jwt = found
        changed = true
      }
    }
    if (tls !== null && (again || isDue(this.#certificate, now))) {
      const found = this.#judgeCertificate(await store.get(busCertificateKey(node), MAX_CREDENTIAL_BYTES))
      if (found !== undefined && found.text !== this.#certificate?.text) {
        await disk.write(CERTIFICATE, found.text)
        this.#certificate = found
        changed = true
      }
    }
    return changed
  }

  /** Undefined unless it was made for this node's name and key. */
  #judgeJwt(bytes: Uint8Array | undefined): Kept | undefined {
    const text = Buffer.from(bytes ?? []).toString()
    try {
      const claims = Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()
      const { sub, name, iat, exp } = Claims.parse(JSON.parse(claims))
      if (sub !== this.#nkey || name !== this.#options.node) return undefined
      return { text, begins: iat * 1000, ends: exp * 1000 }
    } catch {
      return undefined
    }
  }

  #judgeCertificate(bytes: Uint8Array | undefined): Kept | undefined {
    const text = Buffer.from(bytes ?? []).toString()
    try {
      const certificate = new X509Certificate(text)
      if (!certificate.checkPrivateKey(createPrivateKey(this.#tlsKey ?? ''))) return undefined
      const [begins, ends] = [Date.parse(certificate.validFrom), Date.parse(certificate.validTo)]
      return { text, begins, ends }
    } catch {
      return undefined
    }
  }
}

function isDue(kept: Kept | undefined, now: number): boolean {
  return kept === undefined || kept.ends - now < (kept.ends - kept.begins) * ASKED_AT
}
