/** Workloads from a static file, YAML or JSON: `workloads:` or a bare list. For machines without an orchestrator. */
import { watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { isAlias, LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import { parseAddress } from '../../pipelines/policy/address.ts'
import { Workload } from '../../pipelines/policy/model.ts'
import type { Workloads } from '../ports.ts'

/** Bytes of the file: 16,384 identities of 64 addresses do not come in a file. */
const MAX_BYTES = 4_194_304
/** An editor writes in several steps; look when it has been still for so long. */
const SETTLE_MS = 50

const List = z.array(Workload)
const File = z.union([List, z.strictObject({ workloads: List })])

type Checked = { workloads: Workload[]; issues: { path: PropertyKey[]; message: string }[] }

/** Rules that one workload alone cannot tell. */
function check(workloads: Workload[], base: PropertyKey[]): Checked['issues'] {
  const issues: Checked['issues'] = []
  const names = new Set<string>()
  const addresses = new Set<string>()
  for (const [index, workload] of workloads.entries()) {
    const name = `${workload.namespace}/${workload.name}`
    if (names.has(name))
      issues.push({ path: [...base, index, 'name'], message: `workload ${name} is there twice` })
    names.add(name)
    for (const [place, text] of workload.addresses.entries()) {
      const path = [...base, index, 'addresses', place]
      const address = parseAddress(text)?.join('.')
      if (address === undefined) issues.push({ path, message: `\`${text}\` is no address` })
      else if (addresses.has(address)) issues.push({ path, message: `address ${text} is given twice` })
      else addresses.add(address)
    }
  }
  return issues
}

function validate(value: unknown): Checked {
  const bare = Array.isArray(value)
  const parsed = bare ? List.safeParse(value) : File.safeParse(value)
  if (!parsed.success) {
    return { workloads: [], issues: parsed.error.issues.map(({ path, message }) => ({ path, message })) }
  }
  const workloads = Array.isArray(parsed.data) ? parsed.data : parsed.data.workloads
  return { workloads, issues: check(workloads, bare ? [] : ['workloads']) }
}

/**
 * Workloads of a text. Throws Failure('yaml-syntax' | 'yaml-limit' |
 * 'schema-violation') that names file, line and column in each detail line.
 */
export function parseWorkloads(file: string, text: string): Workload[] {
  if (text.length > MAX_BYTES) throw new Failure('yaml-limit', `${file}: longer than ${MAX_BYTES} bytes`)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, version: '1.2', uniqueKeys: true })
  const wrong = document.errors[0] ?? document.warnings[0]
  const at = (offset: number) => `${file}:${lines.linePos(offset).line}:${lines.linePos(offset).col}`
  if (wrong !== undefined)
    throw new Failure('yaml-syntax', `${at(wrong.pos[0])}: ${wrong.message.split('\n')[0]}`)
  const { workloads, issues } = validate(document.toJS({ maxAliasCount: 100 }))
  if (issues.length === 0) return workloads
  const detail = issues.map(({ path, message }) => {
    let depth = path.length
    let node = document.getIn(path, true)
    while (depth > 0 && (node === undefined || isAlias(node)))
      node = document.getIn(path.slice(0, --depth), true)
    const range = (node as { range?: [number, number, number] } | undefined)?.range ?? [0, 0, 0]
    return `${at(range[0])}: ${path.join('.') || 'the file'}: ${message}`
  })
  throw new Failure('schema-violation', `${file} is no list of workloads`, { detail })
}

/**
 * Workloads of a file. `list` reads it again on each question, so that the answer is
 * never older than the question, and parses it when it says something else than
 * before; `watch` calls back after it may have changed.
 */
export function fileWorkloads(file: string): Workloads {
  let known: { text: string; workloads: Workload[] } | undefined
  return {
    async list() {
      const text = await readFile(file, 'utf8')
      if (known?.text !== text) known = { text, workloads: parseWorkloads(file, text) }
      return known.workloads
    },
    watch(changed) {
      let timer: NodeJS.Timeout | undefined
      // The folder is watched, so that replacing the file by rename counts.
      const watcher = watch(dirname(file), (_event, name) => {
        if (name !== null && name !== basename(file)) return
        clearTimeout(timer)
        timer = setTimeout(changed, SETTLE_MS)
      })
      return () => {
        clearTimeout(timer)
        watcher.close()
      }
    },
  }
}
