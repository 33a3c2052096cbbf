/** How long a function waits for a service of AWS: well within its own time, so that the failure is told and not cut off. */

const CONNECT_MS = 2_000
const ANSWER_MS = 5_000
/** With the SDK's growing pauses between them. */
const ATTEMPTS = 3

export function clientSettings() {
  return {
    maxAttempts: ATTEMPTS,
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: ANSWER_MS,
      throwOnRequestTimeout: true,
    },
  }
}
