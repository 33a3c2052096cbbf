/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * upstream-pool.h - idle upstreams of one endpoint for one identity, last in first out: the
 * one that was used last is still warm. An upstream is in its pool exactly once, or out of it.
 */
#ifndef HEDDLE_UPSTREAM_POOL_H
#define HEDDLE_UPSTREAM_POOL_H

#include "../../maps/outbound.h"

/* Tries at a head that others are changing, and entries that have gone, before a pool counts as empty. */
#define POOL_TRIES 8
#define POOL_INDEX 0xffffffffULL

static __always_inline struct heddle_upstream *upstream_at(__u32 index)
{
	return bpf_map_lookup_elem(&upstreams, &index);
}

static __always_inline int use_change(struct heddle_upstream *u, __u32 from, __u32 to)
{
	return __sync_val_compare_and_swap(&u->use, from, to) == from;
}

/* Head with another entry, and a tag that was not there before. */
static __always_inline __u64 head_with(__u64 head, __u32 entry)
{
	return ((head >> 32) + 1) << 32 | entry;
}

static __always_inline int pool_push(struct heddle_pool *pool, struct heddle_upstream *u,
				     __u32 index)
{
	for (int i = 0; i < POOL_TRIES; i++) {
		__u64 head = *(volatile __u64 *)&pool->head;

		u->next = head & POOL_INDEX;
		if (__sync_val_compare_and_swap(&pool->head, head, head_with(head, index + 1)) ==
		    head)
			return 0;
	}
	return -1;
}

/* Index + 1 of an upstream that is TAKEN now and nobody else's; 0 = none. */
static __always_inline __u32 pool_pop(struct heddle_pool *pool)
{
	for (int i = 0; i < POOL_TRIES; i++) {
		__u64 head = *(volatile __u64 *)&pool->head;
		__u32 entry = head & POOL_INDEX;
		struct heddle_upstream *u;

		if (!entry)
			return 0;
		u = upstream_at(entry - 1);
		if (!u)
			return 0;
		if (__sync_val_compare_and_swap(&pool->head, head,
						head_with(head, *(volatile __u32 *)&u->next)) !=
		    head)
			continue;
		if (use_change(u, HEDDLE_USE_IDLE, HEDDLE_USE_TAKEN))
			return entry;
		*(volatile __u32 *)&u->use = HEDDLE_USE_OVER; /* it was GONE: the relay buries it */
	}
	return 0;
}

static __always_inline struct heddle_pool *pool_of(const struct heddle_upstream *u)
{
	struct heddle_pool_key key = { .endpoint = u->endpoint, .identity = u->identity };

	return bpf_map_lookup_elem(&pools, &key);
}

/* Nobody has it any more; the next one may, if it lives. */
static __always_inline void upstream_free(struct heddle_upstream *u, __u32 index)
{
	struct heddle_pool *pool;

	u->client = 0;
	if (!use_change(u, HEDDLE_USE_TAKEN, HEDDLE_USE_IDLE))
		return;
	pool = pool_of(u);
	if (!pool || pool_push(pool, u, index))
		*(volatile __u32 *)&u->use = HEDDLE_USE_OVER;
}

/* A client's own connection has ended, or came to nothing: its entry serves another one. */
static __always_inline void direct_free(__u32 entry)
{
	struct heddle_upstream *u = upstream_at(entry - 1);

	if (!u)
		return;
	u->endpoint = HEDDLE_POOL_DIRECT;
	u->identity = 0;
	u->server = 0;
	u->work = 0;
	u->way = HEDDLE_WAY_KERNEL;
	__builtin_memset(&u->response, 0, sizeof(u->response));
	upstream_free(u, entry - 1);
}

/* It is to meet no further request: its TCP connection ends, or will. */
static __always_inline void upstream_gone(struct heddle_upstream *u)
{
	if (!use_change(u, HEDDLE_USE_TAKEN, HEDDLE_USE_OVER) &&
	    !use_change(u, HEDDLE_USE_IDLE, HEDDLE_USE_GONE))
		use_change(u, HEDDLE_USE_OPENING, HEDDLE_USE_OVER);
}

/* Socket `cookie` is there, ready for a request; `writer` is its place in this kernel, 0 = not known yet. */
static __always_inline void upstream_opened(__u64 cookie, __u32 index, __u64 writer)
{
	struct heddle_upstream *u = upstream_at(index);
	struct heddle_pool *pool;

	if (!u)
		return;
	u->server = cookie;
	u->writer = writer;
	if (!use_change(u, HEDDLE_USE_OPENING, HEDDLE_USE_IDLE))
		return;
	pool = pool_of(u);
	if (!pool || pool_push(pool, u, index))
		*(volatile __u32 *)&u->use = HEDDLE_USE_OVER;
}

#endif /* HEDDLE_UPSTREAM_POOL_H */
