/** What the breaker of a service learns from the end of one exchange. */
import type { ExchangeEnd } from './exchange-ports.ts'
import type { Admitted } from './ports.ts'

/** `status`: of the response, where there is one. What the relay has to answer in the service's stead is an error of it. */
export function tellBreaker(admitted: Admitted | undefined, end: ExchangeEnd, status = 200): void {
  if (end.kind === 'failed' && end.status === 'pending') admitted?.pending()
  else admitted?.over(end.kind === 'done' || end.kind === 'tunnel' ? status : 'error')
}
