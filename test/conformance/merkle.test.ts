/** Proofs that others wrote, most of which must fail: ../shared/corpus/transparency-dev-merkle. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { isSubtree, provesConsistency, provesInclusion, provesSubtree } from '../../pipelines/log/merkle.ts'

const ROWS = join(process.env['HEDDLE_CORPUS'] ?? '../shared/corpus', 'transparency-dev-merkle/testdata')

type Row = {
  wantErr: boolean
  proof: string[] | null
  root: string
  root1: string
  root2: string
  leafHash: string
} & Record<'leafIdx' | 'treeSize' | 'size1' | 'size2' | 'start' | 'end' | 'size', number>

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest()
const bytes = (text: string) => Buffer.from(text, 'base64')

const CHECKS: Record<string, (row: Row, proof: Buffer[]) => boolean> = {
  inclusion: ({ leafIdx: index, leafHash, treeSize: size, root }, proof) =>
    provesInclusion(sha256, { index, hash: bytes(leafHash) }, { size, root: bytes(root) }, proof),
  consistency: ({ size1, root1, size2, root2 }, proof) =>
    provesConsistency(
      sha256,
      { size: size1, root: bytes(root1) },
      { size: size2, root: bytes(root2) },
      proof,
    ),
  subtreeinclusion: ({ leafIdx, leafHash, start, end, root }, proof) =>
    isSubtree(start, end) &&
    leafIdx >= start &&
    provesInclusion(
      sha256,
      { index: leafIdx - start, hash: bytes(leafHash) },
      { size: end - start, root: bytes(root) },
      proof,
    ),
  subtreeconsistency: ({ start, end, root1, size, root2 }, proof) =>
    provesSubtree(sha256, { start, end, root: bytes(root1) }, { size, root: bytes(root2) }, proof),
}

/** Rows of each kind in the corpus: none is left out unseen. */
const COUNTS = { inclusion: 54, consistency: 52, subtreeinclusion: 109, subtreeconsistency: 68 }

for (const [kind, count] of Object.entries(COUNTS))
  test(`${kind}: ${count} rows as expected`, () => {
    const files = readdirSync(join(ROWS, kind), { recursive: true, encoding: 'utf8' })
    const rows = files.filter((file) => file.endsWith('.json'))
    assert.equal(rows.length, count)
    for (const file of rows) {
      const row = JSON.parse(readFileSync(join(ROWS, kind, file), 'utf8')) as Row
      const found = CHECKS[kind]?.(row, (row.proof ?? []).map(bytes))
      assert.equal(found, !row.wantErr, `${kind}/${file}`)
    }
  })
