import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { livingProcess, readJournal, undo } from '../../infra/local/journal.ts'
import { leftovers } from './leftovers.ts'

const skip = process.getuid?.() === 0 ? false : 'namespaces need root'
const parent = mkdtempSync(join(tmpdir(), 'heddle-foundation-'))
const dirs: string[] = []
const children: ChildProcess[] = []
after(async () => {
  for (const child of children) child.kill('SIGKILL')
  for (const dir of dirs) {
    await until(() => livingProcess(dir, 'janitor') === undefined, 'the janitor ends')
    await undo(dir)
  }
  rmSync(parent, { recursive: true, force: true })
})
const holder = fileURLToPath(new URL('./hold-stack.js', import.meta.url))

function newDir(name: string): string {
  const dir = join(parent, name)
  dirs.push(dir)
  return dir
}

/** A stack held by another process; rejects with what it said when it can't come up. */
async function hold(dir: string): Promise<{ child: ChildProcess; id: string }> {
  const child = spawn(process.execPath, [holder, dir], { stdio: ['ignore', 'pipe', 'pipe'] })
  children.push(child)
  let said = ''
  child.stderr.on('data', (chunk) => {
    said += chunk
  })
  const up = new Promise<string>((resolve) => createInterface({ input: child.stdout }).once('line', resolve))
  const ended = new Promise<never>((_, reject) => child.once('close', () => reject(new Error(said))))
  ended.catch(() => {})
  return { child, id: (await Promise.race([up, ended])).replace('up ', '') }
}

/** Resolves when the condition holds; a condition that never holds fails the test by its deadline. */
async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!condition()) {
    assert.ok(Date.now() < deadline, `never: ${what}`)
    await pause(20)
  }
}

async function killed(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await gone
}

describe('the foundation of a local stack', { skip }, () => {
  test('is taken down by its janitor when its process is killed', async () => {
    const dir = newDir('killed')
    const { child, id } = await hold(dir)
    assert.notDeepEqual(leftovers(dir, id), [])
    await killed(child)
    await until(() => leftovers(dir, id).length === 0, 'the janitor cleans up')
  })

  test('is taken down by the next start when its janitor is killed too', async () => {
    const dir = newDir('killed-twice')
    const first = await hold(dir)
    process.kill(livingProcess(dir, 'janitor') as number, 'SIGKILL')
    await killed(first.child)
    assert.notDeepEqual(leftovers(dir, first.id), [])
    const second = await hold(dir)
    assert.equal(second.id, first.id)
    await killed(second.child)
    await until(() => leftovers(dir, second.id).length === 0, 'the second janitor cleans up')
  })

  test('is not touched by a second start while it is up', async () => {
    const dir = newDir('taken')
    const { child, id } = await hold(dir)
    const before = new Set(leftovers(dir, id))
    await assert.rejects(hold(dir), /a stack is up in .* \(process \d+\)/)
    assert.deepEqual(new Set(leftovers(dir, id)), before)
    await killed(child)
    await until(() => leftovers(dir, id).length === 0, 'the janitor cleans up')
  })

  test('refuses a directory that holds other data, and leaves it alone', async () => {
    const dir = newDir('foreign')
    mkdirSync(dir)
    writeFileSync(join(dir, 'thesis.txt'), 'years of work')
    await assert.rejects(hold(dir), /not a stack of ours/)
    assert.equal(readFileSync(join(dir, 'thesis.txt'), 'utf8'), 'years of work')
  })
})

test('a journal whose last line is torn is read up to there', () => {
  const dir = newDir('torn')
  mkdirSync(dir)
  writeFileSync(join(dir, 'journal.jsonl'), '{"kind":"netns","name":"hdl-0-n1"}\n{"kind":"netns","na')
  assert.deepEqual(readJournal(dir), [{ kind: 'netns', name: 'hdl-0-n1' }])
})
