/**
 * The software of both suites: nginx as a server, nginx and haproxy as proxies
 * that judge nothing. One worker or thread each; connections live for ever.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { listens } from '../../infra/local/network.ts'
import { launch, type Running, untilReady } from '../../infra/local/process.ts'

/** Where a program runs. `cpus`: a list for taskset; without one the scheduler chooses. */
export type Spot = { dir: string; namespace: string; cgroup: string; cpus?: string }

/** `listen` and `to` are `address:port`. */
export type Program = { name: string; config: string; command: readonly string[]; listen: string }
type Named = { name: string; listen: string }

const nginxCommand = (dir: string, name: string) => ['nginx', '-e', `${dir}/${name}.errors`, '-p', dir, '-c']

/** More workers would take turns on one CPU; logs and files would measure the disk. */
const nginxConfig = (dir: string, name: string, http: string) => `
daemon off;
user root;
worker_processes 1;
pid ${dir}/${name}.pid;
error_log ${dir}/${name}.errors error;
events { worker_connections 2048; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path ${dir}/${name}-body;
  ${http}
}
`

/** Serves `bodies/BYTES`, whatever the path, where a request's X-Bytes says BYTES. */
export function origin(dir: string, { name, listen }: Named, alsoListen: readonly string[] = []): Program {
  const lines = [listen, ...alsoListen].map((each) => `listen ${each};`).join(' ')
  const http = `
  open_file_cache max=16;
  server {
    ${lines}
    root ${dir}/bodies;
    location / { rewrite ^ /$http_x_bytes break; }
  }`
  return { name, listen, config: nginxConfig(dir, name, http), command: nginxCommand(dir, name) }
}

/** Answers 421 (Misdirected Request): where no request should come, one that comes is an error of the run. */
export function wrongOrigin(dir: string, { name, listen }: Named): Program {
  const http = `server { listen ${listen}; location / { return 421; } }`
  return { name, listen, config: nginxConfig(dir, name, http), command: nginxCommand(dir, name) }
}

/** Bodies that the reader doesn't take wait in memory and in the socket: a file would measure the disk. */
export function nginxProxy(dir: string, { name, listen }: Named, to: string): Program {
  const http = `
  proxy_temp_path ${dir}/${name}-temp;
  proxy_max_temp_file_size 0;
  upstream next { server ${to}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen ${listen};
    location / { proxy_pass http://next; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }`
  return { name, listen, config: nginxConfig(dir, name, http), command: nginxCommand(dir, name) }
}

export function haproxy({ name, listen }: Named, to: string): Program {
  const config = `
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
  bind ${listen}
  default_backend next
backend next
  server next ${to}
`
  return { name, listen, config, command: ['haproxy', '-f'] }
}

export function writeBodies(dir: string, sizes: readonly number[]): void {
  mkdirSync(join(dir, 'bodies'), { recursive: true })
  for (const bytes of sizes) writeFileSync(join(dir, 'bodies', String(bytes)), Buffer.alloc(bytes, 'x'))
}

/** Resolves when it listens. */
export async function startProgram(spot: Spot, program: Program): Promise<Running> {
  const file = join(spot.dir, `${program.name}.conf`)
  writeFileSync(file, program.config)
  const pin = spot.cpus === undefined ? [] : ['taskset', '-c', spot.cpus]
  const running = launch({
    name: program.name,
    command: [...pin, ...program.command, file],
    cgroup: spot.cgroup,
    namespace: spot.namespace,
    log: join(spot.dir, `${program.name}.log`),
  })
  const port = Number(program.listen.slice(program.listen.lastIndexOf(':') + 1))
  await untilReady(running, () => listens(spot.namespace, port))
  return running
}
