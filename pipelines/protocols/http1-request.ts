/** A parsed request head: raw bytes, nothing decoded, nothing normalised. */
import { byteText, foldByte } from './http1-grammar.ts'

/** `name` as sent; `value` without the whitespace around it (OWS). */
export type Field = { name: Uint8Array; value: Uint8Array }

export type Request = {
  method: Uint8Array
  /** The request-target as sent, query included. */
  target: Uint8Array
  version: '1.0' | '1.1'
  fields: Field[]
}

/** A field name's lower case, to compare it. */
function foldName(name: Uint8Array): string {
  return byteText(name.map(foldByte))
}

/** Values of every field of that name (given in lower case), in order. */
export function fieldValues(request: Request, name: string): Uint8Array[] {
  return request.fields.filter((field) => foldName(field.name) === name).map((field) => field.value)
}

/**
 * Lines of one name (given in lower case) are one list: their values in order, a comma between them
 * (RFC 9110 5.3; so does Envoy). One character a byte; undefined = there is no such line.
 */
export function joinedValues(request: Request, name: string): string | undefined {
  const values = fieldValues(request, name)
  return values.length === 0 ? undefined : values.map(byteText).join(',')
}
