/**
 * The constants of bpf/abi/heddle.h that the tables are made of. Restated, as
 * pipelines import nothing; a test compares them with the generated ABI.
 */
export const ABI = 1
export const TABLES_MAGIC = 0x314c4448
export const MAX_BLOCKS = 1024
export const MAX_DIMS = 64
/** Limits, and all else that sees requests. */
export const MAX_OBSERVERS = 32
/** Headers that limits are keyed by, numbered from 1 on. */
export const MAX_KEY_HEADERS = 3
export const DIM_METHOD = 0
export const DIM_HOST = 1
export const MAX_LATCHES = 512

export const NEXT_LATCH = 0x80000000
export const NEXT_STATE = 0x0fffffff

export const LEAF = 0x40000000
export const LEAF_NUMBER = 0x3fffffff
export const CLASS_ABSENT = 0
export const CLASS_OTHER = 1
export const CLASS_FIRST = 2

/** Codes of the framing fields, by name in lower case. */
export const FIELD_CODES: ReadonlyMap<string, number> = new Map([
  ['content-length', 1],
  ['transfer-encoding', 2],
  ['host', 3],
  ['connection', 4],
  ['upgrade', 5],
])

/** Word index of each member of struct heddle_tables. */
export const AT = {
  magic: 0,
  abi: 1,
  words: 2,
  row_u64: 3,
  blocks: 4,
  dims: 5,
  latches: 6,
  resumes_at: 7,
  method: 8,
  path: 14,
  names: 20,
  address4: 26,
  address6: 32,
  ports: 38,
  values_at: 44,
  diagram_at: 45,
  roots_at: 46,
  leaves_at: 47,
  rows_at: 48,
  selects_at: 49,
  denies_at: 50,
  allows_at: 51,
  judges_at: 52,
  opaque_at: 53,
  queries: 54,
  route_sets_at: 60,
  route_sets: 61,
  route_diagram_at: 62,
  forbids: 63,
  limits: 64,
  limits_at: 65,
  keys: 66,
  observes: 67,
  observers_at: 68,
  audits: 69,
  thens_at: 70,
  breakers_at: 71,
  mirrors_at: 72,
} as const
export const HEADER_WORDS = 74
export const DFA_WORDS = 6

/** Words of the largest tables: 32 MB. */
export const MAX_WORDS_LOG2 = 23

/** Routes: structs heddle_route_*, in words. */
export const ROUTE_SET_WORDS = 10
export const ROUTE_RULE_WORDS = 6
export const ROUTE_BACKEND_WORDS = 6
export const ROUTE_MAX_TEXT = 1024
export const ROUTE_MAX_NAMES = 32
export const ROUTE_BACKENDS_LOG2 = 12
export const ROUTE_NO_SERVICE = 0x7fffffff

export const ROUTE_FAST = 0
export const ROUTE_REPEATED = 1
export const ROUTE_TIMEOUT = 2
export const ROUTE_TEXT = 3
export const ROUTE_RETRY = 4
export const ROUTE_CORS = 5
export const ROUTE_FAULT = 6

export const CUT_BYTES = 0xffff
export const CUT_SLASH = 0x10000
export const CUT_PATH = 0x20000
export const CUT_NONE = 0x40000

export const REDIRECT_HOST = 1
export const REDIRECT_PORT = 2
export const REDIRECT_FIXED = 4

export const CORS_FILTER = 1
export const CORS_CREDENTIALS = 2

/** struct heddle_rate, in words, and enum heddle_key. */
export const RATE_WORDS = 10
export const OBSERVER_WORDS = 2
export const KEY_PATH = 1
export const KEY_HEADERS = 2
export const KEY_IDENTITY = 16

/** struct heddle_breaker_rule, in words. */
export const BREAKER_WORDS = 8

/** struct heddle_mirror, in words. */
export const MIRROR_WORDS = 2
