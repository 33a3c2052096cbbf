/** MeshPolicies as text, and the conditions that they become. */
import assert from 'node:assert/strict'
import { readPolicies, type TextFile } from '../../../functions/validate/load-policies.ts'
import type { Condition } from '../../../pipelines/policy/condition.ts'
import type { Policy } from '../../../pipelines/policy/model.ts'
import { only } from './cilium-text.ts'

/** Rules stand in line 6, what else a spec has behind it. */
export const mesh = (rules: string, more = '', metadata = '{name: m}', path = 'm.yaml'): TextFile => ({
  path,
  text: [
    'apiVersion: heddle.dev/v1',
    'kind: MeshPolicy',
    `metadata: ${metadata}`,
    'spec:',
    '  subject: {matchLabels: {app: api}}',
    `  rules: [${rules}]`,
    more,
  ].join('\n'),
})
export const rule = (text: string, more = '') => mesh(`{${text}}`, more)
export const match = (text: string, more = '') => rule(`action: allow, ports: [80], match: ${text}`, more)

/** Of a service; everything stands in line 5. */
export const routes = (list: string, service = '{name: echo}', more = ''): TextFile => ({
  path: 'm.yaml',
  text: `apiVersion: heddle.dev/v1\nkind: MeshPolicy\nmetadata: {name: r}\nspec:\n  {service: ${service}, routes: [${list}]${more}}`,
})
export const TO = 'to: [{service: a, port: 80}]'
/** One route to a service, and more. */
export const routed = (parts: string) => routes(`{${TO}, ${parts}}`)

/** The condition of the only match of a policy. */
export function condition(text: string): Condition {
  const policy: Policy = only(match(text))
  const [found] = policy.allow[0]?.http ?? []
  assert.ok(found?.condition)
  return found.condition
}

/** `line:column message | hint`, one a warning of what is accepted. */
export function warnings(...files: TextFile[]): string[] {
  const loaded = readPolicies(files)
  if (!('set' in loaded)) assert.fail(loaded.findings.map(({ message }) => message).join('\n'))
  return loaded.warnings.map(({ line, column, message, hint }) => `${line}:${column} ${message} | ${hint}`)
}
