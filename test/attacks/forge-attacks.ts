/** Attacks on the way into the fleet: webhooks, reports; and deaths on the way. */
import type { Attack, Cut } from './attack.ts'

const RECEIVE = 'unit/functions/receive/receive'
const DELIVERY = 'unit/functions/delivery'

const readsHeadBack: Cut = {
  in: 'functions/receive/receive.ts',
  cut: 'await ports.forge.head(ports.branch)',
  put: 'JSON.parse(Buffer.from(webhook.body).toString()).after',
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
        in: 'functions/receive/receive.ts',
        cut: 'if (!isSigned(webhook.body, webhook.signature, ports.secrets))',
        put: 'if (false)',
      },
    ],
  },
  {
    attack: 'forged webhook: a secret that everybody knows',
    file: RECEIVE,
    tests: ['answers 401 to the empty secret, and queues nothing'],
    without: [{ in: 'functions/receive/webhook-signature.ts', cut: "if (secret === '')", put: 'if (false)' }],
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
        in: 'functions/receive/webhook-signature.ts',
        cut: 'for (const secret of secrets)',
        put: 'for (const secret of secrets.slice(0, 1))',
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
]
