/**
 * Servers as they are installed, each with the little configuration that lets it serve files at …/f/NAME,
 * answer POST …/post with the SHA-256 of what was sent, and echo WebSocket messages at …/ws. Those that
 * only proxies do by themselves (a hash, an echo) stand behind them, at unix sockets.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** `files`, `sink`, `echo`: a folder, and the paths of the unix sockets of origin.js and echo.js. */
export type Spot = { host: string; port: number; dir: string; files: string; sink: string; echo: string }
export type Command = [string, ...string[]]

const ORIGIN = fileURLToPath(new URL('./origin.js', import.meta.url))
const ECHO = fileURLToPath(new URL('./echo.js', import.meta.url))
export const source = (name: string) =>
  fileURLToPath(new URL(`../../../../../test/bpf/kernel/software/${name}`, import.meta.url))

export const originAt = (host: string, port: number | string, files: string): Command => [
  process.execPath,
  ORIGIN,
  host,
  String(port),
  files,
]
export const echoAt = (host: string, port: number | string): Command => [
  process.execPath,
  ECHO,
  host,
  String(port),
]

function configured(spot: Spot, name: string, config: string): string {
  const file = join(spot.dir, `${name}-${spot.host}.conf`)
  writeFileSync(file, config)
  return file
}

const NGINX = (spot: Spot) => `
daemon off;
user root;
worker_processes 1;
worker_rlimit_nofile 32768;
pid ${spot.dir}/nginx-${spot.host}.pid;
error_log ${spot.dir}/nginx-${spot.host}.errors error;
events { worker_connections 16384; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_max_body_size 0;
  client_body_temp_path ${spot.dir}/nginx-${spot.host}-body;
  proxy_http_version 1.1;
  server {
    listen ${spot.host}:${spot.port} backlog=4096;
    location ~ /f/(.*)$ { alias ${spot.files}/$1; }
    location ~ /post$ { proxy_pass http://unix:${spot.sink}; proxy_set_header Connection ""; }
    location ~ /ws$ {
      proxy_pass http://unix:${spot.echo};
      proxy_set_header Connection upgrade;
      proxy_set_header Upgrade $http_upgrade;
    }
  }
}
`

/** What fits its buffer it answers itself, the rest comes from behind it. */
const HAPROXY = (spot: Spot) => `
global
  nbthread 1
  maxconn 8192
  tune.bufsize 131072
defaults
  mode http
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
frontend in
  bind ${spot.host}:${spot.port} backlog 4096
  http-request return status 200 content-type application/octet-stream file ${spot.files}/1 if { path_end /f/1 }
  http-request return status 200 content-type application/octet-stream file ${spot.files}/1024 if { path_end /f/1024 }
  http-request return status 200 content-type application/octet-stream file ${spot.files}/65536 if { path_end /f/65536 }
  use_backend echo if { path_end /ws }
  default_backend next
backend next
  server next unix@${spot.sink}
backend echo
  server echo unix@${spot.echo}
`

const MODULES = ['mpm_event', 'authz_core', 'alias', 'proxy', 'proxy_http', 'proxy_wstunnel']
const APACHE = (spot: Spot) => `
${MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
Listen ${spot.host}:${spot.port}
ListenBacklog 4096
ServerName localhost
User www-data
Group www-data
DefaultRuntimeDir ${spot.dir}
PidFile ${spot.dir}/apache-${spot.host}.pid
ErrorLog ${spot.dir}/apache-${spot.host}.errors
MaxKeepAliveRequests 0
KeepAliveTimeout 600
StartServers 2
ThreadsPerChild 64
ServerLimit 24
MaxRequestWorkers 1536
AliasMatch "^/[^/]*/f/(.*)$" "${spot.files}/$1"
ProxyPassMatch "^/[^/]*/post$" "unix:${spot.sink}|http://localhost/post"
ProxyPassMatch "^/[^/]*/ws$" "unix:${spot.echo}|http://localhost/ws" upgrade=websocket
`

export type Server = {
  command(spot: Spot): Command
  /** Has it, or what is behind it, a WebSocket? */
  echoes: boolean
}

export const SERVERS = {
  nginx: {
    command: (spot) => [
      'nginx',
      '-e',
      `${spot.dir}/nginx-${spot.host}.errors`,
      '-p',
      spot.dir,
      '-c',
      configured(spot, 'nginx', NGINX(spot)),
    ],
    echoes: true,
  },
  haproxy: {
    command: (spot) => ['haproxy', '-db', '-f', configured(spot, 'haproxy', HAPROXY(spot))],
    echoes: true,
  },
  apache: {
    command: (spot) => ['apache2', '-DFOREGROUND', '-f', configured(spot, 'apache', APACHE(spot))],
    echoes: true,
  },
  'node-http': { command: ({ host, port, files }) => originAt(host, port, files), echoes: false },
  'node-echo': { command: ({ host, port }) => echoAt(host, port), echoes: true },
  python: {
    command: ({ host, port, files }) => ['python3', source('origin.py'), host, String(port), files],
    echoes: false,
  },
  java: {
    command: ({ host, port, files }) => ['java', source('origin.java'), host, String(port), files],
    echoes: false,
  },
} as const satisfies Record<string, Server>
export type ServerName = keyof typeof SERVERS
