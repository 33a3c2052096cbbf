/** Policies as text, and what Heddle says to them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readPolicies, type TextFile } from '../../../functions/validate/load-policies.ts'
import type { Policy } from '../../../pipelines/policy/model.ts'

export const file = (spec: string, path = 'p.yaml', metadata = '{name: p}'): TextFile => ({
  path,
  text: `apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: ${metadata}\nspec:\n${spec}`,
})
export const SUBJECT = '  endpointSelector: {matchLabels: {app: api}}\n'
export const spec = (text: string) => file(`${SUBJECT}${text}`)
export const ingress = (rule: string) => spec(`  ingress:\n  - ${rule}\n`)
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

/** Texts that are refused: what is wrong with each, and a finding that must be among those it gets. */
export function refusals(name: string, table: readonly [string, TextFile, RegExp][]): void {
  describe(name, () => {
    for (const [says, text, expected] of table) {
      test(says, () => {
        const found = refused(text)
        assert.ok(
          found.some((line) => expected.test(line)),
          found.join('\n'),
        )
        for (const line of found) assert.match(line, /\| .+/, 'every finding says what to do')
      })
    }
  })
}
