/** bpftool: loading and pinning, one bounded process each. Not through execa: 8 MB for a call. */
import { execFile } from 'node:child_process'
import { Failure } from '../../pipelines/contract/failures.ts'

/** Milliseconds; a large artifact verifies in well under one second. */
const TIMEOUT = 30_000
const OUTPUT_BYTES = 64 * 1024 * 1024
/** Lines of a verifier log that tell the reason: its end. */
const LOG_LINES = 15

/** Runs bpftool; throws Failure('kernel-refused') with the end of what it said. */
export async function bpftool(...args: string[]): Promise<string> {
  const { failed, stdout, stderr } = await run(args)
  if (failed === undefined) return stdout.trimEnd()
  const said = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '')
  throw new Failure('kernel-refused', `bpftool ${args.slice(0, 2).join(' ')} failed: ${failed}`, {
    detail: said.slice(-LOG_LINES),
  })
}

type Said = { failed: string | undefined; stdout: string; stderr: string }

function run(args: readonly string[]): Promise<Said> {
  return new Promise((resolve) => {
    const options = { timeout: TIMEOUT, killSignal: 'SIGKILL', maxBuffer: OUTPUT_BYTES } as const
    const child = execFile('bpftool', args, options, (error, stdout, stderr) => {
      const { code, signal } = error ?? {}
      const why = signal === undefined || signal === null ? `exit code ${code}` : `ended by ${signal}`
      resolve({ failed: error === null ? undefined : why, stdout, stderr })
    })
    child.stdin?.end()
  })
}

/** The same, when what was refused is a program: the verifier's last lines are the detail. */
export async function loadPrograms(...args: string[]): Promise<void> {
  try {
    await bpftool('prog', 'loadall', ...args)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    const verifier = error.detail.filter((line) => !/^(Warning|If it used to work)/.test(line))
    throw new Failure('verifier-rejected', 'the kernel refused to load the program', {
      detail: verifier,
      cause: error,
    })
  }
}
