/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* limit.h - the rate limits that an allowed request meets: it takes one from each, or from none. */
#ifndef HEDDLE_PARTS_LIMIT_H
#define HEDDLE_PARTS_LIMIT_H

#include "context.h"
#include "take.h"
#include "../../protocols/http1/request-line.h"

#define NS_PER_SECOND 1000000000ULL
/* Words of struct heddle_rate. */
#define LIMIT_WORDS 10

/* Who asks, of limits that are keyed by it: an identity; without one (0) its address. */
struct limiting {
	struct heddle_request *request;
	struct heddle_limited *told; /* learns what the refused client is told */
	__u32 taken;		     /* limits that had one */
	__u32 left;		     /* those that were not asked yet */
	__u64 high, low;
	__u32 identity;
	__u32 refused;
	struct heddle_take ask;
};

/* Which bucket: by what the keys of a limit say of the request. */
static __always_inline __u64 limit_hash(const struct limiting *l, __u32 keys)
{
	__u64 hash = l->request->keys[0];

	/* Without a path the hash begins with the secret alone. */
	if (!(keys & HEDDLE_KEY_PATH))
		hash = key_secret();
	for (int i = 1; i < HEDDLE_MAX_KEYS; i++)
		if (keys & HEDDLE_KEY_HEADERS << (i - 1))
			hash = key_mix(hash, l->request->keys[i]);
	if (!(keys & HEDDLE_KEY_IDENTITY))
		return hash;
	return l->identity ? key_mix(hash, l->identity) : key_mix(key_mix(hash, l->high), l->low);
}

static __always_inline __u32 limit_open(struct limiting *l, __u32 index)
{
	__u32 at = policy_u32(TABLES(limits_at)) + LIMIT_WORDS * index;

	l->ask.key.limit = policy_u64(at);
	l->ask.key.hash = limit_hash(l, policy_u32(at + 6));
	l->ask.interval = policy_u64(at + 2);
	l->ask.tolerance = policy_u64(at + 4);
	return at;
}

static long limit_turn(__u32 turn, struct limiting *l)
{
	__u32 bit = 1U << (turn & 31), at;
	struct heddle_limited *told = l->told;
	__u64 wait;

	if (!(l->left & bit))
		return 0;
	at = limit_open(l, turn & 31);
	wait = bucket_take(&l->ask);
	if (!wait) {
		l->taken |= bit;
		return 0;
	}
	l->refused = 1;
	if (!told)
		return 1;
	wait = (wait + NS_PER_SECOND - 1) / NS_PER_SECOND;
	told->retry_after = wait > 99999999 ? 99999999 : wait;
	told->quota = policy_u32(at + 7);
	told->window = policy_u32(at + 8);
	return 1;
}

static long back_turn(__u32 turn, struct limiting *l)
{
	if (!(l->taken & 1U << (turn & 31)))
		return 0;
	limit_open(l, turn & 31);
	bucket_give_back(&l->ask);
	return 0;
}

static __always_inline int limiting_refuses(struct limiting *l)
{
	REPEAT(HEDDLE_MAX_LIMITS, limit_turn, l);
	if (!l->refused)
		return 0;
	if (l->taken)
		REPEAT(HEDDLE_MAX_LIMITS, back_turn, l);
	return 1;
}

/* 1 = one of the limits has no more, and nothing was taken. `met`: a bit each. */
SEPARATE int limits_refuse(struct heddle_conn *c, __u32 met)
{
	struct limiting l = {};

	if (!c)
		return 1;
	l.request = &c->request;
	l.told = &c->limited;
	l.left = met;
	if (policy_u32(TABLES(keys)) & HEDDLE_KEY_IDENTITY)
		l.identity = identity_of(c->remote);
	__builtin_memcpy(&l.high, c->remote, 8);
	__builtin_memcpy(&l.low, c->remote + 8, 8);
	return limiting_refuses(&l);
}

/* The same of a client of this node, known by its identity; a process that is no workload's has nobody's address. */
SEPARATE int client_limits_refuse(struct heddle_client *c, __u32 identity, __u32 met)
{
	struct limiting l = {};

	if (!c)
		return 1;
	l.request = &c->request;
	l.told = &c->limited;
	l.left = met;
	l.identity = identity;
	l.low = 0xffff0000;
	return limiting_refuses(&l);
}

/* A head is read from its beginning: also for what limits are keyed by. */
static __always_inline void keyed_begin(struct heddle_request *r)
{
	request_begin(r);
	if (policy_u32(TABLES(limits)))
		keys_begin(r, key_secret());
}

#endif /* HEDDLE_PARTS_LIMIT_H */
