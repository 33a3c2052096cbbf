/** What is to be done with one request: the router's word. */
import type { Request } from '../../../pipelines/protocols/http1-request.ts'
import type { Outcome, Router } from './ports.ts'

/** A router that fails is complained of; its request gets 500. */
export function outcomeOf(router: Router, request: Request, complain: (error: unknown) => void): Outcome {
  try {
    return router.route(request)
  } catch (error) {
    complain(error)
  }
  return { kind: 'reply', status: 500 }
}
