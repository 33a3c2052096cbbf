/**
 * NATS subjects and who may do what on them. infra/nats makes the server's
 * permissions from here, so that a subject has one spelling.
 */

/** "Something may be new for this ring": the payload is never trusted. */
export const hint = (ring: string): string => `heddle.hint.${ring}`
/** What one node says about itself; only its own key may publish there. */
export const report = (node: string): string => `heddle.report.${node}`
/** Replies reach a node only here: `_INBOX.>` would show it everybody's. */
export const inbox = (user: string): string => `_INBOX_${user}`

export type Permissions = { publish: string[]; subscribe: string[] }

/** A node reports for itself and hears the hints of its own ring. */
export function nodePermissions(node: string, ring: string): Permissions {
  return { publish: [report(node)], subscribe: [hint(ring), `${inbox(node)}.>`] }
}

/** The functions hint to every ring and read every report. */
export function functionsPermissions(): Permissions {
  return { publish: [hint('*')], subscribe: [report('*'), `${inbox('functions')}.>`] }
}
