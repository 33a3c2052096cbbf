/** The command line of what brings a stack up. Exits with 2 on what nobody understands. */
import { parseArgs } from 'node:util'
import { STORE_KINDS, type StoreKind } from './object-store.ts'

export type StackArguments = { dir: string; soakMs: number; natsServers: number; store: StoreKind }

const EXIT_USAGE = 2

/** `what` says in a line what the command does; `given` are its defaults. */
export function stackArguments(what: string, given: { dir: string; soakMs: number }): StackArguments {
  const usage = `${what}

  --dir DIR        where the stack lies; new, empty, or an earlier stack's (${given.dir})
  --soak-ms N      milliseconds that every ring holds a release before the next one gets it (${given.soakMs})
  --nats-cluster N servers of the bus (1)
  --store KIND     ${STORE_KINDS.join(' or ')}: objects in a directory, or in a bucket of Ceph's radosgw (files)
`
  try {
    const { values } = parseArgs({
      options: {
        dir: { type: 'string', default: given.dir },
        'soak-ms': { type: 'string', default: String(given.soakMs) },
        'nats-cluster': { type: 'string', default: '1' },
        store: { type: 'string', default: 'files' },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) {
      process.stdout.write(usage)
      process.exit(0)
    }
    const store = STORE_KINDS.find((kind) => kind === values.store)
    if (store === undefined) throw new Error(`--store is ${STORE_KINDS.join(' or ')}`)
    const [soakMs, natsServers] = [Number(values['soak-ms']), Number(values['nats-cluster'])]
    if (!Number.isSafeInteger(soakMs) || soakMs < 0) throw new Error('--soak-ms is a number of milliseconds')
    if (!Number.isSafeInteger(natsServers) || natsServers < 1) throw new Error('--nats-cluster is a number')
    return { dir: values.dir, soakMs, natsServers, store }
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${usage}`)
    process.exit(EXIT_USAGE)
  }
}
