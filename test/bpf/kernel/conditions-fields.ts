/** Matches of headers, parameters, cookies and representations, as in conditions-cases.ts. */
import { lines, type MatchCase, one, paths } from './conditions-case.ts'

export const HEADERS: MatchCase[] = [
  one(
    'the whole value of a header, its name in any case',
    '{headers: [{name: X-Role, exact: admin}]}',
    lines('X-Role: admin', 'x-role:admin', 'X-ROLE: \t admin \t'),
    [
      ...lines(
        'X-Role: Admin',
        'X-Role: admins',
        'X-Role:',
        'X-Roles: admin',
        'X-Rol: admin',
        'X-Role: admin,',
      ),
      'GET /',
      'GET /?X-Role=admin',
      'GET /\nX-Role: admin\nX-Role: user',
    ],
  ),
  one(
    'lines of one header as one list (RFC 9110 5.3)',
    '{headers: [{name: x-list, exact: "a,b"}]}',
    ['GET /\nX-List: a\nX-List: b', 'GET /\nX-List: a\nX-Other: q\nx-list:  b ', ...lines('X-List: a,b')],
    [
      'GET /\nX-List: b\nX-List: a',
      'GET /\nX-List: a\nX-List: b\nX-List: c',
      ...lines('X-List: a', 'X-List: a, b'),
    ],
  ),
  one(
    'the empty value of a header',
    '{headers: [{name: x-empty, exact: ""}]}',
    lines('X-Empty:', 'X-Empty: \t '),
    ['GET /', ...lines('X-Empty: a', 'X-Empty: ,'), 'GET /\nX-Empty:\nX-Empty:'],
  ),
  one(
    'a prefix of a value',
    '{headers: [{name: authorization, prefix: "Bearer "}]}',
    lines('Authorization: Bearer x', 'Authorization: Bearer   x y'),
    ['GET /', ...lines('Authorization: Bearer', 'Authorization: bearer x', 'Authorization: x Bearer y')],
  ),
  one(
    'a suffix of a value, of the last line where there are several',
    '{headers: [{name: x-end, suffix: end}]}',
    [...lines('X-End: end', 'X-End: the end'), 'GET /\nX-End: a\nX-End: end'],
    [...lines('X-End: End', 'X-End: ends', 'X-End:'), 'GET /', 'GET /\nX-End: end\nX-End: a'],
  ),
  one(
    'RE2 of a whole value',
    '{headers: [{name: x-re, regex: "v[0-9]+(,v[0-9]+)*"}]}',
    [...lines('X-Re: v1', 'X-Re: v1,v22'), 'GET /\nX-Re: v1\nX-Re: v2'],
    ['GET /', ...lines('X-Re: v', 'X-Re: xv1', 'X-Re: v1x', 'X-Re: v1, v2'), 'GET /\nX-Re: v1\nX-Re: w2'],
  ),
  one(
    'letters beyond ASCII as UTF-8',
    '{headers: [{name: x-utf, exact: é}]}',
    lines('X-Utf: é'),
    lines('X-Utf: e', 'X-Utf: è'),
  ),
  one(
    'a header that is there',
    '{headers: [{name: x-there}, {name: x-too, present: true}]}',
    ['GET /\nX-There: 1\nX-Too: 2', 'GET /\nx-too:\nx-there:'],
    ['GET /', ...lines('X-There: 1', 'X-Too: 2'), 'GET /\nX-There: 1\nX-To: 2'],
  ),
  one(
    'a header that is not there',
    '{headers: [{name: x-gone, absent: true}]}',
    ['GET /', 'GET /?x-gone', ...lines('X-Gon: 1', 'X-Gone-: 1')],
    [...lines('X-Gone: 1', 'X-GONE:'), 'GET /\nX-Gone: 1\nX-Gone: 2'],
  ),
]

export const PARAMETERS: MatchCase[] = [
  one(
    'the whole value of a parameter, of the first where it comes again',
    '{query: [{name: q, exact: "1"}]}',
    paths('/?q=1', '/x?a=b&q=1', '/?q=1&q=2', '/?q=1&', '/?&&q=1', '/?qq=2&q=1'),
    paths(
      '/',
      '/?q=2&q=1',
      '/?q=11',
      '/?q=',
      '/?q',
      '/?Q=1',
      '/?qq=1',
      '/q=1',
      '/?a=q=1',
      '/?q=%31',
      '/?%71=1',
    ),
  ),
  one(
    'the empty value of a parameter',
    '{query: [{name: q, exact: ""}]}',
    paths('/?q', '/?q=', '/?q&q=1', '/?a&q&b'),
    paths('/', '/?', '/?q==', '/?q=1&q', '/?qq'),
  ),
  one(
    'a value with signs',
    '{query: [{name: q, exact: "a=b?c"}]}',
    paths('/?q=a=b?c'),
    paths('/?q=a', '/?q=a=b'),
  ),
  one(
    'a prefix of a parameter',
    '{query: [{name: q, prefix: a}]}',
    paths('/?q=a', '/?q=ab&x'),
    paths('/?q=b&q=a', '/?q'),
  ),
  one(
    'a suffix of a parameter',
    '{query: [{name: q, suffix: z}]}',
    paths('/?q=z', '/?q=az&x'),
    paths('/?q=za&x=z', '/?q'),
  ),
  one(
    'RE2 of a parameter',
    '{query: [{name: q, regex: "[0-9]*"}]}',
    paths('/?q=12', '/?q', '/?a=b&q=3&c'),
    paths('/', '/?q=1a', '/?a=12', '/?q=a&q=1'),
  ),
  one(
    'a parameter that is there, and one that is not',
    '{query: [{name: in, present: true}, {name: out, absent: true}]}',
    paths('/?in', '/?in=1', '/?outs=1&in=2', '/?in=out'),
    paths('/', '/?in&out', '/?out=&in=1', '/?out', '/in?x'),
  ),
]

export const COOKIES: MatchCase[] = [
  one(
    'the whole value of a cookie, wherever it stands',
    '{cookies: [{name: s, exact: "1"}]}',
    lines('Cookie: s=1', 'cookie: a=b; s=1', 'Cookie: a=b;s=1; c=d', 'Cookie: ss=2; s=1', 'Cookie: s=1; s=2'),
    [
      'GET /',
      ...lines(
        'Cookie: s=2; s=1',
        'Cookie: s=12',
        'Cookie: S=1',
        'Cookie: s',
        'Cookie: a=s=1',
        'Cookie: ss=1',
        'Set-Cookie: s=1',
      ),
    ],
  ),
  one(
    'the empty value of a cookie',
    '{cookies: [{name: s, exact: ""}]}',
    lines('Cookie: s=', 'Cookie: a; s=; b'),
    lines('Cookie: s', 'Cookie: s=1'),
  ),
  one(
    'a prefix of a cookie',
    '{cookies: [{name: s, prefix: a}]}',
    lines('Cookie: s=ab', 'Cookie: x; s=a;'),
    lines('Cookie: s=ba', 'Cookie: s='),
  ),
  one(
    'a suffix of a cookie',
    '{cookies: [{name: s, suffix: z}]}',
    lines('Cookie: s=yz', 'Cookie: x; s=z; t=a'),
    lines('Cookie: s=zy; t=z'),
  ),
  one(
    'RE2 of a cookie',
    '{cookies: [{name: s, regex: "[a-f]+"}]}',
    lines('Cookie: s=abc; t=x', 'Cookie: t=x; s=f'),
    lines('Cookie: s=ax', 'Cookie: s=', 'Cookie: t=abc'),
  ),
  one(
    'a cookie that is there',
    '{cookies: [{name: s, present: true}]}',
    lines('Cookie: s=', 'Cookie: a=b; s=c'),
    ['GET /', ...lines('Cookie: s', 'Cookie: t=s')],
  ),
  one(
    'a cookie that is not there',
    '{cookies: [{name: s, absent: true}]}',
    ['GET /', ...lines('Cookie: t=s', 'Cookie: s')],
    lines('Cookie: s=', 'Cookie: a=b; s=c'),
  ),
]

export const REPRESENTATIONS: MatchCase[] = [
  one(
    'a media type without its parameters, in any case',
    '{mediaType: application/json}',
    lines(
      'Content-Type: application/json',
      'content-type: Application/JSON;charset=utf-8',
      'Content-Type: application/json ; q=1',
    ),
    [
      'GET /',
      ...lines(
        'Content-Type: application/jsonx',
        'Content-Type: text/plain;a=application/json',
        'Content-Type:',
        'Accept: application/json',
      ),
    ],
  ),
  one(
    'every subtype of a type, or another type',
    '{mediaType: ["image/*", text/css]}',
    lines('Content-Type: image/png', 'Content-Type: IMAGE/svg+xml; a=b', 'Content-Type: text/css'),
    lines('Content-Type: images/png', 'Content-Type: text/html', 'Content-Type: x; image/png'),
  ),
  one(
    'a charset, in quotes or not, the first of its name',
    '{charset: utf-8}',
    lines(
      'Content-Type: text/html; charset=utf-8',
      'Content-Type: text/html;Charset="UTF-8"',
      'Content-Type: text/html;a=b; charset=utf-8 ;c',
      'Content-Type: text/html; charset=utf-8; charset=x',
    ),
    [
      'GET /',
      ...lines(
        'Content-Type: text/html',
        'Content-Type: text/html; charset=latin1',
        'Content-Type: text/html; charset=x; charset=utf-8',
        'Content-Type: text/html; charset="utf-8',
        'Content-Type: text/html; acharset=utf-8',
        'Content-Type: charset=utf-8',
      ),
    ],
  ),
  one(
    'a coding anywhere in a list',
    '{contentEncoding: gzip}',
    [
      ...lines(
        'Content-Encoding: gzip',
        'content-encoding: GZIP',
        'Content-Encoding: br, gzip',
        'Content-Encoding: gzip ,br',
      ),
      'GET /\nContent-Encoding: br\nContent-Encoding: gzip',
    ],
    [
      'GET /',
      ...lines(
        'Content-Encoding: br',
        'Content-Encoding: x-gzip',
        'Content-Encoding: gzip br',
        'Accept-Encoding: gzip',
      ),
    ],
  ),
]
