/**
 * git's post-receive hook: says to the functions what GitHub would say, waits for what becomes of
 * the commit, and prints it; git shows it to who pushed as `remote: …`. It never fails a push: the
 * commits are already there. The webhook goes out first; what following it needs is loaded while the
 * functions work.
 */
import { readFile } from 'node:fs/promises'
import { request } from 'node:http'
import { parseArgs } from 'node:util'
import { signatureOf } from '../../functions/receive/webhook-signature.ts'
import type { HostConfig } from './host-config.ts'

const REQUEST_MS = 10_000
const NO_COMMIT = /^0+$/

type Update = { before: string; after: string; ref: string }

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } })
  // The host's own words, checked when it wrote them (bare-repository.ts).
  const config = JSON.parse(await readFile(values.config ?? '', 'utf8')) as HostConfig
  const updates = parseUpdates(await textOf(process.stdin))
  const delivered = updates.find(({ ref }) => ref === `refs/heads/${config.repository.branch}`)
  try {
    for (const update of updates) await post(config, update)
    if (delivered === undefined || NO_COMMIT.test(delivered.after)) return
    const { follow } = await import('./push-follow.ts')
    await follow(config, delivered.after)
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
async function post(config: HostConfig, { before, after, ref }: Update): Promise<void> {
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
  const port = (await readFile(config.portFile, 'utf8')).trim()
  const { status, text } = await send(`http://127.0.0.1:${port}/webhook`, body, {
    'content-type': 'application/json',
    'content-length': String(body.length),
    'x-github-event': 'push',
    'x-github-delivery': crypto.randomUUID(),
    'x-hub-signature-256': signatureOf(body, secret),
  })
  if (status !== 202) throw new Error(`webhook answered ${status}: ${text}`)
}

/** node:http, as fetch takes 40 ms of the push to be loaded. */
function send(
  url: string,
  body: Buffer,
  headers: Record<string, string>,
): Promise<{ status: number | undefined; text: string }> {
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(REQUEST_MS)
    const outgoing = request(url, { method: 'POST', headers, signal, agent: false }, (response) => {
      textOf(response).then((text) => resolve({ status: response.statusCode, text }), reject)
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

async function textOf(stream: AsyncIterable<unknown>): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of stream) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString('utf8')
}

await main()
