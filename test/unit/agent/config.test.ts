import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../../agent/config.ts'
import { Failure } from '../../../pipelines/contract/failures.ts'

const CONFIG = {
  schema: 'heddle.node/1',
  node: 'node-a',
  ring: 'prod',
  previousRing: null,
  store: '/var/lib/heddle/store',
  stateDirectory: '/var/lib/heddle/state',
  bpffs: '/sys/fs/bpf/heddle',
  cgroup: '/sys/fs/cgroup/workloads.slice',
  workloads: '/etc/heddle/workloads.yaml',
  nats: null,
  root: '/etc/heddle/root.json',
}
const text = (fields: Record<string, unknown>) => JSON.stringify({ ...CONFIG, ...fields }, null, 2)

test('a configuration with what is needed gets the rest by default', () => {
  const config = parseConfig('node.json', text({}))
  assert.equal(config.pollMs, 30_000)
})

const wrong: [string, string, string, RegExp][] = [
  // libbpf would pin at /run/node_1/bpf and look at /run/node.1/bpf.
  [
    'a BPF file system below a dot',
    text({ bpffs: '/run/node.1/bpf' }),
    'schema-violation',
    /:8:12: bpffs: .*dot/,
  ],
  ['a ring without name', text({ ring: '' }), 'schema-violation', /:4:11: ring: /],
  ['a relative path', text({ cgroup: 'workloads' }), 'schema-violation', /:9:13: cgroup: /],
  ['an unknown field', text({ bpfs: '/x' }), 'schema-violation', /:1:1: the file: .*bpfs/],
  ['no JSON', '{', 'yaml-syntax', /:1:/],
]
for (const [name, config, code, place] of wrong) {
  test(`${name} is refused with its place`, () => {
    assert.throws(
      () => parseConfig('node.json', config),
      (error) => {
        assert.ok(error instanceof Failure)
        assert.equal(error.code, code)
        assert.match([error.message, ...error.detail].join('\n'), place)
        return true
      },
    )
  })
}
