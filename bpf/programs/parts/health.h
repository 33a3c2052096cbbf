/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * health.h - how endpoints do: requests in flight, failures in a row and what follows from them,
 * latency. What a request was counted for is owed by its upstream, and paid once, by whoever ends it.
 */
#ifndef HEDDLE_HEALTH_H
#define HEDDLE_HEALTH_H

#include "../../maps/outbound.h"

#define NS_PER_MS 1000000ULL
/* The longest ejection, unless the first one is longer already. */
#define MAX_EJECTION_MS 300000
/* One sample's part of the average. */
#define LATENCY_PART 8

static __always_inline struct heddle_health *health_of(__u32 endpoint)
{
	return bpf_map_lookup_elem(&health, &endpoint);
}

struct ejected_count {
	__u64 now;
	__u32 first;
	__u32 count;
	__u32 ejected;
	__u32 pad;
};

static long ejected_turn(__u32 turn, struct ejected_count *k)
{
	__u32 at = k->first + turn;
	__u32 *member = bpf_map_lookup_elem(&members, &at);
	struct heddle_health *h = member ? health_of(*member) : NULL;

	if (turn >= k->count)
		return 1;
	k->ejected += h && ONCE(h->ejected_until) > k->now;
	return 0;
}

/* May one more of the service's endpoints be ejected? */
static __always_inline int room_for_ejection(__u32 service, __u32 max_percent, __u64 now)
{
	struct heddle_service_state *s = bpf_map_lookup_elem(&services, &service);
	struct ejected_count k = { .now = now };

	if (!s)
		return 0;
	k.count = ONCE(s->count);
	k.first = ONCE(s->first);
	bpf_loop(HEDDLE_MAX_MEMBERS, ejected_turn, &k, 0);
	return (k.ejected + 1) * 100 <= max_percent * k.count;
}

/* How long it is out, in ms. Who comes back and soon fails again is out longer. */
static __always_inline __u64 ejection_ms(struct heddle_health *h, __u64 base_ms, __u64 now)
{
	__u64 max_ms = base_ms > MAX_EJECTION_MS ? base_ms : MAX_EJECTION_MS;
	__u64 ms = base_ms * h->ejections;

	if (h->ejections && now - h->ejected_until > ms * NS_PER_MS)
		h->ejections = 0;
	h->ejections++;
	ms = base_ms * h->ejections;
	return ms < max_ms ? ms : max_ms;
}

/* What a status, or HEDDLE_ENDED_RESET in its place, says of the endpoint to this service. */
SEPARATE int endpoint_judge(__u32 service, __u32 endpoint, __u32 status)
{
	struct heddle_balance *b = bpf_map_lookup_elem(&balances, &service);
	struct heddle_health *h = health_of(endpoint);
	__u64 now;
	__u32 limit;

	if (!b || !h)
		return 0;
	/* Written only where it changes: others read this line. */
	if (status != HEDDLE_ENDED_RESET && ONCE(h->resets))
		h->resets = 0;
	if (status != HEDDLE_ENDED_RESET && status < 500) {
		if (ONCE(h->failures))
			h->failures = 0;
		return 0;
	}
	limit = status ? b->failures : b->resets;
	now = bpf_ktime_get_ns();
	if (!limit || ONCE(h->ejected_until) > now)
		return 0;
	if (__sync_fetch_and_add(status ? &h->failures : &h->resets, 1) + 1 < limit)
		return 0;
	if (!room_for_ejection(service, b->max_percent, now))
		return 0;
	h->failures = 0;
	h->resets = 0;
	*(volatile __u64 *)&h->ejected_until = now + ejection_ms(h, b->base_ms, now) * NS_PER_MS;
	return 1;
}

/* A killed relay's requests are forgotten, or come to their ends later: never below 0 for long. */
static __always_inline void flight_ends(struct heddle_health *h)
{
	__u32 before = __sync_fetch_and_sub(&h->in_flight, 1);

	if ((__s32)before <= 0)
		__sync_val_compare_and_swap(&h->in_flight, before - 1, 0);
}

static __always_inline void latency_add(struct heddle_health *h, __u64 latency, __u64 now)
{
	__u64 old = h->latency;

	/* 0 = not measured. A sample that another CPU takes at the same time may be lost. */
	h->latency = old ? old - old / LATENCY_PART + latency / LATENCY_PART : latency + 1;
	h->measured = now;
}

/* A request goes to the endpoint of `u`. */
static __always_inline void endpoint_begins(struct heddle_upstream *u, __u32 service, __u32 counts)
{
	struct heddle_health *h;

	if (!counts)
		return;
	u->service = service;
	if (counts & HEDDLE_COUNT_LATENCY)
		u->began = bpf_ktime_get_ns();
	*(volatile __u32 *)&u->counts = counts;
	h = counts & HEDDLE_COUNT_FLIGHT ? health_of(u->endpoint) : NULL;
	if (h)
		__sync_fetch_and_add(&h->in_flight, 1);
}

/* It is over, with that status: what was owed, enum heddle_count. Whoever comes second finds nothing. */
static __always_inline __u32 endpoint_ends(struct heddle_upstream *u, __u32 status)
{
	__u32 counts = ONCE(u->counts) ? __sync_lock_test_and_set(&u->counts, 0) : 0;
	struct heddle_health *h = counts ? health_of(u->endpoint) : NULL;
	__u64 now;

	if (!h)
		return counts;
	if (counts & HEDDLE_COUNT_FLIGHT)
		flight_ends(h);
	if (status == HEDDLE_ENDED_UNTOLD)
		return counts;
	if (counts & HEDDLE_COUNT_LATENCY && status != HEDDLE_ENDED_RESET) {
		now = bpf_ktime_get_ns();
		latency_add(h, now - u->began, now);
	}
	if (counts & HEDDLE_COUNT_STATUS)
		endpoint_judge(u->service, u->endpoint, status);
	return counts;
}

#endif /* HEDDLE_HEALTH_H */
