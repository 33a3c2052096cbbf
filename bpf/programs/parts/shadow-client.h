/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * shadow-client.h - a shadow on the client's side, where requests to endpoints of this node are
 * judged. The active generation has done all that it does when the candidate is called: that
 * reads the head in its window, and its only answer is the one that was given.
 */
#ifndef HEDDLE_SHADOW_CLIENT_H
#define HEDDLE_SHADOW_CLIENT_H

#include "../../lib/sock.h"
#include "client-call.h"
#include "client-route.h"
#include "shadow.h"
#include "shadow-verdict.h"
#include "window.h"

static __always_inline __u32 shadow_mark(__u64 cookie)
{
	return (__u32)cookie | HEDDLE_SHADOW_WINDOW;
}

/*
 * Rules of an endpoint have judged the request whose head is in `w`. A seat for the candidate, and
 * the window is kept for it. Without a head as it was judged (`w` NULL) it has nothing to see.
 */
SEPARATE int client_judged(struct heddle_client *c, struct heddle_upstream *u,
			   struct heddle_window *w, __u32 reason)
{
	__u32 zero = 0, number, candidate;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);
	struct heddle_shadow_seat *s;
	struct heddle_endpoint *e;
	__u64 cookie;

	if (!c || !u || !me || !me->shadow)
		return 0;
	candidate = me->shadow - 1;
	cookie = c->cookie;
	number = u->endpoint;
	s = shadow_seat(cookie);
	e = bpf_map_lookup_elem(&endpoints, &number);
	if (!w || !s || !e || __sync_val_compare_and_swap(&s->busy, 0, 1)) {
		shadow_count(candidate, HEDDLE_SHADOW_UNSEEN);
		return 0;
	}
	if (s->owner != cookie || s->peer != u->identity || s->conn.local_port != e->port)
		s->conn.cookie = 0;
	for (int i = 0; i < 16; i++)
		if (s->conn.local[i] != e->address[i])
			s->conn.cookie = 0;
	s->owner = cookie;
	s->slot = me->slot;
	s->candidate = candidate;
	s->peer = u->identity;
	s->reasons[0] = reason;
	__builtin_memcpy(s->conn.local, e->address, 16);
	s->conn.local_port = e->port;
	*(volatile __u32 *)&w->busy = shadow_mark(cookie);
	return 0;
}

/* What rules said to the request that is about to go, or not to go, to `u`. */
static __always_inline void shadow_judged(struct call *k, struct heddle_upstream *u, __u32 reason)
{
	__u32 zero = 0;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);
	struct heddle_window *w = k->draft ? k->draft : k->window;

	if (!me || !me->shadow || reason == HEDDLE_REASONS)
		return;
	/* An edited head that is refused makes room for the reply; what is dropped, the relay judges. */
	if (reason == HEDDLE_DROPPED || (reason == HEDDLE_DENIED && k->draft))
		w = NULL;
	client_judged(k->client, u, w, reason);
}

/* Nobody was asked after all. */
static __always_inline void shadow_missed(__u64 cookie)
{
	struct heddle_shadow_seat *s = shadow_seat(cookie);

	if (!s || !s->busy || s->owner != cookie)
		return;
	shadow_count(s->candidate, HEDDLE_SHADOW_UNSEEN);
	shadow_leave(s);
}

static __always_inline int is_marked(const struct heddle_window *w)
{
	return w && w->busy & HEDDLE_SHADOW_WINDOW;
}

/* All is done: the candidate may look at what was judged, in the window that is kept for it. */
static __always_inline int shadow_asks(struct call *k, int action)
{
	__u32 zero = 0;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);
	int in_draft = is_marked(k->draft);

	if (in_draft)
		window_release(k->window);
	else if (k->draft)
		window_release(k->draft);
	if (action == SK_PASS && me)
		bpf_tail_call(k->msg, &shadow_requests, me->shadow - 1);
	shadow_missed(k->client->cookie);
	if (!in_draft)
		window_release(k->window);
	else if (k->draft)
		window_release(k->draft);
	return action;
}

/* The window of this CPU that is kept for the cookie. */
static __always_inline struct heddle_window *window_marked(__u64 cookie)
{
	__u32 first = (bpf_get_smp_processor_id() & (HEDDLE_MAX_CPUS - 1)) * HEDDLE_WINDOWS_PER_CPU;

	for (__u32 i = 0; i < HEDDLE_WINDOWS_PER_CPU; i++) {
		__u32 key = first + i;
		struct heddle_window *w = bpf_map_lookup_elem(&windows, &key);

		if (w && w->busy == shadow_mark(cookie))
			return w;
	}
	return NULL;
}

/* The candidate's blocks for this identity at this endpoint, as upstream_context() has them. */
SEPARATE int shadow_endpoint(struct heddle_shadow_seat *s, __u64 generation)
{
	struct context x = { .protocol = 6 };
	struct heddle_conn *mine;

	if (!s)
		return -1;
	mine = &s->conn;
	x.peer = s->peer;
	x.remote[10] = x.remote[11] = 0xff;
	__builtin_memcpy(x.local, mine->local, 16);
	x.port = mine->local_port;
	mine->cookie = s->owner;
	mine->generation = generation;
	mine->epoch = epoch_now();
	context_make(&x);
	__builtin_memcpy(mine->blocks, x.blocks, sizeof(mine->blocks));
	mine->kind = x.kind;
	return 0;
}

static __always_inline void client_compare(struct heddle_shadow_seat *s, struct heddle_window *w)
{
	__u32 zero = 0, reason = s->reasons[0], theirs, what;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);
	struct heddle_conn *mine = &s->conn;
	struct heddle_shadow_sample *sample;

	w->pos = 0;
	request_begin(&mine->request);
	if (!me || http1_parse(&mine->request, w) != HTTP1_HEAD) {
		shadow_count(s->candidate, HEDDLE_SHADOW_UNSEEN);
		return;
	}
	if (mine->cookie != s->owner || mine->generation != me->generation ||
	    mine->epoch != epoch_now())
		shadow_endpoint(s, me->generation);
	theirs = shadow_head(mine);
	what = shadow_difference(reason, theirs);
	shadow_count(s->candidate, what);
	sample = what == HEDDLE_SHADOW_AGREE ? NULL : shadow_place(s->candidate, what);
	if (!sample)
		return;
	sample_begins(sample);
	sample_of(sample, mine, what);
	sample->generation = active_now() >> 8;
	sample->peer = s->peer;
	sample->active_reason = reason;
	sample->candidate_reason = theirs;
	__builtin_memcpy(sample->text, w->bytes, HEDDLE_SHADOW_TEXT);
	sample->text_bytes = min_u32(w->pos, HEDDLE_SHADOW_TEXT);
	sample_ends(sample);
}

/* As a candidate, last of all. */
static __always_inline void shadow_client(struct sk_msg_md *msg)
{
	struct tcp_sock *tp = msg->sk ? bpf_skc_to_tcp_sock(msg->sk) : NULL;
	struct heddle_shadow_seat *s;
	struct heddle_window *w;
	__u64 cookie;

	if (!tp)
		return;
	cookie = cookie_of(tp);
	s = shadow_seat(cookie);
	w = window_marked(cookie);
	if (w && s && s->busy && s->owner == cookie)
		client_compare(s, w);
	if (s && s->busy && s->owner == cookie)
		shadow_leave(s);
	if (w)
		window_release(w);
}

#endif /* HEDDLE_SHADOW_CLIENT_H */
