/** Attacks on the way into the fleet and back: webhooks, the director's memory, reports. */
import type { Attack, Cut } from './attack.ts'

const RECEIVE = 'unit/functions/receive/receive'
const DELIVERY = 'unit/functions/delivery'

const readsHeadBack: Cut = {
  in: 'functions/receive/receive.ts',
  cut: 'return queueHead(ports)',
  put: 'return queueHead({ ...ports, forge: { head: async () => JSON.parse(body).after } })',
}

/** Signatures instead of keys. */
const countsKeys: Cut = {
  in: 'pipelines/contract/dsse.ts',
  cut: 'const signers = new Set();',
  put: 'const signers = { size: 0, has: () => false, add: () => signers.size++ };',
}

export const FORGE_ATTACKS: readonly Attack[] = [
  {
    attack: 'forged webhook',
    file: RECEIVE,
    tests: [
      'answers 401 to a stranger’s secret, and queues nothing',
      'answers 401 to a signature of another body, and queues nothing',
      'asks the forge for nothing before the signature is checked',
    ],
    without: [
      {
        in: 'functions/adapters/octokit-signatures.ts',
        cut: 'return signed ? text : undefined',
        put: 'return text',
      },
    ],
  },
  {
    attack: 'forged webhook: a secret that everybody knows',
    file: RECEIVE,
    tests: ['answers 401 to the empty secret, and queues nothing'],
    without: [
      { in: 'functions/adapters/octokit-signatures.ts', cut: ".filter((secret) => secret !== '')", put: '' },
    ],
  },
  {
    attack: 'replayed webhook; forced push',
    file: RECEIVE,
    tests: [
      'queues the forced head after a forced push, and the present head for a replayed old webhook',
      'queues the head that the forge names, whatever commit the payload claims',
    ],
    without: [readsHeadBack],
  },
  {
    attack: 'deleted branch',
    file: RECEIVE,
    tests: ['queues nothing for a branch that is gone'],
    without: [{ in: 'functions/receive/receive.ts', cut: 'if (commit === undefined)', put: 'if (false)' }],
  },
  {
    attack: 'secret rotation',
    file: RECEIVE,
    tests: ['accepts both active secrets while one is replaced'],
    without: [
      {
        in: 'functions/adapters/octokit-signatures.ts',
        cut: 'for (const webhooks of active)',
        put: 'for (const webhooks of active.slice(0, 1))',
      },
    ],
  },
  {
    attack: 'reordered and redelivered webhooks; deleted branch',
    file: DELIVERY,
    tests: ['does not deliver a commit that is no longer on the branch'],
    without: [
      {
        in: 'functions/rollout/rollout.ts',
        cut: 'if (head === undefined || (head !== commit && !(await forge.contains(head, commit))))',
        put: 'if (false)',
      },
      {
        in: 'functions/validate/validate.ts',
        cut: 'if (head === undefined || (head !== commit && !(await ports.forge.contains(head, commit))))',
        put: 'if (false)',
      },
    ],
  },
  {
    attack: 'redelivered webhook',
    file: DELIVERY,
    tests: ['does nothing for an event that comes again when all is done'],
    without: [
      {
        in: 'functions/rollout/rollout.ts',
        cut: 'return (await forge.contains(head, current)) && forge.contains(current, commit)',
        put: 'return false',
      },
    ],
  },
  {
    attack: 'a rollout state that somebody else has written',
    file: 'unit/functions/trust/statements',
    tests: ['a statement that somebody else has signed is not read'],
    without: [
      {
        in: 'functions/trust/statements.ts',
        cut: 'key !== undefined && verify(null, message, key, signature)',
        put: 'true',
      },
    ],
  },
  {
    attack: 'threshold met twice by one key: a statement of the functions',
    file: 'unit/functions/trust/statements',
    tests: ['a statement that one of two keys has signed twice is not read'],
    without: [countsKeys],
  },
  {
    attack: 'lying report: in the name of another node',
    file: 'unit/functions/adapters/nats-bus',
    tests: ['are refused when they are reports of another node'],
    without: [
      {
        in: 'functions/adapters/nats-bus.ts',
        cut: 'subject === report(parsed.node) ? parsed : undefined',
        put: 'parsed',
      },
    ],
  },
  {
    attack: 'lying report: of another release',
    file: 'unit/pipelines/rollout/rollout',
    tests: ['is not moved by reports of other releases, nodes and rings'],
    without: [{ in: 'pipelines/rollout/state.ts', cut: ' && fact.number === number', put: '' }],
  },
  {
    attack: 'lying report: of another ring',
    file: 'unit/pipelines/rollout/lying-reports',
    tests: ['of a node that is not in that ring, or in none, change nothing'],
    without: [
      {
        in: 'pipelines/rollout/step.ts',
        cut: 'name === report.ring && nodes.includes(report.node)',
        put: 'true',
      },
    ],
  },
  {
    attack: 'lying report: from the future',
    file: 'unit/pipelines/rollout/lying-reports',
    tests: ['from the future, or from no time at all, do not outlive what is said next'],
    without: [
      {
        in: 'pipelines/rollout/step.ts',
        cut: 'Math.min(said, now)',
        put: 'said',
      },
    ],
  },
  {
    attack: 'replayed report',
    file: 'unit/pipelines/rollout/lying-reports',
    tests: ['in any order, and again, end in the same: the latest of each node'],
    without: [{ in: 'pipelines/rollout/step.ts', cut: ' && !isLater(fact, known, now)', put: ' && false' }],
  },
  {
    attack: 'two rings’ rollouts at once beyond the blast radius',
    file: 'unit/pipelines/rollout/turns',
    tests: ['never let more nodes run what has not soaked than the blast radius allows'],
    without: [{ in: 'pipelines/rollout/decide.ts', cut: ', current.soaked + radius', put: '' }],
  },
]
