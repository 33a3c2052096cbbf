/** What `heddle policy lint` says of policies that are well written and too much for tables. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { heddleIn } from '../fakes/heddle-command.ts'

const BLOW_UP = `apiVersion: heddle.dev/v1
kind: MeshPolicy
metadata: {name: m}
spec:
  subject: {matchLabels: {app: api}}
  rules: [{action: allow, ports: [80], match: {headers: [{name: x-a, regex: "(a|b)*a(a|b){20}"}]}}]
`

test('an expression whose states blow up is refused by its place and name', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-lint-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'm.yaml'), BLOW_UP)
  const { status, stdout } = heddleIn(folder, 'policy', 'lint', 'm.yaml')
  assert.equal(status, 1)
  assert.match(stdout, /^m\.yaml:6:40 error limit-exceeded: header x-a regex \(a\|b\)\*a\(a\|b\)\{20\}: /)
})
