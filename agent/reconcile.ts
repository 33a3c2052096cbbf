/** One pass of a node: from what the fleet wants to what the kernel runs. */
import { Failure } from '../pipelines/contract/failures.ts'
import { confirm } from './confirm.ts'
import { identify } from './identify.ts'
import type { Attempt, Node, Step } from './node.ts'
import { pull } from './pull.ts'
import { report } from './report.ts'
import { shadow } from './shadow.ts'
import { publishServices } from './services.ts'
import { stage } from './stage.ts'
import { swap } from './swap.ts'
import { verify } from './verify.ts'

type NamedStep = [name: string, step: Step]

/** Take what is new. The first that fails ends these, and the old generation goes on. */
const TAKE: NamedStep[] = [
  ['pull', pull],
  ['verify', verify],
  ['stage', stage],
  ['swap', swap],
]

/** Always, whatever became of the rest. */
const IDENTIFY: NamedStep = ['identify', identify]
const SERVICES: NamedStep = ['services', publishServices]
const CONFIRM: NamedStep = ['confirm', confirm]

/** `startedAt` is when the hint came, in the clock's elapsed milliseconds. Never throws. */
export async function reconcile(node: Node, startedAt: number): Promise<void> {
  const attempt: Attempt = { swapped: false, failures: [], timings: {} }
  const { lost, state } = node
  if (lost !== null && state.current.enforced === null)
    attempt.failures.push({ step: 'recover', failure: lost })
  await run(node, attempt, IDENTIFY)
  await run(node, attempt, SERVICES)
  for (const step of TAKE) if (!(await run(node, attempt, step))) break
  if (attempt.swapped) attempt.timings['enforced'] = node.clock.elapsed() - startedAt
  await run(node, attempt, CONFIRM)
  await catchUp(node, attempt)
  await run(node, attempt, ['shadow', shadow])
  await run(node, attempt, ['report', report])
  node.attempt = attempt
}

/** What came of the last attempt once more, with what has been counted since. Never throws. */
export async function beat(node: Node): Promise<void> {
  const { attempt } = node
  if (attempt !== null) await run(node, { ...attempt, failures: [...attempt.failures] }, ['report', report])
}

/** A dispatcher that came just now, or a repair, may have brought maps that nobody has filled yet. */
async function catchUp(node: Node, attempt: Attempt): Promise<void> {
  if (!attempt.swapped && !attempt.failures.some(({ step }) => step === 'confirm')) return
  attempt.failures = attempt.failures.filter(({ step }) => step !== 'services' && step !== 'identify')
  node.published = null
  await run(node, attempt, IDENTIFY)
  await run(node, attempt, SERVICES)
}

/** True when the step succeeded; a failure is noted for the report, and the agent goes on. */
async function run(node: Node, attempt: Attempt, [name, step]: NamedStep): Promise<boolean> {
  const began = node.clock.elapsed()
  try {
    await step(node, attempt)
    return true
  } catch (error) {
    const failure = asFailure(name, error)
    attempt.failures.push({ step: name, failure })
    if (name === 'report') node.log(`report: ${failure.code}: ${failure.message}`)
    return false
  } finally {
    attempt.timings[name] = node.clock.elapsed() - began
  }
}

/** What is no Failure came from below a port: named after the step that met it. */
export function asFailure(step: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause
  const message = cause instanceof Error ? cause.message : String(cause)
  if (cause instanceof Error && 'syscall' in cause) return new Failure('disk-failed', message, { cause })
  if (step === 'pull') return new Failure('store-unavailable', message, { cause })
  if (step === 'verify') return new Failure('artifact-untrusted', message, { cause })
  return new Failure('kernel-refused', message, { cause })
}
