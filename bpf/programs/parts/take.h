/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * take.h - one request from one bucket of a limit, in one step beside all others who take from it.
 * Buckets are kept as GCRA does: to where requests were taken, ahead of the clock.
 */
#ifndef HEDDLE_TAKE_H
#define HEDDLE_TAKE_H

#include "count.h"
#include "../../maps/limits.h"

/* Others may take at the same time: each of them that comes in between costs a turn. */
#define TAKE_TURNS 1024

struct taking {
	struct heddle_bucket *bucket;
	__u64 now;
	__u64 interval;
	__u64 tolerance;
	__u64 wait; /* 0 = taken */
};

static long take_turn(__u32 turn UNUSED, struct taking *t)
{
	__u64 until = *(volatile __u64 *)&t->bucket->until;
	__u64 from = until > t->now ? until : t->now;

	if (from - t->now > t->tolerance) {
		t->wait = from - t->now - t->tolerance;
		return 1;
	}
	if (__sync_val_compare_and_swap(&t->bucket->until, until, from + t->interval) != until)
		return 0;
	t->wait = 0;
	return 1;
}

static __always_inline struct heddle_bucket *bucket_of(const struct heddle_bucket_key *key)
{
	struct heddle_bucket *bucket = bpf_map_lookup_elem(&buckets, key);
	struct heddle_bucket full = {};

	if (bucket)
		return bucket;
	count(HEDDLE_NEW_BUCKET);
	/* Whoever is first makes it; all take from that one. */
	bpf_map_update_elem(&buckets, key, &full, BPF_NOEXIST);
	return bpf_map_lookup_elem(&buckets, key);
}

/* Nanoseconds until there is one; 0 = it was taken. Without a bucket nothing is counted, and nothing passes. */
SEPARATE __u64 bucket_take(struct heddle_take *ask)
{
	struct taking t = { .wait = 1 };
	struct heddle_bucket_key key;

	if (!ask)
		return 1;
	key.limit = ask->key.limit;
	key.hash = ask->key.hash;
	t.bucket = bucket_of(&key);
	if (!t.bucket)
		return 1;
	t.now = bpf_ktime_get_ns();
	t.interval = ask->interval;
	t.tolerance = ask->tolerance;
	bpf_loop(TAKE_TURNS, take_turn, &t, 0);
	return t.wait;
}

static long back_step(__u32 turn UNUSED, struct taking *t)
{
	__u64 until = *(volatile __u64 *)&t->bucket->until;

	/* Evicted and made anew since: it is full. Below 0 it would refuse for ever. */
	if (until < t->interval)
		return 1;
	return __sync_val_compare_and_swap(&t->bucket->until, until, until - t->interval) == until;
}

/* What was taken for a request that another limit has refused. */
SEPARATE int bucket_give_back(struct heddle_take *ask)
{
	struct heddle_bucket_key key;
	struct taking t = {};

	if (!ask)
		return 0;
	key.limit = ask->key.limit;
	key.hash = ask->key.hash;
	t.bucket = bpf_map_lookup_elem(&buckets, &key);
	t.interval = ask->interval;
	if (t.bucket)
		bpf_loop(TAKE_TURNS, back_step, &t, 0);
	return 0;
}

/* The node's secret, drawn once. */
static __always_inline __u64 key_secret(void)
{
	__u32 zero = 0;
	struct heddle_population *p = bpf_map_lookup_elem(&population, &zero);
	__u64 drawn;

	if (!p)
		return 0;
	if (!p->secret) {
		drawn = (__u64)bpf_get_prandom_u32() << 32 | bpf_get_prandom_u32() | 1;
		__sync_val_compare_and_swap(&p->secret, 0, drawn);
	}
	return *(volatile __u64 *)&p->secret;
}

#endif /* HEDDLE_TAKE_H */
