/** `heddle.dev/v1 PolicyTest`: one document → cases, or findings. */
import type { PolicyCase } from '../../policy/policy-case.ts'
import type { Finding } from '../finding.ts'
import { type Reader, readerOf } from '../reader.ts'
import { schemaFindings } from '../schema-findings.ts'
import { nodeAt, type Path, plainValue, type SourceNode } from '../source-node.ts'
import { outcomeOf, verdictOf } from './expectation.ts'
import { questionOf } from './question.ts'
import { type Case, PolicyTest, VOCABULARY } from './schema.ts'

const DEFAULT_NAMESPACE = 'default'

/** The namespaces that a document is about, its own first, and under which name. */
export type SpeaksFor = { namespace: string; name: string }
type ReadTest = { cases: PolicyCase[]; speaksFor: SpeaksFor[]; findings: Finding[] }

export function isPolicyTest(root: SourceNode): boolean {
  if (root.kind !== 'map') return false
  const says = (field: string, value: string) => {
    const node = nodeAt(root, [field])
    return node.kind === 'scalar' && node.value === value
  }
  return says('apiVersion', 'heddle.dev/v1') && says('kind', 'PolicyTest')
}

type Test = { test: string; namespace: string }

function caseOf(reader: Reader, written: Case, path: Path, test: Test): PolicyCase[] {
  const question = questionOf(reader, written, path, test.namespace)
  if (question === undefined) return []
  const told = { ...test, name: written.name, source: reader.place(path) }
  const here = [...path, 'expect']
  if (question.kind === 'inbound') {
    const expect = verdictOf(reader, written.expect, here, question.request === null)
    return expect === undefined ? [] : [{ ...told, ...question, expect }]
  }
  const expect = outcomeOf(reader, written.expect, here, test.namespace)
  return expect === undefined ? [] : [{ ...told, ...question, expect }]
}

/** A case is told apart by its name, also when somebody asks for it alone. */
function checkNames(reader: Reader, cases: readonly Case[]): void {
  const seen = new Map<string, number>()
  for (const [index, { name }] of cases.entries()) {
    const first = seen.get(name)
    if (first === undefined) seen.set(name, index)
    else {
      const message = `the case \`${name}\` is already at line ${reader.place(['cases', first]).line}`
      reader.refuse(['cases', index, 'name'], 'schema-violation', message, 'give it another name')
    }
  }
}

/**
 * Whoever writes a case can stop a push by it. So a document has to be allowed to speak for every
 * namespace whose workloads or services it asks.
 */
function speaksFor(cases: readonly PolicyCase[], { test, namespace }: Test): SpeaksFor[] {
  const asked = cases.map((each) => (each.kind === 'outbound' ? each.service.namespace : namespace))
  const others = [...new Set(asked)].filter((each) => each !== namespace)
  return [
    { namespace, name: test },
    ...others.map((each) => ({ namespace: each, name: `${namespace}/${test}` })),
  ]
}

/** Read one document; the cases count only when no finding is an error. */
export function readPolicyTest(root: SourceNode): ReadTest {
  const parsed = PolicyTest.safeParse(plainValue(root))
  if (!parsed.success)
    return { cases: [], speaksFor: [], findings: schemaFindings(root, parsed.error, VOCABULARY) }
  const { metadata, cases: written } = parsed.data
  const test = { test: metadata.name, namespace: metadata.namespace ?? DEFAULT_NAMESPACE }
  const reader = readerOf(root)
  checkNames(reader, written)
  const cases = written.flatMap((each, index) => caseOf(reader, each, ['cases', index], test))
  return { cases, speaksFor: speaksFor(cases, test), findings: reader.findings }
}
