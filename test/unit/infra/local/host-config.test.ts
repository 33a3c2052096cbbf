import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { type HostConfig, readHostConfig } from '../../../../infra/local/host-config.ts'
import { openForge } from '../../../../infra/local/host-forge.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { type GithubServer, githubServer } from '../../../fakes/github-server.ts'

let directory = ''
let server: GithubServer
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-host-config-'))
  server = await githubServer()
  await writeFile(join(directory, 'app.pem'), server.settings.privateKey)
})
after(async () => {
  await server.close()
  await rm(directory, { recursive: true, force: true })
})

const app = { appId: 4242, privateKeyFile: 'app.pem' }

async function read(github: object, repository: object = {}): Promise<HostConfig> {
  const file = join(directory, 'functions.json')
  const config = {
    repository: { path: 'state', name: 'acme/policies', ...repository },
    github: {
      ...app,
      installationId: server.settings.installationId,
      baseUrl: server.settings.baseUrl,
      ...github,
    },
    ...{ store: 'store', keys: 'keys', queue: 'queue', nats: null, secretFile: 'secret' },
    ...{ rings: [{ name: 'ring-0', nodes: ['node-0'] }], portFile: 'port', rootFile: 'root.json' },
  }
  await writeFile(file, JSON.stringify(config))
  return readHostConfig(file)
}

describe('the host with GitHub', () => {
  it('asks GitHub for the head', async () => {
    const commit = server.repository.commit({})
    server.repository.push(commit)
    const { forge } = await openForge(await read({}), () => {})
    assert.equal(await forge.head('main'), commit)
  })

  const refused: [string, object, object, RegExp][] = [
    ['no app', { appId: 0 }, {}, /^github\.appId: /],
    ['a key that is written out', { privateKey: 'SECRET' }, {}, /^github: /],
    ['an address that is none', { baseUrl: 'ftp://github' }, {}, /^github\.baseUrl: /],
    [
      'a key file that is not there',
      { privateKeyFile: 'none.pem' },
      {},
      /^github\.privateKeyFile: .*can't be read/,
    ],
    [
      'a key file that holds no key',
      { privateKeyFile: 'functions.json' },
      {},
      /^github\.privateKeyFile: .*no private key/,
    ],
    ['a repository without an owner', {}, { name: 'policies' }, /^repository\.name: /],
  ]
  for (const [what, github, repository, said] of refused) {
    it(`refuses ${what} at its place, and repeats no value`, async () => {
      const error = await read(github, repository)
        .then((config) => openForge(config, () => {}))
        .then(() => assert.fail('taken'))
        .catch((failure: unknown) => failure)
      assert.ok(error instanceof Failure && error.code === 'schema-violation', String(error))
      const lines = error.detail.length > 0 ? error.detail : [error.message]
      assert.ok(
        lines.some((line) => said.test(line)),
        lines.join(),
      )
      assert.doesNotMatch(lines.join(), /SECRET/)
    })
  }
})
