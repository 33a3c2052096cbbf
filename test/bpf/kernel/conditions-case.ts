/** What a match is tried with: requests that it holds and does not hold for. */
/** A request line without its version, then field lines; Host is `a` where none of them says it. */
export type Asked = string

export type MatchCase = {
  says: string
  /** YAML of `match`. */
  match: string
  holds: Asked[]
  fails: Asked[]
}

export const one = (says: string, match: string, holds: Asked[], fails: Asked[]): MatchCase => ({
  says,
  match,
  holds,
  fails,
})
/** Requests for / with one field. */
export const lines = (...fields: string[]) => fields.map((field) => `GET /\n${field}`)
export const paths = (...list: string[]) => list.map((path) => `GET ${path}`)
