/**
 * The compile function as an OCI image, made by buildah from scratch: no engine, no base image, no network.
 * The same files give the same digest.
 *
 *     node dist/infra/cloud/image/build-image.js OUT.tar
 *     skopeo copy oci-archive:OUT.tar docker://<account>.dkr.ecr.<region>.amazonaws.com/heddle-compile:<name>
 */
import { chmod, copyFile, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { buildahIn } from './buildah.ts'
import { checkoutCode } from '../../trust/checkout-code.ts'
import { BUNDLES, bundleFunctions } from '../bundle.ts'
import { ENVIRONMENT } from '../environment.ts'
import { IMAGE, type ImageFile, packagesOf, rootFiles } from './root-files.ts'

const EXECUTABLE = 0o755
const READABLE = 0o644
/** Lambda mounts its own there; elsewhere clang needs a place to write. */
const STICKY = 0o1777

/** Builds the image into an OCI archive. Returns its digest, `sha256:…`. */
export async function buildImage(out: string): Promise<string> {
  const scratch = await mkdtemp(join(tmpdir(), 'heddle-image-'))
  try {
    // Fills the programs' texts too: the image carries what this machine's clang said.
    await Promise.all([bundleFunctions(BUNDLES), checkoutCode()])
    const root = join(scratch, 'root')
    await fill(root, await rootFiles(join(BUNDLES, 'compile')))
    return await commit(scratch, root, out)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function fill(root: string, files: readonly ImageFile[]): Promise<void> {
  for (const file of files) {
    const path = join(root, file.path)
    await mkdir(dirname(path), { recursive: true, mode: EXECUTABLE })
    if ('link' in file) await symlink(file.link, path)
    else {
      await copyFile(file.from, path)
      // Modes as the umask of whoever builds would have them would change the digest.
      await chmod(path, (await stat(file.from)).mode & 0o100 ? EXECUTABLE : READABLE)
    }
  }
  const packages = await packagesOf(files)
  await writeFile(join(root, IMAGE.packages), JSON.stringify(packages, null, 2), { mode: READABLE })
  await mkdir(join(root, 'tmp'))
  await chmod(join(root, 'tmp'), STICKY)
}

async function commit(scratch: string, root: string, out: string): Promise<string> {
  const { env, run: buildah } = buildahIn(scratch)
  const container = await buildah('from', 'scratch')
  await buildah('copy', '--quiet', container, root, '/')
  const variables = { [ENVIRONMENT.sources]: IMAGE.sources, [ENVIRONMENT.texts]: IMAGE.texts }
  await buildah(
    'config',
    ...['--arch', 'amd64', '--os', 'linux', '--workingdir', IMAGE.task],
    ...Object.entries(variables).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
    ...['--entrypoint', JSON.stringify([IMAGE.node, `${IMAGE.ric}/bin/index.mjs`])],
    ...['--cmd', 'handler.handler'],
    container,
  )
  // Files and history of the year 1970: the moment of a build has no place in its digest.
  await buildah('commit', '--quiet', '--timestamp', '0', container, `oci-archive:${out}`)
  await buildah('rm', container)
  const { stdout } = await execa('skopeo', ['inspect', '--format', '{{.Digest}}', `oci-archive:${out}`], {
    env,
  })
  return stdout.trim()
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const out = process.argv[2]
  if (out === undefined) {
    console.error('usage: build-image OUT.tar')
    process.exit(2)
  }
  console.log(await buildImage(out))
}
