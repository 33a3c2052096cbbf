/** The kernel that this machine runs: the same cases. */
import { release } from 'node:os'
import { checkLane } from './lane-checks.ts'
import { hostLane, hostMissing } from './lane.ts'

checkLane(
  'on this kernel',
  async () => hostMissing() ?? (await hostLane()),
  new RegExp(`^${release().replaceAll('.', '\\.')}$`),
)
