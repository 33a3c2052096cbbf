/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* balance.h - which endpoint of a service takes the next request. */
#ifndef HEDDLE_BALANCE_H
#define HEDDLE_BALANCE_H

#include "../../maps/outbound.h"

#define ONCE(x) (*(volatile typeof(x) *)&(x))

/* Endpoints that are looked at for one that takes requests. */
#define BALANCE_TRIES 4

/* Number of one of the nearest endpoints: of this node, else of its zone, else any. -1 = there is none. */
static __always_inline int balance(__u32 service, __u32 *endpoint)
{
	struct heddle_service_state *s = bpf_map_lookup_elem(&services, &service);
	__u32 count, local, zone, first, random = bpf_get_prandom_u32();

	if (!s)
		return -1;
	/* Each once, `first` last: runs are written so that old counts are right for a new place. */
	count = ONCE(s->count);
	local = ONCE(s->local);
	zone = ONCE(s->zone);
	first = ONCE(s->first);
	if (local || zone)
		count = local ? local : zone;
	if (!count)
		return -1;
	for (__u32 i = 0; i < BALANCE_TRIES; i++) {
		__u32 at = first + (random + i) % count;
		__u32 *member = bpf_map_lookup_elem(&members, &at);
		struct heddle_endpoint *e = member ? bpf_map_lookup_elem(&endpoints, member) : NULL;

		if (!e || !ONCE(e->weight))
			continue;
		*endpoint = *member;
		return 0;
	}
	return -1;
}

#endif /* HEDDLE_BALANCE_H */
