/** Rate limits of requests that the relay judges: taken from the buckets that the kernel's programs take from. */
import { BucketKeyLayout, TakeLayout } from '../../bpf/abi/heddle.gen.ts'
import type { Asking } from '../../pipelines/policy/limit-key.ts'
import type { Request } from '../../pipelines/protocols/http1-request.ts'
import type { MetRate } from '../../pipelines/tables/rate-walk.ts'
import { FollowedProgram, type SyscallProgram } from '../adapters/bpf-run.ts'

const { fields } = TakeLayout
const KEY = {
  limit: fields.key.at + BucketKeyLayout.fields.limit.at,
  hash: fields.key.at + BucketKeyLayout.fields.hash.at,
}
const NS_PER_SECOND = 1_000_000_000n
const UINT64 = (1n << 64n) - 1n

/** What a client is told that comes too often; `retryAfter` and `window` in seconds. */
export type Limited = { retryAfter: number; quota: number; window: number }

export class KernelLimits {
  private readonly program = new FollowedProgram(TakeLayout.bytes)
  /** Of the node that the program is of. */
  private secret = 0n

  /** `pin` of relay_take. */
  follow(pin: string): void {
    const run = this.program.follow(pin)
    if (run === undefined) return
    try {
      this.secret = askSecret(run)
    } catch (error) {
      // Without the secret it would ask for other buckets than the kernel: asked again at the next call.
      this.close()
      throw error
    }
  }

  /** Takes one from each of the limits, or from none: then what the one says that has no more. */
  take(rates: readonly MetRate[], request: Request, who: Asking): Limited | undefined {
    const taken: MetRate[] = []
    const ask = (rate: MetRate, back: boolean) => this.ask(rate, rate.hash(this.secret, request, who), back)
    for (const rate of rates) {
      const wait = ask(rate, false)
      if (wait === 0n) {
        taken.push(rate)
        continue
      }
      for (const each of taken) ask(each, true)
      const { quota, window } = rate
      return { retryAfter: Number((wait + NS_PER_SECOND - 1n) / NS_PER_SECOND), quota, window }
    }
    return undefined
  }

  close(): void {
    this.program.close()
  }

  /** Nanoseconds to wait. Where nobody can count, nothing passes. */
  private ask({ id, interval, tolerance }: MetRate, hash: bigint, back: boolean): bigint {
    const { run } = this.program
    if (run === undefined) return NS_PER_SECOND
    const { context } = run
    context.fill(0)
    context.writeBigUInt64LE(id & UINT64, KEY.limit)
    context.writeBigUInt64LE(hash, KEY.hash)
    context.writeBigUInt64LE(interval, fields.interval.at)
    context.writeBigUInt64LE(tolerance, fields.tolerance.at)
    context.writeUInt32LE(back ? 1 : 0, fields.back.at)
    run.run()
    return context.readBigUInt64LE(fields.wait.at)
  }
}

/** Of the node, drawn once; asked by giving nothing back to nobody's bucket. */
function askSecret(run: SyscallProgram): bigint {
  run.context.fill(0)
  run.context.writeUInt32LE(1, fields.back.at)
  run.run()
  return run.context.readBigUInt64LE(fields.secret.at)
}
