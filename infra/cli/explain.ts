/** `heddle explain`: what would policies and routes say to this request, and which line decides? */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { parseWorkloads } from '../../agent/adapters/file-workloads.ts'
import { readPolicies } from '../../functions/validate/load-policies.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { parseAddress } from '../../pipelines/policy/address.ts'
import { type Connection, evaluate, type Verdict } from '../../pipelines/policy/evaluate.ts'
import { utf8 } from '../../pipelines/bytes.ts'
import { byteText } from '../../pipelines/protocols/http1-grammar.ts'
import type { PolicySet, Workload } from '../../pipelines/policy/model.ts'
import { type PolicyTrace, tracePolicies } from '../../pipelines/policy/trace.ts'
import { parseHttp1 } from '../../pipelines/protocols/http1.ts'
import type { Request } from '../../pipelines/protocols/http1-request.ts'
import { namespaceOf, portsNamed } from './asked-ports.ts'
import { metLines, placedIn } from './explain-met.ts'
import { explainService, serviceOf } from './explain-service.ts'
import { readSources } from './policy-sources.ts'
import { paint } from './style.ts'
import { UsageError } from './usage.ts'

type Options = {
  policies: string[]
  request: string
  header: string[]
  from?: string
  to?: string
  service?: string
  namespace?: string
  fromNamespace?: string
  port?: string
  fromAddress: string
  workloads?: string
  json?: boolean
  all?: boolean
}
type End = Pick<Workload, 'namespace' | 'labels'>
type Told = {
  kind: string
  reason: string
  port: number
  deciding: Verdict['deciding'] | null
  met: PolicyTrace[]
}
type Answer = Verdict | { kind: 'refused'; reason: string; status: number; deciding: undefined }

/** `app=web,tier=front`, or the name of a workload in the workloads file. */
function endOf(text: string, namespace: string, workloads: Workload[]): End {
  if (!text.includes('=')) {
    const named = workloads.filter(({ name }) => name === text)
    const exact = named.length > 1 ? named.filter((workload) => workload.namespace === namespace) : named
    if (exact.length !== 1)
      throw new UsageError(`${text}: neither labels (key=value) nor one workload of the file`)
    return exact[0] as Workload
  }
  const pairs = text.split(',').map((pair): [string, string] => {
    const equals = pair.indexOf('=')
    if (equals < 1) throw new UsageError(`${pair}: a label is key=value`)
    return [pair.slice(0, equals), pair.slice(equals + 1)]
  })
  return { namespace, labels: Object.fromEntries(pairs) }
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (port < 1 || port > 65535) throw new UsageError(`${text}: a port is a number from 1 to 65535`)
  return port
}

type Asked = { head: Uint8Array; request: Request | Refusal }
type Refusal = { reason: string; status: number }

/** The request as the kernel would parse it; a Host is added when none is given. */
function requestOf(options: Options): Asked {
  const headers = options.header
  const named = headers.some((header) => /^host\s*:/i.test(header))
  const line = options.request.includes(' HTTP/') ? options.request : `${options.request} HTTP/1.1`
  const lines = [line, ...(named ? [] : ['Host: explain']), ...headers, '', '']
  const bytes = utf8(lines.join('\r\n'))
  const [first] = parseHttp1(bytes)
  if (first?.kind === 'head') return { head: bytes.subarray(first.start, first.at), request: first.request }
  if (first?.kind === 'refused')
    return { head: bytes, request: { reason: first.reason, status: first.status } }
  throw new UsageError(`${options.request}: no request line like 'GET /path HTTP/1.1'`)
}

/** Who asks; undefined = the world. */
function peerOf(options: Options, namespace: string, workloads: Workload[]): End | undefined {
  const address = parseAddress(options.fromAddress)?.join('.')
  if (address === undefined) throw new UsageError(`${options.fromAddress}: no address`)
  if (options.from !== undefined) return endOf(options.from, options.fromNamespace ?? namespace, workloads)
  return workloads.find(({ addresses }) =>
    addresses.some((text) => parseAddress(text)?.join('.') === address),
  )
}

const workloadsOf = ({ workloads: file }: Options): Workload[] =>
  file === undefined ? [] : parseWorkloads(file, readFileSync(file, 'utf8'))

/** One for each port that is meant: the named one, or those that policies name for this workload. */
function connectionsOf(options: Options & { to: string }, set: PolicySet): Connection[] {
  const { namespace = namespaceOf(set) } = options
  const workloads = workloadsOf(options)
  const subject = endOf(options.to, namespace, workloads)
  const peer = peerOf(options, namespace, workloads)
  const ports = options.port === undefined ? portsNamed(set, subject) : [portOf(options.port)]
  return ports.map((port) => ({ subject, peer, peerAddress: options.fromAddress, port, protocol: 'TCP' }))
}

type Loaded = { root: string; set: PolicySet }

function loadSet(names: string[]): Loaded {
  const { root, files } = readSources(names)
  const loaded = readPolicies(files)
  if ('set' in loaded) return { root, set: loaded.set }
  const detail = loaded.findings.map(
    ({ file, line, column, message }) => `${join(root, file)}:${line}:${column}: ${message}`,
  )
  throw new Failure('schema-violation', 'the policies are refused (see heddle policy lint)', { detail })
}

/** Policy first: a connection that no L7 rule judges is never parsed. */
function answer(set: PolicySet, connection: Connection, request: Request | Refusal): Answer {
  if ('method' in request) return evaluate(set, connection, request)
  const unjudged = evaluate(set, connection, 'unparsed')
  if (unjudged.kind === 'pass' || unjudged.kind === 'deny-l4') return unjudged
  return { kind: 'refused', reason: request.reason, status: request.status, deciding: undefined }
}

/** As it is shown: files named as the caller named them. */
function told({ root, set }: Loaded, connection: Connection, request: Request | Refusal): Told {
  const { kind, reason, deciding, ...more } = answer(set, connection, request)
  const { port } = connection
  const source = deciding && { ...deciding.source, file: join(root, deciding.source.file) }
  const met = placedIn(root, tracePolicies(set, connection, 'method' in request ? request : 'unparsed'))
  return { kind, reason, port, deciding: deciding && source ? { ...deciding, source } : null, ...more, met }
}

function text({ kind, reason, port, deciding, met }: Told, all: boolean): string {
  const passes = kind === 'pass' || kind === 'allow'
  const where =
    deciding && `  ${deciding.namespace}/${deciding.policy} ${deciding.source.file}:${deciding.source.line}\n`
  const lines = metLines(met, { all }).map((line) => `${line}\n`)
  return `${paint(passes ? 'green' : 'red', kind)} (${reason}) at port ${port}\n${where ?? ''}${lines.join('')}`
}

/** The client's side: where the request goes. */
function explainCall(options: Options & { service: string }): void {
  const loaded = loadSet(options.policies)
  const { namespace = namespaceOf(loaded.set) } = options
  const service = serviceOf(options.service, namespace)
  const peer = peerOf(options, namespace, workloadsOf(options))
  const { head, request } = requestOf(options)
  if (!('method' in request)) {
    const met = { matches: [], before: byteText(head), after: [] }
    const json = { service, kind: 'refused', ...request, met }
    write(options, json, `${paint('red', 'refused')} (${request.reason})\n`)
    return
  }
  const question = { service, client: peer?.namespace ?? null, request }
  const { json, text } = explainService(loaded, question, { head, all: options.all === true })
  write(options, json, text)
}

function explain(options: Options): void {
  const { to, service } = options
  if (to !== undefined && service === undefined) explainInbound({ ...options, to })
  else if (service !== undefined && to === undefined) explainCall({ ...options, service })
  else throw new UsageError('say who is asked: either --to a workload or --service')
}

/** The server's side: whether it gets in. */
function explainInbound(options: Options & { to: string }): void {
  const loaded = loadSet(options.policies)
  const { request } = requestOf(options)
  const [first, ...others] = connectionsOf(options, loaded.set).map((connection) =>
    told(loaded, connection, request),
  )
  if (first === undefined) return
  const json = others.length === 0 ? first : { ...first, others }
  const texts = [first, ...others].map((each) => text(each, options.all === true))
  write(options, json, texts.join(''))
}

function write(options: Options, json: unknown, text: string): void {
  process.stdout.write(options.json ? `${JSON.stringify(json, null, 2)}\n` : text)
}

const collect = (value: string, list: string[]) => [...list, value]

export function register(program: Command): void {
  program
    .command('explain')
    .description('say what policies and routes decide about one request, which line decides, and why')
    .addHelpText(
      'after',
      '\nUnder the verdict stand the rules that apply to the connection, or the matches that are asked up to the' +
        '\none that decides: whether each holds, and what it looked at. With --service also the bytes of the' +
        '\nrequest before and after.' +
        '\n\nExit code: 0 = there is a verdict, whichever; 1 = the policies are refused; 2 = wrong usage.',
    )
    .requiredOption('-f, --policies <files...>', 'YAML files, or folders with them')
    .requiredOption('--request <line>', "request line: 'GET /public HTTP/1.1'")
    .option('--to <labels>', 'the workload that is asked: app=api[,k=v], or its name; may the request in?')
    .option('--service <name>', 'or the service: [namespace/]name[:port]; where does the request go?')
    .option('--from <labels>', 'the workload that asks; without it, an address of the world')
    .option('--header <field>', "a header, 'Host: x'; may be repeated", collect, [])
    .option('--namespace <name>', 'namespace of both (default: the only one of the policies, else default)')
    .option('--from-namespace <name>', 'namespace of the one that asks')
    .option('--port <number>', 'port that is asked (default: each that the policies name, else 80)')
    .option('--from-address <address>', 'address that asks', '192.0.2.1')
    .option('--workloads <file>', 'workloads, to name them and to know addresses')
    .option('--all', 'also what does not apply or was not asked, with why, and every part of each match')
    .option('--json', 'print the verdict as JSON; `met` has the whole trace')
    .action(explain)
}
