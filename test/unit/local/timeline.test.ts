import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTimeline } from '../../../infra/local/timeline.ts'

function tell(colour: boolean): { text: string; broken: readonly string[] } {
  let text = ''
  let clock = 1000
  const timeline = openTimeline(
    (more) => {
      text += more
    },
    colour,
    () => clock,
  )
  timeline.scene('A scene')
  clock += 1250
  timeline.promise(true, 'kept')
  timeline.promise(false, 'not kept')
  timeline.quote('one\ntwo\n')
  return { text, broken: timeline.broken() }
}

test('times count from the start, and broken promises are remembered', () => {
  const { text, broken } = tell(false)
  assert.equal(
    text,
    '\n1. A scene\n   1.25 s  ✓ kept\n   1.25 s  ✗ NOT KEPT: not kept\n             │ one\n             │ two\n',
  )
  assert.deepEqual(broken, ['not kept'])
})

test('colour only changes the colour', () => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: an escape sequence is what is looked for
  assert.equal(tell(true).text.replaceAll(/\x1b\[\d+m/g, ''), tell(false).text)
})
