import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  RouteBackendLayout,
  RouteCors,
  RouteCut,
  RouteEditLayout,
  RouteLimit,
  RouteReason,
  RouteRedirectFlag,
  RouteRedirectLayout,
  RouteRelayLayout,
  RouteRuleLayout,
  RouteService,
  RouteSetLayout,
} from '../../../bpf/abi/heddle.gen.ts'
import * as layout from '../../../pipelines/tables/layout.ts'

test('the restated constants of routes are those of heddle.h', () => {
  const { ROUTE_FAST, ROUTE_REPEATED, ROUTE_TIMEOUT, ROUTE_TEXT, ROUTE_RETRY, ROUTE_CORS, ROUTE_FAULT } =
    layout
  const reasons = {
    ROUTE_FAST,
    ROUTE_REPEATED,
    ROUTE_TIMEOUT,
    ROUTE_TEXT,
    ROUTE_RETRY,
    ROUTE_CORS,
    ROUTE_FAULT,
  }
  assert.deepEqual(reasons, RouteReason)
  const { ROUTE_MAX_TEXT, ROUTE_MAX_NAMES, ROUTE_BACKENDS_LOG2 } = layout
  assert.deepEqual({ ROUTE_MAX_TEXT, ROUTE_MAX_NAMES, ROUTE_BACKENDS_LOG2 }, RouteLimit)
  const { CUT_BYTES, CUT_SLASH, CUT_PATH, CUT_NONE } = layout
  assert.deepEqual([CUT_BYTES, CUT_SLASH, CUT_PATH, CUT_NONE], Object.values(RouteCut))
  const { REDIRECT_HOST, REDIRECT_PORT, REDIRECT_FIXED } = layout
  assert.deepEqual({ REDIRECT_HOST, REDIRECT_PORT, REDIRECT_FIXED }, RouteRedirectFlag)
  const { CORS_FILTER, CORS_CREDENTIALS } = layout
  assert.deepEqual({ CORS_FILTER, CORS_CREDENTIALS }, RouteCors)
  assert.equal(layout.ROUTE_NO_SERVICE, RouteService.ROUTE_NO_SERVICE)
})

test('structs are as long as the walker steps', () => {
  assert.equal(layout.ROUTE_SET_WORDS * 4, RouteSetLayout.bytes)
  assert.equal(layout.ROUTE_RULE_WORDS * 4, RouteRuleLayout.bytes)
  assert.equal(layout.ROUTE_BACKEND_WORDS * 4, RouteBackendLayout.bytes)
})

/** Members in the order in which the writer puts them; a text is two words. */
test('members stand where the writer puts them', () => {
  const places = ({ fields }: { fields: Record<string, { at: number }> }) =>
    Object.fromEntries(Object.entries(fields).map(([name, { at }]) => [name, at / 4]))
  assert.deepEqual(places(RouteSetLayout), { paths: 0, rules_at: 6, rules: 7, queries: 8, pad: 9 })
  assert.deepEqual(places(RouteRuleLayout), {
    reason: 0,
    backends_at: 1,
    backends: 2,
    weight: 3,
    request_timeout: 4,
    backend_timeout: 5,
  })
  assert.deepEqual(places(RouteBackendLayout), {
    weight_end: 0,
    service: 1,
    redirect_at: 2,
    request_at: 3,
    response_at: 4,
    relay_at: 5,
  })
  assert.deepEqual(places(RouteRelayLayout), {
    attempts: 0,
    backoff: 1,
    cors: 2,
    max_age: 3,
    delay: 4,
    delayed: 5,
    idle: 6,
    budget: 7,
    least: 8,
    pad: 9,
    codes: 10,
    origins: 12,
    methods: 14,
    headers: 16,
    expose: 18,
  })
  assert.deepEqual(places(RouteEditLayout), {
    cut: 0,
    names_at: 1,
    names: 2,
    pad: 3,
    dropped: 4,
    target: 6,
    host: 8,
    lines: 10,
  })
  assert.deepEqual(places(RouteRedirectLayout), {
    flags: 0,
    cut: 1,
    before: 2,
    name: 4,
    port: 6,
    target: 8,
    after: 10,
  })
})
