/** What set-up.mjs installs, before there is any dependency: plain data. */

const TESTS = ['test', 'node24']
/** Who builds or runs what runs on Lambda. */
export const CLOUD = [...TESTS, 'cloud']
/** Who asks for an S3 server: others do without its 90 MB. */
export const S3 = 's3'
const ALL = ['demo', 'dev', 'bench', ...TESTS]
const CHECKS = [...ALL, 'check', 'generate']
const LLVM_ARCHITECTURE = process.arch === 'arm64' ? 'aarch64' : 'x86_64'
const SANITIZER = `/usr/lib/llvm-22/lib/clang/22/lib/linux/libclang_rt.asan-${LLVM_ARCHITECTURE}.a`

/** Debian package, how to see that it is there, which commands need it, and what for. */
export const NEEDS = [
  { package: 'clang-22', command: 'clang-22', for: [...CHECKS, 'cloud'], why: 'compiles policies to eBPF' },
  {
    package: 'llvm-22',
    command: 'llvm-objcopy-22',
    for: [...ALL, 'cloud'],
    why: 'reads and strips ELF files',
  },
  { package: 'bpftool', command: 'bpftool', for: CHECKS, why: 'reads what the kernel runs' },
  { package: 'libbpf1', library: 'libbpf.so.1', for: [...ALL, 'unit'], why: 'loads and attaches programs' },
  {
    package: 'libbpf-dev',
    file: '/usr/include/bpf/bpf_helpers.h',
    for: [...CHECKS, 'cloud'],
    why: 'headers of eBPF helpers',
  },
  { package: 'iproute2', command: 'ip', for: ALL, why: 'network namespaces of the nodes' },
  { package: 'util-linux', command: 'nsenter', for: ALL, why: 'starts a process inside a namespace' },
  {
    package: 'nginx-light',
    command: 'nginx',
    service: 'nginx',
    for: ALL,
    why: 'the service that is protected',
  },
  {
    package: 'nats-server',
    command: 'nats-server',
    service: 'nats-server',
    for: ALL,
    why: 'hints to nodes, reports from nodes',
  },
  { package: 'openssl', command: 'openssl', for: [...ALL, 'unit'], why: 'certificates of the bus' },
  {
    package: 'ceph-mon',
    command: 'ceph-mon',
    service: 'ceph-crash',
    for: [S3, ...TESTS],
    why: 'Ceph: keeps the map of a real S3 server',
  },
  {
    package: 'ceph-osd',
    command: 'ceph-osd',
    for: [S3, ...TESTS],
    why: 'Ceph: keeps its objects, in memory',
  },
  { package: 'radosgw', command: 'radosgw', for: [S3, ...TESTS], why: 'Ceph: the S3 server itself' },
  { package: 'git', command: 'git', for: [...ALL, 'unit'], why: 'the policy repository' },
  {
    package: 'libclang-rt-22-dev',
    file: SANITIZER,
    for: TESTS,
    why: 'sanitizers for the parsers that also compile on the host',
  },
  { package: 'python3', command: 'python3', for: TESTS, why: 'a server and a sender that are not Node' },
  {
    package: 'qemu-system-x86',
    command: 'qemu-system-x86_64',
    for: TESTS,
    why: 'runs the programs on the oldest supported kernel',
  },
  { package: 'busybox-static', command: 'busybox', for: TESTS, why: 'the user space of that kernel' },
  {
    package: 'haproxy',
    command: 'haproxy',
    service: 'haproxy',
    for: ['bench', ...TESTS],
    why: 'a peer to compare with, and a server',
  },
  {
    package: 'prometheus',
    command: 'prometheus',
    service: 'prometheus',
    for: TESTS,
    why: 'answers the queries that a rollout may ask',
  },
  { package: 'wrk', command: 'wrk', for: ['bench', ...TESTS], why: 'makes the load' },
  // The runtime interface client of Lambda is built with these, once (infra/cloud/ric).
  { package: 'g++', command: 'g++', for: CLOUD, why: "compiles Lambda's runtime client" },
  { package: 'make', command: 'make', for: CLOUD, why: "builds Lambda's runtime client" },
  { package: 'cmake', command: 'cmake', for: CLOUD, why: "configures Lambda's runtime client" },
  { package: 'autoconf', command: 'autoconf', for: CLOUD, why: 'configures the curl that it is linked with' },
  { package: 'automake', command: 'automake', for: CLOUD, why: 'the same' },
  { package: 'libtool', command: 'libtoolize', for: CLOUD, why: 'the same' },
  { package: 'buildah', command: 'buildah', for: CLOUD, why: "builds the compile function's image" },
  { package: 'skopeo', command: 'skopeo', for: CLOUD, why: 'looks into images, and copies them' },
  { package: 'curl', command: 'curl', for: TESTS, why: 'a client that everybody has' },
  { package: 'apache2-bin', command: 'apache2', for: TESTS, why: 'a server that defers accept' },
  {
    package: 'openjdk-17-jdk-headless',
    command: 'javac',
    for: TESTS,
    why: "the JDK's HttpClient and HttpServer",
  },
  { package: 'golang-go', command: 'go', for: TESTS, why: 'builds the verifier of the log that is not ours' },
  {
    package: 'golang-golang-x-mod-dev',
    file: '/usr/share/gocode/src/golang.org/x/mod/sumdb/note/note.go',
    for: TESTS,
    why: 'signed notes and tiles as Go reads them',
  },
  {
    package: 'python3-securesystemslib',
    file: '/usr/lib/python3/dist-packages/securesystemslib/keys.py',
    for: TESTS,
    why: 'verifies TUF and DSSE as the TUF project does',
  },
  {
    package: 'python3-nacl',
    file: '/usr/lib/python3/dist-packages/nacl/signing.py',
    for: TESTS,
    why: 'its Ed25519',
  },
  {
    package: 'signify-openbsd',
    command: 'signify-openbsd',
    for: TESTS,
    why: 'verifies raw Ed25519 signatures',
  },
]
