/** The functions' bus, and the renewal of what nodes show to it. */
import { readFile } from 'node:fs/promises'
import { natsBus } from '../../functions/adapters/nats-bus.ts'
import { NatsCredentials, natsIssuer } from '../../functions/adapters/nats-issuer.ts'
import { renewal, type RenewalPorts } from '../../functions/bus/renewal.ts'
import type { Bus } from '../../functions/ports.ts'
import type { HostConfig } from './host-config.ts'

/** Part of a JWT's life between two looks at what has to be renewed, and the longest pause in milliseconds. */
const LOOKS_A_LIFE = 20
const MAX_LOOK_MS = 60_000

const NO_BUS: Bus = {
  hint: async () => {},
  tellEnd: async () => {},
  onReport: () => {},
  close: async () => {},
}

export type HostBus = { bus: Bus; renewing: { stop(): void } }
type Ports = Pick<RenewalPorts, 'store' | 'clock'> & { log: (line: string) => void }

export async function openBus(nats: HostConfig['nats'], ports: Ports): Promise<HostBus> {
  const { log } = ports
  if (nats === null) return { bus: NO_BUS, renewing: { stop() {} } }
  const { url, tls, credentials: file, jwtLifeMs } = nats
  const files = tls === undefined ? {} : { tls }
  if (file === undefined) return { bus: natsBus({ url, ...files, log }), renewing: { stop() {} } }
  const credentials = NatsCredentials.parse(JSON.parse(await readFile(file, 'utf8')))
  const renew = renewal({ ...ports, issuer: natsIssuer(credentials) }, jwtLifeMs)
  const look = () => {
    renew().catch((error: Error) => log(`renewal: ${error.message}`))
  }
  const timer = setInterval(look, Math.min(jwtLifeMs / LOOKS_A_LIFE, MAX_LOOK_MS))
  look()
  return {
    bus: natsBus({ url, credentials, ...files, log }),
    renewing: { stop: () => clearInterval(timer) },
  }
}
