/**
 * What the compile function's image is made of, from scratch: no shell, no package manager, nothing that
 * clang, Node and the function do not open. Binaries are this machine's Debian's, so an image is as old as
 * its packages, which are listed in it.
 */
import { readdir, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

const ROOT = fileURLToPath(new URL('../../../..', import.meta.url))

/** A file of the image: bytes of a file here, or a symbolic link. `host`: it is of this machine's system. */
export type ImageFile = { path: string } & ({ from: string; host: boolean } | { link: string })

const CLANG = '/usr/lib/llvm-22/bin/clang'
/** Called llvm-strip-22, it is llvm-strip. */
const OBJCOPY = '/usr/lib/llvm-22/bin/llvm-objcopy'
/** As Debian merges /usr: libraries name their loader by /lib64. */
const LINKS = [
  { path: '/lib', link: 'usr/lib' },
  { path: '/lib64', link: 'usr/lib64' },
  { path: '/usr/bin/clang-22', link: '../lib/llvm-22/bin/clang' },
  { path: '/usr/bin/llvm-strip-22', link: '../lib/llvm-22/bin/llvm-objcopy' },
]
/** Whole folders: which of their headers a program includes changes with the program. */
const HEADERS = [
  '/usr/include/bpf',
  '/usr/include/linux',
  '/usr/include/asm-generic',
  '/usr/include/x86_64-linux-gnu/asm',
]

/** Where things lie in the image. */
export const IMAGE = {
  node: '/usr/bin/node',
  task: '/var/task',
  sources: '/opt/heddle',
  texts: '/opt/heddle/programs',
  ric: '/opt/heddle/ric',
  packages: '/opt/heddle/packages.json',
} as const

/** Every file, by its path in the image; each path once. `bundle`: the compile function's folder. */
export async function rootFiles(bundle: string): Promise<ImageFile[]> {
  const binaries = [process.execPath, CLANG, OBJCOPY]
  const libraries = new Set((await Promise.all(binaries.map(librariesOf))).flat())
  const host = (path: string, from = path): ImageFile => ({ path, from, host: true })
  const ric = join(ROOT, 'infra/cloud/ric/node_modules/aws-lambda-ric')
  const files = [
    ...LINKS,
    host(IMAGE.node, process.execPath),
    host(CLANG),
    host(OBJCOPY),
    ...[...libraries].map((path) => host(merged(path), path)),
    ...(await Promise.all(HEADERS.map((folder) => filesBelow(folder, folder, true)))).flat(),
    ...(await filesBelow(join(ROOT, 'bpf'), `${IMAGE.sources}/bpf`)).filter(({ path }) =>
      /\.[ch]$/.test(path),
    ),
    ...(await filesBelow(join(ROOT, 'dist/programs'), IMAGE.texts)),
    ...(await filesBelow(bundle, IMAGE.task)),
    ...(await filesBelow(join(ric, 'bin'), `${IMAGE.ric}/bin`)),
    ...(await filesBelow(join(ric, 'dist'), `${IMAGE.ric}/dist`)),
    { path: `${IMAGE.ric}/LICENSE`, from: join(ric, 'LICENSE'), host: false },
    { path: `${IMAGE.ric}/package.json`, from: join(ric, 'package.json'), host: false },
  ]
  const byPath = new Map(files.map((file) => [file.path, file]))
  return [...byPath.values()].sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** Debian packages and versions that files of this machine came from; what is of none is named as it is. */
export async function packagesOf(files: readonly ImageFile[]): Promise<Record<string, string>> {
  const paths = files.flatMap((file) => ('from' in file && file.host ? [file.from] : []))
  const spellings = [
    ...new Set(paths.flatMap((path) => [path, path.replace(/^\/usr\/lib/, '/lib'), merged(path)])),
  ]
  // It fails when any path is of no package, and says the others all the same.
  const { stdout } = await execa('dpkg-query', ['--search', ...spellings], { reject: false })
  const names = new Set(stdout.split('\n').flatMap((line) => /^([a-z0-9][^ ,]*): \//.exec(line)?.[1] ?? []))
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own placeholders
  const format = '-f=${binary:Package} ${Version}\\n'
  const { stdout: versions } = await execa('dpkg-query', ['--show', format, ...[...names].sort()])
  const known = versions.split('\n').map((line) => line.split(' ') as [string, string])
  return { ...Object.fromEntries(known), node: process.version }
}

async function filesBelow(folder: string, path: string, host = false): Promise<ImageFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .map((from) => ({ path: join(path, from.slice(folder.length)), from, host }))
}

/** Shared libraries that the loader would take, by the names that it asks for. */
async function librariesOf(binary: string): Promise<string[]> {
  const { stdout } = await execa('ldd', [binary])
  const found = stdout.split('\n').flatMap((line) => /(\/\S+) \(0x/.exec(line)?.[1] ?? [])
  return Promise.all(
    found.map(async (path) => join(await realpath(dirname(path)), path.slice(dirname(path).length))),
  )
}

const merged = (path: string): string => path.replace(/^\/(lib|lib64|bin)\//, '/usr/$1/')
