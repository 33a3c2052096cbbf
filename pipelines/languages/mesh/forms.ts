/** A policy speaks of workloads or of a service: which of both, and that it does not say a half of each. */
import type { Reader } from '../reader.ts'
import type { Spec } from './schema.ts'

type Needed<K extends keyof Spec> = { [key in K]-?: NonNullable<Spec[key]> }
/** Of workloads. */
export type SubjectSpec = Needed<'subject' | 'rules'> & Pick<Spec, 'unparsed' | 'paths'>
/** Of a service, as its clients call it. */
export type ServiceSpec = Needed<'service'> & Pick<Spec, 'routes' | 'breaker'>

const OF_SUBJECT = ['rules', 'unparsed', 'paths'] as const satisfies (keyof Spec)[]
const OF_SERVICE = ['routes', 'breaker'] as const satisfies (keyof Spec)[]

/** What only the other form says, refused where it stands. */
function refuseOf(reader: Reader, spec: Spec, fields: readonly (keyof Spec)[], form: 'subject' | 'service') {
  const other = form === 'subject' ? 'service' : 'subject'
  for (const field of fields) {
    if (spec[field] === undefined) continue
    const message = `\`${field}\` of a ${form}`
    const hint = `write it in a policy of its own, with ${other}: in place of ${form}:`
    reader.refuse(['spec', field], 'schema-violation', message, hint)
  }
}

function missing(reader: Reader, message: string, hint: string): undefined {
  reader.refuse(['spec'], 'schema-violation', message, hint)
  return undefined
}

/** undefined = refused. */
export function formOf(
  reader: Reader,
  spec: Spec,
): { subject: SubjectSpec } | { service: ServiceSpec } | undefined {
  const { subject, service, rules, routes, breaker, unparsed, paths } = spec
  if (subject !== undefined && service !== undefined) {
    const message = '`service` beside `subject`'
    const hint = 'write two policies: rules are of workloads, routes and breakers of a service'
    reader.refuse(['spec', 'service'], 'schema-violation', message, hint)
    return undefined
  }
  if (subject !== undefined) {
    refuseOf(reader, spec, OF_SERVICE, 'subject')
    if (rules === undefined)
      return missing(reader, 'a subject without rules', 'write rules: [{action: allow}]')
    return { subject: { subject, rules, unparsed, paths } }
  }
  if (service !== undefined) {
    refuseOf(reader, spec, OF_SUBJECT, 'service')
    if (routes === undefined && breaker === undefined) {
      const hint = 'write routes: [{to: [{service: …, port: …}]}] or breaker: {…}'
      return missing(reader, 'a service without routes or breaker', hint)
    }
    return { service: { service, routes, breaker } }
  }
  return missing(reader, 'a policy about nobody', 'write subject and rules, or service and routes or breaker')
}
