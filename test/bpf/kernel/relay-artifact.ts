/** The real programs with the tables of one small policy: GET /public… is allowed, the rest refused. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rowsFor } from '../../../agent/identities.ts'
import type { IdentityRows } from '../../../agent/ports.ts'
import type { PolicySet } from '../../../pipelines/policy/model.ts'
import type { Source } from '../../../pipelines/policy/source.ts'
import { buildTables } from '../../../pipelines/tables/build-tables.ts'

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url))
const WORDS_LOG2 = 14
const FLAGS = [
  '-O2',
  '-g',
  '-target',
  'bpf',
  '-mcpu=v3',
  '-Wno-c23-extensions',
  '-I/usr/include/x86_64-linux-gnu',
]
const source: Source = { file: 'relay.yaml', line: 1, column: 1 }

const SET: PolicySet = {
  policies: [
    {
      name: 'public-only',
      namespace: 'shop',
      source,
      subject: { namespaces: ['shop'], requirements: [] },
      unparsed: 'refuse',
      selects: true,
      allow: [
        {
          source,
          peers: null,
          ports: null,
          http: [{ source, method: 'GET', path: '/public.*', headers: [] }],
        },
      ],
      deny: [],
    },
  ],
  routes: [],
}

export type RelayArtifact = { dispatcher: Buffer; inbound: Buffer; rows: IdentityRows[] }

/** Compiles both programs, of the sources below `root`, with another policy than that one if it is asked for. Identity 1 is every workload of namespace shop. */
export function relayArtifact(root = ROOT, set = SET): RelayArtifact {
  const built = buildTables(set)
  if (!built.ok) throw built.failures[0] as Error
  const directory = mkdtempSync(join(tmpdir(), 'heddle-relay-elf-'))
  try {
    const policy = Buffer.alloc(4 << WORDS_LOG2)
    policy.set(built.tables.blob)
    writeFileSync(join(directory, 'policy.bin'), policy)
    const compile = (program: string) => {
      const out = join(directory, `${program}.o`)
      const args = [`-DPOLICY_WORDS_LOG2=${WORDS_LOG2}`, `--embed-dir=${directory}`]
      execFileSync('clang-22', [...FLAGS, ...args, '-c', join(root, `bpf/programs/${program}.c`), '-o', out])
      return readFileSync(out)
    }
    const rows = rowsFor([...built.tables.blocks], [{ number: 1, namespace: 'shop', labels: {} }])
    return { dispatcher: compile('dispatcher'), inbound: compile('inbound'), rows }
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
