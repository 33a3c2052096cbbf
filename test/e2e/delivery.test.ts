import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { sha256Hex } from '../../functions/trust/metadata.ts'
import { type Digest, Manifest } from '../../pipelines/contract/artifact.ts'
import { codeDigest } from '../../pipelines/contract/code-digest.ts'
import { blobKey, codeTarget } from '../../pipelines/contract/object-keys.ts'
import { eventually, LocalDelivery } from '../fakes/local-delivery.ts'

const policy = (name: string, field = 'endpointSelector') => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata:
  name: ${name}
  namespace: shop
spec:
  ${field}:
    matchLabels: {app: ${name}}
  ingress:
    - fromEndpoints: [{matchLabels: {app: web}}]
`

/** Denies, allows and counts, and has a case that holds. */
const MESH = `apiVersion: heddle.dev/v1
kind: MeshPolicy
metadata: {name: fair, namespace: shop}
spec:
  subject: {matchLabels: {app: api}}
  paths: {dotSegments: refuse}
  rules:
    - {action: deny, reason: for the inside, ports: [80], match: {path: {prefix: /admin}}}
    - {action: allow, ports: [80], match: {any: [{method: GET}, {headers: [{name: x-key}]}]}}
    - {action: limit, name: tenants, ports: [80], match: {}, limit: {rate: 5, per: 1s, key: [{header: x-tenant}]}}
---
apiVersion: heddle.dev/v1
kind: PolicyTest
metadata: {name: fair, namespace: shop}
cases:
  - name: nobody gets to admin
    request: {line: GET /admin/users}
    to: {labels: {app: api}}
    expect: {verdict: deny, status: 403, policy: fair}
`

let delivery: LocalDelivery
const sha256 = (bytes: Uint8Array): Digest => `sha256:${sha256Hex(bytes)}`

const stored = async () =>
  (await readdir(delivery.path('store'), { recursive: true })).filter((name) => !name.startsWith('.')).sort()
const timestamp = () => readFile(delivery.path('store/tuf/timestamp.json'), 'utf8')
const succeeded = (commit: string) =>
  eventually(`success of ${commit}`, async () => {
    const status = await delivery.status(commit)
    return status?.state === 'success' ? status : undefined
  })
const waiting = async (stage: string, state: string) => readdir(delivery.path(`queue/${stage}/${state}`))
const idle = () =>
  eventually('an empty queue', async () => {
    const stages = ['validate', 'compile', 'sign', 'publish']
    const left = await Promise.all(
      stages.flatMap((stage) => [waiting(stage, 'ready'), waiting(stage, 'taken')]),
    )
    return left.flat().length === 0 ? true : undefined
  })

/** A push webhook with the repository's own secret, as a forge sends it, or sends it again. */
async function webhook(after: string): Promise<number> {
  const [secret = ''] = (await readFile(delivery.path('secret'), 'utf8')).split('\n')
  const body = JSON.stringify({ ref: 'refs/heads/main', after, repository: { full_name: 'local/policies' } })
  const signature = `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`
  const headers = { 'x-github-event': 'push', 'x-hub-signature-256': signature }
  return (await fetch(`${await delivery.url()}/webhook`, { method: 'POST', headers, body })).status
}

describe('delivery on one machine', () => {
  before(async () => {
    delivery = await LocalDelivery.start({ bus: true, until: 'done' })
    await delivery.startNodes()
  })
  after(() => delivery.stop())

  it('takes a pushed policy through the rings, and the push says so', async () => {
    const { commit, said } = await delivery.push({ 'policies/api.yaml': policy('api') })
    assert.match(said, /remote: heddle: artifact sha256:[0-9a-f]{64}/)
    assert.match(said, /remote: heddle: success: release \d+ is enforced in every ring/)
    const status = await succeeded(commit)
    for (const ring of ['ring-0', 'ring-1']) {
      const release = await delivery.released(ring)
      assert.deepEqual([release?.commit, release?.artifact], [commit, status.artifact])
    }
  })

  it('takes what a MeshPolicy says through the rings, and refuses it where a case of it fails', async () => {
    const { commit, said } = await delivery.push({ 'policies/fair.yaml': MESH })
    assert.match(said, /remote: heddle: success: release \d+ is enforced in every ring/)
    assert.equal((await delivery.released('ring-1'))?.commit, commit)
    const wrong = await delivery.push({
      'policies/fair.yaml': MESH.replace('prefix: /admin', 'prefix: /other'),
    })
    assert.match(
      wrong.said,
      /policies\/fair\.yaml:16:5: error: .*nobody gets to admin.*\[policy-test-failed\]/s,
    )
    assert.match(wrong.said, /nothing is published/)
    await delivery.push({ 'policies/fair.yaml': MESH })
  })

  it('refuses a broken policy in the push, by file, line, column, reason and hint, and publishes nothing', async () => {
    const before = await stored()
    const { commit, said } = await delivery.push({ 'policies/api.yaml': policy('api', 'endpointSelectr') })
    assert.match(said, /policies\/api\.yaml:7:3: error: unknown field `endpointSelectr` .*\[unknown-field\]/)
    assert.match(said, /did you mean `endpointSelector`/)
    assert.match(said, /failure: 2 errors; nothing is published/)
    assert.equal((await delivery.status(commit))?.state, 'failure')
    assert.deepEqual(await stored(), before)
  })

  it('changes nothing for webhooks that come again', async () => {
    const { commit } = await delivery.push({
      'policies/api.yaml': policy('api'),
      'policies/b.yaml': policy('b'),
    })
    await succeeded(commit)
    const before = await timestamp()
    for (let count = 0; count < 4; count++) assert.equal(await webhook('a'.repeat(40)), 202)
    await idle()
    assert.equal(await timestamp(), before)
  })

  it('answers 401 to a webhook of a stranger', async () => {
    const response = await fetch(`${await delivery.url()}/webhook`, { method: 'POST', body: '{}' })
    assert.equal(response.status, 401)
  })

  it('finishes a push although the host is killed in the middle of it', async () => {
    await writeFile(delivery.path('hold'), '')
    const pushed = delivery.push({ 'policies/c.yaml': policy('c') })
    await eventually('a compile under way', async () => (await waiting('compile', 'taken'))[0])
    assert.equal(await delivery.endHost('SIGKILL'), 'SIGKILL')
    await rm(delivery.path('hold'))
    await delivery.startHost()
    const { commit, said } = await pushed
    assert.match(said, /success: release/)
    await succeeded(commit)
    assert.equal((await delivery.released('ring-1'))?.commit, commit)
  })

  it('finishes a push although the host is killed again and again', async () => {
    const commit = await delivery.commit({ 'policies/d.yaml': policy('d') })
    const pushed = delivery.git('push', 'origin', 'main')
    let last: string | undefined
    for (let kills = 0; kills < 3; kills++) {
      last = await eventually('another status', async () => {
        const now = await readFile(
          delivery.path(`policies.git/heddle/statuses/${commit}.json`),
          'utf8',
        ).catch(() => '')
        return now === '' || (now === last && !now.includes('"success"')) ? undefined : now
      })
      await delivery.endHost('SIGKILL')
      await delivery.startHost()
    }
    await pushed
    await succeeded(commit)
  })

  it('delivers what was pushed while the functions were down', async () => {
    assert.equal(await delivery.endHost('SIGTERM'), 0)
    const { commit, said } = await delivery.push({ 'policies/e.yaml': policy('e') })
    assert.match(said, /the push is kept/)
    await delivery.startHost()
    await succeeded(commit)
  })
})

describe('delivery with the bus down', () => {
  before(async () => {
    delivery = await LocalDelivery.start({ bus: false, until: 'published' })
  })
  after(() => delivery.stop())

  it('publishes and releases all the same', async () => {
    const { commit, said } = await delivery.push({ 'policies/api.yaml': policy('api') })
    assert.match(said, /artifact sha256:/)
    await eventually('a release', async () =>
      (await delivery.released('ring-0'))?.commit === commit ? 1 : undefined,
    )
    assert.equal(await delivery.released('ring-1'), undefined)
  })
})

describe('delivery with clang', () => {
  before(async () => {
    delivery = await LocalDelivery.start({ bus: false, until: 'published', clang: true })
  })
  after(() => delivery.stop())

  it('publishes an ELF whose code the code key has signed, and refuses what fits no tables by its place', async () => {
    const { commit } = await delivery.push({ 'policies/api.yaml': policy('api') })
    const release = await eventually('a release', () => delivery.released('ring-0'))
    assert.equal(release.commit, commit)
    const store = await delivery.store()
    const read = async (digest: Digest) =>
      (await store.get(blobKey(digest), 64_000_000))?.bytes ?? new Uint8Array()
    const manifest = Manifest.parse(JSON.parse(Buffer.from(await read(release.artifact)).toString()))
    const elf = await read(manifest.elf.digest)
    assert.equal(codeDigest(elf, sha256), manifest.code.digest)
    const code = await delivery.target(codeTarget(manifest.code.variant))
    assert.deepEqual(code, { variant: manifest.code.variant, digest: manifest.code.digest })

    const paths = Array.from({ length: 30 }, (_, index) => ({ path: `.*a{${index + 1}}.{10}b.*x` }))
    const rule = {
      fromEndpoints: [{}],
      toPorts: [{ ports: [{ port: '80', protocol: 'TCP' }], rules: { http: paths } }],
    }
    const large = `${policy('api').split('  ingress:')[0]}  ingress: ${JSON.stringify([rule])}\n`
    const { said } = await delivery.push({ 'policies/api.yaml': large })
    assert.match(said, /policies\/api\.yaml:9:\d+: error: .*\[limit-exceeded\]/)
  })
})
