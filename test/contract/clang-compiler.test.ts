/** The compiler that runs clang: slow, so not among the unit tests. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, chown, cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { clangCompiler } from '../../functions/adapters/clang-compiler.ts'
import { capacityFor, padTables, variantName } from '../../functions/compile/variants.ts'
import { checkoutCompiler } from '../../infra/trust/checkout-code.ts'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { codeDigest, tablesOf } from '../../pipelines/contract/code-digest.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { mixedPatterns } from '../unit/automata/mixed-rules.ts'

/** Clean builds of all six variants take ten seconds; two are compared by default. */
const DEEP = process.env['HEDDLE_DEEP'] === '1'
const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const source = { file: 'p.yaml', line: 1, column: 1 }
const sha256 = (bytes: Uint8Array): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}`

const scratch = await mkdtemp(join(tmpdir(), 'heddle-test-'))
after(() => rm(scratch, { recursive: true, force: true }))

function policies(paths: readonly string[], header = 'x-a', value = '1'): PolicySet {
  const http = paths.map((path) => ({ source, path, headers: [{ name: header, value }] }))
  const subject = { namespaces: ['n'], requirements: [] }
  const rule = { source, peers: null, ports: null, http }
  return {
    policies: [
      {
        name: 'p',
        namespace: 'n',
        source,
        subject,
        unparsed: 'refuse',
        selects: true,
        allow: [rule],
        deny: [],
      },
    ],
    routes: [],
  }
}

/** Clean builds of this checkout that more than one test looks at: each takes clang a second. */
const clean = clangCompiler(ROOT)
const [SMALL, LARGE] = [policies(mixedPatterns(20)), policies(mixedPatterns(1_000))]
const small = once(() => clean.compile(SMALL))
const large = once(() => clean.compile(LARGE))

function once<T>(build: () => Promise<T>): () => Promise<T> {
  let built: Promise<T> | undefined
  return () => {
    built ??= build()
    return built
  }
}

test('one policy is one ELF: other path, other temporary directory, other locale and time zone', async () => {
  const elsewhere = join(scratch, 'some other place')
  await cp(join(ROOT, 'bpf'), join(elsewhere, 'bpf'), { recursive: true })
  const here = await small()
  const changed = {
    LC_ALL: 'tr_TR.UTF-8',
    TZ: 'Asia/Tokyo',
    USER: 'somebody',
    SOURCE_DATE_EPOCH: '1',
    TMPDIR: scratch,
  }
  const before = Object.keys(changed).map((name) => [name, process.env[name]] as const)
  try {
    Object.assign(process.env, changed)
    const there = await clangCompiler(elsewhere).compile(structuredClone(SMALL))
    assert.deepEqual(there.elf, here.elf)
    assert.deepEqual(there.code, here.code)
    assert.deepEqual(there.tables, here.tables)
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
  }
  assert.deepEqual(await readdir(scratch), ['some other place'], 'temporary files stay behind')
})

/** Uid and gid of nobody. */
const NOBODY = 65_534

/** What the compiler is made of; the rest of package.json is ten times as much to copy. */
const PACKAGES = ['@tufjs/models', 'execa', 'koffi', 'yaml', 'zod']

/** A checkout that anybody may read, with its node: those of this test may lie in somebody's home. */
async function publicCheckout(folder: string): Promise<void> {
  const copy = (name: string) => cp(join(ROOT, name), join(folder, name), { recursive: true })
  const program = 'dist/test/contract/compile-child.js'
  for (const name of ['package.json', 'bpf', 'dist/pipelines', 'dist/functions', program]) await copy(name)
  const needs = async (manifest: string): Promise<string[]> => {
    const manifestOf = JSON.parse(await readFile(join(ROOT, manifest), 'utf8')) as Record<
      'dependencies' | 'optionalDependencies',
      Record<string, string> | undefined
    >
    // Native modules are optional: those of other machines are not here.
    const native = Object.keys(manifestOf.optionalDependencies ?? {})
    const here = native.filter((name) => existsSync(join(ROOT, 'node_modules', name)))
    return [...Object.keys(manifestOf.dependencies ?? {}), ...here]
  }
  const packages = new Set(PACKAGES)
  for (const name of packages) {
    await copy(`node_modules/${name}`)
    for (const other of await needs(`node_modules/${name}/package.json`)) packages.add(other)
  }
  await cp(process.execPath, join(folder, 'node'))
  await execa('chmod', ['-R', 'a+rX', folder])
}

const root = process.getuid?.() === 0

test('one policy is one ELF: built by another user, in another place', {
  skip: root ? false : 'only root may run as somebody else',
}, async () => {
  const [checkout, temporary] = [join(scratch, 'public'), join(scratch, 'of nobody')]
  await chmod(scratch, 0o755)
  await publicCheckout(checkout)
  await mkdir(temporary)
  await chown(temporary, NOBODY, NOBODY)
  const here = await small()
  const { stdout } = await execa(
    join(checkout, 'node'),
    [join(checkout, 'dist/test/contract/compile-child.js'), checkout],
    {
      uid: NOBODY,
      gid: NOBODY,
      cwd: '/',
      env: { USER: 'nobody', HOME: temporary, TMPDIR: temporary, LC_ALL: 'tr_TR.UTF-8', TZ: 'Asia/Tokyo' },
      extendEnv: false,
      input: JSON.stringify(SMALL),
    },
  )
  const { code, tables } = here
  const digests = { elf: sha256(here.elf).slice(7), code: code.digest, tables: tables.digest }
  assert.deepEqual(JSON.parse(stdout), { uid: NOBODY, ...digests })
  for (const folder of [checkout, temporary]) await rm(folder, { recursive: true })
})

const PAYLOADS = [
  '"; int x; //',
  '\\n#include "/etc/passwd"',
  '`id`',
  '$(id)',
  '}; asm volatile("exit"); {',
  '%s%n',
]

test('tables put into a kept text give the bytes of a clean build, also after the sources changed', async () => {
  const [sources, texts] = [join(scratch, 'sources'), join(scratch, 'texts')]
  await cp(join(ROOT, 'bpf'), join(sources, 'bpf'), { recursive: true })
  // Kept by whoever asked first, which may have been this: the same sources, so the same texts.
  await checkoutCompiler().variants()
  await cp(join(ROOT, 'dist/programs'), texts, { recursive: true })
  const kept = clangCompiler(sources, texts)
  assert.deepEqual(await kept.compile(SMALL), await small())
  assert.deepEqual(await kept.compile(LARGE), await large())
  assert.deepEqual(await kept.dispatcher(), await clean.dispatcher())
  if (DEEP) assert.deepEqual(await kept.variants(), await clean.variants())
  const before = await readdir(texts)
  const header = join(sources, 'bpf/maps/policy.h')
  await writeFile(header, `${await readFile(header, 'utf8')}\nconst volatile __u32 another = 1;\n`)
  const set = policies(['/b'])
  assert.deepEqual(
    await clangCompiler(sources, texts).compile(set),
    await clangCompiler(sources).compile(set),
  )
  assert.notDeepEqual(await readdir(texts), before)
  for (const folder of [sources, texts]) await rm(folder, { recursive: true })
})

test('strings of a policy change neither code nor C', async () => {
  const plain = await small()
  const quoted = PAYLOADS.map((text) => `/\\Q${text.replaceAll('\\n', '\n')}\\E`)
  const hostile = await clean.compile(policies(quoted, 'x-a', PAYLOADS.join('')))
  assert.equal(hostile.code.digest, plain.code.digest)
  assert.notEqual(hostile.tables.digest, plain.tables.digest)
  const text = Buffer.from(hostile.elf).toString('latin1')
  for (const payload of PAYLOADS) assert.equal(text.includes(payload), false, payload)
})

test('the digests of a compilation are those that a node reads from the ELF', async () => {
  const { elf, code, tables } = await large()
  assert.equal(codeDigest(elf, sha256), code.digest)
  assert.equal(sha256(tablesOf(elf)), tables.digest)
  assert.equal(code.variant, variantName(capacityFor(tables.words)))
  assert.equal(tablesOf(elf).length, 4 * 2 ** capacityFor(tables.words))
})

test('what the code key signs is what policies are compiled to', async () => {
  // What a checkout signs comes from kept texts; test:deep compares every one of them with a clean build.
  const listed = await checkoutCompiler().variants()
  const signed = new Map(listed.map(({ variant, digest }) => [variant, digest]))
  for (const { code } of [await small(), await large()]) assert.equal(signed.get(code.variant), code.digest)
  assert.equal(new Set(signed.values()).size, signed.size)
})

test('a program that does not compile is a located failure', async () => {
  const broken = join(scratch, 'broken')
  await cp(join(ROOT, 'bpf'), join(broken, 'bpf'), { recursive: true })
  await rm(join(broken, 'bpf/maps/policy.h'))
  await assert.rejects(
    clangCompiler(broken).compile(policies(['/a'])),
    (error: Error & { code?: string }) => {
      assert.equal(error.code, 'compiler-failed')
      assert.match(error.message, /inbound\.c:\d+:\d+/)
      return true
    },
  )
  await rm(broken, { recursive: true })
})

test('a policy that fits no tables fails with its place', async () => {
  const [policy] = policies(['/a']).policies
  assert.ok(policy)
  const apps = Array.from({ length: 1_025 }, (_, index) => ({
    ...policy,
    subject: { namespaces: [`n${index}`], requirements: [] },
  }))
  const tooMany = clangCompiler(ROOT).compile({ policies: apps, routes: [] })
  await assert.rejects(tooMany, (error: Error & { code?: string }) => {
    assert.equal(error.code, 'limit-exceeded')
    assert.match(error.message, /p\.yaml:1:1/)
    return true
  })
})

test('tables are padded to the capacity of their variant', async () => {
  assert.deepEqual([1, 2 ** 14, 2 ** 14 + 1, 2 ** 23].map(capacityFor), [14, 14, 16, 23])
  assert.throws(() => capacityFor(2 ** 23 + 1), RangeError)
  assert.deepEqual(padTables(Uint8Array.of(7), 14).slice(0, 2), Uint8Array.of(7, 0))
  const policyHeader = await readFile(join(ROOT, 'bpf/maps/policy.h'), 'utf8')
  assert.match(policyHeader, /#embed "policy.bin"/)
})
