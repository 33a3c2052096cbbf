/** What a server has understood, held against what it may understand. */
import { LEAD, type Ran } from './smuggling-paths.ts'
import type { Expected, Side, Understood } from './smuggling-policy.ts'
import type { Heard } from './smuggling-servers.ts'
import type { Stream } from './smuggling-streams.ts'

/** Of no stream's own: a target without an id. */
const NOBODY = -1

const shown = (value: unknown) => JSON.stringify(value).replaceAll(/(x{8})x+/g, '$1…')
const isLead = ({ target }: Understood) => LEAD.startsWith(`GET ${target} `)
const idOf = (target: string) => Number(/\/s(\d+)(?:\/|$|\?)/.exec(target)?.[1] ?? NOBODY)

/** By stream, in order. */
export function sorted(heard: readonly Heard[]): Map<number, Heard[]> {
  const streams = new Map<number, Heard[]>()
  for (const each of heard) {
    if (each.refused === undefined && isLead(each)) continue
    const id = idOf(each.target ?? each.body)
    streams.set(id, [...(streams.get(id) ?? []), each])
  }
  return streams
}

/** A request that broke off may have any part of its body. */
function same(got: Understood, wanted: Understood): boolean {
  if (got.method !== wanted.method || got.target !== wanted.target) return false
  if (got.whole) return wanted.whole && got.body === wanted.body
  return wanted.body.startsWith(got.body)
}

/** Final answers by which a server, or we, say no. */
const NO = /HTTP\/1\.[01] [45]\d\d /g

/**
 * In order, and none left out but at the end. Behind a client's connection are several of a server's: one that a
 * server has answered with an error, and closed, may be left out there. A whole one after one that broke off would
 * be another reading of that.
 */
function isReading(got: readonly Understood[], wanted: readonly Understood[], mayLeaveOut: number): boolean {
  const broken = got.findIndex((each) => !each.whole)
  if (broken >= 0 && broken < got.length - 1) return false
  let at = 0
  let leftOut = 0
  for (const each of got) {
    const found = wanted.findIndex((one, i) => i >= at && same(each, one))
    if (found < 0) return false
    leftOut += found - at
    at = found + 1
  }
  return leftOut <= mayLeaveOut
}

export function differences(
  cases: readonly { stream: Stream; wanted: Expected; ran: Ran | undefined }[],
  heard: ReadonlyMap<number, Heard[]>,
  side: Side,
): string[] {
  const found: string[] = []
  const nameless = new Map<string, number>()
  const count = (request: Understood, by: number) => {
    const key = shown([request.method, request.target])
    nameless.set(key, (nameless.get(key) ?? 0) + by)
    return nameless.get(key) as number
  }
  for (const { stream, wanted, ran } of cases) {
    const of = `${stream.name} (stream ${stream.id}: ${shown(stream.bytes.toString('latin1').slice(0, 2_000))}, in ${stream.parts.length})`
    const own = wanted.requests.filter(({ target }) => idOf(target) === stream.id)
    for (const request of wanted.requests) if (idOf(request.target) !== stream.id) count(request, 1)
    const got = heard.get(stream.id) ?? []
    const noes = side === 'client' ? (ran?.text.match(NO)?.length ?? 0) : 0
    if (got.some(({ refused }) => refused !== undefined))
      found.push(`got what is no request: ${shown(got)} of ${of}`)
    else if (!isReading(got, own, noes)) found.push(`understood ${shown(got)}, not ${shown(own)}, of ${of}`)
    else if (stream.whole && got.length < own.length)
      found.push(`lost ${shown(own.slice(got.length))} of ${of}`)
    if (ran?.end !== 'closed') found.push(`${ran?.end ?? 'never ran'} behind ${shown(ran?.text)}: ${of}`)
    if (wanted.refusal === undefined && stream.whole && / (400|403|431) /.test(ran?.text ?? ''))
      found.push(`refused with ${shown(ran?.text)}: ${of}`)
  }
  const sent = new Set(cases.map(({ stream }) => stream.id))
  const strange = [...heard].filter(([id]) => id !== NOBODY && !sent.has(id))
  for (const [, each] of strange) found.push(`understood ${shown(each)}, which nobody sent`)
  for (const each of heard.get(NOBODY) ?? [])
    if (each.refused !== undefined || count(each, -1) < 0)
      found.push(`understood ${shown(each)}, which is nobody's`)
  return found
}
