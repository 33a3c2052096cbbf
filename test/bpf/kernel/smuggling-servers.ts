/** What streams are sent to: Node's http server, nginx and haproxy with a server behind them, and a reader of bytes. */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { accepts } from '../../fakes/accepts.ts'
import { freePort } from '../../fakes/free-port.ts'
import type { KernelFixture } from './kernel-fixture.ts'
import { expected, type Understood } from './smuggling-policy.ts'

const SERVER = fileURLToPath(new URL('./smuggling-server.js', import.meta.url))
export type ServerName = 'bytes' | 'node' | 'nginx' | 'haproxy'

/** Programs that stand in front of the recording server, with the signal that has them finish what they have. */
const FRONTS = [
  { name: 'nginx', path: '/usr/sbin/nginx', command: ['-e', 'stderr', '-c'], finish: 'SIGQUIT' },
  { name: 'haproxy', path: '/usr/sbin/haproxy', command: ['-f'], finish: 'SIGUSR1' },
] as const

/** The servers that are installed. */
export const SERVERS: readonly ServerName[] = [
  'bytes',
  'node',
  ...FRONTS.filter(({ path }) => existsSync(path)).map(({ name }) => name),
]

/** nginx may learn only by its own timeout that a connection was ended under it: it finishes that much later. */
const CONFIGS = {
  nginx: (dir: string, port: number) => `
daemon off;
user root;
worker_processes 1;
pid ${dir}/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_max_body_size 0;
  client_body_temp_path ${dir}/body;
  large_client_header_buffers 4 64k;
  keepalive_requests 1000000;
  client_header_timeout 5s;
  proxy_http_version 1.1;
  proxy_ignore_client_abort on;
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://unix:${dir}/nginx.sock; proxy_set_header Connection ""; }
  }
}
`,
  haproxy: (dir: string, port: number) => `
global
  nbthread 1
  maxconn 4096
  tune.bufsize 65536
defaults
  mode http
  timeout connect 10s
  timeout client 1h
  timeout server 1h
  http-reuse never
frontend in
  bind 127.0.0.1:${port}
  default_backend next
backend next
  server next unix@${dir}/haproxy.sock
`,
}

/** `refused`: bytes that are no request. */
export type Heard = Understood & { server: ServerName; refused?: string }

export class SmugglingServers {
  readonly ports = new Map<ServerName, number>()
  private readonly heard: Heard[] = []
  private readonly recorder: ChildProcess
  private readonly fronts: { child: ChildProcess; finish: NodeJS.Signals }[] = []

  private constructor(recorder: ChildProcess) {
    this.recorder = recorder
  }

  /** They end with the node. */
  static async start(node: KernelFixture): Promise<SmugglingServers> {
    const dir = join(node.directory, 'servers')
    mkdirSync(dir)
    const servers = new SmugglingServers(node.spawnManaged(process.execPath, [SERVER, dir]))
    const lines = createInterface({ input: servers.recorder.stdout as NodeJS.ReadableStream })
    const [first] = (await once(lines, 'line')) as [string]
    const ports = JSON.parse(first) as Record<'node' | 'bytes', number>
    servers.ports.set('node', ports.node).set('bytes', ports.bytes)
    lines.on('line', (line) => servers.hear(JSON.parse(line)))
    for (const { name, path, command, finish } of FRONTS.filter((front) => existsSync(front.path))) {
      const port = await freePort()
      const config = join(dir, `${name}.conf`)
      writeFileSync(config, CONFIGS[name](dir, port))
      const child = node.spawnManaged(path, [...command, config])
      while (!(await accepts(port))) if (child.exitCode !== null) throw new Error(`${name} ended`)
      servers.fronts.push({ child, finish })
      servers.ports.set(name, port)
    }
    return servers
  }

  /** Everything that was understood, in order: those in front first finish what they have begun. */
  async finish(): Promise<Heard[]> {
    await Promise.all(
      this.fronts.map(async ({ child, finish }) => {
        const gone = once(child, 'exit')
        child.kill(finish)
        await gone
      }),
    )
    const gone = once(this.recorder, 'close')
    this.recorder.kill('SIGTERM')
    await gone
    return this.heard
  }

  private hear(said: Heard & { raw?: string; end?: true }): void {
    if (said.end) return
    const raw = Buffer.from(said.raw ?? '', 'latin1')
    const body = said.raw === undefined ? said.body : expected(raw, 'client').requests[0]?.body
    this.heard.push({ ...said, body: body ?? said.raw ?? '' })
  }
}
