import { getSystemErrorName } from 'node:util'

/** A bpf call that the kernel refused. */
export class BpfError extends Error {
  readonly errno: number

  constructor(call: string, errno: number) {
    super(`${call}: ${getSystemErrorName(-errno)}`)
    this.name = 'BpfError'
    this.errno = errno
  }
}
