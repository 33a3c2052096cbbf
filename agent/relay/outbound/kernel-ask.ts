/** What the relay asks of the kernel about clients and upstreams (struct heddle_ask): each is one step there. */
import { AskLayout, AskWhat, Begin, Use } from '../../../bpf/abi/heddle.gen.ts'
import { SyscallProgram } from '../../adapters/bpf-run.ts'

const { fields } = AskLayout
/** Byte counts are compared modulo 2^32, as TCP's sequence numbers are. */
const UINT32 = 2 ** 32

type Ask = { cookie?: bigint; index?: number; identity?: number; sent?: number; received?: number }

type Answered = { endpoint: number; service: number; status: number; ns: bigint }

export class KernelAsk {
  private readonly program: SyscallProgram

  constructor(pin: string) {
    this.program = new SyscallProgram(pin, AskLayout.bytes)
  }

  /** `response`: one is under way in the kernel; EVENT_TURN follows when it is complete. `rest`: of a request. */
  begin(cookie: bigint): { response: boolean; rest: boolean } {
    const answer = this.ask(AskWhat.ASK_BEGIN, { cookie })
    return {
      response: (answer & Begin.BEGIN_RESPONSE) !== 0,
      rest: (answer & Begin.BEGIN_REST) !== 0,
    }
  }

  /** False = the connection is not the relay's to give. */
  offer(cookie: bigint, sent: number, received: number): boolean {
    return this.ask(AskWhat.ASK_OFFER, { cookie, sent, received }) !== 0
  }

  /** False = the client keeps nothing, or uses it. */
  leave(cookie: bigint): boolean {
    return this.ask(AskWhat.ASK_LEAVE, { cookie }) !== 0
  }

  /** An idle upstream that nobody gets from now on; undefined = none is idle. */
  take(endpoint: number, identity: number): number | undefined {
    const entry = this.ask(AskWhat.ASK_TAKE, { index: endpoint, identity })
    return entry === 0 ? undefined : entry - 1
  }

  /** The relay's own socket serves an upstream to another node from now on. */
  opened(index: number, cookie: bigint): void {
    this.ask(AskWhat.ASK_OPENED, { index, cookie })
  }

  giveBack(index: number): void {
    this.ask(AskWhat.ASK_RETURN, { index })
  }

  /** The server of an upstream broke off within a response. */
  reset(index: number): void {
    this.ask(AskWhat.ASK_RESET, { index })
  }

  /** The relay's own request to an endpoint: counted as the kernel's are. */
  called(endpoint: number): void {
    this.ask(AskWhat.ASK_CALLED, { index: endpoint })
  }

  /** What an earlier relay had in flight to an endpoint. */
  forget(endpoint: number): void {
    this.ask(AskWhat.ASK_FORGET, { index: endpoint })
  }

  /** It is over; `status` may be one of enum heddle_ended. */
  answered({ endpoint, service, status, ns }: Answered): void {
    const received = Number(ns)
    this.ask(AskWhat.ASK_ANSWERED, { index: endpoint, identity: service, sent: status, received })
  }

  /** No request meets it from now on. True = its index may be given to another connection. */
  bury(index: number): boolean {
    const use = this.ask(AskWhat.ASK_GONE, { index })
    return use === Use.USE_OVER || use === Use.USE_NONE
  }

  close(): void {
    this.program.close()
  }

  private ask(what: number, { cookie = 0n, index = 0, identity = 0, sent = 0, received = 0 }: Ask): number {
    const { context } = this.program
    context.fill(0)
    context.writeBigUInt64LE(cookie, fields.cookie.at)
    context.writeBigUInt64LE(BigInt(received), fields.received.at)
    context.writeUInt32LE(what, fields.what.at)
    context.writeUInt32LE(sent % UINT32, fields.sent.at)
    context.writeUInt32LE(index, fields.index.at)
    context.writeUInt32LE(identity, fields.identity.at)
    this.program.run()
    return context.readUInt32LE(fields.answer.at)
  }
}
