/**
 * Faults on purpose, and how one random number chooses between them and a rule's backends: an abort has a
 * part of the sum of weights as a backend has, the first. So whoever can choose a backend can abort, and the
 * parts are exact, to the hundredth of a percent.
 */
import { type Backend, type Fault, type RouteRule, WHOLE } from './route.ts'

/** What the programs that choose can add up: 32 bits. */
export const MAX_WEIGHTS = 0xffff_ffff

/** `leads`: undefined = to no backend. */
export type Share = { weight: number; leads: Backend | 'abort' | undefined }

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b)
}

/** None of weight 0; nothing at all where nothing has a weight. */
export function sharesOf({
  backends,
  fault,
  filters,
}: Pick<RouteRule, 'backends' | 'fault' | 'filters'>): Share[] {
  const weighted: Share[] = backends
    .filter(({ weight }) => weight > 0)
    .map((backend) => ({ weight: backend.weight, leads: backend }))
  // What is answered here needs no backend.
  const answered = filters.some(({ kind }) => kind === 'redirect' || kind === 'respond')
  const percent = fault?.abort?.percent ?? 0
  if (weighted.length === 0 && (answered || percent > 0)) weighted.push({ weight: 1, leads: undefined })
  if (percent === 0) return weighted
  const sum = weighted.reduce((total, { weight }) => total + weight, 0)
  const shares = [
    { weight: percent * sum, leads: 'abort' as const },
    ...weighted.map(({ weight, leads }) => ({ weight: weight * (WHOLE - percent), leads })),
  ].filter(({ weight }) => weight > 0)
  const common = shares.reduce((all, { weight }) => divisor(all, weight), 0)
  return shares.map(({ weight, leads }) => ({ weight: weight / common, leads }))
}

/** Does a random number (0 to 2^32 - 1) make a request wait? Milliseconds, 0 = no. */
export function delayOf(fault: Pick<Fault, 'delay'> | undefined, random: number): number {
  const { duration = 0, percent = 0 } = fault?.delay ?? {}
  return Math.floor((random / 0x1_0000_0000) * WHOLE) < percent ? duration : 0
}
