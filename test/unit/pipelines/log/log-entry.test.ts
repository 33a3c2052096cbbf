/** Entries of the log, and who keeps it, as they are read from what others wrote. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { logCrypto } from '../../../../functions/log/log-reader.ts'
import { LogTarget, logEntryBytes, logOf, readLogEntry } from '../../../../pipelines/contract/log.ts'
import { MAX_ENTRY_BYTES } from '../../../../pipelines/log/tiles.ts'
import { formatKey } from '../../../../pipelines/log/signed-note.ts'
import { freshSigner } from '../../../fakes/forger.ts'

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as const
const entry = { artifact: digest('a'), provenance: digest('b'), commit: 'c'.repeat(64) }
const text = Buffer.from(logEntryBytes(entry)).toString()

describe('a log entry', () => {
  it('is read as it was written, and fits the log many times', () => {
    assert.deepEqual(readLogEntry(text), { schema: 'heddle.log-entry/1', ...entry })
    assert.ok(text.length * 100 < MAX_ENTRY_BYTES)
  })

  const bad: [string, string][] = [
    ['nothing', ''],
    ['no JSON', 'hello'],
    ['another spelling of the same', `${text} `],
    ['another order of members', JSON.stringify({ schema: 'heddle.log-entry/1', ...entry })],
    ['a member more', text.replace('{', '{"a":1,')],
    ['a member less', text.replace(/"commit":"c+",/, '')],
    ['a short digest', text.replace('aa', 'a')],
    ['no commit', text.replace(/c{64}/, 'main')],
    ['another schema', text.replace('entry/1', 'entry/2')],
  ]
  for (const [what, wrong] of bad)
    it(`is not ${what}`, () => {
      assert.notEqual(wrong, text)
      assert.equal(readLogEntry(wrong), undefined)
    })
})

describe('the log that the code key names', () => {
  const origin = 'heddle.test/log'
  const key = (publicKey: Uint8Array, name = origin) => formatKey(logCrypto.sha256, { name, publicKey })
  const { publicKey } = freshSigner()
  const target = (...keys: string[]) => LogTarget.parse({ schema: 'heddle.log/1', origin, keys })

  it('has every key that is listed', () => {
    const other = freshSigner().publicKey
    assert.deepEqual(
      logOf(target(key(publicKey), key(other)), logCrypto)?.keys,
      [publicKey, other].map((each) => ({ name: origin, publicKey: each })),
    )
  })

  it('is none when one of its keys is weak, of another name, or no key', () => {
    const weak = new Uint8Array(32)
    for (const wrong of [key(weak), key(publicKey, 'heddle.other/log'), 'hello'])
      assert.equal(logOf(target(key(publicKey), wrong), logCrypto), undefined, wrong)
  })
})
