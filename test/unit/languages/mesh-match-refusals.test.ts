import assert from 'node:assert/strict'
import { test } from 'node:test'
import { accepted, refusals } from './cilium-text.ts'
import { match } from './mesh-text.ts'

const one = (field: string, text: string) => match(`{${field}: ${text}}`)
const header = (text: string) => match(`{headers: [{${text}}]}`)
const query = (text: string) => match(`{query: [{${text}}]}`)
const cookie = (text: string) => match(`{cookies: [{${text}}]}`)
const nest = (levels: number): string => (levels === 0 ? '{}' : `{not: ${nest(levels - 1)}}`)
const paths = (count: number) =>
  match(`{any: [${Array.from({ length: count }, (_, index) => `{path: {exact: /${index}}}`).join(', ')}]}`)

refusals('refusals of methods, hosts and representations', [
  [
    'CONNECT',
    one('method', 'CONNECT'),
    /:6:48 unsupported-feature no request with CONNECT .*400 \| remove it/,
  ],
  ['the preface of HTTP/2', one('method', '[GET, PRI]'), /:6:62 unsupported-feature no request with PRI/],
  [
    'a method that is no token',
    one('method', '"GE T"'),
    /:6:48 schema-violation `GE T` is no method \| .*GET/,
  ],
  ['an empty method', one('method', '""'), /schema-violation `` is no method/],
  ['a method that is too long', one('method', 'A'.repeat(33)), /is no method \| .*at most 32 bytes/],
  [
    'a method that is a number',
    one('method', '1'),
    /:6:48 schema-violation .*write a method, or a list of them/,
  ],
  ['no methods', one('method', '[]'), /:6:48 schema-violation/],
  [
    'no host',
    one('host', '"a b"'),
    /:6:48 schema-violation `a b` is no host \| write it like api.example.com/,
  ],
  ['a host of a list', one('host', '[a, "-a"]'), /:6:58 schema-violation `-a` is no host/],
  ['an empty host', one('host', '""'), /`` is no host/],
  ['every host', one('host', '"*"'), /`\*` is no host/],
  ['a wildcard inside', one('host', 'a.*.b'), /`a.\*.b` is no host/],
  ['a wildcard of half a label', one('host', '"*a.b"'), /is no host/],
  ['a URL', one('host', '"http://a"'), /is no host/],
  ['two dots', one('host', 'a..b'), /is no host/],
  ['letters beyond ASCII', one('host', 'bücher.example'), /is no host/],
  ['a name that is too long', one('host', `${'a.'.repeat(127)}aa`), /is no host/],
  ['an address of IPv6 without brackets', one('host', '"2001:db8::1"'), /is no host \| .*\[2001:db8::1\]/],
  ['an address of IPv4 in brackets', one('host', '"[192.0.2.1]"'), /is no host/],
  [
    'a host without its port',
    one('host', '"a:"'),
    /:6:48 schema-violation `a:` has no port \| write a number/,
  ],
  ['port 0 of a host', one('host', '"a:0"'), /`a:0` has no port/],
  ['a port too high', one('host', '"a:65536"'), /`a:65536` has no port/],
  [
    'a type without subtype',
    one('mediaType', 'json'),
    /:6:48 schema-violation `json` is no media type \| write it/,
  ],
  ['every type', one('mediaType', '"*/*"'), /is no media type/],
  ['a type with parameters', one('mediaType', 'text/html;charset=a'), /is no media type \| .*under charset/],
  ['a type with three parts', one('mediaType', 'a/b/c'), /is no media type/],
  [
    'a charset in quotes',
    one('charset', '["\\"utf-8\\""]'),
    /:6:58 schema-violation .*is no charset \| write/,
  ],
  [
    'a list in one text',
    one('contentEncoding', 'gzip br'),
    /schema-violation `gzip br` is no content coding/,
  ],
])

refusals('refusals of paths', [
  [
    'an empty path',
    one('path', '{}'),
    /:6:48 schema-violation `path` is empty \| write exactly one of exact, pre/,
  ],
  [
    'two paths',
    one('path', '{exact: /a, suffix: b}'),
    /:6:66 schema-violation `suffix` beside `exact` in one path \| write exactly one/,
  ],
  [
    'an exact path without slash',
    one('path', '{exact: a}'),
    /:6:55 schema-violation .*does not start with \/ \| w/,
  ],
  ['a prefix without slash', one('path', '{prefix: ""}'), /schema-violation .*does not start with \//],
  ['a raw prefix without slash', one('path', '{rawPrefix: a}'), /does not start with \//],
  ['a suffix of every path', one('path', '{suffix: ""}'), /every path ends with this \| remove `path`/],
  ['a query', one('path', '{suffix: "a?b"}'), /has a query \| write its parameters under query/],
  ['a fragment', one('path', '{exact: "/a#b"}'), /has a fragment \| remove it/],
  ['a blank', one('path', '{prefix: "/a b"}'), /no path can have `\/a b` \| write it percent-encoded/],
  ['a letter beyond ASCII', one('path', '{exact: /ä}'), /no path can have/],
  ['no RE2', one('path', '{regex: "("}'), /:6:55 expression-invalid .*\| write RE2 syntax/],
  ['what RE2 has not', one('path', '{regex: "(?=a)"}'), /:6:55 expression-invalid/],
])

refusals('refusals of headers, parameters and cookies', [
  ['no name', header('exact: a'), /:6:58 schema-violation .*headers\[0\].name/],
  ['no entries', one('headers', '[]'), /:6:48 schema-violation/],
  [
    'a name with a colon',
    header('name: "a:"'),
    /:6:59 schema-violation `a:` is no name of a header \| .*alone/,
  ],
  ['an empty name', header('name: ""'), /is no name of a header/],
  [
    'the host',
    header('name: HOST'),
    /:6:59 schema-violation the host is no header here \| write host: beside/,
  ],
  [
    'two questions',
    header('name: a, exact: b, regex: c'),
    /:6:78 schema-violation `regex` beside `exact` of one/,
  ],
  [
    'presence beside a value',
    header('name: a, present: true, exact: b'),
    /`present` beside `exact` of one name/,
  ],
  ['presence and absence', header('name: a, present: true, absent: true'), /`absent` beside `present`/],
  [
    'no absence',
    header('name: a, absent: false'),
    /:6:68 schema-violation `absent: false` \| write present: true/,
  ],
  [
    'no presence',
    header('name: a, present: false'),
    /:6:68 schema-violation `present: false` \| write absent: t/,
  ],
  [
    'a line end',
    header('name: a, exact: "b\\r\\nc"'),
    /:6:68 schema-violation no header can have this value \| re/,
  ],
  ['a blank around a value', header('name: a, exact: " b"'), /no header can have this value/],
  ['a blank behind a value', header('name: a, exact: "b "'), /no header can have this value/],
  ['a blank in front of a prefix', header('name: a, prefix: " b"'), /:6:68 .*no header can have this value/],
  ['a blank behind a suffix', header('name: a, suffix: "b "'), /no header can have this value/],
  [
    'an empty prefix',
    header('name: a, prefix: ""'),
    /every value has an empty prefix \| write present: true/,
  ],
  ['an empty suffix', cookie('name: a, suffix: ""'), /every value has an empty suffix/],
  ['a number', header('name: a, exact: 1'), /:6:68 schema-violation .*\| write it in quotes: "1"$/],
  ['no RE2', header('name: a, regex: "[b"'), /:6:68 expression-invalid/],
  [
    'a name with =',
    query('name: a=b'),
    /:6:57 schema-violation `a=b` is no name of a parameter \| .*undecoded/,
  ],
  ['a name with &', query('name: a&b'), /is no name of a parameter/],
  ['an empty name of a parameter', query('name: ""'), /is no name of a parameter/],
  ['a name with a blank', query('name: a b'), /is no name of a parameter/],
  [
    'a value with &',
    query('name: a, exact: "b&c"'),
    /:6:66 schema-violation no parameter can have .*undecoded/,
  ],
  ['a value with a blank', query('name: a, prefix: "b c"'), /no parameter can have the value `b c`/],
  ['a value beyond ASCII', query('name: a, suffix: é'), /no parameter can have the value/],
  ['a value with a fragment', query('name: a, exact: "#"'), /no parameter can have the value/],
  ['a name with ;', cookie('name: "a;b"'), /:6:59 schema-violation `a;b` is no name of a cookie/],
  ['a name with a pair', cookie('name: "a=b"'), /is no name of a cookie/],
  ['a name of two words', cookie('name: a b'), /is no name of a cookie/],
  [
    'a value with ;',
    cookie('name: a, exact: "b;c"'),
    /:6:68 schema-violation no cookie can have `;` in its value/,
  ],
  ['a value with NUL', cookie('name: a, exact: "b\\0"'), /no cookie can have this value/],
])

refusals('limits of a match', [
  [
    'nine levels',
    match(nest(9)),
    /:6:96 limit-exceeded all, any and not stand 9 levels deep, more than 8 \| write/,
  ],
  [
    '257 conditions',
    paths(257),
    /:6:40 limit-exceeded 257 conditions in one rule, more than 256 \| write several/,
  ],
  [
    'conditions of lists, names and negations',
    match(
      `{method: [${new Array(255).fill('GET').join(', ')}], headers: [{name: a}], not: {query: [{name: b}]}}`,
    ),
    /limit-exceeded 257 conditions/,
  ],
  ['nothing in any', match('{any: []}'), /:6:48 schema-violation/],
  ['nothing in all', match('{all: []}'), /:6:48 schema-violation/],
  [
    'a long path',
    one('path', `{exact: /${'a'.repeat(2048)}}`),
    /:6:55 limit-exceeded a text of 2049 bytes, more than 2048 \| write at most 2048 bytes/,
  ],
  [
    'a long expression',
    one('path', `{regex: ${'a'.repeat(2049)}}`),
    /:6:55 limit-exceeded a text of 2049 bytes/,
  ],
  [
    'a long value, in bytes',
    header(`name: a, exact: ${'ä'.repeat(1025)}`),
    /limit-exceeded a text of 2050 bytes/,
  ],
  ['a long name', header(`name: ${'a'.repeat(2049)}`), /:6:59 limit-exceeded/],
  ['a long method', one('method', 'A'.repeat(2049)), /:6:48 limit-exceeded/],
])

test('what is just inside the limits is accepted', () => {
  accepted(match(nest(8)))
  accepted(paths(256))
  accepted(one('path', `{exact: /${'a'.repeat(2047)}}`))
  assert.equal(accepted(one('method', 'A'.repeat(32))).length, 1)
})
