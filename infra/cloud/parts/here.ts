/** What every function has, whatever it does. */
import { storeStatuses } from '../../../functions/adapters/store-statuses.ts'
import type { Clock, ObjectStore, Queue, Statuses } from '../../../functions/ports.ts'
import type { Variables } from '../environment.ts'
import { openQueue } from './queue.ts'
import { openStore } from './store.ts'

export type Here = {
  store: ObjectStore
  queue: Queue
  statuses: Statuses
  clock: Clock
  log: (line: string) => void
}

const clock: Clock = { now: () => new Date() }

export async function openHere(variables: Variables): Promise<Here> {
  const store = await openStore(variables, clock)
  return {
    store,
    queue: openQueue(variables, clock),
    statuses: storeStatuses(store),
    clock,
    log: (line) => console.log(line),
  }
}
