/** Hints in, reports out, over NATS. A bus that is down changes nothing but how soon a node looks. */
import { Failure } from '../../pipelines/contract/failures.ts'
import type { Report } from '../../pipelines/contract/release.ts'
import { hint, report } from '../../pipelines/contract/subjects.ts'
import type { Bus } from '../ports.ts'
import { type NatsLink, type NatsOptions, natsLink } from './nats-link.ts'
import { RepeatedReport } from './repeated-report.ts'

/** Milliseconds that a report may take to reach the server. */
const FLUSH_MS = 5_000

/** Returns at once; connecting goes on in the background until close(), which closes the link as well. */
export function natsBus(
  options: NatsOptions,
  log: (line: string) => void,
  link: NatsLink = natsLink(options, log),
): Bus {
  let handle = () => {}
  const said = new RepeatedReport(send)
  link.use({
    connected: (connection) => {
      connection.subscribe(hint(options.ring), {
        callback: (refused) => (refused === null ? handle() : log(`bus: ${refused.message}`)),
      })
    },
    // What was said and hinted while we were away is lost: say it again, and look.
    online: () => {
      said.again()
      handle()
    },
  })

  async function send(statement: Report): Promise<void> {
    // Not left to the client's buffer: an old report that arrives late tells a state that is gone.
    const connection = link.connection()
    if (connection === undefined) throw new Failure('bus-unavailable', 'not connected')
    try {
      connection.publish(report(options.node), JSON.stringify(statement))
      await within(connection.flush(), FLUSH_MS)
    } catch (cause) {
      // It may go away under the report, before the link is told.
      throw cause instanceof Failure ? cause : new Failure('bus-unavailable', String(cause), { cause })
    }
  }

  return {
    async onHint(call) {
      handle = call
    },
    async report(statement) {
      said.keep(statement)
      await send(statement)
    },
    async close() {
      said.end()
      await link.close()
    },
  }
}

async function within(work: Promise<void>, milliseconds: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Failure('bus-unavailable', 'the server does not answer')),
      milliseconds,
    )
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
