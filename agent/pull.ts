/** Pull: bring the fleet's metadata up to date, verified file by file (TUF client workflow, section 5). */
import { Failure } from '../pipelines/contract/failures.ts'
import type { Attempt, Node } from './node.ts'
import { keepMetadata, readMetadata } from './trust/kept-metadata.ts'
import { refreshMetadata } from './trust/metadata.ts'

/** How far the floor may lag behind: a disk write per look would buy nothing. */
const FLOOR_STEP_MS = 60_000

export async function pull(node: Node, attempt: Attempt): Promise<void> {
  const { bundle: known, whole, damaged, repinned } = await readMetadata(node.disk, node.pinnedRoot)
  const now = Math.max(node.clock.now(), node.state.current.clockFloor)
  const { bundle, metadata } = await refreshMetadata(known, {
    store: node.store,
    now,
  })
  // Also after a failure: a newer root or timestamp that was verified guards against rollback.
  const changed = JSON.stringify(bundle) !== JSON.stringify(known)
  if (changed || !whole) await keepMetadata(node.disk, bundle)
  for (const name of damaged) node.log(`${name} was damaged; the other copy has replaced it`)
  if (metadata instanceof Failure) throw clockBehind(node) ? clockFailure(node, metadata) : metadata
  // Only now: a clock that is far ahead would have made the metadata expired.
  if (now >= node.state.current.clockFloor + FLOOR_STEP_MS) await node.state.update({ clockFloor: now })
  attempt.metadata = metadata
  attempt.repinned = repinned
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
