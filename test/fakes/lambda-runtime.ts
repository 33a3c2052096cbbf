/**
 * AWS Lambda's Runtime API on loopback, one server an execution environment, and the real runtime interface
 * client (aws-lambda-ric) behind it. An environment can be killed at any moment, as Lambda does.
 * Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'

const RIC = fileURLToPath(new URL('../../../infra/cloud/ric/node_modules/aws-lambda-ric/', import.meta.url))
const API = '/2018-06-01/runtime/'
const INVOCATION = /^\/2018-06-01\/runtime\/invocation\/([^/]+)\/(response|error)$/

/** Why no function can run here, or false: what node:test takes as `skip`. */
export const ricAbsent = (): string | false =>
  existsSync(`${RIC}dist/rapid-client.node`)
    ? false
    : 'aws-lambda-ric is not built: node infra/ci/set-up.mjs test'

export type Outcome = { response: unknown } | { error: unknown } | { killed: true }

type Invocation = {
  id: string
  event: unknown
  deadlineMs: number
  onTaken: () => void
  settle: (outcome: Outcome) => void
}

/** How an environment is started: `api` is what AWS_LAMBDA_RUNTIME_API says. */
export type Start = (api: string) => ChildProcess

/** The function in a folder of bundles, as Lambda's managed runtime starts it: on this Node, with nothing of our environment. */
export function ricProcess(folder: string, variables: Record<string, string>): Start {
  return (api) =>
    spawn(process.execPath, [`${RIC}bin/index.mjs`, 'handler.handler'], {
      cwd: folder,
      // A group of its own: children end with it.
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: lambdaVariables(api, folder, variables),
    })
}

/** What Lambda sets for every function, and what this one is told. */
export function lambdaVariables(
  api: string,
  folder: string,
  variables: Record<string, string>,
): Record<string, string> {
  return {
    AWS_LAMBDA_RUNTIME_API: api,
    AWS_LAMBDA_FUNCTION_NAME: 'heddle',
    AWS_REGION: 'eu-central-1',
    AWS_ACCESS_KEY_ID: 'AKIDLOOPBACK',
    AWS_SECRET_ACCESS_KEY: 'loopback',
    LAMBDA_TASK_ROOT: folder,
    _HANDLER: 'handler.handler',
    PATH: '/usr/local/bin:/usr/bin:/bin',
    TZ: 'UTC',
    ...variables,
  }
}

/** One execution environment: started at the first invocation, and again after a kill. */
export class LambdaRuntime {
  readonly #start: Start
  readonly #waiting: Invocation[] = []
  readonly #server: Server
  #current: Invocation | undefined
  #asking: ServerResponse | undefined
  #process: ChildProcess | undefined
  #ended: Promise<void> = Promise.resolve()
  /** What the function printed. */
  output = ''
  /** Environments that were started: one, and one more a kill. */
  starts = 0

  private constructor(start: Start) {
    this.#start = start
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy())
    })
    // A function may wait for its next event as long as it likes.
    this.#server.requestTimeout = 0
  }

  static async open(start: Start): Promise<LambdaRuntime> {
    const runtime = new LambdaRuntime(start)
    await new Promise<void>((resolve) => runtime.#server.listen(0, '127.0.0.1', resolve))
    return runtime
  }

  /** One invocation at a time. `onTaken`: the function has the event now, and nothing of its answer. */
  invoke(event: unknown, timeoutMs: number, onTaken = () => {}): Promise<Outcome> {
    if (this.#process === undefined) this.#boot()
    return new Promise<Outcome>((settle) => {
      const deadlineMs = Date.now() + timeoutMs
      this.#waiting.push({ id: randomUUID(), event, deadlineMs, onTaken, settle })
      this.#give()
    })
  }

  /** SIGKILL for the whole environment. Resolves when it is gone. */
  async kill(): Promise<void> {
    const pid = this.#process?.pid
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
    await this.#ended
  }

  async close(): Promise<void> {
    await this.kill()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #boot(): void {
    const { port } = this.#server.address() as AddressInfo
    const child = this.#start(`127.0.0.1:${port}`)
    this.#process = child
    this.starts++
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (text: Buffer) => {
        this.output += text.toString()
      })
    }
    this.#ended = new Promise((resolve) => {
      child.once('exit', () => {
        this.#process = undefined
        this.#asking?.destroy()
        this.#asking = undefined
        const lost = this.#current ?? this.#waiting.shift()
        this.#current = undefined
        lost?.settle({ killed: true })
        resolve()
      })
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? ''
    if (request.method === 'GET' && path === `${API}invocation/next`) {
      this.#asking = response
      this.#give()
      return
    }
    const body = (await buffer(request)).toString('utf8')
    const [, id, kind] = INVOCATION.exec(path) ?? []
    const current = this.#current
    response.writeHead(202).end('{}')
    // A start that failed (init/error) ends the process, and with it the invocation that waits.
    if (current === undefined || id !== current.id) return
    this.#current = undefined
    const said: unknown = body === '' ? undefined : JSON.parse(body)
    current.settle(kind === 'response' ? { response: said } : { error: said })
  }

  #give(): void {
    const response = this.#asking
    const invocation = this.#waiting[0]
    if (response === undefined || invocation === undefined || this.#current !== undefined) return
    this.#waiting.shift()
    this.#asking = undefined
    this.#current = invocation
    response.writeHead(200, {
      'content-type': 'application/json',
      'lambda-runtime-aws-request-id': invocation.id,
      'lambda-runtime-deadline-ms': String(invocation.deadlineMs),
      'lambda-runtime-invoked-function-arn': 'arn:aws:lambda:eu-central-1:000000000000:function:heddle',
    })
    response.end(JSON.stringify(invocation.event))
    invocation.onTaken()
  }
}
