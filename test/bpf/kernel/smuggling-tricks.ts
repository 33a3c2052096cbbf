/**
 * Ways to have one stream read twice, by name. Each form is a request that is allowed and that may hide one that
 * is not: as a text, or as lines in any order and a body.
 *
 *     $M a method   $T an allowed target   $H the hidden request, of $N bytes (hexadecimal: $S)
 *     $L bytes of a last chunk and $H behind it   $P the hidden request's target
 */
export type Form = string | { lines: string[]; body: string; method?: string; version?: string }
export type Trick = { name: string; forms: readonly Form[] }

const HEAD = '$M $T HTTP/1.1\r\nHost: a\r\n'
const CHUNKED = 'Transfer-Encoding: chunked'
const LENGTH = 'Content-Length: $N'
const LAST = '0\r\n\r\n'
const LAST_AND_HIDDEN = `${LAST}$H`
const HIDDEN_CHUNK = `$S\r\n$H\r\n${LAST}`

/** Field lines that some reader may take for the end of the body to be told by chunks. */
const LIKE_CHUNKED = [
  'Transfer-Encoding : chunked',
  'Transfer-Encoding\t: chunked',
  ' Transfer-Encoding: chunked',
  '\tTransfer-Encoding: chunked',
  'Transfer-Encoding:\tchunked',
  'Transfer-Encoding: chunked\t',
  'Transfer-Encoding: \x0bchunked',
  'Transfer-Encoding: chunked\x0c',
  'Transfer-Encoding: \xa0chunked',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding: chunkedx',
  'Transfer-Encoding: chunked;q=1',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding: chunked,',
  'Transfer-Encoding: ,chunked',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: chunked, identity',
  'Transfer-Encoding: identity, chunked',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: identity',
  'Transfer-Encoding:',
  'Transfer-Encoding: chun\0ked',
  'Transfer-Encoding: chunked\0',
  'Transfer-Encoding\0: chunked',
  'Transfer_Encoding: chunked',
  'Transfer-Encoding=chunked',
  'Transfer-Encoding;: chunked',
  'X: y\rTransfer-Encoding: chunked',
  'X: y\nTransfer-Encoding: chunked',
  'X: y\r\rTransfer-Encoding: chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding:\r\n\tchunked',
  'Transfer-Encoding\r\n: chunked',
  'X: y\r\n Transfer-Encoding: chunked',
  'TE: chunked',
  'TE: trailers, chunked',
  'Content-Encoding: chunked',
  'X-Transfer-Encoding: chunked',
  'Transfer-Encodings: chunked',
  'Transfer-Encodin: chunked',
  'Trailer: Transfer-Encoding',
  'Connection: Transfer-Encoding',
]

/** Field lines that some reader may take for a length that is not the one beside them. */
const LIKE_LENGTH = [
  'Content-Length : 0',
  ' Content-Length: 0',
  'Content-Length\0: 0',
  'Content_Length: 0',
  'Content-Length=0',
  'Content-Lengt: 0',
  'Content-Lengthy: 0',
  'X: y\rContent-Length: 0',
  'X: y\nContent-Length: 0',
  'Content-Length\r\n: 0',
  'X: y\r\n Content-Length: 0',
  'X-Content-Length: 0',
  'Connection: Content-Length',
  'Connection: close, Content-Length',
  'Keep-Alive: Content-Length=0',
  'Proxy-Connection: keep-alive',
]

const LENGTH_VALUES = [
  ...['+$N', '-$N', '0x$S', '$S', '$N,$N', '$N, $N', '$N, 0', '0, $N', '$N 0', '$N;', '$N.0', '$Ne0', '"$N"'],
  ...[
    '',
    ' ',
    '\t$N',
    '$N\t',
    '$N\x0b',
    '\x0c$N',
    '$N\0',
    '\0$N',
    '0$N',
    '000000000$N',
    '0',
    '00',
    '$N\r',
    '$N\r\n 0',
  ],
  ...[
    '0000000000000000000$N',
    '18446744073709551616',
    '4294967296',
    '99999999999999999999',
    '-1',
    '0\n',
    '\xb2',
  ],
]

export const FRAMING: readonly Trick[] = [
  {
    name: 'CL.TE',
    forms: ['$L', '5', '0', '1'].map((length) => ({
      lines: [`Content-Length: ${length}`, CHUNKED],
      body: LAST_AND_HIDDEN,
    })),
  },
  {
    name: 'TE.CL',
    forms: ['4', '0', '1', '$L'].map((length) => ({
      lines: [CHUNKED, `Content-Length: ${length}`],
      body: HIDDEN_CHUNK,
    })),
  },
  {
    name: 'TE.TE',
    forms: ['chunked', 'identity', 'x', 'gzip', '', 'chunked, identity', 'Chunked', 'cow, chunked', '\0'].map(
      (other) => ({
        lines: [CHUNKED, `Transfer-Encoding: ${other}`],
        body: LAST_AND_HIDDEN,
      }),
    ),
  },
  {
    name: 'chunks in disguise, beside a length',
    forms: LIKE_CHUNKED.map((line) => ({ lines: [line, 'Content-Length: $L'], body: LAST_AND_HIDDEN })),
  },
  {
    name: 'chunks in disguise, beside chunks',
    forms: LIKE_CHUNKED.map((line) => ({ lines: [line, CHUNKED], body: LAST_AND_HIDDEN })),
  },
  {
    name: 'chunks in disguise, alone',
    forms: LIKE_CHUNKED.map((line) => ({ lines: [line], body: HIDDEN_CHUNK })),
  },
  {
    name: 'two lengths',
    forms: ['0', '$N', '00$N', '1', '+$N', '', '-1'].map((other) => ({
      lines: [LENGTH, `Content-Length: ${other}`],
      body: '$H',
    })),
  },
  {
    name: 'a length in disguise',
    forms: LIKE_LENGTH.map((line) => ({ lines: [line, LENGTH], body: '$H' })),
  },
  {
    name: 'an odd length',
    forms: LENGTH_VALUES.map((value) => ({ lines: [`Content-Length: ${value}`], body: '$H' })),
  },
  {
    name: 'a body where few expect one',
    forms: ['GET', 'HEAD', 'DELETE', 'OPTIONS'].flatMap((method) => [
      { method, lines: [LENGTH], body: '$H' },
      { method, lines: [CHUNKED], body: HIDDEN_CHUNK },
      { method, lines: [LENGTH, 'Expect: 100-continue'], body: '$H' },
      { method, lines: [LENGTH, 'Connection: close'], body: '$H' },
    ]),
  },
  {
    name: 'HTTP/1.0 and what it has not',
    forms: [
      { version: 'HTTP/1.0', lines: [CHUNKED], body: LAST_AND_HIDDEN },
      { version: 'HTTP/1.0', lines: [CHUNKED, 'Content-Length: $L'], body: LAST_AND_HIDDEN },
      { version: 'HTTP/1.0', lines: ['Connection: keep-alive', LENGTH], body: '$H' },
      { version: 'HTTP/1.0', lines: ['Connection: keep-alive'], body: '$H' },
      { version: 'HTTP/1.0', lines: [LENGTH], body: '$H' },
      '$M $T HTTP/1.0\r\n\r\n$H',
    ],
  },
  {
    name: 'nothing but what it says',
    forms: [
      `${HEAD}\r\n$H`,
      `${HEAD}Connection: close\r\n\r\n$H`,
      `${HEAD}Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n$H`,
      `${HEAD}Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n$H`,
      { lines: [LENGTH, 'Upgrade: websocket', 'Connection: Upgrade'], body: '$H' },
      { lines: [LENGTH, 'Expect: 100-continue'], body: '$H' },
      { lines: [LENGTH, 'Expect: 100-continue, x'], body: '$H' },
      { lines: [LENGTH, 'Expect: x'], body: '$H' },
      { lines: [CHUNKED, 'Expect: 100-continue'], body: HIDDEN_CHUNK },
      { lines: [LENGTH, 'Sec-WebSocket-Version: 777', 'Upgrade: websocket'], body: '$H' },
    ],
  },
]
