/** A node of this machine as the command line sees it: looks, never reconciles. */
import { readFile } from 'node:fs/promises'
import { type NodeConfig, readConfig } from '../../agent/config.ts'
import { openDisk } from '../../agent/disk.ts'
import { openState } from '../../agent/state.ts'
import type { AuditSubject } from './audit.ts'

export type Subject = AuditSubject & { node: string; workloadsFile: string; config: NodeConfig }

export async function openSubject(configFile: string): Promise<Subject> {
  const config = await readConfig(configFile)
  const disk = openDisk(config.stateDirectory)
  // Not before it is needed: who lints policies has no libbpf.
  const { createKernel } = await import('../../agent/adapters/libbpf-kernel.ts')
  return {
    node: config.node,
    ring: config.ring,
    workloadsFile: config.workloads,
    config,
    pinnedRoot: await readFile(config.root, 'utf8'),
    state: (await openState(disk)).current,
    disk,
    kernel: createKernel(config),
  }
}
