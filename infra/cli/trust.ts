/** `heddle trust`: the keys that everything hangs on, held by an operator, used for one command at a time. */
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { LOG_KEY, type KeyName, OFFLINE_ROLES, type OfflineRole, ROLES } from '../../functions/trust/roles.ts'
import type { RoleStatus } from '../../functions/trust/trust-status.ts'
import { absoluteAddress } from '../store/open-store.ts'
import { checkoutCode } from '../trust/checkout-code.ts'
import {
  type Custody,
  custodyOfStack,
  extendTrust,
  initTrust,
  restartTrust,
  rotateKeys,
  rotateLogKey,
  signCheckout,
  statusOfTrust,
} from '../trust/custody.ts'
import { numberOf } from '../trust/log-keys.ts'
import { type Ink, paint } from './style.ts'
import { UsageError } from './usage.ts'

type Where = {
  stack?: string
  store?: string
  root?: string
  offline?: string[]
  online?: string
  json?: boolean
}

function custodyOf(where: Where): Custody {
  const stack = where.stack === undefined ? undefined : custodyOfStack(where.stack)
  const named = (option: 'store' | 'root' | 'online') => {
    const given = where[option]
    if (given !== undefined) return option === 'store' ? absoluteAddress(given) : resolve(given)
    if (stack !== undefined) return stack[option]
    throw new UsageError(`say --${option}, or --stack for a local one`)
  }
  const offline = where.offline?.map((directory) => resolve(directory)) ?? stack?.offline
  if (offline === undefined) throw new UsageError('say --offline, or --stack for a local one')
  return { store: named('store'), root: named('root'), online: named('online'), offline }
}

function tell(where: Where, value: object, text: string): void {
  process.stdout.write(where.json ? `${JSON.stringify(value, null, 2)}\n` : `${text}\n`)
}

async function init(where: Where & { logOrigin?: string }): Promise<void> {
  const root = await initTrust({ ...custodyOf(where), origin: where.logOrigin }, await checkoutCode())
  tell(
    where,
    root,
    `root ${root.version}, ${root.fingerprint}, until ${root.expires}: compare it where a node is enrolled`,
  )
}

const INK: Record<RoleStatus['state'], Ink> = {
  good: 'green',
  ageing: 'yellow',
  unpublished: 'yellow',
  unsigned: 'red',
  expired: 'red',
}

function table({ root, roles, next, waiting, log }: Awaited<ReturnType<typeof statusOfTrust>>): string {
  const lines = roles.map(({ role, custody, version, threshold, keys, expires, state }) => {
    const short = keys.map((id) => id.slice(0, 8)).join(' ')
    const columns = [
      role.padEnd(9),
      custody.padEnd(7),
      `v${version ?? '-'}`.padEnd(5),
      expires ?? '-'.padEnd(20),
    ]
    return `${columns.join(' ')} ${threshold} of ${keys.length} (${short}) ${paint(INK[state], state)}`
  })
  const logged =
    log === null
      ? 'no log is named'
      : `log ${log.origin} (${log.keys.map(numberOf).join(' ')}), named by code`
  const last = next === null ? [] : [`expires next: ${next.role}, ${next.expires}`]
  const taken = waiting.map((what) => `waits for the functions: ${what}`)
  return [
    ...lines,
    logged,
    `trusted root ${root.trusted}, newest root ${root.newest}`,
    ...last,
    ...taken,
  ].join('\n')
}

/** An ageing online role is the functions' own business; an ageing offline one is an operator's. */
const needsSomebody = ({ custody, state }: RoleStatus): boolean =>
  state === 'ageing' ? custody === 'offline' : state !== 'good'

async function status(where: Where & { save?: string }): Promise<void> {
  const found = await statusOfTrust(custodyOf({ offline: [], online: '.', ...where }), where.save)
  tell(where, found, table(found))
  if (found.roles.some(needsSomebody)) process.exitCode = 1
}

async function rotate(role: KeyName, where: Where & { key?: string[]; now?: boolean }): Promise<void> {
  const { key: keys, now = false } = where
  if (role === LOG_KEY) {
    const rotated = await rotateLogKey(custodyOf(where), keys)
    const text = `rotated: log ${rotated.keys.join(' ')}; give the new key to the functions and start them again`
    tell(where, rotated, text)
    return
  }
  const rotated = await rotateKeys(custodyOf(where), role, keys === undefined ? { now } : { keys, now })
  const short = rotated.keys.map((id) => id.slice(0, 8)).join(' ')
  const prepared =
    role === 'targets'
      ? 'when the functions have published it (heddle trust status), run this again'
      : `give the new key to the functions, start them again, then run this again`
  const done = 'destroy the old keys when the functions have published (heddle trust status)'
  tell(
    where,
    rotated,
    `${rotated.state}: ${role} ${short}; ${rotated.state === 'prepared' ? prepared : done}`,
  )
}

async function extend(roles: OfflineRole[], where: Where): Promise<void> {
  const signed = await extendTrust(custodyOf(where), roles.length === 0 ? undefined : roles)
  tell(where, { signed }, signed.length === 0 ? 'nothing is due' : `signed anew: ${signed.join(', ')}`)
}

async function signCode(where: Where): Promise<void> {
  const code = await checkoutCode()
  const signed = await signCheckout(custodyOf(where), code)
  const paths = code.map(({ path }) => path)
  tell(where, { signed, paths }, signed ? `signed: ${paths.join(', ')}` : 'this code is signed already')
}

async function restart(where: Where & { from?: number; yes?: boolean }): Promise<void> {
  if (where.yes !== true) {
    throw new UsageError('every node must be enrolled again with the new root: say --yes')
  }
  const root = await restartTrust(custodyOf(where), where.from)
  tell(
    where,
    root,
    `root ${root.version}, ${root.fingerprint}: start the functions again, then enrol every node with --repin`,
  )
}

function oneOf<T extends string>(roles: readonly T[]) {
  return (text: string): T => {
    const found = roles.find((role) => role === text)
    if (found === undefined) throw new InvalidArgumentError(`one of ${roles.join(', ')}`)
    return found
  }
}

function collect(text: string, before: OfflineRole[] = []): OfflineRole[] {
  return [...before, oneOf(OFFLINE_ROLES)(text)]
}

function versionOf(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('a version is a number from 1')
  return Number(text)
}

const HELP = `
Offline keys (root, targets, code) are read from the directories of --offline for this one command; of the
online ones (policy, release, snapshot, timestamp) only <role>-<n>.pub. All commands may be run again.
Exit code: 0 = done (status: nobody needs to act), 1 = refused (status: somebody must act), 2 = wrong usage.
What to do when: infra/README.md, "Keys and roots".`

export function register(program: Command): void {
  const trust = program
    .command('trust')
    .description('keys and roots: make, look at, rotate')
    .addHelpText('after', HELP)
  const command = (name: string, text: string) =>
    trust
      .command(name)
      .description(text)
      .option('--stack <directory>', 'a local stack, which knows all four of these')
      .option('--store <address>', 'object store: a directory, or s3://bucket/prefix?region=…')
      .option('--root <file>', 'the trusted root.json')
      .option('--offline <directories...>', 'where offline keys are; new ones are made in the first')
      .option('--online <directory>', "public keys of the functions' roles")
      .option('--json', 'print the result as JSON')
  command('init', "make keys, the first root, and sign this checkout's code; where all is there, nothing")
    .option('--log-origin <name>', "the log's name: where it can be read, without the scheme")
    .action(init)
  command('status', 'roles, keys, thresholds, what expires next')
    .option('--save <file>', 'write the newest root there, to enrol nodes with')
    .action(status)
  command('rotate', 'other keys for a role: prepared first where nodes would else wait, then rotated')
    .argument('<role>', `${ROLES.join(', ')}; or the ${LOG_KEY}`, oneOf([...ROLES, LOG_KEY]))
    .option('--key <ids...>', 'only these keys, by id or its beginning: lost ones, a stolen one')
    .option(
      '--now',
      'a stolen key: at once; nodes take nothing new until the functions sign with the new one',
    )
    .action(rotate)
  command('extend', 'sign anew what has lived half of its life, or the roles given')
    .argument('[roles...]', OFFLINE_ROLES.join(', '), collect)
    .action(extend)
  command('sign-code', 'sign the program code that this checkout builds').action(signCode)
  command('restart', 'a new root of trust: the threshold of the old one is lost or stolen')
    .option('--from <version>', 'the last root that is believed; without it the newest', versionOf)
    .option('--yes', 'yes, every node will be enrolled again')
    .action(restart)
}
