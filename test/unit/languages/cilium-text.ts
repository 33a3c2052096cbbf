/** Policies as text, and what Heddle says to them. */
import assert from 'node:assert/strict'
import { readPolicies, type TextFile } from '../../../functions/validate/load-policies.ts'
import type { Policy } from '../../../pipelines/policy/model.ts'

export const file = (spec: string, path = 'p.yaml', metadata = '{name: p}'): TextFile => ({
  path,
  text: `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: ${metadata}\nspec:\n${spec}`,
})
export const SUBJECT = '  endpointSelector: {matchLabels: {app: api}}\n'
export const ingress = (rule: string) => file(`${SUBJECT}  ingress:\n  - ${rule}\n`)
export const http = (rule: string) =>
  ingress(`toPorts: [{ports: [{port: "80", protocol: TCP}], rules: {http: [${rule}]}}]`)

export function accepted(...files: TextFile[]): Policy[] {
  const loaded = readPolicies(files)
  if (!('set' in loaded)) assert.fail(loaded.findings.map(({ message }) => message).join('\n'))
  return loaded.set.policies
}
export const only = (text: TextFile) => accepted(text)[0] as Policy
export const rule = (text: string) => only(ingress(text)).allow[0]

/** `code line:column message | hint`, one a finding. */
export function refused(...files: TextFile[]): string[] {
  const loaded = readPolicies(files)
  assert.ok('findings' in loaded, 'must be refused')
  return loaded.findings.map(
    ({ file: name, line, column, code, message, hint }) =>
      `${name}:${line}:${column} ${code} ${message} | ${hint}`,
  )
}
