import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import { Route, type RouteMatch } from '../../../pipelines/policy/route.ts'
import { buildTables } from '../../../pipelines/tables/build-tables.ts'
import { mixedRoutes } from '../../bench/routes.ts'
import { requestHeads } from '../../bench/rules.ts'

const from = { namespace: 'bench', name: 'api', port: 80 }
const to = { namespace: 'bench', name: 'other', port: 80 }
const matchOf = (route: Route) => route.rules[0]?.matches[0] as RouteMatch

/** The meaning of a path match for the plain paths of this benchmark. */
function holds({ path }: RouteMatch, target: string): boolean {
  const asked = target.split('?')[0] ?? ''
  if (path.kind === 'exact') return asked === path.value
  if (path.kind === 'prefix') return asked === path.value || asked.startsWith(`${path.value}/`)
  return new RegExp(`^(?:${path.value})$`).test(asked)
}

describe('the routes of the datapath benchmark', () => {
  test('are routes of the model, from the one service to the other', () => {
    for (const route of mixedRoutes(20, from, to)) {
      assert.deepEqual(Route.parse(route), route)
      assert.deepEqual(route.service, from)
      assert.deepEqual(route.rules[0]?.backends, [{ service: to, weight: 1, filters: [] }])
    }
  })

  test('are 40 % exact, 40 % prefixes, 20 % regular expressions, with a header in a tenth', () => {
    const matches = mixedRoutes(1000, from, to).map(matchOf)
    const count = (kind: string) => matches.filter(({ path }) => path.kind === kind).length
    assert.deepEqual([count('exact'), count('prefix'), count('regex')], [400, 400, 200])
    assert.equal(matches.filter(({ headers }) => headers.length > 0).length, 100)
  })

  test('begin with the same ten, whatever their number', () => {
    assert.deepEqual(mixedRoutes(1000, from, to).slice(0, 10), mixedRoutes(10, from, to))
  })

  test('have tables, a thousand of them', () => {
    assert.equal(buildTables({ policies: [], routes: mixedRoutes(1000, from, to) }).ok, true)
  })

  test('match each request by exactly one of the first ten', () => {
    const routes = mixedRoutes(200, from, to)
    const matching = requestHeads(1024).map((head) => {
      const event = parseHttp1(Buffer.from(head)).find(({ kind }) => kind === 'head')
      assert.ok(event?.kind === 'head')
      const target = Buffer.from(event.request.target).toString()
      assert.match(head, /^X-Tenant: blue\r$/m)
      return routes.flatMap((route, index) => (holds(matchOf(route), target) ? [index] : []))
    })
    assert.deepEqual(
      matching,
      Array.from({ length: 10 }, (_, index) => [index]),
    )
  })
})
