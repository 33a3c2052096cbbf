import type { Forge } from '../../../functions/ports.ts'
import { ENVIRONMENT, locationOf, type Variables } from '../environment.ts'

/** The policy repository. Each adapter is loaded only where it is used. */
export async function openForge(variables: Variables): Promise<Forge> {
  const { kind, place } = locationOf(variables, ENVIRONMENT.forge)
  if (kind !== 'file') throw new Error(`${kind}://${place} is no repository`)
  const { gitForge } = await import('../../../functions/adapters/git-forge.ts')
  return gitForge(place)
}
