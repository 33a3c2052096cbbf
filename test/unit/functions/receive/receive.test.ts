import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, it } from 'node:test'
import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import { octokitSignatures } from '../../../../functions/adapters/octokit-signatures.ts'
import { NO_PULLS } from '../../../../functions/no-forge.ts'
import { receiveHandler } from '../../../../functions/receive/handler.ts'
import { MAX_BODY_BYTES } from '../../../../functions/receive/receive.ts'
import type { DeliveryEvent } from '../../../../pipelines/contract/events.ts'
import { Failure } from '../../../../pipelines/contract/failures.ts'
import { memoryForge } from '../../../fakes/memory-forge.ts'

const HEAD = 'main'
const PUSH = { ref: 'refs/heads/main', after: 'f'.repeat(40), repository: { full_name: 'acme/policies' } }

type Sent = {
  body?: string | Buffer
  event?: string
  secret?: string
  signature?: string | undefined
  base64?: boolean
}

function world(secrets = ['new', 'old']) {
  const forge = memoryForge()
  const commit = forge.commit({})
  forge.push(commit)
  const queued: DeliveryEvent[] = []
  const queue = {
    send: async (event: DeliveryEvent) => {
      queued.push(event)
    },
  }
  const pulls = NO_PULLS
  const signatures = octokitSignatures(secrets)
  const delivered = { repository: 'acme/policies', branch: HEAD }
  const handler = receiveHandler({ forge, pulls, queue, signatures, ...delivered })
  const send = async ({
    body = JSON.stringify(PUSH),
    event = 'push',
    secret = 'new',
    ...sent
  }: Sent = {}) => {
    const bytes = Buffer.from(body)
    const signed = `sha256=${createHmac('sha256', secret).update(bytes).digest('hex')}`
    const signature = 'signature' in sent ? sent.signature : signed
    const headers: Record<string, string> = { 'x-github-event': event }
    if (signature !== undefined) headers['x-hub-signature-256'] = signature
    const text = sent.base64 === true ? bytes.toString('base64') : bytes.toString('utf8')
    const request = { headers, body: text, isBase64Encoded: sent.base64 === true }
    return (await handler(request as unknown as APIGatewayProxyEventV2)).statusCode
  }
  return { forge, commit, queued, send }
}

describe('receive', () => {
  it('queues the head that the forge names, whatever commit the payload claims', async () => {
    const { commit, queued, send } = world()
    assert.equal(await send(), 202)
    assert.deepEqual(queued, [{ stage: 'validate', commit }])
  })

  it('takes the body as bytes, also when the gateway encodes it', async () => {
    const { queued, send } = world()
    assert.equal(await send({ base64: true, body: JSON.stringify({ ...PUSH, pusher: 'Zoë' }) }), 202)
    assert.equal(queued.length, 1)
  })

  it('accepts both active secrets while one is replaced', async () => {
    const { send } = world()
    assert.deepEqual([await send({ secret: 'new' }), await send({ secret: 'old' })], [202, 202])
  })

  const forged: [string, Sent][] = [
    ['no signature', { signature: undefined }],
    ['a stranger’s secret', { secret: 'guess' }],
    ['the empty secret', { secret: '' }],
    ['a cut signature', { signature: `sha256=${'a'.repeat(63)}` }],
    ['an empty body', { body: '' }],
    ['SHA-1', { signature: `sha1=${createHmac('sha1', 'new').update(JSON.stringify(PUSH)).digest('hex')}` }],
    [
      'a signature of another body',
      { signature: `sha256=${createHmac('sha256', 'new').update('{}').digest('hex')}` },
    ],
    ['upper-case hex', { signature: `sha256=${'A'.repeat(64)}` }],
  ]
  for (const [what, sent] of forged) {
    it(`answers 401 to ${what}, and queues nothing`, async () => {
      const { queued, send } = world(['new', 'old', ''])
      assert.equal(await send(sent), 401)
      assert.deepEqual(queued, [])
    })
  }

  it('asks the forge for nothing before the signature is checked', async () => {
    const { forge, send } = world()
    forge.head = () => assert.fail('asked')
    assert.equal(await send({ secret: 'guess' }), 401)
  })

  const ignored: [string, Sent][] = [
    ['a ping', { event: 'ping', body: '{"zen":"…"}' }],
    ['another event', { event: 'issues', body: '{}' }],
    ['another branch', { body: JSON.stringify({ ...PUSH, ref: 'refs/heads/other' }) }],
    ['a tag with the name of the branch', { body: JSON.stringify({ ...PUSH, ref: 'refs/tags/main' }) }],
    ['another repository', { body: JSON.stringify({ ...PUSH, repository: { full_name: 'acme/other' } }) }],
  ]
  for (const [what, sent] of ignored) {
    it(`answers 202 to ${what}, and queues nothing`, async () => {
      const { queued, send } = world()
      assert.equal(await send(sent), 202)
      assert.deepEqual(queued, [])
    })
  }

  it('queues nothing for a branch that is gone', async () => {
    const { forge, queued, send } = world()
    forge.push(undefined)
    assert.equal(await send({ body: JSON.stringify({ ...PUSH, deleted: true, after: '0'.repeat(40) }) }), 202)
    assert.deepEqual(queued, [])
  })

  it('queues the forced head after a forced push, and the present head for a replayed old webhook', async () => {
    const { forge, commit, queued, send } = world()
    await send()
    const forced = forge.commit({ other: '' })
    forge.push(forced)
    await send({ body: JSON.stringify({ ...PUSH, forced: true, after: forced }) })
    await send()
    assert.deepEqual(
      queued.map((event) => 'commit' in event && event.commit),
      [commit, forced, forced],
    )
  })

  for (const body of ['null', '{', '{"ref":1}', '{"ref":"refs/heads/main"}', '[]']) {
    it(`answers 400 to the signed body ${JSON.stringify(body)}`, async () => {
      assert.equal(await world().send({ body }), 400)
    })
  }

  it('answers 413 to a body over the limit', async () => {
    assert.equal(await world().send({ body: Buffer.alloc(MAX_BODY_BYTES + 1, 'a') }), 413)
  })

  it('answers 503 when the forge does not answer, so that the sender knows', async () => {
    const { forge, send } = world()
    forge.head = () => Promise.reject(new Failure('forge-unavailable', 'down'))
    assert.equal(await send(), 503)
  })
})
