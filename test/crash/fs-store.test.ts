import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openFsStore } from '../../functions/adapters/fs-store.ts'

const WRITER = fileURLToPath(new URL('../fakes/store-writer.js', import.meta.url))
const ROUNDS = process.env['HEDDLE_DEEP'] === '1' ? 40 : 4
const SIZE = 100_000

let directory = ''
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-crash-'))
})
after(() => rm(directory, { recursive: true, force: true }))

/** Starts a writer, lets it say `writes` of them, kills it. Returns its id and the last write that it said. */
async function writeAndKill(
  root: string,
  kind: string,
  writes: number,
): Promise<{ pid: number; said: number }> {
  const child = spawn(process.execPath, [WRITER, root, kind], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  const enough = new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString()
      if (output.split('\n').length > writes) resolve()
    })
  })
  await Promise.race([enough, once(child, 'exit')])
  child.kill('SIGKILL')
  await once(child, 'close')
  return { pid: child.pid ?? 0, said: Number(output.trim().split('\n').at(-1)) }
}

const contentOf = (pid: number, number: number) => Buffer.alloc(SIZE, `${pid}-${number};`)

describe('file-system store under kill -9', () => {
  it('has every object that a create promised, whole, and no half one', async () => {
    const root = join(directory, 'create')
    for (let round = 0; round < ROUNDS; round++) {
      const { pid, said } = await writeAndKill(root, 'create', 3 + round * 5)
      const names = (await readdir(join(root, 'blobs'))).filter((name) => name.startsWith(`${pid}-`))
      assert.ok(names.length > said, `${names.length} objects, ${said + 1} promised`)
      for (const name of names) {
        const [, number = ''] = name.split('-')
        assert.deepEqual(await readFile(join(root, 'blobs', name)), contentOf(pid, Number(number)))
      }
    }
  })

  it('has the last promised version of an object that is replaced, or the one after, and can go on', async () => {
    const root = join(directory, 'replace')
    for (let round = 0; round < ROUNDS; round++) {
      const { pid, said } = await writeAndKill(root, 'replace', 3 + round * 5)
      const store = await openFsStore(root)
      const object = await store.get('pointer', SIZE)
      const possible = [said, said + 1].map((number) => contentOf(pid, number))
      assert.ok(possible.some((content) => content.equals(object?.bytes ?? new Uint8Array())))
      await store.replace('pointer', object?.bytes ?? new Uint8Array(), object?.version)
    }
  })

  it('sweeps what killed writers left half done', async () => {
    const root = join(directory, 'create')
    await openFsStore(root)
    assert.deepEqual(await readdir(join(root, '.temporary')), [])
  })
})
