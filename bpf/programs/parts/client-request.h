/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * client-request.h - runs on what a workload sends to a service: reads each head, decides
 * where the request goes, and hands its bytes to a server on this node. What it does not
 * take goes on to the relay, byte for byte, from a message boundary on.
 */
#ifndef HEDDLE_CLIENT_REQUEST_H
#define HEDDLE_CLIENT_REQUEST_H

#include "../../lib/sock.h"
#include "client-call.h"
#include "client-copy.h"
#include "client-edit.h"
#include "client-reply.h"
#include "client-route.h"
#include "client-told.h"
#include "client-upstream.h"
#include "client-limit.h"
#include "shadow-client.h"
#include "window.h"

/* In place of an action: the program of slot client->slot goes on. */
#define CALL_OTHER_SLOT (-1)

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

/* Bytes that the message is to have more, or less, than it came with. */
static __always_inline __u32 growth(const struct call *k)
{
	return k->draft ? k->draft->len - k->head : 0;
}

/* What the route asks of the response's head. Written only where it changes, as `flags` are. */
static __always_inline void response_edit(struct heddle_client *c, struct heddle_upstream *u,
					  __u32 backend)
{
	__u32 at = backend ? TABLE_WORD(backend, heddle_route_backend, response_at) : 0;

	if (u->response_at != at)
		u->response_at = at;
	if (!at || u->edits == c->generation)
		return;
	u->edits = c->generation;
	u->edits_slot = c->slot;
}

/* The request, or what there is of it, goes to the server. */
static __always_inline int call_upstream(struct call *k, struct heddle_upstream *u,
					 const struct destination *to)
{
	struct heddle_client *c = k->client;
	__u32 flags = u->flags & (HEDDLE_UPSTREAM_REMOTE | HEDDLE_UPSTREAM_DIRECT);
	__u64 server = u->server;

	if (c->request.flags & HEDDLE_REQUEST_HEAD)
		flags |= HEDDLE_UPSTREAM_HEAD;
	/* Written only where it changes: the server's side reads this line. */
	if (u->flags != flags)
		u->flags = flags;
	response_edit(c, u, to->backend);
	*(volatile __u32 *)&u->work = HEDDLE_WORK_RESPONSE;
	c->flags &= ~HEDDLE_CLIENT_CORKED;
	if (c->request.phase != HEDDLE_START)
		c->flags |= HEDDLE_CLIENT_REQUEST;
	if (hand_to_server(k->msg, u, server, k->at + growth(k)) == SK_PASS &&
	    (!k->draft || !message_rewrite(k->msg, k->draft, k->head))) {
		client_count(HEDDLE_KERNEL_ROUTED);
		if (!(flags & HEDDLE_UPSTREAM_REMOTE))
			client_audited(k, to, to->verdict);
		copies_begin(k, u, to->seen, k->at + growth(k));
		return SK_PASS;
	}
	/* It has just gone, and no byte with it. */
	request_untold(u);
	u->work = 0;
	u->client = 0;
	upstream_gone(u);
	c->upstream = 0;
	c->flags &= ~HEDDLE_CLIENT_REQUEST;
	return hand_over(k, HEDDLE_SLOW_GONE);
}

/*
 * The upstream that the request goes to, its head as it goes there. NULL: it is answered here, or
 * by the relay.
 */
static __always_inline struct heddle_upstream *request_upstream(struct call *k,
								struct destination *to)
{
	struct heddle_client *c = k->client;
	struct heddle_upstream *u;
	__u32 edit, verdict;

	if (route_request(c, k->window, to))
		return NULL;
	to->why = HEDDLE_SLOW_POOL;
	u = upstream_take(k, to->endpoint);
	if (!u)
		return NULL;
	to->why = HEDDLE_SLOW_ROUTE;
	if (to->backend) {
		if (u->flags & HEDDLE_UPSTREAM_REMOTE &&
		    TABLE_WORD(to->backend, heddle_route_backend, response_at))
			return NULL;
		edit = TABLE_WORD(to->backend, heddle_route_backend, request_at);
		if (edit)
			k->draft = request_draft(c, k->window, edit);
		if (edit && !k->draft)
			return NULL;
	}
	to->why = HEDDLE_SLOW_UNREAD;
	if (!takes_first(u, k->size + growth(k)))
		return direct_still(c);
	to->why = HEDDLE_SLOW_REFUSED;
	verdict = upstream_verdict(c, u, k->draft ? k->draft : k->window, &to->seen);
	shadow_judged(k, u, verdict);
	if (verdict == HEDDLE_DENIED)
		to->status = CLIENT_DENIED;
	if (verdict == HEDDLE_DENIED || verdict == HEDDLE_DROPPED)
		return NULL; /* dropped: nobody answers */
	to->verdict = verdict;
	return u;
}

/* The reply goes back in place of the request, of which all has come; past the relay, or what has come. */
static __always_inline int client_answer(struct call *k, const struct destination *to)
{
	struct heddle_client *c = k->client;
	struct heddle_upstream *own = c->direct ? upstream_at(c->direct - 1) : NULL;
	int whole = c->request.phase == HEDDLE_START;

	if ((!whole && !own) || reply_take(k->msg, c, k->draft, k->at))
		return hand_over(k, HEDDLE_SLOW_REFUSED);
	if (!whole)
		own->way = HEDDLE_WAY_SHUT;
	c->flags &= ~HEDDLE_CLIENT_CORKED;
	if (to->status == CLIENT_DENIED) {
		count(HEDDLE_DENIED);
		client_refused(k);
		client_audited(k, to, HEDDLE_DENIED);
	}
	if (to->status == CLIENT_LIMITED) {
		count(HEDDLE_LIMITED);
		client_audited(k, to, HEDDLE_LIMITED);
	}
	breaker_answered(to);
	client_count(HEDDLE_KERNEL_ANSWERED);
	return SK_PASS;
}

/* In place of the draft of a request that goes nowhere, the reply to it. 0 = there is one. */
static __always_inline int draft_answer(struct call *k, const struct destination *to)
{
	if (k->draft)
		window_release(k->draft);
	k->draft = to->status ? reply_draft(k->client, k->window, to) : NULL;
	return k->draft ? 0 : -1;
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
	keyed_begin(r);
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
	k->head = k->window->pos;
	u = request_upstream(k, &to);
	if (!u && c->direct && c->route_set && !to.status)
		to.status = CLIENT_MOVED;
	if (!u && draft_answer(k, &to))
		return hand_over(k, to.why);
	k->at = k->head;
	request_body(r);
	body_follow(k);
	/* Of a body whose end isn't there yet, the relay would have to take the rest: who is past it has no such way. */
	if (u && c->direct && !(u->flags & HEDDLE_UPSTREAM_DIRECT) && r->phase != HEDDLE_START) {
		u = direct_still(c);
		to.status = CLIENT_MOVED;
		if (!u && draft_answer(k, &to))
			return hand_over(k, HEDDLE_SLOW_UNREAD);
	}
	if (u && u->flags & HEDDLE_UPSTREAM_REMOTE && r->flags & HEDDLE_REQUEST_CHUNKED &&
	    r->phase != HEDDLE_START)
		return hand_over(k,
				 HEDDLE_SLOW_UNREAD); /* its chunk headers may meet a full buffer */
	/* A corked message has one verdict for all of it. */
	if (k->bad || (k->at < k->size && c->flags & HEDDLE_CLIENT_CORKED))
		return hand_over(k, HEDDLE_SLOW_HEAD);
	if (!u)
		return client_answer(k, &to);
	action = request_admitted(c, u, &to);
	if (action == HEDDLE_SLOW_LIMITED) {
		to.status = CLIENT_LIMITED;
		return draft_answer(k, &to) ? hand_over(k, action) : client_answer(k, &to);
	}
	if (action)
		return hand_over(k, action);
	if (k->at < k->size)
		bpf_msg_apply_bytes(k->msg, k->at + growth(k));
	endpoint_begins(u, to.service, to.counts);
	return call_upstream(k, u, &to);
}

/*
 * Bytes of a body that was begun will never get to its server. What follows may not either, as if they had not
 * been there, nor may anybody look for a request in it.
 */
static __always_inline int request_breaks(struct call *k, __u32 why)
{
	struct heddle_client *c = k->client;

	c->request.phase = HEDDLE_CLOSED;
	c->flags |= HEDDLE_CLIENT_REQUEST;
	if (!c->direct)
		client_tell(c->cookie, c->upstream - 1, HEDDLE_EVENT_UNFOLLOWED);
	return hand_over(k, why);
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
	if (k->bad)
		return request_breaks(k, HEDDLE_SLOW_HEAD);
	server = u->server;
	if (k->at < k->size)
		bpf_msg_apply_bytes(k->msg, k->at);
	if (c->request.phase == HEDDLE_START)
		c->flags &= ~HEDDLE_CLIENT_REQUEST;
	if (hand_to_server(k->msg, u, server, k->at) == SK_PASS) {
		if (c->copied)
			copies_go_on(k, k->at);
		return SK_PASS;
	}
	return request_breaks(k, HEDDLE_SLOW_GONE);
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
	if (c->copied)
		c->copied = HEDDLE_COPIED_LOST;
	c->request.remaining += missing;
	c->request.phase = HEDDLE_BODY;
	c->flags |= HEDDLE_CLIENT_REQUEST;
}

/* How all of a connection past the relay goes, unread: enum heddle_way; 0 = it is read. */
static __always_inline __u32 unread_way(struct heddle_client *c)
{
	struct heddle_upstream *u = c->direct ? upstream_at(c->direct - 1) : NULL;

	return u && u->way >= HEDDLE_WAY_BLIND ? u->way : 0;
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
	__u32 hand, way;
	int action;

	if (!tp)
		return SK_PASS;
	cookie = cookie_of(tp);
	k.client = bpf_map_lookup_elem(&clients, &cookie);
	if (!k.client)
		return SK_PASS;
	way = unread_way(k.client);
	if (way)
		return way == HEDDLE_WAY_BLIND ? SK_PASS : SK_DROP;
	/* What the run before cut off of the same message is not forgotten: this request would be cut there too. */
	bpf_msg_apply_bytes(msg, 0);
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
	if (is_marked(k.window) || is_marked(k.draft))
		return shadow_asks(&k, action);
	window_release(k.window);
	if (k.draft)
		window_release(k.draft);
	if (action != CALL_OTHER_SLOT)
		return action;
	bpf_tail_call(msg, &requests, k.client->slot);
	return hand_over(&k, HEDDLE_SLOW_NO_GENERATION);
}

#endif /* HEDDLE_CLIENT_REQUEST_H */
