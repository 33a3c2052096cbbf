/** Conditions of the corpus' invalid routes: what its Go code asks for, by file. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { statusesOf } from './gateway-cluster.ts'
import { hasCorpus, manifestsOf } from './gateway-corpus.ts'
import { forMesh } from './gateway-translation.ts'

const WELL = 'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs'
const UNMATCHED = 'Accepted=False/NoMatchingParent ResolvedRefs=True/ResolvedRefs'
const TABLE: [file: string, conditions: string][] = [
  ['httproute-simple-same-namespace', WELL],
  ['httproute-matching-across-routes', WELL],
  ['httproute-observed-generation-bump', WELL],
  ['httproute-invalid-parentref-not-matching-listener-port', UNMATCHED],
  ['httproute-invalid-parentref-not-matching-section-name', UNMATCHED],
  [
    'httproute-invalid-cross-namespace-backend-ref',
    'Accepted=True/Accepted ResolvedRefs=False/RefNotPermitted',
  ],
  ['httproute-backend-protocol-h2c', 'Accepted=True/Accepted ResolvedRefs=False/UnsupportedProtocol'],
  ['httproute-cors', 'Accepted=True/Accepted ResolvedRefs=True/ResolvedRefs'],
  ['httproute-request-percentage-mirror', 'Accepted=False/UnsupportedValue ResolvedRefs=True/ResolvedRefs'],
]

describe('conditions of the routes in the corpus', { skip: hasCorpus ? false : 'no corpus' }, () => {
  for (const [file, expected] of TABLE) {
    test(`${file}: ${expected}`, () => {
      const base = manifestsOf('base/manifests.yaml') ?? assert.fail()
      const own = manifestsOf(`tests/${file}.yaml`) ?? assert.fail(file)
      const { manifests } = forMesh(own, base)
      const statuses = statusesOf([...base, ...manifests])
      assert.ok(statuses.length > 0)
      for (const { conditions } of statuses) {
        const shown = conditions.map(({ type, status, reason }) => `${type}=${status}/${reason}`)
        assert.equal(shown.join(' '), expected)
      }
    })
  }
})
