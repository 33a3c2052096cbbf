/** What the load client is told and what it tells: one JSON line each way over its unix socket. */
import { z } from 'zod'

/** A set of equal keep-alive connections to one node, each with one request in flight at any time. */
export const Lane = z.strictObject({
  name: z.string(),
  node: z.string(),
  address: z.string(),
  port: z.int(),
  connections: z.int().min(1).max(256),
  method: z.string(),
  path: z.string(),
  bodyBytes: z.int().min(0),
})
export type Lane = z.infer<typeof Lane>

export const ClientConfig = z.strictObject({ socket: z.string(), lanes: z.array(Lane) })
export type ClientConfig = z.infer<typeof ClientConfig>

/** Every count is since the start of the client. */
export const LaneStats = z.strictObject({
  name: z.string(),
  node: z.string(),
  /** How many there should be; `connects` counts how often one was made. */
  connections: z.int(),
  open: z.int(),
  requests: z.int(),
  /** status code -> complete responses */
  status: z.record(z.string(), z.int()),
  connects: z.int(),
  connectErrors: z.int(),
  /** Requests sent whose connection ended, or whose wait ended, without a complete response. */
  lost: z.int(),
  /** Connections that ended although no response had announced it. */
  broken: z.int(),
  firstRefusedAtMs: z.number().nullable(),
  slowestMs: z.number(),
  /** The last few things that should not have happened, in words. */
  troubles: z.array(z.string()),
})
export type LaneStats = z.infer<typeof LaneStats>

export const ClientStats = z.array(LaneStats)
export type ClientCommand = 'stats' | 'stop'
