/** Traces as lines for people: in short what made a match hold or not, in full every part of it. */
import type { Asked, ConditionTrace } from '../../pipelines/policy/condition-trace.ts'
import { byteText } from '../../pipelines/protocols/http1-grammar.ts'
import { utf8 } from '../../pipelines/bytes.ts'
import { paint } from './style.ts'

/** Characters shown of one value: a cookie may have thousands, `--json` has them all. */
const MAX_SHOWN = 100

const hex = (character: string) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`

/** One character a byte; what is no printable ASCII would be the terminal's to interpret. */
function printable(text: string): string {
  return text.replace(/[^ -~]/g, hex)
}

function valueText(seen: string | null): string {
  if (seen === null) return 'absent'
  if (seen === '') return 'empty'
  const shown = printable(seen.slice(0, MAX_SHOWN))
  return seen.length > MAX_SHOWN ? `${shown}... (${seen.length} bytes)` : shown
}

/** `header x-role exact admin: absent` */
export function askedText({ asked, seen }: Asked): string {
  return `${printable(byteText(utf8(asked)))}: ${valueText(seen)}`
}

/** The parts that a result hangs on: of all that must hold the first that doesn't, or else each; and so on. */
function because(trace: ConditionTrace): string[] {
  switch (trace.kind) {
    case 'asked':
      return [askedText(trace)]
    case 'not':
      return because(trace.of).map((text) => `not ${text}`)
    case 'all':
    case 'any': {
      const deciding = trace.of.find(({ holds }) => holds === (trace.kind === 'any'))
      const parts = deciding === undefined ? trace.of : [deciding]
      return parts.length === 0 ? [`${trace.kind} of nothing`] : parts.flatMap(because)
    }
  }
}

/** Yes or no in a column of its own. */
export function answerText(holds: boolean): string {
  return holds ? paint('green', 'yes') : paint('red', 'no ')
}

function treeLines(trace: ConditionTrace, indent: string): string[] {
  const line = `${indent}${answerText(trace.holds)} `
  switch (trace.kind) {
    case 'asked':
      return [`${line}${askedText(trace)}`]
    case 'not':
      return [`${line}not`, ...treeLines(trace.of, `${indent}  `)]
    case 'all':
    case 'any':
      return [`${line}${trace.kind} of`, ...trace.of.flatMap((part) => treeLines(part, `${indent}  `))]
  }
}

/** A match of that many parts, which must all hold: one line; with `all` each part below it. */
export function matchLines(
  { place, parts, holds }: { place: string; parts: ConditionTrace[]; holds: boolean },
  { indent, all }: { indent: string; all: boolean },
): string[] {
  const line = `${indent}${answerText(holds)} ${place}`
  if (all) return [line, ...parts.flatMap((part) => treeLines(part, `${indent}  `))]
  return [`${line}  ${because({ kind: 'all', of: parts, holds }).join('; ')}`]
}

const ESCAPES: Record<string, string> = { '\r': '\\r', '\n': '\\n', '\\': '\\\\' }

/** A head's bytes, a line each with its end, so that nothing of them is guessed. */
export function headLines(head: Uint8Array): string[] {
  const lines = byteText(head).split(/(?<=\n)/)
  return lines.map((line) => line.replace(/[^ -~]|\\/g, (character) => ESCAPES[character] ?? hex(character)))
}
