/** How long requests of a route may take, how often they are sent, and what goes wrong with them on purpose: their form. */
import { z } from 'zod'
import { MAX_LEAST_RETRIES } from '../../policy/route.ts'
import { field } from './schema-field.ts'

const DURATION = /^([0-9]{1,5}(h|m|s|ms)){1,4}$/
const Duration = z.string().regex(DURATION, 'write a duration like 500ms, 2s or 1m30s')
export const Status = z.int().min(200).max(599)

export const Timeout = z
  .strictObject({
    request: field(
      Duration.optional(),
      'From the head of the request to the last byte of the response, all tries; then 504.',
      '10s',
    ),
    try: field(Duration.optional(), 'The same for one endpoint.', '2s'),
    idle: field(
      Duration.optional(),
      'As long as no byte comes from the endpoint or goes to it; within the response that is a reset.',
      '5s',
    ),
  })
  .meta({ id: 'Timeout', description: 'How long requests may take; `0s` is for ever.', minProperties: 1 })
export type Timeout = z.infer<typeof Timeout>

const Budget = z
  .strictObject({
    percent: field(z.number().min(0).max(100).optional(), 'Of the requests under way; usual: 20.', 20),
    least: field(z.int().min(0).max(MAX_LEAST_RETRIES).optional(), 'So many in any case; usual: 3.', 3),
  })
  .meta({
    id: 'Budget',
    description:
      'How many requests to one Service may be in their retries at a time, of those under way there by routes with a budget; each node counts for itself. What is over it is not sent again.',
  })

export const Retry = z
  .strictObject({
    attempts: field(z.int().min(1).optional(), 'How often, behind the first time; usual: 2, at most 10.', 3),
    codes: field(
      z.array(z.int().min(400).max(599)).optional(),
      'Statuses that are no answer yet. What got no response is sent again whatever stands here.',
      [502, 503],
    ),
    backoff: field(Duration.optional(), 'Wait so long at least, doubling; usual: 25ms.', '100ms'),
    budget: field(Budget.optional(), 'Without it none.', { percent: 20, least: 3 }),
  })
  .meta({
    id: 'Retry',
    description:
      'When a request is sent again: one of an idempotent method (RFC 9110 9.2.2) without a body, or of which nothing has left.',
  })
export type Retry = z.infer<typeof Retry>

const Percent = field(z.number().min(0).max(100), 'Of the requests, to the hundredth.', 0.25, 50)
const Abort = z
  .strictObject({ status: field(Status, 'What they are answered with.', 503), percent: Percent })
  .meta({
    id: 'Abort',
    description:
      'Requests that are answered with a status and `X-Heddle-Fault: abort`, each drawn by itself.',
  })
const Delay = z
  .strictObject({
    duration: field(Duration, 'Up to 60s; a part of `timeout.request`.', '250ms'),
    percent: Percent,
  })
  .meta({ id: 'Delay', description: 'Requests that wait before they are sent on, each drawn by itself.' })
export const Fault = z
  .strictObject({
    abort: field(Abort.optional(), 'First; an aborted request does not wait.', { status: 503, percent: 1 }),
    delay: field(Delay.optional(), 'Then, in the relay.', { duration: '250ms', percent: 10 }),
  })
  .meta({ id: 'Fault', description: 'What goes wrong on purpose.', minProperties: 1 })
export type Fault = z.infer<typeof Fault>

/** For "did you mean". */
export const FAILURE_OBJECTS: { shape: object }[] = [Timeout, Retry, Budget, Fault, Abort, Delay]
