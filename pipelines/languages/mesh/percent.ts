/** Parts of requests, as people write them. */
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'

/** Of a percent: people write tenths and hundredths, and floats are not exact. */
const HUNDREDTHS = 100
const NOISE = 1e-6

/** In hundredths of a percent. `at`: the object that has a field `percent`. */
export function percentOf(reader: Reader, percent: number, at: Path): number {
  const hundredths = Math.round(percent * HUNDREDTHS)
  if (Math.abs(percent * HUNDREDTHS - hundredths) > NOISE) {
    const message = `\`${percent}\` is finer than a hundredth of a percent`
    reader.refuse(
      [...at, 'percent'],
      'schema-violation',
      message,
      'write at most two digits behind the point',
    )
  }
  return hundredths
}
