/** A container of the compile function's image, run by buildah without an engine: what Lambda would start. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { execa } from 'execa'
import { buildahIn } from '../../infra/cloud/image/buildah.ts'
import { lambdaVariables, type Start } from './lambda-runtime.ts'

/** Why no image can be built or run here, or false. */
export function imageAbsent(): string | false {
  if (process.getuid?.() !== 0) return 'not root: buildah makes files of other users'
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  const missing = ['buildah', 'skopeo', 'clang-22', 'dpkg-query'].filter((command) =>
    folders.every((folder) => !existsSync(join(folder, command))),
  )
  return missing.length > 0 && `no ${missing.join(', ')}: infra/cloud/README.md, "The image"`
}

export type Container = {
  /** Starts the image's entry point; `shared`: a directory that both sides see. */
  start(shared: string, variables: Record<string, string>): Start
  /** Names in a directory of the container. */
  list(path: string): Promise<string[]>
  close(): Promise<void>
}

type Config = { config: { Entrypoint: string[]; Cmd: string[]; WorkingDir: string; Env: string[] } }

export async function openContainer(archive: string): Promise<Container> {
  const scratch = await mkdtemp(join(tmpdir(), 'heddle-container-'))
  const { storage, env, run: buildah } = buildahIn(scratch)
  const { stdout } = await execa('skopeo', ['inspect', '--config', '--raw', `oci-archive:${archive}`], {
    env,
  })
  const { config } = JSON.parse(stdout) as Config
  const container = await buildah('from', `oci-archive:${archive}`)
  const root = await buildah('mount', container)
  return {
    start: (shared, variables) => (api) => {
      const all = { ...lambdaVariables(api, config.WorkingDir, variables), ...fromImage(config.Env) }
      const environment = Object.entries(all).flatMap(([name, value]) => ['--env', `${name}=${value}`])
      const run = ['run', '--isolation', 'chroot', '--volume', `${shared}:${shared}`, ...environment]
      const command = [container, '--', ...config.Entrypoint, ...config.Cmd]
      return spawn('buildah', [...storage, ...run, ...command], {
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...env },
      })
    },
    list: (path) => readdir(join(root, path)),
    async close() {
      await buildah('umount', container)
      await buildah('rm', container)
      await rm(scratch, { recursive: true, force: true })
    },
  }
}

/** What the image says of itself outranks what the test says of this machine. */
const fromImage = (lines: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
