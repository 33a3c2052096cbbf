/** The bare git repository that people push policies to, with its hook. */
import { chmod, rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import type { HostConfig } from './host-config.ts'

/** Makes the repository when it is not there, and (again) the hook that tells this configuration's host. */
export async function prepareRepository(config: HostConfig): Promise<void> {
  const { path, branch } = config.repository
  const there = await stat(join(path, 'HEAD')).then(
    () => true,
    () => false,
  )
  if (!there) await execa('git', ['init', '--quiet', '--bare', `--initial-branch=${branch}`, path])
  const script = fileURLToPath(new URL('./post-receive.js', import.meta.url))
  const hook = join(path, 'hooks', 'post-receive')
  // Checked and complete: whoever pushes need not wait for that again.
  const settled = join(path, 'hooks', 'post-receive.json')
  await writeFile(`${settled}.new`, JSON.stringify(config))
  await rename(`${settled}.new`, settled)
  const words = [process.execPath, script, '--config', settled].map(quoted).join(' ')
  await writeFile(`${hook}.new`, `#!/bin/sh\nexec ${words}\n`)
  await chmod(`${hook}.new`, 0o755)
  await rename(`${hook}.new`, hook)
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`
