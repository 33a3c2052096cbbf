/** A field of the language: its type, what it means, and examples that the tests read back. */
import type { z } from 'zod'

export const field = <T extends z.ZodType>(type: T, description: string, ...examples: unknown[]): T =>
  type.meta({ description, examples })
