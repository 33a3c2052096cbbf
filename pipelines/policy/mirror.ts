/**
 * Mirrors: copies of requests that are let in go to another service, and what comes of them is nobody's
 * answer. A share of the requests is copied, each drawn by itself.
 */
import { z } from 'zod'
import type { Request } from '../protocols/http1-request.ts'
import { byteText } from '../protocols/http1-grammar.ts'
import { ServicePort } from './route.ts'

export const MILLION = 1_000_000

/** `ratio`: copies of a million requests. */
export const Mirror = z.strictObject({ to: ServicePort, ratio: z.int().min(0).max(MILLION) })
export type Mirror = z.infer<typeof Mirror>

/** What says that a request is a copy. */
export const MIRRORED = 'x-heddle-mirrored'

/**
 * A copy is never copied again, or two services that mirror to each other would never stop. Whoever
 * sets the field on a request of his own has it not copied; it means nothing else.
 */
export function isCopy({ fields }: Request): boolean {
  return fields.some(({ name }) => byteText(name).toLowerCase() === MIRRORED)
}

/** Is one request copied? `random`: 32 bits. The kernel draws in the same way (bpf/programs/parts/copy.h). */
export function draws({ ratio }: Pick<Mirror, 'ratio'>, random: number): boolean {
  return Math.floor((random * MILLION) / 2 ** 32) < ratio
}
