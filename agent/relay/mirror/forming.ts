/** A copy of a request that the relay itself carries: its bytes as they go to the server. */
import { Limit } from '../../../bpf/abi/heddle.gen.ts'
import type { Copy } from './assembly.ts'

/** Says nothing of the request: whoever carries that may stop at any time. */
export class FormingCopy {
  private readonly copy: Omit<Copy, 'bytes'>
  private readonly ended: (copy: Copy | 'tooLarge') => void
  private parts: Buffer[] = []
  private bytes = 0
  private over = false

  constructor(copy: Omit<Copy, 'bytes'>, ended: (copy: Copy | 'tooLarge') => void) {
    this.copy = copy
    this.ended = ended
  }

  /** `bytes` may become others afterwards. */
  add(bytes: Uint8Array): void {
    if (this.over || bytes.length === 0) return
    this.bytes += bytes.length
    if (this.bytes > Limit.COPY_MAX) this.finish('tooLarge')
    else this.parts.push(Buffer.from(bytes))
  }

  /** The request is whole. */
  end(): void {
    if (!this.over) this.finish({ ...this.copy, bytes: Buffer.concat(this.parts) })
  }

  private finish(copy: Copy | 'tooLarge'): void {
    this.over = true
    this.parts = []
    this.ended(copy)
  }
}
