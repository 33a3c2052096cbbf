/** What every forge promises. `repository` gives a way to make commits and to move the branch `main`. */
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Forge } from '../../functions/ports.ts'

export type TestRepository = {
  forge: Forge
  /** A commit with exactly these files, on top of `parent`. */
  commit(files: Record<string, string>, parent?: string): Promise<string>
  push(commit: string | undefined): Promise<void>
}

const A = { 'policies/a.yaml': 'a: 1\n' }
const B = { 'policies/a.yaml': 'a: 2\n', 'policies/b.yaml': '' }

export function forgeContract(name: string, empty: () => Promise<TestRepository>): void {
  describe(`forge contract: ${name}`, () => {
    it('follows the branch: forwards, back by force, gone', async () => {
      const { forge, commit, push } = await empty()
      assert.equal(await forge.head('main'), undefined)
      const first = await commit(A)
      const second = await commit(B, first)
      for (const head of [first, second, first, undefined]) {
        await push(head)
        assert.equal(await forge.head('main'), head)
      }
    })

    it('reads the files of the commit that it is asked for, not those of the head', async () => {
      const { forge, commit, push } = await empty()
      const first = await commit(A)
      const second = await commit(B, first)
      await push(second)
      const read = async (id: string) => {
        const facts = await forge.read(id)
        assert.equal(facts.commit, id)
        return Object.fromEntries(facts.files.map(({ path, bytes }) => [path, Buffer.from(bytes).toString()]))
      }
      assert.deepEqual(await read(first), A)
      assert.deepEqual(await read(second), B)
    })

    it('tells when a commit was made, by whom', async () => {
      const { forge, commit } = await empty()
      const { author, committed } = await forge.read(await commit(A))
      assert.match(author, /^Policy Author <author@example\.org>$/)
      assert.ok(!Number.isNaN(Date.parse(committed)))
    })

    it('knows what a commit contains, also of commits that no branch names', async () => {
      const { forge, commit, push } = await empty()
      const first = await commit(A)
      const second = await commit(B, first)
      const other = await commit({ 'policies/c.yaml': '' }, first)
      await push(other)
      const pairs = [
        [second, first, true],
        [second, second, true],
        [first, second, false],
        [other, second, false],
        [first, 'f'.repeat(40), false],
      ] as const
      for (const [whole, part, contained] of pairs) assert.equal(await forge.contains(whole, part), contained)
    })
  })
}
