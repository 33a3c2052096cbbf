/**
 * Rules that use every matcher there is, a condition each beside a path: what the case `rules-1000` of the
 * suite `actions` enforces. The first ten allow what requests ask for (rules.ts), one each.
 */
import type { Condition, Text } from '../../pipelines/policy/condition.ts'
import type { Peer, Policy, Rule } from '../../pipelines/policy/model.ts'
import { ASKED, HEADER, pathOf } from './rules.ts'

const FILE = 'matchers.yaml'
/** Different values of one matcher: fields of real requests have some, and not one for each rule. */
const VALUES = 40
/** One automaton walks path and query, and remembers of each path how it ends and what its query holds: a few values. */
const ENDS = ['/below', '.json', '/edit']
const ORDERS = ['up', 'down', 'new']
/** There are not many of these, and a list of them may hold each: so many sets of them are told apart. */
const CODINGS = ['gzip', 'br', 'zstd', 'deflate']
const CHARSETS = ['utf-8', 'iso-8859-1', 'us-ascii']
const IMAGES = ['png', 'jpeg', 'webp', 'gif']

const text = (kind: Text['kind'], value: string): Text => ({ kind, value })
const header = (name: string, value: Text | null): Condition => ({ kind: 'header', name, text: value })
const query = (name: string, value: Text | null): Condition => ({ kind: 'query', name, text: value })
const cookie = (name: string, value: Text | null): Condition => ({ kind: 'cookie', name, text: value })
const one = (list: readonly string[], turn: number) => list[turn % list.length] ?? ''
const not = (of: Condition): Condition => ({ kind: 'not', of })

/** By turns; the first ten hold for what asks for a rule of their place. `of`: another text for another rule. */
const MATCHERS: readonly ((of: (value: string) => string, turn: number) => Condition)[] = [
  (of) => header(HEADER.name, text('exact', of(HEADER.value))),
  (_, turn) => query('sort', text('exact', one(ORDERS, turn))),
  (of) => header(HEADER.name, text('prefix', of('bl'))),
  () => ({ kind: 'all', of: [header('user-agent', null), query('sort', null)] }),
  (of) => header('user-agent', text('suffix', of(' thread)'))),
  (of) => header('accept', text('regex', of('application/(json|xml)'))),
  (of) => ({
    kind: 'any',
    of: [cookie('tenant', text('exact', of('a'))), query('sort', text('prefix', 'u'))],
  }),
  (of) => not(cookie('session', text('prefix', of('s')))),
  (of) => ({ kind: 'host', value: `*.${of('bench')}.internal` }),
  (_, turn) => not({ kind: 'media-type', value: `image/${one(IMAGES, turn)}` }),
  (of) => ({ kind: 'host', value: `${of('api')}.bench.internal` }),
  () => ({ kind: 'media-type', value: 'application/*' }),
  (_, turn) => ({ kind: 'charset', value: one(CHARSETS, turn) }),
  (_, turn) => ({ kind: 'content-coding', value: one(CODINGS, turn) }),
  () => query('sort', text('suffix', 'n')),
  () => query('sort', text('regex', '[a-z]+p')),
  (of) => cookie('tenant', text('regex', `${of('t')}-[0-9a-f]*`)),
  (of) => cookie('tenant', text('suffix', of('z'))),
  () => not(cookie('session', null)),
]

function pathOfRule(index: number): Condition {
  const { kind, pattern, example } = pathOf(index)
  const [path = ''] = example.split('?')
  if (kind === 'exact') return { kind: 'path', text: { kind: 'exact', value: path } }
  if (kind === 'infix') {
    const regex = { kind: 'regex' as const, value: `/any/[a-z]+${pattern.slice('.*'.length)}` }
    const suffix = { kind: 'suffix' as const, value: one(ENDS, Math.floor(index / ASKED)) }
    return { kind: 'all', of: [regex, suffix].map((each) => ({ kind: 'path', text: each })) }
  }
  const below = pattern.slice(0, -'/.*'.length)
  return { kind: 'path', text: { kind: index % 2 === 0 ? 'segments' : 'prefix', value: `${below}/` } }
}

const CLIENTS: Peer[] = [
  {
    kind: 'endpoints',
    selector: { namespaces: ['bench'], requirements: [{ key: 'app', operator: 'In', values: ['client'] }] },
  },
]
/** Of the world, which no request of the benchmark is from. */
const WORLD: Peer[] = [{ kind: 'cidr', cidr: '192.0.2.0/24', except: ['192.0.2.128/25'] }]

function ruleOf(index: number, port: number): Rule {
  const source = { file: FILE, line: index + 1, column: 1 }
  const turn = Math.floor(index / MATCHERS.length)
  const of = (value: string) => (index < ASKED ? value : `${value}${turn % VALUES}`)
  const matcher = MATCHERS[index % MATCHERS.length]?.(of, turn) as Condition
  const method: Condition = {
    kind: 'method',
    text: text('exact', index < ASKED || index % 3 ? 'GET' : 'POST'),
  }
  const condition: Condition = { kind: 'all', of: [method, pathOfRule(index), matcher] }
  return {
    source,
    peers: index < ASKED ? CLIENTS : ([null, CLIENTS, WORLD][index % 3] ?? null),
    ports: [{ protocol: 'TCP', first: port, last: port }],
    http: [{ source, headers: [], condition }],
  }
}

/** Rules of `app: server`; what they don't allow is refused. */
export function matcherRules(count: number, port: number): Policy {
  return {
    name: 'matchers',
    namespace: 'bench',
    source: { file: FILE, line: 1, column: 1 },
    subject: { namespaces: ['bench'], requirements: [{ key: 'app', operator: 'In', values: ['server'] }] },
    unparsed: 'refuse',
    selects: true,
    allow: Array.from({ length: count }, (_, index) => ruleOf(index, port)),
    deny: [],
  }
}
