/**
 * Functions as Lambda takes them: one folder each, whose handler.js has all of its code but Node's own.
 * Made of the compiled output that the tests run. Equal sources give equal bytes.
 *
 *     node dist/infra/cloud/bundle.js [OUT]
 */
import { existsSync } from 'node:fs'
import { cp, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { type CloudFunction, type FunctionName, functionsByName } from './functions.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
export const BUNDLES = join(ROOT, 'dist/lambda')
const ESBUILD = join(ROOT, 'infra/cloud/ric/node_modules/.bin/esbuild')

/** Lambda's oldest Node that we run on. */
const TARGET = 'node20'
/** Packages of CommonJS ask for Node's modules by require, which a module has not. */
const REQUIRE = "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);"
/** A child asks the kernel to end with its parent: koffi's JavaScript, and its native half for Lambda's x86-64. */
const NATIVE = ['koffi', '@koromix/koffi-linux-x64'] as const
const NOT_NEEDED = /\/(doc|lib|vendor|musl_x64)(\/|$)|\.(md|d\.ts|cc|hh|inc|S|asm)$/

/** Why there can be no bundles here, or nothing. */
export const bundlerAbsent = (): string | undefined =>
  existsSync(ESBUILD) ? undefined : 'infra/cloud/ric is not installed: node infra/ci/set-up.mjs test'

/** Puts every function into a folder of its name. */
export async function bundleFunctions(out: string): Promise<void> {
  await rm(out, { recursive: true, force: true })
  await Promise.all(functionsByName().map(([name, spec]) => bundle(name, spec, join(out, name))))
}

async function bundle(name: FunctionName, { programs }: CloudFunction, folder: string): Promise<void> {
  const children = programs.map((program) => `${program}=dist/functions/adapters/${program}.js`)
  await execa(
    ESBUILD,
    [
      `handler=dist/infra/cloud/lambda/${name}.js`,
      ...children,
      '--bundle',
      '--splitting',
      '--format=esm',
      '--platform=node',
      `--target=${TARGET}`,
      `--external:koffi`,
      `--banner:js=${REQUIRE}`,
      `--outdir=${folder}`,
      '--log-level=warning',
    ],
    { cwd: ROOT },
  )
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }\n')
  if (programs.length === 0) return
  for (const name of NATIVE) {
    await cp(join(ROOT, 'node_modules', name), join(folder, 'node_modules', name), {
      recursive: true,
      dereference: true,
      filter: (path) => !NOT_NEEDED.test(path.slice(path.lastIndexOf(name) + name.length)),
    })
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundleFunctions(process.argv[2] ?? BUNDLES)
