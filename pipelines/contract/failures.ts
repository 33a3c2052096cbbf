/**
 * Closed failure codes. A failure is a code, what follows from it (its
 * disposition) and a cause in words. Code tests match codes, never messages.
 *
 * reject: the input is wrong and stays wrong. retry: the same input may pass
 * later. alarm: somebody or something broke a promise; go on with the old state
 * and tell a human.
 */
export const FAILURES = {
  // policy
  'yaml-syntax': 'reject',
  'yaml-limit': 'reject',
  'schema-violation': 'reject',
  'unknown-field': 'reject',
  'unsupported-feature': 'reject',
  'unsupported-kind': 'reject',
  'expression-invalid': 'reject',
  'tenancy-violation': 'reject',
  'duplicate-policy': 'reject',
  'limit-exceeded': 'reject',
  'policy-test-failed': 'reject',
  // forge
  'webhook-signature': 'reject',
  'webhook-malformed': 'reject',
  'webhook-too-large': 'reject',
  'forge-unavailable': 'retry',
  'forge-refused': 'reject',
  // compile
  'compiler-failed': 'alarm',
  'work-interrupted': 'retry',
  'compile-not-reproducible': 'alarm',
  // store, bus
  'store-unavailable': 'retry',
  'store-conflict': 'retry',
  'store-too-large': 'alarm',
  // Credentials, a policy: somebody who may must say yes.
  'store-denied': 'retry',
  // The bucket does not keep what Heddle needs kept: conditions, versions, locks.
  'store-unfit': 'alarm',
  'bus-unavailable': 'retry',
  // operators
  'command-untrusted': 'reject',
  'command-refused': 'reject',
  // queue
  'queue-unavailable': 'retry',
  'delivery-exhausted': 'alarm',
  // trust
  'signer-unavailable': 'retry',
  'metadata-untrusted': 'alarm',
  'metadata-expired': 'alarm',
  'metadata-rollback': 'alarm',
  'release-replayed': 'alarm',
  'release-wrong-ring': 'alarm',
  'release-out-of-order': 'retry',
  'artifact-denied': 'reject',
  'artifact-missing': 'retry',
  'artifact-tampered': 'alarm',
  'artifact-untrusted': 'alarm',
  'code-untrusted': 'alarm',
  'provenance-untrusted': 'alarm',
  'artifact-unlogged': 'alarm',
  'log-split-view': 'alarm',
  'log-shrunk': 'alarm',
  'log-damaged': 'alarm',
  'rebuild-differs': 'alarm',
  'abi-mismatch': 'reject',
  'kernel-too-old': 'reject',
  'clock-set-back': 'alarm',
  // node
  'verifier-rejected': 'alarm',
  'no-free-slot': 'retry',
  'attached-differs': 'alarm',
  'dispatcher-unknown': 'retry',
  'services-unsupported': 'retry',
  'shadow-unsupported': 'retry',
  'state-corrupt': 'alarm',
  'kernel-refused': 'alarm',
  'disk-failed': 'retry',
  'already-running': 'retry',
} as const

export type FailureCode = keyof typeof FAILURES
export type Disposition = (typeof FAILURES)[FailureCode]

/** The one error type that crosses a room's door. */
export class Failure extends Error {
  readonly code: FailureCode
  /** Lines for a human who wants more: a verifier log's end, a compiler's output. */
  readonly detail: readonly string[]

  constructor(
    code: FailureCode,
    message: string,
    options: { cause?: unknown; detail?: readonly string[] } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'Failure'
    this.code = code
    this.detail = options.detail ?? []
  }

  get disposition(): Disposition {
    return FAILURES[this.code]
  }
}
