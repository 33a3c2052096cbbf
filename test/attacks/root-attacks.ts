/** Attacks on who may sign: rotation of the root, the shape of delegations. */
import type { Attack, Cut } from './attack.ts'
import { verifies } from './metadata-attacks.ts'

const ROOT = 'unit/agent/trust/root-attacks'
const TUF_STORE = 'node_modules/tuf-js/dist/store.js'
const TUF_UPDATER = 'node_modules/tuf-js/dist/updater.js'
const STAR = 'agent/trust/star.ts'
const oldRootSigns: Cut = {
  in: TUF_STORE,
  cut: 'this.root.verifyDelegate(models_1.MetadataKind.Root, newRoot);',
  put: '',
}
const newRootSigns: Cut = {
  in: TUF_STORE,
  cut: 'newRoot.verifyDelegate(models_1.MetadataKind.Root, newRoot);',
  put: '',
}
const nextRoot: Cut = {
  in: TUF_STORE,
  cut: 'if (newRoot.signed.version != this.root.signed.version + 1)',
  put: 'if (false)',
}
const onlyOurRoles: Cut = {
  in: STAR,
  cut: 'if (names.join() !== [...DELEGATED_ROLES].sort().join())',
  put: 'if (false)',
}

export const ROOT_ATTACKS: readonly Attack[] = [
  {
    attack: 'root rotation: the old keys have not agreed',
    file: ROOT,
    tests: [
      'root rotation: signed by the new keys only it is refused',
      'root rotation: fewer of the old keys than their threshold are refused',
    ],
    without: [oldRootSigns],
  },
  {
    attack: 'root rotation: the new keys have not agreed',
    file: ROOT,
    tests: ['root rotation: signed by the old keys only, not by those that it names, is refused'],
    without: [newRootSigns],
  },
  {
    attack: 'root rotation: a version is skipped or comes again',
    file: ROOT,
    tests: [
      'root rotation: a version that skips one is refused',
      'rollback: the root of yesterday under the name of tomorrow',
    ],
    without: [nextRoot],
  },
  {
    attack: 'root rotation: hidden again afterwards',
    file: ROOT,
    tests: ['rollback: a rotation that is hidden again does not bring the stolen key back'],
    without: [
      { in: TUF_UPDATER, cut: 'this.persistMetadata(models_1.MetadataKind.Root, bytesData);', put: '' },
    ],
  },
  {
    attack: 'delegation cycle or diamond: a role delegates further',
    file: ROOT,
    tests: [
      'delegations: diamond: two roles delegate to one',
      'delegations: cycle: a role delegates to itself',
      'delegations: cycle: a role delegates back to targets',
    ],
    without: [{ in: STAR, cut: 'if (role.signed.delegations !== undefined)', put: 'if (false)' }],
  },
  {
    attack: 'delegation diamond: a role delegated to twice',
    file: ROOT,
    tests: ['delegations: diamond: one role delegated to twice'],
    // Signatures are verified over what was parsed, in which the second one is gone.
    without: [{ in: STAR, cut: 'if (new Set(names).size !== names.length)', put: 'if (false)' }, verifies],
  },
  {
    attack: 'odd role names',
    file: ROOT,
    tests: ['delegations: a role with an odd name', 'delegations: a role missing'],
    without: [onlyOurRoles],
  },
  {
    attack: 'delegation over the folder of another role',
    file: ROOT,
    tests: ['delegations: a delegation that covers the folder of another'],
    without: [{ in: STAR, cut: 'paths.length !== 1 ||', put: '' }],
  },
  {
    attack: 'delegation that does not terminate',
    file: ROOT,
    tests: ['delegations: a delegation that does not terminate'],
    without: [{ in: STAR, cut: 'if (!role.terminating)', put: 'if (false)' }],
  },
]
