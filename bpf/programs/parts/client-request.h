/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * client-request.h - runs on what a workload sends to a service: reads each head, decides
 * where the request goes, and hands its bytes to a server on this node. What it does not
 * take goes on to the relay, byte for byte, from a message boundary on.
 */
#ifndef HEDDLE_CLIENT_REQUEST_H
#define HEDDLE_CLIENT_REQUEST_H

#include "../../lib/sock.h"
#include "client-route.h"
#include "hand.h"
#include "message.h"
#include "upstream-pool.h"
#include "window.h"

struct call {
	struct sk_msg_md *msg;
	struct heddle_client *client;
	struct heddle_window *window;
	__u32 at; /* offset in the message of the next byte to look at */
	__u32 size;
	__u32 bad; /* enum heddle_reason: the bytes are not what may go on */
	__u32 pad;
	__u64 socket; /* the client's, in this kernel */
};

/* In place of an action: the program of slot client->slot goes on. */
#define CALL_OTHER_SLOT (-1)

/* See own_way() in upstream-response.h. */
static __always_inline int to_relay(struct call *k, __u32 why)
{
	__u64 cookie = k->client->cookie;

	client_count(why);
	/* Written only while the connection is the kernel's: later the relay changes flags. */
	if (k->client->flags & HEDDLE_CLIENT_CORKED)
		k->client->flags &= ~HEDDLE_CLIENT_CORKED;
	return bpf_msg_redirect_hash(k->msg, &sockets, &cookie, 0);
}

/* Nothing of the message has been taken: the connection changes hands here. */
static __always_inline int hand_over(struct call *k, __u32 why)
{
	hand_to_relay(k->client);
	return to_relay(k, why);
}

/*
 * The relay offers the connection back. Taken only where not a byte is on its way, in either
 * direction: bytes that come by wire and bytes that are handed over would else change places.
 */
static __always_inline int taken_back(struct heddle_client *c, struct tcp_sock *tp, __u32 hand)
{
	if (!(hand & HEDDLE_HAND_OFFER) || c->flags & HEDDLE_CLIENT_PIPELINES)
		return 0;
	if (tp->write_seq - c->sent_base != c->offered_sent ||
	    tp->bytes_received != c->offered_received || tp->copied_seq != tp->rcv_nxt)
		return 0;
	return hand_change(c, hand, 0);
}

/* One step behind a head: bodies are counted, chunk headers and trailers read. */
static long body_turn(__u32 turn UNUSED, struct call *k)
{
	struct heddle_request *r = &k->client->request;
	struct heddle_window *w = k->window;
	__u32 left = k->size - k->at;
	__u32 take, action;

	if (r->phase == HEDDLE_START || !left)
		return 1;
	if (r->phase == HEDDLE_BODY || r->phase == HEDDLE_CHUNK_DATA) {
		take = r->remaining < left ? r->remaining : left;
		k->at += take;
		r->remaining -= take;
		w->len = 0;
		if (!r->remaining)
			r->phase = r->phase == HEDDLE_BODY ? HEDDLE_START : HEDDLE_CHUNK_END_CR;
		return 0;
	}
	if (!(w->len && w->base + w->pos == k->at && w->pos < w->len) &&
	    message_load(k->msg, w, k->at, HEDDLE_WINDOW)) {
		k->bad = HEDDLE_NO_WINDOW;
		return 1;
	}
	action = http1_parse(r, w);
	k->at = w->base + w->pos;
	if (action & HTTP1_REFUSE)
		k->bad = action & 0xff;
	return k->bad != 0;
}

/* Turns a message can need: a chunk header is at least 3 bytes. */
#define BODY_TURNS 32768

static __always_inline void body_follow(struct call *k)
{
	struct heddle_request *r = &k->client->request;

	if (r->phase == HEDDLE_BODY && r->remaining >= k->size - k->at) {
		r->remaining -= k->size - k->at;
		k->at = k->size;
		if (!r->remaining)
			r->phase = HEDDLE_START;
		return;
	}
	if (r->phase != HEDDLE_START)
		bpf_loop(BODY_TURNS, body_turn, k, 0);
	if (!k->bad && k->at < k->size && r->phase != HEDDLE_START)
		k->bad = HEDDLE_NO_WINDOW;
}

/* Gives back what the client has. All that it sent is with the server: this is a later message. */
static __always_inline void upstream_leave(struct heddle_client *c)
{
	struct heddle_upstream *u = c->upstream ? upstream_at(c->upstream - 1) : NULL;

	if (u && u->client == c->cookie)
		upstream_free(u, c->upstream - 1);
	c->upstream = 0;
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
	upstream_leave(c);
	pool = bpf_map_lookup_elem(&pools, &key);
	if (!pool)
		return NULL;
	c->upstream = pool_pop(pool);
	u = c->upstream ? upstream_at(c->upstream - 1) : NULL;
	if (!u) {
		__sync_fetch_and_add(&pool->missed, 1);
		return NULL;
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

	if (!flags)
		u->expected = u->writer ? written_by(u->writer) + bytes : 0;
	return bpf_msg_redirect_hash(msg, &sockets, &server, flags);
}

/* The request, or what there is of it, goes to the server. */
static __always_inline int call_upstream(struct call *k, struct heddle_upstream *u)
{
	struct heddle_client *c = k->client;
	__u32 flags = u->flags & HEDDLE_UPSTREAM_REMOTE;
	__u64 server = u->server;

	if (c->request.flags & HEDDLE_REQUEST_HEAD)
		flags |= HEDDLE_UPSTREAM_HEAD;
	/* Written only where it changes: the server's side reads this line. */
	if (u->flags != flags)
		u->flags = flags;
	*(volatile __u32 *)&u->work = HEDDLE_WORK_RESPONSE;
	c->flags &= ~HEDDLE_CLIENT_CORKED;
	if (c->request.phase != HEDDLE_START)
		c->flags |= HEDDLE_CLIENT_REQUEST;
	if (hand_to_server(k->msg, u, server, k->at) == SK_PASS) {
		client_count(HEDDLE_KERNEL_ROUTED);
		return SK_PASS;
	}
	/* It has just gone, and no byte with it. */
	endpoint_ends(u, HEDDLE_ENDED_UNTOLD);
	u->work = 0;
	u->client = 0;
	upstream_gone(u);
	c->upstream = 0;
	c->flags &= ~HEDDLE_CLIENT_REQUEST;
	return hand_over(k, HEDDLE_SLOW_GONE);
}

/*
 * A redirect knows no window (see takes_relays_way() in rest.h). One that leaves by a socket whose
 * buffer is full is taken in part or fails with EAGAIN, of which no later event tells the client.
 */
static __always_inline int takes_more(struct heddle_upstream *u, __u32 bytes)
{
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
	       room_in(u->writer, bytes);
}

/* A message begins with the first byte of this one. */
static __always_inline int request_read(struct call *k)
{
	struct heddle_client *c = k->client;
	struct heddle_request *r = &c->request;
	struct destination to = {};
	struct heddle_upstream *u;
	__u32 action;

	if (message_load(k->msg, k->window, 0, HEDDLE_WINDOW))
		return hand_over(k, HEDDLE_SLOW_HEAD);
	if (client_adopt(c))
		return hand_over(k, HEDDLE_SLOW_NO_GENERATION);
	request_begin(r);
	if (c->route_set)
		r->root = c->route_set;
	action = http1_parse(r, k->window);
	if (action == HTTP1_MORE && k->size < HEDDLE_WINDOW) {
		/* Held by the kernel until more comes; then read again from its beginning. */
		c->flags |= HEDDLE_CLIENT_CORKED;
		bpf_msg_cork_bytes(k->msg, k->size + 1);
		return SK_PASS;
	}
	if (action != HTTP1_HEAD)
		return hand_over(k, HEDDLE_SLOW_HEAD);
	if (r->flags & (HEDDLE_REQUEST_HTTP10 | HEDDLE_REQUEST_UPGRADE))
		return hand_over(k, HEDDLE_SLOW_VERSION);
	c->requests++;
	if (route_service(c, k->window, &to) || route_endpoint(c, &to))
		return hand_over(k, to.why);
	u = upstream_take(k, to.endpoint);
	if (!u)
		return hand_over(k, HEDDLE_SLOW_POOL);
	if (!takes_first(u, k->size))
		return hand_over(k, HEDDLE_SLOW_UNREAD);
	if (!upstream_allows(c, u, k->window))
		return hand_over(k, HEDDLE_SLOW_REFUSED);
	k->at = k->window->pos;
	request_body(r);
	body_follow(k);
	if (u->flags & HEDDLE_UPSTREAM_REMOTE && r->flags & HEDDLE_REQUEST_CHUNKED &&
	    r->phase != HEDDLE_START)
		return hand_over(k, HEDDLE_SLOW_UNREAD); /* its chunk headers may meet a full buffer */
	/* A corked message has one verdict for all of it. */
	if (k->bad || (k->at < k->size && c->flags & HEDDLE_CLIENT_CORKED))
		return hand_over(k, HEDDLE_SLOW_HEAD);
	if (k->at < k->size)
		bpf_msg_apply_bytes(k->msg, k->at);
	endpoint_begins(u, to.service, to.counts);
	return call_upstream(k, u);
}

/* More of the body of a request that is under way. */
static __always_inline int request_goes_on(struct call *k)
{
	struct heddle_client *c = k->client;
	struct heddle_upstream *u = upstream_at(c->upstream - 1);
	__u64 server;

	if (!u || u->client != c->cookie)
		return hand_over(k, HEDDLE_SLOW_GONE);
	/* Within a chunk header nobody else could go on: that is a few bytes. */
	if (!takes_more(u, k->size) &&
	    (c->request.phase == HEDDLE_BODY || c->request.phase == HEDDLE_CHUNK_DATA)) {
		upstream_gone(u); /* the rest comes by wire: no later request may stand before it */
		return hand_over(k, HEDDLE_SLOW_UNREAD);
	}
	body_follow(k);
	if (k->bad) {
		client_tell(c->cookie, c->upstream - 1, HEDDLE_EVENT_UNFOLLOWED);
		return to_relay(k, HEDDLE_SLOW_HEAD);
	}
	server = u->server;
	if (k->at < k->size)
		bpf_msg_apply_bytes(k->msg, k->at);
	if (c->request.phase == HEDDLE_START)
		c->flags &= ~HEDDLE_CLIENT_REQUEST;
	if (hand_to_server(k->msg, u, server, k->at) == SK_PASS)
		return SK_PASS;
	return to_relay(k, HEDDLE_SLOW_GONE);
}

/* A message begins while the response to the one before is under way: the relay keeps the order. */
static __always_inline int is_pipelined(struct heddle_client *c)
{
	struct heddle_upstream *u = c->upstream ? upstream_at(c->upstream - 1) : NULL;

	if (!u || u->client != c->cookie || !(work_now(u) & HEDDLE_WORK_RESPONSE))
		return 0;
	c->flags |= HEDDLE_CLIENT_PIPELINES;
	work_watched(u);
	return 1;
}

/*
 * Another node's socket may have taken less than it was handed: the client was told so, and sends the
 * rest again. The reader had counted it: back with it by as much. (Only bodies of known length
 * go that way in more than one message.)
 */
static __always_inline void taken_in_part(struct heddle_client *c)
{
	struct heddle_upstream *u = c->upstream ? upstream_at(c->upstream - 1) : NULL;
	__s32 missing;

	if (!u || u->client != c->cookie || !(u->flags & HEDDLE_UPSTREAM_REMOTE) || !u->expected)
		return;
	missing = u->expected - written_by(u->writer);
	u->expected = 0;
	if (missing <= 0)
		return;
	c->request.remaining += missing;
	c->request.phase = HEDDLE_BODY;
	c->flags |= HEDDLE_CLIENT_REQUEST;
}

static __always_inline int request_or_body(struct call *k)
{
	__u32 zero = 0;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);

	taken_in_part(k->client);
	/* A message stays with the generation that it began under. */
	if (k->client->flags & HEDDLE_CLIENT_REQUEST) {
		if (me && me->slot != k->client->slot)
			return CALL_OTHER_SLOT;
		return request_goes_on(k);
	}
	if (is_pipelined(k->client))
		return hand_over(k, HEDDLE_SLOW_PIPELINED);
	return request_read(k);
}

static __always_inline int client_request(struct sk_msg_md *msg)
{
	struct tcp_sock *tp = msg->sk ? bpf_skc_to_tcp_sock(msg->sk) : NULL;
	struct call k = { .msg = msg, .size = msg->size, .socket = (__u64)tp };
	__u64 cookie;
	__u32 hand;
	int action;

	if (!tp)
		return SK_PASS;
	cookie = cookie_of(tp);
	k.client = bpf_map_lookup_elem(&clients, &cookie);
	if (!k.client)
		return SK_PASS;
	hand = hand_now(k.client);
	if (hand && !taken_back(k.client, tp, hand)) {
		if (hand & HEDDLE_HAND_OFFER)
			hand_change(k.client, hand, HEDDLE_HAND_RELAY);
		return to_relay(&k, HEDDLE_SLOW_FOLLOWS);
	}
	k.window = window_claim();
	if (!k.window)
		return hand_over(&k, HEDDLE_SLOW_HEAD);
	k.window->len = 0;
	action = request_or_body(&k);
	window_release(k.window);
	if (action != CALL_OTHER_SLOT)
		return action;
	bpf_tail_call(msg, &requests, k.client->slot);
	return to_relay(&k, HEDDLE_SLOW_NO_GENERATION);
}

#endif /* HEDDLE_CLIENT_REQUEST_H */
