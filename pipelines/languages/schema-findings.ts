/** A schema's issues as findings: located in the text, in words, with what to do. */
import type { z } from 'zod'
import { type Finding, problem } from './finding.ts'
import { nearestName } from './nearest-name.ts'
import { nodeAt, type Path, placeOf, type SourceNode } from './source-node.ts'

type Issue = z.core.$ZodIssue

/** What a language knows of its own fields. */
export type Vocabulary = {
  fields: readonly string[]
  unsupported: Record<string, string>
  /** What people most often forget inside a field. */
  inside?: Record<string, string>
  /** Where it is written what is accepted. */
  schema: string
}

const shown = (path: Path): string =>
  path
    .map((step, index) => (typeof step === 'number' ? `[${step}]` : `${index > 0 ? '.' : ''}${String(step)}`))
    .join('') || 'the document'

function unknownField(root: SourceNode, path: Path, vocabulary: Vocabulary): Finding {
  const field = String(path.at(-1))
  const near = nearestName(field, vocabulary.fields)
  const elsewhere = vocabulary.fields.includes(field)
  const holder = path.slice(0, -1).findLast((step) => typeof step === 'string')
  const usual =
    vocabulary.inside?.[String(holder)] ?? 'remove it: what is not honoured is refused, never ignored'
  const hint = elsewhere
    ? `\`${field}\` is a field, but not of ${shown(path.slice(0, -1))}: check the indentation`
    : near === undefined
      ? usual
      : `did you mean \`${near}\`?`
  return problem(
    placeOf(root, path),
    'unknown-field',
    `unknown field \`${field}\` in ${shown(path.slice(0, -1))}`,
    hint,
  )
}

/** Of a union's branches, the one that the value was meant for: whose very type fits. */
function branchOf(issue: Issue & { code: 'invalid_union' }): Issue[] | undefined {
  return issue.errors.find(
    (issues) => !issues.some(({ code, path }) => code === 'invalid_type' && path.length === 0),
  )
}

function hintFor(root: SourceNode, path: Path, issue: Issue, schema: string): string {
  const node = nodeAt(root, path)
  if (node.kind === 'scalar' && node.value === null) return 'it is empty: give it a value, or remove it'
  if (issue.code === 'invalid_type' && issue.expected === 'string' && node.kind === 'scalar') {
    return `write it in quotes: "${node.value}"`
  }
  return `see ${schema} for what is accepted`
}

/** One issue; several findings when a union or an object hides several. */
function findingsOf(root: SourceNode, issue: Issue, base: Path, vocabulary: Vocabulary): Finding[] {
  const path = [...base, ...issue.path]
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownField(root, [...path, key], vocabulary))
  }
  if (issue.code === 'invalid_union') {
    const branch = branchOf(issue)
    if (branch !== undefined) return branch.flatMap((inner) => findingsOf(root, inner, path, vocabulary))
  }
  const field = String(path.at(-1))
  if (issue.code === 'invalid_type' && issue.expected === 'never') {
    const hint = vocabulary.unsupported[field] ?? 'remove it'
    return [problem(placeOf(root, path), 'unsupported-feature', `\`${field}\` is not supported`, hint)]
  }
  const message = `\`${shown(path)}\`: ${issue.message}`
  return [
    problem(placeOf(root, path), 'schema-violation', message, hintFor(root, path, issue, vocabulary.schema)),
  ]
}

export function schemaFindings(root: SourceNode, error: z.core.$ZodError, vocabulary: Vocabulary): Finding[] {
  return error.issues.flatMap((issue) => findingsOf(root, issue, [], vocabulary))
}
