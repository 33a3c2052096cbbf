/** Service ports get numbers, as label sets do: stable while anything may name them. Pure. */
import { Limit } from '../bpf/abi/heddle.gen.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import { addressKey } from '../pipelines/services/nearest.ts'
import type { ServiceTable } from '../pipelines/services/resolve.ts'
import type { OutboundContent } from './ports.ts'
import type { ServiceEntry } from './state.ts'

/**
 * Numbers for `names` (serviceKey() of each) beside those that are known. `taken` are numbers that the kernel
 * still gives a meaning, whoever gave it to them. Numbers begin at 1: 0 is what an empty place of a
 * table says. Throws Failure('limit-exceeded').
 */
export function assignServices(
  known: readonly ServiceEntry[],
  names: readonly string[],
  taken: ReadonlySet<number>,
): ServiceEntry[] {
  const entries = [...known]
  const numbered = new Set(known.map(({ service }) => service))
  const used = new Set([...taken, ...known.map(({ number }) => number)])
  let next = 1
  for (const service of names) {
    if (numbered.has(service)) continue
    while (used.has(next)) next++
    if (next >= Limit.MAX_SERVICES) {
      throw new Failure(
        'limit-exceeded',
        `more than ${Limit.MAX_SERVICES - 1} service ports on one node, with those that connections still name`,
      )
    }
    used.add(next)
    numbered.add(service)
    entries.push({ number: next, service })
  }
  return entries
}

/** Numbers that mean something in the kernel. */
export function numbersInUse({ addresses, services }: OutboundContent): Set<number> {
  return new Set([...services.keys(), ...addresses.map(({ service }) => service)])
}

/**
 * What is known, and for a node that has lost its memory what the kernel still tells: the address of a
 * service leads to its number, and connections go on under it.
 */
export function recognisedServices(
  known: readonly ServiceEntry[],
  tables: readonly ServiceTable[],
  content: OutboundContent,
): ServiceEntry[] {
  const entries = [...known]
  const names = new Set(known.map(({ service }) => service))
  const numbers = new Set(known.map(({ number }) => number))
  const leads = new Map(content.addresses.map((each) => [`${addressKey(each.address)}:${each.port}`, each]))
  for (const { service, addresses } of tables) {
    if (names.has(service)) continue
    const found = addresses.map(({ address, port }) => leads.get(`${addressKey(address)}:${port}`)?.service)
    const number = found.find((each) => each !== undefined && !numbers.has(each))
    if (number === undefined) continue
    numbers.add(number)
    entries.push({ number, service })
  }
  return entries
}
