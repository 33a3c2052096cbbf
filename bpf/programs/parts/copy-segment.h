/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* copy-segment.h - copies of requests that come to a server by wire: as their segments pass. */
#ifndef HEDDLE_PARTS_COPY_SEGMENT_H
#define HEDDLE_PARTS_COPY_SEGMENT_H

#include "context.h"
#include "copy.h"

struct copy_range {
	struct copying k;
	struct __sk_buff *skb;
	__u32 at;
	__u32 end;
	__u32 last; /* the message ends there */
	__u32 failed;
};

#define COPY_OF_SEGMENT(c, n, to) bpf_skb_load_bytes((c)->skb, (c)->at, to, n)

COPY_RECORD(copy_small_segment, copy_range, copy_small, COPY_OF_SEGMENT)
COPY_RECORD(copy_part_segment, copy_range, copy_part, COPY_OF_SEGMENT)

static long copy_turn(__u32 turn UNUSED, struct copy_range *c)
{
	__u32 n = min_u32(c->end - c->at, HEDDLE_COPY_PART);
	__u32 kind = c->last && c->at + n == c->end ? HEDDLE_COPY_END : HEDDLE_COPY_BYTES;

	c->failed = n <= HEDDLE_COPY_SMALL ? copy_small_segment(c, n, kind)
					   : copy_part_segment(c, n, kind);
	c->k.copied = (c->k.copied ? c->k.copied : 1) + n;
	c->at += n;
	return c->failed || c->at >= c->end;
}

/* Bytes from `at` to `end` of the segment are the message's, and follow what was copied of it. */
SEPARATE int copy_segment(struct __sk_buff *skb, struct heddle_conn *c, __u32 at, __u32 end)
{
	struct copy_range r = { .at = at, .end = end };
	__u32 whole;

	if (!skb || !c || at >= end || c->copied == HEDDLE_COPIED_LOST)
		return 0;
	whole = c->request.phase >= HEDDLE_BODY || c->request.phase == HEDDLE_START;
	r.skb = skb;
	r.last = c->request.phase == HEDDLE_START;
	r.k.cookie = c->cookie;
	/* Of a head that is not judged yet the number is the next one. */
	r.k.request = c->requests + !(whole || c->request.flags & HEDDLE_REQUEST_TRAILER);
	r.k.copied = c->copied;
	if (copy_too_large(&r.k, end - at)) {
		c->copied = HEDDLE_COPIED_LOST;
		return 0;
	}
	bpf_loop(HEDDLE_COPY_MAX / HEDDLE_COPY_PART + 1, copy_turn, &r, 0);
	c->copied = copy_so_far(&r.k, r.failed);
	return 0;
}

/* A head is let in, and counted, that meets these mirrors, a bit each. */
SEPARATE int copy_chosen(struct heddle_conn *c, __u32 met)
{
	struct copy_draw d = { .left = met };
	struct copying k = {};
	__u64 bytes;

	if (!c)
		return 0;
	k.cookie = c->cookie;
	k.request = c->requests;
	k.copied = c->copied;
	bytes = c->request.flags & HEDDLE_REQUEST_LENGTH
			? c->request.head_bytes + c->request.remaining
			: 0;
	copy_draws(&d, bytes);
	c->copied = copy_begins(&k, &d, c->local, 0);
	return 0;
}

/* May a head that is being read have copies? Then its bytes can't wait for its end. */
static __always_inline int copies_heads(const struct heddle_conn *c)
{
	return c->blocks[0] & mirror_blocks() && c->request.phase >= HEDDLE_METHOD &&
	       c->request.phase <= HEDDLE_HEAD_LF;
}

#endif /* HEDDLE_PARTS_COPY_SEGMENT_H */
