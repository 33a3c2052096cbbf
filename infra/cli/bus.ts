/** `heddle bus init`: keys, certificates and servers of a bus. */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { NodeName } from '../../pipelines/contract/release.ts'
import { prepareRemote, type RemoteServer } from '../nats/remote-servers.ts'
import { UsageError } from './usage.ts'

async function init({ bus, server }: { bus: string; server: string[] }): Promise<void> {
  const servers = await prepareRemote(resolve(bus), server.map(serverOf))
  process.stdout.write(`${JSON.stringify({ bus: resolve(bus), servers }, null, 2)}\n`)
}

/** nats-1=10.0.0.1 */
function serverOf(text: string): RemoteServer {
  const [name = '', host = '', ...more] = text.split('=')
  if (more.length > 0 || !NodeName.safeParse(name).success || isIP(host) !== 4)
    throw new UsageError(`${text}: write it like nats-1=10.0.0.1`)
  return { name, host }
}

export function register(program: Command): void {
  program
    .command('bus')
    .description('keys, certificates and servers of a bus')
    .command('init')
    .description('make what is missing of them; what is there stays')
    .requiredOption(
      '--bus <path>',
      'directory of who enrols; each server gets the one below it that has its name',
    )
    .requiredOption('--server <name=address...>', 'a server, and where the others and all clients find it')
    .action(init)
}
