/** Heddle before one server of the inbound suite: compiled, loaded and attached without the pipe around it. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { createKernel } from '../../agent/adapters/libbpf-kernel.ts'
import { assign, rowsFor } from '../../agent/identities.ts'
import { clangCompiler } from '../../functions/adapters/clang-compiler.ts'
import type { PolicySet, Workload } from '../../pipelines/policy/model.ts'
import { startRelay } from './relay.ts'
import type { Server } from './servers.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const SLOT = 0
const GENERATION = 1

export const compiler = clangCompiler(ROOT)

/** Resolves when every new connection of the server is judged by `policies`. */
export async function enforce(server: Server, policies: PolicySet): Promise<void> {
  const dir = join(server.dir, 'heddle')
  mkdirSync(dir)
  const dispatcher = join(dir, 'dispatcher.o')
  const inbound = join(dir, 'inbound.o')
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
  const cgroup = join(server.cgroup, 'system')
  mkdirSync(cgroup)
  // It ends refused connections; on the allowed ones of this suite it costs only its memory.
  const spot = { dir, namespace: server.host.namespace, cgroup }
  startRelay({ spot, bpffs: server.bpffs, managed: server.managed }, [api])
}
