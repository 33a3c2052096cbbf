/**
 * A dispatcher comes: loaded aside, made visible by one rename, attached hook by hook. It goes
 * when it enrols no more and its last socket is gone. Everything may be done twice.
 */
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, rmdir } from 'node:fs/promises'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { sha256 } from '../cache.ts'
import { attachDispatcher, type BeforeAct, CGROUP_HOOKS, isAttached, SOCKET_HOOKS } from './attach.ts'
import { pinAgain } from './bpf-attach.ts'
import { pinnedProgram } from './bpf-info.ts'
import { loadPrograms } from './bpftool.ts'
import { mapsOf } from './elf-maps.ts'
import { DispatcherPins, isLive, type Pins } from './pins.ts'

export async function installDispatcher(
  pins: Pins,
  cgroup: string,
  elf: string,
  before: BeforeAct,
): Promise<void> {
  const own = pins.dispatcher(sha256(await readFile(elf)))
  await removePins(pins.loading)
  if (!existsSync(own.root)) await load(pins, own, elf, before)
  attachDispatcher(pins, own, cgroup, before)
}

/**
 * The first one makes the live maps; the others bring programs and what is theirs alone. A live map that is
 * not there yet is pinned before the dispatcher is seen: whoever finds the one finds the other, and after a
 * death in between the next one shares it.
 */
async function load(pins: Pins, own: DispatcherPins, elf: string, before: BeforeAct): Promise<void> {
  const aside = new DispatcherPins(pins.loading, own.digest)
  const maps = `${pins.loading}/maps`
  const first = !existsSync(pins.base)
  try {
    await mkdir(aside.root, { recursive: true })
    before('load dispatcher')
    await loadPrograms(elf, aside.programs, ...(await liveMapArguments(pins, elf)), 'pinmaps', aside.maps)
    if (first) await mkdir(maps)
    const known = pins.liveMaps()
    for (const name of await readdir(aside.maps)) {
      if (!isLive(name) || known.includes(name)) continue
      if (!first) before(`pin ${name}`)
      pinAgain(`${aside.maps}/${name}`, `${first ? maps : pins.maps}/${name}`)
    }
    before('show dispatcher')
    await rename(...(first ? ([pins.loading, pins.base] as const) : ([aside.root, own.root] as const)))
  } finally {
    await removePins(pins.loading)
  }
}

/** What bpftool has to be told so that a program file shares the live maps that are there, as far as it has them. */
export async function liveMapArguments(pins: Pins, elf: string): Promise<string[]> {
  const own = mapsOf(await readFile(elf))
  const shared = pins.liveMaps().filter((name) => own.has(name))
  return shared.flatMap((name) => ['map', 'name', name, 'pinned', `${pins.maps}/${name}`])
}

/**
 * Tags that this kernel gives the file's programs, by hook: loaded with maps of their own, asked
 * and let go. A tag is of instructions alone.
 */
export async function tagsOfFile(pins: Pins, elf: string): Promise<Record<string, string>> {
  await removePins(pins.look)
  await mkdir(pins.look, { recursive: true })
  try {
    await loadPrograms(elf, pins.look)
    // An older dispatcher may serve fewer hooks.
    const hooks = [...SOCKET_HOOKS, ...CGROUP_HOOKS].map(
      ({ hook, program }) => [hook, `${pins.look}/${program}`] as const,
    )
    const served = hooks.filter(([, pin]) => existsSync(pin))
    return Object.fromEntries(served.map(([hook, pin]) => [hook, pinnedProgram(pin).tag]))
  } finally {
    await removePins(pins.look)
  }
}

/** Unpins it. Throws Failure('kernel-refused') while it is attached. */
export async function retireDispatcher(pins: Pins, cgroup: string, digest: Digest): Promise<void> {
  const old = pins.dispatcher(digest)
  if (!existsSync(old.root)) return
  if (isAttached(old, cgroup)) throw new Failure('kernel-refused', `dispatcher ${digest} is still attached`)
  await discard(pins, old.root)
}

/** Out of sight in one step: a death while the pins go one by one leaves no half of them to be found. */
export async function discard(pins: Pins, path: string): Promise<void> {
  await removePins(pins.loading)
  await rename(path, pins.loading)
  await removePins(pins.loading)
}

/** bpffs has no recursive unlink of its own kind: files first, then directories. */
export async function removePins(path: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => [])
  for (const entry of entries)
    if (entry.isDirectory()) await removePins(`${path}/${entry.name}`)
    else await rm(`${path}/${entry.name}`, { force: true })
  await rmdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
}
