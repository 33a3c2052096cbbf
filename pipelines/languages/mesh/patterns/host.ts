/** `host` of a match. */
import { parseAddress } from '../../../policy/address.ts'
import type { ReadText } from './text.ts'

/** Labels of letters, digits, - and _ (container names have it); a dot at the end is sent by some. */
const NAME = /^(\*\.)?[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*\.?$/
/** RFC 1035 2.3.4, a `*.` in front included. */
const MAX_NAME = 255
const LITERAL = /^\[([0-9a-f:.]+)\]$/
const WITH_PORT = /^(.*?)(?::([0-9]*))?$/
const PORT = /^[1-9][0-9]{0,4}$/
const LAST_PORT = 65535

function isHost(text: string): boolean {
  const [, address] = LITERAL.exec(text) ?? []
  if (address !== undefined) return address.includes(':') && parseAddress(address) !== undefined
  return text.length <= MAX_NAME && NAME.test(text)
}

/** Hosts are compared without case: the model has them in lower case. */
export const hostLeaf: ReadText = (reader, path, text) => {
  const value = text.toLowerCase()
  const [, host = '', port] = WITH_PORT.exec(value) ?? []
  if (!isHost(host)) {
    const hint =
      'write it like api.example.com, *.example.com, 192.0.2.1 or [2001:db8::1], and :8080 behind it'
    reader.refuse(path, 'schema-violation', `\`${text}\` is no host`, hint)
    return undefined
  }
  if (port !== undefined && (!PORT.test(port) || Number(port) > LAST_PORT)) {
    const hint = 'write a number from 1 to 65535 behind the colon, or no colon for every port'
    reader.refuse(path, 'schema-violation', `\`${text}\` has no port`, hint)
    return undefined
  }
  return { kind: 'host', value }
}
