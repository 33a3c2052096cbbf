import type { Timer } from '../loop.ts'

export const systemTimer: Timer = {
  after(milliseconds, call) {
    const handle = setTimeout(call, milliseconds)
    return () => clearTimeout(handle)
  },
  elapsed: () => performance.now(),
  random: Math.random,
}
