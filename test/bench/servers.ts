/**
 * The serving side of the inbound suite, one network namespace each: an origin,
 * and in front of it nothing, Heddle, or a reverse proxy. The peers do less than
 * Heddle does: a comparison with rules in them would only favour Heddle.
 */
import { mkdirSync } from 'node:fs'
import type { Host } from '../../infra/local/network.ts'
import { haproxy, nginxProxy, origin, startProgram, writeBodies } from './programs.ts'

export const ORIGIN_PORT = 8080
const PROXY_PORT = 8081
const BODY_BYTES = [1024, 65536]

/** `cgroup` holds all of the serving side, `managed` below it what Heddle guards. */
export type Server = {
  host: Host
  cgroup: string
  managed: string
  url: string
  bpffs: string
  dir: string
}
export type Front = 'nothing' | 'nginx' | 'haproxy'

/** Start an origin, and `front` before it; resolves when both listen. */
export async function startServer(place: Omit<Server, 'url'>, front: Front): Promise<Server> {
  const { dir, host, managed } = place
  mkdirSync(managed, { recursive: true })
  writeBodies(dir, BODY_BYTES)
  const spot = { dir, namespace: host.namespace, cgroup: managed }
  const behind = `127.0.0.1:${ORIGIN_PORT}`
  const proxy = { name: 'proxy', listen: `${host.address4}:${PROXY_PORT}` }
  await startProgram(
    spot,
    origin(dir, { name: 'origin', listen: `${host.address4}:${ORIGIN_PORT}` }, [behind]),
  )
  if (front === 'nginx') await startProgram(spot, nginxProxy(dir, proxy, behind))
  if (front === 'haproxy') await startProgram(spot, haproxy(proxy, behind))
  const port = front === 'nothing' ? ORIGIN_PORT : PROXY_PORT
  return { ...place, url: `http://${host.address4}:${port}` }
}
