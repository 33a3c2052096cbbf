/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * upstream-response.h - runs on what a server sends on a pooled connection: into the
 * client's receive queue with it, up to the end of the response.
 */
#ifndef HEDDLE_UPSTREAM_RESPONSE_H
#define HEDDLE_UPSTREAM_RESPONSE_H

#include "../../lib/sock.h"
#include "../../protocols/http1/response.h"
#include "client-breaker.h"
#include "hand.h"
#include "measure.h"
#include "message.h"
#include "rest.h"
#include "upstream-edit.h"
#include "upstream-pool.h"
#include "window.h"

/* Bytes of a response looked at in one go; heads are seldom longer. */
#define RESPONSE_WINDOW 256

struct answer {
	struct sk_msg_md *msg;
	struct heddle_upstream *upstream;
	struct heddle_window *window;
	__u32 at; /* offset in the message of the next byte to look at */
	__u32 size;
	__u32 ended;  /* at `at` */
	__u32 corked; /* it came in pieces, and has one verdict for all of it */
};

static __always_inline void answer_skip(struct answer *a, __u32 take)
{
	struct heddle_response *p = &a->upstream->response;

	a->at += take;
	p->remaining -= take;
	a->window->len = 0;
	if (p->remaining)
		return;
	if (p->phase == HEDDLE_RESPONSE_BODY) {
		p->phase = HEDDLE_RESPONSE_START;
		a->ended = 1;
	} else {
		p->phase = HEDDLE_RESPONSE_CHUNK_SIZE;
	}
}

static long answer_turn(__u32 turn UNUSED, struct answer *a)
{
	struct heddle_response *p = &a->upstream->response;
	struct heddle_window *w = a->window;
	__u32 left = a->size - a->at;
	int action;

	if (a->ended || !left || p->phase >= HEDDLE_RESPONSE_TO_CLOSE)
		return 1;
	if (p->phase == HEDDLE_RESPONSE_BODY || p->phase == HEDDLE_RESPONSE_CHUNK_DATA) {
		answer_skip(a, p->remaining < left ? p->remaining : left);
		return 0;
	}
	if (!(w->len && w->base + w->pos == a->at && w->pos < w->len) &&
	    message_load(a->msg, w, a->at, RESPONSE_WINDOW)) {
		p->phase = HEDDLE_RESPONSE_LOST;
		return 1;
	}
	action = response_parse(p, w, a->upstream->flags & HEDDLE_UPSTREAM_HEAD);
	a->at = w->base + w->pos;
	a->ended = action == RESPONSE_END;
	return 0;
}

/* Finds where the response ends. A body that goes on beyond the message needs no window. */
static __always_inline void answer_follow(struct answer *a)
{
	struct heddle_response *p = &a->upstream->response;

	if (p->phase == HEDDLE_RESPONSE_BODY && p->remaining > a->size) {
		p->remaining -= a->size;
		a->at = a->size;
		return;
	}
	a->window = window_claim();
	if (!a->window) {
		p->phase = HEDDLE_RESPONSE_LOST;
		return;
	}
	a->window->len = 0;
	bpf_loop(HEDDLE_WINDOW, answer_turn, a, 0);
	window_release(a->window);
	if (!a->ended && a->at < a->size && p->phase != HEDDLE_RESPONSE_TO_CLOSE)
		p->phase = HEDDLE_RESPONSE_LOST;
}

/*
 * By the socket's own connection, to the relay. Not a plain pass: after a redirect in the same
 * sendmsg the kernel would send it the way of that one.
 */
static __always_inline int own_way(struct sk_msg_md *msg, __u64 cookie)
{
	return bpf_msg_redirect_hash(msg, &sockets, &cookie, 0);
}

/* Surplus that can't be handed to the relay is left out, and the relay told to end what it came on. */
static __always_inline void answer_cut(struct answer *a, __u32 index)
{
	bpf_msg_pop_data(a->msg, a->at, a->size - a->at, 0);
	client_tell(a->upstream->client, index, HEDDLE_EVENT_ABANDONED);
}

static __always_inline void answer_ended(struct answer *a, __u32 index)
{
	struct heddle_upstream *u = a->upstream;

	u->responses++;
	measure_response(u->response.status);
	request_ends(u, u->response.status);
	if (u->response.flags & RESPONSE_CLOSE || a->at < a->size)
		upstream_gone(u);
	/* What stands behind the end was asked for by nobody: the relay gets it, and ends the connection. */
	if (a->at < a->size && a->corked)
		answer_cut(a, index);
	else if (a->at < a->size)
		bpf_msg_apply_bytes(a->msg, a->at);
	work_done(u, index);
}

/* The first bytes of a response whose head the route changes. Returns enum edited. */
static __always_inline int answer_edit(struct answer *a)
{
	struct heddle_upstream *u = a->upstream;
	int edited = upstream_edit(a->msg, u);

	if (edited == EDIT_ELSEWHERE)
		return edited;
	a->corked = u->corked;
	a->size = a->msg->size;
	if (u->corked != (edited == EDIT_WAITS))
		u->corked = edited == EDIT_WAITS;
	return edited;
}

static __always_inline int upstream_response(struct sk_msg_md *msg, __u64 own, __u32 index)
{
	struct heddle_upstream *u = upstream_at(index);
	struct answer a = { .msg = msg, .upstream = u, .size = msg->size };
	__u64 client;
	int edited;

	if (!u || !(work_now(u) & HEDDLE_WORK_RESPONSE)) {
		if (u)
			upstream_gone(u); /* speaks unasked (408): no request may meet it */
		return own_way(msg, own);
	}
	client = u->client;
	if (takes_relays_way(u, index))
		return own_way(msg, own);
	if (wants_edit(u)) {
		edited = answer_edit(&a);
		if (edited == EDIT_ELSEWHERE)
			bpf_tail_call(msg, &messages, u->edits_slot);
		if (edited == EDIT_WAITS)
			return SK_PASS;
		if (edited != EDITED) {
			rest_to_relay(u, index);
			return own_way(msg, own);
		}
	}
	answer_follow(&a);
	if (a.ended)
		answer_ended(&a, index);
	else if (u->response.phase == HEDDLE_RESPONSE_LOST)
		client_tell(client, index, HEDDLE_EVENT_UNFOLLOWED);
	if (bpf_msg_redirect_hash(msg, &sockets, &client, BPF_F_INGRESS) == SK_PASS)
		return SK_PASS;
	return own_way(msg, own); /* the client has gone */
}

#endif /* HEDDLE_UPSTREAM_RESPONSE_H */
