/**
 * git's post-receive hook: says to the functions what GitHub would say, waits for what becomes of
 * the commit, and prints it; git shows it to who pushed as `remote: …`. It never fails a push: the
 * commits are already there.
 */
import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { setTimeout as sleep } from 'node:timers/promises'
import { signatureOf } from '../../functions/receive/webhook-signature.ts'
import { CommitStatus } from '../../pipelines/contract/commit-status.ts'
import { type HostConfig, readHostConfig } from './host-config.ts'
import { printer, summary } from './push-output.ts'

const POLL_MS = 50
const REQUEST_MS = 10_000
const NO_COMMIT = /^0+$/

type Update = { before: string; after: string; ref: string }

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } })
  const config = await readHostConfig(values.config ?? '')
  const updates = parseUpdates(await readInput())
  const delivered = updates.find(({ ref }) => ref === `refs/heads/${config.repository.branch}`)
  try {
    for (const update of updates) await post(await urlOf(config), config, update)
    if (delivered !== undefined && !NO_COMMIT.test(delivered.after)) await follow(config, delivered.after)
  } catch (error) {
    console.log(`heddle: no answer from the functions (${(error as Error).message})`)
    console.log('heddle: the push is kept; it is delivered as soon as they are back')
  }
}

/** `<before> <after> <ref>` a line. */
function parseUpdates(input: string): Update[] {
  return input
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [before = '', after = '', ref = ''] = line.split(' ')
      return { before, after, ref }
    })
}

/** The fields of GitHub's push event that say which update it was. */
async function post(url: string, config: HostConfig, { before, after, ref }: Update): Promise<void> {
  const name = config.repository.name
  const payload = {
    ref,
    before,
    after,
    created: NO_COMMIT.test(before),
    deleted: NO_COMMIT.test(after),
    repository: { name: name.split('/').at(-1), full_name: name },
  }
  const body = Buffer.from(JSON.stringify(payload))
  const [secret = ''] = (await readFile(config.secretFile, 'utf8')).split('\n')
  const response = await fetch(`${url}/webhook`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'push',
      'x-github-delivery': crypto.randomUUID(),
      'x-hub-signature-256': signatureOf(body, secret),
    },
    body,
    signal: AbortSignal.timeout(REQUEST_MS),
  })
  if (!response.ok) throw new Error(`webhook answered ${response.status}: ${await response.text()}`)
}

/** Prints each step once, until the commit is where the configuration says, or the time is over. */
async function follow(config: HostConfig, commit: string): Promise<void> {
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

async function readInput(): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

await main()
