/** What is to be done with one request: the router's word, held to what can be done. */
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import { areHonest } from './head-edits.ts'
import type { Outcome, Router } from './ports.ts'

/** A router that fails, or asks for what can't be honoured, is complained of; its request gets 500. */
export function outcomeOf(router: Router, request: Request, complain: (error: unknown) => void): Outcome {
  try {
    const outcome = router.route(request)
    if (outcome.kind !== 'forward') return outcome
    if ([outcome.request, outcome.response].every((edits) => edits === undefined || areHonest(edits)))
      return outcome
    complain(new Error('a route edits what frames a message'))
  } catch (error) {
    complain(error)
  }
  return { kind: 'reply', status: 500, fields: [] }
}
