/** Rules about requests where there will be none that can be read. */
import type { Reader } from './reader.ts'
import type { Path } from './source-node.ts'

/** Ports where a client most often speaks TLS. */
export const TLS_PORTS: readonly number[] = [443, 8443]

/** `pass`: what to write in this language to let TLS through. */
export function warnOfTls(reader: Reader, path: Path, port: number, pass: string): void {
  const message = `HTTP rules on port ${port}: TLS cannot be read`
  reader.warn(path, message, `TLS is refused there, or let through unread with ${pass}`)
}
