/** `heddle node unit`, `relay-unit`, `relay-socket-unit`: systemd units of a node's processes, to be installed by hand. */
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Command, InvalidArgumentError } from 'commander'
import { readRelayConfig } from '../../agent/relay/config.ts'
import { DEFAULT_PORT, relayService, relaySocket } from '../node/relay-systemd.ts'
import { systemdUnit } from '../node/systemd.ts'

const AGENT = fileURLToPath(new URL('../../agent/main.js', import.meta.url))
const RELAY = fileURLToPath(new URL('../../agent/relay/main.js', import.meta.url))
const MAX_PORT = 65_535

function unit({ config }: { config: string }): void {
  const file = resolve(config)
  const writable = [resolve(file, '..'), '/sys/fs/bpf']
  process.stdout.write(systemdUnit({ runtime: process.execPath, agent: AGENT, config: file, writable }))
}

async function relayUnit(flags: { config: string }): Promise<void> {
  const file = resolve(flags.config)
  const config = await readRelayConfig(file)
  process.stdout.write(relayService({ runtime: process.execPath, relay: RELAY, file, config }))
}

function relaySocketUnit(flags: { port: number; ipv6: boolean }): void {
  process.stdout.write(relaySocket(flags))
}

function portOf(text: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : Number.NaN
  if (port <= MAX_PORT) return port
  throw new InvalidArgumentError(`a port is a number from 1 to ${MAX_PORT}.`)
}

export function register(program: Command): void {
  const node = program.commands.find((command) => command.name() === 'node') ?? program.command('node')
  node
    .command('unit')
    .description('print a systemd unit for the agent')
    .requiredOption('--config <file>', "the node's configuration")
    .action(unit)
  node
    .command('relay-unit')
    .description('print a systemd unit for the relay: heddle-relay.service; again when its times change')
    .requiredOption('--config <file>', "the relay's configuration")
    .action(relayUnit)
  node
    .command('relay-socket-unit')
    .description('print the unit of its sockets, which outlive it: heddle-relay.socket')
    .option('--port <port>', 'where calls of services lead to, on both loopbacks', portOf, DEFAULT_PORT)
    .option('--no-ipv6', 'this machine has no IPv6')
    .action(relaySocketUnit)
}
