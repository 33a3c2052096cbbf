/** Colour for people at a terminal, plain text for pipes and NO_COLOR (https://no-color.org). */
import { styleText } from 'node:util'

export type Ink = 'red' | 'green' | 'yellow' | 'bold' | 'dim'

export function paint(ink: Ink, text: string): string {
  const plain = !process.stdout.isTTY || (process.env['NO_COLOR'] ?? '') !== ''
  return plain ? text : styleText(ink, text)
}
