/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * diagram.h - the verdict on a parsed head: from the roots that the path
 * reached, through method, host and header classes, to sets of blocks.
 * Cost: one step a dimension that still matters, whatever the number of rules.
 */
#ifndef HEDDLE_DIAGRAM_H
#define HEDDLE_DIAGRAM_H

#include "automaton.h"
#include "bytes.h"

/*
 * What the leaves that a request reached say of it, above a bit for each block that sees it: limits, and
 * those whose sight changes no verdict.
 */
#define DIAGRAM_ALLOWS (1ULL << 62)
#define DIAGRAM_FORBIDS (1ULL << 63)

/* Of 64 blocks from 64 * i on, those below number `end`. */
static __always_inline __u64 blocks_below(__u32 end, __u32 i)
{
	__u32 left;

	if (end <= 64 * i)
		return 0;
	left = end - 64 * i;
	return left >= 64 ? ~0ULL : (1ULL << left) - 1;
}

/* Of what was found, the limits: a bit each. */
static __always_inline __u32 limits_in(__u64 found)
{
	return found & blocks_below(policy_u32(TABLES(limits)), 0);
}

/* The blocks that see requests and change nothing: they are in the first word of a row. */
static __always_inline __u64 bystanders(void)
{
	return blocks_below(policy_u32(TABLES(observes)), 0) &
	       ~blocks_below(policy_u32(TABLES(limits)), 0);
}

/* Of those, the ones that count and keep samples: a bit each. */
static __always_inline __u32 audit_blocks(void)
{
	return policy_u32(TABLES(audits));
}

/* And the ones that copy what is let in. */
static __always_inline __u32 mirror_blocks(void)
{
	return policy_u32(TABLES(mirrors_at)) ? bystanders() & ~audit_blocks() : 0;
}

/*
 * What the blocks say that the leaf under `*root` has in common with `blocks`. Rules that ask about different
 * things are asked one after the other: then `*root` is the next one, else 0.
 */
static __always_inline __u64 root_found(const struct heddle_request *r,
					const struct heddle_blocks *blocks, __u32 *root)
{
	__u32 diagram_at = policy_u32(TABLES(diagram_at));
	__u32 row_u64 = policy_u32(TABLES(row_u64));
	__u32 against = policy_u32(TABLES(forbids));
	__u64 observes = blocks_below(policy_u32(TABLES(observes)), 0);
	__u64 allow = 0, forbid = 0, seen = 0;
	__u32 at = *root, thens = policy_u32(TABLES(thens_at));

	*root = 0;
	for (int i = 0; i < HEDDLE_MAX_DIMS && !(at & HEDDLE_LEAF); i++) {
		__u32 dim = policy_u32(diagram_at + 2 * at + 1) & (HEDDLE_MAX_DIMS - 1);
		__u64 entry = policy_u64(diagram_at + 2 * (at + 1 + r->classes[dim]));

		at = (__u32)entry == at ? entry >> 32 : policy_u32(diagram_at + 2 * at);
	}
	if (!(at & HEDDLE_LEAF))
		return 0;
	at &= HEDDLE_LEAF_NUMBER;
	if (thens)
		*root = policy_u32(thens + at);
	at *= row_u64;
	for (__u32 i = 0; i < HEDDLE_ROW_U64; i++) {
		__u64 common, low;

		if (i >= row_u64)
			break;
		common = policy_u64(policy_u32(TABLES(leaves_at)) + 2 * (at + i)) & blocks->row[i];
		low = blocks_below(against, i);
		allow |= common & ~low;
		if (!i)
			seen = common & observes;
		forbid |= common & low & ~(i ? 0 : observes);
	}
	return (allow ? DIAGRAM_ALLOWS : 0) | (forbid ? DIAGRAM_FORBIDS : 0) | seen;
}

SEPARATE __u64 diagram_root(struct heddle_request *r, struct heddle_blocks *blocks, __u32 *root)
{
	return r && blocks && root && *root ? root_found(r, blocks, root) : 0;
}

/* Number of the lowest bit of x, which is not 0. Without a branch: it is counted, not searched. */
static __always_inline __u32 lowest_bit(__u64 x)
{
	__u64 below = (x & -x) - 1;

	below -= below >> 1 & EVERY_BYTE(0x55);
	below = (below & EVERY_BYTE(0x33)) + (below >> 2 & EVERY_BYTE(0x33));
	return ((below + (below >> 4)) & EVERY_BYTE(0x0f)) * EVERY_BYTE(0x01) >> 56;
}

/* Root of the lowest latch left in *word; 0 when there is none. */
static __always_inline __u32 next_latch(__u64 *word, __u32 index)
{
	__u32 bit = lowest_bit(*word);

	*word &= *word - 1;
	return policy_u32(policy_u32(TABLES(roots_at)) + index * 64 + bit);
}

struct latched {
	struct heddle_request *request;
	struct heddle_blocks *blocks;
	__u64 word;
	__u64 found;
	__u64 decided; /* what nothing that follows can change */
	__u32 index;
	__u32 root; /* what is asked besides; 0 = nothing */
};

/* Each latch of a word may have as many parts as there are blocks. */
#define DIAGRAM_TURNS (64 * HEDDLE_MAX_BLOCKS)

static long try_root(__u32 turn UNUSED, struct latched *l)
{
	if (!l->root && !l->word)
		return 1;
	if (!l->root)
		l->root = next_latch(&l->word, l->index);
	l->found |= diagram_root(l->request, l->blocks, &l->root);
	OPAQUE_TO_COMPILER(l->found);
	return (l->found & l->decided) != 0;
}

/*
 * What these blocks say of the head in `r`, whose path led to `root`: DIAGRAM_ALLOWS where one of them
 * allows it and none forbids it, and the blocks that see it, of which limits count what is allowed.
 */
SEPARATE __u64 diagram_judge(struct heddle_request *r, struct heddle_blocks *blocks, __u32 root)
{
	struct latched l = { .decided = DIAGRAM_FORBIDS };

	if (!r || !blocks)
		return 0;
	if (!policy_u32(TABLES(forbids)))
		l.decided |= DIAGRAM_ALLOWS;
	/* Who sees what is refused as well has to be found. */
	if (blocks->row[0] & bystanders())
		l.decided = 0;
	l.root = root;
	l.found = diagram_root(r, blocks, &l.root);
	for (int i = 0; i < HEDDLE_LATCH_U64 && !(l.found & l.decided); i++) {
		l.request = r;
		l.blocks = blocks;
		l.index = i;
		l.word = r->latches[i];
		if (l.word || l.root)
			REPEAT(DIAGRAM_TURNS, try_root, &l);
	}
	return l.found & DIAGRAM_FORBIDS ? l.found & ~(DIAGRAM_ALLOWS | DIAGRAM_FORBIDS) : l.found;
}

#endif /* HEDDLE_DIAGRAM_H */
