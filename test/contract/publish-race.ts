/** Many publishers on one store: whatever order they come in, and whoever is killed, nothing that was promised is lost. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openOnlineKeys } from '../../functions/adapters/dev-keys.ts'
import { Repository } from '../../functions/trust/repository.ts'
import { loadCurrent } from '../../functions/trust/repository-state.ts'
import { openStore } from '../../infra/store/open-store.ts'
import { type Custody, initTrust } from '../../infra/trust/custody.ts'
import { fakeCode } from '../fakes/compiler.ts'
import { systemClock } from '../fakes/keys.ts'

const PUBLISHER = fileURLToPath(new URL('./publisher-child.js', import.meta.url))
const DEEP = process.env['HEDDLE_DEEP'] === '1'
const PUBLISHERS = 20
const MAX_BYTES = 1 << 20
/** Processes, in the test that kills; each takes half a second to begin. */
const PROCESSES = DEEP ? PUBLISHERS : 3

export function publishRace(address: () => Promise<string>): void {
  describe('publishers that race', () => {
    const prepared = async (run: (custody: Custody) => Promise<void>) => {
      const directory = await mkdtemp(join(tmpdir(), 'heddle-race-'))
      const at = (name: string) => join(directory, name)
      const custody = {
        store: await address(),
        root: at('root.json'),
        offline: [at('offline')],
        online: at('online'),
      }
      try {
        await initTrust(custody, fakeCode)
        await run(custody)
      } finally {
        await rm(directory, { recursive: true, force: true })
      }
    }

    it(`${PUBLISHERS} at once: all their targets are listed, each of them whole`, () =>
      prepared(async (custody) => {
        const names = Array.from({ length: PUBLISHERS }, (_, index) => `p${index}`)
        await Promise.all(names.map(async (name) => publish(await repositoryOf(custody), `${name}-0`)))
        assert.deepEqual(await listed(custody), names.map((name) => `policy/${name}-0.json`).sort())
      }))

    it(`${PROCESSES} processes, killed in the midst: what each said it had done is there, and the next goes on`, () =>
      prepared(async (custody) => {
        const said = await Promise.all(
          Array.from({ length: PROCESSES }, (_, index) =>
            publishAndDie(custody, `p${index}`, 1 + (index % 3)),
          ),
        )
        await publish(await repositoryOf(custody), 'after')
        const there = await listed(custody)
        for (const name of [...said.flat(), 'after']) assert.ok(there.includes(`policy/${name}.json`), name)
      }))
  })
}

async function repositoryOf({ store, root, online }: Custody): Promise<Repository> {
  const [keys, trustedRoot] = [await openOnlineKeys(online), await readFile(root)]
  return new Repository({ store: await openStore(store, systemClock), keys, clock: systemClock, trustedRoot })
}

async function publish(repository: Repository, name: string): Promise<void> {
  const target = { path: `policy/${name}.json`, bytes: Buffer.from(name) }
  await repository.update(() => ({ policy: { put: [target] } }))
}

/** Every target of the policy role, after its file was found and compared. */
async function listed({ store: address, online }: Custody): Promise<string[]> {
  const [store, keys] = [await openStore(address, systemClock), await openOnlineKeys(online)]
  const { roles, snapshot } = await loadCurrent(store, keys)
  // Whoever audits reads all of them.
  for (let number = snapshot?.signed.version ?? 0; number > 0; number--)
    assert.ok(await store.get(`tuf/${number}.snapshot.json`, MAX_BYTES), `snapshot ${number} is missing`)
  const targets = Object.values(roles.policy.signed.targets)
  for (const { path, hashes, length } of targets) {
    const name = path.slice('policy/'.length, -'.json'.length)
    const file = await store.get(`tuf/targets/policy/${hashes['sha256']}.${name}.json`, length)
    assert.equal(Buffer.from(file?.bytes ?? []).toString(), name)
  }
  return targets.map(({ path }) => path).sort()
}

/** Names of what a process says that it has published, until it is killed. */
async function publishAndDie(custody: Custody, name: string, count: number): Promise<string[]> {
  const args = [PUBLISHER, custody.store, custody.root, custody.online, name]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  const enough = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.split('\n').length > count) resolve()
    })
  })
  await Promise.race([enough, once(child, 'exit')])
  child.kill('SIGKILL')
  await once(child, 'close')
  assert.ok(output.includes('\n'), `${name} published nothing`)
  return output.trim().split('\n')
}
