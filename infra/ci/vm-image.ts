/**
 * The oldest supported kernel, as Debian ships it: downloaded once, unpacked
 * beside the checkout's other caches, never installed on this machine.
 */
import { existsSync, readdirSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { execa } from 'execa'

export type KernelImage = { release: string; vmlinuz: string; modules: string }

const PACKAGE = /^linux-image-(6\.1\.[0-9][^ ]*-cloud-amd64) /
const DOWNLOAD_MS = 120_000

function unpacked(cache: string): KernelImage | undefined {
  const boot = join(cache, 'image/boot')
  if (!existsSync(boot)) return undefined
  const vmlinuz = readdirSync(boot).find((name) => name.startsWith('vmlinuz-'))
  if (vmlinuz === undefined) return undefined
  const release = vmlinuz.slice('vmlinuz-'.length)
  return {
    release,
    vmlinuz: join(boot, vmlinuz),
    modules: join(cache, 'image/lib/modules', release, 'kernel'),
  }
}

/** Name of the newest 6.1 cloud image that apt knows; undefined = none. */
async function newestPackage(): Promise<string | undefined> {
  const found = await execa('apt-cache', ['search', '--names-only', '^linux-image-6\\.1\\..*-cloud-amd64$'], {
    reject: false,
  })
  const releases = found.stdout.split('\n').flatMap((line) => PACKAGE.exec(`${line} `)?.[1] ?? [])
  const newest = releases.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1)
  return newest === undefined ? undefined : `linux-image-${newest}`
}

/**
 * The image in `cache`, downloaded when it is not there. A string says why there is
 * none. An image that is half unpacked never appears: the last act is a rename.
 */
export async function kernelImage(cache: string): Promise<KernelImage | string> {
  const ready = unpacked(cache)
  if (ready !== undefined) return ready
  const name = await newestPackage()
  if (name === undefined) return 'apt knows no linux-image-6.1…-cloud-amd64'
  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(join(cache, 'download-'))
  try {
    const sandbox = ['-o', 'APT::Sandbox::User=root']
    const fetched = await execa('apt-get', [...sandbox, '-q', 'download', name], {
      cwd: work,
      reject: false,
      timeout: DOWNLOAD_MS,
      all: true,
    })
    const archive = readdirSync(work).find((file) => file.endsWith('.deb'))
    if (fetched.failed || archive === undefined) return `${name} could not be downloaded: ${fetched.all}`
    await execa('dpkg-deb', ['-x', archive, 'image'], { cwd: work })
    await rm(join(cache, 'image'), { recursive: true, force: true })
    await rename(join(work, 'image'), join(cache, 'image'))
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return unpacked(cache) ?? `${name} holds no kernel`
}
