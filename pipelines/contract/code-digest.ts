/**
 * What the code key signs: an ELF without the bytes of its tables.
 *
 * The headers and every other section are covered, so where the tables stand
 * and how large they are is covered too: with one code signature only the
 * content of `.rodata.policy` can differ, never an instruction, a map
 * definition, a relocation or a name.
 * Source: System V ABI, ELF-64 object file format.
 */
import type { Digest } from './artifact.ts'
import { Failure } from './failures.ts'

const TABLES_SECTION = '.rodata.policy'
const MAGIC = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]
const HEADER_BYTES = 64
const SECTION_BYTES = 64
const MAX_SECTIONS = 1024
/** Characters of a section's name: bounds the reading of names that never end. */
const MAX_NAME = 256
/** Offset and length of the tables, before the rest. */
const GAP_BYTES = 16
const SHT_NULL = 0
const SHT_NOBITS = 8
const SHT_PROGBITS = 1
const SHF_WRITE = 1n
const SHF_EXECINSTR = 4n
const SHF_COMPRESSED = 0x800n

type Section = { name: string; type: number; flags: bigint; at: number; bytes: number }

/** Digest of everything but the tables. Throws Failure('code-untrusted') for what is no such ELF. */
export function codeDigest(elf: Uint8Array, sha256: (bytes: Uint8Array) => Digest): Digest {
  const { at, bytes } = tablesSection(elf)
  // Where the gap is belongs to what is signed. Else signed bytes could be pulled apart
  // at another place, and a section table of the attacker's stand in the gap.
  const code = new Uint8Array(GAP_BYTES + elf.length - bytes)
  const gap = new DataView(code.buffer)
  gap.setBigUint64(0, BigInt(at), true)
  gap.setBigUint64(8, BigInt(bytes), true)
  code.set(elf.subarray(0, at), GAP_BYTES)
  code.set(elf.subarray(at + bytes), GAP_BYTES + at)
  return sha256(code)
}

/** The tables as they stand in the file: the whole section, unused capacity included. */
export function tablesOf(elf: Uint8Array): Uint8Array {
  const { at, bytes } = tablesSection(elf)
  return elf.subarray(at, at + bytes)
}

/** Bytes of the one section of that name. Throws Failure('code-untrusted') where there is none. */
export function sectionOf(elf: Uint8Array, name: string): Uint8Array {
  const { at, bytes } = dataSection(sectionsOf(elf), name)
  return elf.subarray(at, at + bytes)
}

/** The one section of that name; read-only data, in the file as it is. */
function dataSection(sections: Section[], wanted: string): Section {
  const [found, ...others] = sections.filter(({ name }) => name === wanted)
  if (found === undefined || others.length > 0) refuse(`not exactly one section ${wanted}`)
  const { type, flags } = found
  if (type !== SHT_PROGBITS || (flags & (SHF_WRITE | SHF_EXECINSTR | SHF_COMPRESSED)) !== 0n) {
    refuse(`${wanted} is not plain read-only data`)
  }
  return found
}

function tablesSection(elf: Uint8Array): Section {
  const sections = sectionsOf(elf)
  const found = dataSection(sections, TABLES_SECTION)
  const overlaps = (at: number, bytes: number) => at < found.at + found.bytes && found.at < at + bytes
  const table = offset(new DataView(elf.buffer, elf.byteOffset, elf.byteLength), 40)
  const shared = sections.some(
    (each) =>
      each !== found && each.type !== SHT_NULL && each.type !== SHT_NOBITS && overlaps(each.at, each.bytes),
  )
  if (shared || overlaps(0, HEADER_BYTES) || overlaps(table, sections.length * SECTION_BYTES)) {
    refuse(`${TABLES_SECTION} shares bytes with something else`)
  }
  return found
}

function sectionsOf(elf: Uint8Array): Section[] {
  if (elf.length < HEADER_BYTES || MAGIC.some((byte, at) => elf[at] !== byte))
    refuse('no 64-bit little-endian ELF')
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength)
  const table = offset(view, 40)
  const count = view.getUint16(60, true)
  const names = view.getUint16(62, true)
  if (view.getUint16(58, true) !== SECTION_BYTES || count > MAX_SECTIONS || names >= count)
    refuse('odd section table')
  if (table + count * SECTION_BYTES > elf.length) refuse('the section table leaves the file')
  const headers = Array.from({ length: count }, (_, index) => table + index * SECTION_BYTES)
  const strings = offset(view, table + names * SECTION_BYTES + 24)
  return headers.map((base) => {
    const type = view.getUint32(base + 4, true)
    const at = offset(view, base + 24)
    const bytes = offset(view, base + 32)
    // SHT_NOBITS has no bytes in the file; nobody asks for its content.
    if (type === SHT_PROGBITS && at + bytes > elf.length) refuse('a section leaves the file')
    const name = text(elf, strings + view.getUint32(base, true))
    return { name, type, flags: view.getBigUint64(base + 8, true), at, bytes }
  })
}

/** A 64-bit offset or size; nothing here is larger than the file. */
function offset(view: DataView, at: number): number {
  const value = view.getBigUint64(at, true)
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) refuse('an offset leaves the file')
  return Number(value)
}

function text(elf: Uint8Array, at: number): string {
  let name = ''
  for (let index = at; index < Math.min(elf.length, at + MAX_NAME) && elf[index] !== 0; index++)
    name += String.fromCharCode(elf[index] ?? 0)
  return name
}

function refuse(why: string): never {
  throw new Failure('code-untrusted', `program file: ${why}`)
}
