/** Check runs on GitHub, with findings on their lines. */
import { z } from 'zod'
import type { Finding } from '../../pipelines/contract/commit-status.ts'
import type { Check, Posts } from '../ports.ts'
import type { GithubClient } from './octokit-client.ts'

/** GitHub takes so many annotations in a request, and adds those of further requests. */
const BATCH = 50
/** Ten requests, a second apart; a summary says how many more there are. */
const MAX_ANNOTATIONS = 500
/** Characters: GitHub's limit of a summary is 65,535, of an annotation's message 64 kB. */
const MAX_SUMMARY = 60_000
const MAX_MESSAGE = 16_000
const MAX_TITLE = 255

const Run = z.object({ id: z.int(), status: z.string(), external_id: z.string().nullish() })
const Runs = z.object({ check_runs: z.array(Run) })

export function octokitChecks(github: GithubClient): Pick<Posts, 'check'> {
  return {
    async check(check) {
      const { name, commit, key } = check
      const ours = { commit, check_name: name, app_id: github.appId, filter: 'latest' }
      const runs = await github.find('GET /repos/{owner}/{repo}/commits/{commit}/check-runs', ours, Runs)
      const latest = runs?.check_runs[0]
      if (latest?.external_id === key && latest.status === 'completed') return
      // One that somebody began and did not end would have its first annotations twice: a new one takes its place.
      const batches = batchesOf(check.findings)
      const begun = { name, head_sha: commit, external_id: key, ...bodyOf(check, batches[0] ?? []) }
      const ended = { status: 'completed', conclusion: check.conclusion }
      const first = batches.length > 1 ? { ...begun, status: 'in_progress' } : { ...begun, ...ended }
      const { id } = await github.ask('POST /repos/{owner}/{repo}/check-runs', first, Run)
      for (const [at, batch] of batches.entries()) {
        if (at === 0) continue
        const body = { id, ...bodyOf(check, batch), ...(at === batches.length - 1 ? ended : {}) }
        await github.ask('PATCH /repos/{owner}/{repo}/check-runs/{id}', body, Run)
      }
    },
  }
}

function batchesOf(findings: readonly Finding[]): Finding[][] {
  const shown = findings.slice(0, MAX_ANNOTATIONS)
  const batches: Finding[][] = []
  for (let at = 0; at < shown.length; at += BATCH) batches.push(shown.slice(at, at + BATCH))
  return batches
}

function bodyOf({ title, summary, findings }: Check, batch: readonly Finding[]) {
  const more = findings.length - MAX_ANNOTATIONS
  const note = more > 0 ? `\n\n${more} more findings have no annotation; correct these first.` : ''
  return {
    output: {
      title: title.slice(0, MAX_TITLE),
      summary: `${summary.slice(0, MAX_SUMMARY)}${note}`,
      annotations: batch.map(annotationOf),
    },
  }
}

function annotationOf({ file, line, column, code, message, hint, severity }: Finding) {
  return {
    path: file,
    start_line: line,
    end_line: line,
    start_column: column,
    end_column: column,
    annotation_level: severity === 'error' ? 'failure' : 'warning',
    title: code,
    message: message.slice(0, MAX_MESSAGE),
    ...(hint === '' ? {} : { raw_details: hint.slice(0, MAX_MESSAGE) }),
  }
}
