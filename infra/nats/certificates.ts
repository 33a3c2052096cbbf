/**
 * X.509 for the bus: one authority for clients and the servers they meet, another for servers among each other,
 * so that no node's certificate opens a route. Made by the openssl command: node:crypto issues none, and what
 * the packages for it bring along is more than these sixty lines.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import { BUS_SERVER_NAME } from '../../pipelines/contract/bus-members.ts'
import { Failure } from '../../pipelines/contract/failures.ts'

const CA_DAYS = 3650
const LEAF_DAYS = 365
/** A CSR, or a certificate, of one P-256 key. */
const MAX_CSR_BYTES = 8_192

export type Authority = { certificate: string; key: string }

/** How a certificate is used: `route` is server and client at once. */
export type Use = 'client' | 'server' | 'route'

const EXTENDED: Record<Use, string> = {
  client: 'clientAuth',
  server: 'serverAuth',
  route: 'serverAuth,clientAuth',
}

/** A P-256 key in a file that only its owner reads; one that is there stays. */
export async function ensureTlsKey(file: string): Promise<void> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' })
  await writeFile(file, pem, { mode: 0o600, flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
}

/** `<name>-ca.pem` and its key below `directory`, made when they are not there. */
export async function ensureAuthority(directory: string, name: string): Promise<Authority> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const at = (suffix: string) => join(directory, `${name}-ca.${suffix}`)
  const authority = { certificate: at('pem'), key: at('key') }
  await ensureTlsKey(authority.key)
  if ((await readFile(authority.certificate).catch(() => undefined)) !== undefined) return authority
  const config = `${SUBJECT}x509_extensions = ca
[name]
CN = heddle ${name}
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
`
  const made = await openssl(config, (file) => {
    return ['req', '-new', '-x509', '-config', file, '-key', authority.key, '-days', `${CA_DAYS}`]
  })
  await writeFile(authority.certificate, made)
  return authority
}

/** What a node asks with: nothing of it is secret. PEM. */
export async function requestFor(keyFile: string, name: string): Promise<string> {
  const config = `${SUBJECT}[name]\nCN = ${name}\n`
  return openssl(config, (file) => ['req', '-new', '-config', file, '-key', keyFile])
}

export type Leaf = {
  name: string
  use: Use
  /** IP addresses of a server. */
  addresses?: readonly string[]
  days?: number
}

/**
 * A certificate for the key that asks, under the name that who signs has chosen: what the request says of
 * names is not taken over. PEM. Throws Failure('metadata-untrusted') for a request that is none.
 */
export async function signRequest(authority: Authority, request: string, leaf: Leaf): Promise<string> {
  if (request.length > MAX_CSR_BYTES) throw new Failure('metadata-untrusted', 'the request is too large')
  const { name, use, addresses = [], days = LEAF_DAYS } = leaf
  const names = [
    ...(use === 'server' ? [`DNS:${BUS_SERVER_NAME}`] : []),
    ...addresses.map((address) => `IP:${address}`),
  ]
  const extensions = `basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = ${EXTENDED[use]}
${names.length === 0 ? '' : `subjectAltName = ${names.join(', ')}\n`}`
  return openssl(extensions, async (file) => {
    await writeFile(`${file}.csr`, request)
    const serial = `0x${randomBytes(16)
      .toString('hex')
      .replace(/^[89a-f]/, '7')}`
    const signer = ['-CA', authority.certificate, '-CAkey', authority.key, '-set_serial', serial]
    const what = ['-subj', `/CN=${name}`, '-days', `${days}`, '-extfile', file]
    return ['x509', '-req', '-in', `${file}.csr`, ...signer, ...what]
  })
}

/** Key and certificate of one who is here, below `directory`. */
export async function ensureLeaf(authority: Authority, directory: string, leaf: Leaf): Promise<Authority> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const at = (suffix: string) => join(directory, `${leaf.name}.${suffix}`)
  const made = { certificate: at('pem'), key: at('key') }
  await ensureTlsKey(made.key)
  if ((await readFile(made.certificate).catch(() => undefined)) === undefined) {
    await writeFile(
      made.certificate,
      await signRequest(authority, await requestFor(made.key, leaf.name), leaf),
    )
  }
  return made
}

const SUBJECT = `[req]
prompt = no
string_mask = utf8only
distinguished_name = name
`

async function openssl(
  config: string,
  args: (file: string) => string[] | Promise<string[]>,
): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'heddle-openssl-'))
  try {
    const file = join(directory, 'openssl.cnf')
    await writeFile(file, config)
    const { stdout } = await execa('openssl', await args(file))
    return `${stdout}\n`
  } catch (cause) {
    throw new Failure('metadata-untrusted', 'openssl does not make that certificate', { cause })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
