/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* rest.h - when the rest of a response goes through the relay, and how that is said. */
#ifndef HEDDLE_REST_H
#define HEDDLE_REST_H

#include "../../lib/sock.h"
#include "hand.h"
#include "upstream-pool.h"

/* From here on the response of `u` comes to the relay; `response` says where it stands. */
static __always_inline void rest_to_relay(struct heddle_upstream *u, __u32 index)
{
	__u64 client = u->client;
	struct heddle_client *c = bpf_map_lookup_elem(&clients, &client);

	if (c)
		hand_to_relay(c);
	u->way = HEDDLE_WAY_RELAY;
	upstream_gone(u);
	client_tell(client, index, HEDDLE_EVENT_REST);
}

/*
 * A redirect knows no window: what is handed to a reader that has stopped reading piles up. From a
 * bound on the rest of the response goes by TCP, through the relay, which reads no faster than the
 * client does. Only within a body, whose end the relay can find from there.
 */
static __always_inline int takes_relays_way(struct heddle_upstream *u, __u32 index)
{
	if (u->way == HEDDLE_WAY_RELAY)
		return 1;
	if (u->response.phase != HEDDLE_RESPONSE_BODY &&
	    u->response.phase != HEDDLE_RESPONSE_CHUNK_DATA &&
	    u->response.phase != HEDDLE_RESPONSE_TO_CLOSE)
		return 0;
	if (unread_by(u->reader) < HEDDLE_MAX_UNREAD)
		return 0;
	client_count(HEDDLE_SLOW_UNREAD);
	rest_to_relay(u, index);
	return 1;
}

#endif /* HEDDLE_REST_H */
