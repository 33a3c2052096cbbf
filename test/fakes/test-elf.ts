/** The smallest ELF that has program code and a tables section. */
import { createHash } from 'node:crypto'
import { Abi } from '../../bpf/abi/heddle.gen.ts'

const HEADER = 64
const SECTION = 64
const CAPACITY = 64
const NAMES = '\0.text\0.rodata.policy\0.shstrtab\0.rodata.abi\0'
const ABI_BYTES = 4

/** `tables` stands last in the file, `code` right after the header. `abi` as a dispatcher names its own. */
export function testElf(code: string, tables: string, abi = Abi.ABI as number): Uint8Array {
  const text = Buffer.from(code)
  const names = Buffer.from(NAMES)
  // A variant has one capacity, so that its header is the same for every policy.
  const policy = Buffer.from(`TABLES:${tables}`.padEnd(CAPACITY, '\0'))
  const textAt = HEADER
  const namesAt = textAt + text.length
  const abiAt = namesAt + names.length
  const sectionsAt = (abiAt + ABI_BYTES + 7) & ~7
  const policyAt = sectionsAt + 5 * SECTION
  const file = Buffer.alloc(policyAt + policy.length)
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1])
  file.writeUInt16LE(1, 16) // ET_REL
  file.writeUInt16LE(247, 18) // EM_BPF
  file.writeUInt32LE(1, 20)
  file.writeBigUInt64LE(BigInt(sectionsAt), 40)
  file.writeUInt16LE(HEADER, 52)
  file.writeUInt16LE(SECTION, 58)
  file.writeUInt16LE(5, 60)
  file.writeUInt16LE(3, 62)
  file.set(text, textAt)
  file.set(names, namesAt)
  file.writeUInt32LE(abi, abiAt)
  file.set(policy, policyAt)
  const section = (index: number, fields: { name: string; type: number; at: number; size: number }) => {
    const base = sectionsAt + index * SECTION
    file.writeUInt32LE(NAMES.indexOf(fields.name), base)
    file.writeUInt32LE(fields.type, base + 4)
    file.writeBigUInt64LE(BigInt(fields.at), base + 24)
    file.writeBigUInt64LE(BigInt(fields.size), base + 32)
    file.writeBigUInt64LE(1n, base + 48)
  }
  section(1, { name: '.text', type: 1, at: textAt, size: text.length })
  section(2, { name: '.rodata.policy', type: 1, at: policyAt, size: policy.length })
  section(3, { name: '.shstrtab', type: 3, at: namesAt, size: names.length })
  section(4, { name: '.rodata.abi', type: 1, at: abiAt, size: ABI_BYTES })
  return new Uint8Array(file)
}

/** SHA-256 of the tables section, as a kernel would tell it of the frozen map. */
export function tablesOf(elf: Uint8Array): string {
  const sectionsAt = Number(Buffer.from(elf).readBigUInt64LE(40))
  const base = sectionsAt + 2 * SECTION
  const at = Number(Buffer.from(elf).readBigUInt64LE(base + 24))
  const size = Number(Buffer.from(elf).readBigUInt64LE(base + 32))
  return `sha256:${createHash('sha256')
    .update(elf.subarray(at, at + size))
    .digest('hex')}`
}
