/** What becomes of a pushed commit, told to who pushed it. */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { CommitStatus } from '../../pipelines/contract/commit-status.ts'
import type { HostConfig } from './host-config.ts'
import { printer, summary } from './push-output.ts'

const POLL_MS = 50
const REQUEST_MS = 10_000

/** Prints each step once, until the commit is where the configuration says, or the time is over. */
export async function follow(config: HostConfig, commit: string): Promise<void> {
  const print = printer((line) => console.log(`heddle: ${line}`))
  const deadline = performance.now() + config.hook.waitMs
  while (performance.now() < deadline) {
    const status = await statusOf(config, commit).catch(() => undefined)
    if (status !== undefined) {
      print(status)
      if (summary(status, config.hook.until).finished) return
    }
    await sleep(POLL_MS)
  }
  console.log(`heddle: still under way; ask GET ${await urlOf(config)}/status/${commit}`)
}

/** Asked each time: functions that were started again listen on another port. */
async function urlOf({ portFile }: HostConfig): Promise<string> {
  return `http://127.0.0.1:${(await readFile(portFile, 'utf8')).trim()}`
}

async function statusOf(config: HostConfig, commit: string): Promise<CommitStatus | undefined> {
  const response = await fetch(`${await urlOf(config)}/status/${commit}`, {
    signal: AbortSignal.timeout(REQUEST_MS),
  })
  return response.ok ? CommitStatus.parse(await response.json()) : undefined
}
