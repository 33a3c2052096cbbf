/** The front-end's schema against the Gateway API's own resource definitions and examples. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { z } from 'zod'
import { readPolicies } from '../../functions/validate/load-policies.ts'
import { HTTPRoute, ReferenceGrant } from '../../pipelines/languages/gateway/schema.ts'

const CORPUS = join(process.env['HEDDLE_CORPUS'] ?? '../shared/corpus', 'gateway-api')
const skip = existsSync(CORPUS) ? false : 'no corpus'

type Schema = {
  properties?: Record<string, Schema>
  items?: Schema
  not?: unknown
  anyOf?: Schema[]
  oneOf?: Schema[]
  const?: unknown
  enum?: unknown[]
  [limit: string]: unknown
}
const LIMITS = ['minItems', 'maxItems', 'minLength', 'maxLength', 'minimum', 'maximum'] as const

/** The definition of a kind, spec alone; the experimental one has all of the standard one, and more. */
function definition(kind: string): Schema {
  const path = join(CORPUS, `config/crd/experimental/gateway.networking.k8s.io_${kind}.yaml`)
  type Version = { name: string; schema: { openAPIV3Schema: Schema } }
  const { spec } = parse(readFileSync(path, 'utf8')) as { spec: { versions: Version[] } }
  const found = spec.versions.find(({ name }) => name === 'v1')?.schema.openAPIV3Schema
  return found?.properties?.['spec'] ?? assert.fail(path)
}

/** Branches of a union as one: a definition says it by rules over one object. */
function merged(schema: Schema): Schema {
  const branches = schema.anyOf ?? schema.oneOf ?? []
  const properties = Object.assign({}, ...branches.map((branch) => branch.properties ?? {}))
  const constants = branches.flatMap((branch) => (branch.const === undefined ? [] : [branch.const]))
  return {
    ...schema,
    ...(branches.some((branch) => branch.properties !== undefined) ? { properties } : {}),
    ...(constants.length > 0 ? { enum: constants } : {}),
  }
}

function* differences(wanted: Schema, found: Schema, path: string): Generator<string> {
  const ours = merged(found)
  // Refused by name: what would stand in it is of no interest.
  if (ours.not !== undefined) return
  for (const limit of LIMITS) {
    const [theirs, own] = [wanted[limit], ours[limit]]
    if (theirs !== undefined && theirs !== own) yield `${path}: ${limit} ${theirs}, not ${own}`
  }
  const plain = (list: unknown[] | undefined) => list?.map(String).sort().join()
  // Each type of a union of our own names one value.
  const isTag = path.endsWith('.path.type') && ours.const !== undefined
  if (wanted.enum !== undefined && !isTag && plain(wanted.enum) !== plain(ours.enum)) {
    yield `${path}: enum ${plain(wanted.enum)}, not ${plain(ours.enum)}`
  }
  const { default: preset } = wanted
  if (preset !== undefined && typeof preset !== 'object' && preset !== ours['default']) {
    yield `${path}: default ${wanted['default']}, not ${ours['default']}`
  }
  for (const [name, property] of Object.entries(wanted.properties ?? {})) {
    const own = ours.properties?.[name]
    if (own === undefined) yield `${path}.${name} is unknown`
    else yield* differences(property, own, `${path}.${name}`)
  }
  if (wanted.items !== undefined) yield* differences(wanted.items, ours.items ?? {}, `${path}[]`)
}

const ours = (schema: z.ZodType) => z.toJSONSchema(schema, { io: 'input' }) as Schema

describe('the resource definitions', { skip }, () => {
  test('every field, limit, choice and default of an HTTPRoute', () => {
    const spec = ours(HTTPRoute).properties?.['spec'] ?? {}
    assert.deepEqual([...differences(definition('httproutes'), spec, 'spec')], [])
  })
  test('every field and limit of a ReferenceGrant', () => {
    const spec = ours(ReferenceGrant).properties?.['spec'] ?? {}
    assert.deepEqual([...differences(definition('referencegrants'), spec, 'spec')], [])
  })
})

/** Files of a folder of the corpus, with what the front-end says to the objects that it is for. */
function* read(folder: string, wanted: RegExp) {
  const directory = join(CORPUS, folder)
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  for (const path of names.filter((name) => /\.ya?ml$/.test(name)).sort()) {
    const documents = readFileSync(join(directory, path), 'utf8').split(/^---$/m)
    const text = documents.filter((document) => wanted.test(document)).join('---\n')
    if (text !== '') yield { path, loaded: readPolicies([{ path, text }]) }
  }
}

const ROUTES = /^kind: (HTTPRoute|ReferenceGrant|Service)$/m
const errorsOf = (loaded: ReturnType<typeof readPolicies>) =>
  'set' in loaded ? [] : loaded.findings.filter(({ severity }) => severity === 'error')

describe("the Gateway API's own files", { skip }, () => {
  test('routes of a mesh are accepted', () => {
    const files = [...read('conformance/tests/mesh', ROUTES)]
    const refused = files.flatMap(({ path, loaded }) =>
      errorsOf(loaded).map(({ message }) => `${path}: ${message}`),
    )
    assert.ok(files.length >= 7)
    assert.deepEqual(refused, [])
  })
  test('other routes are refused for what they name, and for nothing else', (context) => {
    const messages = new Map<string, number>()
    for (const folder of ['conformance/tests', 'examples']) {
      for (const { loaded } of read(folder, ROUTES)) {
        for (const { message, code } of errorsOf(loaded)) {
          assert.ok(['unsupported-feature', 'duplicate-policy'].includes(code), message)
          messages.set(message, (messages.get(message) ?? 0) + 1)
        }
      }
    }
    for (const [message, count] of messages) context.diagnostic(`${count} × ${message}`)
  })
  test('invalid ones are refused', () => {
    const folder = 'hack/invalid-examples'
    const accepted = [...read(folder, ROUTES)].filter(({ loaded }) => 'set' in loaded)
    assert.deepEqual(
      accepted.map(({ path }) => path),
      [],
    )
  })
})
