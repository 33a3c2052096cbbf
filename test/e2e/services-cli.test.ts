import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { createUser } from '@nats-io/nkeys'
import { parseMembers } from '../../agent/adapters/file-members.ts'
import { parseConfig } from '../../agent/config.ts'
import { openDisk } from '../../agent/disk.ts'
import { REGISTRY_FILE } from '../../agent/known-nodes.ts'
import { publishServices } from '../../agent/services.ts'
import { ensureBus } from '../../infra/nats/members.ts'
import { removeMember, writeMember } from '../../infra/node/members-file.ts'
import { servicesText, viewServices } from '../../infra/node/services.ts'
import type { Subject } from '../../infra/node/subject.ts'
import { Service } from '../../pipelines/services/model.ts'
import { enforcingFleet, type Fleet } from '../fakes/node-fleet.ts'
import { HEDDLE } from '../fakes/heddle-command.ts'

const run = promisify(execFile)

const service = (name: string, address: string) =>
  Service.parse({
    namespace: 'shop',
    name,
    addresses: [address],
    ports: [{ port: 80, targetPort: 8080 }],
    selector: { app: name },
  })

let folder: string
let fleet: Fleet
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'heddle-services-'))
  fleet = await enforcingFleet()
  fleet.services = [service('cart', '10.96.0.1'), service('none', 'fd00::9')]
})
afterEach(async () => {
  await fleet.close()
  await rm(folder, { recursive: true, force: true })
})
const file = (name: string) => join(folder, name)

/** A node's files, and two nodes that it has heard: one of them has said what it may not. */
async function configuration(): Promise<string> {
  await writeFile(file('workloads.json'), JSON.stringify(fleet.workloads))
  await writeFile(file('services.json'), JSON.stringify(fleet.services))
  await writeFile(file('root.json'), fleet.published.root)
  await writeMember(file('members.json'), { node: 'n2', ranges: ['10.2.0.0/16'] })
  const said = (node: string, address: string) => ({
    schema: 'heddle.announcement/1',
    node,
    zone: 'east',
    sequence: 1,
    workloads: [
      { name: `cart-of-${node}`, namespace: 'shop', labels: { app: 'cart' }, addresses: [address] },
    ],
  })
  const nodes = [said('n2', '10.2.0.1'), said('n3', '10.3.0.1')]
  await openDisk(file('state')).write(REGISTRY_FILE, JSON.stringify({ schema: 'heddle.registry/1', nodes }))
  const config = {
    schema: 'heddle.node/1',
    node: 'node-0',
    ring: 'canary',
    previousRing: null,
    store: file('store'),
    stateDirectory: file('state'),
    bpffs: file('bpffs').replaceAll('.', '-'),
    cgroup: file('cgroup'),
    workloads: file('workloads.json'),
    services: file('services.json'),
    members: file('members.json'),
    zone: 'east',
    nats: null,
    root: file('root.json'),
  }
  await writeFile(file('node.json'), JSON.stringify(config))
  return file('node.json')
}

async function subject(): Promise<Subject> {
  const path = await configuration()
  const config = parseConfig(path, await readFile(path, 'utf8'))
  const node = await fleet.node()
  return {
    node: config.node,
    ring: config.ring,
    workloadsFile: config.workloads,
    config,
    pinnedRoot: '',
    state: node.state.current,
    disk: openDisk(config.stateDirectory),
    kernel: fleet.kernel,
  }
}

describe('heddle node services', () => {
  test('says what the kernel has of it, in order, and where each endpoint is known from', async () => {
    await publishServices(await fleet.node())
    const view = await viewServices(await subject())
    assert.equal(view.support, 'served')
    const [cart, none] = view.services
    // The agent of this test has heard nobody, so what it has written is not all.
    assert.deepEqual([cart?.written, none?.written], [false, true])
    assert.deepEqual(
      cart?.endpoints.map(({ address, number, origin }) => [address, number, origin.kind]),
      [
        ['10.0.0.1', 1, 'workload'],
        ['10.2.0.1', null, 'announced'],
      ],
    )
    assert.equal(
      servicesText(view),
      [
        'shop/cart:80  10.96.0.1:80  number 1, not as written in the kernel',
        '  10.0.0.1:8080  this node  workload shop/cart-1  weight 1',
        '  10.2.0.1:8080  same zone, node n2  announced shop/cart-of-n2  weight 1',
        'shop/none:80  [fd00::9]:80  number 2',
        '  no endpoint: 503',
        'node n2: 1 workloads',
        'node n3: 0 workloads',
        '  refused shop/cart-of-n3: the node is no member',
        '',
      ].join('\n'),
    )
  })

  test('at the command line: text, or data with --json; without a kernel that knows services it says so', async () => {
    const config = await configuration()
    const text = await run(process.execPath, [HEDDLE, 'node', 'services', '--config', config])
    assert.match(text.stdout, /^the attached dispatcher knows no services: none is written\nshop\/cart:80 /)
    const { stdout } = await run(process.execPath, [HEDDLE, 'node', 'services', '--json', '--config', config])
    const data = JSON.parse(stdout) as { support: string; services: { service: string; zone: number }[] }
    assert.equal(data.support, 'none')
    assert.deepEqual(
      data.services.map(({ service: name, zone }) => [name, zone]),
      [
        ['shop/cart:80', 2],
        ['shop/none:80', 0],
      ],
    )
    const status = await run(process.execPath, [HEDDLE, 'node', 'status', '--config', config])
    assert.equal((JSON.parse(status.stdout) as { services: string }).services, 'none')
  })
})

const NKEY = createUser().getPublicKey()

describe('the members of a fleet', () => {
  const members = async () => parseMembers('members.json', await readFile(file('members.json'), 'utf8'))

  test('speak for what they were admitted for last; one that is revoked speaks for nothing', async () => {
    await writeMember(file('members.json'), { node: 'n1', ranges: ['10.1.0.0/16'] })
    await writeMember(file('members.json'), { node: 'n2' })
    await writeMember(file('members.json'), { node: 'n1', ranges: ['10.9.0.0/16'] })
    const any = [{ namespace: null, labels: {} }]
    assert.deepEqual(await members(), [
      { node: 'n2', ranges: [], workloads: any },
      { node: 'n1', ranges: ['10.9.0.0/16'], workloads: any },
    ])
    await removeMember(file('members.json'), 'n1')
    await removeMember(file('members.json'), 'n1')
    assert.deepEqual(
      (await members()).map(({ node }) => node),
      ['n2'],
    )
  })

  test('are refused for what is no range, and nothing is written', async () => {
    const wrong = writeMember(file('members.json'), { node: 'n1', ranges: ['10.1.0.0/99'] })
    await assert.rejects(wrong, { code: 'schema-violation' })
    await assert.rejects(readFile(file('members.json')))
    assert.throws(() => parseMembers('m', '{schema: heddle.members/1, members: [{node: N}]}'), {
      code: 'schema-violation',
    })
  })

  const ADMISSIONS: [string, string[], number, RegExp][] = [
    ['a range without a file for it', ['--range', '10.0.0.0/8'], 2, /say --members/],
    ['labels that are none', ['--members', 'M', '--speaks', 'shop/app'], 2, /write it like/],
    ['a range that is none', ['--members', 'M', '--range', '10.0.0.0/40'], 1, /no address range/],
  ]
  for (const [what, flags, code, says] of ADMISSIONS) {
    test(`admit with ${what} is refused before the bus is told`, async () => {
      const args = flags.map((flag) => (flag === 'M' ? file('members.json') : flag))
      const known = ['--bus', file('bus'), '--store', file('store'), '--ring', 'canary', '--nkey', NKEY]
      const admitted = run(process.execPath, [HEDDLE, 'node', 'admit', 'n1', ...known, ...args])
      await assert.rejects(admitted, (error: { code: number; stderr: string }) => {
        assert.equal(error.code, code)
        assert.match(error.stderr, says)
        return true
      })
    })
  }

  test('admit writes what the node speaks for', async () => {
    await ensureBus(file('bus'))
    const known = ['--bus', file('bus'), '--store', file('store'), '--ring', 'canary', '--nkey', NKEY]
    const speaks = [
      '--range',
      '10.1.0.0/16',
      'fd01::/64',
      '--speaks',
      'shop/app=cart,tier=db',
      '*/app=x',
      'bank',
    ]
    await run(process.execPath, [
      HEDDLE,
      'node',
      'admit',
      'n1',
      ...known,
      '--members',
      file('members.json'),
      ...speaks,
    ])
    assert.deepEqual(await members(), [
      {
        node: 'n1',
        ranges: ['10.1.0.0/16', 'fd01::/64'],
        workloads: [
          { namespace: 'shop', labels: { app: 'cart', tier: 'db' } },
          { namespace: null, labels: { app: 'x' } },
          { namespace: 'bank', labels: {} },
        ],
      },
    ])
    await run(process.execPath, [
      HEDDLE,
      'node',
      'revoke',
      'n1',
      '--bus',
      file('bus'),
      '--store',
      file('store'),
      '--members',
      file('members.json'),
    ])
    assert.deepEqual(await members(), [])
  })
})
