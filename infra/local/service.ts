/** The two versions of a node's service: a real nginx with one worker, in the node's cgroup and namespace. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { StackHost } from './network.ts'
import { launch, type Running, untilReady } from './process.ts'

export const SERVICE_PORT = 8080

/** Keep-alive without end: a connection that closes in the demo was closed by Heddle, or is a bug. */
const config = (dir: string, node: string, host: StackHost) => `
daemon off;
user root;
worker_processes 1;
pid ${dir}/nginx.pid;
error_log ${dir}/nginx-error.log warn;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_temp_path ${dir}/body;
  proxy_temp_path ${dir}/proxy;
  fastcgi_temp_path ${dir}/fastcgi;
  uwsgi_temp_path ${dir}/uwsgi;
  scgi_temp_path ${dir}/scgi;
  server {
    listen ${host.address4}:${SERVICE_PORT};
    listen [${host.address6}]:${SERVICE_PORT};
    location / { return 200 "${node} v1 $request_method $request_uri\\n"; }
  }
  server {
    listen ${host.second4}:${SERVICE_PORT};
    location / { return 200 "${node} v2 $request_method $request_uri\\n"; }
  }
}
`

export async function startService(
  dir: string,
  node: string,
  host: StackHost,
  cgroup: string,
): Promise<Running> {
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'nginx.conf'), config(dir, node, host))
  const running = launch({
    name: `nginx of ${node}`,
    // Polite, as its clients are: beside a load without pause the pipe must get its share of two cores.
    command: [
      'nice',
      '-n',
      '19',
      'nginx',
      '-e',
      join(dir, 'nginx-error.log'),
      '-p',
      dir,
      '-c',
      join(dir, 'nginx.conf'),
    ],
    cgroup,
    namespace: host.namespace,
    log: join(dir, 'nginx.log'),
  })
  // The master writes its pid after the listeners are open.
  await untilReady(running, () => existsSync(join(dir, 'nginx.pid')))
  return running
}
