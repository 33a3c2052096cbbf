/** The registry of a node without a bus: it hears nobody, and nobody hears it. */
import type { Registry } from '../ports.ts'

export const silentRegistry: Registry = {
  announce: () => {},
  list: async () => [],
  stale: () => 0,
  watch: () => () => {},
  close: async () => {},
}
