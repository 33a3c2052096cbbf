/** Deaths and faults: what keeps a node whole, and lets it go on when they are over. */
import type { Attack } from './attack.ts'

const FAULTS = 'crash/faults'
const DISK_FULL = 'crash/disk-full'
const RUNNING = 'a running agent takes a release on a disk that is full, from each of its acts on'
const STORE = 'a store is written to on a disk that is full: whole or not there, nothing left behind'

export const DEATHS_AND_FAULTS: readonly Attack[] = [
  {
    attack: 'kill -9: a file that is half written',
    file: 'unit/agent/state',
    tests: ['a write that is stopped at any operation leaves the old file whole'],
    without: [
      { in: 'agent/disk.ts', cut: '.new`, bytes, name, before', put: '`, bytes, name, before' },
      { in: 'agent/disk.ts', cut: '.new`, file)', put: '`, file)' },
    ],
  },
  {
    attack: 'kill -9: between the flip and the memory of it',
    file: 'crash/agent',
    tests: ['killed between any two acts while taking a new release'],
    without: [{ in: 'agent/slots.ts', cut: 'if (isActive(facts, pending))', put: 'if (false)' }],
  },
  {
    attack: 'kill -9: a reboot right after it',
    file: 'crash/agent',
    tests: ['killed between any two acts, and then the machine restarts without network'],
    without: [
      { in: 'agent/confirm.ts', cut: 'await activate(node, await prepare(node, enforced, facts));', put: '' },
    ],
  },
  {
    attack: 'store with an object lost',
    file: FAULTS,
    tests: ['a store that has lost the object, at each read'],
    without: [{ in: 'agent/trust/content.ts', cut: 'if (found === undefined)', put: 'if (false)' }],
  },
  {
    attack: 'clock ahead for a while',
    file: FAULTS,
    tests: [
      'a clock that is ahead for a while does not keep the node from what comes when it is right again',
    ],
    without: [
      {
        in: 'agent/pull.ts',
        cut: 'if (metadata instanceof Failure)',
        put: 'await node.state.update({ clockFloor: now }); if (metadata instanceof Failure)',
      },
    ],
  },
  {
    attack: 'disk full: a node that falls silent',
    file: DISK_FULL,
    tests: [RUNNING],
    without: [
      {
        in: 'agent/report.ts',
        cut: 'await node.state.update({ sequence: reserved + SEQUENCE_BATCH }).catch(',
        put: 'await node.state.update({ sequence: reserved + SEQUENCE_BATCH }).then(',
      },
    ],
  },
  {
    attack: 'disk full: halves that keep it full',
    file: DISK_FULL,
    tests: [STORE],
    without: [{ in: 'functions/adapters/durable-file.ts', cut: 'await rm(path, { force: true });', put: '' }],
  },
]
