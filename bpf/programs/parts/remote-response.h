/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * remote-response.h - runs on what comes from another node on a connection of the relay: into the
 * client's receive queue with it, up to the end of the response. That move is made later, by a
 * worker of the kernel; what the relay sends the client meanwhile queues behind it.
 */
#ifndef HEDDLE_REMOTE_RESPONSE_H
#define HEDDLE_REMOTE_RESPONSE_H

#include "../../protocols/http1/response.h"
#include "client-breaker.h"
#include "hand.h"
#include "rest.h"
#include "upstream-pool.h"
#include "window.h"

/* Bytes of a response looked at in one go; heads are seldom longer. */
#define REMOTE_WINDOW 256

struct reply {
	struct __sk_buff *skb;
	struct heddle_upstream *upstream;
	struct heddle_window *window;
	__u32 at; /* offset in the segment of the next byte to look at */
	__u32 size;
	__u32 ended; /* at `at` */
	__u32 pad;
};

static __always_inline int segment_load(struct reply *k)
{
	struct heddle_window *w = k->window;
	__u32 n = min_u32(k->size - k->at, REMOTE_WINDOW);

	w->base = k->at;
	w->pos = 0;
	w->len = n;
	/* The caller saw at < size: said so that the verifier sees it too. */
	n -= 1;
	OPAQUE_TO_COMPILER(n);
	n = (n & (REMOTE_WINDOW - 1)) + 1;
	return bpf_skb_load_bytes(k->skb, k->at, w->bytes, n);
}

static __always_inline void reply_skip(struct reply *k, __u32 take)
{
	struct heddle_response *p = &k->upstream->response;

	k->at += take;
	p->remaining -= take;
	k->window->len = 0;
	if (p->remaining)
		return;
	if (p->phase == HEDDLE_RESPONSE_BODY) {
		p->phase = HEDDLE_RESPONSE_START;
		k->ended = 1;
	} else {
		p->phase = HEDDLE_RESPONSE_CHUNK_SIZE;
	}
}

static long reply_step(__u32 turn UNUSED, struct reply *k)
{
	struct heddle_response *p = &k->upstream->response;
	struct heddle_window *w = k->window;
	__u32 left = k->size - k->at;
	int action;

	if (k->ended || !left || p->phase >= HEDDLE_RESPONSE_TO_CLOSE)
		return 1;
	if (p->phase == HEDDLE_RESPONSE_BODY || p->phase == HEDDLE_RESPONSE_CHUNK_DATA) {
		reply_skip(k, p->remaining < left ? p->remaining : left);
		return 0;
	}
	if (!(w->len && w->base + w->pos == k->at && w->pos < w->len) && segment_load(k)) {
		p->phase = HEDDLE_RESPONSE_LOST;
		return 1;
	}
	action = response_parse(p, w, k->upstream->flags & HEDDLE_UPSTREAM_HEAD);
	k->at = w->base + w->pos;
	k->ended = action == RESPONSE_END;
	return 0;
}

static __always_inline void reply_read(struct reply *k)
{
	struct heddle_response *p = &k->upstream->response;

	if (p->phase == HEDDLE_RESPONSE_BODY && p->remaining > k->size) {
		p->remaining -= k->size;
		k->at = k->size;
		return;
	}
	k->window = window_claim();
	if (!k->window) {
		p->phase = HEDDLE_RESPONSE_LOST;
		return;
	}
	k->window->len = 0;
	bpf_loop(2 * HEDDLE_WINDOW, reply_step, k, 0);
	window_release(k->window);
	if (!k->ended && k->at < k->size && p->phase != HEDDLE_RESPONSE_TO_CLOSE)
		p->phase = HEDDLE_RESPONSE_LOST;
}

/* On the client's own connection: read, and left where it is. */
static __always_inline int direct_response(struct reply *k, __u32 index)
{
	struct heddle_upstream *u = k->upstream;

	reply_read(k);
	if (k->ended) {
		u->responses++;
		request_ends(u, u->response.status);
	}
	/* Where an answer ends, or whose it is, is not known any more. */
	if (u->response.phase == HEDDLE_RESPONSE_LOST || (k->ended && k->at < k->size))
		u->way = HEDDLE_WAY_BLIND;
	else if (k->ended)
		work_done(u, index);
	return SK_PASS;
}

static __always_inline int remote_response(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb), client;
	__u32 *index = bpf_map_lookup_elem(&remote_upstreams, &cookie);
	struct reply k = { .skb = skb, .size = skb->len };
	struct heddle_upstream *u = index ? upstream_at(*index) : NULL;

	/* FIN, what nobody asked for, and what is the relay's by now: the relay reads it. */
	if (!u || !skb->len || !(work_now(u) & HEDDLE_WORK_RESPONSE))
		return SK_PASS;
	k.upstream = u;
	if (u->flags & HEDDLE_UPSTREAM_DIRECT)
		return u->way >= HEDDLE_WAY_BLIND ? SK_PASS : direct_response(&k, *index);
	if (!u->writer && skb->sk)
		u->writer = (__u64)bpf_skc_to_tcp_sock(skb->sk);
	if (takes_relays_way(u, *index))
		return SK_PASS;
	client = u->client;
	reply_read(&k);
	/* What only the end of its connection ends, the relay alone can bring to an end. */
	if (u->response.phase == HEDDLE_RESPONSE_TO_CLOSE) {
		client_count(HEDDLE_SLOW_ENDLESS);
		rest_to_relay(u, *index);
		return SK_PASS;
	}
	if (k.ended) {
		u->responses++;
		request_ends(u, u->response.status);
		/* A segment has one verdict: what stands behind the end can't be taken off. */
		if (u->response.flags & RESPONSE_CLOSE || k.at < k.size)
			upstream_gone(u);
		if (k.at < k.size)
			client_tell(client, *index, HEDDLE_EVENT_UNFOLLOWED);
		else
			work_done(u, *index);
	} else if (u->response.phase == HEDDLE_RESPONSE_LOST) {
		upstream_gone(u);
		client_tell(client, *index, HEDDLE_EVENT_UNFOLLOWED);
	}
	return bpf_sk_redirect_hash(skb, &sockets, &client, BPF_F_INGRESS);
}

#endif /* HEDDLE_REMOTE_RESPONSE_H */
