/** `heddle verify`: one artifact from a store's bytes to the commit, by nothing but a trusted root. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Digest } from '../../pipelines/contract/artifact.ts'
import { openStore } from '../audit/open-store.ts'
import { verifyArtifact } from '../audit/verify-artifact.ts'
import { artifactArgument } from './artifact-argument.ts'
import { tellChain } from './chain-output.ts'

type Options = { store: string; root: string; json?: boolean }

async function verify(artifact: Digest, { store: address, root, json }: Options): Promise<void> {
  const chain = await verifyArtifact({
    store: openStore(address),
    artifact,
    pinnedRoot: await readFile(root, 'utf8'),
  })
  process.stdout.write(json ? `${JSON.stringify({ artifact, ...chain }, null, 2)}\n` : tellChain(chain))
  if (chain.broken !== null) process.exitCode = 1
}

export function register(program: Command): void {
  program
    .command('verify')
    .argument('<artifact>', 'its digest, sha256:…', artifactArgument)
    .description('verify one artifact: metadata, signatures, program, code, log; names the first break')
    .requiredOption('--store <address>', 'object store: a directory, http(s)://… or s3://bucket/prefix?…')
    .requiredOption('--root <file>', 'the trusted root.json')
    .option('--json', 'print the chain as JSON')
    .action(verify)
}
