/** Generated HTTPRoutes mean to Heddle what an oracle says that was written from the specification alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { stringify } from 'yaml'
import { readPolicies } from '../../functions/validate/load-policies.ts'
import { utf8 } from '../../pipelines/bytes.ts'
import type { PolicySet } from '../../pipelines/policy/model.ts'
import { applyEdits, requestEdits, responseEdits } from '../../pipelines/policy/route-edits.ts'
import { evaluateRoute, type RouteQuestion } from '../../pipelines/policy/route-evaluate.ts'
import { byteText } from '../../pipelines/protocols/http1-grammar.ts'
import { parseHttp1 } from '../../pipelines/protocols/http1.ts'
import { type HTTPRoute, type Probe, probe, routes } from './gateway-objects.ts'
import { meaning, type Meaning, SERVICES } from './gateway-oracle.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const SETS = DEEP ? 5_000 : 300
const PROBES = 20

const service = (name: string) => {
  const [namespace, of] = name.split('/')
  const metadata = { name: of, namespace }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata,
    spec: { ports: [{ port: 80 }, ...(of === 'echo' ? [{ port: 81 }] : [])] },
  }
}

function load(objects: HTTPRoute[]): { set: PolicySet; text: string } {
  const named = new Set(
    objects
      .flatMap(({ spec }) => spec.rules)
      .flatMap(({ backendRefs = [] }) => backendRefs.map(({ name }) => name)),
  )
  const services = Object.keys(SERVICES).filter(
    (key) => named.has(key.split('/')[1] as string) || key === 'default/echo',
  )
  const text = [...services.map(service), ...objects].map((object) => stringify(object)).join('---\n')
  const loaded = readPolicies([{ path: 'r.yaml', text }])
  if (!('set' in loaded)) assert.fail(`${loaded.findings.map(({ message }) => message).join('\n')}\n${text}`)
  return { set: loaded.set, text }
}

const RESPONSE = utf8('HTTP/1.1 200 OK\r\nX-A: old\r\n\r\n')
/** The fields of the response's head alone. */
const changedResponse = (change: Parameters<typeof responseEdits>[1]) =>
  byteText(applyEdits(RESPONSE, responseEdits(RESPONSE, change))).slice('HTTP/1.1 200 OK\r\n'.length, -2)

/** Heddle's answer in the oracle's words. */
function answer(set: PolicySet, { client, port, method, target, headers, random }: Probe): Meaning {
  const lines = [['Host', 'echo'], ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('')
  const head = utf8(`${method} ${target} HTTP/1.1\r\n${lines}\r\n`)
  const [parsed] = parseHttp1(head)
  assert.ok(parsed?.kind === 'head')
  const endpoints: RouteQuestion['endpoints'] = ({ namespace, name, port: of }) => {
    const served = of === 80 ? SERVICES[`${namespace}/${name}`] : undefined
    return served === undefined ? 'unknown' : served ? 'ready' : 'none'
  }
  const to = { namespace: 'default', name: 'echo', port }
  const outcome = evaluateRoute(set, { service: to, client, request: parsed.request, endpoints }, random)
  switch (outcome.kind) {
    case 'forward':
      return {
        to: `${outcome.service.namespace}/${outcome.service.name}`,
        head: byteText(applyEdits(head, requestEdits(head, outcome.request))),
        response: changedResponse(outcome.response),
      }
    case 'respond':
      return assert.fail('no HTTPRoute answers so')
    case 'redirect':
      return {
        status: outcome.status,
        location: outcome.location,
        response: changedResponse(outcome.response),
      }
    case 'preflight':
    case 'status':
      return { status: outcome.status }
  }
}

const word = (expected: Meaning) =>
  'to' in expected ? 'forward' : 'location' in expected ? 'redirect' : String(expected.status)

test('generated routes mean what the oracle says', (context) => {
  const counts: Record<string, number> = {}
  const property = fc.property(
    routes,
    fc.array(probe, { minLength: PROBES, maxLength: PROBES }),
    (objects, probes) => {
      const { set, text } = load(objects)
      for (const question of probes) {
        const expected = meaning(objects, question)
        counts[word(expected)] = (counts[word(expected)] ?? 0) + 1
        assert.deepEqual(answer(set, question), expected, `${JSON.stringify(question)}\n${text}`)
      }
    },
  )
  fc.assert(property, { seed: 20_266, numRuns: SETS })
  context.diagnostic(JSON.stringify(counts))
  for (const kind of ['forward', 'redirect', '404', '500', '503']) {
    assert.ok((counts[kind] ?? 0) > SETS / 10, `enough of ${kind}`)
  }
})
