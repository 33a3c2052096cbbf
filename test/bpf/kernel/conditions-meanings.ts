/** What rules of MeshPolicies mean together; expectations by hand, as in conditions-cases.ts. */
import type { Asked } from './conditions-case.ts'
import { rule, rules, type Specs } from './conditions-node.ts'

/** Who asks: a workload with the label app=web, or the world. */
type Who = 'web' | 'world'
export type Meaning = { says: string; specs: Specs; asked: [asked: Asked, status: number, who?: Who][] }

const ALLOW = rule('allow', '{}')
const DENY_ADMIN = rule('deny', '{path: {prefix: /admin}}')
const OPEN = '{path: {exact: /open}}'
const FROM_WEB = ', from: [{labels: {matchLabels: {app: web}}}]'
const refuse = (option: string) => `paths: {${option}: refuse}, ${rules(ALLOW)}`
const refused = (...paths: string[]) => paths.map((path): [Asked, number] => [`GET ${path}`, 403])
const kept = (...paths: string[]) => paths.map((path): [Asked, number] => [`GET ${path}`, 200])

export const MEANINGS: Meaning[] = [
  {
    says: 'a denial outweighs what its own policy allows',
    specs: [rules(ALLOW, DENY_ADMIN)],
    asked: [...refused('/admin', '/admin/x'), ...kept('/', '/adminx')],
  },
  {
    says: 'the order of rules says nothing',
    specs: [rules(DENY_ADMIN, ALLOW)],
    asked: [...refused('/admin'), ...kept('/')],
  },
  {
    says: 'a denial outweighs what another policy allows',
    specs: [rules(ALLOW), rules(DENY_ADMIN)],
    asked: [...refused('/admin'), ...kept('/')],
  },
  {
    says: 'any policy of a subject may allow, and what none allows is refused',
    specs: [rules(rule('allow', OPEN)), rules(rule('allow', '{method: PUT}'))],
    asked: [...kept('/open'), ['PUT /', 200], ...refused('/')],
  },
  {
    says: 'denials alone leave the rest open',
    specs: [rules(DENY_ADMIN)],
    asked: [...refused('/admin'), ...kept('/'), ['PUT /x', 200], ['OPTIONS *', 200]],
  },
  {
    says: 'a denial reads requests where a rule without match lets bytes pass',
    specs: [rules('{action: allow}', DENY_ADMIN)],
    asked: [...refused('/admin'), ...kept('/')],
  },
  {
    says: 'a denial of another port is none',
    specs: [rules('{action: deny, ports: [1], match: {}}')],
    asked: kept('/'),
  },
  {
    says: 'who asks is told by labels',
    specs: [rules(rule('allow', OPEN), rule('allow', '{method: PUT}', FROM_WEB))],
    asked: [
      ['PUT /', 200, 'web'],
      ['PUT /', 403, 'world'],
      ['GET /open', 200, 'web'],
      ['GET /open', 200, 'world'],
    ],
  },
  {
    says: 'a denial of workloads is not one of addresses',
    specs: [rules(rule('deny', '{}', FROM_WEB))],
    asked: [
      ['GET /', 403, 'web'],
      ['GET /', 200, 'world'],
    ],
  },
  {
    says: 'addresses are no workloads',
    specs: [rules(rule('deny', '{}', ', from: [{cidr: 127.0.0.0/8}]'))],
    asked: [
      ['GET /', 200, 'web'],
      ['GET /', 403, 'world'],
    ],
  },
  {
    says: 'an exception is no part of its prefix',
    specs: [rules(rule('deny', '{}', ', from: [{cidr: 127.0.0.0/8, except: [127.1.0.0/16]}]'))],
    asked: [['GET /', 200, 'world']],
  },
  {
    says: 'dot segments are refused, percent-encoded ones too',
    specs: [refuse('dotSegments')],
    asked: [
      ...refused('/a/../b', '/..', '/./a', '/a/.', '/a/%2e%2E/b', '/a/.%2e'),
      ...kept('/a/.b', '/...', '/a/..b', '/a%2e', '/?/../', '//a'),
    ],
  },
  {
    says: 'double slashes are refused',
    specs: [refuse('doubleSlashes')],
    asked: [...refused('//', '//a', '/a//b', '/a//?q'), ...kept('/a/b/', '/?a=//b', '/a/../b')],
  },
  {
    says: 'encoded slashes are refused, and backslashes',
    specs: [refuse('encodedSlashes')],
    asked: [...refused('/a%2fb', '/%2F', '/a%5cb', '/%5C'), ...kept('/a%2eb', '/?%2f', '/%252f', '//')],
  },
  {
    says: 'encoded letters are refused, and what else needs no encoding',
    specs: [refuse('encodedLetters')],
    asked: [
      ...refused('/%61dmin', '/%41', '/%7A', '/%30', '/%2d', '/%2E', '/%5F', '/%7e'),
      ...kept('/%20', '/%2f', '/%40', '/%5B', '/%60', '/%7B', '/%3A', '/%zz', '/?%61'),
    ],
  },
  {
    says: 'such paths are refused beside denials alone as well',
    specs: [`paths: {dotSegments: refuse}, ${rules(DENY_ADMIN)}`],
    asked: [...refused('/x/../admin', '/admin', '/./x'), ...kept('/x', '//admin')],
  },
  {
    says: 'such paths are kept where nothing else is said, and compared as they are',
    specs: [`paths: {dotSegments: keep}, ${rules(ALLOW, DENY_ADMIN)}`],
    asked: [...kept('/a/../admin', '//admin', '/%61dmin'), ...refused('/admin/../x', '/admin//')],
  },
]

const PASS = 'unparsed: pass, '
const SHUT = rule('deny', '{path: {exact: /shut}}')

/** What is no HTTP/1, by what the policies say of it. */
export const UNPARSED: { says: string; specs: Specs; passes: boolean }[] = [
  { says: 'is refused where requests are allowed', specs: [rules(ALLOW)], passes: false },
  {
    says: 'passes where requests are allowed and the policy says pass',
    specs: [PASS + rules(ALLOW)],
    passes: true,
  },
  { says: 'is refused where requests are only denied', specs: [rules(SHUT)], passes: false },
  {
    says: 'passes where requests are only denied and the policy says pass',
    specs: [PASS + rules(SHUT)],
    passes: true,
  },
  {
    says: 'is refused by a denial though what allows says pass',
    specs: [PASS + rules(ALLOW), rules(SHUT)],
    passes: false,
  },
  {
    says: 'is refused by what allows though a denial says pass',
    specs: [rules(ALLOW), PASS + rules(SHUT)],
    passes: false,
  },
  {
    says: 'passes where one that allows says pass',
    specs: [rules(ALLOW), PASS + rules(ALLOW)],
    passes: true,
  },
  { says: 'passes where no rule reads requests', specs: [rules('{action: allow}')], passes: true },
]
