/** `breaker` of a policy of a service: its form, and what people read of it. */
import { z } from 'zod'
import { field } from './schema-field.ts'

const Duration = z.string().regex(/^[0-9]{1,5}(ms|s|m|h)$/, 'write a duration like 500ms, 30s, 5m or 1h')

const ErrorRate = z
  .strictObject({
    percent: field(z.int().min(1).max(100), 'So many of 100 requests end in an error …', 50),
    window: field(Duration, '… of those of the last while, 1s to 10m, in eight steps …', '10s'),
    minimumVolume: field(z.int().min(1).max(100_000), '… once there are so many.', 20),
  })
  .meta({ id: 'ErrorRate', description: 'A share of requests that opens a breaker.' })

export const BreakerField = field(
  z
    .strictObject({
      consecutiveErrors: field(z.int().min(1).max(1_000).optional(), 'So many errors in a row open it.', 5),
      errorRate: field(ErrorRate.optional(), 'What share of errors opens it.', {
        percent: 50,
        window: '10s',
        minimumVolume: 20,
      }),
      maxInFlight: field(
        z.int().min(1).max(1_000_000).optional(),
        'Requests that the service has from clients of one node at a time.',
        100,
      ),
      maxPending: field(
        z.int().min(1).max(65_536).optional(),
        'Requests that wait for a connection to be made; the kernel takes none that would have to wait.',
        32,
      ),
      open: field(
        Duration.optional(),
        'How long it refuses before it lets probes through, 100ms to 1h (usual: 30s).',
        '10s',
      ),
      probes: field(
        z.int().min(1).max(1_000).optional(),
        'So many have to succeed before it is closed again, and go at a time (usual: 1).',
        3,
      ),
    })
    .meta({
      id: 'Breaker',
      description: [
        'What keeps requests from a service that fails, or has enough: each node keeps one for its clients, for all endpoints of a port together.',
        'An error is a status of 500 or more, or no whole response by the doing of the service.',
        'What is refused gets 503 with x-heddle-breaker: open, in-flight or pending.',
      ].join(' '),
      minProperties: 1,
    })
    .optional(),
  'What is refused while the service fails, or has enough.',
  { consecutiveErrors: 5, open: '10s' },
)
export type MeshBreaker = NonNullable<z.infer<typeof BreakerField>>

/** For "did you mean". */
export const BREAKER_OBJECTS: { shape: object }[] = [ErrorRate, BreakerField.unwrap()]
