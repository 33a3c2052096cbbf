/** One workload, one rule: the smallest policy that a test can judge by. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { assign, rowsFor } from '../../../agent/identities.ts'
import type { IdentityRows } from '../../../agent/ports.ts'
import type { PolicySet, Rule, Workload } from '../../../pipelines/policy/model.ts'
import { compileSet, dispatcherElf } from './artifacts.ts'
import { SUBJECT } from './generated-policies.ts'
import { KernelFixture } from './kernel-fixture.ts'

const SOURCE = { file: 'one-rule.yaml', line: 1, column: 1 }

/** Everybody may ask for /open by TCP; with `udp`, everybody may send datagrams. */
export function oneRule(udp = false): PolicySet {
  const rule = (protocol: 'TCP' | 'UDP', http: Rule['http']): Rule => ({
    source: SOURCE,
    peers: null,
    ports: [{ protocol, first: 1, last: 65535 }],
    http,
  })
  const tcp = rule('TCP', [{ source: SOURCE, path: '/open', headers: [] }])
  return {
    policies: [
      {
        name: 'p',
        namespace: 'default',
        source: SOURCE,
        subject: {
          namespaces: ['default'],
          requirements: [{ key: 'app', operator: 'In', values: ['api'] }],
        },
        unparsed: 'refuse',
        selects: true,
        allow: udp ? [tcp, rule('UDP', null)] : [tcp],
        deny: [],
      },
    ],
    routes: [],
  }
}

export type Enforced = { fixture: KernelFixture; rows: IdentityRows[]; identity: number }

export async function enforced(
  t: TestContext,
  set: PolicySet,
  subject: Workload = SUBJECT,
): Promise<Enforced> {
  const fixture = await KernelFixture.create(await dispatcherElf())
  t.after(() => fixture.close())
  const rows = await enforce(fixture, set, 1, subject)
  return { fixture, rows, identity: rows[0]?.identity ?? 0 }
}

export async function enforce(
  fixture: KernelFixture,
  set: PolicySet,
  generation: number,
  subject: Workload = SUBJECT,
): Promise<IdentityRows[]> {
  const { elf, blocks } = await compileSet(set)
  const { identities, addresses } = assign({ identities: [], published: [] }, [subject])
  const rows = rowsFor(blocks, identities)
  await fixture.stage(generation % 8, elf, rows)
  await fixture.kernel.setAddresses(addresses)
  await fixture.kernel.flip(generation % 8, generation)
  return rows
}

/** A client on loopback that sends what it is given at once, and outlives a reset. */
export async function connected(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/** Waits for what the kernel or a server will say, one turn of the event loop after the other. */
export async function until(true_: () => boolean): Promise<void> {
  while (!true_()) await new Promise((resolve) => setImmediate(resolve))
}
