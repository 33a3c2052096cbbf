/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * measure.h - what a generation does to its traffic, for the gates of its rollout: requests allowed and
 * refused, responses, errors and their times, and the first bytes of what was refused.
 */
#ifndef HEDDLE_MEASURE_H
#define HEDDLE_MEASURE_H

#include "../../maps/generation.h"
#include "../../lib/bytes.h"
#include "../../lib/platform.h"

#define NS_PER_US 1000

static __always_inline struct heddle_measures *measures_here(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&measures, &zero);
}

/* A rule was asked. */
static __always_inline void measure_verdict(__u32 reason)
{
	struct heddle_measures *m = measures_here();

	if (!m)
		return;
	if (reason == HEDDLE_ALLOWED)
		m->allowed++;
	else if (reason == HEDDLE_DENIED)
		m->refused++;
}

/*
 * A request goes to the server; the time of its response can be told when it is the only one. On a stack
 * of its own, for 6.1.
 */
SEPARATE int measure_asked(struct heddle_conn *c)
{
	__u64 cookie, now, *known;

	if (!c)
		return -1;
	cookie = c->cookie;
	now = c->owed ? 0 : bpf_ktime_get_ns();
	known = bpf_map_lookup_elem(&asked, &cookie);

	if (known)
		*known = now;
	else
		bpf_map_update_elem(&asked, &cookie, &now, BPF_ANY);
	return 0;
}

/* Below 4 us a bucket each, then four an octave: the two bits behind the highest choose. */
static __always_inline __u32 latency_bucket(__u64 ns)
{
	__u64 us = ns / NS_PER_US, rest;
	__u32 octave = 1;

	if (us < 4)
		return us;
	rest = us >> 1;
	for (int step = 4; step >= 0; step--) {
		__u32 bits = 1U << step;

		if (rest >> bits) {
			octave += bits;
			rest >>= bits;
		}
	}
	return min_u32((octave - 1) * 4 + (us >> (octave - 2) & 3), HEDDLE_LATENCY_BUCKETS - 1);
}

static __always_inline void measure_time(struct heddle_measures *m, __u64 cookie)
{
	__u64 *since = bpf_map_lookup_elem(&asked, &cookie);
	__u32 bucket;

	if (!since || !*since)
		return;
	bucket = latency_bucket(bpf_ktime_get_ns() - *since);
	*since = 0;
	/* The compiler would check a copy, and the verifier sees the other. */
	OPAQUE_TO_COMPILER(bucket);
	if (bucket < HEDDLE_LATENCY_BUCKETS)
		m->latency[bucket]++;
}

static __always_inline struct heddle_measures *measure_response(__u32 status)
{
	struct heddle_measures *m = measures_here();

	if (!m)
		return NULL;
	m->responses++;
	if (status >= 500)
		m->errors++;
	return m;
}

/* Where the next refused request is kept; its `number` follows when the text is there. */
static __always_inline struct heddle_refusal *refusal_begin(__u64 *number)
{
	__u32 zero = 0, at;
	__u64 *last = bpf_map_lookup_elem(&refused, &zero);
	struct heddle_refusal *r;

	if (!last)
		return NULL;
	*number = __sync_fetch_and_add(last, 1) + 1;
	at = *number % HEDDLE_REFUSALS;
	r = bpf_map_lookup_elem(&refusals, &at);
	if (r)
		r->number = 0;
	return r;
}

static __always_inline void refusal_end(struct heddle_refusal *r, __u64 number, __u32 bytes)
{
	r->bytes = bytes;
	*(volatile __u64 *)&r->number = number;
}

#endif /* HEDDLE_MEASURE_H */
