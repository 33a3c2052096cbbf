/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* client-limit.h - the rate limits that a request meets on its way to a server of this node. */
#ifndef HEDDLE_CLIENT_LIMIT_H
#define HEDDLE_CLIENT_LIMIT_H

#include "balance.h"
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

#endif /* HEDDLE_CLIENT_LIMIT_H */
