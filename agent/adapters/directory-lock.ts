/**
 * One process a directory: flock(2) on the directory itself, which the kernel takes back when its
 * holder dies, whatever way it dies. No file is left behind, and no process id that somebody else
 * may have by then. Walls keep this apart from the cloud's functions/adapters/file-lock.ts.
 */
import { closeSync, constants, existsSync, openSync } from 'node:fs'
import koffi from 'koffi'
import { Failure } from '../../pipelines/contract/failures.ts'

/** Exit codes of a process that may not start; 1 is a fault of its own. */
const EXIT_CONFIGURATION = 2
const EXIT_ALREADY_RUNNING = 3

const LOCK_EX = 2
const LOCK_NB = 4
/** EAGAIN: somebody has it. */
const EWOULDBLOCK = 11

const flock = koffi.load('libc.so.6').func('int flock(int descriptor, int operation)') as unknown as (
  descriptor: number,
  operation: number,
) => number

/**
 * Takes the directory until this process ends; children do not inherit it, as Node opens everything
 * with O_CLOEXEC. `holder` and `role` are words for the message. Throws Failure('already-running')
 * when another process has it, or the file system's error.
 */
export function holdDirectory(directory: string, holder: string, role: string): void {
  const descriptor = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY)
  if (flock(descriptor, LOCK_EX | LOCK_NB) === 0) return
  const errno = koffi.errno()
  closeSync(descriptor)
  if (errno !== EWOULDBLOCK) throw new Error(`flock(${directory}): error ${errno}`)
  throw new Failure(
    'already-running',
    `${directory}: another ${holder} has this ${role}: stop that one, or give this one a ${role} of its own`,
  )
}

/**
 * What one agent has: its state directory, and its cgroup, because a state directory that is deleted
 * under its agent comes back as another one. Throws Failure('already-running').
 */
export function holdNode({ stateDirectory, cgroup }: { stateDirectory: string; cgroup: string }): void {
  if (existsSync(stateDirectory)) holdDirectory(stateDirectory, 'agent', 'state directory')
  if (existsSync(cgroup)) holdDirectory(cgroup, 'agent', 'cgroup')
}

/** Ends a process that may not start, and says why. */
export function refuseToStart(error: unknown): never {
  if (!(error instanceof Failure)) throw error
  console.error([`${error.code}: ${error.message}`, ...error.detail].join('\n  '))
  process.exit(error.code === 'already-running' ? EXIT_ALREADY_RUNNING : EXIT_CONFIGURATION)
}
