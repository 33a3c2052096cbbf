/**
 * Attacks that must fail, each with the tests that name it. By default: every row names tests and checks
 * that are there. In full (HEDDLE_DEEP=1): these tests pass, and fail on a build without the checks.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AGE_ATTACKS } from './age-attacks.ts'
import { ARTIFACT_ATTACKS } from './artifact-attacks.ts'
import { type Attack, compiledPath, withoutCheck } from './attack.ts'
import { DEATHS_AND_FAULTS } from './faults.ts'
import { FORGE_ATTACKS } from './forge-attacks.ts'
import { GITHUB_ATTACKS } from './github-attacks.ts'
import { type Build, copyBuild } from './mutant.ts'
import { LOG_ATTACKS } from './log-attacks.ts'
import { METADATA_ATTACKS } from './metadata-attacks.ts'
import { RELEASE_ATTACKS } from './release-attacks.ts'
import { ROOT_ATTACKS } from './root-attacks.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const ATTACKS: readonly Attack[] = [
  ...METADATA_ATTACKS,
  ...AGE_ATTACKS,
  ...ROOT_ATTACKS,
  ...ARTIFACT_ATTACKS,
  ...RELEASE_ATTACKS,
  ...FORGE_ATTACKS,
  ...GITHUB_ATTACKS,
  ...LOG_ATTACKS,
  ...DEATHS_AND_FAULTS,
]
const skip = process.env['HEDDLE_DEEP'] === '1' ? false : 'a build without each check: npm run test:deep'

/** Names of a file's tests; where a name is put together, what stands for its parts fits any text. */
function namesIn(file: string): RegExp[] {
  const source = readFileSync(join(ROOT, 'test', `${file}.test.ts`), 'utf8')
  const names = [...source.matchAll(/\b(?:test|it)\(\s*(?:'((?:[^'\\]|\\.)*)'|`((?:[^`\\]|\\.)*)`)/g)]
  return names.map(([, plain, template]) => {
    const parts = plain === undefined ? (template ?? '').split(/\$\{[^}]*\}/) : [plain]
    const escaped = parts.map((part) => part.replaceAll("\\'", "'").replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    return new RegExp(`^${escaped.join('.+')}$`)
  })
}

describe('every row', () => {
  test('names tests that are there', () => {
    const missing = ATTACKS.flatMap(({ file, tests }) =>
      tests
        .filter((name) => !namesIn(file).some((known) => known.test(name)))
        .map((name) => `${file}: ${name}`),
    )
    assert.deepEqual(missing, [])
  })

  test('names checks that are there, each once', () => {
    for (const { without } of ATTACKS)
      for (const cut of without) withoutCheck(readFileSync(join(ROOT, compiledPath(cut)), 'utf8'), cut)
  })

  test('is another attack, and has a test and a check', () => {
    const names = ATTACKS.map(({ attack }) => attack)
    assert.equal(new Set(names).size, names.length)
    for (const { attack, tests, without } of ATTACKS)
      assert.ok(tests.length > 0 && without.length > 0, attack)
  })
})

describe('a build without the check', { skip }, () => {
  let build: Build
  before(async () => {
    build = await copyBuild(ROOT)
  })
  after(() => build.remove())

  for (const { attack, file, tests, without } of ATTACKS)
    test(`${attack}: is found`, async () => {
      const whole = await build.run(file, tests)
      assert.deepEqual([whole.failed, new Set(whole.passed)], [[], new Set(tests)], whole.output)
      const broken = await build.without(without, () => build.run(file, tests))
      assert.notEqual(broken.failed.length, 0, `passed without the check:\n${broken.output}`)
    })
})
