/** The command `heddle` as it is installed: a process of its own, in a folder. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export const HEDDLE = fileURLToPath(new URL('../../infra/cli/main.js', import.meta.url))

export type Ended = { status: number | null; stdout: string; stderr: string }

export function heddleIn(folder: string, ...args: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(process.execPath, [HEDDLE, ...args], {
    cwd: folder,
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}
