import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runAndRead } from '../../../infra/ci/second-node.ts'

const table: [string, string, { passed: number; failed: number; skipped: number }][] = [
  [
    'its own totals',
    `console.log('skipped 1: a\\n5 passed, 0 failed, 1 skipped')`,
    { passed: 5, failed: 0, skipped: 1 },
  ],
  [
    'its own failures',
    `console.log('5 passed, 2 failed'); process.exitCode = 1`,
    { passed: 5, failed: 2, skipped: 0 },
  ],
  [
    'one failure when it exits with 1 and names none',
    `console.log('5 passed, 0 failed'); process.exitCode = 1`,
    { passed: 0, failed: 1, skipped: 0 },
  ],
  [
    'one failure when it is killed',
    `console.log('5 passed, 0 failed'); process.kill(process.pid, 'SIGKILL')`,
    { passed: 0, failed: 1, skipped: 0 },
  ],
  ['one failure when it says nothing', '', { passed: 0, failed: 1, skipped: 0 }],
]
for (const [name, script, expected] of table) {
  test(`a run elsewhere counts ${name}`, async () => {
    const said: string[] = []
    const { skips, ...counts } = await runAndRead([process.execPath, '-e', script], (line) => said.push(line))
    assert.deepEqual(counts, expected)
    assert.equal(skips.size, expected.skipped)
    assert.equal(
      said.some((line) => line.includes('FAILED')),
      counts.passed === 0,
    )
  })
}

test('a Node that is not there is an error, not an empty run', async () => {
  await assert.rejects(
    runAndRead(['/nowhere/node'], () => {}),
    { code: 'ENOENT' },
  )
})
