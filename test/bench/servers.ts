/**
 * The serving side of the inbound suite, one network namespace each: nginx with
 * one worker (the origin), and in front of it nothing, Heddle, or a reverse
 * proxy with one worker that judges nothing. The peers do less than Heddle
 * does: a comparison with rules in them would only favour Heddle.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Host, listens } from '../../infra/local/network.ts'
import { launch, type Running, untilReady } from '../../infra/local/process.ts'

export const ORIGIN_PORT = 8080
const PROXY_PORT = 8081
const BODY_BYTES = [1024, 65536]

const origin = (dir: string, host: Host) => `
daemon off;
user root;
worker_processes 1;
pid ${dir}/origin.pid;
error_log ${dir}/origin.log error;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  open_file_cache max=16;
  client_body_temp_path ${dir}/origin-body;
  server {
    listen ${host.address4}:${ORIGIN_PORT};
    listen 127.0.0.1:${ORIGIN_PORT};
    root ${dir}/bodies;
    location / { rewrite ^ /$http_x_bytes break; }
  }
}
`

const nginxProxy = (dir: string, host: Host) => `
daemon off;
user root;
worker_processes 1;
pid ${dir}/proxy.pid;
error_log ${dir}/proxy.log error;
events { worker_connections 2048; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  proxy_temp_path ${dir}/proxy-temp;
  client_body_temp_path ${dir}/proxy-body;
  upstream origin { server 127.0.0.1:${ORIGIN_PORT}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen ${host.address4}:${PROXY_PORT};
    location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`

const haproxy = (host: Host) => `
global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  http-reuse always
frontend in
  bind ${host.address4}:${PROXY_PORT}
  default_backend origin
backend origin
  server origin 127.0.0.1:${ORIGIN_PORT}
`

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

async function startOne(
  place: Omit<Server, 'url'>,
  program: { name: string; config: string; command: string[]; port: number },
): Promise<Running> {
  const file = join(place.dir, `${program.name}.conf`)
  writeFileSync(file, program.config)
  const running = launch({
    name: program.name,
    command: [...program.command, file],
    cgroup: place.managed,
    namespace: place.host.namespace,
    log: join(place.dir, `${program.name}.log`),
  })
  await untilReady(running, () => listens(place.host.namespace, program.port))
  return running
}

/** Start an origin, and `front` before it; resolves when both listen. */
export async function startServer(place: Omit<Server, 'url'>, front: Front): Promise<Server> {
  const { dir, host, managed } = place
  mkdirSync(join(dir, 'bodies'), { recursive: true })
  mkdirSync(managed, { recursive: true })
  for (const bytes of BODY_BYTES) writeFileSync(join(dir, 'bodies', String(bytes)), Buffer.alloc(bytes, 'x'))
  const nginx = ['nginx', '-e', join(dir, 'nginx.log'), '-p', dir, '-c']
  const programs = {
    origin: { name: 'origin', config: origin(dir, host), command: nginx, port: ORIGIN_PORT },
    nginx: { name: 'proxy', config: nginxProxy(dir, host), command: nginx, port: PROXY_PORT },
    haproxy: { name: 'haproxy', config: haproxy(host), command: ['haproxy', '-f'], port: PROXY_PORT },
  }
  await startOne(place, programs.origin)
  if (front !== 'nothing') await startOne(place, programs[front])
  const port = front === 'nothing' ? ORIGIN_PORT : PROXY_PORT
  return { ...place, url: `http://${host.address4}:${port}` }
}
