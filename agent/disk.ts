/**
 * The agent's directory: whole files, replaced atomically and durably.
 *
 * A reader sees the old bytes or the new bytes, also after a power cut: write
 * aside, fsync, rename, fsync the directory. Names are relative paths.
 */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Called before each operation that changes the disk; a test stops the world here. */
export type BeforeOperation = (operation: string) => void

export type Disk = {
  /** Undefined = no such file. */
  read(name: string): Promise<Uint8Array | undefined>
  write(name: string, bytes: Uint8Array | string): Promise<void>
  remove(name: string): Promise<void>
  /** Names in a folder; none when there is no such folder. */
  list(folder: string): Promise<string[]>
  /** Absolute path, for whoever must open the file itself. */
  path(name: string): string
}

export function openDisk(root: string, before: BeforeOperation = () => {}): Disk {
  return {
    path: (name) => join(root, name),
    read: (name) => readFile(join(root, name)).catch(absent),
    list: async (folder) => (await readdir(join(root, folder)).catch(absent)) ?? [],
    async remove(name) {
      before(`remove ${name}`)
      await rm(join(root, name), { recursive: true, force: true })
    },
    async write(name, bytes) {
      const file = join(root, name)
      const folder = dirname(file)
      before(`mkdir ${name}`)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await writeAside(`${file}.new`, bytes, name, before)
      before(`rename ${name}`)
      await rename(`${file}.new`, file)
      before(`sync folder ${name}`)
      await syncFolder(folder)
    },
  }
}

async function writeAside(
  file: string,
  bytes: Uint8Array | string,
  name: string,
  before: BeforeOperation,
): Promise<void> {
  before(`create ${name}`)
  const handle = await open(file, 'w', 0o600)
  try {
    before(`write ${name}`)
    await handle.writeFile(bytes)
    before(`sync ${name}`)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function absent(error: unknown): undefined {
  if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
  throw error
}
