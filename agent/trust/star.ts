/**
 * The only shape of delegations that Heddle reads: targets delegates to code,
 * policy and release, each once, terminating, over its own folder; none of them
 * delegates further.
 *
 * tuf-js 5.0.1 accepts a target that a diamond delegation lends to a role that
 * was not meant (TUF conformance, malicious artifact through a diamond). In a
 * star there is no diamond and no cycle, and a target is only ever looked up in
 * the role whose folder it lies in.
 */
import type { Metadata, Targets } from '@tufjs/models'
import { Failure } from '../../pipelines/contract/failures.ts'
import { DELEGATED_ROLES, type DelegatedRoleName } from '../../pipelines/contract/object-keys.ts'
import { checkKeys } from './keys.ts'

/** Check the top-level targets. Throws Failure('metadata-untrusted'). */
export function checkDelegations(targets: Metadata<Targets>): void {
  const { delegations } = targets.signed
  if (delegations === undefined) refuse('targets delegates to nobody')
  if (delegations.succinctRoles !== undefined || delegations.roles === undefined) {
    refuse('targets uses hash bins')
  }
  const names = Object.keys(delegations.roles).sort()
  if (names.join() !== [...DELEGATED_ROLES].sort().join()) {
    refuse(`targets delegates to ${names.join(', ')}; expected ${DELEGATED_ROLES.join(', ')}`)
  }
  checkKeys(delegations.keys)
  for (const role of Object.values(delegations.roles)) {
    const paths = role.paths ?? []
    if (!role.terminating) refuse(`delegation to ${role.name} does not terminate`)
    if (role.threshold < 1) refuse(`delegation to ${role.name} needs no signature`)
    if (paths.length !== 1 || paths[0] !== `${role.name}/*`) {
      refuse(`delegation to ${role.name} covers ${paths.join(', ') || 'hash prefixes'}`)
    }
  }
}

/** Check one of the three: it may list targets of its folder and nothing else. */
export function checkDelegate(name: DelegatedRoleName, role: Metadata<Targets>): void {
  if (role.signed.delegations !== undefined) refuse(`${name} delegates further (diamond or cycle)`)
}

/**
 * Raw metadata must not name a role twice: a parsed map would hide the second
 * one. Called with the bytes that were verified.
 */
export function checkRoleNames(rawTargets: string): void {
  const roles: unknown = JSON.parse(rawTargets)?.signed?.delegations?.roles
  const names = Array.isArray(roles) ? roles.map((role) => role?.name) : []
  if (new Set(names).size !== names.length) refuse('targets delegates to one role twice')
}

function refuse(why: string): never {
  throw new Failure('metadata-untrusted', why)
}
