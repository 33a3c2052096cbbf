/** Real servers inside the managed cgroup; each answers 200 to GET /public. */
import type { ChildProcess } from 'node:child_process'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { KernelFixture } from './kernel-fixture.ts'
import { accepts } from '../../fakes/accepts.ts'
import { freePort } from '../../fakes/free-port.ts'

/** `pid` = the process that owns the sockets. */
export type Server = { port: number; pid: number }
export type ServerKind = {
  name: string
  missing: string | undefined
  /** Sleeps in recv(): a refusal wakes it with EAGAIN, and it may close before the 403 is on the wire. */
  blocking: boolean
  start(node: KernelFixture, host?: string): Promise<Server>
}

/** Answers everything but what ends in /never; what ends in /echo with its own body. */
const NODE = `require('http').createServer((q, s) => q.url.endsWith('/echo') ? q.pipe(s) : q.url.endsWith('/never') || s.end('ok')).listen(0, process.argv[1], function () {
  console.log('port ' + this.address().port)
})`

const PYTHON = findPython()
const NGINX = ['/usr/sbin/nginx', '/usr/local/nginx/sbin/nginx'].find((path) => existsSync(path))

export const SERVERS: ServerKind[] = [
  {
    name: 'Node http',
    missing: undefined,
    blocking: false,
    start: async (node, host = '127.0.0.1') =>
      announced(node.spawnManaged(process.execPath, ['-e', NODE, host])),
  },
  {
    name: 'python3 http.server',
    missing: PYTHON === undefined ? 'python3 is not installed' : undefined,
    blocking: true,
    start: async (node) => {
      const directory = join(node.directory, 'www')
      mkdirSync(directory, { recursive: true })
      writeFileSync(join(directory, 'public'), 'ok')
      const program =
        'import sys,http.server as h\nh.BaseHTTPRequestHandler.protocol_version="HTTP/1.1"\nh.test(HandlerClass=h.SimpleHTTPRequestHandler,ServerClass=h.ThreadingHTTPServer,protocol="HTTP/1.1",port=0,bind="127.0.0.1")'
      const script = join(node.directory, 'server.py')
      writeFileSync(script, program)
      const run = `cd '${directory}' && exec '${PYTHON}' -u '${script}' 2>/dev/null`
      return announced(node.spawnManaged('sh', ['-c', run]))
    },
  },
  {
    name: 'nginx',
    missing: NGINX === undefined ? 'nginx is not installed' : undefined,
    blocking: false,
    start: startNginx,
  },
]

/** A server that prints `port N` first. */
async function announced(child: ChildProcess): Promise<Server> {
  const [line] = (await once(createInterface({ input: child.stdout as NodeJS.ReadableStream }), 'line')) as [
    string,
  ]
  return { port: Number(/port (\d+)/.exec(line)?.[1]), pid: child.pid as number }
}

async function startNginx(node: KernelFixture): Promise<Server> {
  const port = await freePort()
  const file = join(node.directory, 'nginx.conf')
  writeFileSync(
    file,
    `daemon off; master_process off; pid ${node.directory}/nginx.pid; error_log /dev/null;
events {} http { access_log off; client_body_temp_path ${node.directory}; proxy_temp_path ${node.directory};
fastcgi_temp_path ${node.directory}; uwsgi_temp_path ${node.directory}; scgi_temp_path ${node.directory};
server { listen 127.0.0.1:${port}; location / { return 200 ok; } } }`,
  )
  const child = node.spawnManaged(NGINX as string, ['-c', file])
  while (!(await accepts(port))) if (child.exitCode !== null) throw new Error('nginx ended')
  return { port, pid: child.pid as number }
}

/** The interpreter itself: a shim would be another process first. */
function findPython(): string | undefined {
  try {
    return execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}

/** Clock ticks (10 ms) of CPU that a process has used. */
export function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return Number(fields[11]) + Number(fields[12])
}
