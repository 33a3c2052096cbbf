/** A connection to a service that is the relay's alone: the slow path, from its first byte to its last. */
import { ClientFlag, ClientLayout, Hand, ServiceLayout } from '../../../bpf/abi/heddle.gen.ts'
import { addressBytes } from '../../../agent/adapters/address-bytes.ts'
import type { KernelFixture } from './kernel-fixture.ts'

/** Marked as connections are that once pipelined: they are never taken back. `port`: the client's own. */
export function holdClient(node: KernelFixture, port: number): void {
  const name = Buffer.alloc(ServiceLayout.bytes)
  name.set(addressBytes('127.0.0.1'), ServiceLayout.fields.address.at)
  name.writeUInt16LE(port, ServiceLayout.fields.port.at)
  const cookie = node.withMap('client_names', (map) => map.lookup(name, 8)) as Buffer
  node.withMap('clients', (map) => {
    const client = map.lookup(cookie, ClientLayout.bytes) as Buffer
    const { hand, flags } = ClientLayout.fields
    client.writeUInt32LE(Hand.HAND_RELAY, hand.at)
    client.writeUInt32LE(client.readUInt32LE(flags.at) | ClientFlag.CLIENT_PIPELINES, flags.at)
    map.update(cookie, client)
  })
}
