/**
 * The stack's network: one namespace that is the wire (a bridge, and the
 * cloud's side on it), one namespace for each host. The machine's own
 * namespace gets neither an interface, nor a route, nor an address.
 */
import { execa } from 'execa'
import type { Journal } from './journal.ts'
import { perform } from './perform.ts'

/** 10.77.<group>.<index> and fd77::<group>:<index>. Groups: 0 cloud, 1 nodes, 2 clients. */
export type Host = { namespace: string; address4: string; address6: string }
/** With further addresses, for further workloads: 10.77.<10 + group>.<index> and 10.77.<20 + group>.<index>. */
export type StackHost = Host & { second4: string; third4: string }

const GROUPS = { cloud: 0, node: 1, client: 2 }

export function hostOf(stack: string, group: keyof typeof GROUPS, index: number): StackHost {
  const suffix = { cloud: 'net', node: `n${index}`, client: `c${index}` }[group]
  const number = GROUPS[group]
  return {
    namespace: `hdl-${stack}-${suffix}`,
    address4: `10.77.${number}.${index}`,
    address6: `fd77::${number}:${index}`,
    second4: `10.77.${10 + number}.${index}`,
    third4: `10.77.${20 + number}.${index}`,
  }
}

/** Run `ip` commands, one a line, inside a namespace. */
function ipBatch(namespace: string, lines: string[]): void {
  perform(['ip', '-n', namespace, '-batch', '-'], `${lines.join('\n')}\n`)
}

function addNamespace(journal: Journal, name: string): void {
  journal.record({ kind: 'netns', name })
  perform(['ip', 'netns', 'add', name])
}

/** nodad: an address in a namespace of ours is nobody else's, and waiting for proof costs a second. */
const addressLines = (host: StackHost, device: string) => [
  'link set lo up',
  `link set ${device} up`,
  `addr add ${host.address4}/16 dev ${device}`,
  `addr add ${host.second4}/16 dev ${device}`,
  `addr add ${host.third4}/16 dev ${device}`,
  `addr add ${host.address6}/64 dev ${device} nodad`,
]

/** Make the wire and join every host to it. */
export function makeNetwork(journal: Journal, cloud: StackHost, hosts: StackHost[]): void {
  addNamespace(journal, cloud.namespace)
  ipBatch(cloud.namespace, ['link add br0 type bridge', ...addressLines(cloud, 'br0')])
  for (const [index, host] of hosts.entries()) {
    addNamespace(journal, host.namespace)
    ipBatch(cloud.namespace, [
      `link add port${index} type veth peer name eth0 netns ${host.namespace}`,
      `link set port${index} master br0 up`,
    ])
    ipBatch(host.namespace, addressLines(host, 'eth0'))
  }
}

/** True when something inside the namespace accepts TCP connections on the port. */
export async function listens(namespace: string, port: number): Promise<boolean> {
  const ss = ['ss', '-H', '-l', '-t', '-n', `sport = :${port}`]
  const { stdout } = await execa('nsenter', [`--net=/run/netns/${namespace}`, ...ss])
  return stdout.trim() !== ''
}
