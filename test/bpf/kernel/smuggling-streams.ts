/** Streams that try to have themselves read twice: every trick in all its forms, varied by chance, and llhttp's vectors. */
import { existsSync, readFileSync } from 'node:fs'
import { type Random, random } from '../../fakes/random.ts'
import { CHUNKS } from './smuggling-chunks.ts'
import { HEADS } from './smuggling-heads.ts'
import { FRAMING, type Form } from './smuggling-tricks.ts'

/** `id` is in every target. `whole`: nothing is odd about it, and all of it has to arrive. */
export type Stream = { id: number; name: string; bytes: Buffer; parts: Buffer[]; whole: boolean }

export const VECTORS = `${process.env['HEDDLE_CORPUS'] ?? '../shared/corpus'}/llhttp/vectors.json`
const TRICKS = [...FRAMING, ...CHUNKS, ...HEADS]
/** Streams after which every trick has had a turn. */
export const ROUND = TRICKS.length + 1

const METHODS = ['GET', 'POST', 'POST', 'PUT', 'PATCH', 'DELETE']
const NAMES = /Content-Length|Transfer-Encoding|Connection|Host(?=:)/g
const FILLERS = [
  'X-A: b',
  'Accept: */*',
  'Cookie: a=b; c=d',
  'X-Empty:',
  'x-blank: \t b \t',
  'User-Agent: x/1 (y)',
]
/** Bytes up to which a stream may be sent byte by byte. */
const SHORT = 700

const latin1 = (text: string) => Buffer.from(text, 'latin1')
const allowed = (id: number, more = '') => `/open/s${id}${more}`
const denied = (id: number) => `/admin/s${id}`

function cased(r: Random, name: string): string {
  if (r.chance(0.6)) return name
  if (r.chance(0.3)) return name.toLowerCase()
  if (r.chance(0.4)) return name.toUpperCase()
  return [...name].map((letter) => (r.chance(0.5) ? letter.toUpperCase() : letter.toLowerCase())).join('')
}

/** Names in another case, other blanks before values. */
function varied(r: Random, lines: string): string {
  const named = lines.replace(NAMES, (name) => cased(r, name))
  return r.chance(0.3)
    ? named.replace(/^([A-Za-z-]+): (?=\S)/gm, (_, name) => `${name}:${r.pick(['', ' ', '  '])}`)
    : named
}

function shuffled(r: Random, lines: string[]): string[] {
  const left = [...lines]
  return lines.map(() => left.splice(r.below(left.length), 1)[0] as string)
}

function headOf(r: Random, { lines, method = '$M', version = 'HTTP/1.1' }: Exclude<Form, string>): string {
  const fillers = Array.from({ length: r.below(3) }, () => r.pick(FILLERS))
  const all = shuffled(r, ['Host: a', ...fillers, ...lines])
  return `${method} $T ${version}\r\n${varied(r, all.map((line) => `${line}\r\n`).join(''))}\r\n`
}

/** What is hidden may have a body, of what follows. */
function hiddenRequest(r: Random, id: number): string {
  const method = r.pick(['GET', 'GET', 'POST'])
  const rest = method === 'GET' ? '' : 'Content-Length: 9\r\n'
  return `${method} ${denied(id)} HTTP/1.1\r\n${r.pick(['Host: a', 'host:a'])}\r\n${rest}\r\n`
}

function filled(r: Random, text: string, id: number): string {
  const hidden = hiddenRequest(r, id)
  const words: Record<string, string> = {
    $M: r.pick(METHODS),
    $T: allowed(id),
    $P: denied(id),
    $H: hidden,
    $N: `${hidden.length}`,
    $S: r.chance(0.5) ? hidden.length.toString(16) : hidden.length.toString(16).toUpperCase(),
    $L: `${hidden.length + 5}`,
  }
  return text.replace(/\$[MTPHNSL]/g, (word) => words[word] as string)
}

function partsOf(r: Random, bytes: Buffer): Buffer[] {
  const style = r.below(5)
  if (style < 2) return [bytes]
  const step = style === 2 && bytes.length < SHORT ? 1 : 16
  const cuts: number[] = []
  if (style === 3) for (let i = 1 + r.below(3); i > 0; i--) cuts.push(r.below(bytes.length))
  else if (style === 4) cuts.push(bytes.indexOf('\r\n\r\n') + r.below(6))
  else if (bytes.length < SHORT * step) for (let at = step; at < bytes.length; at += step) cuts.push(at)
  const ends = [...cuts.sort((a, b) => a - b), bytes.length]
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end)).filter((part) => part.length > 0)
}

const plain = (id: number, which: string) => `GET ${allowed(id, `/${which}`)} HTTP/1.1\r\nHost: a\r\n\r\n`

function trickStream(id: number, seed: number): Stream {
  const r = random(seed + id)
  const trick = TRICKS[id % ROUND] as (typeof TRICKS)[number]
  const round = Math.floor(id / ROUND)
  const form = trick.forms[round % trick.forms.length] as Form
  const text = typeof form === 'string' ? form : headOf(r, form) + form.body
  const before = r.chance(0.3) ? plain(id, 'before') : ''
  const after = r.chance(0.5) ? plain(id, 'after') : r.chance(0.5) ? hiddenRequest(r, id) : ''
  const bytes = latin1(before + filled(r, text, id) + after)
  return {
    id,
    name: `${trick.name} ${round % trick.forms.length}`,
    bytes,
    parts: partsOf(r, bytes),
    whole: false,
  }
}

/** Canonical requests, one behind the other. */
function plainStream(id: number, seed: number): Stream {
  const r = random(seed + id)
  const requests = Array.from({ length: 1 + r.below(4) }, (_, i) => {
    const [head, body] = r.pick([
      ['', ''],
      ['Content-Length: $N\r\n', '$H'],
      ['Transfer-Encoding: chunked\r\n', '$S\r\n$H\r\n0\r\n\r\n'],
    ])
    return filled(r, `POST $T/${i} HTTP/1.1\r\n${varied(r, `Host: a\r\n${head}`)}\r\n${body}`, id)
  })
  const bytes = latin1(requests.join(''))
  return { id, name: 'plain', bytes, parts: partsOf(r, bytes), whole: true }
}

/** Tricks take turns, and within a trick its forms; behind each round comes a stream without a trick. */
export function generatedStreams(seed: number, ids: readonly number[]): Stream[] {
  return ids.map((id) => (id % ROUND === TRICKS.length ? plainStream(id, seed) : trickStream(id, seed)))
}

type Vector = { file: string; name: string; meta: { type?: string }; input_hex: string }

/** llhttp's requests, as given and with a Host put in; targets that are paths get the stream's id. */
export function vectorStreams(first: number): Stream[] {
  if (!existsSync(VECTORS)) return []
  const { cases } = JSON.parse(readFileSync(VECTORS, 'utf8')) as { cases: Vector[] }
  const requests = cases.filter(({ meta }) => meta.type === 'request')
  return requests
    .flatMap(({ file, name, input_hex }) => {
      const given = Buffer.from(input_hex, 'hex').toString('latin1')
      const hosted = given.replaceAll(/( HTTP\/1\.1\r\n)(?!Host)/g, '$1Host: a\r\n')
      return [given, hosted].map((text, form) => ({
        text,
        name: `llhttp ${file} ${name} ${form ? 'with Host' : 'as given'}`,
      }))
    })
    .map(({ text, name }, i) => {
      const id = first + i
      const bytes = latin1(text.replace(/^([A-Z-]+) \/(?=\S* )/gm, `$1 /s${id}/`))
      return { id, name, bytes, parts: partsOf(random(id), bytes), whole: false }
    })
}
