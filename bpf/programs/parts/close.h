/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * close.h - a segment that nobody could judge is dropped, and with it all that
 * follows: behind a hole in the stream parser and application would disagree on
 * where a request begins.
 */
#ifndef HEDDLE_CLOSE_H
#define HEDDLE_CLOSE_H

#include "count.h"

static __always_inline void verdict_close(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct heddle_conn *c = bpf_map_lookup_elem(&conns, &cookie);

	count(HEDDLE_NO_GENERATION);
	if (!c || !skb->len)
		return;
	if (c->request.phase != HEDDLE_CLOSED)
		tell(c, HEDDLE_EVENT_END, HEDDLE_NO_GENERATION, 0);
	c->request.phase = HEDDLE_CLOSED;
	c->resume = 0;
}

#endif /* HEDDLE_CLOSE_H */
