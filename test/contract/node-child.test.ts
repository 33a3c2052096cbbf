/** Work in a child does not outlive who asked for it, also when that one is killed. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const HOST = fileURLToPath(new URL('./child-host.js', import.meta.url))

test('a child ends when its parent is killed', async () => {
  const host = spawn(process.execPath, [HOST], { stdio: ['ignore', 'inherit', 'inherit'] })
  const born = () => readFileSync(`/proc/${host.pid}/task/${host.pid}/children`, 'utf8').trim()
  while (born() === '') await new Promise((resolve) => setTimeout(resolve, 5))
  const child = Number(born())
  const gone = once(host, 'exit')
  host.kill('SIGKILL')
  await gone
  const deadline = Date.now() + 10_000
  while (existsSync(`/proc/${child}`) && Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 5))
  const alive = existsSync(`/proc/${child}`)
  if (alive) process.kill(child, 'SIGKILL')
  assert.equal(alive, false)
})
