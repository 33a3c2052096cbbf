/**
 * Work of seconds in a child process of Node's: it stops nobody else, and whatever becomes of the child,
 * this process goes on. A thread would not do: where a Map grows beyond a worker thread's heap limit, V8
 * ends the whole process (seen on Node 20.20).
 */
import { buffer } from 'node:stream/consumers'
import { deserialize, serialize } from 'node:v8'
import { execa } from 'execa'
import { endWithParent } from './end-with-parent.ts'
import { Failure, type FailureCode } from '../../pipelines/contract/failures.ts'

export type ChildLimits = {
  /** Milliseconds. */
  timeMs: number
  /** Megabytes of V8's old generation; typed arrays lie outside of it. */
  heapMb: number
}

export type Job = {
  /** Words for a message. */
  name: string
  /** Path of a program that answers with `answerParent`. */
  program: string
  input: unknown
  limits: ChildLimits
  /** Bytes of an answer. */
  maxOutput: number
  /** What is said of an input that is above a limit; `bound` = the limit in words. */
  over(bound: string): Failure
}

/** A Failure is a class, which no serialisation keeps. */
type Told =
  | { value: unknown }
  | { failure: { code: FailureCode; message: string; detail: readonly string[] } }

/** Lines of a crash that a failure carries. */
const DETAIL_LINES = 20

/**
 * What the program answers. Throws the failure that it threw, `over`, 'work-interrupted' when somebody
 * ended the child, 'compiler-failed' when it failed by itself.
 */
export async function inChild(job: Job): Promise<unknown> {
  const child = await run(job)
  const { timeMs, heapMb } = job.limits
  if (child.timedOut) throw job.over(`${timeMs} ms`)
  if (isOutOfMemory(child)) throw job.over(`${heapMb} MB`)
  if (child.failed) throw died(job.name, child)
  const told = deserialize(child.stdout) as Told
  if ('value' in told) return told.value
  const { code, message, detail } = told.failure
  throw new Failure(code, message, { detail })
}

/** The child's side: the whole of stdin is the input, the whole of stdout the answer, as V8 serialises. */
export async function answerParent(work: (input: unknown) => unknown): Promise<void> {
  await endWithParent(Number(process.argv[2]))
  const input = deserialize(await buffer(process.stdin))
  process.stdout.write(serialize(toldBy(() => work(input))))
}

function toldBy(work: () => unknown): Told {
  try {
    return { value: work() }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const { code, message, detail } = error
    return { failure: { code, message, detail } }
  }
}

function run({ program, input, limits: { timeMs, heapMb }, maxOutput }: Job) {
  return execa(process.execPath, [`--max-old-space-size=${heapMb}`, program, String(process.pid)], {
    env: {},
    extendEnv: false,
    input: serialize(input),
    encoding: 'buffer',
    reject: false,
    timeout: timeMs,
    killSignal: 'SIGKILL',
    maxBuffer: maxOutput,
  })
}

type Child = Awaited<ReturnType<typeof run>>

/** V8 aborts the process when its heap is full, and says so. */
function isOutOfMemory({ signal, stderr }: Child): boolean {
  return signal === 'SIGABRT' && textOf(stderr).includes('heap out of memory')
}

/** A signal came from outside, as from the kernel that was short of memory: the next try may pass. */
function died(name: string, { signal, exitCode, shortMessage, stderr, isMaxBuffer }: Child): Failure {
  const detail = textOf(stderr)
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(0, DETAIL_LINES)
  if (signal !== undefined && !isMaxBuffer) {
    return new Failure('work-interrupted', `the ${name} was ended by ${signal}`, { detail })
  }
  const why = exitCode === undefined ? shortMessage : `exit code ${exitCode}`
  return new Failure('compiler-failed', `the ${name} failed: ${why}`, { detail })
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8')
}
