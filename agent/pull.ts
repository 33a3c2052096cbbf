/** Pull: bring the fleet's metadata up to date, verified file by file (TUF client workflow, section 5). */
import { Failure } from '../pipelines/contract/failures.ts'
import type { Attempt, Node } from './node.ts'
import { Bundle, refreshMetadata } from './trust/metadata.ts'

const FILE = 'metadata.json'
const SCRATCH = 'metadata.work'
/** How far the floor may lag behind: a disk write per look would buy nothing. */
const FLOOR_STEP_MS = 60_000

export async function pull(node: Node, attempt: Attempt): Promise<void> {
  const known = await readBundle(node)
  const now = Math.max(node.clock.now(), node.state.current.clockFloor)
  const { bundle, metadata } = await refreshMetadata(known, {
    store: node.store,
    scratch: node.disk.path(SCRATCH),
    now,
  })
  // Also after a failure: a newer root or timestamp that was verified guards against rollback.
  if (JSON.stringify(bundle) !== JSON.stringify(known)) await node.disk.write(FILE, JSON.stringify(bundle))
  if (metadata instanceof Failure) throw clockBehind(node) ? clockFailure(node, metadata) : metadata
  // Only now: a clock that is far ahead would have made the metadata expired.
  if (now >= node.state.current.clockFloor + FLOOR_STEP_MS) await node.state.update({ clockFloor: now })
  attempt.metadata = metadata
}

/** Metadata as verified before; the pinned root when there is none. */
async function readBundle(node: Node): Promise<Bundle> {
  const bytes = await node.disk.read(FILE)
  if (bytes === undefined) return { root: node.pinnedRoot }
  try {
    return Bundle.parse(JSON.parse(new TextDecoder().decode(bytes)))
  } catch (cause) {
    throw new Failure('state-corrupt', `${FILE} is unreadable; enroll the node again`, { cause })
  }
}

function clockBehind(node: Node): boolean {
  return node.clock.now() < node.state.current.clockFloor
}

function clockFailure(node: Node, failure: Failure): Failure {
  if (failure.code !== 'metadata-expired') return failure
  const floor = new Date(node.state.current.clockFloor).toISOString()
  const now = new Date(node.clock.now()).toISOString()
  return new Failure(
    'clock-set-back',
    `the clock says ${now}, but it was ${floor} before; ${failure.message}`,
    {
      cause: failure,
    },
  )
}
