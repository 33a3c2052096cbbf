/** What the tests of children ask: whether others are served meanwhile, and what becomes of one that is killed. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import type { RolloutDesk } from '../../functions/rollout/desk.ts'
import { listen } from '../../infra/local/webhook-server.ts'
import type { Failure } from '../../pipelines/contract/failures.ts'
import { memoryStatuses } from '../fakes/memory-forge.ts'

const ANSWERS = 20

export const failureOf = (work: Promise<unknown>): Promise<Failure> =>
  work.then(
    () => assert.fail('it has passed'),
    (error: Failure) => error,
  )

/** Kills the child that was started last, as the kernel does where memory is short. */
export async function killChild(program: string): Promise<void> {
  const children = await readFile(`/proc/self/task/${process.pid}/children`, 'utf8')
  const child = Number(children.trim().split(' ').at(-1))
  const command = await readFile(`/proc/${child}/cmdline`, 'utf8')
  assert.ok(command.includes(program), command)
  process.kill(child, 'SIGKILL')
}

const NO_ROLLOUTS: RolloutDesk = {
  look: () => Promise.reject(new Error('nobody asks')),
  command: () => Promise.reject(new Error('nobody asks')),
}

/** The functions' own server, in this process, answers many questions before the work comes to its end. */
export async function answersBefore(work: () => Promise<unknown>): Promise<void> {
  const server = await listen(0, {
    receive: async () => ({ statusCode: 202, body: '' }),
    rollout: NO_ROLLOUTS,
    statuses: memoryStatuses(),
  })
  const { port } = server.address() as AddressInfo
  try {
    const order: string[] = []
    const ended = work().finally(() => order.push('end'))
    for (let asked = 0; asked < ANSWERS; asked++) {
      assert.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)
      order.push('answer')
    }
    await ended
    assert.equal(order.indexOf('end'), ANSWERS, 'an answer came after the end')
  } finally {
    server.close()
  }
}
