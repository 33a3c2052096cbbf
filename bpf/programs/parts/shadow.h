/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * shadow.h - what the active generation does where a candidate judges beside it: asks it first,
 * judges as ever, and compares. Nothing here is an input of a verdict: without an answer of the
 * candidate its message counts as unseen.
 */
#ifndef HEDDLE_SHADOW_H
#define HEDDLE_SHADOW_H

#include "../../maps/shadow.h"
#include "count.h"
#include "sample.h"
#include "verdict-status.h"

/* The seat of a connection. A product, so that cookies of several CPUs spread. */
static __always_inline struct heddle_shadow_seat *shadow_seat(__u64 cookie)
{
	__u32 at = cookie * 0x9e3779b97f4a7c15 >> 53;

	_Static_assert(HEDDLE_SHADOW_SEATS == 1 << (64 - 53), "one seat for each value of `at`");
	return bpf_map_lookup_elem(&shadow_seats, &at);
}

/* Where nobody sits who could have judged: what is compared here was not seen. */
static __always_inline struct heddle_shadow_seat *shadow_unseen(__u32 candidate)
{
	__u32 at = HEDDLE_SHADOW_NOBODY;
	struct heddle_shadow_seat *s = bpf_map_lookup_elem(&shadow_seats, &at);

	if (s)
		s->candidate = candidate;
	return s;
}

/* Is there anything in the segment that a verdict will be about? What is left of a body is not. */
static __always_inline int shadow_concerns(const struct heddle_conn *c, __u32 len)
{
	__u8 phase = c->request.phase;

	if (phase == HEDDLE_BODY)
		return c->request.remaining < len - c->resume;
	return phase < HEDDLE_TUNNEL;
}

/*
 * The seat in which the candidate has judged this segment. Asks it, the first time: then this does
 * not return, and the program is called again. A candidate that isn't there has seen nothing.
 */
static __always_inline struct heddle_shadow_seat *
shadow_asked(struct __sk_buff *skb, const struct heddle_conn *c, __u32 candidate)
{
	struct heddle_shadow_seat *s = shadow_seat(c->cookie);

	if (!s)
		return NULL;
	if (s->busy && s->owner == c->cookie)
		return s; /* one segment of a connection at a time: this is the way back */
	if (__sync_val_compare_and_swap(&s->busy, 0, 1))
		return shadow_unseen(candidate);
	if (s->owner != c->cookie)
		s->conn.cookie = 0;
	s->owner = c->cookie;
	s->slot = c->slot;
	s->candidate = candidate;
	s->at = c->resume;
	s->messages = 0;
	s->compared = 0;
	bpf_tail_call(skb, &shadows, candidate);
	return s;
}

static __always_inline void shadow_leave(struct heddle_shadow_seat *s)
{
	*(volatile __u32 *)&s->busy = 0;
}

static __always_inline int shadow_lets(__u32 reason)
{
	return reason == HEDDLE_ALLOWED || reason == HEDDLE_PASSED ||
	       reason == HEDDLE_UNPARSED_PASSED;
}

/* enum heddle_shadow_count of two verdicts. */
static __always_inline __u32 shadow_difference(__u32 active, __u32 candidate)
{
	if (shadow_lets(active) != shadow_lets(candidate))
		return shadow_lets(active) ? HEDDLE_SHADOW_NEW_DENY : HEDDLE_SHADOW_NEW_ALLOW;
	return shadow_lets(active) || status_of(active) == status_of(candidate)
		       ? HEDDLE_SHADOW_AGREE
		       : HEDDLE_SHADOW_OTHER;
}

static __always_inline void shadow_count(__u32 candidate, __u32 what)
{
	__u32 at = candidate * HEDDLE_SHADOW_COUNTS + what;
	__u64 *value = bpf_map_lookup_elem(&shadow_counts, &at);

	if (value)
		*value += 1;
}

/* A place for a sample of this kind; NULL where there was one a moment ago. */
static __always_inline struct heddle_shadow_sample *shadow_place(__u32 candidate, __u32 what)
{
	__u32 at = candidate * HEDDLE_SHADOW_COUNTS + what;
	struct heddle_shadow_pace *p = bpf_map_lookup_elem(&shadow_paces, &at);
	__u32 turn = p ? sample_turn(p) : NO_SAMPLE;

	if (turn == NO_SAMPLE)
		return NULL;
	at = (candidate * SHADOW_KINDS + what - 1) * HEDDLE_SHADOW_SAMPLES + turn;
	return bpf_map_lookup_elem(&shadow_samples, &at);
}

/* How the message begins: from the segment, or, where its head came in pieces, as the candidate kept it. */
static __always_inline void sample_text(struct heddle_shadow_sample *sample, struct __sk_buff *skb,
					const struct heddle_shadow_seat *s)
{
	if (s->at == EARLIER_SEGMENT) {
		__builtin_memcpy(sample->text, s->text, HEDDLE_SHADOW_TEXT);
		sample->text_bytes = min_u32(s->text_bytes, HEDDLE_SHADOW_TEXT);
		return;
	}
	sample_load(sample, skb, s->at);
}

/*
 * The active generation has judged a message, which begins at `s->at`: what did the candidate say
 * of it? Behind a segment's last one that it judged, it has seen none.
 */
SEPARATE int shadow_compare(struct __sk_buff *skb, struct heddle_conn *c,
			    struct heddle_shadow_seat *s, __u32 reason)
{
	struct heddle_shadow_sample *sample;
	__u32 index, what, theirs;

	if (!skb || !c || !s)
		return 0;
	index = s->compared++;
	if (index >= s->messages || index >= HEDDLE_SHADOW_MESSAGES) {
		shadow_count(s->candidate, HEDDLE_SHADOW_UNSEEN);
		return 0;
	}
	theirs = s->reasons[index & (HEDDLE_SHADOW_MESSAGES - 1)];
	what = shadow_difference(reason, theirs);
	shadow_count(s->candidate, what);
	if (what == HEDDLE_SHADOW_AGREE)
		return 0;
	sample = shadow_place(s->candidate, what);
	if (!sample)
		return 0;
	sample_begins(sample);
	sample->generation = c->generation;
	sample_of(sample, c, what);
	sample->active_reason = reason;
	sample->candidate_reason = theirs;
	sample_text(sample, skb, s);
	sample_ends(sample);
	return 0;
}

#endif /* HEDDLE_SHADOW_H */
