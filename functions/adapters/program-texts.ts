/**
 * Program texts kept on disk: an ELF of each variant with empty tables, and the dispatcher. clang
 * takes a second for a variant and its answer changes only with the sources, so it is asked once,
 * and tables are put into the text's section: the same bytes as if clang had embedded them
 * (test/unit/functions/program-texts.test.ts). What lies here is used only while its digest is the
 * one in the index, and the index is of these very sources, headers, flags and this compiler.
 */
import { readdir, readFile, rename, rm } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { z } from 'zod'
import { Digest } from '../../pipelines/contract/artifact.ts'
import { codeDigest } from '../../pipelines/contract/code-digest.ts'
import { CAPACITIES_LOG2, variantName } from '../compile/variants.ts'
import { sha256Hex } from '../trust/metadata.ts'
import { makeDirectory, writeTemporary } from './durable-file.ts'

const Index = z.strictObject({
  variants: z.array(z.strictObject({ variant: z.string(), digest: Digest })),
  dispatcher: Digest,
})
type Index = z.infer<typeof Index>

/** What clang makes of the sources. */
export type Builder = {
  /** Changes whenever any byte of the texts might. */
  fingerprint(): Promise<string>
  text(capacity: number): Promise<Uint8Array>
  dispatcher(): Promise<Uint8Array>
}

export type ProgramTexts = {
  variants(): Promise<Index['variants']>
  dispatcher(): Promise<Uint8Array>
  /** A copy that the caller may write its tables into. */
  text(capacity: number): Promise<Uint8Array>
}

const digestOf = (bytes: Uint8Array): Digest => `sha256:${sha256Hex(bytes)}`
const codeOf = (elf: Uint8Array): Digest => codeDigest(elf, digestOf)

/** `directory` is made when it is not there; whoever may write it may write what is signed. */
export function programTexts(builder: Builder, directory: string): ProgramTexts {
  let opened: Promise<{ folder: string; index: Index }> | undefined
  const open = () => {
    opened ??= prepare(builder, directory)
    // A compiler that was not there may be there at the next question.
    opened.catch(() => {
      opened = undefined
    })
    return opened
  }
  return {
    variants: async () => (await open()).index.variants,
    async dispatcher() {
      const { folder, index } = await open()
      const bytes = await read(join(folder, 'dispatcher.o'))
      return bytes !== undefined && digestOf(bytes) === index.dispatcher ? bytes : builder.dispatcher()
    },
    async text(capacity) {
      const { folder, index } = await open()
      const name = variantName(capacity)
      const bytes = await read(join(folder, `${name}.o`))
      const known = index.variants.find(({ variant }) => variant === name)?.digest
      return bytes !== undefined && isText(bytes, known) ? bytes : builder.text(capacity)
    },
  }
}

async function prepare(builder: Builder, directory: string): Promise<{ folder: string; index: Index }> {
  const folder = join(directory, await builder.fingerprint())
  const known = await readIndex(folder)
  if (known !== undefined) return { folder, index: known }
  await makeDirectory(folder)
  const variants: Index['variants'] = []
  let dispatcher: Digest | undefined
  const work = [
    async () => {
      dispatcher = digestOf(await keep(folder, 'dispatcher.o', await builder.dispatcher()))
    },
    ...CAPACITIES_LOG2.map((capacity, at) => async () => {
      const variant = variantName(capacity)
      const text = await keep(folder, `${variant}.o`, await builder.text(capacity))
      variants[at] = { variant, digest: codeOf(text) }
    }),
  ]
  const lanes = Array.from({ length: availableParallelism() }, async () => {
    for (let next = work.shift(); next !== undefined; next = work.shift()) await next()
  })
  // All of them, so that nobody still writes when the failure is told.
  const failed = (await Promise.allSettled(lanes)).find((lane) => lane.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  const index = Index.parse({ variants, dispatcher })
  // Last: an index speaks only of what is there.
  await keep(folder, 'index.json', Buffer.from(JSON.stringify(index)))
  // The texts of one set of sources take 60 MB; who still has older ones open builds what he misses.
  for (const other of await readdir(directory)) {
    if (join(directory, other) !== folder) await rm(join(directory, other), { recursive: true, force: true })
  }
  return { folder, index }
}

async function keep(folder: string, name: string, bytes: Uint8Array): Promise<Uint8Array> {
  await rename(await writeTemporary(folder, bytes), join(folder, name))
  return bytes
}

async function readIndex(folder: string): Promise<Index | undefined> {
  const bytes = await read(join(folder, 'index.json'))
  const text = bytes === undefined ? '{}' : Buffer.from(bytes).toString('utf8')
  try {
    return Index.safeParse(JSON.parse(text)).data
  } catch {
    return undefined
  }
}

/** Code that the index names; damaged bytes may be no ELF at all. */
function isText(bytes: Uint8Array, known: Digest | undefined): boolean {
  try {
    return codeOf(bytes) === known
  } catch {
    return false
  }
}

async function read(file: string): Promise<Uint8Array | undefined> {
  try {
    const { buffer, byteOffset, length } = await readFile(file)
    return new Uint8Array(buffer, byteOffset, length)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
