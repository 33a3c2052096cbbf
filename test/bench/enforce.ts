/** Heddle before one server of the inbound suite: compiled, loaded and attached without the pipe around it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createKernel } from '../../agent/adapters/libbpf-kernel.ts'
import { assign, rowsFor } from '../../agent/identities.ts'
import { RelayConfig } from '../../agent/relay/config.ts'
import { clangCompiler } from '../../functions/adapters/clang-compiler.ts'
import { launch } from '../../infra/local/process.ts'
import type { PolicySet, Workload } from '../../pipelines/policy/model.ts'
import type { Server } from './servers.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const RELAY = join(ROOT, 'dist/agent/relay/main.js')
const SLOT = 0
const GENERATION = 1

export const compiler = clangCompiler(ROOT)

/** Resolves when every new connection of the server is judged by `policies`. */
export async function enforce(server: Server, policies: PolicySet): Promise<void> {
  const directory = join(server.dir, 'heddle')
  mkdirSync(directory)
  const dispatcher = join(directory, 'dispatcher.o')
  const inbound = join(directory, 'inbound.o')
  const { elf, blocks } = await compiler.compile(policies)
  writeFileSync(inbound, elf)
  writeFileSync(dispatcher, await compiler.dispatcher())
  const api: Workload = {
    name: 'api',
    namespace: 'bench',
    labels: { app: 'api' },
    addresses: [server.host.address4],
    mode: 'kernel',
  }
  const { identities, addresses } = assign({ identities: [], published: [] }, [api])
  const kernel = createKernel({ bpffs: server.bpffs, cgroup: server.managed })
  await kernel.install(dispatcher)
  await kernel.stage(SLOT, inbound, rowsFor(blocks, identities))
  await kernel.setAddresses(addresses)
  await kernel.flip(SLOT, GENERATION)
  startRelay(server, directory, api)
}

/** It ends refused connections; on the allowed ones of this suite it costs only its memory. */
function startRelay(server: Server, directory: string, workload: Workload): void {
  const workloads = join(directory, 'workloads.json')
  writeFileSync(workloads, JSON.stringify({ workloads: [workload] }))
  const config = RelayConfig.parse({
    schema: 'heddle.relay/1',
    node: 'bench',
    bpffs: server.bpffs,
    cgroup: server.managed,
    workloads,
    stats: join(directory, 'relay.sock'),
  })
  const file = join(directory, 'relay.json')
  writeFileSync(file, JSON.stringify(config))
  const cgroup = join(server.cgroup, 'system')
  mkdirSync(cgroup)
  launch({
    name: 'relay',
    command: [process.execPath, RELAY, '--config', file],
    cgroup,
    namespace: server.host.namespace,
    log: join(directory, 'relay.log'),
  })
}
