/** An agent's acts on the kernel, by whichever ABI its build speaks: `skew-child.js ARGUMENTS.json`. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { createKernel } from '../../../agent/adapters/libbpf-kernel.ts'
import { Abi } from '../../../bpf/abi/heddle.gen.ts'

const Arguments = z.object({
  bpffs: z.string(),
  cgroup: z.string(),
  elf: z.string(),
  slot: z.int(),
  generation: z.int(),
  addresses: z.array(z.string()),
  /** Rows of identity 1, in hexadecimal. */
  subject: z.array(z.string()),
  peer: z.array(z.string()),
})

const options = Arguments.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')))
const kernel = createKernel(options)
const words = (row: string[]) => row.map((word) => BigInt(`0x${word}`))
const busyBefore = [...(await kernel.busySlots())]
await kernel.stage(options.slot, options.elf, [
  { identity: 1, subject: words(options.subject), peer: words(options.peer) },
])
await kernel.setAddresses(options.addresses.map((address) => ({ address, identity: 1 })))
await kernel.flip(options.slot, options.generation)
console.log(JSON.stringify({ speaks: Abi.ABI, busyBefore, facts: await kernel.inspect() }))
