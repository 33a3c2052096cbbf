/** Who may announce what: one file for the fleet, written where nodes are admitted and given to each of them. */
import { basename, dirname } from 'node:path'
import { parseMembers } from '../../agent/adapters/file-members.ts'
import { openDisk } from '../../agent/disk.ts'
import { Failure } from '../../pipelines/contract/failures.ts'
import { Member } from '../../pipelines/services/announcement.ts'

/** In the place of what the node was enrolled for before. Throws Failure('schema-violation'). */
export async function writeMember(file: string, member: unknown): Promise<Member> {
  const parsed = Member.safeParse(member)
  if (!parsed.success) {
    const detail = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
    throw new Failure('schema-violation', 'a node can not be enrolled for that', { detail })
  }
  await change(file, parsed.data.node, [parsed.data])
  return parsed.data
}

/** The node speaks for nothing any more. Twice is once. */
export async function removeMember(file: string, node: string): Promise<void> {
  await change(file, node, [])
}

async function change(file: string, node: string, its: Member[]): Promise<void> {
  const disk = openDisk(dirname(file))
  const bytes = await disk.read(basename(file))
  const members = bytes === undefined ? [] : parseMembers(file, Buffer.from(bytes).toString())
  const others = members.filter((each) => each.node !== node)
  const text = JSON.stringify({ schema: 'heddle.members/1', members: [...others, ...its] }, null, 2)
  await disk.write(basename(file), `${text}\n`)
}
