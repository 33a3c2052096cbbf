/** reference.gen.md: every field with its type, meaning and examples, as the schema says them. */
import type { z } from 'zod'
import { meshSchema } from './json-schema.ts'

type Schema = z.core.JSONSchema.BaseSchema

/** Read back by the tests, as every example of the tables is. */
const EXAMPLE = `apiVersion: heddle.dev/v1
kind: MeshPolicy
metadata: {name: api, namespace: shop}
spec:
  subject: {matchLabels: {app: api}}
  paths: {dotSegments: refuse, doubleSlashes: refuse, encodedSlashes: refuse, encodedLetters: refuse}
  rules:
    - action: allow
      from: [{labels: {matchLabels: {app: gateway}}}]
      ports: [80]
      match:
        any:
          - {method: [GET, HEAD], path: {prefix: /items}}
          - {method: POST, path: {exact: /orders}, mediaType: application/json}
    - name: admin
      action: deny
      reason: admin is for the inside
      ports: [80]
      match: {path: {prefix: /items/admin}, not: {headers: [{name: x-role, exact: admin}]}}
---
apiVersion: heddle.dev/v1
kind: MeshPolicy
metadata: {name: api-routes, namespace: shop}
spec:
  service: {name: api, port: 80}
  routes:
    - match: {path: {prefix: /}}
      to: [{service: api, port: 80, weight: 9}, {service: api-v2, port: 80, weight: 1}]
      retry: {attempts: 2, codes: [503]}
      timeout: {request: 10s}
    - match: {path: {prefix: /old}}
      redirect: {prefix: /items, status: 308}
`

const INTRODUCTION = `# heddle.dev/v1 MeshPolicy

Made from schema.ts: \`npm run generate\`. What the kind means beyond its fields: README.md.

\`\`\`yaml
${EXAMPLE}\`\`\`
`

/** Scalars that YAML reads as the string that they are, also inside brackets. */
const PLAIN = /^(?!(?:true|false|null|yes|no|on|off)$)[A-Za-z/][-A-Za-z0-9 ./_*]*(?<! )$/

/** YAML in one line. */
function flow(value: unknown): string {
  if (typeof value === 'string') return PLAIN.test(value) ? value : JSON.stringify(value)
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const entries = Object.entries(value).map(([key, inner]) => `${key}: ${flow(inner)}`)
  return `{${entries.join(', ')}}`
}

const quoted = (values: readonly unknown[]) => values.map((value) => `\`${String(value)}\``).join(' or ')

const REFERENCE = /"#\/\$defs\/(\w+)"/g

/** A field's type in words; objects are headings of the page. */
function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.split('/').at(-1) as string
    return `[${name}](#${name.toLowerCase()})`
  }
  if (schema.enum !== undefined) return quoted(schema.enum)
  if (schema.const !== undefined) return quoted([schema.const])
  if (schema.anyOf !== undefined) return (schema.anyOf as Schema[]).map(typeOf).join(' or ')
  if (schema.type === 'array') {
    const items = schema.items as Schema
    return `list of ${items.anyOf === undefined ? typeOf(items) : `(${typeOf(items)})`}`
  }
  if (schema.type === 'object') return `map of ${typeOf(schema.additionalProperties as Schema)}s`
  return schema.type as string
}

/** A table's cell ends at a bar. */
const cell = (text: string) => text.replaceAll('|', '\\|')

function sectionOf(name: string, schema: Schema): string {
  const rows = Object.entries(schema.properties ?? {}).map(([field, property]) => {
    const { description = '', examples = [], ...type } = property as Schema
    const needed = schema.required?.includes(field) === true ? ' (needed)' : ''
    const shown = (examples as unknown[]).map((example) => `\`${field}: ${flow(example)}\``).join('<br>')
    return `| \`${field}\`${needed} | ${typeOf(type)} | ${cell(description)} | ${cell(shown)} |`
  })
  const table = ['| field | type | meaning | example |', '|---|---|---|---|', ...rows].join('\n')
  return `## ${name}\n\n${schema.description}\n\n${table}\n`
}

/** Text of reference.gen.md. */
export function meshReference(): string {
  const { $defs = {}, ...root } = meshSchema()
  const sections = new Map<string, Schema>([['MeshPolicy', root]])
  // A map that grows while it is walked: what an object refers to comes behind it.
  for (const schema of sections.values()) {
    for (const [, name = ''] of JSON.stringify(schema).matchAll(REFERENCE))
      sections.set(name, $defs[name] as Schema)
  }
  return [INTRODUCTION, ...[...sections].map(([name, schema]) => sectionOf(name, schema))].join('\n')
}
