/** What is sent is copied on its way. */

/** Where the bytes of a request go besides; it takes them all. */
export interface CopySink {
  /** Valid until the call returns. */
  add(bytes: Uint8Array): void
  /** The request is whole. */
  end(): void
}

/** `last`: the request ends with these bytes. */
export function copyTo(sinks: readonly CopySink[] | undefined, bytes: Uint8Array, last: boolean): void {
  for (const sink of sinks ?? []) {
    sink.add(bytes)
    if (last) sink.end()
  }
}
