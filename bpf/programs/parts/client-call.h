/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* client-call.h - one run on what a client sends: how far it has been read, and the way to the relay. */
#ifndef HEDDLE_CLIENT_CALL_H
#define HEDDLE_CLIENT_CALL_H

#include "../../protocols/http1/request.h"
#include "hand.h"
#include "message.h"
#include "upstream-pool.h"

struct call {
	struct sk_msg_md *msg;
	struct heddle_client *client;
	struct heddle_window *window;
	__u32 at; /* offset in the message of the next byte to look at */
	__u32 size;
	__u32 bad;		     /* enum heddle_reason: the bytes are not what may go on */
	__u32 head;		     /* bytes of the request's head */
	struct heddle_window *draft; /* of what goes on in its place, NULL = the head itself */
	__u64 socket;		     /* the client's, in this kernel */
};

/* Gives back what the client has. All that it sent is with the server: this is a later message. */
static __always_inline void upstream_leave(struct heddle_client *c)
{
	struct heddle_upstream *u = c->upstream ? upstream_at(c->upstream - 1) : NULL;

	if (u && u->client == c->cookie && c->upstream != c->direct)
		upstream_free(u, c->upstream - 1);
	c->upstream = 0;
}

/* Something of it is on the way by what the client has now. */
static __always_inline int is_under_way(struct heddle_client *c)
{
	struct heddle_upstream *u = c->upstream ? upstream_at(c->upstream - 1) : NULL;

	return c->flags & HEDDLE_CLIENT_REQUEST ||
	       (u && u->client == c->cookie && work_now(u) & HEDDLE_WORK_RESPONSE);
}

/*
 * A connection that leads past the relay can't be handed over. Without routes all of it is its endpoint's
 * and what can't be read just goes there, from here on unread. With routes (they are newer than
 * the connection) the client is told to make another one: see request_upstream().
 */
SEPARATE int direct_over(struct heddle_client *c, __u32 why)
{
	__u32 entry = c ? c->direct : 0;
	struct heddle_upstream *u = entry ? upstream_at(entry - 1) : NULL;

	client_count(why);
	if (!u)
		return SK_DROP;
	u->way = HEDDLE_WAY_SHUT; /* else the rest of what is dropped would be read as requests */
	if (c->route_set)
		return SK_DROP;
	if (c->upstream != entry) {
		if (is_under_way(c))
			return SK_DROP;
		upstream_leave(c);
		c->upstream = entry;
	}
	u->way = HEDDLE_WAY_BLIND;
	return SK_PASS;
}

/* See own_way() in upstream-response.h. */
static __always_inline int to_relay(struct call *k, __u32 why)
{
	__u64 cookie = k->client->cookie;

	if (k->client->direct)
		return direct_over(k->client, why);
	client_count(why);
	/* Written only while the connection is the kernel's: later the relay changes flags. */
	if (k->client->flags & HEDDLE_CLIENT_CORKED)
		k->client->flags &= ~HEDDLE_CLIENT_CORKED;
	return bpf_msg_redirect_hash(k->msg, &sockets, &cookie, 0);
}

/* Nothing of the message has been taken: the connection changes hands here. */
static __always_inline int hand_over(struct call *k, __u32 why)
{
	if (k->client->direct)
		return direct_over(k->client, why);
	hand_to_relay(k->client);
	return to_relay(k, why);
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

#endif /* HEDDLE_CLIENT_CALL_H */
