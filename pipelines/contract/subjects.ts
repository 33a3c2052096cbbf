/**
 * NATS subjects and who may do what on them. infra/nats makes the server's
 * permissions from here, so that a subject has one spelling.
 */

/** "Something may be new for this ring": the payload is never trusted. */
export const hint = (ring: string): string => `heddle.hint.${ring}`
/** What one node says about itself; only its own key may publish there. */
export const report = (node: string): string => `heddle.report.${node}`
/** What one node has; only its own key may publish there, and every node hears it. */
export const announcement = (node: string): string => `heddle.workloads.${node}`
export const ANNOUNCEMENTS = announcement('*')
/** Who speaks on such a subject: the bus has seen to it. */
export const announcerOf = (subject: string): string => subject.slice(subject.lastIndexOf('.') + 1)
/** How rollouts end, for whoever listens. */
export const ROLLOUT_ENDED = 'heddle.event.rollout-ended'
/**
 * Replies reach a node only here: `_INBOX.>` would show it everybody's. The name is a token of its own:
 * nats-server fills in nothing less (infra/nats/authority.ts).
 */
export const inbox = (user: string): string => `heddle.inbox.${user}`

export type Permissions = { publish: string[]; subscribe: string[] }

/** A node reports and announces for itself, and hears the hints of its own ring and what others announce. */
export function nodePermissions(node: string, ring: string): Permissions {
  return {
    publish: [report(node), announcement(node)],
    subscribe: [hint(ring), ANNOUNCEMENTS, `${inbox(node)}.>`],
  }
}

/** The functions hint to every ring and read every report. */
export function functionsPermissions(): Permissions {
  return { publish: [hint('*'), ROLLOUT_ENDED], subscribe: [report('*'), `${inbox('functions')}.>`] }
}
