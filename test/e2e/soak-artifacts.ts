/** What the soak's releases name. */
import { join } from 'node:path'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { sha256 } from '../../agent/cache.ts'
import { digestsOf } from '../../agent/trust/code.ts'
import { openFsStore } from '../../functions/adapters/fs-store.ts'
import type { Route } from '../../pipelines/policy/route.ts'
import { FRONT_ROUTE, rule } from '../bpf/kernel/outbound-fixture.ts'
import { publishedRepository } from '../fakes/published-repository.ts'
import { compileSet, dispatcherElf } from '../bpf/kernel/artifacts.ts'

/** Two artifacts that say the same: every flip is a swap under traffic, none changes an answer. */
export async function soakArtifacts(directory: string) {
  const route = { ...FRONT_ROUTE, rules: [...FRONT_ROUTE.rules, rule('/c', 'c')] }
  const routes: Route[] = [route]
  const other: Route = { ...route, rules: [...route.rules].reverse() }
  const compiled = [
    await compileSet({ policies: [], routes }),
    await compileSet({ policies: [], routes: [other] }),
  ]
  const digests = digestsOf(compiled[0]?.elf ?? new Uint8Array())
  const published = await publishedRepository({
    store: await openFsStore(join(directory, 'store')),
    code: { 'inbound-14': digests.code },
    dispatcher: await dispatcherElf(),
  })
  const twins: Digest[] = []
  for (const { elf, blocks, services, routes: entries } of compiled) {
    const { code, tables } = digestsOf(elf)
    twins.push(
      await published.publishArtifact(
        {
          schema: 'heddle.artifact/1',
          abi: 1,
          kernel: { minimum: '6.1', arch: 'bpfel', hooks: [] },
          code: { variant: 'inbound-14', digest: code },
          tables: { digest: tables, words: 1 },
          elf: { digest: sha256(elf), bytes: elf.length },
          blocks,
          services: [...services],
          routes: [...entries],
          intents: [],
          policies: [],
          source: { repository: 'r', commit: 'c'.repeat(40), author: 'a', committed: '2026-11-23' },
        },
        elf,
      ),
    )
  }
  return { published, digests: twins }
}
