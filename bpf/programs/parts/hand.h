/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * hand.h - who has a client's connection, kernel or relay, and what its upstream does.
 */
#ifndef HEDDLE_HAND_H
#define HEDDLE_HAND_H

#include "count.h"
#include "../../maps/outbound.h"

static __always_inline void client_count(__u32 reason)
{
	__u64 *value = bpf_map_lookup_elem(&client_counters, &reason);

	if (value)
		*value += 1;
}

/* The relay is told only of what it waits for, or has to end. On a stack of its own: 6.1 counts them all. */
SEPARATE int client_tell(__u64 cookie, __u32 upstream, __u8 kind)
{
	struct heddle_event e = {
		.at = bpf_ktime_get_ns(),
		.cookie = cookie,
		.request = upstream,
		.kind = kind,
	};

	if (bpf_ringbuf_output(&events, &e, sizeof(e), 0))
		count(HEDDLE_EVENT_LOST);
	return 0;
}

static __always_inline __u32 hand_now(struct heddle_client *c)
{
	return *(volatile __u32 *)&c->hand;
}

/* 1 = it was `from` and is `to` now. The relay changes it at the same time. */
static __always_inline int hand_change(struct heddle_client *c, __u32 from, __u32 to)
{
	return __sync_val_compare_and_swap(&c->hand, from, to) == from;
}

/* From now on what comes goes to the relay. */
static __always_inline void hand_to_relay(struct heddle_client *c)
{
	__sync_fetch_and_or(&c->hand, HEDDLE_HAND_RELAY);
}

static __always_inline __u32 work_now(struct heddle_upstream *u)
{
	return *(volatile __u32 *)&u->work;
}

/* Is a response under way? If so, the relay is told when it is complete. */
static __always_inline int work_watched(struct heddle_upstream *u)
{
	return __sync_fetch_and_or(&u->work, HEDDLE_WORK_WATCHED) & HEDDLE_WORK_RESPONSE;
}

/* The response is complete. */
static __always_inline void work_done(struct heddle_upstream *u, __u32 index)
{
	if (__sync_lock_test_and_set(&u->work, 0) & HEDDLE_WORK_WATCHED)
		client_tell(u->client, index, HEDDLE_EVENT_TURN);
}

#endif /* HEDDLE_HAND_H */
