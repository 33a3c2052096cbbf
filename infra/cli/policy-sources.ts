/** Policy files named on a command line: files as they are, folders with all that is in them. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join, normalize, relative } from 'node:path'
import { isPolicyPath, type TextFile } from '../../functions/validate/load-policies.ts'
import { UsageError } from './usage.ts'

/** Files below a folder, symbolic links left alone. */
function below(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => isPolicyPath(relative(folder, path)))
}

function expand(name: string): string[] {
  const stat = lstatSync(name, { throwIfNoEntry: false })
  if (stat === undefined) throw new UsageError(`${name}: no such file or folder`)
  return stat.isDirectory() ? below(name) : [normalize(name)]
}

/**
 * Texts of the named files and folders, each once. In a single folder, paths
 * count from it, so that its tenants.yaml is the repository's.
 */
export function readSources(names: readonly string[]): { root: string; files: TextFile[] } {
  const only = names.length === 1 ? (names[0] as string) : undefined
  const paths = [...new Set(names.flatMap(expand))].sort()
  if (paths.length === 0) throw new UsageError(`${names.join(', ')}: no YAML file there`)
  const root = only !== undefined && lstatSync(only).isDirectory() ? only : ''
  const files = paths.map((path) => ({
    path: root === '' ? path : relative(root, path),
    text: readFileSync(path, 'utf8'),
  }))
  return { root, files }
}
