/** A pinned program of type syscall, run on a context of bytes: one step beside all other programs. */
import { existsSync } from 'node:fs'
import koffi from 'koffi'
import { BpfError } from './bpf-error.ts'

const libbpf = koffi.load('libbpf.so.1')
const libc = koffi.load('libc.so.6')
const objGet = libbpf.func('int bpf_obj_get(const char *path)')
const runOpts = libbpf.func('int bpf_prog_test_run_opts(int program, void *options)')
const closeFd = libc.func('int close(int fd)')

/** struct bpf_test_run_opts (bpf.h of libbpf 1.0): its size, and the context's address and size. */
const OPTIONS_BYTES = 80
const CONTEXT_AT = 32
const CONTEXT_BYTES_AT = 48

export class SyscallProgram {
  /** The context; what the program leaves in it is there after run(). */
  readonly context: Buffer
  private readonly fd: number
  private readonly memory: unknown
  private readonly options: Buffer

  constructor(pin: string, contextBytes: number) {
    this.fd = objGet(pin) as number
    if (this.fd < 0) throw new BpfError(`bpf_obj_get(${pin})`, -this.fd)
    this.memory = koffi.alloc('uint8_t', contextBytes)
    this.context = Buffer.from(koffi.view(this.memory, contextBytes))
    this.options = Buffer.alloc(OPTIONS_BYTES)
    this.options.writeBigUInt64LE(BigInt(OPTIONS_BYTES), 0)
    this.options.writeBigUInt64LE(koffi.address(this.memory), CONTEXT_AT)
    this.options.writeUInt32LE(contextBytes, CONTEXT_BYTES_AT)
  }

  run(): void {
    const result = runOpts(this.fd, this.options) as number
    if (result < 0) throw new BpfError('bpf_prog_test_run_opts', -result)
  }

  close(): void {
    closeFd(this.fd)
    koffi.free(this.memory)
  }
}

/** The program of the dispatcher that is attached now: a newer one has another pin. An older one may have none. */
export class FollowedProgram {
  private readonly contextBytes: number
  private pin: string | undefined
  private program: SyscallProgram | undefined

  constructor(contextBytes: number) {
    this.contextBytes = contextBytes
  }

  get run(): SyscallProgram | undefined {
    return this.program
  }

  /** The program, where it is another one than before. */
  follow(pin: string): SyscallProgram | undefined {
    if (this.pin === pin || !existsSync(pin)) return undefined
    this.close()
    this.program = new SyscallProgram(pin, this.contextBytes)
    this.pin = pin
    return this.program
  }

  close(): void {
    this.program?.close()
    this.program = undefined
    this.pin = undefined
  }
}
