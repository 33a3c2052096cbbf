/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * ask.h - what the relay does to clients and upstreams, as one step beside what client and
 * server do at the same time. Run by BPF_PROG_RUN; a map has no such step.
 */
#ifndef HEDDLE_ASK_H
#define HEDDLE_ASK_H

#include "breaker.h"
#include "hand.h"
#include "upstream-pool.h"

static __always_inline struct heddle_upstream *upstream_of(struct heddle_client *c)
{
	struct heddle_upstream *u = c->upstream ? upstream_at(c->upstream - 1) : NULL;

	return u && u->client == c->cookie ? u : NULL;
}

static __always_inline __u32 ask_begin(struct heddle_client *c)
{
	__u32 rest = c->flags & HEDDLE_CLIENT_REQUEST ? HEDDLE_BEGIN_REST : 0;
	struct heddle_upstream *u;

	hand_to_relay(c);
	__sync_fetch_and_and(&c->hand, ~HEDDLE_HAND_OFFER);
	u = upstream_of(c);
	if (u && work_now(u) & HEDDLE_WORK_RESPONSE && work_watched(u))
		return HEDDLE_BEGIN_RESPONSE | rest;
	return rest;
}

static __always_inline __u32 ask_offer(struct heddle_client *c, const struct heddle_ask *ask)
{
	/* Nobody else changes flags while the relay has the connection. */
	c->flags &= ~HEDDLE_CLIENT_REQUEST;
	c->offered_sent = ask->sent;
	c->offered_received = ask->received;
	return hand_change(c, HEDDLE_HAND_RELAY, HEDDLE_HAND_RELAY | HEDDLE_HAND_OFFER);
}

/* Only while its connection is the relay's: then no message of it runs the kernel's part. */
static __always_inline __u32 ask_leave(struct heddle_client *c)
{
	struct heddle_upstream *u = upstream_of(c);

	if (!u || !hand_now(c) || work_now(u) || c->flags & HEDDLE_CLIENT_REQUEST)
		return 0;
	upstream_free(u, c->upstream - 1);
	c->upstream = 0;
	return 1;
}

static __always_inline __u32 ask_of_pool(const struct heddle_ask *ask)
{
	struct heddle_pool_key key = { .endpoint = ask->index, .identity = ask->identity };
	struct heddle_pool *pool = bpf_map_lookup_elem(&pools, &key);

	return pool ? pool_pop(pool) : 0;
}

static __always_inline __u32 ask_gone(__u32 index)
{
	struct heddle_upstream *u = upstream_at(index);

	if (!u)
		return HEDDLE_USE_NONE;
	request_untold(u);
	upstream_gone(u);
	return *(volatile __u32 *)&u->use;
}

static __always_inline __u32 ask_return(__u32 index)
{
	struct heddle_upstream *u = upstream_at(index);

	if (u)
		upstream_free(u, index);
	return 0;
}

static __always_inline __u32 ask_reset(__u32 index)
{
	struct heddle_upstream *u = upstream_at(index);

	if (u)
		endpoint_ends(u, HEDDLE_ENDED_RESET);
	return 0;
}

static __always_inline __u32 ask_called(__u32 endpoint)
{
	struct heddle_health *h = health_of(endpoint);

	if (h)
		__sync_fetch_and_add(&h->in_flight, 1);
	return 0;
}

static __always_inline __u32 ask_forget(__u32 endpoint)
{
	struct heddle_health *h = health_of(endpoint);

	if (h)
		*(volatile __u32 *)&h->in_flight = 0;
	return 0;
}

static __always_inline __u32 ask_answered(const struct heddle_ask *ask)
{
	struct heddle_health *h = health_of(ask->index);

	if (!h)
		return 0;
	flight_ends(h);
	if (ask->sent == HEDDLE_ENDED_UNTOLD)
		return 0;
	if (ask->sent != HEDDLE_ENDED_RESET)
		latency_add(h, ask->received, bpf_ktime_get_ns());
	return endpoint_judge(ask->identity, ask->index, ask->sent);
}

static __always_inline __u32 asked(const struct heddle_ask *ask)
{
	__u64 cookie = ask->cookie;
	struct heddle_client *c;

	if (ask->what == HEDDLE_ASK_GONE)
		return ask_gone(ask->index);
	if (ask->what == HEDDLE_ASK_TAKE)
		return ask_of_pool(ask);
	if (ask->what == HEDDLE_ASK_RETURN)
		return ask_return(ask->index);
	if (ask->what == HEDDLE_ASK_RESET)
		return ask_reset(ask->index);
	if (ask->what == HEDDLE_ASK_CALLED)
		return ask_called(ask->index);
	if (ask->what == HEDDLE_ASK_FORGET)
		return ask_forget(ask->index);
	if (ask->what == HEDDLE_ASK_ANSWERED)
		return ask_answered(ask);
	if (ask->what == HEDDLE_ASK_OPENED) {
		upstream_opened(cookie, ask->index, 0);
		return 0;
	}
	c = bpf_map_lookup_elem(&clients, &cookie);
	if (!c)
		return 0;
	if (ask->what == HEDDLE_ASK_BEGIN)
		return ask_begin(c);
	if (ask->what == HEDDLE_ASK_OFFER)
		return ask_offer(c, ask);
	return ask->what == HEDDLE_ASK_LEAVE ? ask_leave(c) : 0;
}

#endif /* HEDDLE_ASK_H */
