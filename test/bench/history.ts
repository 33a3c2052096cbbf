/** Suite `history`: how long it takes to verify the whole signed history of a fleet. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Store } from '../../agent/ports.ts'
import { readHistory } from '../../infra/audit/history/read-history.ts'
import { openStore } from '../../infra/audit/open-store.ts'
import { generateHistory } from '../fakes/generated-history.ts'
import type { Rounds } from './inbound.ts'
import type { Sample } from './statistics.ts'

/** Some ten milliseconds of work. */
const READS_A_TURN = 100
const ROLLOUTS = [1_000, 10_000]
const RINGS = ['ring-0', 'ring-1', 'ring-2']

/** All of it is done at once and waits for nothing: Ctrl-C is heard where somebody lets others have their turn. */
function withTurns(store: Store): Store {
  let reads = 0
  return {
    async get(key, maxBytes) {
      if (++reads % READS_A_TURN === 0) await setImmediate()
      return store.get(key, maxBytes)
    },
  }
}

/** Rollouts of three rings each, in a directory: what `heddle audit --store` reads. */
export async function history(dir: string, { only, rounds, say }: Rounds): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>()
  for (const rollouts of ROLLOUTS) {
    const name = `verify-history/${rollouts}-rollouts`
    if (only !== undefined && !only.test(name)) continue
    const root = join(dir, `history-${rollouts}`)
    let objects = 0
    const pinned = await generateHistory({ rollouts, rings: RINGS }, (key, bytes) => {
      const file = join(root, key)
      if (objects++ % 1_000 === 0) say(`${name}: ${objects} objects written`)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, bytes)
    })
    const taken: Sample[] = []
    for (let round = 0; round < rounds; round++) {
      const started = performance.now()
      const { broken, told } = await readHistory(withTurns(openStore(root)), pinned)
      const ms = performance.now() - started
      if (broken !== null || told.length !== rollouts * RINGS.length)
        throw new Error(`a history that does not verify: ${JSON.stringify(broken)}`)
      taken.push({ ms, rss_mb: process.memoryUsage().rss / 1e6 })
      say(`${name}: ${told.length} releases, ${objects} objects, ${JSON.stringify(taken.at(-1))}`)
    }
    samples.set(name, taken)
    rmSync(root, { recursive: true, force: true })
  }
  return samples
}
