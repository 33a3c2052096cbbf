/**
 * Kernel = evaluator: generated policies that allow, deny, limit nothing and audit, generated requests in any
 * segmentation. What each audit rule counted is what the reference evaluator says of the same requests.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AuditCounts } from '../../../agent/ports.ts'
import { auditId } from '../../../pipelines/policy/audit.ts'
import { auditsMet, type Connection, evaluate } from '../../../pipelines/policy/evaluate.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'
import type { AuditRule, HttpMatch, Policy, PolicySet, Rule } from '../../../pipelines/policy/model.ts'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import { generatedCondition, nearRequest } from '../../fakes/generated-conditions.ts'
import { type Random, random } from '../../fakes/random.ts'
import { dispatcherElf } from './artifacts.ts'
import { exchange, readReplies } from './exchange.ts'
import { segments, SUBJECT, WORLD } from './generated-policies.ts'
import { KernelFixture, type RecordingServer, whyNoKernel } from './kernel-fixture.ts'
import { enforce } from './one-rule.ts'

const DEEP = process.env['HEDDLE_DEEP'] === '1'
const SETS = DEEP ? 300 : 10
const CONNECTIONS = DEEP ? 60 : 20
const SEED = Number(process.env['HEDDLE_SEED'] ?? 20_261_124)

const source = { file: 'audits.yaml', line: 1, column: 1 }
const NONE: AuditCounts = { allowed: 0, refused: 0, unread: 0 }

function rule(r: Random, port: number): Rule & { http: HttpMatch[] } {
  const http = Array.from({ length: 1 + r.below(2) }, (): HttpMatch => {
    return { source, headers: [], condition: generatedCondition(r) }
  })
  // Some speak of another port, or of others than who asks.
  const first = r.chance(0.9) ? port : port - 1
  const cidr = { kind: 'cidr' as const, cidr: `${r.pick(WORLD)}/32`, except: [] }
  return {
    ...{ source, peers: r.chance(0.7) ? null : [cidr], http },
    ports: [{ protocol: 'TCP', first, last: first }],
  }
}

/** In a third of them nobody is judged. */
function policy(r: Random, port: number, index: number): Policy {
  const judged = r.chance(0.66)
  const many = (most: number) => Array.from({ length: judged ? r.below(most + 1) : 0 }, () => rule(r, port))
  const allow = many(3)
  const audits = Array.from({ length: 1 + r.below(4) }, (_, each): AuditRule => {
    return { ...rule(r, port), name: `a${each}` }
  })
  return {
    ...{ name: `p${index}`, namespace: 'default', source },
    subject: { namespaces: ['default'], requirements: [] },
    unparsed: r.pick(['refuse', 'pass']),
    selects: allow.length > 0,
    allow: allow.length > 0 && r.chance(0.15) ? [...allow, { ...rule(r, port), http: null }] : allow,
    ...{ deny: many(2), audits },
  }
}

const setOf = (seed: number, port: number): PolicySet => {
  const r = random(seed)
  return {
    policies: Array.from({ length: 1 + r.below(2) }, (_, index) => policy(r, port, index)),
    routes: [],
  }
}

/** Requests one behind the other, sometimes ended by what is none. */
function streamOf(r: Random): Buffer {
  const heads = Array.from({ length: 1 + r.below(4) }, () => {
    const { method, target, host, fields } = nearRequest(r)
    const lines = [
      `Host: ${host}`,
      ...fields.map(([name, value]) => `${name}: ${value}`),
      'Content-Length: 0',
    ]
    return [`${method} ${target} HTTP/1.1`, ...lines, '', ''].join('\r\n')
  })
  const strange = r.pick(['', '', '', 'G@T / HTTP/1.1\r\n\r\n', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n'])
  return Buffer.from(heads.join('') + strange, 'latin1')
}

type Told = { counts: Map<string, AuditCounts>; answers: number; refusal: boolean }

/** What the evaluator says of one connection: it ends with the first message that is refused. */
function toldOf(set: PolicySet, connection: Connection, stream: Buffer, counts: Told['counts']): Told {
  const told: Told = { counts, answers: 0, refusal: false }
  const count = (request: Parameters<typeof auditsMet>[2], what: keyof AuditCounts) => {
    for (const { namespace, policy: name, rule: met } of auditsMet(set, connection, request)) {
      const id = String(auditId({ namespace, policy: name, rule: met.name }))
      const known = counts.get(id) ?? NONE
      counts.set(id, { ...known, [what]: known[what] + 1 })
    }
  }
  for (const event of parseHttp1(stream)) {
    if (event.kind === 'head') {
      const { kind } = evaluate(set, connection, event.request)
      count(event.request, kind === 'deny-l7' ? 'refused' : 'allowed')
      if (kind === 'deny-l7') return { ...told, refusal: true }
    } else if (event.kind === 'end') told.answers++
    else {
      count('unparsed', 'unread')
      const passes = evaluate(set, connection, 'unparsed').kind === 'pass'
      return { ...told, refusal: !passes }
    }
  }
  return told
}

async function staged(fixture: KernelFixture, set: PolicySet, generation: number): Promise<boolean> {
  try {
    await enforce(fixture, set, generation)
    return true
  } catch (error) {
    if (error instanceof Failure && error.code === 'limit-exceeded') return false
    throw error
  }
}

async function ask(server: RecordingServer, from: string, parts: Buffer[], wanted: number): Promise<void> {
  const to = { host: '127.0.0.1', port: server.port, from }
  const { port } = await exchange(to, parts, (bytes) => readReplies(bytes, []).length >= wanted)
  await server.recorded(port)
}

test('audit rules count of every stream what the evaluator says of it', {
  skip: whyNoKernel() ?? false,
}, async (t) => {
  const fixture = await KernelFixture.create(await dispatcherElf())
  t.after(() => fixture.close())
  const server = await fixture.recordingServer()
  const all = { ...NONE }
  let generation = 0
  for (let seed = SEED; seed < SEED + SETS; seed++) {
    const set = setOf(seed, server.port)
    if (!(await staged(fixture, set, ++generation))) continue
    const before = await fixture.kernel.audits.counts()
    const expected = new Map(before)
    for (let asked = 0; asked < CONNECTIONS; asked++) {
      const r = random(seed * 1_000 + asked)
      const from = r.pick(WORLD)
      const connection = {
        ...{ subject: SUBJECT, peer: undefined, peerAddress: from },
        ...{ port: server.port, protocol: 'TCP' as const },
      }
      const stream = streamOf(r)
      if (evaluate(set, connection, 'unparsed').kind === 'deny-l4') continue
      const { answers, refusal } = toldOf(set, connection, stream, expected)
      await ask(server, from, segments(r, stream), answers + (refusal ? 1 : 0))
      const why = `seed ${seed}, connection ${asked}: ${JSON.stringify(stream.toString('latin1'))}`
      assert.deepEqual(await fixture.kernel.audits.counts(), expected, why)
    }
    for (const [id, counts] of expected)
      for (const what of Object.keys(all) as (keyof AuditCounts)[])
        all[what] += counts[what] - (before.get(id)?.[what] ?? 0)
  }
  t.diagnostic(`counted: ${JSON.stringify(all)}`)
  for (const [what, count] of Object.entries(all)) assert.ok(count > SETS, `${what}: only ${count}`)
})
