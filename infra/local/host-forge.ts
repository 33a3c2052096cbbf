/** The forge that a host's configuration names: the bare repository beside it, or GitHub. */
import { readFile } from 'node:fs/promises'
import { gitForge } from '../../functions/adapters/git-forge.ts'
import { octokitParts } from '../../functions/adapters/octokit-parts.ts'
import type { Parts } from '../../functions/compose.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { prepareRepository } from './bare-repository.ts'
import type { HostConfig } from './host-config.ts'

type ForgeParts = Pick<Parts, 'forge'> & Partial<Pick<Parts, 'pulls' | 'reviews' | 'posts'>>

/** Throws Failure('schema-violation') when GitHub is configured without what it takes. */
export async function openForge(config: HostConfig, log: (line: string) => void): Promise<ForgeParts> {
  const { github, repository } = config
  if (github === null) {
    await prepareRepository(config)
    return { forge: gitForge(repository.path) }
  }
  if (!/^[\w.-]+\/[\w.-]+$/.test(repository.name)) {
    throw new Failure('schema-violation', 'repository.name: on GitHub a repository is owner/name')
  }
  const { privateKeyFile, ...app } = github
  return octokitParts({ ...app, privateKey: await readKey(privateKeyFile), repository: repository.name, log })
}

/** The message names the file, and nothing of what is in it. */
async function readKey(file: string): Promise<string> {
  const refuse = (why: string, cause?: unknown) =>
    new Failure('schema-violation', `github.privateKeyFile: ${file} ${why}`, { cause })
  const key = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw refuse("can't be read", cause)
  })
  if (!/^-----BEGIN (RSA )?PRIVATE KEY-----\n/.test(key)) throw refuse('is no private key in PEM')
  return key
}
