/** buildah without an engine: all that it keeps and unpacks lies in one directory, which the caller removes. */
import { join } from 'node:path'
import { execa } from 'execa'

export type Buildah = {
  /** What stands before every command of its. */
  storage: string[]
  env: { TMPDIR: string }
  /** What it prints, trimmed. */
  run(...args: string[]): Promise<string>
}

export function buildahIn(scratch: string): Buildah {
  const [root, running] = [join(scratch, 'storage'), join(scratch, 'run')]
  const storage = ['--root', root, '--runroot', running, '--storage-driver', 'vfs']
  const env = { TMPDIR: scratch }
  const run = async (...args: string[]) =>
    (await execa('buildah', [...storage, ...args], { env })).stdout.trim()
  return { storage, env, run }
}
