/**
 * Makes a fresh clone able to run a command: npm packages, Debian packages,
 * compiled output. Says what is missing and why before it installs it; without
 * root or apt it names the packages and stops. On a ready machine it changes
 * nothing. Plain JavaScript without dependencies: it runs before there are any.
 * All it says goes to stderr, so that `npm run -s bench` prints only its JSON.
 *
 *     node infra/ci/set-up.mjs demo|dev|test|bench|build
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const NODE_MINIMUM = [20, 19]

/** Debian package, how to see that it is there, which commands need it, and what for. */
const NEEDS = [
  {
    package: 'clang-22',
    command: 'clang-22',
    for: ['demo', 'dev', 'test', 'bench'],
    why: 'compiles policies to eBPF',
  },
  {
    package: 'llvm-22',
    command: 'llvm-objcopy-22',
    for: ['demo', 'dev', 'test', 'bench'],
    why: 'reads and strips ELF files',
  },
  {
    package: 'bpftool',
    command: 'bpftool',
    for: ['demo', 'dev', 'test', 'bench'],
    why: 'reads what the kernel runs',
  },
  {
    package: 'libbpf1',
    library: 'libbpf.so.1',
    for: ['demo', 'dev', 'test', 'bench'],
    why: 'loads and attaches programs',
  },
  {
    package: 'libbpf-dev',
    file: '/usr/include/bpf/bpf_helpers.h',
    for: ['demo', 'dev', 'test', 'bench'],
    why: 'headers of eBPF helpers',
  },
  {
    package: 'iproute2',
    command: 'ip',
    for: ['demo', 'dev', 'test', 'bench'],
    why: 'network namespaces of the nodes',
  },
  {
    package: 'util-linux',
    command: 'nsenter',
    for: ['demo', 'dev', 'test', 'bench'],
    why: 'starts a process inside a namespace',
  },
  {
    package: 'nginx-light',
    command: 'nginx',
    for: ['demo', 'dev', 'test', 'bench'],
    why: 'the service that is protected',
  },
  {
    package: 'nats-server',
    command: 'nats-server',
    for: ['demo', 'dev', 'test', 'bench'],
    why: 'hints to nodes, reports from nodes',
  },
  { package: 'git', command: 'git', for: ['demo', 'dev', 'test', 'bench'], why: 'the policy repository' },
  {
    package: 'libclang-rt-22-dev',
    file: '/usr/lib/llvm-22/lib/clang/22/lib/linux/libclang_rt.asan-x86_64.a',
    for: ['test'],
    why: 'sanitizers for the parsers that also compile on the host',
  },
  {
    package: 'qemu-system-x86',
    command: 'qemu-system-x86_64',
    for: ['test'],
    why: 'runs the programs on the oldest supported kernel',
  },
  { package: 'busybox-static', command: 'busybox', for: ['test'], why: 'the user space of that kernel' },
  { package: 'haproxy', command: 'haproxy', for: ['bench'], why: 'a peer to compare with' },
  { package: 'wrk', command: 'wrk', for: ['bench'], why: 'makes the load' },
]

const say = (text) => process.stderr.write(`set-up: ${text}\n`)

function stop(text) {
  say(text)
  process.exit(1)
}

/** sbin is where Debian puts half of these, and not on every user's PATH. */
function hasCommand(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin', '/usr/local/sbin']
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

function installDebianPackages(purpose) {
  const missing = NEEDS.filter((need) => need.for.includes(purpose) && isMissing(need))
  if (missing.length === 0) return
  for (const need of missing) say(`missing ${need.package}: ${need.why}`)
  const names = missing.map((need) => need.package)
  const byHand = `install by hand: apt-get install --no-install-recommends ${names.join(' ')}`
  if (!hasCommand('apt-get')) stop(`no apt-get here; ${byHand}`)
  if (process.getuid?.() !== 0) stop(`not root; ${byHand}`)
  say(`installing ${names.join(' ')} with apt-get`)
  const quiet = { DEBIAN_FRONTEND: 'noninteractive' }
  const installed =
    run('apt-get', ['-q', 'update'], quiet) &&
    run('apt-get', ['-q', '-y', 'install', '--no-install-recommends', ...names], quiet)
  if (!installed) stop(`apt-get failed; ${byHand}`)
}

/** True when node_modules holds exactly the versions of package-lock.json. */
function npmPackagesAreThere() {
  const installedFile = join(ROOT, 'node_modules/.package-lock.json')
  if (!existsSync(installedFile)) return false
  const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages
  const installed = JSON.parse(readFileSync(installedFile, 'utf8')).packages
  return Object.entries(wanted).every(([path, entry]) => {
    return path === '' || entry.optional === true || installed[path]?.version === entry.version
  })
}

function installNpmPackages() {
  if (npmPackagesAreThere()) return
  say('node_modules is missing or differs from package-lock.json: npm ci')
  if (!run('npm', ['ci', '--no-audit', '--no-fund'])) stop('npm ci failed')
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const [wantMajor, wantMinor] = NODE_MINIMUM
  if (major < wantMajor || (major === wantMajor && minor < wantMinor)) {
    stop(`Node ${process.versions.node} is too old: Heddle needs ${NODE_MINIMUM.join('.')} or newer`)
  }
}

const purpose = process.argv[2] ?? 'build'
checkNode()
installDebianPackages(purpose)
installNpmPackages()
// The demo does not wait for the tests to compile.
const project = purpose === 'demo' || purpose === 'dev' ? ['infra'] : []
if (!run(join(ROOT, 'node_modules/.bin/tsc'), ['-b', ...project])) stop('compiling failed')
