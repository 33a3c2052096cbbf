/**
 * Reports on their way from the bus to the director: of each node the newest, as many as there are in
 * one go. Not on disk: a node says again what nobody heard.
 */
import type { SqsHandler } from '../../functions/sqs.ts'
import { canonicalJson } from '../../pipelines/contract/canonical-json.ts'
import type { DeliveryEvent } from '../../pipelines/contract/events.ts'
import type { Report } from '../../pipelines/contract/release.ts'
import type { SQSEvent } from 'aws-lambda'

/** Reports a batch; what one look at the state takes in. */
const BATCH = 1000
/** Milliseconds before a batch that failed is tried again. */
const AGAIN_MS = 200

export type ReportInbox = { put(report: Report): void; stop(): Promise<void> }

export function reportInbox(rollout: SqsHandler, log: (line: string) => void): ReportInbox {
  const waiting = new Map<string, Report>()
  let running: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  const drain = async () => {
    while (waiting.size > 0 && !stopped) {
      const batch = [...waiting.values()].slice(0, BATCH)
      for (const { node } of batch) waiting.delete(node)
      if (await given(rollout, batch)) continue
      // A newer one has come meanwhile: it says all that the older one did.
      for (const report of batch) if (!waiting.has(report.node)) waiting.set(report.node, report)
      timer = setTimeout(wake, AGAIN_MS)
      return
    }
  }
  const wake = () => {
    if (stopped || running !== undefined) return
    clearTimeout(timer)
    running = drain()
      .catch((error: Error) => log(`reports: ${error.message}`))
      .finally(() => {
        running = undefined
      })
  }
  return {
    put(report) {
      const known = waiting.get(report.node)
      if (known === undefined || known.sequence < report.sequence || known.at < report.at) {
        waiting.set(report.node, report)
      }
      wake()
    },
    async stop() {
      stopped = true
      clearTimeout(timer)
      await running
    },
  }
}

async function given(rollout: SqsHandler, reports: readonly Report[]): Promise<boolean> {
  const Records = reports.map((report) => {
    const event: DeliveryEvent = { stage: 'rollout', cause: { kind: 'report', report } }
    return { messageId: report.node, body: canonicalJson(event) }
  })
  const { batchItemFailures } = await rollout({ Records } as unknown as SQSEvent)
  return batchItemFailures.length === 0
}
