/** What became of requests and connections on the slow path, by names an operator understands. */

/** `broken`: reset in the middle of a response. `abandoned`: by its client. */
const REQUEST_ENDS = [
  'forwarded',
  'tunnelled',
  'routedReply',
  'denied',
  'limited',
  'barred',
  'refused',
  'badGateway',
  'unavailable',
  'timedOut',
  'broken',
  'abandoned',
] as const
export type RequestEnd = (typeof REQUEST_ENDS)[number]

/** What the relay answers in an endpoint's stead. */
export const FAILURE_ENDS = {
  502: 'badGateway',
  503: 'unavailable',
  504: 'timedOut',
  pending: 'barred',
} as const
export type FailureStatus = keyof typeof FAILURE_ENDS

export type OutboundCounts = {
  requests: Record<RequestEnd, number>
  /** Requests sent once more, on another connection. */
  retries: number
  /** Requests that were not, as too many were in their retries. */
  overBudget: number
  connections: { taken: number; turnedAway: number; open: number }
  /** Of connections that are over. */
  bytes: { fromClients: number; toClients: number }
}

export const newCounts = (): OutboundCounts => ({
  requests: Object.fromEntries(REQUEST_ENDS.map((end) => [end, 0])) as Record<RequestEnd, number>,
  retries: 0,
  overBudget: 0,
  connections: { taken: 0, turnedAway: 0, open: 0 },
  /** Of connections that are over. */
  bytes: { fromClients: 0, toClients: 0 },
})
