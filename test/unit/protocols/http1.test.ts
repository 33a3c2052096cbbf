import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createHttp1Parser, type Http1Event, parseHttp1 } from '../../../pipelines/protocols/http1.ts'
import { byteText } from '../../../pipelines/protocols/http1-grammar.ts'

const bytes = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0))
const HOST = 'Host: x\r\n'
const GET = `GET / HTTP/1.1\r\n${HOST}`
const CHUNKED = `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n`

/** One line an event, so that tables can say what they expect. */
function line(event: Http1Event): string {
  switch (event.kind) {
    case 'head': {
      const { method, target, version, fields } = event.request
      const shown = fields.map(({ name, value }) => `${byteText(name)}=${byteText(value)}`).join(' ')
      const body = event.body.framing === 'length' ? event.body.length : event.body.framing
      return `head ${event.start}..${event.at} ${byteText(method)} ${byteText(target)} ${version} [${shown}] ${body}`
    }
    case 'end':
      return `end ${event.start}..${event.at}`
    case 'refused':
      return `refused ${event.status} ${event.reason} at ${event.at}`
    case 'tls':
    case 'http2':
    case 'other-protocol':
      return `${event.kind} at ${event.at}`
  }
}

const told = (events: Http1Event[]) => events.map(line)

describe('canonical messages', () => {
  const TABLE: [string, string, string[]][] = [
    ['a request without body', `${GET}\r\n`, ['head 0..27 GET / 1.1 [Host=x] none', 'end 0..27']],
    [
      'values lose the blanks around them',
      `GET /a?b HTTP/1.0\r\nX-Y: \t a b\t \r\nZ:\r\n\r\n`,
      ['head 0..39 GET /a?b 1.0 [X-Y=a b Z=] none', 'end 0..39'],
    ],
    [
      'the asterisk of OPTIONS',
      `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`,
      ['head 0..31 OPTIONS * 1.1 [Host=x] none', 'end 0..31'],
    ],
    [
      'a body by length, then the next request',
      `POST / HTTP/1.1\r\n${HOST}Content-Length: 003 \r\n\r\nabc${GET}\r\n`,
      [
        'head 0..50 POST / 1.1 [Host=x Content-Length=003] 3',
        'end 0..53',
        'head 53..80 GET / 1.1 [Host=x] none',
        'end 53..80',
      ],
    ],
    [
      'a length of zero',
      `POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n`,
      ['head 0..38 POST / 1.0 [Content-Length=0] none', 'end 0..38'],
    ],
    [
      'chunks with extension and trailer',
      `${CHUNKED}3;a="b"\r\nabc\r\n00\r\nX-T: 1\r\n\r\n`,
      ['head 0..56 POST / 1.1 [Host=x Transfer-Encoding=chunked] chunked', 'end 0..84'],
    ],
    [
      'any letter case of chunked',
      `${CHUNKED.replace('chunked', '  CHunKed ')}0\r\n\r\n`,
      ['head 0..59 POST / 1.1 [Host=x Transfer-Encoding=CHunKed] chunked', 'end 0..64'],
    ],
    [
      'other upgrades',
      `${GET}Upgrade: websocket\r\n\r\n`,
      ['head 0..47 GET / 1.1 [Host=x Upgrade=websocket] none', 'end 0..47'],
    ],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', ['head 0..25 GET / 1.1 [Host=] none', 'end 0..25']],
    [
      'bytes of obs-text',
      'GET / HTTP/1.0\r\nA:\xff\r\n\r\n',
      ['head 0..23 GET / 1.0 [A=\xff] none', 'end 0..23'],
    ],
    ['TLS', '\x16\x03\x01', ['tls at 0']],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', ['http2 at 13']],
    ['a binary protocol', '\0\0\0\x08\x04', ['other-protocol at 0']],
    ['SSH', 'SSH-2.0-x\r\n', ['other-protocol at 9']],
    ['Redis', '*1\r\n$4\r\nPING\r\n', ['other-protocol at 2']],
    ['a word and a lone LF', 'QUIT\n', ['other-protocol at 4']],
  ]
  for (const [says, stream, expected] of TABLE) {
    test(says, () => assert.deepEqual(told(parseHttp1(bytes(stream))), expected))
  }
})

describe('refusals, at the byte that decides', () => {
  const long = 'a'.repeat(15)
  const TABLE: [string, string, string, string][] = [
    ['an empty line first', '', '\r\nGET / HTTP/1.1', '400 bad-method'],
    ['no method', '', ' / HTTP/1.1', '400 bad-method'],
    ['a method of 33 bytes', 'M'.repeat(32), 'M /', '400 bad-method'],
    ['CONNECT', 'CONNECT', ' /', '400 bad-method'],
    ['PRI that is no preface', 'PRI ', '/ HTTP/1.1', '400 bad-method'],
    ['PRI that is nearly the preface', 'PRI * HTTP/', '1.1', '400 bad-method'],
    ['SMTP, which could be HTTP/0.9', 'EHLO ', 'a.example\r\n', '400 bad-target'],
    ['blanks of Python before a method', '', '\x1cGET / HTTP/1.1', '400 bad-method'],
    ['a tab behind a method', 'GET', '\t/ HTTP/1.1', '400 bad-method'],
    ['Redis after a request', `${GET}\r\n*1`, '\r\n', '400 bad-method'],
    ['TLS after a request', `${GET}\r\n`, '\x16\x03', '400 bad-method'],
    ['HTTP/2 after a request', `${GET}\r\nPRI`, ' * HTTP/2.0', '400 bad-method'],
    ['two blanks', 'GET ', ' / HTTP/1.1', '400 bad-target'],
    ['absolute form', 'GET ', 'http://x/', '400 bad-target'],
    ['the asterisk without OPTIONS', 'GET ', '* HTTP/1.1', '400 bad-target'],
    ['more than the asterisk', 'OPTIONS *', '/ HTTP/1.1', '400 bad-target'],
    ['a fragment', 'GET /a', '#b HTTP/1.1', '400 bad-target'],
    ['a tab in the target', 'GET /a', '\tb', '400 bad-target'],
    ['a byte beyond ASCII in the target', 'GET /', '\xe9', '400 bad-target'],
    ['HTTP/0.9', 'GET /', '\r\n', '400 bad-target'],
    ['HTTP/1.2', 'GET / HTTP/1.', '2\r\n', '400 bad-version'],
    ['http in lower case', 'GET / ', 'http/1.1', '400 bad-version'],
    ['a blank behind the version', 'GET / HTTP/1.1', ' \r\n', '400 bad-line-end'],
    ['LF alone behind the version', 'GET / HTTP/1.1', '\n', '400 bad-line-end'],
    ['CR alone behind the version', 'GET / HTTP/1.1\r', 'H', '400 bad-line-end'],
    ['a blank before the colon', 'GET / HTTP/1.1\r\nHost', ' : x', '400 bad-field-name'],
    ['an empty name', 'GET / HTTP/1.1\r\n', ': x', '400 bad-field-name'],
    ['a line without colon', 'GET / HTTP/1.1\r\nHost', '\r\n', '400 bad-line-end'],
    ['a folded line', `${GET}A: b\r\n`, ' c\r\n', '400 obs-fold'],
    ['a blank before the first field', 'GET / HTTP/1.1\r\n', ' Host: x', '400 obs-fold'],
    ['NUL in a value', `${GET}A: b`, '\0', '400 bad-field-value'],
    ['DEL in a value', `${GET}A: `, '\x7f', '400 bad-field-value'],
    ['LF alone behind a value', `${GET}A: b`, '\n', '400 bad-line-end'],
    ['CR alone in a value', `${GET}A: b\r`, 'c', '400 bad-line-end'],
    ['LF alone at the end', GET, '\n', '400 bad-line-end'],
    ['CR CR LF at the end', `${GET}\r`, '\r\n', '400 bad-line-end'],
    ['no Host in 1.1', 'GET / HTTP/1.1\r\n\r', '\n', '400 bad-host'],
    ['two Hosts', `${GET}hOST`, ': x\r\n', '400 bad-host'],
    ['two Hosts in 1.0', `GET / HTTP/1.0\r\n${HOST}Host`, ':', '400 bad-host'],
    ['an empty length', `${GET}Content-Length: `, '\r\n', '400 bad-content-length'],
    ['a signed length', `${GET}Content-Length: `, '+1\r\n', '400 bad-content-length'],
    ['a list of lengths', `${GET}Content-Length: 1`, ', 1\r\n', '400 bad-content-length'],
    ['two numbers', `${GET}Content-Length: 1 `, '1\r\n', '400 bad-content-length'],
    ['sixteen digits', `${GET}Content-Length: 000000000000000`, '1\r\n', '400 bad-content-length'],
    ['two lengths, though equal', `${GET}Content-Length: 1\r\ncontent-length`, ': 1', '400 length-twice'],
    [
      'a length with chunks',
      `${GET}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r`,
      '\n',
      '400 length-and-chunked',
    ],
    ['another coding', `${GET}Transfer-Encoding: `, 'gzip', '400 bad-transfer-encoding'],
    ['two codings', `${GET}Transfer-Encoding: chunked`, ', gzip', '400 bad-transfer-encoding'],
    ['a short coding', `${GET}Transfer-Encoding: chunke`, '\r\n', '400 bad-transfer-encoding'],
    ['an empty coding', `${GET}Transfer-Encoding:`, '\r\n', '400 bad-transfer-encoding'],
    ['a coding behind a blank', `${GET}Transfer-Encoding: chunked `, 'x', '400 bad-transfer-encoding'],
    [
      'the coding twice',
      `${GET}Transfer-Encoding: chunked\r\nTransfer-Encoding`,
      ':',
      '400 bad-transfer-encoding',
    ],
    [
      'chunks in 1.0',
      'GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r',
      '\n',
      '400 bad-transfer-encoding',
    ],
    [
      'the missing Host goes first',
      'GET / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r',
      '\n',
      '400 bad-host',
    ],
    ['a tab before the length', `${GET}Content-Length:`, '\t1\r\n', '400 bad-content-length'],
    ['a tab behind the length', `${GET}Content-Length: 1`, '\t\r\n', '400 bad-content-length'],
    ['a tab before the coding', `${GET}Transfer-Encoding: `, '\tchunked', '400 bad-transfer-encoding'],
    ['a tab behind the coding', `${GET}Transfer-Encoding: chunked`, '\t\r\n', '400 bad-transfer-encoding'],
    ['h2c', `${GET}Upgrade: h2c`, '\r\n', '400 bad-upgrade'],
    ['h2c in a list, in capitals', `${GET}Upgrade: hh2c, H2C`, ', x\r\n', '400 bad-upgrade'],
    ['h2c in a second field', `${GET}Upgrade: x\r\nUpgrade: h2c`, '/1', '400 bad-upgrade'],
    ['an empty chunk size', CHUNKED, '\r\n', '400 bad-chunk'],
    ['a chunk size in 0x', `${CHUNKED}0`, 'x1', '400 bad-chunk'],
    ['sixteen hex digits', `${CHUNKED}${long}`, 'a', '400 bad-chunk'],
    ['a blank behind the size', `${CHUNKED}1`, ' \r\n', '400 bad-chunk'],
    ['LF alone behind the size', `${CHUNKED}1`, '\n', '400 bad-chunk'],
    ['LF alone behind an extension', `${CHUNKED}1;a`, '\n', '400 bad-chunk'],
    ['CR alone behind the size', `${CHUNKED}1\r`, 'a', '400 bad-chunk'],
    ['an extension without name', `${CHUNKED}1;`, '\r\n', '400 bad-chunk'],
    ['a second extension without name', `${CHUNKED}1;a;`, ';', '400 bad-chunk'],
    ['an extension without value', `${CHUNKED}1;a=`, '\r\n', '400 bad-chunk'],
    ['a blank in an extension', `${CHUNKED}1;a`, ' =b', '400 bad-chunk'],
    ['an open quote in an extension', `${CHUNKED}1;a="b`, '\r\n', '400 bad-chunk'],
    ['an escape in an extension', `${CHUNKED}1;a="`, '\\"', '400 bad-chunk'],
    ['more behind the quote', `${CHUNKED}1;a="b"`, 'c', '400 bad-chunk'],
    ['NUL in an extension', `${CHUNKED}1;`, '\0', '400 bad-chunk'],
    ['an extension of 1,025 bytes', `${CHUNKED}1;${'a'.repeat(1024)}`, 'a', '400 bad-chunk'],
    ['data longer than its chunk', `${CHUNKED}1\r\na`, 'b\r\n', '400 bad-chunk'],
    ['LF alone behind the data', `${CHUNKED}1\r\na`, '\n', '400 bad-chunk'],
    ['a length in the trailer', `${CHUNKED}0\r\nContent-Length`, ': 1', '400 bad-trailer'],
    ['an upgrade in the trailer', `${CHUNKED}0\r\nUPGRADE`, ': 1', '400 bad-trailer'],
    ['a folded trailer', `${CHUNKED}0\r\nA: b\r\n`, '\tc', '400 obs-fold'],
  ]
  for (const [says, before, rest, expected] of TABLE) {
    test(says, () => {
      const last = told(parseHttp1(bytes(before + rest))).at(-1)
      assert.equal(last, `refused ${expected} at ${before.length}`)
      const earlier = told(parseHttp1(bytes(before)))
      assert.ok(!earlier.some((event) => event.startsWith('refused')), 'not before that byte')
    })
  }
})

describe('limits', () => {
  const filled = (total: number) => `${GET}A: ${'a'.repeat(total - GET.length - 3 - 4)}\r\n\r\n`
  test('a head of 16,384 bytes is taken', () => {
    assert.equal(told(parseHttp1(bytes(filled(16384)))).at(-1), 'end 0..16384')
  })
  test('its next byte is refused with 431, whatever it is', () => {
    for (const next of ['\n', 'a', '\0']) {
      const stream = filled(16385).slice(0, 16384) + next
      assert.equal(told(parseHttp1(bytes(stream))).at(-1), 'refused 431 head-too-large at 16384')
    }
  })
  test('trailers have a limit of their own', () => {
    const trailers = (total: number) => `${CHUNKED}0\r\nA: ${'a'.repeat(total - 7)}\r\n\r\n`
    const start = CHUNKED.length + 3
    assert.equal(told(parseHttp1(bytes(trailers(16384)))).at(-1), `end 0..${start + 16384}`)
    assert.equal(
      told(parseHttp1(bytes(trailers(16385)))).at(-1),
      `refused 431 head-too-large at ${start + 16384}`,
    )
  })
  test('a chunk of 2^60 - 1 bytes is just waited for', () => {
    const parser = createHttp1Parser()
    const stream = bytes(`${CHUNKED}${'f'.repeat(15)}\r\nabc`)
    assert.equal(parser.push(stream).length, 1)
    assert.equal(parser.pending(), stream.length)
  })
})

describe('segmentation', () => {
  const pieces = [
    GET,
    '\r\n',
    CHUNKED,
    '3\r\nabc\r\n',
    '0\r\n',
    'A: b\r\n',
    'Content-Length: 4\r\n',
    'x',
    '\n',
    '\x16',
    ' ',
    ':',
  ]
  const stream = fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((parts) => bytes(parts.join('')))
  test('cuts change nothing', () => {
    const cut = fc.array(fc.nat(200), { maxLength: 8 })
    fc.assert(
      fc.property(stream, cut, (whole, cuts) => {
        const parser = createHttp1Parser()
        const events: Http1Event[] = []
        const marks = [...cuts.map((mark) => Math.min(mark, whole.length)), whole.length].sort(
          (a, b) => a - b,
        )
        let from = 0
        for (const to of marks) {
          events.push(...parser.push(whole.subarray(from, to)))
          from = to
        }
        assert.deepEqual(told(events), told(parseHttp1(whole)))
      }),
      { seed: 20261, numRuns: process.env['HEDDLE_DEEP'] === '1' ? 200_000 : 2_000 },
    )
  })
  test('nothing follows a refusal', () => {
    const parser = createHttp1Parser()
    assert.equal(parser.push(bytes('\n')).length, 1)
    assert.deepEqual(parser.push(bytes(`${GET}\r\n`)), [])
    assert.equal(parser.pending(), 0)
  })
})
