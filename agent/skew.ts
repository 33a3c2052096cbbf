/**
 * Which ABIs may meet on a node (bpf/abi/ABI.md, "Skew"). Agent and relay read and write live maps of their
 * own ABI, the one before and the one after. Programs are compiled for one layout: an
 * artifact and the dispatcher that calls it are of the same ABI, and so are the live maps.
 */
import { Abi } from '../bpf/abi/heddle.gen.ts'
import { sectionOf } from '../pipelines/contract/code-digest.ts'
import { Failure } from '../pipelines/contract/failures.ts'
import type { AttachedFacts } from './ports.ts'

/** Steps that two parts of a node may be apart: a fleet is upgraded one part and one step at a time. */
const MAX_SKEW = 1
const ABI_SECTION = '.rodata.abi'

/** Throws Failure('abi-mismatch') for what this agent can't read or write. */
export function checkSpoken(what: string, abi: number): void {
  if (Math.abs(abi - Abi.ABI) <= MAX_SKEW) return
  throw new Failure(
    'abi-mismatch',
    `${what} speaks ABI ${abi}; this agent speaks ${Abi.ABI}, and one more or one less. ` +
      `Run an agent of ABI ${abi > Abi.ABI ? abi - MAX_SKEW : abi + MAX_SKEW} first`,
  )
}

/** The ABI that a dispatcher's file names. Throws Failure('code-untrusted') when it names none. */
export function dispatcherAbi(elf: Uint8Array): number {
  const bytes = sectionOf(elf, ABI_SECTION)
  if (bytes.length !== 4) throw new Failure('code-untrusted', `${ABI_SECTION} of the dispatcher is no number`)
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true)
}

/** Artifact, dispatcher and what is attached have to be of one ABI. Throws Failure('abi-mismatch'). */
export function checkSkew(artifact: number, dispatcher: number, facts: AttachedFacts | null): void {
  if (artifact !== dispatcher) {
    throw new Failure(
      'abi-mismatch',
      `the artifact speaks ABI ${artifact}, the signed dispatcher ${dispatcher}: sign a dispatcher and compile ` +
        'policies with the same sources',
    )
  }
  if (facts === null || facts.abi === artifact) return
  const change = 'drain the node, stop the agent, run `heddle node detach --yes --config <node.json>`'
  if (facts.abi === null) {
    throw new Failure(
      'dispatcher-unknown',
      `what is attached does not say its ABI: ${change}, start the agent`,
    )
  }
  throw new Failure(
    'abi-mismatch',
    `the node's live maps are of ABI ${facts.abi}, the release is of ABI ${artifact}. Connections can't be handed ` +
      `from one to the other. To change over: ${change}, remove its state.json, start the agent`,
  )
}
