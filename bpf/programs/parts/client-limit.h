/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* client-limit.h - what may keep a request from its upstream at the last moment: breaker, and rate limits of this node. */
#ifndef HEDDLE_CLIENT_LIMIT_H
#define HEDDLE_CLIENT_LIMIT_H

#include "balance.h"
#include "client-breaker.h"
#include "limit.h"
#include "measure.h"

/*
 * The last that may keep a request from its upstream: whoever was to get it after all would take once more. 1 = a
 * limit has no more, and `c->limited` says what the client is told.
 */
static __always_inline int request_limited(struct heddle_client *c, const struct heddle_upstream *u,
					   const struct destination *to)
{
	__u32 met = limits_in(to->seen);

	if (met && client_limits_refuse(c, u->identity, met))
		return 1;
	count(to->verdict);
	measure_verdict(to->verdict);
	return 0;
}

/* 0 = it goes; else why the relay has to ask again: enum heddle_client_reason. */
static __always_inline __u32 request_admitted(struct heddle_client *c, struct heddle_upstream *u,
					      const struct destination *to)
{
	if (to->counts & HEDDLE_COUNT_BREAKER && service_refuses(to->service, u))
		return HEDDLE_SLOW_BROKEN;
	if (!request_limited(c, u, to))
		return 0;
	if (to->counts & HEDDLE_COUNT_BREAKER)
		service_told(to->service, u->ticket, HEDDLE_ENDED_UNTOLD);
	return HEDDLE_SLOW_LIMITED;
}

/* The request was answered with what its breaker says, if that is what it was answered with. */
static __always_inline void breaker_answered(const struct destination *to)
{
	if (to->status == CLIENT_OPEN)
		service_answered(to->service, HEDDLE_BREAKER_IS_OPEN);
	else if (to->status == CLIENT_IN_FLIGHT)
		service_answered(to->service, HEDDLE_BREAKER_IN_FLIGHT);
}

#endif /* HEDDLE_CLIENT_LIMIT_H */
