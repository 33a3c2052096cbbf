/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * count.h - every verdict is counted, an ended connection is told to the relay.
 */
#ifndef HEDDLE_COUNT_H
#define HEDDLE_COUNT_H

#include "../../maps/live.h"

static __always_inline void count_by(__u32 reason, __u32 n)
{
	__u64 *value = bpf_map_lookup_elem(&counters, &reason);

	if (value)
		*value += n;
}

static __always_inline void count(__u32 reason)
{
	count_by(reason, 1);
}

static __always_inline void tell(const struct heddle_conn *c, __u8 kind, __u8 reason, __u16 status)
{
	struct heddle_event e = {
		.at = bpf_ktime_get_ns(),
		.cookie = c->cookie,
		.generation = c->generation,
		.remote_port = c->remote_port,
		.local_port = c->local_port,
		.request = c->requests,
		.status = status,
		.kind = kind,
		.reason = reason,
	};

	__builtin_memcpy(e.remote, c->remote, 16);
	__builtin_memcpy(e.local, c->local, 16);
	if (bpf_ringbuf_output(&events, &e, sizeof(e), 0))
		count(HEDDLE_EVENT_LOST);
}

#endif /* HEDDLE_COUNT_H */
