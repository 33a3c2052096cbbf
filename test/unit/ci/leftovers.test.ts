import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { leftBehind, lookAround, type Machine, RUN_MARK, type Thing } from '../../../infra/ci/leftovers.ts'

const machine = (things: Thing[], foreign: string[] = [], living: number[] = []): Machine => ({
  things,
  foreign: new Set(foreign),
  living: new Set(living),
})
const namespace: Thing = { text: 'network namespace hdl-a-n1', stack: 'hdl-a' }
const pins: Thing = { text: 'pins /sys/fs/bpf/ heddle-test-7-1', maker: 7 }
const orphan: Thing = { text: 'process 9 nginx' }

const table: [string, Machine, Machine, string[]][] = [
  ['what is new', machine([]), machine([namespace, pins, orphan]), [namespace.text, pins.text, orphan.text]],
  ['nothing that was there before', machine([namespace, pins]), machine([namespace, pins]), []],
  ['nothing of a stack that others run beside', machine([]), machine([namespace], ['hdl-a']), []],
  ['nothing that its living maker may still need', machine([]), machine([pins], [], [7]), []],
]
for (const [name, before, after, left] of table) {
  test(`left behind is ${name}`, () => assert.deepEqual(leftBehind(before, after), left))
}

test('a process that a run started is found by the mark that it inherits', async () => {
  const mark = `test-${process.pid}`
  const child = spawn(process.execPath, ['-e', 'process.stdin.resume(); console.log(1)'], {
    env: { ...process.env, [RUN_MARK]: mark },
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  try {
    await once(child.stdout, 'data')
    const found = leftBehind(machine([]), lookAround(mark)).filter((text) => text.startsWith('process'))
    assert.equal(found.length, 1)
    assert.match(found[0] ?? '', new RegExp(`^process ${child.pid} `))
  } finally {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
  assert.deepEqual(
    lookAround(mark).things.filter(({ text }) => text.startsWith('process')),
    [],
  )
})
