/** The oldest supported kernel, in a virtual machine. */
import { checkLane } from './lane-checks.ts'
import { machineLane } from './lane.ts'

checkLane('on kernel 6.1', machineLane, /^6\.1\./)
