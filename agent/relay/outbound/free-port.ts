/** A port that is free on both loopbacks: connect() to a service leads to the one of its own family. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** Where call.h leads connect() to. */
const LOOPBACKS = ['127.0.0.1', '::1'] as const
/** A port that is free on one may be taken on the other. */
const TRIES = 16

export async function freePort(): Promise<{ host: string; port: number }[]> {
  for (let tried = 1; ; tried++) {
    const port = (await portOn(LOOPBACKS[0], 0)) as number
    const second = await portOn(LOOPBACKS[1], port)
    if (typeof second === 'number') return LOOPBACKS.map((host) => ({ host, port }))
    // A machine without IPv6 has no clients on it.
    if (second === 'no such family') return [{ host: LOOPBACKS[0], port }]
    if (tried === TRIES) throw new Error('no port is free on both loopbacks')
  }
}

async function portOn(host: string, port: number): Promise<number | 'taken' | 'no such family'> {
  const server = createServer().listen({ host, port })
  try {
    await once(server, 'listening')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT') return 'no such family'
    if (code === 'EADDRINUSE') return 'taken'
    throw error
  }
  const found = (server.address() as AddressInfo).port
  server.close()
  await once(server, 'close')
  return found
}
