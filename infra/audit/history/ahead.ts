/** Reads one after the other, some ahead: a store behind a network answers many questions in the time of one. */

/** Reads under way at once. */
const AHEAD = 32

export async function* readAhead<K, V>(
  keys: readonly K[],
  read: (key: K) => Promise<V>,
): AsyncGenerator<readonly [K, V]> {
  const under: Promise<V>[] = []
  for (let at = 0; at < keys.length; at++) {
    while (under.length < AHEAD && at + under.length < keys.length) {
      const reading = read(keys[at + under.length] as K)
      // Whoever stops at an earlier one waits for none of these.
      reading.catch(() => {})
      under.push(reading)
    }
    yield [keys[at] as K, await (under.shift() as Promise<V>)]
  }
}
