/** Verify: from the metadata to bytes that may be loaded. Reads as the chain of trust; nothing loads before its end. */
import { type Evidence, putBlob, putEvidence } from './cache.ts'
import type { Attempt, Node } from './node.ts'
import type { OfferedDispatcher, State } from './state.ts'
import {
  checkCode,
  checkKernel,
  readDispatcher,
  readElf,
  readManifest,
  readProvenance,
} from './trust/artifact.ts'
import { checkSkew, dispatcherAbi } from './skew.ts'
import { readLogged } from './trust/logged.ts'
import { checkDenials, checkRelease, checkRingOrder, isOurTurn, readRelease } from './trust/release.ts'

export async function verify(node: Node, attempt: Attempt): Promise<void> {
  const { metadata } = attempt
  const signed = metadata && (await readRelease(node, metadata))
  if (metadata === undefined || signed === undefined) return
  const { release } = signed
  attempt.release = release
  checkRelease(node, release)
  const runs = release.number === node.state.current.enforced?.number
  if (runs && attempt.repinned !== true) return
  if (!isOurTurn(node, release)) return

  await checkDenials(node, metadata, release)
  const success = await checkRingOrder(node, metadata, release)
  const { manifest, bytes, custom } = await readManifest(node.store, metadata, release.artifact)
  await checkKernel(node.kernel, manifest)
  const about = { artifact: release.artifact, manifest, custom }
  const provenance = await readProvenance(node.store, metadata, about)
  const logged = await readLogged(node.store, metadata, about)
  const elf = await readElf(node.store, manifest)
  const code = await checkCode(node.store, metadata, { manifest, elf })
  const dispatcher = await readDispatcher(node, metadata)
  checkSkew(manifest.abi, dispatcherAbi(dispatcher), await node.kernel.inspect())

  const evidence: Evidence = {
    schema: 'heddle.evidence/1',
    metadata: metadata.bundle,
    release: signed.raw,
    success,
    code,
    provenance,
    logged,
  }
  await putBlob(node.disk, bytes)
  await putBlob(node.disk, elf)
  const dispatcherDigest = await putBlob(node.disk, dispatcher)
  await putEvidence(node.disk, release.number, evidence)
  const dispatcherIs = provenBy(node, { digest: dispatcherDigest, number: release.number })
  if (runs) return node.state.update(dispatcherIs)
  // Last: from here on an older number is a replay, also after a restart.
  const accepted = { number: release.number, artifact: release.artifact }
  await node.state.update({ accepted, ...dispatcherIs })
  attempt.verified = { release, manifest, dispatcher: dispatcherDigest }
}

/** What is attached is proved by the newest evidence that signs it: an older one may lead to a root that is pinned no more. */
function provenBy(node: Node, signed: OfferedDispatcher): Pick<State, 'dispatcher'> {
  const { dispatcher } = node.state.current
  return { dispatcher: dispatcher?.digest === signed.digest ? { ...dispatcher, ...signed } : dispatcher }
}
