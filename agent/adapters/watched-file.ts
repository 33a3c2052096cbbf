/** A list that people keep in a file: read again on each question, told when it may have changed. */
import { watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'

/** An editor writes in several steps; look when it has been still for so long. */
const SETTLE_MS = 50

export type WatchedFile<T> = {
  /** Never older than the question; parsed when the text is another than before. */
  read(): Promise<T>
  watch(changed: () => void): () => void
}

export function watchedFile<T>(file: string, parse: (file: string, text: string) => T): WatchedFile<T> {
  let known: { text: string; value: T } | undefined
  return {
    async read() {
      const text = await readFile(file, 'utf8')
      if (known?.text !== text) known = { text, value: parse(file, text) }
      return known.value
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
