/** Files that are whole or not there, and still there after a power cut. */
import { constants } from 'node:fs'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

let counter = 0

/**
 * Writes bytes to a new file in `directory` and to the disk. The name starts with our process id. What
 * could not be written whole is removed: on a full disk halves would keep it full.
 */
export async function writeTemporary(directory: string, bytes: Uint8Array, mode = 0o644): Promise<string> {
  const path = join(directory, `${process.pid}-${counter++}`)
  const flags = constants.O_CREAT | constants.O_TRUNC | constants.O_WRONLY
  const file = await open(path, flags, mode)
  try {
    await file.writeFile(bytes)
    await file.sync()
  } catch (error) {
    await rm(path, { force: true })
    throw error
  } finally {
    await file.close()
  }
  return path
}

/** A rename or link is durable only when its directory is. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, constants.O_RDONLY)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** mkdir -p whose every new name is on the disk. */
export async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true })
  if (first === undefined) return
  for (let at = directory; at.length >= first.length; at = dirname(at)) await syncDirectory(dirname(at))
}

/** Removes temporary files whose writer is dead. */
export async function removeLeftovers(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (!isAlive(Number.parseInt(name, 10))) await rm(join(directory, name), { force: true })
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
