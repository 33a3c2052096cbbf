/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* break.h - what the relay asks of breakers: for its own requests, and for upstreams that broke off. */
#ifndef HEDDLE_BREAK_H
#define HEDDLE_BREAK_H

#include "breaker.h"
#include "upstream-pool.h"

/* Its endpoint and its service learn of it. */
static __always_inline void break_broke(__u32 index, __u32 status, struct heddle_breaker_rule *rule)
{
	struct heddle_upstream *u = upstream_at(index);
	__u32 service, ticket;

	if (!u)
		return;
	service = u->service;
	ticket = u->ticket;
	if (endpoint_ends(u, status) & HEDDLE_COUNT_BREAKER)
		breaker_told(service, ticket, status, rule);
}

static __always_inline void break_forget(struct heddle_breaker *b)
{
	__u64 flight = ONCE(b->flight);

	/* Who is still to land knows the epoch before. */
	ONCE(b->flight) = ((flight >> 32) + 1) << 32;
}

static __always_inline void break_asked(struct heddle_break *ask)
{
	struct heddle_breaker_rule rule = ask->rule; /* a context is lent to no function */
	__u32 service = ask->service, ticket = ask->ticket;
	struct heddle_breaker *b = bpf_map_lookup_elem(&breakers, &service);

	ask->answer = HEDDLE_BREAKER_ADMITS;
	if (ask->what == HEDDLE_BREAK_BROKE)
		break_broke(ask->index, ask->status, &rule);
	if (!b)
		return;
	if (ask->what == HEDDLE_BREAK_ADMIT) {
		ask->answer = breaker_admits(b, &rule, &ticket);
		ask->ticket = ticket;
		if (ask->answer)
			breaker_refused(b, ask->answer);
	} else if (ask->what == HEDDLE_BREAK_ENDED) {
		breaker_ends(b, &rule, ticket, ask->status);
	} else if (ask->what == HEDDLE_BREAK_PENDING) {
		breaker_ends(b, &rule, ticket, HEDDLE_ENDED_UNTOLD);
		breaker_refused(b, HEDDLE_BREAKER_PENDING);
	} else if (ask->what == HEDDLE_BREAK_FORGET) {
		break_forget(b);
	}
}

#endif /* HEDDLE_BREAK_H */
