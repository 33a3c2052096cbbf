/**
 * Which maps a program file defines: the symbols of its section .maps. bpftool refuses to share a map that
 * the file does not have, and an older file does not have what a newer dispatcher has brought.
 * Source: System V ABI, ELF-64 object file format; libbpf, bpf_object__init_user_btf_maps.
 */
import { Failure } from '../../pipelines/contract/failures.ts'

const MAPS_SECTION = '.maps'
const MAGIC = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
const HEADER_BYTES = 64
const SECTION_BYTES = 64
const SYMBOL_BYTES = 24
const SHT_SYMTAB = 2
const STT_OBJECT = 1

type Section = { name: number; type: number; at: number; bytes: number; link: number }

/** Throws Failure('verifier-rejected') for what is no such ELF. */
export function mapsOf(elf: Buffer): Set<string> {
  try {
    return readMaps(elf)
  } catch (cause) {
    // Reading past the end: a table that does not lie in the file.
    throw new Failure('verifier-rejected', 'the program file is no 64-bit little-endian ELF', { cause })
  }
}

function readMaps(elf: Buffer): Set<string> {
  if (elf.length < HEADER_BYTES || !elf.subarray(0, MAGIC.length).equals(MAGIC)) throw new RangeError('magic')
  const table = Number(elf.readBigUInt64LE(40))
  const sections = Array.from({ length: elf.readUInt16LE(60) }, (_, index) =>
    section(elf, table + index * SECTION_BYTES),
  )
  const names = sections[elf.readUInt16LE(62)]
  const maps = sections.findIndex(({ name }) => text(elf, names, name) === MAPS_SECTION)
  const symbols = sections.find(({ type }) => type === SHT_SYMTAB)
  const found = new Set<string>()
  if (maps < 0 || symbols === undefined) return found
  for (let at = symbols.at; at + SYMBOL_BYTES <= symbols.at + symbols.bytes; at += SYMBOL_BYTES)
    if ((elf.readUInt8(at + 4) & 0xf) === STT_OBJECT && elf.readUInt16LE(at + 6) === maps)
      found.add(text(elf, sections[symbols.link], elf.readUInt32LE(at)))
  return found
}

function section(elf: Buffer, base: number): Section {
  if (base + SECTION_BYTES > elf.length) throw new RangeError('sections')
  return {
    name: elf.readUInt32LE(base),
    type: elf.readUInt32LE(base + 4),
    at: Number(elf.readBigUInt64LE(base + 24)),
    bytes: Number(elf.readBigUInt64LE(base + 32)),
    link: elf.readUInt32LE(base + 40),
  }
}

function text(elf: Buffer, strings: Section | undefined, at: number): string {
  if (strings === undefined) throw new RangeError('names')
  const begin = strings.at + at
  const end = elf.indexOf(0, begin)
  if (begin >= elf.length || end < 0) throw new RangeError('name')
  return elf.toString('latin1', begin, end)
}
