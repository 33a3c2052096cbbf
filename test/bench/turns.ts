/** Cases in turns: a slow minute of the machine meets all of them, and neither order nor drift favours one. */
import type { Rounds } from './inbound.ts'
import type { Quiet } from './quiet.ts'
import type { Sample } from './statistics.ts'

/** `warmUp` comes before every sample of a case. */
export type Turns = Pick<Rounds, 'rounds' | 'say'> & {
  names: readonly string[]
  quiet: Quiet
  warmUp: (name: string) => Promise<unknown>
}

/** Every case once a round, every second round backwards. The samples of each, in the order of the rounds. */
export async function takeTurns(
  { names, quiet, warmUp, rounds, say }: Turns,
  phase: string,
  take: (name: string) => Promise<Sample>,
): Promise<Map<string, Sample[]>> {
  const samples = new Map<string, Sample[]>(names.map((name) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const name of round % 2 === 0 ? names : names.toReversed()) {
      const sample = await quiet.take(async () => {
        await warmUp(name)
        return take(name)
      })
      samples.get(name)?.push(sample)
      const { requests_per_second: requests = 0, p50_us: p50, p99_us: p99 } = sample
      const told = `${Math.round(requests)} requests/s, p50 ${p50} us, p99 ${p99} us`
      say(`${phase} ${round + 1}/${rounds} ${name} ${told}`)
    }
  }
  return samples
}
