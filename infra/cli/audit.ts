/**
 * `heddle audit <node>`: from the programs in the kernel back to the commit. Without a node: what every rollout of
 * the fleet did, out of its signed history.
 */
import { join } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { auditAtRest } from '../node/audit.ts'
import { openSubject } from '../node/subject.ts'
import { custodyOfStack } from '../trust/custody.ts'
import { auditHistory, auditNodeAt } from './audit-history.ts'
import { tellChain } from './chain-output.ts'
import { UsageError } from './usage.ts'

type Options = {
  config?: string
  stack?: string
  store?: string
  root?: string
  ring?: string
  at?: number
  json?: boolean
  csv?: boolean
}

function configOf(node: string | undefined, { config, stack }: Options): string {
  if (config !== undefined) return config
  if (stack !== undefined && node !== undefined) return join(stack, 'nodes', node, 'node.json')
  throw new UsageError('say where the node is: --config FILE or --stack DIRECTORY and its name')
}

async function run(node: string | undefined, options: Options): Promise<void> {
  if (node === undefined && options.config === undefined) return auditHistory(fleetOf(options))
  for (const only of ['store', 'root', 'ring', 'csv'] as const)
    if (options[only] !== undefined) throw new UsageError(`--${only} is for the whole fleet, without a node`)
  const subject = await openSubject(configOf(node, options))
  if (node !== undefined && subject.node !== node)
    throw new UsageError(`this is the configuration of node ${subject.node}`)
  if (options.at !== undefined) return auditNodeAt(subject, options.at, options.json)
  const result = await auditAtRest(subject, () => openSubject(configOf(node, options)))
  process.stdout.write(
    options.json ? `${JSON.stringify({ node: subject.node, ...result }, null, 2)}\n` : tellChain(result),
  )
  if (result.broken !== null) process.exitCode = 1
}

function fleetOf({ stack, config: _, ...options }: Options) {
  const local = stack === undefined ? undefined : custodyOfStack(stack)
  const { store = local?.store, root = local?.root } = options
  if (store === undefined || root === undefined)
    throw new UsageError('say which node, or --store and --root for the history of the fleet')
  if (options.json && options.csv) throw new UsageError('--json or --csv')
  return { ...options, store, root }
}

function timeOf(text: string): number {
  const time = Date.parse(text)
  if (Number.isNaN(time)) throw new InvalidArgumentError('a time is ISO 8601, as 2026-11-23T10:00:00Z')
  return time
}

export function register(program: Command): void {
  program
    .command('audit')
    .argument('[node]', 'name of the node; without it the history of the fleet')
    .description('follow running programs back to the commit, or every rollout through the signed history')
    .option('--config <file>', "the node's configuration")
    .option('--stack <directory>', 'a local stack that the node belongs to, or whose history it is')
    .option('--store <address>', 'object store: a directory, http(s)://… or s3://bucket/prefix?…')
    .option('--root <file>', 'the trusted root.json that the history begins at')
    .option('--ring <name>', 'only this ring of the history')
    .option('--at <time>', 'what rings, or the node, were told to run at that time (ISO 8601)', timeOf)
    .option('--json', 'print what was found as JSON')
    .option('--csv', 'print the history as comma-separated values, a line for each release and ring')
    .action(run)
}
