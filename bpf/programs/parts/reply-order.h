/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * reply-order.h - runs on what the application sends: counts responses down, and
 * puts a waiting local reply behind the last one that is owed before it.
 *
 * Places are absolute (write_seq), not counted from what was offered: under
 * back-pressure the kernel takes part of a message and is offered the rest again.
 */
#ifndef HEDDLE_REPLY_ORDER_H
#define HEDDLE_REPLY_ORDER_H

#include "../../lib/sock.h"
#include "count.h"
#include "measure.h"
#include "message.h"
#include "window.h"
#include "../../protocols/http1/reply.h"
#include "../../protocols/http1/response.h"

struct reply_run {
	struct sk_msg_md *msg;
	struct heddle_conn *conn;
	struct heddle_window *window;
	__u32 write_seq;
	__u32 at; /* offset in the message of the next byte to look at */
	__u32 size;
	__u32 due_at; /* offset where the local reply belongs, ~0 = nowhere yet */
};

#define NOT_DUE (~0U)
/* Bytes of a message looked at in one go; heads are seldom longer. */
#define MESSAGE_WINDOW 256

static __always_inline void response_done(struct reply_run *k)
{
	struct heddle_conn *c = k->conn;
	struct heddle_measures *m = measure_response(c->response.status);
	__u64 cookie = c->cookie;

	c->next_response++;
	if (c->owed)
		c->owed--;
	if (m && !c->owed)
		measure_time(m, cookie);
	if (c->flags & HEDDLE_CONN_REPLY_DUE && c->owed == c->owed_at_reply)
		k->due_at = k->at;
}

/* Bodies are counted, not read. Returns 1 when the message is used up. */
static __always_inline int skip_body(struct reply_run *k)
{
	struct heddle_response *p = &k->conn->response;
	__u32 left = k->size - k->at;
	__u32 take;

	if (p->phase != HEDDLE_RESPONSE_BODY && p->phase != HEDDLE_RESPONSE_CHUNK_DATA)
		return 0;
	take = p->remaining < left ? p->remaining : left;
	k->at += take;
	p->remaining -= take;
	k->window->len = 0;
	if (p->remaining)
		return 1;
	if (p->phase == HEDDLE_RESPONSE_BODY) {
		p->phase = HEDDLE_RESPONSE_START;
		response_done(k);
	} else {
		p->phase = HEDDLE_RESPONSE_CHUNK_SIZE;
	}
	return k->at >= k->size || k->due_at != NOT_DUE;
}

/*
 * After a 101 nothing is judged. So it must answer the last request, that one must
 * have asked for it, and it can't be the body of a response that has none by its
 * status or by HEAD: some servers send one all the same.
 */
static __always_inline int may_tunnel(const struct heddle_conn *c)
{
	return c->request.phase == HEDDLE_START && c->owed == 1 &&
	       c->request.flags & HEDDLE_REQUEST_UPGRADE && !(c->flags & HEDDLE_CONN_BODILESS);
}

static long reply_turn(__u32 turn UNUSED, struct reply_run *k)
{
	struct heddle_conn *c = k->conn;
	struct heddle_window *w = k->window;
	__u8 at = c->next_response;
	int action, of_head;

	if (skip_body(k) || k->at >= k->size)
		return 1;
	if (c->response.phase >= HEDDLE_RESPONSE_TO_CLOSE)
		return 1;
	if (c->response.phase == HEDDLE_RESPONSE_START && !c->owed) {
		/* Said without being asked (408, another protocol): nothing to order. */
		c->response.phase = HEDDLE_RESPONSE_LOST;
		return 1;
	}
	if (!(w->len && w->base + w->pos == k->at && w->pos < w->len) &&
	    message_load(k->msg, w, k->at, MESSAGE_WINDOW)) {
		c->response.phase = HEDDLE_RESPONSE_LOST;
		return 1;
	}
	of_head = c->head_bits[(at >> 6) & 3] >> (at & 63) & 1;
	action = response_parse(&c->response, w, of_head);
	k->at = w->base + w->pos;
	if (action == RESPONSE_END) {
		if (of_head || c->response.status == 204 || c->response.status == 304)
			c->flags |= HEDDLE_CONN_BODILESS;
		response_done(k);
	} else if (action == RESPONSE_TUNNEL && may_tunnel(c)) {
		c->request.phase = HEDDLE_TUNNEL;
	}
	return k->due_at != NOT_DUE;
}

/* Room for the reply in the send buffer: a push that is only half taken would repeat bytes. */
static __always_inline int has_room(struct tcp_sock *tp, __u32 bytes)
{
	struct sock *sk = (struct sock *)tp;

	return sk->sk_wmem_queued + (int)bytes + 4096 < sk->sk_sndbuf;
}

static __always_inline int limited_append(char *to, const char *end, const struct heddle_conn *c)
{
	if (to + HEDDLE_LIMITED_HEAD > end)
		return -1;
	__builtin_memcpy(to, reply_429, HEDDLE_LIMITED_HEAD);
	reply_number(to + REPLY_RETRY_AFTER - (REPLY_DIGITS - 1), c->limited.retry_after, ' ');
	reply_number(to + REPLY_QUOTA - (REPLY_DIGITS - 1), c->limited.quota, '0');
	reply_number(to + REPLY_WINDOW - (REPLY_DIGITS - 1), c->limited.window, '0');
	reply_number(to + REPLY_RESET - (REPLY_DIGITS - 1), c->limited.retry_after, '0');
	return 0;
}

/* Cut what follows the last owed response and put the local reply, if any, there. */
static __always_inline int reply_append(struct reply_run *k, struct tcp_sock *tp)
{
	struct sk_msg_md *msg = k->msg;
	__u32 at = k->due_at, status = k->conn->status;
	__u32 bytes = reply_head_bytes(status);
	struct http1_reply reply;
	char *to;

	if (at < k->size && bpf_msg_pop_data(msg, at, k->size - at, 0))
		return -1;
	if (!status)
		return 0;
	if (!has_room(tp, k->size))
		return -1;
	if (bpf_msg_push_data(msg, at, bytes, 0) || bpf_msg_pull_data(msg, at, at + bytes, 0))
		return -1;
	to = (char *)(long)msg->data;
	if (status == 429)
		return limited_append(to, (char *)(long)msg->data_end, k->conn);
	if (to + HEDDLE_REPLY_HEAD > (char *)(long)msg->data_end)
		return -1;
	reply_write(&reply, status, 0);
	__builtin_memcpy(to, reply.head, HEDDLE_REPLY_HEAD);
	return 0;
}

/* After a refusal the application's words go nowhere, but for responses still owed. */
static __always_inline int message_after_refusal(struct heddle_conn *c)
{
	if (c->flags & HEDDLE_CONN_REPLY_OUT) {
		c->flags &= ~HEDDLE_CONN_REPLY_OUT; /* the local reply itself */
		return SK_PASS;
	}
	count(HEDDLE_AFTER_REFUSAL);
	return SK_DROP;
}

static __always_inline void reply_follow(struct reply_run *k)
{
	k->window = window_claim();
	if (!k->window) {
		k->conn->response.phase = HEDDLE_RESPONSE_LOST;
		return;
	}
	k->window->len = 0;
	bpf_loop(HEDDLE_WINDOW, reply_turn, k, 0);
	window_release(k->window);
}

/*
 * After a message that was taken in part, the kernel shows no program the next one
 * (tcp_bpf_send_verdict() keeps the old verdict). Inside a body that can be counted.
 */
static __always_inline int bytes_unseen(struct reply_run *k, __u32 bytes)
{
	struct heddle_response *p = &k->conn->response;

	if ((p->phase != HEDDLE_RESPONSE_BODY && p->phase != HEDDLE_RESPONSE_CHUNK_DATA) ||
	    p->remaining < bytes)
		return -1;
	p->remaining -= bytes;
	p->position += bytes;
	k->at = 0;
	if (p->remaining)
		return 0;
	if (p->phase == HEDDLE_RESPONSE_BODY) {
		p->phase = HEDDLE_RESPONSE_START;
		response_done(k);
	} else {
		p->phase = HEDDLE_RESPONSE_CHUNK_SIZE;
	}
	return 0;
}

/* Where in the message the first byte stands that was not looked at before. */
static __always_inline int reply_place(struct reply_run *k, struct tcp_sock *tp)
{
	struct heddle_response *p = &k->conn->response;

	k->write_seq = tp->write_seq;
	if (!(p->flags & RESPONSE_PLACED)) {
		p->flags |= RESPONSE_PLACED;
		p->position = k->write_seq;
	}
	k->at = p->position - k->write_seq;
	if ((__s32)k->at < 0 && bytes_unseen(k, -k->at)) {
		p->phase = HEDDLE_RESPONSE_LOST;
		return -1;
	}
	if (k->at >= k->size)
		return -1; /* a part of what was offered before, and then taken in part: all known */
	p->position = k->write_seq + k->size;
	return 0;
}

static __always_inline struct heddle_conn *conn_of(struct tcp_sock *tp)
{
	__u64 cookie = cookie_of(tp);

	return bpf_map_lookup_elem(&conns, &cookie);
}

static __always_inline int reply_order(struct sk_msg_md *msg, struct tcp_sock *tp,
				       struct heddle_conn *c)
{
	struct reply_run k = { .msg = msg, .size = msg->size, .due_at = NOT_DUE };

	if (c->request.phase == HEDDLE_CLOSED && !(c->flags & HEDDLE_CONN_REPLY_DUE))
		return message_after_refusal(c);
	if (c->response.phase >= HEDDLE_RESPONSE_TO_CLOSE)
		return SK_PASS;
	k.conn = c;
	if (reply_place(&k, tp))
		return SK_PASS;
	if (k.due_at == NOT_DUE)
		reply_follow(&k);
	if (k.due_at == NOT_DUE)
		return SK_PASS;
	c->flags &= ~HEDDLE_CONN_REPLY_DUE;
	if (reply_append(&k, tp))
		count(HEDDLE_UNANSWERED);
	tell(c, HEDDLE_EVENT_END, c->reason, c->status);
	return SK_PASS;
}

#endif /* HEDDLE_REPLY_ORDER_H */
