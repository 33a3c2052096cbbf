/** Where the dispatcher hangs in the kernel, and how it gets there and off. */
import { bpftool, bpftoolJson } from './bpftool.ts'
import { BpfMap } from './libbpf.ts'
import type { Pins } from './pins.ts'

/** In this order: readers of sockets first, the hook that enrols sockets last. */
export const SOCKET_HOOKS = [
  { hook: 'stream_verdict', program: 'dispatch_verdict', bpftool: 'sk_skb_stream_verdict', type: 5 },
  { hook: 'msg_verdict', program: 'dispatch_message', bpftool: 'sk_msg_verdict', type: 7 },
] as const

export const CGROUP_HOOKS = [
  { hook: 'cgroup_egress', program: 'note_flow', bpftool: 'cgroup_inet_egress', type: 1 },
  { hook: 'cgroup_ingress', program: 'dispatch_packet', bpftool: 'cgroup_inet_ingress', type: 0 },
  { hook: 'sock_ops', program: 'enrol', bpftool: 'cgroup_sock_ops', type: 3 },
] as const

type AttachedProgram = { id: number; attach_type: string; name: string }

/** Programs that the kernel says are attached to this cgroup itself. */
async function cgroupPrograms(cgroup: string): Promise<AttachedProgram[]> {
  const shown = await bpftoolJson('cgroup', 'show', cgroup)
  return Array.isArray(shown) ? (shown as AttachedProgram[]) : []
}

export function socketPrograms(pins: Pins, attachType: number): number[] {
  const map = BpfMap.pinned(pins.map('sockets'))
  try {
    return map.attachedPrograms(attachType)
  } finally {
    map.close()
  }
}

async function pinnedProgramId(path: string): Promise<number> {
  return ((await bpftoolJson('prog', 'show', 'pinned', path)) as { id: number }).id
}

/** Attach what isn't; an attachment that is somebody else's stays and is reported by inspect. */
export async function attachDispatcher(pins: Pins, cgroup: string): Promise<void> {
  for (const { program, bpftool: type, type: number } of SOCKET_HOOKS) {
    const id = await pinnedProgramId(pins.dispatcher(program))
    if (!socketPrograms(pins, number).includes(id))
      await bpftool('prog', 'attach', 'pinned', pins.dispatcher(program), type, 'pinned', pins.map('sockets'))
  }
  const attached = new Set((await cgroupPrograms(cgroup)).map((p) => p.id))
  for (const { program, bpftool: type } of CGROUP_HOOKS)
    if (!attached.has(await pinnedProgramId(pins.dispatcher(program))))
      await bpftool('cgroup', 'attach', cgroup, type, 'pinned', pins.dispatcher(program), 'multi')
}

/** Enrolment ends first, then the sockets lose their programs. */
export async function detachDispatcher(pins: Pins, cgroup: string): Promise<void> {
  const attached = await cgroupPrograms(cgroup).catch(() => [])
  for (const { program, bpftool: type } of [...CGROUP_HOOKS].reverse()) {
    const id = await pinnedProgramId(pins.dispatcher(program))
    if (attached.some((p) => p.id === id))
      await bpftool('cgroup', 'detach', cgroup, type, 'pinned', pins.dispatcher(program))
  }
  for (const { program, bpftool: type, type: number } of SOCKET_HOOKS) {
    const id = await pinnedProgramId(pins.dispatcher(program))
    if (socketPrograms(pins, number).includes(id))
      await bpftool('prog', 'detach', 'pinned', pins.dispatcher(program), type, 'pinned', pins.map('sockets'))
  }
}
