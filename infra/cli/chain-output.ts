/** A verified chain for people: what held, and the first break. */
import type { Chain, Link } from '../audit/chain.ts'
import { paint } from './style.ts'

export function tellChain({ links, broken }: Chain): string {
  const lines = links.map((link) => `${paint('green', '✓')} ${link.link.padEnd(21)} ${brief(link)}\n`)
  if (broken !== null) {
    lines.push(`${paint('red', '✗')} ${broken.link.padEnd(21)} ${broken.code}: ${broken.message}\n`)
  }
  return lines.join('')
}

function brief({ facts }: Link): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join('  ')
}
