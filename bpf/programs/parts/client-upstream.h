/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * client-upstream.h - what a client's request goes by: the upstream that the client keeps, its own
 * connection, or one out of a pool; how bytes are handed to it, and how many it takes.
 */
#ifndef HEDDLE_CLIENT_UPSTREAM_H
#define HEDDLE_CLIENT_UPSTREAM_H

#include "../../lib/sock.h"
#include "client-call.h"
#include "upstream-pool.h"

/* The client's own connection, where it leads there. */
static __always_inline struct heddle_upstream *direct_to(struct heddle_client *c, __u32 endpoint)
{
	struct heddle_upstream *u = c->direct ? upstream_at(c->direct - 1) : NULL;

	if (!u || u->endpoint != endpoint)
		return NULL;
	if (c->upstream != c->direct)
		upstream_leave(c);
	c->upstream = c->direct;
	return u;
}

/*
 * Past the relay there may be no other way than to the one endpoint, whether it is the service's still or
 * not: as long as it takes requests, so be it. Not where routes may say otherwise.
 */
static __always_inline struct heddle_upstream *direct_still(struct heddle_client *c)
{
	struct heddle_upstream *u = c->direct && !c->route_set ? upstream_at(c->direct - 1) : NULL;

	if (!u)
		return NULL;
	if (c->upstream != c->direct)
		upstream_leave(c);
	c->upstream = c->direct;
	return u;
}

/* The upstream that the client has, or another one, to that endpoint; NULL = none is idle. */
static __always_inline struct heddle_upstream *upstream_take(struct call *k, __u32 endpoint)
{
	struct heddle_client *c = k->client;
	struct heddle_upstream *u = c->upstream ? upstream_at(c->upstream - 1) : NULL;
	struct heddle_pool_key key = { .endpoint = endpoint, .identity = c->identity };
	struct heddle_pool *pool;

	if (u && u->client == c->cookie && u->endpoint == endpoint &&
	    *(volatile __u32 *)&u->use == HEDDLE_USE_TAKEN)
		return u;
	u = direct_to(c, endpoint);
	if (u)
		return u;
	upstream_leave(c);
	pool = bpf_map_lookup_elem(&pools, &key);
	if (!pool)
		return direct_still(c);
	c->upstream = pool_pop(pool);
	u = c->upstream ? upstream_at(c->upstream - 1) : NULL;
	if (!u) {
		__sync_fetch_and_add(&pool->missed, 1);
		return direct_still(c);
	}
	u->client = c->cookie;
	u->reader = k->socket;
	return u;
}

/* Into the receive queue of a server on this node, or out by the relay's connection to another. */
static __always_inline int hand_to_server(struct sk_msg_md *msg, struct heddle_upstream *u,
					  __u64 server, __u32 bytes)
{
	__u64 flags = u->flags & HEDDLE_UPSTREAM_REMOTE ? 0 : BPF_F_INGRESS;

	if (u->flags & HEDDLE_UPSTREAM_DIRECT) {
		u->expected = written_by(u->writer) + bytes;
		return SK_PASS;
	}
	if (!flags)
		u->expected = u->writer ? written_by(u->writer) + bytes : 0;
	return bpf_msg_redirect_hash(msg, &sockets, &server, flags);
}

/*
 * A redirect knows no window (see takes_relays_way() in rest.h). One that leaves by a socket whose
 * buffer is full is taken in part or fails with EAGAIN, of which no later event tells the client.
 */
static __always_inline int takes_more(struct heddle_upstream *u, __u32 bytes)
{
	if (u->flags & HEDDLE_UPSTREAM_DIRECT)
		return 1; /* the socket itself says how much it takes */
	if (u->flags & HEDDLE_UPSTREAM_REMOTE)
		return room_in(u->writer, bytes);
	return unread_by(u->writer) < HEDDLE_MAX_UNREAD;
}

/* Bytes that fit into what a connection sends when nothing was sent by it before. */
#define FITS_A_NEW_SOCKET 4096

/* The first message of a request: nothing is under way, so only much of it can be too much. */
static __always_inline int takes_first(struct heddle_upstream *u, __u32 bytes)
{
	return bytes <= FITS_A_NEW_SOCKET || !(u->flags & HEDDLE_UPSTREAM_REMOTE) ||
	       u->flags & HEDDLE_UPSTREAM_DIRECT || room_in(u->writer, bytes);
}

#endif /* HEDDLE_CLIENT_UPSTREAM_H */
