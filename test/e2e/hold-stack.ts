/** Lays a foundation with one node and its service in DIR, says `up`, and waits to be killed. */
import { join } from 'node:path'
import { makeCgroup } from '../../infra/local/cgroup.ts'
import { layFoundation } from '../../infra/local/foundation.ts'
import { startService } from '../../infra/local/service.ts'

const dir = process.argv[2]
if (dir === undefined) throw new Error('usage: hold-stack.js DIR')
const stack = await layFoundation(dir, 1)
const host = stack.nodes[0]
if (host === undefined) throw new Error('no node')
stack.mountBpffs('n1')
await startService(join(stack.dir, 'nodes', 'n1'), 'n1', host, makeCgroup(join(stack.cgroup, 'n1')))
process.stdout.write(`up ${stack.id}\n`)
setInterval(() => {}, 1000)
