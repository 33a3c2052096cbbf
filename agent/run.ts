/** A node's life: restore what ran, then keep looking until it is told to stop. */
import type { Node } from './node.ts'
import { restore } from './confirm.ts'
import { startLoop, type Timer } from './loop.ts'
import { asFailure, beat, reconcile } from './reconcile.ts'

export type Running = {
  /** The programs stay attached: traffic is judged without the agent. */
  stop(): Promise<void>
}

export async function runNode(
  node: Node,
  timer: Timer,
  every: { intervalMs: number; jitter: number; beatMs: number },
): Promise<Running> {
  // Before anything is contacted: after a reboot the last verified generation runs again from the cache.
  await restore(node).catch((error: unknown) => {
    const failure = asFailure('restore', error)
    node.log(`restore: ${failure.code}: ${failure.message}`)
  })
  const loop = startLoop(timer, every, (wokenAt) => reconcile(node, wokenAt), {
    everyMs: every.beatMs,
    call: () => beat(node),
  })
  await node.bus.onHint(loop.wake)
  const unwatch = [node.workloads, node.services, node.registry].map(({ watch }) => watch(loop.wake))
  return {
    async stop() {
      for (const stop of unwatch) stop()
      await loop.stop()
      await node.registry.close()
      await node.bus.close()
    },
  }
}
