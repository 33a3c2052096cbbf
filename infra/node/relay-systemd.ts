/**
 * The relay as two systemd units. The socket's listeners outlive the service: who calls a service while one
 * relay is exchanged for another waits in their queues and is not refused.
 */
import { dirname } from 'node:path'
import type { RelayConfig } from '../../agent/relay/config.ts'
import { commandLine, hardening, pathList } from './systemd.ts'

/** What the units call each other: these are the names to install them under. */
const SERVICE = 'heddle-relay.service'
const SOCKET = 'heddle-relay.socket'

/** Below what Linux gives to clients (32768 on): else somebody's connection may have it at boot. */
export const DEFAULT_PORT = 14143

/** Connections that wait to be accepted; the relay asks for as many once it has the sockets. */
const BACKLOG = 4096

/** Milliseconds beyond `stopMs`: a relay that measures the kernel when it is told to stop ends that first, 10 s at most. */
const STOP_MARGIN_MS = 15_000

/** The last two: /proc/<pid>/fd tells how a server accepts, on which its mode depends. The relay loads no program. */
const CAPABILITIES = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_DAC_READ_SEARCH', 'CAP_SYS_PTRACE']

/** Absolute paths: of node, of dist/agent/relay/main.js, of relay.json; and what that says. */
type RelayServiceOptions = { runtime: string; relay: string; file: string; config: RelayConfig }

/**
 * Wanted by boot and not by a first client only: it also ends refused connections. It is tried again without
 * end, since a unit that systemd gives up takes its socket's listeners with it.
 */
export function relayService({ runtime, relay, file, config }: RelayServiceOptions): string {
  const writable = writableOf(config)
  return `[Unit]
Description=Heddle relay
After=network.target sys-fs-bpf.mount
RequiresMountsFor=${pathList(writable)}
StartLimitIntervalSec=0

[Service]
Sockets=${SOCKET}
ExecStart=${commandLine([runtime, relay, '--config', file])}
Restart=on-failure
RestartSec=1
KillMode=mixed
KillSignal=SIGTERM
TimeoutStopSec=${Math.ceil((config.stopMs + STOP_MARGIN_MS) / 1_000)}
${hardening(CAPABILITIES, writable)}

[Install]
WantedBy=multi-user.target
`
}

/** The kernel is told one port for both loopbacks, so it can't be left to systemd, which would choose two. */
export function relaySocket({ port, ipv6 }: { port: number; ipv6: boolean }): string {
  const places = [`127.0.0.1:${port}`, ...(ipv6 ? [`[::1]:${port}`] : [])]
  return `[Unit]
Description=Where calls of services lead to: Heddle relay

[Socket]
${places.map((place) => `ListenStream=${place}`).join('\n')}
Backlog=${BACKLOG}
Service=${SERVICE}

[Install]
WantedBy=sockets.target
`
}

/** The relay makes the node's directory on the bpffs where the agent has not: in the one above it. */
function writableOf({ stats, journal, bpffs }: RelayConfig): string[] {
  const files = [stats, ...(journal === null ? [] : [journal]), bpffs]
  return [...new Set(files.map((path) => dirname(path)))]
}
