/** What a monitor remembers: the newest checkpoint that it has found consistent, as the log signed it. */
import { readFile, rename } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { makeDirectory, syncDirectory, writeTemporary } from '../../functions/adapters/durable-file.ts'
import type { LogState } from '../../functions/log/log-reader.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { type Log, readCheckpoint } from '../../pipelines/log/checkpoint.ts'

/** Undefined = nothing was ever kept. Throws Failure('state-corrupt'): begun afresh, it would forgive everything. */
export async function readMemory(file: string, log: Log): Promise<LogState | undefined> {
  const note = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return undefined
  })
  if (note === undefined) return undefined
  const checkpoint = readCheckpoint(note, log)
  if (checkpoint === undefined)
    throw new Failure('state-corrupt', `${file} is no checkpoint of log ${log.origin} by its keys`)
  return { ...checkpoint, note, version: undefined }
}

/** Durable when it returns, whole or not there. */
export async function writeMemory(file: string, note: string): Promise<void> {
  const directory = dirname(resolve(file))
  await makeDirectory(directory)
  await rename(await writeTemporary(directory, Buffer.from(note)), file)
  await syncDirectory(directory)
}
