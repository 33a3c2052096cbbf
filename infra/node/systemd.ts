/** What the agent's and the relay's systemd units have in common, and the agent's. */
import { type AgentPaths, agentCommand } from './agent-command.ts'

export type UnitOptions = AgentPaths & {
  /** Directories that the agent writes: its state and its bpffs. */
  writable: string[]
}

/** Capabilities of the agent: CAP_SYS_ADMIN opens programs and maps by their ids. */
const AGENT_CAPABILITIES = ['CAP_BPF', 'CAP_NET_ADMIN', 'CAP_PERFMON', 'CAP_SYS_ADMIN', 'CAP_SYS_RESOURCE']

/** Words that mean themselves to systemd; what has anything else in it is quoted. */
const PLAIN = /^[\w/.,:=@+~-]+$/

/**
 * Stopping the unit ends the agent, not the enforcement: the programs are
 * pinned. KillMode=mixed lets a pass that runs come to its end.
 */
export function systemdUnit({ writable, ...paths }: UnitOptions): string {
  return `[Unit]
Description=Heddle agent
After=network.target sys-fs-bpf.mount
RequiresMountsFor=${pathList(writable)}

[Service]
ExecStart=${commandLine(agentCommand(paths))}
Restart=always
RestartSec=2
KillMode=mixed
TimeoutStopSec=30
${hardening(AGENT_CAPABILITIES, writable)}

[Install]
WantedBy=multi-user.target
`
}

/** Directives of a service that may write in `writable` and nowhere else on a disk. */
export function hardening(capabilities: readonly string[], writable: readonly string[]): string {
  return `CapabilityBoundingSet=${capabilities.join(' ')}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ReadWritePaths=${pathList(writable)}
LimitMEMLOCK=infinity`
}

export function pathList(paths: readonly string[]): string {
  return paths.map(quoted).join(' ')
}

/** A $ would name a variable in arguments, and in them alone. */
export function commandLine([program = '', ...words]: readonly string[]): string {
  return [quoted(program), ...words.map((word) => quoted(word).replaceAll('$', '$$$$'))].join(' ')
}

/** systemd.syntax(7), "Quoting"; a % would begin a specifier. */
function quoted(word: string): string {
  return PLAIN.test(word) ? word : `"${word.replace(/["\\]/g, '\\$&').replaceAll('%', '%%')}"`
}
