/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * heddle.h - the one agreement between compiler, agent, relay and kernel.
 *
 * Everything that crosses a boundary stands here once: the tables inside an
 * artifact, the state of a connection, the live maps, counters and events. The
 * TypeScript in heddle.gen.ts is made from the BTF of this file
 * (bpf/abi/generate.ts) and is checked to be fresh. ABI.md tells the story.
 *
 * Rules: fixed widths, explicit padding, little endian unless a field says
 * otherwise, every limit named with unit and reason. A change that an older
 * reader would misread raises HEDDLE_ABI.
 */
#ifndef HEDDLE_ABI_H
#define HEDDLE_ABI_H

enum heddle_abi {
	HEDDLE_ABI = 1,
	HEDDLE_TABLES_MAGIC = 0x314c4448, /* "HDL1" */
};

/* ---- limits ------------------------------------------------------------- */
enum heddle_limit {
	/* Blocks (subject x peers x ports) in one artifact: a row is 1,024 bits. */
	HEDDLE_MAX_BLOCKS = 1024,
	HEDDLE_ROW_U64 = 16,
	/* What a verdict may look at: method, host and 62 named headers. */
	HEDDLE_MAX_DIMS = 64,
	HEDDLE_DIM_METHOD = 0,
	HEDDLE_DIM_HOST = 1,
	/* Groups reached by an infix match, remembered as one bit each. */
	HEDDLE_MAX_LATCHES = 512,
	HEDDLE_LATCH_U64 = 8,
	/* Bytes of a request head, request line and all fields (431 above it). */
	HEDDLE_MAX_HEAD = 16384,
	/* Bytes of the chunk-extension part of one chunk header (400 above it). */
	HEDDLE_MAX_CHUNK_EXT = 1024,
	/* Responses that one connection may owe before order is not tracked. */
	HEDDLE_MAX_OWED = 255,
	/* Generation slots: active, previous, candidate, and five draining. */
	HEDDLE_SLOTS = 8,
	/* Managed connections of one node; the next one is refused (closed). */
	HEDDLE_MAX_CONNS = 16384,
	/* Distinct addresses in the live identity map. */
	HEDDLE_MAX_ADDRESSES = 65536,
	/* Distinct label sets (identities) known to one generation. */
	HEDDLE_MAX_IDENTITIES = 16384,
	HEDDLE_EVENTS_BYTES = 1048576,
	/* Bytes of a stream that are looked at in one go. */
	HEDDLE_WINDOW = 4096,
	/* Windows a CPU can hold at once: a program may be interrupted by itself. */
	HEDDLE_WINDOWS_PER_CPU = 4,
	HEDDLE_MAX_CPUS = 128,
	/* Bytes of a local reply's head; its body is padding, see protocols/http1/reply.h. */
	HEDDLE_REPLY_HEAD = 86,
	/* A refused segment longer than this is cut to it before it becomes the reply. */
	HEDDLE_REPLY_MAX = 1024,
	/* UDP flows that workloads began and whose replies are let in (LRU). */
	HEDDLE_MAX_FLOWS = 16384,
	/* Services (a name and a port), their endpoints, and the endpoints of all services in order. */
	HEDDLE_MAX_SERVICES = 4096,
	HEDDLE_MAX_ENDPOINTS = 16384,
	HEDDLE_MAX_MEMBERS = 65536,
	/* Services and identities with routes of their own, in one generation. */
	HEDDLE_MAX_ROUTE_KEYS = 65536,
	/* Connections of workloads to services; the next one is the relay's from its first byte. */
	HEDDLE_MAX_CLIENTS = 16384,
	/* Connections that the relay keeps to endpoints; a pool is those of one endpoint for one identity. */
	HEDDLE_MAX_UPSTREAMS = 16384,
	HEDDLE_MAX_POOLS = 16384,
	/* Places of all services' Maglev tables together. */
	HEDDLE_MAX_SPOTS = 262144,
	/* Rate limits in one artifact: a bit each of one word. */
	HEDDLE_MAX_LIMITS = 32,
	/* Limits, and all else that sees what it matches, in one artifact: the same word. */
	HEDDLE_MAX_OBSERVERS = 32,
	/* Audit rules that a node has counts of: those of eight artifacts without one in common. */
	HEDDLE_MAX_AUDITED = 256,
	/* Buckets of all limits and keys of one node; the one that was used longest ago gives way, and begins full again. */
	HEDDLE_MAX_BUCKETS = 65536,
	/* Headers that limits may be keyed by, in one artifact: numbers 1 .. 3. */
	HEDDLE_MAX_KEYS = 4,
	/* Bytes of the head of a local reply that tells a limit. */
	HEDDLE_LIMITED_HEAD = 200,
	/* Copies of requests that wait for the relay: some thousand small ones. */
	HEDDLE_COPIES_BYTES = 2097152,
	/* Bytes of a copied request, head and body as they were sent; a longer one is not copied. */
	HEDDLE_COPY_MAX = 65536,
	/* Bytes of one record of a copy; a small one is for what fits into it, so that the ring holds more of them. */
	HEDDLE_COPY_PART = 4096,
	HEDDLE_COPY_SMALL = 944,
	/* Places that one request is copied to. */
	HEDDLE_COPY_TARGETS = 4,
	/* Bytes that a reader may leave unread before the rest of a message goes by way of the relay. */
	HEDDLE_MAX_UNREAD = 1048576,
};

/* ---- tables: one read-only blob of 32-bit words inside the artifact -------
 *
 * The blob is `policy[]` in section .rodata.policy. Every `*_at` below is an
 * index of a 32-bit word in the blob. Its capacity is a power of two, chosen
 * from a short ladder, so that one signed program text serves every policy of
 * its size class and an index is made safe by a mask.
 *
 * Automaton (struct heddle_dfa) over bytes, in row-displacement form:
 *   classes_at   64 words = 256 bytes: byte value -> class (0..stride-1)
 *   comb_at      entries of two words; entry i is words comb_at+2i, +2i+1
 *   dense_at     full rows of `stride` words, for states that share a default
 * A state s IS an index of comb entries:
 *   entry s      { dense row number, final value (0 = not accepting) }
 *   entry s+1    { latch + 1 reported on entering s (0 = none), 0 }
 *   entry s+2+c  { owner, next }: taken when owner == s, else the transition is
 *                dense word  dense_at + row*stride + c
 * `next` is a state, 0 = dead (nothing can match any more), and carries
 * HEDDLE_NEXT_LATCH when the state entered reports a latch. Comb entries 0 and
 * 1 are never a state, and every state is larger than any dense row number and
 * latch + 1 of its automaton, so that the first word of a header is never taken for
 * an owner (entries below the first state may lie over other sections: comb_at is
 * where entry 0 would stand). A word that names more than one latch is not possible:
 * the compiler gives each set of groups that is latched together one latch.
 */
enum heddle_next {
	HEDDLE_NEXT_LATCH = 0x80000000,
	HEDDLE_NEXT_STATE = 0x0fffffff,
};

struct heddle_dfa {
	__u32 start; /* state; 0 = this automaton accepts nothing */
	__u32 stride; /* classes in a dense row */
	__u32 classes_at;
	__u32 comb_at;
	__u32 dense_at;
	__u32 final_empty; /* final value of the empty input */
};

/*
 * Decision diagram: what remains to be looked at once the path is known. A node
 * is a comb entry index n in diagram_at:
 *   entry n      { default next, dimension that is asked }
 *   entry n+1+c  { owner, next }: taken when owner == n, c = value class of the
 *                dimension in this request (0 = header absent, 1 = present but
 *                no value that a rule names, 2.. = value classes)
 * `next` is a node, or HEDDLE_LEAF | leaf number. Leaf 0 = no block allows.
 * Leaf l is row l of leaves_at: `row_u64` 64-bit words, a bit for each block
 * that allows this request. The final value of the path automaton is the root;
 * latch l adds root roots_at[l]. A root is a `next` as well: HEDDLE_LEAF | leaf where
 * nothing but the path is asked. Where `thens_at` is not 0, word l there is a root that is asked as well
 * behind leaf l, 0 = none: answers to questions that have nothing in common would multiply in one
 * diagram, and only add up in several. The default next of a node never is the number of
 * a node that could read its header as an entry of its own. A request is allowed when any reached leaf has
 * a block in common with the blocks that apply to the connection, and none of them forbids.
 * Blocks that forbid come first. Where nothing but they apply to a connection, so that it would
 * pass unread, the block behind them applies as well, which allows every request.
 *
 * A header that comes again is one value with the first, a comma between (RFC 9110 5.3). Its class
 * says where its automaton goes on: word `class` of the dimension's resumes is the state behind the
 * comma, 0 = nothing that a rule names.
 */
enum heddle_diagram {
	HEDDLE_LEAF = 0x40000000,
	HEDDLE_LEAF_NUMBER = 0x3fffffff,
	HEDDLE_CLASS_ABSENT = 0,
	HEDDLE_CLASS_OTHER = 1,
	HEDDLE_CLASS_FIRST = 2,
};

/*
 * Final values of the header-name automaton (names folded to lower case by its
 * classes): low byte = enum heddle_field, bits 8..13 = dimension (0 = none), bits 14..15 =
 * number as a key of limits (0 = none; one that has a number has a dimension).
 */
enum heddle_field {
	HEDDLE_FIELD_OTHER = 0,
	HEDDLE_FIELD_CONTENT_LENGTH = 1,
	HEDDLE_FIELD_TRANSFER_ENCODING = 2,
	HEDDLE_FIELD_HOST = 3,
	HEDDLE_FIELD_CONNECTION = 4,
	HEDDLE_FIELD_UPGRADE = 5,
	HEDDLE_FIELD_TRAILER = 6, /* names that must not appear in a trailer */
};

struct heddle_tables {
	__u32 magic; /* HEDDLE_TABLES_MAGIC */
	__u32 abi; /* HEDDLE_ABI */
	__u32 words; /* words in use */
	__u32 row_u64; /* 64-bit words in a block row, 1..HEDDLE_ROW_U64 */
	__u32 blocks;
	__u32 dims; /* dimensions in use, >= 2 */
	__u32 latches;
	__u32 resumes_at; /* dims words: where a dimension's resumes stand, 0 = it has none */
	struct heddle_dfa method; /* final = value class of HEDDLE_DIM_METHOD */
	struct heddle_dfa path; /* final = diagram root (entry index) */
	struct heddle_dfa names; /* final = heddle_field | dimension << 8 */
	struct heddle_dfa address4; /* 4 bytes, network order; final = row + 1 */
	struct heddle_dfa address6; /* 16 bytes, network order; final = row + 1 */
	struct heddle_dfa ports; /* protocol, port hi, port lo; final = row + 1 */
	__u32 values_at; /* dims structs heddle_dfa; [d] reads the value of dim d */
	__u32 diagram_at;
	__u32 roots_at; /* latches words */
	__u32 leaves_at; /* rows, 64-bit aligned, as all rows */
	__u32 rows_at; /* rows named by address4, address6 and ports */
	/* Rows that class the blocks by what they do. */
	__u32 selects_at; /* blocks that make a subject default-deny */
	__u32 denies_at; /* ingressDeny */
	__u32 allows_at; /* L3/L4 allow without L7 rules: absorbs them */
	__u32 judges_at; /* L7 rules */
	__u32 opaque_at; /* L7 blocks that let unparseable protocols pass */
	/* Routes; an artifact without any has zeroes here. */
	struct heddle_dfa queries; /* name of a query parameter; final = dimension */
	__u32 route_sets_at; /* structs heddle_route_set, by number */
	__u32 route_sets;
	__u32 route_diagram_at;
	__u32 forbids; /* blocks observes .. forbids-1 deny what they match; block `forbids` is open to all */
	__u32 limits; /* blocks 0 .. limits-1 count what they match */
	__u32 limits_at; /* structs heddle_rate, one a block */
	__u32 keys; /* enum heddle_key of all limits; 0 = no head is read for a key */
	__u32 observes; /* blocks limits .. observes-1 see what they match, and no verdict hangs on them */
	__u32 observers_at; /* structs heddle_observer, one for each block below `observes` */
	__u32 audits; /* a bit for each of those that audits */
	__u32 thens_at; /* a word a leaf: the root that is asked as well, 0 = none; 0 = none of any */
	__u32 breakers_at; /* structs heddle_breaker_rule, by number; 0 = no service has a breaker */
	__u32 mirrors_at; /* structs heddle_mirror, one for each block below `observes`; 0 = none of them copies */
	__u32 mirrors_pad;
};

/* Of a block that sees requests and is no limit and no audit: what it matches, and is let in, is copied. */
struct heddle_mirror {
	__u32 service; /* where copies go: number in the manifest's `services` */
	__u32 ratio; /* copies of a million requests */
};

/* What a block that sees requests is known by. */
struct heddle_observer {
	__u64 id; /* of policy and rule: what is the same in another generation goes on there */
};

/* What a bucket is told by from others of its limit. */
enum heddle_key {
	HEDDLE_KEY_PATH = 1,
	HEDDLE_KEY_HEADERS = 2, /* << number - 1: the header that `names` gives that number */
	HEDDLE_KEY_IDENTITY = 16, /* the peer's; of no workload: its address */
};

/*
 * A limit as GCRA has it (ITU-T I.371, annex A): a request takes `interval` ns; it is taken while what was
 * taken lies no more than `tolerance` ahead of the clock. So a full bucket has 1 + tolerance / interval.
 */
struct heddle_rate {
	__u64 id; /* of policy, rule and arithmetic: what is the same in another generation has the same buckets */
	__u64 interval; /* ns */
	__u64 tolerance; /* ns */
	__u32 keys; /* enum heddle_key */
	__u32 quota; /* requests a window, for RateLimit-Policy */
	__u32 window; /* seconds */
	__u32 pad;
};

struct heddle_bucket_key {
	__u64 limit; /* its id */
	__u64 hash; /* of its keys, by a secret of the node */
};

struct heddle_bucket {
	__u64 until; /* CLOCK_MONOTONIC, ns: to where requests were taken */
};

/* The relay's request to a limit, run by BPF_PROG_RUN: one step beside what programs take. */
struct heddle_take {
	struct heddle_bucket_key key;
	__u64 interval;
	__u64 tolerance;
	__u64 wait; /* answer: ns until one would be taken; 0 = it was */
	__u64 secret; /* answer: the node's */
	__u32 back; /* not 0: gives back what was taken */
	__u32 pad;
};

/* What a client is told that a limit refuses: seconds until it has one more, and its policy. */
struct heddle_limited {
	__u32 retry_after;
	__u32 quota;
	__u32 window;
	__u32 pad;
};

/* ---- routes: where a request to a service goes ----------------------------
 *
 * A set is what the routes of one service port say to the clients of one namespace, or to
 * everyone else. The manifest's `routes` says for whom each set is; the agent maps live
 * services and identities to the numbers of sets. `paths` walks the target, of which it
 * ignores all from the first '?' on; the caller of the parser makes `root` the word index of
 * the set, whose first member `paths` is.
 *
 * The final value leads through a diagram, as above but at route_diagram_at and with one
 * difference: leaf 0 is no rule (404), leaf l is rule l - 1 of the set. Precedence was settled
 * by the compiler, so there is one answer. Dimensions are those of the other rules; a
 * query parameter is one as well, of which the first occurrence counts. A request
 * with a header that comes more than once is HEDDLE_REQUEST_REPEATED; where a question finds
 * HEDDLE_CLASS_OTHER in it, the relay answers.
 */
enum heddle_route_limit {
	/* Bytes of a text that the kernel writes; a longer one is the relay's. */
	HEDDLE_ROUTE_MAX_TEXT = 1024,
	/* Names that one edit leaves out: 16 set and 16 removed. */
	HEDDLE_ROUTE_MAX_NAMES = 32,
	/* log2 of the backends of one rule: the steps of a search. */
	HEDDLE_ROUTE_BACKENDS_LOG2 = 12,
};

/* The same bit of heddle_request.flags as HEDDLE_REQUEST_OPTIONS, behind the request line. */
enum heddle_route_flag {
	HEDDLE_REQUEST_REPEATED = 64, /* a header that has a dimension came more than once */
};

struct heddle_route_set {
	struct heddle_dfa paths; /* final = root in the routes' diagram, 0 = no rule */
	__u32 rules_at; /* structs heddle_route_rule */
	__u32 rules;
	__u32 queries; /* not 0: rules ask for query parameters, so the query has to be read */
	__u32 pad;
};

/* What route_find() answers: 0 = no rule, the word index of a rule, or this | reason. */
enum heddle_route_answer {
	HEDDLE_ROUTE_NONE = 0,
	HEDDLE_ROUTE_SLOW = 0x80000000, /* | enum heddle_route_reason: the relay has to do it */
	HEDDLE_ROUTE_REASON = 0xff,
};

enum heddle_route_reason {
	HEDDLE_ROUTE_FAST = 0,
	HEDDLE_ROUTE_REPEATED = 1, /* it depends on a header that came more than once */
	HEDDLE_ROUTE_TIMEOUT = 2, /* the rule has a timeout */
	HEDDLE_ROUTE_TEXT = 3, /* the rule writes or leaves out more than the kernel does */
	HEDDLE_ROUTE_RETRY = 4, /* the rule has requests sent again */
	HEDDLE_ROUTE_CORS = 5, /* the rule answers preflights, and adds what depends on Origin */
	HEDDLE_ROUTE_FAULT = 6, /* the rule lets requests wait */
};

/* A rule as one of its matches leads to it: one of another prefix may have another record. */
struct heddle_route_rule {
	__u32 reason; /* enum heddle_route_reason: not 0 = the relay's */
	__u32 backends_at; /* structs heddle_route_backend, none of weight 0 */
	__u32 backends;
	__u32 weight; /* of all of them, an abort among them; 0 = every request is answered with 500 */
	__u32 request_timeout; /* milliseconds, 0 = none */
	__u32 backend_timeout;
};

enum heddle_route_service {
	HEDDLE_ROUTE_NO_SERVICE = 0x7fffffff, /* a reference that can't be followed */
};

/* What is done: a redirect or a direct response where there is one; else without a service 500; else the request goes there. */
struct heddle_route_backend {
	__u32 weight_end; /* weights of this one and of all before it */
	__u32 service; /* number in the manifest's `services` */
	__u32 redirect_at; /* struct heddle_route_redirect, 0 = none */
	__u32 request_at; /* struct heddle_route_edit, 0 = nothing to change */
	__u32 response_at;
	__u32 relay_at; /* struct heddle_route_relay, 0 = none */
};

/* Bytes ready to be written, filled up with zeroes to a multiple of 8. */
struct heddle_text {
	__u32 at; /* even */
	__u32 bytes;
};

/* What gives way to a new target. Nothing does where the target is no path ("*"). */
enum heddle_route_cut {
	HEDDLE_ROUTE_CUT_BYTES = 0xffff, /* that many bytes from its beginning */
	HEDDLE_ROUTE_CUT_SLASH = 0x10000, /* and the slash behind them, where there is one */
	HEDDLE_ROUTE_CUT_PATH = 0x20000, /* all up to the '?' or the end, instead */
	HEDDLE_ROUTE_CUT_NONE = 0x40000, /* the target stays as it is */
};

/*
 * How a head is changed (policy/route-edits.ts says it byte by byte): `cut` of its target gives
 * way to `target`; Host's value, if `host` has bytes, to `host`; lines whose name has one of the
 * numbers at names_at (ascending) go; `lines` come in front of the empty one. A name's number is
 * the upper half of its final value in `names`. Filters of a rule and of its backend are one edit.
 */
struct heddle_route_edit {
	__u32 cut; /* enum heddle_route_cut */
	__u32 names_at;
	__u32 names;
	__u32 pad;
	struct heddle_text dropped; /* the same names, each with LF behind it, for who has no automaton */
	struct heddle_text target;
	struct heddle_text host;
	struct heddle_text lines;
};

enum heddle_route_redirect_flag {
	/* Behind `before`: Host's value without ":" and digits at its end; `name` if nothing is left. */
	HEDDLE_REDIRECT_HOST = 1,
	/* Behind that: ":" and the port that the client asked for, if it is not 80. */
	HEDDLE_REDIRECT_PORT = 2,
	/* None, but a direct response: `before` is its head, `after` its body, which HEAD does not get. */
	HEDDLE_REDIRECT_FIXED = 4,
};

/*
 * A whole response: of a redirect `before`, host and port as the flags say, `port`, the path with `cut` of it
 * given way to `target` ("/" where the target is no path) and its query, `after`.
 */
struct heddle_route_redirect {
	__u32 flags; /* enum heddle_route_redirect_flag */
	__u32 cut; /* enum heddle_route_cut */
	struct heddle_text before;
	struct heddle_text name;
	struct heddle_text port;
	struct heddle_text target;
	struct heddle_text after;
};

enum heddle_route_cors {
	HEDDLE_CORS_FILTER = 1, /* there is one */
	HEDDLE_CORS_CREDENTIALS = 2,
};

/* What no program reads: a rule that has it is the relay's. Lists are texts with LF behind each entry. */
struct heddle_route_relay {
	__u32 attempts; /* of a retry, behind the first; 0 = none */
	__u32 backoff; /* milliseconds */
	__u32 cors; /* enum heddle_route_cors */
	__u32 max_age; /* seconds */
	__u32 delay; /* milliseconds that a part of the requests waits, 0 = none */
	__u32 delayed; /* how large a part: hundredths of a percent */
	__u32 idle; /* milliseconds without a byte from or to the endpoint, 0 = any */
	__u32 budget; /* of a retry: one more than hundredths of a percent, 0 = none */
	__u32 least; /* retries under way that a budget always leaves */
	__u32 pad;
	struct heddle_text codes; /* of a retry */
	struct heddle_text origins;
	struct heddle_text methods;
	struct heddle_text headers;
	struct heddle_text expose;
};

/* A set of blocks, as functions take it. */
struct heddle_blocks {
	__u64 row[HEDDLE_ROW_U64];
};

/* One identity in one generation: which blocks it is subject or peer of. */
struct heddle_identity_rows {
	__u64 subject[HEDDLE_ROW_U64];
	__u64 peer[HEDDLE_ROW_U64];
};

/* SO_MARK of a connection that could not be enrolled: its packets are dropped. "HDL" */
enum heddle_mark {
	HEDDLE_MARK_UNREAD = 0x4c444800,
};

/* ---- why: every verdict is counted under a name an operator understands ---- */
enum heddle_reason {
	HEDDLE_ALLOWED = 0, /* L7 rules allowed the request */
	HEDDLE_PASSED = 1, /* no L7 rule applies to the connection */
	HEDDLE_DENIED = 2, /* no rule allows the request: 403 */
	HEDDLE_DROPPED = 3, /* L3/L4: the connection or packet is not allowed */
	HEDDLE_BAD_METHOD = 4,
	HEDDLE_BAD_TARGET = 5,
	HEDDLE_BAD_VERSION = 6,
	HEDDLE_BAD_LINE_END = 7, /* bare CR or bare LF */
	HEDDLE_BAD_FIELD_NAME = 8, /* also space before the colon */
	HEDDLE_OBS_FOLD = 9,
	HEDDLE_BAD_FIELD_VALUE = 10, /* NUL and other controls */
	HEDDLE_BAD_HOST = 11, /* missing or twice */
	HEDDLE_BAD_CONTENT_LENGTH = 12,
	HEDDLE_LENGTH_TWICE = 13, /* Content-Length twice */
	HEDDLE_LENGTH_AND_CHUNKED = 14, /* Content-Length with Transfer-Encoding */
	HEDDLE_BAD_TRANSFER_ENCODING = 15,
	HEDDLE_BAD_UPGRADE = 16, /* h2c */
	HEDDLE_BAD_CHUNK = 17,
	HEDDLE_BAD_TRAILER = 18,
	HEDDLE_HEAD_TOO_LARGE = 19, /* 431 */
	HEDDLE_TLS = 20,
	HEDDLE_HTTP2 = 21,
	HEDDLE_UNPARSED_PASSED = 22, /* not HTTP/1, and the policy says pass */
	HEDDLE_UNKNOWN_STATE = 23, /* began before a policy selected it, unparseable */
	HEDDLE_NO_CONNECTION = 24, /* no state for this socket: closed */
	HEDDLE_NO_WINDOW = 25, /* no scratch window free: closed */
	HEDDLE_NO_GENERATION = 26, /* nothing staged: closed */
	HEDDLE_EXHAUSTED = 27, /* too many connections: the new one is closed */
	HEDDLE_AFTER_REFUSAL = 28, /* bytes after a refusal: dropped */
	HEDDLE_UNANSWERED = 29, /* refused, but order left no place for a reply */
	HEDDLE_ENROL_FAILED = 30,
	HEDDLE_REFUSED_BY_MODE = 31, /* L7 rules apply, and the workload's mode lets no client in */
	/* Neither HTTP nor TLS: begins with a byte, or has a first line, that no request can have. */
	HEDDLE_OTHER_PROTOCOL = 32,
	HEDDLE_UNDECLARED = 33, /* L3/L4: to an address that no workload declares */
	HEDDLE_EVENT_LOST = 34, /* the ring was full: a sweep of the relay finds what it told of */
	HEDDLE_LIMITED = 35, /* a rate limit has no more: 429 */
	HEDDLE_NEW_BUCKET = 36, /* a limit met a key that has no bucket, or none any more */
	HEDDLE_AUDIT_UNCOUNTED = 37, /* no room for the counts of one more audit rule: what it saw is lost */
	HEDDLE_COPIED = 48, /* copies that were begun; one that stays without its end, the relay counts */
	HEDDLE_COPY_RING = 49, /* copies lost: the ring was full */
	HEDDLE_COPY_LARGE = 50, /* … the request is longer than HEDDLE_COPY_MAX */
	HEDDLE_COPY_NO_SERVICE = 51, /* … this node knows no such service */
	HEDDLE_COPY_BEYOND = 52, /* … the request has HEDDLE_COPY_TARGETS others */
	/* Counters there are: with room, so that a new reason is no new layout. */
	HEDDLE_REASONS = 64,
};

/* ---- live maps ---------------------------------------------------------- */

/* What a connection's L3/L4 context asks for. */
enum heddle_kind {
	HEDDLE_KIND_UNKNOWN = 0,
	HEDDLE_KIND_PASS = 1,
	HEDDLE_KIND_JUDGE = 2,
	HEDDLE_KIND_DROP = 3,
	HEDDLE_KIND_UPSTREAM = 4, /* the server's end of a connection that the relay keeps for requests judged before */
};

/* Request parser: where in the stream the next byte stands. */
enum heddle_phase {
	HEDDLE_START = 0, /* between messages */
	HEDDLE_METHOD = 1,
	HEDDLE_TARGET = 2,
	HEDDLE_VERSION = 3,
	HEDDLE_LINE = 4, /* first byte of a field line */
	HEDDLE_NAME = 5,
	HEDDLE_SPACE = 6, /* optional white space before a value */
	HEDDLE_VALUE = 7,
	HEDDLE_VALUE_LF = 8,
	HEDDLE_HEAD_LF = 9,
	HEDDLE_JUDGE = 10, /* head complete, no byte consumed here */
	HEDDLE_BODY = 11,
	HEDDLE_CHUNK_SIZE = 12,
	HEDDLE_CHUNK_EXT = 13,
	HEDDLE_CHUNK_LF = 14,
	HEDDLE_CHUNK_DATA = 15,
	HEDDLE_CHUNK_END_CR = 16,
	HEDDLE_CHUNK_END_LF = 17,
	HEDDLE_TUNNEL = 18, /* after 101: bytes pass */
	HEDDLE_OPAQUE = 19, /* not HTTP/1: bytes pass while no rule judges */
	HEDDLE_CLOSED = 20, /* refused: bytes are dropped */
};

enum heddle_request_flag {
	HEDDLE_REQUEST_HTTP10 = 1,
	HEDDLE_REQUEST_HOST = 2,
	HEDDLE_REQUEST_LENGTH = 4,
	HEDDLE_REQUEST_CHUNKED = 8,
	HEDDLE_REQUEST_TRAILER = 16, /* the lines being read are trailers */
	HEDDLE_REQUEST_HEAD = 32, /* method HEAD */
	HEDDLE_REQUEST_OPTIONS = 64,
	HEDDLE_REQUEST_PRI = 128, /* HTTP/2's preface, so far */
	HEDDLE_REQUEST_UPGRADE = 128, /* the same bit behind the request line: there is an Upgrade field */
};

/* Parser of one direction: requests. Lives across segments. */
struct heddle_request {
	__u64 remaining; /* bytes of body or chunk still to pass; number being read */
	__u32 head_bytes; /* of this head (or trailer) so far */
	__u32 state; /* automaton state */
	__u32 state_trimmed; /* the same after the last byte that is no blank */
	__u32 text_bytes; /* of the token, value or extension being read */
	__u64 word; /* the last 8 bytes of a short word, folded to lower case */
	__u32 root; /* diagram root that the path reached */
	__u8 phase; /* enum heddle_phase */
	__u8 flags; /* enum heddle_request_flag */
	__u8 field; /* enum heddle_field of the line being read */
	__u8 dim; /* of the line being read: dimension, and number as a key << 6; 0 = none */
	__u64 latches[HEDDLE_LATCH_U64];
	__u16 classes[HEDDLE_MAX_DIMS]; /* value class per dimension */
	__u64 keys[HEDDLE_MAX_KEYS]; /* hashes of the path, and of headers by their number */
};

/* Response tracker phases: where the response stream stands. */
enum heddle_response_phase {
	HEDDLE_RESPONSE_START = 0,
	HEDDLE_RESPONSE_STATUS = 1,
	HEDDLE_RESPONSE_LINE = 2,
	HEDDLE_RESPONSE_NAME = 3,
	HEDDLE_RESPONSE_VALUE = 4,
	HEDDLE_RESPONSE_BODY = 6,
	HEDDLE_RESPONSE_CHUNK_SIZE = 7,
	HEDDLE_RESPONSE_CHUNK_EXT = 8,
	HEDDLE_RESPONSE_CHUNK_DATA = 9,
	HEDDLE_RESPONSE_TRAILER = 10, /* at the start of a trailer line */
	HEDDLE_RESPONSE_TRAILER_LINE = 11,
	HEDDLE_RESPONSE_TO_CLOSE = 12, /* body ends with the connection */
	HEDDLE_RESPONSE_LOST = 13, /* can't be followed: no reply can be ordered */
};

/*
 * Follows the replies to know how many are owed: a local reply has to wait until
 * the earlier ones are out. One thing more hangs on it: a 101 ends the reading of
 * requests, so that is believed only where it can't be a body in disguise.
 */
struct heddle_response {
	__u64 remaining;
	__u64 word;
	__u32 position; /* absolute TCP sequence of the next byte to look at */
	__u16 status;
	__u8 phase; /* enum heddle_response_phase */
	__u8 flags; /* 1 = Content-Length seen, 2 = chunked, 4 = position known, 8 = the server will close */
	__u32 text_bytes;
	__u8 field; /* 0 other, 1 Content-Length, 2 Transfer-Encoding */
	__u8 pad[3];
};

enum heddle_conn_flag {
	HEDDLE_CONN_REPLY_DUE = 1, /* refused, the reply waits for owed responses */
	HEDDLE_CONN_REPLY_OUT = 2, /* the reply is on its way through sk_msg */
	HEDDLE_CONN_BODILESS = 8, /* a response was taken to have no body, whatever its head said */
};

/* One accepted connection, keyed by socket cookie; dies with the socket. */
struct heddle_conn {
	__u64 cookie;
	__u8 remote[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	__u8 local[16];
	__u16 remote_port; /* host order */
	__u16 local_port; /* host order */
	__u32 requests; /* heads judged so far; of KIND_UPSTREAM: its index in `upstreams` */
	__u64 generation; /* under which the message in progress is judged */
	__u32 epoch; /* of the live identities that `blocks` was made from */
	__u8 slot;
	__u8 kind; /* enum heddle_kind */
	__u8 flags; /* enum heddle_conn_flag */
	__u8 reason; /* enum heddle_reason of the refusal */
	__u64 blocks[HEDDLE_ROW_U64]; /* L7 blocks that apply */
	__u64 opaque; /* not 0: an L7 block lets unparseable protocols pass */
	__u64 head_bits[4]; /* ring of 256: was request n a HEAD */
	__u16 owed; /* responses not yet complete */
	__u16 owed_at_reply; /* the reply goes out when `owed` has come down to this */
	__u8 next_request; /* ring index */
	__u8 next_response; /* ring index */
	__u16 status; /* of the local reply */
	__u32 resume; /* offset in a segment handed to a newer generation */
	__u32 message_at; /* offset of the message's first byte in this segment, ~0 = earlier */
	struct heddle_request request;
	struct heddle_response response;
	struct heddle_limited limited;
	__u32 seen; /* by which rules that see requests the last head was met: a bit each */
	__u32 copied; /* of the message in progress: enum heddle_copied, else 1 + bytes that were copied */
};

enum heddle_copied {
	HEDDLE_COPIED_NOTHING = 0,
	HEDDLE_COPIED_LOST = 0xffffffff, /* a part of it is: no copy of it can become whole */
};

/* Scratch for one run of one program. */
struct heddle_window {
	__u32 busy;
	__u32 pos; /* next byte to read */
	__u32 len; /* bytes loaded */
	__u32 base; /* offset in the segment of bytes[0] */
	__u32 end; /* a parser may read up to here: len, or less by a limit */
	__u32 matched; /* scratch of hash-key.h: bytes of a name. On a stack each count is a case to the verifier */
	__u8 bytes[HEDDLE_WINDOW];
	__u8 slack[64]; /* 8-byte reads may run past the end */
};

/* The active generation: one 8-byte store flips every hook. 0 = none. */
struct heddle_active {
	__u64 generation_slot; /* generation << 8 | slot */
};

/* Octaves of microseconds, four buckets each (programs/parts/measure.h). */
enum heddle_measure_limit {
	HEDDLE_LATENCY_BUCKETS = 96,
	HEDDLE_REFUSALS = 64, /* kept of a generation */
	HEDDLE_REFUSAL_TEXT = 112,
};

/* What a generation has judged and seen, a CPU at a time. Only grows. */
struct heddle_measures {
	__u64 allowed; /* requests that a rule was asked for */
	__u64 refused;
	__u64 responses;
	__u64 errors; /* 5xx */
	__u64 latency[HEDDLE_LATENCY_BUCKETS]; /* responses by time since their request's head */
};

/* The first bytes of a refused request; `number` is written last. */
struct heddle_refusal {
	__u64 number; /* from 1 on; 0 = none yet */
	__u32 bytes; /* of text */
	__u32 pad;
	__u8 text[HEDDLE_REFUSAL_TEXT];
};

/* Which slot and generation a program was staged for; a map of its own per slot. */
struct heddle_self {
	__u64 generation;
	__u32 slot;
	__u32 shadow; /* 1 + slot of the candidate that judges beside this generation; 0 = none does */
};

/* ---- shadow: a candidate judges what comes, and changes nothing ------------
 *
 * Where a generation's `self.shadow` names a slot, each segment that begins or goes on with a
 * head is first given to the candidate's `inbound_shadow`, which judges its messages by its own
 * tables in a seat of the connection, and hands back. The active generation then judges as
 * ever, and compares message by message. What a workload of this node calls is judged on the
 * client's side: there the candidate comes last, and its only answer is SK_PASS. Counters are of the candidate's slot: slot *
 * HEDDLE_SHADOW_COUNTS + enum heddle_shadow_count; samples: (slot * 3 + count - 1) *
 * HEDDLE_SHADOW_SAMPLES + place.
 */
enum heddle_shadow_limit {
	/* A power of two. Connections share one by chance: who comes second in the middle of a head is not seen. */
	HEDDLE_SHADOW_SEATS = 2048,
	/* Where connections are judged that got no seat: no candidate has seen them. */
	HEDDLE_SHADOW_NOBODY = 2048,
	/* Messages of one segment that the candidate judges; those behind are not seen. */
	HEDDLE_SHADOW_MESSAGES = 64,
	/* Of each kind of difference, the newest: a power of two. */
	HEDDLE_SHADOW_SAMPLES = 8,
	/* Bytes of a sample's head: a method, and a path long enough to tell it by. */
	HEDDLE_SHADOW_TEXT = 192,
	/* Once there are HEDDLE_SHADOW_SAMPLES of a kind, one more is taken so often: 100 ms. */
	HEDDLE_SHADOW_PAUSE_NS = 100000000,
};

enum heddle_shadow_count {
	HEDDLE_SHADOW_AGREE = 0,
	HEDDLE_SHADOW_NEW_DENY = 1, /* let in, and the candidate would not */
	HEDDLE_SHADOW_NEW_ALLOW = 2, /* refused, and the candidate would let it in */
	HEDDLE_SHADOW_OTHER = 3, /* refused by both, with another status */
	HEDDLE_SHADOW_UNSEEN = 4, /* judged by the active generation alone */
	HEDDLE_SHADOW_COUNTS = 8,
};

/* In place of a window's `busy`, with the low bits of a cookie: it has the head that a candidate is to judge. */
enum heddle_shadow_window {
	HEDDLE_SHADOW_WINDOW = 0x80000000,
};

/* Where the candidate judges one connection. Writer: who has made `busy` 1, one run at a time. */
struct heddle_shadow_seat {
	__u64 owner; /* cookie of the connection that sat here last */
	__u32 busy;
	__u32 slot; /* of the generation that asks: the candidate hands back to it */
	__u32 candidate; /* its slot */
	__u32 at; /* offset in the segment: of what is to be judged, then of the message that is compared */
	__u32 messages; /* of this segment that the candidate has judged */
	__u32 compared;
	__u32 text_bytes;
	__u32 text_of; /* number of the head on its connection */
	__u32 peer; /* of a client that calls a service: its identity; of `conn` then only who, where to and what is read */
	__u32 pad;
	__u8 reasons[HEDDLE_SHADOW_MESSAGES]; /* enum heddle_reason; the active generation's, of such a client */
	/* How a head begins whose end is in a later segment; twice as long, so that each piece may be a whole one. */
	__u8 text[2 * HEDDLE_SHADOW_TEXT];
	struct heddle_conn conn; /* as the candidate has it */
};

/* Of one kind of difference of one candidate. */
struct heddle_shadow_pace {
	__u64 taken; /* samples so far */
	__u64 last; /* when; CLOCK_MONOTONIC, ns */
};

/* One message that two generations do not agree about. Being written while `begun` is not `done`. */
struct heddle_shadow_sample {
	__u64 begun;
	__u64 at; /* CLOCK_MONOTONIC, ns */
	__u64 generation; /* the active one */
	__u8 remote[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	__u8 local[16];
	__u16 remote_port; /* host order */
	__u16 local_port; /* host order */
	__u8 protocol; /* IPPROTO_*; a SYN, and what is no TCP, has no text */
	__u8 active_reason; /* enum heddle_reason */
	__u8 candidate_reason; /* enum heddle_reason */
	__u8 kind; /* enum heddle_shadow_count */
	__u32 text_bytes;
	__u32 peer; /* identity of the source, where it is known by more than its address; 0 = it is not */
	__u8 text[HEDDLE_SHADOW_TEXT]; /* the head, from its first byte on */
	__u64 done;
};

/* ---- audit: rules that see requests, and change nothing ------------------- */

/* What became of what an audit rule saw. */
enum heddle_audit_what {
	HEDDLE_AUDIT_ALLOWED = 0, /* also what passed, as nobody judges there */
	HEDDLE_AUDIT_REFUSED = 1,
	/* Bytes that are no HTTP/1, where the rule would have read requests: passed or refused. */
	HEDDLE_AUDIT_UNREAD = 2,
	HEDDLE_AUDIT_COUNTS = 4,
};

/* Of one rule, by its id. Only grows. */
struct heddle_audited {
	__u64 count[HEDDLE_AUDIT_COUNTS];
};

/* `seen`: who, where to, active_reason and how the head begins. Place: slot * HEDDLE_MAX_OBSERVERS + the rule's bit. */
struct heddle_audit_sample {
	__u64 audit; /* the rule's id */
	struct heddle_shadow_sample seen;
};

/* A request that the relay has judged, for BPF_PROG_RUN: counted and sampled as programs do. */
struct heddle_audit_note {
	__u32 place;
	__u32 what; /* enum heddle_audit_what */
	struct heddle_audit_sample sample;
};

/* Knobs of one node. Writer: agent only. */
struct heddle_node {
	__u32 epoch; /* raised whenever identities or rows change */
	__u32 trace; /* not 0: an event for every verdict */
};

/* Writer: programs only. */
struct heddle_population {
	__u64 connections; /* enrolled now */
	__u64 secret; /* keys are hashed with it; drawn by whoever needs it first */
};

/* Longest-prefix key of the identity map: IPv4 as ::ffff:0:0/96. */
struct heddle_address {
	__u32 prefix_bits;
	__u8 bytes[16];
};

/* A UDP flow that a workload began. */
struct heddle_flow {
	__u8 remote[16];
	__u8 local[16];
	__u16 remote_port; /* network order */
	__u16 local_port; /* network order */
};

/* Who began a UDP flow: only what a workload began has replies that no rule judges. */
enum heddle_flow_origin {
	HEDDLE_FLOW_SERVED = 0, /* the first datagram came in, judged */
	/* else: when the workload's first datagram left, CLOCK_MONOTONIC, ns */
};

/*
 * How L7 rules are enforced at one address of a workload. An address that has
 * no entry is in mode kernel. Whatever the mode, L3/L4 is the kernel's.
 */
enum heddle_mode {
	HEDDLE_MODE_KERNEL = 0,
	HEDDLE_MODE_RELAY = 1, /* only the relay's own connections come through */
	HEDDLE_MODE_REFUSE = 2, /* none does */
};

/* A connection that a relay of this node makes itself, in the map `relayed`. */
enum heddle_relayed {
	HEDDLE_RELAYED_JUDGED = 1, /* to a workload, after its own verdict: not read again */
	HEDDLE_RELAYED_PROBE = 2, /* to itself, to see what reading does to a socket: enrolled */
	HEDDLE_RELAYED_UPSTREAM = 0x10000, /* | index: a pooled connection to an endpoint of this node */
};

/* A port whose new connections the relay takes: in the address's own order. */
struct heddle_service {
	__u8 address[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	__u16 port; /* host order */
	__u16 pad;
};

/* ---- outbound: workloads that call services ----------------------------- */

/* One service: `members[first .. first + count)` are its endpoints, nearest first. Writer: agent. */
struct heddle_service_state {
	__u32 first;
	__u32 count;
	__u32 local; /* how many of them are on this node: the first ones */
	__u32 zone; /* how many are on this node or in its zone */
};

enum heddle_endpoint_flag {
	HEDDLE_ENDPOINT_LOCAL = 1, /* a workload of this node */
};

/*
 * Where a service's requests go. Its number stays while it is an endpoint, and is
 * given to another one only when nothing refers to it any more. Writer: agent.
 */
struct heddle_endpoint {
	__u8 address[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	__u16 port; /* host order */
	__u16 flags; /* enum heddle_endpoint_flag */
	__u32 weight; /* 0 = takes no new request */
};

/* Whose requests, where to. Two identities never share a connection. */
struct heddle_pool_key {
	__u32 endpoint;
	__u32 identity;
};

/*
 * Idle upstreams, last in first out: `head` is tag << 32 | index + 1, 0 = empty. The tag is
 * raised by every change, so that an index that went and came back is told from one that stayed.
 */
struct heddle_pool {
	__u64 head;
	__u64 missed; /* requests that found it empty */
};

enum heddle_use {
	HEDDLE_USE_NONE = 0, /* the relay may give this entry to a new connection */
	HEDDLE_USE_OPENING = 1, /* named by the relay, not yet accepted by the server */
	HEDDLE_USE_IDLE = 2, /* in its pool */
	HEDDLE_USE_TAKEN = 3, /* a client has it, at work or for its next request */
	HEDDLE_USE_GONE = 4, /* closed while in its pool: whoever takes it from there leaves it out */
	HEDDLE_USE_OVER = 5, /* closed or closing, and in no pool */
};

/* What an upstream does for its client. Set by the client's side, cleared by the server's. */
enum heddle_work {
	HEDDLE_WORK_RESPONSE = 1, /* a request is with the server, its response is not complete */
	HEDDLE_WORK_WATCHED = 2, /* the relay has what the client sent next, and waits for the end */
};

enum heddle_upstream_flag {
	HEDDLE_UPSTREAM_HEAD = 1, /* its request is a HEAD: the response has no body */
	/* To another node: `server` is the relay's own socket, its peer is no socket of this kernel. */
	HEDDLE_UPSTREAM_REMOTE = 2,
	/* The client's own connection, which leads to the endpoint: `server` is the client's socket. */
	HEDDLE_UPSTREAM_DIRECT = 4,
};

/* How the rest of what is under way goes. Once by the relay, it stays so until it is complete. */
enum heddle_way {
	HEDDLE_WAY_KERNEL = 0,
	/*
	 * By wire to the relay, which brings it to the client: `response` says where it stood then. At
	 * START it is a head that the route changes (`response_at`), and that programs can't change.
	 */
	HEDDLE_WAY_RELAY = 1,
	/* Of a direct one: what its client says, or is told, is followed no more, and all of it is its endpoint's. */
	HEDDLE_WAY_BLIND = 2,
	/* Of a direct one: a request of it was answered before all of it had come. What follows is nobody's. */
	HEDDLE_WAY_SHUT = 3,
};

/* In place of an endpoint's number, with identity 0: the pool of entries for clients' own connections. */
enum heddle_pool_name {
	HEDDLE_POOL_DIRECT = 16384, /* HEDDLE_MAX_ENDPOINTS */
};

/*
 * Every request of an identity to a service goes to one endpoint, on another node, and no route says
 * more: its connections are made there, past the relay.
 */
struct heddle_direct {
	__u8 source[16]; /* the address to call from, which that node judges by; all zeroes = any */
	__u32 endpoint;
	__u32 pad;
};

/*
 * A connection of the relay to an endpoint: its own end, and the server's. A client keeps the one
 * that it has used until its next request goes elsewhere. So what it sent last is with the server
 * when another client gets it; and a request costs two moves of one cache line.
 */
struct heddle_upstream {
	/* The client's side and the server's. */
	__u64 server; /* cookie of the server's socket */
	__u64 client; /* cookie of the client that has it */
	__u32 work; /* enum heddle_work */
	__u32 use; /* enum heddle_use */
	__u32 flags; /* enum heddle_upstream_flag */
	__u32 next; /* in its pool: index + 1 of the one below */
	__u32 endpoint;
	__u32 identity;
	__u64 reader; /* the client's socket in this kernel: how much of what it was given is unread */
	__u64 began; /* with COUNT_LATENCY: when the request was handed over; CLOCK_MONOTONIC, ns */
	__u32 service; /* that chose it for this request */
	__u32 counts; /* enum heddle_count: owed to the endpoint's health when the response ends */
	/* The server's side alone. */
	struct heddle_response response;
	__u64 responses; /* complete ones */
	__u64 writer; /* the server's socket, or the relay's own: what it has not read, or not sent */
	__u32 way; /* enum heddle_way */
	__u32 corked; /* 1: of a head that the route changes, what has come is held until it is whole */
	__u32 pad2[2];
	/* The client's side alone: what inbound rules make of its identity and this endpoint. */
	__u64 generation;
	__u32 epoch;
	__u32 kind; /* enum heddle_kind */
	__u64 blocks[HEDDLE_ROW_U64];
	__u32 expected; /* of a remote one: write_seq of `writer` when all that was handed to it is taken */
	/* The client's side, where it changes; the server's side reads it. */
	__u32 response_at; /* struct heddle_route_edit for the head of the response, 0 = none */
	__u64 edits; /* generation whose tables that is in */
	__u32 edits_slot; /* of that generation */
	__u32 ticket; /* with COUNT_BREAKER: what the breaker gave it (enum heddle_breaker_ticket) */
	__u32 pad3[6];
};

/* In whose hands a client's connection is: the kernel's, while RELAY is not set. */
enum heddle_hand {
	HEDDLE_HAND_RELAY = 1, /* what comes next goes to the relay */
	HEDDLE_HAND_OFFER = 2, /* the relay would give it back; taken at the next message if nothing is under way */
};

enum heddle_client_reason {
	HEDDLE_SLOW_PIPELINED = 0, /* a request before the response to the one before */
	HEDDLE_SLOW_HEAD = 1, /* a head in pieces, too long, or not in the canonical subset */
	HEDDLE_SLOW_VERSION = 2, /* HTTP/1.0, Upgrade */
	HEDDLE_SLOW_POOL = 3, /* no idle upstream */
	HEDDLE_SLOW_ROUTE = 4, /* what the route asks for, only the relay can do */
	HEDDLE_SLOW_UNREAD = 5, /* its reader is too far behind */
	HEDDLE_SLOW_REMOTE = 6, /* the endpoint is on another node */
	HEDDLE_SLOW_NO_GENERATION = 7, /* nothing staged */
	HEDDLE_SLOW_GONE = 8, /* its upstream closed */
	HEDDLE_SLOW_FOLLOWS = 9, /* more on a connection that the relay has */
	HEDDLE_KERNEL_ROUTED = 10, /* decided and carried by the kernel */
	HEDDLE_KERNEL_ANSWERED = 11, /* answered by the kernel itself */
	HEDDLE_SLOW_ENDLESS = 13, /* a remote response that only the end of its connection ends */
	HEDDLE_SLOW_REFUSED = 12, /* no route, no rule or no endpoint: the relay gives the answer */
	HEDDLE_SLOW_LIMITED = 14, /* a rate limit has no more, and the relay tells the client: it asks again */
	HEDDLE_SLOW_BROKEN = 15, /* a breaker opened, or was full, at this moment: the relay asks again */
	HEDDLE_CLIENT_REASONS = 32,
};

enum heddle_client_flag {
	HEDDLE_CLIENT_CORKED = 1, /* the head that is being read came in pieces */
	/* Has sent a request before the response to the one before: the relay keeps the order from then on. */
	HEDDLE_CLIENT_PIPELINES = 2,
	/* The body of a request goes on in the next message; to the relay, where that has the connection. */
	HEDDLE_CLIENT_REQUEST = 4,
};

/* Which routes a client's requests are subject to. `identity` 0 = every client's that has no entry of its own. */
struct heddle_route_key {
	__u32 service; /* live number */
	__u32 identity;
};

struct heddle_route_choice {
	__u32 set; /* 1 + number of the set; 0 = no routes: the service's own endpoints */
	__u32 own; /* under identity 0: some identities have entries of their own */
};

/* What a socket asked for when it called a service. */
struct heddle_called {
	__u8 address[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	__u16 port; /* host order */
	__u16 pad;
	__u32 service;
	__u32 identity;
	__u32 direct; /* 1 + index of the entry for its own connection; 0 = it leads to the relay */
};

/* A connection of a workload to a service, keyed by socket cookie; dies with the socket. */
struct heddle_client {
	__u64 cookie;
	__u8 address[16]; /* what it asked for; network order */
	__u16 port; /* host order */
	__u16 local_port; /* host order */
	__u32 service;
	__u32 identity;
	__u32 hand; /* enum heddle_hand */
	__u32 upstream; /* 1 + index of the one that it has; 0 = none */
	__u32 requests; /* heads judged so far */
	__u32 sent_base; /* write_seq before its first byte */
	__u32 offered_sent; /* with OFFER: bytes that the relay has read */
	__u64 offered_received; /* with OFFER: bytes that the relay has written */
	__u64 generation; /* under which the message in progress is judged, and that `route_set` is of */
	__u32 slot;
	__u32 flags; /* enum heddle_client_flag */
	__u32 epoch; /* of the live data that `route_set` is of */
	__u32 route_set; /* word index of the set of routes, 0 = none */
	__u32 direct; /* 1 + index of the upstream that is its own connection; 0 = that leads to the relay */
	__u32 copied; /* as of a heddle_conn */
	struct heddle_request request;
	struct heddle_limited limited;
};

/* What the relay asks of the program `relay_ask`: what has to be one step beside the other programs. */
enum heddle_ask_what {
	/* The relay has bytes of client `cookie`. Answer: enum heddle_begin. */
	HEDDLE_ASK_BEGIN = 1,
	/* It has read `sent` and written `received` bytes, and nothing is under way: the kernel may go on. */
	HEDDLE_ASK_OFFER = 2,
	/* The connection of upstream `index` has ended. Answer: its enum heddle_use. */
	HEDDLE_ASK_GONE = 3,
	/* Out of pool (`index` an endpoint, `identity`). Answer: 1 + index of an idle upstream that nobody gets now. */
	HEDDLE_ASK_TAKE = 4,
	/* What client `cookie` keeps and does not use goes to its pool. Answer 1: it had one. */
	HEDDLE_ASK_LEAVE = 5,
	/* Upstream `index`, taken before, goes back to its pool. */
	HEDDLE_ASK_RETURN = 6,
	/* The relay's socket `cookie` to another node, which is in the socket maps, serves upstream `index`. */
	HEDDLE_ASK_OPENED = 7,
	/* Upstream `index` broke off within a response, by its server's doing. Before GONE. */
	HEDDLE_ASK_RESET = 8,
	/* The relay itself sends a request to endpoint `index`. */
	HEDDLE_ASK_CALLED = 9,
	/* That one is over: service `identity`, status `sent` (enum heddle_ended where there is none), `received` ns. */
	HEDDLE_ASK_ANSWERED = 10,
	/* A relay begins: what was in flight to endpoint `index` went with the one before. */
	HEDDLE_ASK_FORGET = 11,
};

enum heddle_begin {
	HEDDLE_BEGIN_RESPONSE = 1, /* a response is under way: EVENT_TURN follows */
	/* What comes is the rest of a request's body: `request` of the client says where it stands. */
	HEDDLE_BEGIN_REST = 2,
};

struct heddle_ask {
	__u64 cookie;
	__u64 received;
	__u32 what; /* enum heddle_ask_what */
	__u32 sent;
	__u32 index;
	__u32 identity;
	__u32 answer;
	__u32 pad;
};

/* ---- outbound: load balancing, and health of endpoints -------------------- */

/* Who is chosen of those that take requests, nearest first. Shares are as weights where nothing else tells. */
enum heddle_policy {
	HEDDLE_POLICY_TWO_CHOICES = 0, /* of two drawn by weight: fewer requests in flight per weight */
	HEDDLE_POLICY_RANDOM = 1, /* drawn by weight */
	HEDDLE_POLICY_ROUND_ROBIN = 2, /* in turn, by weight */
	HEDDLE_POLICY_LEAST_REQUEST = 3, /* of all: fewest in flight per weight */
	HEDDLE_POLICY_EWMA = 4, /* of two drawn by weight: less to wait, by the latency of late */
	HEDDLE_POLICY_MAGLEV = 5, /* by a hash of the request: the same key, the same endpoint */
};

/* What is hashed. */
enum heddle_hash {
	HEDDLE_HASH_SOURCE = 0, /* the workload that asks, by its identity */
	HEDDLE_HASH_HEADER = 1,
	HEDDLE_HASH_COOKIE = 2,
	HEDDLE_HASH_QUERY = 3,
};

/* By number of the service; all zeroes: two choices, and nobody is ejected. Writer: agent. */
struct heddle_balance {
	__u64 table; /* of `spots`: first << 32 | how many. One word: read at once */
	__u32 policy; /* enum heddle_policy */
	__u32 hash; /* enum heddle_hash */
	__u32 failures; /* 5xx in a row that eject; 0 = none do */
	__u32 resets; /* connections in a row that broke off within a response; 0 = none eject */
	__u32 base_ms; /* the first ejection lasts so long, the next one that much longer */
	__u32 max_percent; /* of the service's endpoints that may be ejected at a time */
	__u32 slow_start_ms; /* in which a new or returned endpoint's share grows; 0 = at once */
	__u32 cookie_ttl; /* seconds and 1 of a cookie that the relay sets where there is none; 0 = it sets none */
	__u32 pad;
	__u32 name_bytes;
	__u8 name[64]; /* of the header (lower case), the cookie or the query parameter */
};

/* What an upstream owes to its endpoint's health. */
enum heddle_count {
	HEDDLE_COUNT_FLIGHT = 1, /* its request is one of `in_flight` */
	HEDDLE_COUNT_STATUS = 2,
	HEDDLE_COUNT_LATENCY = 4,
	HEDDLE_COUNT_BREAKER = 8, /* `ticket` is owed to the breaker of `service` */
};

/* In place of a status: how a request ended without one. */
enum heddle_ended {
	HEDDLE_ENDED_RESET = 0, /* no response, or half of one, by the server's doing */
	HEDDLE_ENDED_UNTOLD = 1, /* by somebody else's: it says nothing of the endpoint */
};

/*
 * How an endpoint does, by its number; a cache line of its own. Writers: programs, and the relay through
 * relay_ask; the agent clears it before the number is given to another endpoint.
 */
struct heddle_health {
	__u32 in_flight; /* requests; below 0 for a moment where a killed relay's were forgotten */
	__u32 failures; /* 5xx in a row */
	__u32 resets; /* in a row */
	__u32 ejections; /* in a row, each of them soon after the one before */
	__u64 ejected_until; /* CLOCK_MONOTONIC, ns; 0 = never was */
	__u64 latency; /* ns, exponentially weighted; 0 = not measured */
	__u64 measured; /* when; CLOCK_MONOTONIC, ns */
	__u64 pad[3];
};

/* ---- outbound: circuit breakers -------------------------------------------
 *
 * Of a service port, all its endpoints together, as the clients of this node see it. What it means is
 * pipelines/policy/breaker.ts; bpf/lib/breaker.h does the same in steps beside other programs.
 */
enum heddle_breaker_limit {
	/* Of a window: the one that is running and those before. A power of two. */
	HEDDLE_BREAKER_SLICES = 8,
	/* Requests that a slice counts; what comes on top says nothing new of a share. 20 bits */
	HEDDLE_BREAKER_VOLUME = 1048575,
};

enum heddle_breaker_kind {
	HEDDLE_BREAKER_CLOSED = 0,
	HEDDLE_BREAKER_OPEN = 1, /* its time over: the next request is a probe */
	HEDDLE_BREAKER_HALF_OPEN = 2,
};

/* What a request was admitted as: told again when it is over. */
enum heddle_breaker_ticket {
	HEDDLE_TICKET_TURN = 1023, /* the breaker's turn then: what belongs to another one says nothing of this one */
	HEDDLE_TICKET_PROBE = 1024,
	HEDDLE_TICKET_FLIGHT = 2048, /* one of those in flight */
	HEDDLE_TICKET_EPOCH = 16, /* << this: of those in flight, as a relay that begins forgets them */
};

enum heddle_breaker_answer {
	HEDDLE_BREAKER_ADMITS = 0,
	HEDDLE_BREAKER_IS_OPEN = 1, /* or half-open, and has its probes */
	HEDDLE_BREAKER_IN_FLIGHT = 2,
	HEDDLE_BREAKER_PENDING = 3,
	HEDDLE_BREAKER_ANSWERS = 4,
};

/* In the tables. */
struct heddle_breaker_rule {
	__u32 consecutive; /* errors in a row that open it; 0 = none do */
	__u32 percent; /* of a window's requests that open it; 0 = none do */
	__u32 minimum; /* requests of a window below which its share says nothing */
	__u32 slice_ms; /* an eighth of the window */
	__u32 open_ms; /* how long it lets nobody through; a round of probes has as long */
	__u32 probes; /* that close it again, at most 1,023 */
	__u32 max_in_flight; /* 0 = any number */
	__u32 max_pending; /* requests that wait for a connection of the relay's; 0 = any number */
};

/* By number of the service, live. Writers: programs, for the relay too; the agent clears it with its service. */
struct heddle_breaker {
	__u64 state; /* until, ms << 32 | turn << 22 | enum heddle_breaker_kind << 20 | probes that succeeded << 10 | out */
	__u64 flight; /* epoch << 32 | requests in flight, where the rule bounds them */
	__u32 streak; /* turn << 22 | errors in a row */
	__u32 slice_ms; /* that `slices` were made by */
	__u64 trips;
	__u64 refused[4]; /* by enum heddle_breaker_answer */
	__u64 slices[8]; /* number, 24 bits << 40 | requests << 20 | errors among them */
};

enum heddle_break_what {
	HEDDLE_BREAK_ADMIT = 1, /* a request of the relay's. Answer: enum heddle_breaker_answer, and its ticket */
	HEDDLE_BREAK_ENDED = 2, /* that with `ticket`: `status`, or enum heddle_ended */
	/* The connection of upstream `index` has ended within a response: `status` as above. In place of HEDDLE_ASK_RESET. */
	HEDDLE_BREAK_BROKE = 3,
	HEDDLE_BREAK_PENDING = 4, /* too many wait: counted, and `ticket` is given back */
	HEDDLE_BREAK_FORGET = 5, /* a relay begins: what was in flight went with the one before */
};

/* What the relay asks of the program `relay_break`. */
struct heddle_break {
	__u32 what; /* enum heddle_break_what */
	__u32 service; /* live number */
	__u32 index;
	__u32 status;
	__u32 ticket;
	__u32 answer;
	struct heddle_breaker_rule rule; /* all zeroes = none */
};

enum heddle_event_kind {
	HEDDLE_EVENT_VERDICT = 1, /* trace: one request judged */
	HEDDLE_EVENT_END = 2, /* the relay should end this connection */
	HEDDLE_EVENT_END_LATER = 3, /* the same, after responses owed to earlier requests */
	HEDDLE_EVENT_TURN = 4, /* the response that client `cookie` waited for is complete: the relay may begin */
	/* Upstream `request` (an index) must end: client `cookie` went while it worked, or it said more than was asked. */
	HEDDLE_EVENT_ABANDONED = 5,
	HEDDLE_EVENT_UNFOLLOWED = 6, /* a response can't be followed to its end: end both connections */
	/* The rest of the response of upstream `request` (an index) to client `cookie` comes to the relay. */
	HEDDLE_EVENT_REST = 7,
};

struct heddle_event {
	__u64 at; /* CLOCK_MONOTONIC, ns */
	__u64 cookie;
	__u64 generation;
	__u8 remote[16];
	__u8 local[16];
	__u16 remote_port;
	__u16 local_port;
	__u32 request; /* number of the request on its connection, from 1 */
	__u16 status; /* of the local reply, 0 = none */
	__u8 kind; /* enum heddle_event_kind */
	__u8 reason; /* enum heddle_reason */
	__u32 pad;
};

/* ---- copies of requests ---------------------------------------------------
 *
 * A copy is records of one connection and request in the ring `copies`: bytes in order, from offset 0 on, and
 * anywhere before the last of them one that says where it goes. Bytes of a head that is not whole yet come
 * before it is known whether anybody wants them. Reader: relay, which joins them. A copy of which
 * a record is missing is lost: where not even that can be said it never ends, and is forgotten after a while.
 */
enum heddle_copy_kind {
	HEDDLE_COPY_TO = 1, /* where it goes; no bytes */
	HEDDLE_COPY_BYTES = 2,
	HEDDLE_COPY_END = 3, /* the last bytes */
	HEDDLE_COPY_FORGET = 4, /* nobody wants it, or it was refused; no bytes */
	HEDDLE_COPY_TOO_LARGE = 5, /* it grew beyond HEDDLE_COPY_MAX; no bytes */
	HEDDLE_COPY_BROKEN = 6, /* there was no room for a part of it; no bytes */
};

/* In front of the bytes of a record. */
struct heddle_copy {
	__u64 at; /* CLOCK_MONOTONIC, ns */
	__u64 cookie; /* of the client's or the server's socket */
	__u64 targets; /* 16 bits each, the lowest first: 1 + live number of a service, 0 = no more */
	__u8 asker[16]; /* address of the workload that asked for the copy; network order */
	__u32 request; /* number of the request on its connection, from 1 */
	__u32 kind; /* enum heddle_copy_kind */
	__u32 offset; /* of the first byte in the copy */
	__u32 bytes;
	__u32 identity; /* of the client whose route asks for the copy; then `asker` is zeroes */
	__u32 pad;
};

#endif /* HEDDLE_ABI_H */
