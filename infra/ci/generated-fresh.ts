/**
 * Files that are generated and committed: each is made again in memory and
 * compared. Define once, generate, fail when stale.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'

/** `command` prints the file's content. */
type Generated = { file: string; command: string[] }

const GENERATED: readonly Generated[] = []

/** The generated files that differ from what their generator prints, and how to renew them. */
export async function staleFiles(root: string): Promise<string> {
  const stale: string[] = []
  for (const { file, command } of GENERATED) {
    const [program = '', ...args] = command
    const { stdout } = await execa(program, args, { cwd: root, stripFinalNewline: false })
    const committed = existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : undefined
    if (committed !== stdout) stale.push(`${file} is stale: ${command.join(' ')} > ${file}`)
  }
  return stale.join('\n')
}
