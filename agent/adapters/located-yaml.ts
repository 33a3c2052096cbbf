/** YAML or JSON that people write by hand, with the place of every part. */
import { isAlias, LineCounter, parseDocument } from 'yaml'
import { Failure } from '../../pipelines/contract/failures.ts'

/** What a check has against a part of the value. */
export type Issue = { path: PropertyKey[]; message: string }

export type Located = {
  value: unknown
  /** `file:line:column: path: message`, of the nearest part that stands in the text. */
  locate(issue: Issue): string
}

/** Throws Failure('yaml-syntax'). */
export function readLocated(file: string, text: string): Located {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, version: '1.2', uniqueKeys: true })
  const wrong = document.errors[0] ?? document.warnings[0]
  const at = (offset: number) => `${file}:${lines.linePos(offset).line}:${lines.linePos(offset).col}`
  if (wrong !== undefined)
    throw new Failure('yaml-syntax', `${at(wrong.pos[0])}: ${wrong.message.split('\n')[0]}`)
  return {
    value: document.toJS({ maxAliasCount: 100 }),
    locate({ path, message }) {
      let depth = path.length
      let node = document.getIn(path, true)
      while (depth > 0 && (node === undefined || isAlias(node)))
        node = document.getIn(path.slice(0, --depth), true)
      const range = (node as { range?: [number, number, number] } | undefined)?.range ?? [0, 0, 0]
      return `${at(range[0])}: ${path.join('.') || 'the file'}: ${message}`
    },
  }
}
