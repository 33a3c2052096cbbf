/** Attacks with the transparency log: nothing runs that it does not show, and it can't take anything back. */
import type { Attack } from './attack.ts'

const AGENT = 'unit/agent/trust/log-attacks'
const MONITOR = 'unit/infra/log-monitor'

export const LOG_ATTACKS: readonly Attack[] = [
  {
    attack: 'never logged',
    file: AGENT,
    tests: [
      'never logged: the builder lists an artifact without a proof',
      'never logged: the proof of a listed artifact is left out',
    ],
    without: [{ in: 'agent/verify.ts', cut: 'await readLogged(node.store, metadata, about)', put: 'null' }],
  },
  {
    attack: 'bad proof',
    file: AGENT,
    tests: ['bad proof: that of another entry, and of another commit'],
    without: [
      {
        in: 'pipelines/log/checkpoint.ts',
        cut: 'provesInclusion(log.sha256, leaf, checkpoint, proof.hashes) ? checkpoint : undefined',
        put: 'checkpoint',
      },
    ],
  },
  {
    attack: 'split view: a log by another key',
    file: AGENT,
    tests: ['split view: a log of the same name by another key, and by a stolen online key'],
    without: [
      {
        in: 'pipelines/log/checkpoint.ts',
        cut: ' || signersOf(parsed, keys, { sha256, verify }).length === 0',
        put: '',
      },
    ],
  },
  {
    attack: 'split view: another history of the same log',
    file: MONITOR,
    tests: [
      'split view: another tree of the same size',
      'split view: a longer log that does not begin as the one that was seen',
    ],
    without: [{ in: 'infra/audit/log-monitor.ts', cut: '!sameBytes(tree, kept.root)', put: 'false' }],
  },
  {
    attack: 'shrinking log',
    file: MONITOR,
    tests: ['shrinking log: an old checkpoint that is put back'],
    without: [{ in: 'infra/audit/log-monitor.ts', cut: 'now.size < kept.size', put: 'false' }],
  },
]
