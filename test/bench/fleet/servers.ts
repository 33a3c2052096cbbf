/** What a fleet has in common: one object store behind plain HTTP, one bus. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type PreparedNats, prepareNats } from '../../../infra/nats/local-server.ts'
import { accepts } from '../../fakes/accepts.ts'
import { freePort } from '../../fakes/free-port.ts'

const START_MS = 60_000

export type Served = { pid: number; url: string; stop(): Promise<void> }

/** nginx, one worker, over the directory that the functions write: a bucket or a mirror to the agents. */
export async function startStore(dir: string, objects: string): Promise<Served> {
  const port = await freePort()
  const config = `
daemon off;
master_process off;
worker_rlimit_nofile 20000;
pid ${dir}/store.pid;
error_log ${dir}/store.errors error;
events { worker_connections 16384; }
http {
  access_log off;
  keepalive_requests 1000000;
  keepalive_timeout 1h;
  sendfile on;
  tcp_nopush on;
  client_body_temp_path ${dir}/store-body;
  server { listen 127.0.0.1:${port} backlog=8192; root ${objects}; }
}
`
  const file = join(dir, 'store.conf')
  writeFileSync(file, config)
  const child = spawn('nginx', ['-e', `${dir}/store.errors`, '-p', dir, '-c', file], { stdio: 'ignore' })
  await until('the store', child, async () => (await accepts(port)) || undefined)
  return served(child, `http://127.0.0.1:${port}`)
}

/** The bus as infra/nats configures it: a key and permissions for each node. */
export async function startBus(
  dir: string,
  nodes: { name: string; ring: string }[],
): Promise<Served & Pick<PreparedNats, 'functions' | 'publish'>> {
  const prepared = await prepareNats(join(dir, 'nats'), '127.0.0.1', nodes)
  const [command = '', ...args] = prepared.command
  const child = spawn(command, args, { stdio: 'ignore' })
  const url = await until('the bus', child, () => prepared.url())
  return { ...served(child, url), functions: prepared.functions, publish: prepared.publish }
}

function served(child: ChildProcess, url: string): Served {
  return {
    pid: child.pid as number,
    url,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const gone = once(child, 'exit')
      child.kill('SIGKILL')
      await gone
    },
  }
}

async function until<T>(what: string, child: ChildProcess, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + START_MS
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (child.exitCode !== null || Date.now() > deadline) {
      child.kill('SIGKILL')
      throw new Error(`${what} did not start`)
    }
    await sleep(20)
  }
}
