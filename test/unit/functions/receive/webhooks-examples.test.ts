/** Every payload that GitHub publishes as an example, and two that it lacks: a merge and a forced push. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { describe, it } from 'node:test'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { octokitSignatures } from '../../../../functions/adapters/octokit-signatures.ts'
import { NO_PULLS } from '../../../../functions/no-forge.ts'
import type { Pull } from '../../../../functions/ports.ts'
import { receiveHandler } from '../../../../functions/receive/handler.ts'
import { signatureOf } from '../../../../functions/receive/webhook-signature.ts'
import type { DeliveryEvent } from '../../../../pipelines/contract/events.ts'
import { memoryForge } from '../../../fakes/memory-forge.ts'

type Payload = Record<string, unknown> & { repository?: { full_name: string } }
type Definition = { name: string; examples: Payload[] }
const require = createRequire(import.meta.url)
const EXAMPLES = require('@octokit/webhooks-examples') as Definition[]
const SECRETS = ['newer', 'older']
const OURS = 'Codertocat/Hello-World'

function world(secrets = SECRETS) {
  const forge = memoryForge()
  const head = forge.commit({})
  forge.push(head)
  const queued: DeliveryEvent[] = []
  const queue = { send: async (event: DeliveryEvent) => void queued.push(event) }
  const pull = async (number: number): Promise<Pull> => ({
    number,
    commit: 'b'.repeat(40),
    branch: 'master',
    open: true,
    merged: false,
  })
  const pulls = { ...NO_PULLS, pull }
  const delivered = { repository: OURS, branch: 'master' }
  const handler = receiveHandler({
    forge,
    pulls,
    queue,
    signatures: octokitSignatures(secrets),
    ...delivered,
  })
  const send = async (event: string, body: Uint8Array, signature: string) => {
    const headers = { 'x-github-event': event, 'x-hub-signature-256': signature }
    const request = { headers, body: Buffer.from(body).toString('base64'), isBase64Encoded: true }
    const { statusCode, body: answer = '' } = await handler(request as unknown as APIGatewayProxyEventV2)
    return { statusCode, answer: JSON.parse(answer) as { what?: string; why?: string } }
  }
  const signed = (event: string, payload: object, secret = SECRETS[0] as string) => {
    const body = Buffer.from(JSON.stringify(payload))
    return send(event, body, signatureOf(body, secret))
  }
  return { head, queued, send, signed, forge }
}

const example = (name: string, wanted: (payload: Payload) => boolean): Payload => {
  const found = EXAMPLES.find((each) => each.name === name)?.examples.find(wanted)
  assert.ok(found !== undefined, `no example of ${name}`)
  return found
}
const push = example(
  'push',
  ({ ref, repository }) => ref === 'refs/heads/master' && repository?.full_name === OURS,
)
const closed = example('pull_request', ({ action }) => action === 'closed')
const MERGED = { ...closed, pull_request: { ...(closed['pull_request'] as object), merged: true } }
const FORCED = { ...push, forced: true, before: 'a'.repeat(40), after: 'b'.repeat(40) }

describe('webhooks as GitHub sends them', () => {
  it('answers each example: queued, or ignored for a reason', async () => {
    const { signed, queued } = world()
    let count = 0
    for (const { name, examples } of EXAMPLES) {
      for (const payload of examples) {
        count++
        const { statusCode, answer } = await signed(name, payload, SECRETS[count % 2])
        assert.equal(statusCode, 202, `${name} ${JSON.stringify(answer)}`)
        assert.ok(answer.what === 'queued' || (answer.why ?? '') !== '', name)
      }
    }
    assert.equal(count, 329)
    assert.ok(queued.length >= 5, `${queued.length} queued`)
    assert.ok(queued.every(({ stage }) => stage === 'validate'))
  })

  it('refuses each example with one byte altered, also where the byte is no text', async () => {
    const { send, queued } = world()
    for (const { name, examples } of EXAMPLES) {
      const [payload] = examples
      const body = Buffer.from(JSON.stringify(payload))
      const signature = signatureOf(body, SECRETS[0] as string)
      for (const at of [0, body.length >> 1, body.length - 1]) {
        const altered = Buffer.from(body)
        altered[at] = (altered[at] ?? 0) ^ (at === 0 ? 0x80 : 1)
        assert.equal((await send(name, altered, signature)).statusCode, 401, `${name} at ${at}`)
      }
    }
    assert.deepEqual(queued, [])
  })

  it('refuses bytes that only read like the signed ones', async () => {
    const { send } = world()
    const body = Buffer.from(JSON.stringify({ ...push, note: '\ufffd' }))
    const at = body.indexOf(Buffer.from('\ufffd'))
    const alike = Buffer.concat([body.subarray(0, at), Buffer.from([0xff]), body.subarray(at + 3)])
    assert.equal(alike.toString('utf8'), body.toString('utf8'))
    const signature = signatureOf(body, SECRETS[0] as string)
    assert.deepEqual(
      [(await send('push', body, signature)).statusCode, (await send('push', alike, signature)).statusCode],
      [202, 401],
    )
  })

  it('takes the old secret while it is replaced, and not any more afterwards', async () => {
    const both = world()
    assert.equal((await both.signed('push', push, 'older')).statusCode, 202)
    assert.equal((await both.signed('push', push, 'newer')).statusCode, 202)
    const after = world(['newer'])
    assert.equal((await after.signed('push', push, 'older')).statusCode, 401)
    assert.deepEqual(after.queued, [])
  })

  it('asks for the head after a merge, as after the push that it is', async () => {
    const { signed, queued, head } = world()
    await signed('pull_request', MERGED)
    await signed('pull_request', closed)
    assert.deepEqual(queued, [{ stage: 'validate', commit: head }])
  })

  it('asks for the head after a forced push, and queues what the forge names, not what the payload does', async () => {
    const { signed, queued, head } = world()
    await signed('push', FORCED)
    assert.deepEqual(queued, [{ stage: 'validate', commit: head }])
  })

  it('plans again when its check is asked for again, of a fork too', async () => {
    const { signed, queued } = world()
    const again = example('check_run', ({ action }) => action === 'rerequested')
    const run = { ...(again['check_run'] as object), pull_requests: [], external_id: 'pull/12 0123' }
    await signed('check_run', { ...again, check_run: run, repository: { full_name: OURS } })
    assert.deepEqual(queued, [{ stage: 'validate', commit: 'b'.repeat(40), pull: 12 }])
  })

  it('queues nothing for a deleted branch, whose last release stays', async () => {
    const { signed, queued, forge } = world()
    forge.push(undefined)
    const { answer } = await signed('push', { ...push, deleted: true, after: '0'.repeat(40) })
    assert.match(answer.why ?? '', /last release stays/)
    assert.deepEqual(queued, [])
  })
})
