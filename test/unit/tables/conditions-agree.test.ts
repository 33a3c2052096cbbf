/** Conditions of MeshPolicies: the walked tables decide as the reference evaluator. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { utf8 } from '../../../pipelines/bytes.ts'
import type { Failure } from '../../../pipelines/contract/failures.ts'
import { auditId } from '../../../pipelines/policy/audit.ts'
import { auditsMet, evaluate, limitsMet, mirrorsMet } from '../../../pipelines/policy/evaluate.ts'
import { limitId } from '../../../pipelines/policy/limit.ts'
import type { HttpMatch, LimitRule, MirrorRule, Policy, Rule } from '../../../pipelines/policy/model.ts'
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import { buildTables } from '../../../pipelines/tables/build-tables.ts'
import { TablesWalker } from '../../../pipelines/tables/walk.ts'
import { generatedCondition, nearRequest } from '../../fakes/generated-conditions.ts'
import { type Random, random } from '../../fakes/random.ts'

const SEED = 20_261_123
const SETS = process.env['HEDDLE_DEEP'] === '1' ? 5_000 : 16
const REQUESTS = 40
const TCP = 6
const PORT = 80

const source = { file: 'p.yaml', line: 1, column: 1 }
const everyone = { namespaces: ['n'], requirements: [] }

function rule(r: Random): Rule {
  const http = Array.from({ length: 1 + r.below(3) }, (): HttpMatch => {
    return { source, headers: [], condition: generatedCondition(r) }
  })
  return { source, peers: null, ports: [{ protocol: 'TCP', first: PORT, last: PORT }], http }
}

function limitRule(r: Random, index: number): LimitRule {
  const { http, ...parts } = rule(r)
  const limit = { bucket: 'token' as const, rate: 1 + r.below(9), per: 1_000, burst: 1, key: [] }
  return { ...parts, http: http ?? [], name: `l${index}`, limit }
}

function mirrorRule(r: Random): MirrorRule {
  const { http, ...parts } = rule(r)
  const to = { namespace: 'n', name: `m${r.below(3)}`, port: PORT }
  return { ...parts, http: http ?? [], mirror: { to, ratio: r.below(1_000_001) } }
}

function policy(r: Random, index: number): Policy {
  const allow = Array.from({ length: r.below(3) }, () => rule(r))
  return {
    ...{ name: `p${index}`, namespace: 'n', source, subject: everyone },
    unparsed: r.pick(['refuse', 'pass']),
    selects: allow.length > 0,
    allow: r.chance(0.1) ? [...allow, { ...rule(r), http: null }] : allow,
    deny: Array.from({ length: r.below(3) }, () => rule(r)),
    limits: Array.from({ length: r.below(3) }, (_, index) => limitRule(r, index)),
    mirrors: Array.from({ length: r.below(3) }, () => mirrorRule(r)),
    audits: Array.from({ length: r.below(3) }, (_, index) => {
      const { http, ...parts } = rule(r)
      return { ...parts, http: http ?? [], name: `a${index}` }
    }),
  }
}

function request(r: Random): Request | 'unparsed' {
  if (r.chance(0.1)) return 'unparsed'
  const { method, target, host, fields } = nearRequest(r)
  const lines: [string, string][] = r.chance(0.9) ? [['Host', host], ...fields] : fields
  return {
    method: utf8(method),
    target: utf8(r.chance(0.03) ? '*' : target),
    version: '1.1',
    fields: lines.map(([name, value]) => ({ name: utf8(name), value: utf8(value) })),
  }
}

const NAMES = { pass: 'pass', 'deny-l4': 'drop', allow: 'allow', 'deny-l7': 'deny' } as const

describe(`${SETS} sets of policies with generated conditions`, () => {
  it('decide each request as the reference does', () => {
    const seen = { pass: 0, drop: 0, allow: 0, deny: 0, audited: 0 }
    for (let set = 0; set < SETS; set++) {
      const r = random(SEED + set)
      const policies = {
        policies: Array.from({ length: 1 + r.below(3) }, (_, index) => policy(r, index)),
        routes: [],
      }
      const built = buildTables(policies)
      if (!built.ok) {
        assert.deepEqual(
          built.failures.map(({ code }: Failure) => code),
          ['limit-exceeded'],
        )
        continue
      }
      const walker = new TablesWalker(built.tables.blob)
      const all = (1n << BigInt(built.tables.blocks.length)) - 1n
      // Nobody is a subject of the block that is open to all.
      const subject = built.tables.blocks.reduce(
        (row, block, index) => (block.subject.namespaces?.length === 0 ? row : row | (1n << BigInt(index))),
        0n,
      )
      for (let asked = 0; asked < REQUESTS; asked++) {
        const one = request(r)
        const workload = { namespace: 'n', labels: {} }
        const connection = {
          subject: workload,
          peer: workload,
          peerAddress: '10.0.0.1',
          port: PORT,
          protocol: 'TCP' as const,
        }
        const expected = NAMES[evaluate(policies, connection, one).kind]
        const judged = walker.judge({ subject, peer: all }, TCP, [PORT, one])
        seen[expected]++
        const why = `seed ${SEED + set}: ${text(one)} ${JSON.stringify(policies)}`
        const judges = walker.connection({ subject, peer: all }, TCP, PORT)
        if (expected === 'allow' && one !== 'unparsed' && typeof judges === 'bigint') {
          const met = limitsMet(policies, connection, one)
          const ids = met.map(({ policy, rule: { name, limit } }) =>
            limitId({ namespace: 'n', policy, rule: name }, limit),
          )
          assert.deepEqual(new Set(walker.allowed(judges, one)?.map(({ id }) => id)), new Set(ids), why)
        }
        if (expected !== 'drop' && one !== 'unparsed') {
          const names: string[] = built.tables.services.map(({ name }) => name)
          const mirrors = walker.mirrors({ subject, peer: all }, TCP, PORT)
          const copies = walker
            .mirrored(mirrors, one)
            .map(({ service, ratio }) => `${ratio} to ${names[service]}`)
          const met = mirrorsMet(policies, connection, one).map(({ rule: { mirror } }) => mirror)
          assert.deepEqual(
            new Set(copies),
            new Set(met.map(({ to, ratio }) => `${ratio} to ${to.name}`)),
            why,
          )
        }
        if (expected !== 'drop') {
          const audits = walker.audits({ subject, peer: all }, TCP, PORT)
          const ids = auditsMet(policies, connection, one).map(({ policy, rule: { name } }) =>
            auditId({ namespace: 'n', policy, rule: name }),
          )
          seen.audited += ids.length
          assert.deepEqual(new Set(walker.audited(audits, one).map(({ id }) => id)), new Set(ids), why)
        }
        assert.equal(judged, expected, `seed ${SEED + set}: ${text(one)} ${JSON.stringify(policies)}`)
      }
    }
    for (const kind of ['pass', 'allow', 'deny', 'audited'] as const)
      assert.ok(seen[kind] > SETS / 4, `${kind}: only ${seen[kind]}`)
  })
})

function text(request: Request | 'unparsed'): string {
  if (request === 'unparsed') return request
  const { method, target, fields } = request
  const decode = (bytes: Uint8Array) => Buffer.from(bytes).toString('latin1')
  return [
    `${decode(method)} ${decode(target)}`,
    ...fields.map(({ name, value }) => `${decode(name)}: ${decode(value)}`),
  ].join('\n')
}
