/** `heddle node admit`, `heddle node revoke`: which nodes the bus knows. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { NodeName, RingName } from '../../pipelines/contract/release.ts'
import { admitNode, type Membership, revokeNode } from '../nats/members.ts'
import { UsageError } from './usage.ts'

const NKEY = /^U[A-Z2-7]{55}$/

async function admit(node: string, flags: { nats: string; ring: string; nkey: string }): Promise<void> {
  const name = nameOf(node)
  const ring = RingName.safeParse(flags.ring)
  if (!ring.success) throw new UsageError(`${flags.ring}: no name of a ring`)
  if (!NKEY.test(flags.nkey))
    throw new UsageError(`${flags.nkey}: no public key of a user, as enroll prints it`)
  print(await admitNode(resolve(flags.nats), { name, ring: ring.data, nkey: flags.nkey }))
}

async function revoke(node: string, flags: { nats: string }): Promise<void> {
  print(await revokeNode(resolve(flags.nats), nameOf(node)))
}

function nameOf(node: string): string {
  const name = NodeName.safeParse(node)
  if (!name.success) throw new UsageError(`${node}: no name of a node`)
  return name.data
}

function print(membership: Membership): void {
  process.stdout.write(`${JSON.stringify(membership, null, 2)}\n`)
}

export function register(program: Command): void {
  const node = program.commands.find((command) => command.name() === 'node') ?? program.command('node')
  const command = (name: string, text: string) =>
    node
      .command(name)
      .argument('<node>', 'name of the node')
      .description(text)
      .requiredOption('--nats <file>', "nats-server's configuration; a server that runs is told")
  command('admit', 'let a node speak on the bus with this key, and with no other that it had')
    .requiredOption('--ring <ring>', 'ring that it belongs to')
    .requiredOption('--nkey <key>', 'its public key, as enroll prints it')
    .action(admit)
  command('revoke', 'a lost node: its keys open no connection any more, and open ones end').action(revoke)
}
