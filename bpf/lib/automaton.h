/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * automaton.h - walks the tables of an artifact. The format is told in
 * abi/heddle.h. Every index is masked to the blob, so that even a damaged table
 * can only give a wrong verdict inside its own artifact, never a wild read.
 */
#ifndef HEDDLE_AUTOMATON_H
#define HEDDLE_AUTOMATON_H

#include "platform.h"

#ifndef POLICY_WORDS_LOG2
#error "POLICY_WORDS_LOG2 (capacity of the tables, log2 of 32-bit words) must be given"
#endif
#define POLICY_MASK ((1U << POLICY_WORDS_LOG2) - 1)

#ifdef __bpf__
extern const volatile __u8 policy[];
#else
static const __u8 *policy;
#endif

static __always_inline __u32 policy_u32(__u32 at)
{
	return ((const volatile __u32 *)policy)[at & POLICY_MASK];
}

/* `at` is a word index; reads words at and at+1, `at` even. */
static __always_inline __u64 policy_u64(__u32 at)
{
	return ((const volatile __u64 *)policy)[(at & POLICY_MASK) >> 1];
}

/* Word index of a member of struct heddle_tables, which opens the blob. */
#define TABLES(member) (__builtin_offsetof(struct heddle_tables, member) / 4)

/* The parts of a struct heddle_dfa, read once before a walk, as a step wants them. */
struct automaton {
	__u32 start;
	__u32 stride;
	__u32 classes; /* byte index of the class of byte 0 */
	__u32 comb;    /* 64-bit index of comb entry 2 */
	__u32 dense_at;
	__u32 final_empty;
};

static __always_inline void automaton_open(struct automaton *a, __u32 at)
{
	a->start = policy_u32(at);
	a->stride = policy_u32(at + 1);
	a->classes = policy_u32(at + 2) * 4;
	a->comb = policy_u32(at + 3) / 2 + 2;
	a->dense_at = policy_u32(at + 4);
	a->final_empty = policy_u32(at + 5);
}

/* Comb entry `index` - 2. */
static __always_inline __u64 automaton_entry(const struct automaton *a, __u32 index)
{
	return ((const volatile __u64 *)policy)[(a->comb + index) & (POLICY_MASK >> 1)];
}

/*
 * One step: the next state with its HEDDLE_NEXT_LATCH flag, 0 = dead. Steps wait for
 * each other, so what lies between two is kept short: an addition, a mask, a load.
 */
static __always_inline __u32 automaton_next(const struct automaton *a, __u32 state, __u8 byte)
{
	__u32 class = policy[(a->classes + byte) & (POLICY_MASK * 4 + 3)];
	__u32 known = a->comb + class;
	__u64 entry;

	OPAQUE_TO_COMPILER(known);
	entry = ((const volatile __u64 *)policy)[(known + state) & (POLICY_MASK >> 1)];
	if ((__u32)entry == state)
		return entry >> 32;
	return policy_u32(a->dense_at + (__u32)automaton_entry(a, state - 2) * a->stride + class);
}

/* What the automaton says when the input ends in `state`. 0 = no match. */
static __always_inline __u32 automaton_final(const struct automaton *a, __u32 state, __u32 bytes)
{
	if (!bytes)
		return a->final_empty;
	return state ? automaton_entry(a, state - 2) >> 32 : 0;
}

/* Latch reported on entering `state`; ask only when the flag was set. */
static __always_inline void automaton_latch(const struct automaton *a, __u32 state, __u64 *latches)
{
	__u32 latch = (__u32)automaton_entry(a, state - 1) - 1;

	latches[(latch >> 6) & (HEDDLE_LATCH_U64 - 1)] |= 1ULL << (latch & 63);
}

#endif /* HEDDLE_AUTOMATON_H */
