/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * sample.h - messages that are kept for people: the newest few of a kind, and then one at a time. Readers take
 * none that is being written.
 */
#ifndef HEDDLE_SAMPLE_H
#define HEDDLE_SAMPLE_H

#include "../../lib/platform.h"

#define EARLIER_SEGMENT (~0U)
#define NO_SAMPLE (~0U)

/* Which of the places of its kind a sample gets; NO_SAMPLE where there was one a moment ago. */
static __always_inline __u32 sample_turn(struct heddle_shadow_pace *p)
{
	__u64 now = bpf_ktime_get_ns(), last = p->last;

	if (p->taken >= HEDDLE_SHADOW_SAMPLES && now - last < HEDDLE_SHADOW_PAUSE_NS)
		return NO_SAMPLE;
	if (__sync_val_compare_and_swap(&p->last, last, now) != last)
		return NO_SAMPLE; /* somebody else takes one at this very moment */
	return __sync_fetch_and_add(&p->taken, 1) & (HEDDLE_SHADOW_SAMPLES - 1);
}

static __always_inline void sample_begins(struct heddle_shadow_sample *sample)
{
	*(volatile __u64 *)&sample->begun = sample->done + 1;
	sample->at = bpf_ktime_get_ns();
	sample->text_bytes = 0;
}

static __always_inline void sample_ends(struct heddle_shadow_sample *sample)
{
	*(volatile __u64 *)&sample->done = sample->begun;
}

/* All but when it was taken. */
static __always_inline void sample_copy(struct heddle_shadow_sample *to,
					const struct heddle_shadow_sample *from)
{
	to->generation = from->generation;
	__builtin_memcpy(to->remote, from->remote, 16);
	__builtin_memcpy(to->local, from->local, 16);
	to->remote_port = from->remote_port;
	to->local_port = from->local_port;
	to->protocol = from->protocol;
	to->active_reason = from->active_reason;
	to->peer = from->peer;
	to->text_bytes = from->text_bytes;
	__builtin_memcpy(to->text, from->text, HEDDLE_SHADOW_TEXT);
}

/* Who talked to whom, and what of it is known at once. */
static __always_inline void sample_of(struct heddle_shadow_sample *sample,
				      const struct heddle_conn *c, __u32 what)
{
	__builtin_memcpy(sample->remote, c->remote, 16);
	__builtin_memcpy(sample->local, c->local, 16);
	sample->remote_port = c->remote_port;
	sample->local_port = c->local_port;
	sample->protocol = 6;
	sample->kind = what;
	sample->peer = 0;
}

/* How a message begins that stands at `at` of this segment. */
static __always_inline void sample_load(struct heddle_shadow_sample *sample, struct __sk_buff *skb,
					__u32 at)
{
	__u32 n = min_u32(skb->len - at, HEDDLE_SHADOW_TEXT);

	sample->text_bytes = n;
	n -= 1;
	OPAQUE_TO_COMPILER(n);
	if (n < HEDDLE_SHADOW_TEXT && bpf_skb_load_bytes(skb, at, sample->text, n + 1))
		sample->text_bytes = 0;
}

#endif /* HEDDLE_SAMPLE_H */
