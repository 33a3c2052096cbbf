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
 * 1 are never a state. A word that names more than one latch is not possible:
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
 * latch l adds root roots_at[l]. A request is allowed when any reached leaf has
 * a block in common with the blocks that apply to the connection.
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
 * classes): low byte = enum heddle_field, bits 8..15 = dimension (0 = none).
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
	__u32 pad;
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
};

/* One identity in one generation: which blocks it is subject or peer of. */
struct heddle_identity_rows {
	__u64 subject[HEDDLE_ROW_U64];
	__u64 peer[HEDDLE_ROW_U64];
};

#endif /* HEDDLE_ABI_H */
