/**
 * Makes a fresh clone able to run a command: npm packages, Debian packages,
 * compiled output. Says what is missing and why before it installs it; without
 * root or apt it names the packages and stops. On a ready machine it changes
 * nothing. Plain JavaScript without dependencies: it runs before there are any.
 * All it says goes to stderr, so that `npm run -s bench` prints only its JSON.
 *
 *     node infra/ci/set-up.mjs demo|dev|test|node24|bench|check|generate|unit|cloud|build [PROGRAM ARGUMENT…]
 *
 * PROGRAM is run when all is there: so what its arguments ask for is known before (`npm run demo -- --store s3`).
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { CLOUD, NEEDS, S3 } from './debian-packages.mjs'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NODE_MINIMUM = [20, 19]
/** Where Debian puts half of the commands; `su` without `-` leaves it out of root's PATH, and dpkg needs it. */
const SBIN = ['/usr/local/sbin', '/usr/sbin', '/sbin']
/** The first minutes of a new machine belong to its unattended upgrades: wait for their lock. */
const LOCK_WAIT_SECONDS = 600
const WHERE_PACKAGES_ARE = 'they are in Debian 12 with its security updates (bookworm-security)'
/** Debian starts the service of a package at once, unless this file says no (policy-rc.d, exit code 101). */
const SERVICE_POLICY = '/usr/sbin/policy-rc.d'

const say = (text) => process.stderr.write(`set-up: ${text}\n`)

function stop(text) {
  say(text)
  process.exit(1)
}

function hasCommand(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...SBIN]
  return folders.some((folder) => existsSync(join(folder, name)))
}

function hasLibrary(name) {
  const folders = ['/lib', '/usr/lib', '/usr/lib64', '/usr/local/lib']
  for (const folder of ['/usr/lib', '/lib']) {
    if (!existsSync(folder)) continue
    folders.push(
      ...readdirSync(folder)
        .filter((entry) => entry.endsWith('-linux-gnu'))
        .map((entry) => join(folder, entry)),
    )
  }
  return folders.some((folder) => existsSync(join(folder, name)))
}

/** What tells that a package is there. */
const markOf = (need) => need.command ?? need.library ?? need.file

function isMissing(need) {
  if (need.command !== undefined) return !hasCommand(need.command)
  return need.library !== undefined ? !hasLibrary(need.library) : !existsSync(need.file)
}

function run(command, args, environment = {}) {
  const result = spawnSync(command, args, {
    cwd: ROOT,
    // stdin closed: nothing here may ask. stdout becomes our stderr.
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...environment },
  })
  return result.status === 0
}

async function installDebianPackages(purposes) {
  const isNeeded = (need) => need.for.some((each) => purposes.includes(each)) && isMissing(need)
  const missing = NEEDS.filter(isNeeded)
  if (missing.length === 0) return
  for (const need of missing) say(`missing ${need.package}: ${need.why}`)
  const names = missing.map((need) => need.package)
  const byHand = `install by hand: apt-get install --no-install-recommends ${names.join(' ')}`
  if (!hasCommand('apt-get')) stop(`no apt-get here; ${byHand}`)
  if (process.getuid?.() !== 0) stop(`not root; ${byHand}`)
  const environment = {
    DEBIAN_FRONTEND: 'noninteractive',
    PATH: [process.env.PATH, ...SBIN].join(delimiter),
  }
  const apt = (...args) =>
    run('apt-get', ['-q', '-o', `DPkg::Lock::Timeout=${LOCK_WAIT_SECONDS}`, ...args], environment)
  say('reading the package lists (apt-get update)')
  // A source of somebody else's that is down must not keep us from Debian's.
  if (!apt('update')) say('apt-get update failed; going on with the lists that are there')
  const unknown = names.filter((name) => spawnSync('apt-cache', ['show', name]).status !== 0)
  if (unknown.length > 0) stop(`apt knows no ${unknown.join(', ')}: ${WHERE_PACKAGES_ARE}; ${byHand}`)
  say(`installing ${names.join(' ')} (apt-get install)`)
  const installed = await withoutServices(missing, () =>
    apt('-y', 'install', '--no-install-recommends', ...names),
  )
  if (!installed) stop(`apt-get failed, see above; ${byHand}`)
  const useless = missing.filter(isNeeded).map((need) => `${need.package} (${markOf(need)})`)
  if (useless.length > 0) stop(`installed, and still not to be found: ${useless.join(', ')}`)
}

/**
 * The stack starts its own nginx and nats-server, inside. Debian would start theirs too, on every address
 * of the machine, NATS without a password: they are neither started now nor at boot.
 */
async function withoutServices(needs, install) {
  const services = needs.flatMap((need) => need.service ?? [])
  const isOurs = services.length > 0 && !existsSync(SERVICE_POLICY)
  // Ctrl-C and a lost terminal do not end this process at once: it has a file to remove.
  let interrupted = false
  const stay = () => {
    interrupted = true
  }
  for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, stay)
  try {
    if (isOurs) writeFileSync(SERVICE_POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
    const installed = install()
    // A signal that came meanwhile is told in the second turn of the event loop.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
    if (!installed) return false
  } finally {
    if (isOurs) rmSync(SERVICE_POLICY, { force: true })
    for (const signal of ['SIGINT', 'SIGHUP']) process.off(signal, stay)
  }
  if (services.length > 0 && hasCommand('systemctl')) {
    say(`keeping Debian's own services from starting (systemctl disable): ${services.join(' ')}`)
    run('systemctl', ['--quiet', 'disable', ...services])
  }
  if (interrupted) stop('interrupted')
  return true
}

/** True when `folder` has the packages of its lock file in exactly those versions. */
function npmPackagesAreThere(folder) {
  const installedFile = join(folder, 'node_modules/.package-lock.json')
  if (!existsSync(installedFile)) return false
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  return Object.entries(lockedPackages(folder)).every(([path, entry]) => {
    return path === '' || entry.optional === true || installed[path]?.version === entry.version
  })
}

const lockedPackages = (folder) =>
  JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages

function installNpmPackages(folder, what, ...options) {
  if (npmPackagesAreThere(folder)) return
  say(`missing or not as locked: ${what}; npm ci`)
  // Errors only: a warning about an engine that a package would rather have worries and helps nobody.
  if (!run('npm', ['ci', '--prefix', folder, '--loglevel=error', ...options])) stop('npm ci failed')
}

/** Without links to its command: `node` in node_modules/.bin would become the Node of every npm script. */
function installSecondNode() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return
  installNpmPackages(
    join(ROOT, 'infra/ci/node-24'),
    'Node 24, for a second run of the tests',
    '--no-bin-links',
  )
}

/** esbuild, and Lambda's runtime client: the one package of npm whose own scripts run, because it is native. */
function installLambdaTools() {
  if (process.platform !== 'linux' || process.arch !== 'x64') return
  const folder = join(ROOT, 'infra/cloud/ric')
  installNpmPackages(folder, "what bundles Lambda's functions and runs them")
  if (existsSync(join(folder, 'node_modules/aws-lambda-ric/dist/rapid-client.node'))) return
  say("building Lambda's runtime client, once (a minute or two)")
  const headers = join(process.execPath, '../..')
  const environment = {
    npm_config_ignore_scripts: 'false',
    MAKEFLAGS: `-j${availableParallelism()}`,
    // Node's own headers where they came with it; node-gyp would fetch them.
    ...(existsSync(join(headers, 'include/node/node.h')) ? { npm_config_nodedir: headers } : {}),
  }
  const built = run('npm', ['rebuild', 'aws-lambda-ric', '--prefix', folder, '--loglevel=error'], environment)
  if (!built) stop('the runtime client could not be built, see above')
}

function compile(purpose) {
  // The demo does not wait for the tests to compile; what generates comes before what it generates.
  const project = { demo: ['infra'], dev: ['infra'], cloud: ['infra'], generate: ['bpf'] }[purpose] ?? []
  if (!existsSync(join(ROOT, 'dist'))) say('compiling to dist/ (tsc)')
  if (!run(join(ROOT, 'node_modules/.bin/tsc'), ['-b', ...project])) stop('compiling failed, see above')
}

/** `--store s3` or `--store=s3`. */
const asksForS3 = (options) =>
  options.some((each, index) => each === '--store=s3' || (each === '--store' && options[index + 1] === 's3'))

/** In this process: signals and exit code are its own. */
async function runProgram(path, options) {
  const file = join(ROOT, path)
  process.argv = [process.execPath, file, ...options]
  await import(pathToFileURL(file).href)
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [wantMajor, wantMinor] = NODE_MINIMUM
  if (major < wantMajor || (major === wantMajor && minor < wantMinor)) {
    stop(`Node ${process.versions.node} is too old: Heddle needs ${NODE_MINIMUM.join('.')} or newer`)
  }
}

const [purpose = 'build', program, ...options] = process.argv.slice(2)
checkNode()
await installDebianPackages(asksForS3(options) ? [purpose, S3] : [purpose])
installNpmPackages(ROOT, 'the npm packages of package-lock.json')
if (purpose === 'node24') installSecondNode()
if (CLOUD.includes(purpose)) installLambdaTools()
compile(purpose)
if (program !== undefined) await runProgram(program, options)
