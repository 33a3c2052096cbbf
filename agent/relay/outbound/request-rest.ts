/** The rest of a request's body whose beginning the kernel has handed on: to the upstream that has that. */
import type { Found } from './request-reader.ts'
import type { Wire } from './wire.ts'

export class RestOfRequest {
  private readonly upstream: Wire

  /** `drained`: more can be passed. */
  constructor(upstream: Wire, drained: () => void) {
    this.upstream = upstream
    const { owner } = upstream
    upstream.owner = {
      bytes: (chunk) => owner.bytes(chunk),
      ended: () => owner.ended(),
      drained,
      gone: () => owner.gone(),
    }
  }

  /** The upstream does not take what was sent: no more is to be read for it. */
  get blocked(): boolean {
    return this.upstream.backlog > 0
  }

  /** True = that was the last part. What is no body, or has no end, is broken off with its upstream. */
  pass(found: Found, ended: boolean): boolean {
    if (found.kind !== 'part') {
      this.upstream.reset()
      return false
    }
    if (found.bytes.length > 0) this.upstream.write(found.bytes)
    if (!found.last && ended) this.upstream.reset()
    return found.last
  }

  /** Its response is complete. The upstream meets no other request (request_goes_on() of client-request.h): it goes. */
  end(): void {
    this.upstream.destroy()
  }
}
