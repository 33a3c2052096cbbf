/**
 * The benchmark's policies and requests: `count` HTTP matches, 40 % exact paths,
 * 40 % prefixes, 20 % infixes, a header in a tenth of them. The first ten are
 * the same in every set, and requests ask for these, so that sets of 10 and of
 * 10,000 answer the same questions.
 */
import type { HttpMatch, PolicySet } from '../../pipelines/policy/model.ts'

const FILE = 'bench.yaml'
/** Bytes of a request head, blank line included. */
const HEAD_BYTES = 600
export const HEADER = { name: 'x-tenant', value: 'blue' }

const KINDS = ['exact', 'prefix', 'exact', 'prefix', 'infix'] as const

/** `pattern`: RE2, full match. `example`: what matches it, and no other of the set. */
export function pathOf(index: number): { kind: (typeof KINDS)[number]; pattern: string; example: string } {
  const kind = KINDS[index % KINDS.length] ?? 'exact'
  const stem = `shop-${index}-${(index * 7919) % 1000}`
  if (kind === 'exact') return { kind, pattern: `/v1/${stem}/items`, example: `/v1/${stem}/items` }
  if (kind === 'prefix') return { kind, pattern: `/v2/${stem}/.*`, example: `/v2/${stem}/orders/42?sort=up` }
  return { kind, pattern: `.*/${stem}/.*`, example: `/any/where/${stem}/below` }
}

function matchOf(index: number): HttpMatch {
  const source = { file: FILE, line: index + 1, column: 1 }
  const headers = index % 10 === 0 ? [HEADER] : []
  return { source, method: 'GET', path: pathOf(index).pattern, headers }
}

/** `app=api` may be asked by everyone on `port`, as far as the rules go. */
export function mixedRules(count: number, port: number): PolicySet {
  const source = { file: FILE, line: 1, column: 1 }
  const http = Array.from({ length: count }, (_, index) => matchOf(index))
  const ports = [{ protocol: 'TCP' as const, first: port, last: port }]
  const subject = {
    namespaces: ['bench'],
    requirements: [{ key: 'app', operator: 'In' as const, values: ['api'] }],
  }
  const allow = [{ source, peers: null, ports, http }]
  const policy = { name: 'bench', namespace: 'bench', source, subject, unparsed: 'refuse' as const }
  return { policies: [{ ...policy, selects: true, allow, deny: [] }], routes: [] }
}

/** That requests ask for, in every set. */
export const ASKED = 10

/**
 * Request heads of exactly 600 bytes, each allowed by one of the first ten rules, asking for a body. Ten, or as
 * many as there are `clients`, each with an X-Client of its own.
 */
export function requestHeads(bytes: number, clients = 0): string[] {
  return Array.from({ length: Math.max(ASKED, clients) }, (_, index) => {
    const lines = [
      `GET ${pathOf(index % ASKED).example} HTTP/1.1`,
      'Host: api.bench.internal',
      'User-Agent: bench/1 (one load thread)',
      'Accept: application/json',
      'Accept-Encoding: identity',
      `X-Tenant: ${HEADER.value}`,
      `X-Bytes: ${bytes}`,
      ...(clients === 0 ? [] : [`X-Client: ${index % clients}`]),
    ]
    const padding = HEAD_BYTES - `${lines.join('\r\n')}\r\nCookie: \r\n\r\n`.length
    return `${[...lines, `Cookie: ${'c'.repeat(padding)}`].join('\r\n')}\r\n\r\n`
  })
}
