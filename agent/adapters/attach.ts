/**
 * Where a dispatcher hangs in the kernel, how it gets there, takes another's place, and comes off.
 * The hook that enrols sockets is the one that counts: who has it is the current dispatcher.
 */
import { closeSync, existsSync, openSync } from 'node:fs'
import { Limit } from '../../bpf/abi/heddle.gen.ts'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { attachToCgroup, attachToMap, detachFromCgroup } from './bpf-attach.ts'
import { attachedTo, pinnedProgram } from './bpf-info.ts'
import { BpfMap } from './libbpf.ts'
import type { DispatcherPins, Pins } from './pins.ts'

/** Called before each act that changes what is attached or pinned; a test stops the world here. */
export type BeforeAct = (act: string) => void

/** enum bpf_attach_type. */
const BPF_CGROUP_SOCK_OPS = 3
export const SOCKET_HOOKS = [
  { hook: 'stream_verdict', program: 'dispatch_verdict', map: 'readers', type: 5 },
  { hook: 'msg_verdict', program: 'dispatch_message', map: 'readers', type: 7 },
  { hook: 'client_stream_verdict', program: 'pass_to_client', map: 'callers', type: 5 },
  { hook: 'remote_stream_verdict', program: 'dispatch_response', map: 'remotes', type: 5 },
  { hook: 'client_msg_verdict', program: 'dispatch_request', map: 'callers', type: 7 },
] as const
type SocketHook = (typeof SOCKET_HOOKS)[number]

/** In this order: the hook that enrols sockets last. */
export const CGROUP_HOOKS = [
  { hook: 'cgroup_egress', program: 'note_flow', type: 1 },
  { hook: 'cgroup_ingress', program: 'dispatch_packet', type: 0 },
  { hook: 'getpeername4', program: 'getpeername4', type: 29 },
  { hook: 'getpeername6', program: 'getpeername6', type: 30 },
  { hook: 'connect4', program: 'connect4', type: 10 },
  { hook: 'connect6', program: 'connect6', type: 11 },
  { hook: 'sock_ops', program: 'enrol', type: BPF_CGROUP_SOCK_OPS },
] as const

/** Those of the hooks that it has a program for: an older dispatcher serves fewer. */
function servedBy<Hook extends { program: string }>(
  dispatcher: DispatcherPins,
  hooks: readonly Hook[],
): Hook[] {
  return hooks.filter(({ program }) => existsSync(dispatcher.program(program)))
}

/** Ids of the programs on a dispatcher's own sockhash, by hook. */
export function socketPrograms(dispatcher: DispatcherPins): { hook: SocketHook; ids: number[] }[] {
  return servedBy(dispatcher, SOCKET_HOOKS).map((hook) => ({
    hook,
    ids: withMap(dispatcher[hook.map], (map) => map.attachedPrograms(hook.type)),
  }))
}

/** Id of its program where that is on the hook; undefined = it is not, or it serves no such hook. */
export function attachedProgram(
  dispatcher: DispatcherPins,
  hook: { program: string },
  attached: readonly number[],
): number | undefined {
  const [served] = servedBy(dispatcher, [hook])
  const id = served && pinnedProgram(dispatcher.program(served.program)).id
  return id !== undefined && attached.includes(id) ? id : undefined
}

/** Cookies of the sockets that it reads. */
export function socketsOf(dispatcher: DispatcherPins): bigint[] {
  const maps = [...new Set(servedBy(dispatcher, SOCKET_HOOKS).map(({ map }) => map))]
  const keys = maps.flatMap((name) =>
    withMap(dispatcher[name], (map) => [...map.keys(8, 2 * Limit.MAX_CONNS)]),
  )
  return [...new Set(keys.map((key) => key.readBigUInt64LE()))]
}

/** The one that enrols new connections; undefined = none of ours does. */
export function currentDispatcher(pins: Pins, cgroup: string): DispatcherPins | undefined {
  const enrolling = withCgroup(cgroup, (fd) => attachedTo(fd, BPF_CGROUP_SOCK_OPS)) ?? []
  return pins.dispatchers().find((each) => enrolling.includes(pinnedProgram(each.program('enrol')).id))
}

/** Those that enrol no more, with the sockets they still read. None is old while none is current. */
export function oldDispatchers(pins: Pins, cgroup: string): { digest: Digest; cookies: bigint[] }[] {
  const current = currentDispatcher(pins, cgroup)
  if (current === undefined) return []
  const old = pins.dispatchers().filter(({ digest }) => digest !== current.digest)
  return old.map((each) => ({ digest: each.digest, cookies: socketsOf(each) }))
}

/** Has it a program on the cgroup? */
export function isAttached(dispatcher: DispatcherPins, cgroup: string): boolean {
  const attached = (fd: number) =>
    CGROUP_HOOKS.some((hook) => attachedProgram(dispatcher, hook, attachedTo(fd, hook.type)) !== undefined)
  return withCgroup(cgroup, attached) ?? false
}

/**
 * Make it the current one. Each hook changes hands in one step of the kernel, so that at any moment each is
 * served by exactly one of ours; all share the live maps, so a mix of two is no gap. Its readers are ready
 * before the first socket gets there. What is somebody else's stays and is reported by inspect.
 */
export function attachDispatcher(pins: Pins, own: DispatcherPins, cgroup: string, before: BeforeAct): void {
  for (const { hook, ids } of socketPrograms(own)) {
    const { program, map, type } = hook
    if (attachedProgram(own, hook, ids) !== undefined) continue
    before(`attach ${program}`)
    withMap(own[map], ({ fd }) => attachToMap(own.program(program), fd, type))
  }
  const others = pins.dispatchers().filter(({ digest }) => digest !== own.digest)
  const directory = openSync(cgroup, 'r')
  try {
    for (const hook of CGROUP_HOOKS) {
      const { program, type } = hook
      const attached = attachedTo(directory, type)
      const has = (each: DispatcherPins) => attachedProgram(each, hook, attached) !== undefined
      const [replaced, ...surplus] = others.filter(has)
      const serves = servedBy(own, [hook]).length > 0
      // What an older dispatcher has no program for ends with the newer one's.
      const late = has(own) || !serves ? others.filter(has) : surplus
      if (serves && !has(own)) {
        before(`attach ${program}`)
        attachToCgroup(own.program(program), directory, type, replaced?.program(program))
      }
      for (const each of late) {
        before(`detach ${program}`)
        detachFromCgroup(each.program(program), directory, type)
      }
    }
  } finally {
    closeSync(directory)
  }
}

/** Enrolment ends first. Sockets keep their programs until they leave the readers. */
export function detachDispatchers(pins: Pins, cgroup: string): void {
  withCgroup(cgroup, (directory) => {
    for (const hook of [...CGROUP_HOOKS].reverse()) {
      const attached = attachedTo(directory, hook.type)
      for (const each of pins.dispatchers())
        if (attachedProgram(each, hook, attached) !== undefined)
          detachFromCgroup(each.program(hook.program), directory, hook.type)
    }
  })
}

/** Undefined = the cgroup is gone: then nothing is attached to it. */
export function withCgroup<T>(cgroup: string, use: (fd: number) => T): T | undefined {
  if (!existsSync(cgroup)) return undefined
  const directory = openSync(cgroup, 'r')
  try {
    return use(directory)
  } finally {
    closeSync(directory)
  }
}

export function withMap<T>(path: string, use: (map: BpfMap) => T): T {
  const map = BpfMap.pinned(path)
  try {
    return use(map)
  } finally {
    map.close()
  }
}
