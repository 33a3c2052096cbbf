/** Style that matters, as tests: each names the files that break it. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

/** Committed files and those about to be; deleted ones are gone. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(join(root, path)))
const generated = (path: string) => path.includes('.gen.') || basename(path) === 'package-lock.json'
const code = files.filter((path) => /\.(ts|mjs|c|h)$/.test(path) && !generated(path))
const typescript = code.filter((path) => path.endsWith('.ts'))
const c = code.filter((path) => /\.[ch]$/.test(path))

const TOP_FOLDERS = ['pipelines', 'functions', 'agent', 'bpf', 'infra', 'test']
const STAGES = ['receive', 'validate', 'compile', 'sign', 'publish', 'rollout', 'plan', 'post']

/** The ABI is one header by decision: whoever reads it needs all of it. */
const LONGER: Record<string, number> = {
  'bpf/abi/heddle.h': 1400,
  // One reader's view, held against every order of stores: its cases share it.
  'test/unit/agent/services-stores.test.ts': 310,
}

test('a file has at most 300 lines, C at most 400', () => {
  const limit = (path: string) => LONGER[path] ?? (c.includes(path) ? 400 : 300)
  const long = code.filter((path) => read(path).split('\n').length - 1 > limit(path))
  assert.deepEqual(long, [])
})

test('names are kebab-case, but for the documents that everyone spells in capitals', () => {
  const capitals = /^(README|LICENSE|CONTRIBUTING|CHANGELOG|ABI)(\.md)?$/
  const kebab = /^\.?[a-z0-9]+([-.][a-z0-9]+)*$/
  const odd = files.flatMap((path) => path.split('/').map((part) => ({ path, part })))
  const allowed = (part: string) => kebab.test(part) || capitals.test(part) || part === 'LICENSES'
  const wrong = odd.filter(({ path, part }) => !allowed(part) && !path.startsWith('bpf/LICENSES/'))
  assert.deepEqual(
    wrong.map(({ path }) => path),
    [],
  )
})

test('nothing is left to do later in a comment', () => {
  const later = new RegExp(`\\b(${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X'].join('|')})\\b`)
  assert.deepEqual(
    code.filter((path) => later.test(read(path))),
    [],
  )
})

test('there are no barrels: a name is imported from where it is defined', () => {
  const passesOn = /^export (\*|\{[^}]*\}|type \{[^}]*\}) from /m
  const barrels = typescript.filter((path) => basename(path) === 'index.ts' || passesOn.test(read(path)))
  assert.deepEqual(barrels, [])
})

/** Relative imports of a TypeScript file, as paths from the root. */
function importsOf(path: string): string[] {
  const specifiers = [...read(path).matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)]
  return specifiers.map((match) => normalize(join(dirname(path), match[1] as string)))
}

const WALLS: Record<string, string[]> = {
  bpf: ['bpf'],
  pipelines: ['pipelines'],
  functions: ['functions', 'pipelines', 'bpf'],
  agent: ['agent', 'pipelines', 'bpf'],
  infra: ['infra', 'agent', 'functions', 'pipelines', 'bpf'],
  test: TOP_FOLDERS,
}

test('imports follow the walls', () => {
  const crossing = typescript.flatMap((path) => {
    const allowed = WALLS[path.split('/')[0] as string] ?? []
    const outside = importsOf(path).filter((target) => !allowed.includes(target.split('/')[0] as string))
    return outside.map((target) => `${path} -> ${target}`)
  })
  assert.deepEqual(crossing, [])
})

test('pipelines are pure: no Node, no package but zod', () => {
  const impure = typescript
    .filter((path) => path.startsWith('pipelines/'))
    .filter((path) => /from '(?!\.|zod')[^']+'/.test(read(path)))
  assert.deepEqual(impure, [])
})

test('a stage never imports a stage', () => {
  const stageOf = (path: string) => STAGES.find((stage) => path.startsWith(`functions/${stage}/`))
  const crossing = typescript.flatMap((path) => {
    const own = stageOf(path)
    if (own === undefined) return []
    const others = importsOf(path).filter((target) => ![own, undefined].includes(stageOf(target)))
    return others.map((target) => `${path} -> ${target}`)
  })
  assert.deepEqual(crossing, [])
})

test('C includes downwards only: programs, maps, protocols, lib, abi', () => {
  const layers = ['abi', 'lib', 'protocols', 'maps', 'programs']
  const upwards = c.flatMap((path) => {
    const own = layers.indexOf(path.split('/')[1] as string)
    if (!path.startsWith('bpf/') || own < 0) return []
    const included = [...read(path).matchAll(/^#include "([^"]+)"/gm)].map((match) => match[1] as string)
    const layerOf = (name: string) => layers.findIndex((layer) => name.split('/').includes(layer))
    return included.filter((name) => layerOf(name) > own).map((name) => `${path} -> ${name}`)
  })
  assert.deepEqual(upwards, [])
})

test('every top folder has a README with the four headings', () => {
  const headings = ['What it is', 'Picture', 'Who may import it', 'Add one']
  const missing = TOP_FOLDERS.flatMap((folder) => {
    const text = files.includes(`${folder}/README.md`) ? read(`${folder}/README.md`) : ''
    return headings.filter((heading) => !text.includes(`\n## ${heading}\n`)).map((h) => `${folder}: ${h}`)
  })
  assert.deepEqual(missing, [])
})

test('no file names a path of the machine that it was written on', () => {
  const machine = new RegExp(`(^|[\\s'"\`=(:])/(${['work', 'root', 'home'].join('|')})/`, 'm')
  const named = files.filter((path) => !generated(path) && machine.test(read(path)))
  assert.deepEqual(named, [])
})

test('dependencies are pinned exactly, and a README says what each is for', () => {
  const manifests = files
    .filter((path) => basename(path) === 'package.json')
    .map((path) => JSON.parse(read(path)))
  const all: Record<string, string> = Object.assign(
    {},
    ...manifests.flatMap((manifest) => [manifest.dependencies, manifest.devDependencies]),
  )
  const readmes = files.filter((path) => basename(path) === 'README.md' || path === 'CONTRIBUTING.md')
  const text = readmes.map(read).join('\n')
  const loose = Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
  const unexplained = Object.keys(all).filter((name) => !text.includes(`\`${name}\``))
  assert.deepEqual({ loose, unexplained }, { loose: [], unexplained: [] })
})

test('the lock file names every package of every platform, or npm ci would refuse it', () => {
  type Entry = { optionalDependencies?: Record<string, string> }
  const { packages } = JSON.parse(read('package-lock.json')) as { packages: Record<string, Entry> }
  const asked = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
  const missing = asked.filter((name) => !Object.keys(packages).some((path) => path.endsWith(`/${name}`)))
  assert.deepEqual(missing, [])
})

test('every C file says its licence on the first line', () => {
  const kernel = /^\/[*/] SPDX-License-Identifier: \(GPL-2\.0-only OR Apache-2\.0\)/
  const host = /^\/[*/] SPDX-License-Identifier: Apache-2\.0/
  assert.deepEqual(
    c.filter(
      (path) => !(path.startsWith('bpf/') || path.startsWith('test/bpf/') ? kernel : host).test(read(path)),
    ),
    [],
  )
})
