import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mapsOf } from '../../../agent/adapters/elf-maps.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'

/** An ELF with one section of symbols: names, and the section that each is in (1 = .maps). */
function elf(symbols: [name: string, section: number, type: number][], maps = '.maps'): Buffer {
  const names = Buffer.from(`\0${maps}\0${symbols.map(([name]) => `${name}\0`).join('')}`)
  const table = Buffer.alloc(24 * symbols.length)
  let at = maps.length + 2
  for (const [index, [name, section, type]] of symbols.entries()) {
    table.writeUInt32LE(at, 24 * index)
    table.writeUInt8(type, 24 * index + 4)
    table.writeUInt16LE(section, 24 * index + 6)
    at += name.length + 1
  }
  const header = Buffer.alloc(64)
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  const sections = Buffer.alloc(4 * 64)
  header.writeBigUInt64LE(BigInt(64 + names.length + table.length), 40)
  header.writeUInt16LE(4, 60)
  header.writeUInt16LE(2, 62)
  const section = (
    index: number,
    name: number,
    type: number,
    [offset = 0, bytes = 0, link = 0]: number[],
  ) => {
    sections.writeUInt32LE(name, 64 * index)
    sections.writeUInt32LE(type, 64 * index + 4)
    sections.writeBigUInt64LE(BigInt(offset), 64 * index + 24)
    sections.writeBigUInt64LE(BigInt(bytes), 64 * index + 32)
    sections.writeUInt32LE(link, 64 * index + 40)
  }
  section(1, 1, 1, [])
  section(2, 0, 3, [64, names.length])
  section(3, 0, 2, [64 + names.length, table.length, 2])
  return Buffer.concat([header, names, table, sections])
}

const OBJECT = 1
const FUNCTION = 2
const whole = elf([
  ['services', 1, OBJECT],
  ['helper', 1, FUNCTION],
  ['other', 3, OBJECT],
  ['own_readers', 1, OBJECT],
])

test('the maps of a file are the objects of its section .maps', () => {
  assert.deepEqual([...mapsOf(whole)], ['services', 'own_readers'])
  assert.deepEqual([...mapsOf(elf([['services', 1, OBJECT]], '.data'))], [])
})

test('what is no such file, or ends anywhere, is refused by name', () => {
  const damaged = [
    Buffer.alloc(0),
    Buffer.from('\x7fELF'),
    Buffer.alloc(4096, 0xff),
    elf([['x', 1, OBJECT]]).fill(0xff, 40, 48),
  ]
  const cut = Array.from({ length: whole.length }, (_, end) => whole.subarray(0, end))
  for (const bytes of [...damaged, ...cut])
    assert.throws(
      () => mapsOf(bytes),
      (error) => error instanceof Failure && error.code === 'verifier-rejected',
    )
})
