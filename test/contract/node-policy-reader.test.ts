/** Policies read in a child process: the findings and the set of the plain reader, nobody waits, a dead child is a code. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodePolicyReader } from '../../functions/adapters/node-policy-reader.ts'
import { loadPolicies, type TextFile } from '../../functions/validate/load-policies.ts'
import { mixedPatterns } from '../unit/automata/mixed-rules.ts'
import { document, POLICY, TO } from '../unit/languages/case-text.ts'
import { answersBefore, failureOf, killChild } from './children.ts'

const head = (name: string) => `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: ${name}, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: x}}
`

/** Files of a hundred rules each; the first has one rule more, and so is the largest. */
function files(rules: number): TextFile[] {
  const paths = mixedPatterns(rules)
  return Array.from({ length: rules / 100 }, (_, index) => {
    const some = [...paths.slice(index * 100, index * 100 + 100), ...(index === 0 ? ['/the-last'] : [])]
    const http = some.map((path) => `          - {path: '${path.padEnd(40, '*')}'}`).join('\n')
    const ports = `  - toPorts:\n    - ports: [{port: "80", protocol: TCP}]\n      rules:\n        http:\n${http}\n`
    return { path: `policies/p${index}.yaml`, text: `${head(`p${index}`)}  ingress:\n${ports}` }
  })
}
const TEN_THOUSAND = files(10_000)

test('a small commit and a large one are read as by the plain reader, findings too', async () => {
  const wrong = { path: 'policies/wrong.yaml', text: `${head('wrong')}  ingres: []\n` }
  for (const texts of [files(100), files(1_000), [wrong], [...files(1_000), wrong]]) {
    assert.deepEqual(await nodePolicyReader().read(texts), loadPolicies(texts))
  }
})

test('the host answers while 10,000 rules are read', async () => {
  await answersBefore(() => nodePolicyReader().read(TEN_THOUSAND))
})

test('a commit that is above a bound of time or memory is refused at its largest file', async () => {
  for (const [limits, bound] of [
    [{ timeMs: 1, heapMb: 1_024 }, '1 ms'],
    [{ timeMs: 60_000, heapMb: 12 }, '12 MB'],
  ] as const) {
    const failure = await failureOf(nodePolicyReader(limits).read(TEN_THOUSAND))
    assert.equal(failure.code, 'limit-exceeded')
    assert.ok(
      failure.message.startsWith('policies/p0.yaml:1:1: reading the 100 policy files'),
      failure.message,
    )
    assert.ok(failure.message.includes(bound), failure.message)
  }
})

test('cases run in the child, however few they are', async () => {
  const noTime = nodePolicyReader({ timeMs: 1, heapMb: 1_024 })
  assert.ok('set' in (await noTime.read([POLICY])))
  const asked = (verdict: string) =>
    document([`{name: n, connect: true, ${TO}, expect: {verdict: ${verdict}}}`])
  assert.equal((await failureOf(noTime.read([POLICY, asked('pass')]))).code, 'limit-exceeded')
  for (const texts of [
    [POLICY, asked('pass')],
    [POLICY, asked('drop')],
  ])
    assert.deepEqual(await nodePolicyReader().read(texts), loadPolicies(texts))
})

test('a child that is killed is a failure that a later try may heal', async () => {
  const failed = failureOf(nodePolicyReader().read(TEN_THOUSAND))
  await killChild('policy-reader-program')
  const failure = await failed
  assert.deepEqual([failure.code, failure.disposition], ['work-interrupted', 'retry'])
})
