/**
 * 56 recorded runs of TUF clients, each twice: on tuf-js as the agent drives it, which takes any
 * delegation and any kind of key, and on the agent's own way to trust, which takes neither. The agent
 * gets the record in its own dialect (tuf-dialect.ts); as recorded, with ECDSA keys, it pins none.
 * Source: ../shared/corpus/tuf-conformance-transcripts, from theupdateframework/tuf-conformance (MIT).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkRoot } from '../../agent/trust/pin.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { DELEGATED_ROLES } from '../../pipelines/contract/object-keys.ts'
import { agentClient, type Client, servedStore, updaterClient } from './tuf-clients.ts'
import { inOurDialect } from './tuf-dialect.ts'
import { blobOf, hasCorpus, readTranscripts, type Step, type Transcript } from './tuf-transcripts.ts'

const COUNT = 56
const skip = hasCorpus ? false : `../shared/corpus is absent: ${COUNT} recorded runs of TUF clients`
const transcripts = hasCorpus ? readTranscripts() : []

const OWN_STAR = /targets delegates to .*; expected code, policy, release/
const ONLY_SHA256 = /has no sha256/
/** Runs that the agent refuses by design, by what it says; every other one ends as recorded. */
const REFUSED: Record<string, RegExp> = {
  cached_role_is_verified_against_current_delegator: OWN_STAR,
  download_with_hash_algorithms_hashes1_: ONLY_SHA256,
  'graph_traversal_basic-delegation_': OWN_STAR,
  'graph_traversal_three-level-delegation-test-DFS-order-of-traversal_': OWN_STAR,
  'graph_traversal_three-level-ignores-all-branches-not-matching-paths_': OWN_STAR,
  'graph_traversal_three-level-terminating-ignores-all-but-roles-descendants_': OWN_STAR,
  'graph_traversal_two-level-delegations_': OWN_STAR,
  'graph_traversal_two-level-ignores-all-branches-not-matching-paths_': OWN_STAR,
  'graph_traversal_two-level-terminating-ignores-all-but-roles-descendants_': OWN_STAR,
  'graph_traversal_two-level-test-DFS-order-of-traversal_': OWN_STAR,
  'graph_traversal_two-roles-delegating-to-a-third_': OWN_STAR,
  targetfile_search_targetpath_matching_is_case_sensitive_: OWN_STAR,
  targetfile_search_targetpath_with_separators_x_: OWN_STAR,
  targetfile_search_targetpath_with_separators_y_: OWN_STAR,
  targets_fast_forward_recovery: OWN_STAR,
  targets_role_removal: OWN_STAR,
  'unusual_role_name_.._delegatedrole_': OWN_STAR,
  unusual_role_name_: OWN_STAR,
}
/** Where tuf-js 5.0.1 takes a malicious artifact through a diamond: what stops it is the refusal above. */
const DIAMOND = 'cached_role_is_verified_against_current_delegator'

/** How a transcript is told to a client. */
type Telling = {
  root(step: Step): string
  serve(step: Step): Map<string, Buffer>
  path(target: string): string
  expected(sha256: string): Buffer
}

/** One step; what refused it. */
async function play(client: Client, step: Step, as: Telling): Promise<{ why: string; requests: string[] }> {
  const { store, requests } = servedStore(step.cmd === 'init' ? new Map() : as.serve(step))
  const targets = (step.targets ?? []).map(as.path)
  try {
    if (step.cmd === 'init') await client.init(as.root(step))
    else await client.update({ store, now: Date.parse(step.referenceTime), targets })
    return { why: '', requests }
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error), requests }
  }
}

const asRecorded = (transcript: Transcript): Telling => ({
  root: ({ trustedRoot }) => blobOf(transcript, trustedRoot).toString(),
  serve: ({ serve }) =>
    new Map(Object.entries(serve).map(([path, sha256]) => [path, blobOf(transcript, sha256)])),
  path: (target) => target,
  expected: (sha256) => blobOf(transcript, sha256),
})

const translated = (transcript: Transcript): Telling => {
  const dialect = inOurDialect(transcript)
  return { ...dialect, expected: dialect.translated }
}

/** File -> text, of the files that are recorded. */
async function trustedNow(client: Client): Promise<Record<string, string>> {
  const star = DELEGATED_ROLES.map((role) => `${role}.json`)
  const files = [...(await client.trusted())].filter(([file]) => !star.includes(file))
  return Object.fromEntries(files.map(([file, bytes]) => [file, bytes.toString()]))
}

function trustedThen(step: Step, as: Telling): Record<string, string> {
  const files = Object.entries(step.trustedAfter)
  return Object.fromEntries(files.map(([file, { sha256 }]) => [file, as.expected(sha256).toString()]))
}

const held = (client: Client): string[] => [...new Set(client.artifacts.values())].sort()

/** Every step as recorded: its end, what is trusted and held, and what was asked for. */
async function same(client: Client, transcript: Transcript, as: Telling, asked: boolean): Promise<void> {
  for (const step of transcript.steps) {
    const { why, requests } = await play(client, step, as)
    assert.equal(why === '' ? 0 : 1, step.exit, why)
    assert.deepEqual(await trustedNow(client), trustedThen(step, as))
    assert.deepEqual(held(client), [...step.artifactsAfter].sort())
    if (step.cmd === 'init' || !asked) continue
    const files = step.metadataRequests.map(([role, version]) =>
      version === null ? `tuf/${role}.json` : `tuf/${version}.${role}.json`,
    )
    assert.deepEqual(
      requests.filter((key) => !key.startsWith('tuf/targets/')),
      files,
    )
  }
}

/** No step after the first ends well, nothing is taken, and nothing is trusted but what is recorded. */
async function refused(client: Client, transcript: Transcript, reason: RegExp): Promise<void> {
  const as = translated(transcript)
  const reasons: string[] = []
  for (const step of transcript.steps) {
    const { why } = await play(client, step, as)
    assert.equal(why !== '', step.cmd !== 'init')
    reasons.push(why)
    const then = trustedThen(step, as)
    for (const [file, text] of Object.entries(await trustedNow(client))) assert.equal(text, then[file], file)
  }
  assert.match(reasons[1] ?? '', reason)
  assert.deepEqual(held(client), [])
}

test(`the record has ${COUNT} runs, and every one is played`, { skip }, () => {
  assert.equal(transcripts.length, COUNT)
  const names = transcripts.map(({ name }) => name)
  assert.deepEqual(
    Object.keys(REFUSED).filter((name) => !names.includes(name)),
    [],
  )
  assert.equal(Object.keys(REFUSED).length, 18)
})

for (const transcript of transcripts) {
  const { name } = transcript
  const reason = REFUSED[name]
  test(`${name}: tuf-js as the agent drives it`, async () => {
    const client = updaterClient()
    const as = asRecorded(transcript)
    if (name !== DIAMOND && reason !== ONLY_SHA256) return same(client, transcript, as, true)
    for (const step of transcript.steps) {
      const { why } = await play(client, step, as)
      if (reason === ONLY_SHA256) assert.equal(why !== '', step.cmd !== 'init')
      else assert.deepEqual(held(client), [...(step.artifactsAfterObserved ?? [])].sort())
    }
  })

  test(`${name}: the agent ${reason === undefined ? 'does the same' : 'refuses it'}`, () => {
    const client = agentClient()
    if (reason !== undefined) return refused(client, transcript, reason)
    return same(client, transcript, translated(transcript), false)
  })
}

test('as recorded, under ECDSA keys, no root is pinned', { skip }, () => {
  for (const transcript of transcripts) {
    const pinned = transcript.steps.filter(({ cmd }) => cmd === 'init')
    assert.equal(pinned.length, 1)
    for (const step of pinned)
      assert.throws(
        () => checkRoot(asRecorded(transcript).root(step)),
        (error) => error instanceof Failure && /no ed25519 key/.test(error.message),
      )
  }
})
