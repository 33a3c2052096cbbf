/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* breaker.h - circuit breakers for whoever has no tables: the dispatcher, and the relay, which brings its rule. */
#ifndef HEDDLE_PARTS_BREAKER_H
#define HEDDLE_PARTS_BREAKER_H

#include "../../lib/breaker.h"
#include "../../maps/breakers.h"
#include "health.h"

static __always_inline void breaker_refused(struct heddle_breaker *b, __u32 answer)
{
	__sync_fetch_and_add(&b->refused[answer & (HEDDLE_BREAKER_ANSWERS - 1)], 1);
}

/* With the caller's rule; one of zeroes opens nothing. */
SEPARATE int breaker_told(__u32 service, __u32 ticket, __u32 status,
			  struct heddle_breaker_rule *rule)
{
	struct heddle_breaker *b = bpf_map_lookup_elem(&breakers, &service);

	if (b && rule)
		breaker_ends(b, rule, ticket, status);
	return 0;
}

/* The request that `u` has under way comes to nothing that says anything of its service. */
static __always_inline void request_untold(struct heddle_upstream *u)
{
	struct heddle_breaker_rule none = {};
	__u32 service = u->service, ticket = u->ticket;

	if (endpoint_ends(u, HEDDLE_ENDED_UNTOLD) & HEDDLE_COUNT_BREAKER)
		breaker_told(service, ticket, HEDDLE_ENDED_UNTOLD, &none);
}

#endif /* HEDDLE_PARTS_BREAKER_H */
