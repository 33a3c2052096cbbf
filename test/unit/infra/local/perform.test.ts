import assert from 'node:assert/strict'
import { test } from 'node:test'
import { perform } from '../../../../infra/local/perform.ts'

/** More than a pipe holds, so that a command which does not read it breaks it. */
const INPUT = 'x'.repeat(1 << 20)

test('a command that fails before it reads its input says why', () => {
  assert.throws(() => perform(['sh', '-c', 'exec <&-; echo because >&2; exit 1'], INPUT), {
    message: /: because$/,
  })
})

test('a command that is not there is named', () => {
  assert.throws(() => perform(['heddle-nowhere']), { message: /heddle-nowhere/ })
})
