import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { readConfig } from '../../../agent/config.ts'
import { enroll, type EnrollOptions } from '../../../infra/node/enroll.ts'
import { type Fleet, nodeFleet } from '../../fakes/node-fleet.ts'

let directory: string
let fleet: Fleet
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-enroll-'))
  fleet = await nodeFleet()
})
after(async () => {
  await fleet.close()
  await rm(directory, { recursive: true, force: true })
})

async function options(
  name: string,
  root: string | Uint8Array = fleet.published.root,
): Promise<EnrollOptions> {
  const rootFile = join(directory, `${name}.root.json`)
  await writeFile(rootFile, root)
  return {
    directory: join(directory, name),
    node: name,
    ring: 'prod',
    previousRing: 'canary',
    store: '/var/lib/heddle/store',
    rootFile,
    natsUrl: 'nats://127.0.0.1:4222',
    bpffs: '/sys/fs/bpf/heddle',
    cgroup: '/sys/fs/cgroup/workloads',
    workloads: '/etc/heddle/workloads.yaml',
    repin: false,
  }
}

test('a node gets a key that only it can read, the pinned root and a configuration that the agent reads', async () => {
  const enrolled = await enroll(await options('node-a'))
  const config = await readConfig(enrolled.config)
  assert.equal(config.node, 'node-a')
  assert.equal(config.previousRing, 'canary')
  assert.equal(enrolled.root.version, 1)
  assert.deepEqual(await readFile(config.root), Buffer.from(fleet.published.root))
  assert.match(enrolled.nats?.nkey ?? '', /^U[A-Z2-7]{55}$/)
  assert.deepEqual(enrolled.nats?.permissions.publish, ['heddle.report.node-a', 'heddle.workloads.node-a'])
  assert.equal((await stat(config.nats?.seed ?? '')).mode & 0o777, 0o600)
})

test('services, zone and members are what the node is enrolled with; without them it has none', async () => {
  const given = { services: '/etc/heddle/services.yaml', zone: 'east', members: '/etc/heddle/members.json' }
  for (const fields of [given, {}]) {
    const enrolled = await enroll({ ...(await options('node-s')), ...fields })
    const { services, zone, members } = await readConfig(enrolled.config)
    assert.deepEqual({ services, zone, members }, { services: null, zone: null, members: null, ...fields })
  }
})

test('a node reads from where it is told: a directory, the web, a bucket with its own credentials', async () => {
  const places = ['/srv/store', 'https://cdn.example/fleet', 's3://fleet/a?region=x&credentials=/etc/s3.json']
  for (const store of places) {
    const enrolled = await enroll({ ...(await options('node-p')), store })
    assert.equal((await readConfig(enrolled.config)).store, store)
  }
})

for (const store of ['store', 'ftp://x', 's3://fleet?lock-days=1', 's3://FLEET', 'https://']) {
  test(`a node is not enrolled to read from ${store}`, async () => {
    const directory = await options('node-q')
    await assert.rejects(enroll({ ...directory, store }), (error: Error & { detail?: string[] }) =>
      /node\.json:\d+:\d+.*no address of an object store/s.test(error.detail?.join() ?? ''),
    )
  })
}

test('twice is once', async () => {
  const first = await enroll(await options('node-b'))
  assert.deepEqual(await enroll(await options('node-b')), first)
})

test('with rekey the bus must be told another key, without it the same', async () => {
  const first = await enroll(await options('node-k'))
  const second = await enroll({ ...(await options('node-k')), rekey: true })
  assert.notEqual(second.nats?.nkey, first.nats?.nkey)
  assert.deepEqual(await enroll(await options('node-k')), second)
})

test('where the bus shows certificates, the node asks for one; its key never leaves it', async () => {
  const natsCa = join(directory, 'ca.pem')
  await writeFile(natsCa, 'who signs servers')
  const { config, nats } = await enroll({ ...(await options('node-t')), natsCa })
  assert.match(nats?.request ?? '', /^-----BEGIN CERTIFICATE REQUEST-----/)
  const { tls } = (await readConfig(config)).nats ?? {}
  assert.equal(await readFile(tls?.ca ?? '', 'utf8'), 'who signs servers')
  assert.equal((await stat(tls?.key ?? '')).mode & 0o777, 0o600)
  const before = await readFile(tls?.key ?? '')
  await enroll({ ...(await options('node-t')), natsCa })
  assert.deepEqual(await readFile(tls?.key ?? ''), before)
  await enroll({ ...(await options('node-t')), natsCa, rekey: true })
  assert.notDeepEqual(await readFile(tls?.key ?? ''), before)
})

test('another root than the pinned one is refused, and taken with repin', async () => {
  const enrolled = await enroll(await options('node-c'))
  const other = await nodeFleet()
  try {
    const changed = await options('node-c', other.published.root)
    await assert.rejects(enroll(changed), { code: 'metadata-untrusted' })
    const { root } = await readConfig(enrolled.config)
    assert.deepEqual(await readFile(root), Buffer.from(fleet.published.root))
    await enroll({ ...changed, repin: true })
    assert.deepEqual(await readFile(root), Buffer.from(other.published.root))
  } finally {
    await other.close()
  }
})

const weak = (root: Uint8Array) => {
  const parsed = JSON.parse(Buffer.from(root).toString())
  for (const key of Object.values<{ keyval: { public: string } }>(parsed.signed.keys)) {
    key.keyval.public = '00'.repeat(32)
  }
  return JSON.stringify(parsed)
}
const bad: [string, (root: Uint8Array) => string][] = [
  ['is not JSON', () => 'hello'],
  [
    'nobody has signed',
    (root) => JSON.stringify({ ...JSON.parse(Buffer.from(root).toString()), signatures: [] }),
  ],
  ['was edited', (root) => Buffer.from(root).toString().replace('"version":1', '"version":2')],
  ['has keys of small order', weak],
]
for (const [name, spoil] of bad) {
  test(`a root that ${name} is never pinned`, async () => {
    const spoilt = await options('node-d', spoil(fleet.published.root))
    await assert.rejects(enroll(spoilt), { code: 'metadata-untrusted' })
    await assert.rejects(stat(join(spoilt.directory, 'root.json')))
  })
}

test('a ring or a name that could leave its subject is refused', async () => {
  await assert.rejects(enroll({ ...(await options('node-e')), ring: 'prod.*' }))
  await assert.rejects(enroll({ ...(await options('node-e')), node: '>' }))
})
