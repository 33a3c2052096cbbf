/** When requests of a route are sent again, and how long they may take: as HTTPRoute and MeshPolicy write it. */
import { MAX_BACKOFF_MS, MAX_RETRIES, type Retry } from '../../policy/route.ts'
import { millisecondsOf } from '../durations.ts'
import type { Reader } from '../reader.ts'
import type { Path } from '../source-node.ts'

/** Where nothing is written (both are ours to choose): GEP-1731. */
const USUAL_RETRIES = 2
const USUAL_BACKOFF = '25ms'

type Written = { codes: number[]; attempts?: number | undefined; backoff?: string | undefined }

/** Bounded: every retry is load on servers that fail, and all waiting is the client's. */
export function retryOf(reader: Reader, retry: Written, path: Path): Retry {
  const { codes, attempts = USUAL_RETRIES } = retry
  const backoff = millisecondsOf(retry.backoff ?? USUAL_BACKOFF)
  if (attempts > MAX_RETRIES) {
    const message = `${attempts} retries of one request, more than ${MAX_RETRIES}`
    reader.refuse([...path, 'attempts'], 'limit-exceeded', message, `write at most ${MAX_RETRIES}`)
  }
  if (backoff > MAX_BACKOFF_MS) {
    const message = `a backoff of ${retry.backoff}, more than ${MAX_BACKOFF_MS / 1000}s`
    reader.refuse([...path, 'backoff'], 'limit-exceeded', message, `write at most ${MAX_BACKOFF_MS / 1000}s`)
  }
  for (const [index, code] of codes.entries()) {
    if (codes.indexOf(code) === index) continue
    const message = `\`${code}\` stands twice in one list`
    reader.refuse([...path, 'codes', index], 'schema-violation', message, 'remove one')
  }
  return { codes, attempts, backoff }
}

/** Milliseconds of all of a request and of one try, 0 = as long as it takes. `field`: where the try's stands. */
export function timeoutsOf(
  reader: Reader,
  { request, each }: { request: string | undefined; each: string | undefined },
  path: Path,
  field: string,
): [request: number, each: number] {
  const [whole, one] = [millisecondsOf(request ?? '0s'), millisecondsOf(each ?? '0s')]
  if (whole > 0 && one > whole) {
    const hint = 'make it at most as long: the request includes it'
    reader.refuse([...path, field], 'schema-violation', `${field} is longer than request`, hint)
  }
  return [whole, one]
}
