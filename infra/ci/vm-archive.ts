/** An initramfs in the `newc` form of cpio (kernel: Documentation/driver-api/early-userspace/buffer-format.rst). */
import { type FileHandle, open, readFile, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { execa } from 'execa'

/** Where it comes from on this machine, or what it says, or what it points at. */
export type Entry = { file: string } | { text: string } | { link: string } | { directory: true }

const MODES = { file: 0o100755, text: 0o100755, link: 0o120777, directory: 0o040755 }

/** Entries by absolute path inside the archive. */
export class Archive {
  private readonly entries = new Map<string, Entry>()

  add(path: string, entry: Entry): this {
    if (path === '/' || this.entries.has(path)) return this
    this.add(dirname(path), { directory: true })
    this.entries.set(path, entry)
    return this
  }

  /** A program of this machine under its own path, with the shared libraries that it asks for. */
  async addProgram(path: string, at = path): Promise<this> {
    this.add(at, { file: path })
    const asked = await execa('ldd', [path], { reject: false })
    for (const [, library = ''] of asked.stdout.matchAll(/(\/\S+) \(0x/g))
      this.add(library, { file: library })
    return this
  }

  async write(path: string): Promise<void> {
    const output = await open(path, 'w', 0o600)
    try {
      let number = 1
      for (const [name, entry] of this.entries) await writeEntry(output, name.slice(1), number++, entry)
      await writeRecord(output, 'TRAILER!!!', 0, 0, Buffer.alloc(0))
    } finally {
      await output.close()
    }
  }
}

async function writeEntry(output: FileHandle, name: string, number: number, entry: Entry): Promise<void> {
  if ('directory' in entry) return writeRecord(output, name, number, MODES.directory, Buffer.alloc(0))
  if ('link' in entry) return writeRecord(output, name, number, MODES.link, Buffer.from(entry.link))
  if ('text' in entry) return writeRecord(output, name, number, MODES.text, Buffer.from(entry.text))
  const { size } = await stat(entry.file)
  const bytes = await readFile(entry.file)
  if (bytes.length !== size) throw new Error(`${entry.file} changed while it was read`)
  return writeRecord(output, name, number, MODES.file, bytes)
}

const padded = (bytes: number) => Buffer.alloc((4 - (bytes % 4)) % 4)
const hex = (value: number) => value.toString(16).padStart(8, '0')

async function writeRecord(
  output: FileHandle,
  name: string,
  number: number,
  mode: number,
  data: Buffer,
): Promise<void> {
  // ino, mode, uid, gid, nlink, mtime, filesize, dev and rdev (major, minor), namesize, check
  const fields = [number, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0]
  const head = Buffer.from(`070701${fields.map(hex).join('')}${name}\0`)
  await output.writev(
    [head, padded(head.length), data, padded(data.length)].filter((part) => part.length > 0),
  )
}
