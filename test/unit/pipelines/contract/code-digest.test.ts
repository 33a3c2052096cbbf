import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { Digest } from '../../../../pipelines/contract/artifact.ts'
import { codeDigest, tablesOf } from '../../../../pipelines/contract/code-digest.ts'
import { testElf } from '../../../fakes/test-elf.ts'

const sha256 = (bytes: Uint8Array): Digest => `sha256:${createHash('sha256').update(bytes).digest('hex')}`
const ELF = testElf('program', 'one')
const digest = (elf: Uint8Array) => codeDigest(elf, sha256)

test('other tables, same code', () => {
  assert.equal(digest(testElf('program', 'two')), digest(ELF))
})

test('other code, other digest', () => {
  assert.notEqual(digest(testElf('progrum', 'one')), digest(ELF))
})

test('the tables are the whole section', () => {
  assert.equal(Buffer.from(tablesOf(ELF)).toString().replaceAll('\0', ''), 'TABLES:one')
  assert.equal(tablesOf(ELF).length, 64)
})

test('any byte outside the tables changes the digest or is refused; any byte inside does not', () => {
  const tables = tablesOf(ELF)
  const from = tables.byteOffset - ELF.byteOffset
  for (let at = 0; at < ELF.length; at++) {
    const bad = ELF.slice()
    bad[at] = (bad[at] ?? 0) ^ 1
    const inside = at >= from && at < from + tables.length
    let changed: boolean
    try {
      changed = digest(bad) !== digest(ELF)
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'code-untrusted')
      changed = true
    }
    assert.equal(changed, !inside, `byte ${at}`)
  }
})

/** Section 2 of the test's ELF holds the tables; its header in the section table. */
const header = (elf: Buffer) => Number(elf.readBigUInt64LE(40)) + 2 * 64
const spoilt: [string, (elf: Buffer) => void][] = [
  ['no ELF', (elf) => elf.fill(0, 0, 4)],
  ['big-endian', (elf) => elf.writeUInt8(2, 5)],
  ['a section table outside the file', (elf) => elf.writeBigUInt64LE(BigInt(elf.length), 40)],
  ['an offset beyond every file', (elf) => elf.writeBigUInt64LE(2n ** 63n, 40)],
  ['tables that leave the file', (elf) => elf.writeBigUInt64LE(1n << 32n, header(elf) + 32)],
  ['executable tables', (elf) => elf.writeBigUInt64LE(4n, header(elf) + 8)],
  ['writable tables', (elf) => elf.writeBigUInt64LE(1n, header(elf) + 8)],
  ['tables without bytes in the file', (elf) => elf.writeUInt32LE(8, header(elf) + 4)],
  ['tables over the section table', (elf) => elf.writeBigUInt64LE(elf.readBigUInt64LE(40), header(elf) + 24)],
  ['tables over the program', (elf) => elf.writeBigUInt64LE(64n, header(elf) + 24)],
  ['tables over the file header', (elf) => elf.writeBigUInt64LE(0n, header(elf) + 24)],
  ['no tables', (elf) => elf.writeUInt32LE(0, header(elf))],
  ['two sections of tables', (elf) => elf.writeUInt32LE(elf.readUInt32LE(header(elf)), header(elf) - 64)],
]
for (const [what, spoil] of spoilt) {
  test(`${what}: refused`, () => {
    const elf = Buffer.from(ELF)
    spoil(elf)
    assert.throws(() => digest(elf), { code: 'code-untrusted' })
  })
}

test('an empty file and every truncation are refused or differ', () => {
  for (let length = 0; length < ELF.length; length += 13) {
    assert.throws(() => digest(ELF.slice(0, length)), { code: 'code-untrusted' })
  }
})
