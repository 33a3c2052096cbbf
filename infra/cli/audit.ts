/** `heddle audit <node>`: from the programs in the kernel back to the commit. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { type Audit, audit, type Link } from '../node/audit.ts'
import { openSubject } from '../node/subject.ts'
import { paint } from './style.ts'
import { UsageError } from './usage.ts'

type Options = { config?: string; stack?: string; json?: boolean }

function configOf(node: string | undefined, { config, stack }: Options): string {
  if (config !== undefined) return config
  if (stack !== undefined && node !== undefined) return join(stack, 'nodes', node, 'node.json')
  throw new UsageError('say where the node is: --config FILE or --stack DIRECTORY and its name')
}

async function run(node: string | undefined, options: Options): Promise<void> {
  const subject = await openSubject(configOf(node, options))
  if (node !== undefined && subject.node !== node)
    throw new UsageError(`this is the configuration of node ${subject.node}`)
  const result = await audit(subject)
  process.stdout.write(
    options.json ? `${JSON.stringify({ node: subject.node, ...result }, null, 2)}\n` : tell(result),
  )
  if (result.broken !== null) process.exitCode = 1
}

function tell({ links, broken }: Audit): string {
  const lines = links.map((link) => `${paint('green', '✓')} ${link.link.padEnd(21)} ${brief(link)}\n`)
  if (broken !== null) {
    lines.push(`${paint('red', '✗')} ${broken.link.padEnd(21)} ${broken.code}: ${broken.message}\n`)
  }
  return lines.join('')
}

function brief({ facts }: Link): string {
  return Object.entries(facts)
    .map(([name, value]) => `${name} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join('  ')
}

export function register(program: Command): void {
  program
    .command('audit')
    .argument('[node]', 'name of the node')
    .description('follow the running programs back to artifact, signatures, release and commit')
    .option('--config <file>', "the node's configuration")
    .option('--stack <directory>', 'a local stack that the node belongs to')
    .option('--json', 'print the chain as JSON')
    .action(run)
}
