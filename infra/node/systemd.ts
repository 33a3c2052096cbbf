/** The agent as a systemd unit. */
import { type AgentPaths, agentCommand } from './agent-command.ts'

export type UnitOptions = AgentPaths & {
  /** Directories that the agent writes: its state and its bpffs. */
  writable: string[]
}

/**
 * Stopping the unit ends the agent, not the enforcement: the programs are
 * pinned. KillMode=mixed lets a pass that runs come to its end.
 */
export function systemdUnit({ writable, ...paths }: UnitOptions): string {
  return `[Unit]
Description=Heddle agent
After=network.target sys-fs-bpf.mount
RequiresMountsFor=${writable.join(' ')}

[Service]
ExecStart=${agentCommand(paths).join(' ')}
Restart=always
RestartSec=2
KillMode=mixed
TimeoutStopSec=30
CapabilityBoundingSet=CAP_BPF CAP_NET_ADMIN CAP_PERFMON CAP_SYS_ADMIN CAP_SYS_RESOURCE
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ReadWritePaths=${writable.join(' ')}
LimitMEMLOCK=infinity

[Install]
WantedBy=multi-user.target
`
}
