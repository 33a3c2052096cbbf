/** MeshPolicies, from their YAML through the real kernel: every matcher, and what allowing and denying mean. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { MATCHES } from './conditions-cases.ts'
import { MEANINGS, UNPARSED } from './conditions-meanings.ts'
import { bytewise, ConditionsNode, rule, rules, WEB_ADDRESS, WORLD } from './conditions-node.ts'
import { whyNoKernel } from './kernel-fixture.ts'

const skip = whyNoKernel() ?? false

/** Beginnings of TLS, of HTTP/2 and of SSH, and what is said where they are refused. */
const STRANGE: [bytes: string, answer: string][] = [
  ['\x16\x03\x01\x02\x00\x01\x00', ''],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'HTTP/1.1 400 '],
  ['SSH-2.0-OpenSSH_9.2p1\r\n', 'HTTP/1.1 400 '],
]

describe('MeshPolicies in the kernel', { skip, concurrency: false }, () => {
  let node: ConditionsNode
  before(async () => {
    node = await ConditionsNode.create()
  })
  after(() => node.close())

  for (const [part, cases] of Object.entries(MATCHES))
    describe(part, { concurrency: false }, () => {
      // Of each case two workloads: one that allows what it names, and one that denies it and nothing else.
      before(() =>
        node.enforce(
          cases.flatMap(({ match }) => [[rules(rule('allow', match))], [rules(rule('deny', match))]]),
        ),
      )

      for (const [index, { says, match, holds, fails }] of cases.entries()) {
        const check = async (asked: string, allowed: number, denied: number) => {
          const why = JSON.stringify(asked)
          assert.equal(await node.ask(2 * index, asked), allowed, `${why}, allowed`)
          assert.equal(await node.ask(2 * index, asked, { cut: bytewise }), allowed, `${why}, in bytes`)
          assert.equal(await node.ask(2 * index + 1, asked), denied, `${why}, denied`)
        }
        it(`${says}: ${match}`, async () => {
          for (const asked of holds) await check(asked, 200, 403)
          for (const asked of fails) await check(asked, 403, 200)
        })
      }
    })

  describe('rules together', { concurrency: false }, () => {
    before(() => node.enforce(MEANINGS.map(({ specs }) => specs)))

    for (const [index, { says, asked }] of MEANINGS.entries())
      it(says, async () => {
        for (const [request, status, who = 'world'] of asked) {
          const from = who === 'web' ? WEB_ADDRESS : WORLD
          assert.equal(await node.ask(index, request, { from }), status, `${request} from ${who}`)
        }
      })
  })

  describe('what is no HTTP/1', { concurrency: false }, () => {
    before(() => node.enforce(UNPARSED.map(({ specs }) => specs)))

    for (const [index, { says, passes }] of UNPARSED.entries())
      it(says, async () => {
        for (const [bytes, answer] of STRANGE) {
          const said = passes ? '' : answer
          const { received, replies } = await node.send(index, bytes, said !== '')
          assert.equal(received, passes ? bytes : '')
          assert.equal(replies.slice(0, answer.length), said)
        }
      })
  })
})
