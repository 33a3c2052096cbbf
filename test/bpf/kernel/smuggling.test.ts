/**
 * Never two readings of one stream: whatever is sent, on whichever way, and whoever the server is, it understands
 * the requests that the reference parser reads and the policy allows, in their order, and no other.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'
import { whyNoKernel } from './kernel-fixture.ts'
import { inboundPath, outboundPath, type Path, type Ran } from './smuggling-paths.ts'
import { type Expected, expected } from './smuggling-policy.ts'
import { differences, sorted } from './smuggling-differences.ts'
import { SERVERS, type ServerName } from './smuggling-servers.ts'
import { generatedStreams, ROUND, type Stream, VECTORS, vectorStreams } from './smuggling-streams.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const SEED = Number(process.env['HEDDLE_SEED'] ?? 20261124)
/** All forms of all tricks, and more than once most of them. */
const GENERATED = 80 * ROUND
/** One of so many in a run that is not deep; it has no divisor in common with ROUND, so that every trick has its turn. */
const EVERY = DEEP ? 1 : 17
const VECTOR_EVERY = DEEP ? 1 : 7
/** Streams at a time. */
const AT_ONCE = 8
/** Streams that hang, after which the rest would do so too. */
const HANGING = 4

const ids = Array.from({ length: GENERATED }, (_, id) => id)
const STREAMS = [
  ...generatedStreams(
    SEED,
    ids.filter((id) => id % EVERY === 0),
  ),
  ...vectorStreams(GENERATED).filter((_, i) => i % VECTOR_EVERY === 0),
]

const PATHS: { name: string; create: () => Promise<Path> }[] = [
  { name: 'inbound, judged by the kernel', create: () => inboundPath('kernel') },
  { name: 'inbound, judged by the relay', create: () => inboundPath('relay') },
  { name: 'from a client of this node, from socket to socket', create: () => outboundPath(false) },
  { name: 'from a client of this node, by the relay', create: () => outboundPath(true) },
]

type Case = { stream: Stream; wanted: Expected; ran: Ran | undefined }

async function send(path: Path, server: ServerName, cases: Case[]): Promise<void> {
  const left = [...cases]
  let hanging = 0
  const worker = async () => {
    for (let one = left.shift(); one !== undefined && hanging < HANGING; one = left.shift()) {
      const { stream, wanted } = one
      one.ran = await path.run(server, { id: stream.id, parts: stream.parts, replies: wanted.replies })
      if (one.ran.end !== 'closed') hanging++
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

function wantedOn({ lead, side }: Path, stream: Stream): Expected {
  const { requests, refusal, replies } = expected(Buffer.concat([Buffer.from(lead), stream.bytes]), side)
  const leads = lead === '' ? 0 : 1
  return { requests: requests.slice(leads), refusal, replies: replies - leads }
}

describe('no stream is read twice', { skip: whyNoKernel() ?? false }, () => {
  for (const { name, create } of PATHS)
    test(`${name}: ${SERVERS.join(', ')}`, async (t) => {
      if (!existsSync(VECTORS)) t.diagnostic(`no ${VECTORS}: without llhttp’s vectors`)
      const path = await create()
      t.after(() => path.close())
      const cases = new Map<ServerName, Case[]>()
      for (const server of SERVERS) {
        const own = STREAMS.map(
          (stream): Case => ({ stream, wanted: wantedOn(path, stream), ran: undefined }),
        )
        cases.set(server, own)
        await send(path, server, own)
      }
      const heard = await path.finish()
      const found: string[] = []
      for (const [server, own] of cases) {
        const mine = sorted(heard.filter((each) => each.server === server))
        found.push(...differences(own, mine, path.side).map((what) => `${server}: ${what}`))
        const whole = [...mine.values()].flat().filter((each) => each.whole).length
        const refused = own.filter(({ wanted }) => wanted.refusal !== undefined).length
        t.diagnostic(
          `${server}: ${own.length} streams, ${refused} of them refused; ${whole} requests understood`,
        )
      }
      assert.equal(found.length, 0, `differences: ${found.length}\n${found.slice(0, 12).join('\n')}`)
    })
})
