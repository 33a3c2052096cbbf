/** Installs a dispatcher and dies by SIGKILL before its n-th act: `install-child.js BPFFS CGROUP ELF N`. */
import { createKernel } from '../../../agent/adapters/libbpf-kernel.ts'

const [bpffs = '', cgroup = '', elf = '', dieBefore = ''] = process.argv.slice(2)
let acts = 0
const before = () => {
  if (acts++ === Number(dieBefore)) process.kill(process.pid, 'SIGKILL')
}
await createKernel({ bpffs, cgroup, before }).install(elf)
