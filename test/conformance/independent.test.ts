/**
 * What we publish, verified by code that is not ours: the log by Go's sumdb (the origin of the c2sp formats), TUF and
 * DSSE by securesystemslib in Python, raw signatures by OpenBSD's signify. And what was tampered with, refused.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { logCrypto } from '../../functions/log/log-reader.ts'
import { namedLogWriter } from '../../functions/log/named-log.ts'
import { loadCurrent } from '../../functions/trust/repository-state.ts'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { pae, PAYLOAD_TYPES } from '../../pipelines/contract/dsse.ts'
import { logEntryBytes } from '../../pipelines/contract/log.ts'
import { blobKey, PolicyCustom, policyTarget, targetKey } from '../../pipelines/contract/object-keys.ts'
import { formatKey } from '../../pipelines/log/signed-note.ts'
import { signStatement } from '../../functions/trust/statements.ts'
import { digestsOf } from '../../agent/trust/code.ts'
import { freshSigner } from '../fakes/forger.ts'
import { systemClock } from '../fakes/keys.ts'
import { memoryStore } from '../fakes/memory-store.ts'
import { CODE, manifestOf } from '../fakes/node-fleet.ts'
import { type PublishedRepository, publishedRepository } from '../fakes/published-repository.ts'
import { testElf } from '../fakes/test-elf.ts'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const PROGRAMS = join(ROOT, 'test/conformance/independent')
const PYTHON = '/usr/bin/python3'
const SUMDB = '/usr/share/gocode/src/golang.org/x/mod/sumdb'
const LIBRARY = '/usr/lib/python3/dist-packages/securesystemslib'
const SIGNIFY = '/usr/bin/signify-openbsd'
const missing = (file: string) => (existsSync(file) ? false : `there is no ${file}`)
const ORIGIN = 'heddle.test/log'

type MemoryStore = ReturnType<typeof memoryStore>
let directory: string
let store: MemoryStore
let published: PublishedRepository
let artifact: Digest
/** The log as it was before most of its entries. */
let early: Uint8Array

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'heddle-independent-'))
  store = memoryStore()
  const elf = testElf(CODE, 'one')
  const code = { small: digestsOf(elf).code }
  published = await publishedRepository({
    store,
    code,
    dispatcher: testElf('dispatcher', ''),
    clock: systemClock,
  })
  artifact = await published.publishArtifact(manifestOf(elf), elf)
  await published.release('canary', 1, artifact)
  await published.succeed('canary', 1, artifact)
  early = store.objects.get('log/checkpoint') as Uint8Array
  // Enough for tiles of two levels.
  const signers = published.keys.log.signers
  const log = namedLogWriter({ store, signers, trustedRoot: published.root })
  for (let n = 1; n < 260; n++) await log.append(entry(n))
})
after(() => rmSync(directory, { recursive: true, force: true }))

const entry = (number: number) => {
  const digest: Digest = `sha256:${number.toString(16).padStart(64, '0')}`
  return logEntryBytes({
    artifact: digest,
    provenance: digest,
    commit: number.toString(16).padStart(40, '0'),
  })
}

let count = 0
/** The store as a directory, with what the change has done to it. */
function laid(change: (objects: Map<string, Uint8Array>) => void = () => {}): string {
  const root = join(directory, String(count++))
  const objects = new Map(store.objects)
  change(objects)
  for (const [key, bytes] of objects) {
    mkdirSync(dirname(join(root, key)), { recursive: true })
    writeFileSync(join(root, key), bytes)
  }
  return root
}
const file = (name: string, bytes: Uint8Array | string): string => {
  const path = join(directory, `${count++}-${name}`)
  writeFileSync(path, bytes)
  return path
}
/** One bit in the middle of an object. */
const flip = (key: string) => (objects: Map<string, Uint8Array>) => {
  const bytes = objects.get(key)?.slice()
  assert.ok(bytes, key)
  const at = bytes.length >> 1
  bytes[at] = (bytes[at] ?? 0) ^ 1
  objects.set(key, bytes)
}
function run(command: string, args: string[], env: NodeJS.ProcessEnv = process.env) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env })
  return { status, stdout, stderr }
}

describe('the log, by golang.org/x/mod/sumdb', { skip: missing(SUMDB) }, () => {
  let program: string
  const vkey = (publicKey = published.keys.log.signers[0]?.publicKey as Uint8Array) =>
    formatKey(logCrypto.sha256, { name: ORIGIN, publicKey })
  before(() => {
    program = join(directory, 'verify-log')
    const built = run('go', ['build', '-o', program, join(PROGRAMS, 'verify-log.go')], {
      PATH: process.env['PATH'],
      GO111MODULE: 'off',
      GOPATH: '/usr/share/gocode',
      GOCACHE: join(directory, 'go-cache'),
      CGO_ENABLED: '0',
    })
    assert.equal(built.status, 0, built.stderr)
  })
  const verify = (root: string, ...more: string[]) => run(program, [root, vkey(), ...more])
  async function proof(): Promise<string[]> {
    const listed = (await loadCurrent(store, published.keys)).roles.policy.signed.targets
    const custom = PolicyCustom.parse(listed[policyTarget(artifact)]?.custom)
    const { provenance, commit } = custom
    const bytes = store.objects.get(blobKey(custom.proof as Digest)) as Uint8Array
    const shown = logEntryBytes({ artifact, provenance, commit })
    return ['-proof', file('proof', bytes), '-entry', file('entry', shown)]
  }

  it('checkpoint, tiles, entries, an older checkpoint and the proof beside the artifact verify', async () => {
    const { status, stdout, stderr } = verify(laid(), '-old', file('old', early), ...(await proof()))
    assert.deepEqual([status, stdout, stderr], [0, '260\n', ''])
  })

  for (const key of [
    'checkpoint',
    'tile/0/000',
    'tile/0/001.p/4',
    'tile/1/000.p/1',
    'tile/entries/000',
    'tile/entries/001.p/4',
  ])
    it(`a bit of log/${key} is refused`, () => {
      const { status, stderr } = verify(laid(flip(`log/${key}`)))
      assert.equal(status, 1, stderr)
    })

  it('another key, another history and a proof of another entry are refused', async () => {
    assert.equal(run(program, [laid(), vkey(freshSigner().publicKey)]).status, 1)
    const other = memoryStore()
    const signers = published.keys.log.signers
    for (const [key, bytes] of store.objects) if (!key.startsWith('log/')) other.objects.set(key, bytes)
    await namedLogWriter({ store: other, signers, trustedRoot: published.root }).append(entry(7))
    const forked = other.objects.get('log/checkpoint') as Uint8Array
    assert.equal(verify(laid(), '-old', file('forked', forked)).status, 1)
    const [flag = '', shown = ''] = await proof()
    assert.equal(verify(laid(), flag, shown, '-entry', file('entry', entry(1))).status, 1)
  })
})

describe('TUF and DSSE, by securesystemslib', { skip: missing(LIBRARY) }, () => {
  const verify = (root: string, pinned = published.root, what = artifact) =>
    run(PYTHON, [join(PROGRAMS, 'verify-repository.py'), root, file('root.json', pinned), what, 'canary'])

  it('the chain from the pinned root to program, provenance, release and success verifies', () => {
    const { status, stdout, stderr } = verify(laid())
    assert.equal(status, 0, stderr)
    const { commit, number, log } = JSON.parse(stdout)
    assert.deepEqual([commit, number, log.origin], ['c'.repeat(40), 1, ORIGIN])
  })

  it('a bit of any file of the chain is refused', async () => {
    const { roles, snapshot } = await loadCurrent(store, published.keys)
    const listed = roles.policy.signed.targets[policyTarget(artifact)]
    const { provenance } = PolicyCustom.parse(listed?.custom)
    const path = 'release/canary.json'
    const release = roles.release.signed.targets[path]?.hashes['sha256'] as string
    const keys = [
      'tuf/timestamp.json',
      `tuf/${snapshot?.signed.version}.snapshot.json`,
      `tuf/${snapshot?.signed.meta['policy.json']?.version}.policy.json`,
      targetKey(policyTarget(artifact), artifact.slice('sha256:'.length)),
      targetKey(path, release),
      blobKey(provenance),
    ]
    for (const key of keys) assert.equal(verify(laid(flip(key))).status, 1, key)
  })

  it('another root of trust, and payload-type confusion, are refused', async () => {
    const other = await publishedRepository({
      store: memoryStore(),
      code: {},
      dispatcher: new Uint8Array(1),
      clock: systemClock,
    })
    assert.equal(verify(laid(), other.root).status, 1)
    const { keys, repository } = published
    const listed = (await loadCurrent(store, keys)).roles.policy.signed.targets[policyTarget(artifact)]
    const custom = PolicyCustom.parse(listed?.custom)
    const envelope = JSON.parse(Buffer.from(store.objects.get(blobKey(custom.provenance)) ?? []).toString())
    const statement = JSON.parse(Buffer.from(envelope.payload, 'base64').toString())
    // The builder signed it as a ring's success, and somebody has written another type on it.
    const confused = JSON.parse(
      Buffer.from(await signStatement(PAYLOAD_TYPES.ringSuccess, statement, keys.policy)).toString(),
    )
    const bytes = new Uint8Array(
      Buffer.from(JSON.stringify({ ...confused, payloadType: PAYLOAD_TYPES.provenance })),
    )
    const digest = logCrypto.sha256(bytes)
    const provenance: Digest = `sha256:${Buffer.from(digest).toString('hex')}`
    const manifest = store.objects.get(targetKey(policyTarget(artifact), artifact.slice('sha256:'.length)))
    await store.create(blobKey(provenance), bytes)
    await repository.update(() => ({
      policy: {
        put: [
          { path: policyTarget(artifact), bytes: manifest as Uint8Array, custom: { ...custom, provenance } },
        ],
      },
    }))
    const { status, stderr } = verify(laid())
    assert.equal(status, 1)
    assert.match(stderr, /in-toto\+json: signatures/)
  })
})

describe('raw signatures, by signify', { skip: missing(SIGNIFY) }, () => {
  it('takes the very signatures over a checkpoint, metadata and an envelope, and none over other bytes', async () => {
    const [signer] = published.keys.policy.signers
    assert.ok(signer)
    const number = Buffer.alloc(8, 7)
    const text = (what: string, bytes: Uint8Array) =>
      `untrusted comment: ${what}\n${Buffer.concat([Buffer.from('Ed'), number, bytes]).toString('base64')}\n`
    const pub = file('key.pub', text('key', signer.publicKey))
    const messages = [
      Buffer.from(`${ORIGIN}\n1\n${Buffer.alloc(32).toString('base64')}\n`),
      Buffer.from('{"_type":"snapshot"}'),
      Buffer.from(pae(PAYLOAD_TYPES.provenance, Buffer.from('{}'))),
    ]
    for (const message of messages) {
      const signature = file('sig', text('signature', await signer.sign(message)))
      const check = (bytes: Uint8Array) =>
        run(SIGNIFY, ['-V', '-q', '-p', pub, '-x', signature, '-m', file('message', bytes)]).status
      assert.equal(check(message), 0)
      assert.notEqual(check(Buffer.concat([message, Buffer.from('\n')])), 0)
    }
  })
})
