/** Where a relay listens for clients: at sockets that somebody else holds, or at a port of its own. */
import { duplicate } from './duplicate.ts'
import { freePort } from './free-port.ts'

/**
 * What is closed is a duplicate: the same process listens again when the programs were detached and
 * attached anew, and by then an inherited number could be another file's.
 */
export async function listeningPlaces(
  inherited: readonly number[],
): Promise<({ fd: number } | { host: string; port: number })[]> {
  return inherited.length > 0 ? inherited.map((fd) => ({ fd: duplicate(fd) })) : freePort()
}
