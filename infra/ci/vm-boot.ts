/**
 * A command on another kernel: packs the programs that it needs into an
 * initramfs, boots that under qemu without acceleration (works without
 * /dev/kvm), returns what the console said. The machine has no network and no
 * disk, and powers off when the command ends.
 */
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import { Archive, type Entry } from './vm-archive.ts'
import type { KernelImage } from './vm-image.ts'

export type Machine = {
  image: KernelImage
  /** Names of modules, found below the image's modules, loaded in this order. */
  modules: string[]
  /** Programs of this machine, by name, that the command calls. */
  programs: string[]
  /** Libraries of this machine, by path, that are opened at run time. */
  libraries: string[]
  /** Other files, by path inside the machine. */
  files: Map<string, Entry>
  command: string[]
  timeoutMs: number
}

const QEMU = 'qemu-system-x86_64'
const MEMORY_MB = 1024
const APPLETS = ['sh', 'mount', 'insmod', 'poweroff', 'mkdir', 'cat', 'ls']

/** Path of a command, sbin included: Debian keeps half of these there. */
export function findCommand(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path))
}

/** Why no machine can be started here; undefined = it can. */
export function machineMissing(programs: string[]): string | undefined {
  const missing = [QEMU, 'busybox', ...programs].filter((name) => findCommand(name) === undefined)
  return missing.length === 0 ? undefined : `not installed: ${missing.join(', ')}`
}

function initScript(machine: Machine, modules: string[]): string {
  const quoted = machine.command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
  return [
    '#!/bin/sh',
    'export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp',
    'mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev',
    'mount -t tmpfs tmp /tmp; mount -t cgroup2 cgroup /sys/fs/cgroup',
    ...modules.map((path) => `insmod ${path}`),
    quoted,
    'poweroff -f',
    '',
  ].join('\n')
}

async function pack(machine: Machine, path: string): Promise<void> {
  const archive = new Archive()
  for (const directory of ['/proc', '/sys', '/dev', '/tmp', '/run'])
    archive.add(directory, { directory: true })
  archive.add('/bin/busybox', { file: findCommand('busybox') ?? '' })
  for (const name of APPLETS) archive.add(`/bin/${name}`, { link: '/bin/busybox' })
  for (const name of machine.programs) await archive.addProgram(findCommand(name) ?? name, `/usr/bin/${name}`)
  await archive.addProgram(process.execPath, '/usr/bin/node')
  for (const library of machine.libraries) await archive.addProgram(library)
  const modules: string[] = []
  for (const name of machine.modules) {
    archive.add(`/modules/${name}`, { file: join(machine.image.modules, name) })
    modules.push(`/modules/${name}`)
  }
  for (const [at, entry] of machine.files) archive.add(at, entry)
  archive.add('/init', { text: initScript(machine, modules) })
  await archive.write(path)
}

/** Lines of the console, from power on to power off. Throws when the time is up. */
export async function boot(machine: Machine): Promise<string[]> {
  const work = await mkdtemp(join(tmpdir(), 'heddle-vm-'))
  try {
    const initrd = join(work, 'initrd')
    await pack(machine, initrd)
    const hardware = ['-accel', 'tcg', '-cpu', 'max', '-smp', '1', '-m', String(MEMORY_MB), '-nic', 'none']
    const console = ['-nographic', '-no-reboot', '-append', 'console=ttyS0 quiet panic=-1']
    const run = await execa(
      QEMU,
      [...hardware, ...console, '-kernel', machine.image.vmlinuz, '-initrd', initrd],
      { stdin: 'ignore', all: true, reject: false, timeout: machine.timeoutMs, maxBuffer: 16 * 1024 * 1024 },
    )
    if (run.timedOut || run.exitCode !== 0)
      throw new Error(`the machine did not power off: ${run.shortMessage}\n${run.all?.slice(-4000)}`)
    return run.all.split(/\r*\n/)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}
