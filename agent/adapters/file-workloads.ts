/** Workloads from a static file, YAML or JSON: `workloads:` or a bare list. For machines without an orchestrator. */
import { z } from 'zod'
import { Failure } from '../../pipelines/contract/failures.ts'
import { parseAddress } from '../../pipelines/policy/address.ts'
import { Workload } from '../../pipelines/policy/model.ts'
import { NAMESPACE_LABEL } from '../../pipelines/policy/selector.ts'
import type { Workloads } from '../ports.ts'
import { type Issue, readLocated } from './located-yaml.ts'
import { watchedFile } from './watched-file.ts'

/** Bytes of the file: 16,384 identities of 64 addresses do not come in a file. */
const MAX_BYTES = 4_194_304

const List = z.array(Workload)
const File = z.union([List, z.strictObject({ workloads: List })])

type Checked = { workloads: Workload[]; issues: Issue[] }

/** Where Cilium says that it read a label: here it is one place, as in selectors. */
const LABEL_SOURCE = /^(?:k8s|any):/

/** Labels by their own names. A label that no selector could ask for as it is meant is an issue. */
function plainLabels({ namespace, labels }: Workload, path: PropertyKey[]): [Workload['labels'], Issue[]] {
  const plain = new Map<string, string>()
  const issues: Issue[] = []
  const refuse = (key: string, message: string) => issues.push({ path: [...path, 'labels', key], message })
  for (const [key, value] of Object.entries(labels)) {
    const name = key.replace(LABEL_SOURCE, '')
    if (name === '') refuse(key, `\`${key}\` is a label without name`)
    else if (name.includes(':')) refuse(key, `\`${key}\`: write k8s:name, any:name or name`)
    else if (name === NAMESPACE_LABEL && value !== namespace)
      refuse(key, `the workload says namespace ${namespace}`)
    else if (plain.has(name) && plain.get(name) !== value) refuse(key, `label ${name} has two values`)
    else plain.set(name, value)
  }
  return [Object.fromEntries(plain), issues]
}

/** Rules that one workload alone cannot tell. */
function check(workloads: Workload[], base: PropertyKey[]): Issue[] {
  const issues: Issue[] = []
  const names = new Set<string>()
  const addresses = new Set<string>()
  const cgroups = new Set<string>()
  for (const [index, workload] of workloads.entries()) {
    const name = `${workload.namespace}/${workload.name}`
    if (names.has(name))
      issues.push({ path: [...base, index, 'name'], message: `workload ${name} is there twice` })
    names.add(name)
    const { node = '', cgroup } = workload
    const directory = cgroup === undefined ? undefined : `${node} ${cgroup}`
    if (directory !== undefined && cgroups.has(directory))
      issues.push({ path: [...base, index, 'cgroup'], message: `cgroup ${cgroup} is given twice` })
    if (directory !== undefined) cgroups.add(directory)
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
  const base = bare ? [] : ['workloads']
  const written = Array.isArray(parsed.data) ? parsed.data : parsed.data.workloads
  const read = written.map((workload, index) => ({
    workload,
    plain: plainLabels(workload, [...base, index]),
  }))
  const workloads = read.map(({ workload, plain: [labels] }) => ({ ...workload, labels }))
  return {
    workloads,
    issues: [...read.flatMap(({ plain: [, issues] }) => issues), ...check(workloads, base)],
  }
}

/**
 * Workloads of a text. Throws Failure('yaml-syntax' | 'yaml-limit' |
 * 'schema-violation') that names file, line and column in each detail line.
 */
export function parseWorkloads(file: string, text: string): Workload[] {
  if (text.length > MAX_BYTES) throw new Failure('yaml-limit', `${file}: longer than ${MAX_BYTES} bytes`)
  const { value, locate } = readLocated(file, text)
  const { workloads, issues } = validate(value)
  if (issues.length === 0) return workloads
  throw new Failure('schema-violation', `${file} is no list of workloads`, { detail: issues.map(locate) })
}

/** Workloads of a file. */
export function fileWorkloads(file: string): Workloads {
  const { read, watch } = watchedFile(file, parseWorkloads)
  return { list: read, watch }
}
