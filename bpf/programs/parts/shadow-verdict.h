/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * shadow-verdict.h - a candidate's look at a segment that the generation beside it is about to
 * judge. It reads the connection and the bytes, and writes its own seat alone: no count, no event, no
 * reply and no state of the connection is its.
 */
#ifndef HEDDLE_SHADOW_VERDICT_H
#define HEDDLE_SHADOW_VERDICT_H

#include "shadow.h"
#include "verdict.h"

static __always_inline int reads_head(const struct heddle_request *r)
{
	return r->phase >= HEDDLE_METHOD && r->phase <= HEDDLE_HEAD_LF;
}

/* Who talks to whom, by the candidate's blocks. Made anew where it is another's, or is old. */
static __always_inline void shadow_context(const struct heddle_conn *c, struct heddle_conn *mine,
					   const struct heddle_self *me)
{
	__builtin_memcpy(mine->remote, c->remote, 16);
	__builtin_memcpy(mine->local, c->local, 16);
	mine->remote_port = c->remote_port;
	mine->local_port = c->local_port;
	mine->cookie = c->cookie;
	mine->generation = me->generation;
	verdict_context(mine);
}

/*
 * Where the next byte stands. In a body that is what the active generation says; in the middle of a
 * head the automata are the candidate's own, so that it has to have read the head's beginning.
 * 0 = it can't follow.
 */
static __always_inline int shadow_follow(const struct heddle_conn *c, struct heddle_shadow_seat *s)
{
	__u32 zero = 0;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);
	struct heddle_conn *mine = &s->conn;
	int known;

	if (!me)
		return 0;
	known = mine->cookie == c->cookie && mine->generation == me->generation;
	if (reads_head(&c->request))
		return known && mine->requests == c->requests && reads_head(&mine->request) &&
		       mine->request.head_bytes == c->request.head_bytes;
	if (!known || mine->epoch != epoch_now())
		shadow_context(c, mine, me);
	mine->requests = c->requests;
	mine->request.phase = c->request.phase;
	mine->request.flags = c->request.flags;
	mine->request.remaining = c->request.remaining;
	mine->request.head_bytes = c->request.head_bytes;
	mine->request.text_bytes = c->request.text_bytes;
	mine->request.word = c->request.word;
	s->text_bytes = 0;
	return 1;
}

static __always_inline void shadow_judge(struct verdict *v, __u32 reason)
{
	struct heddle_shadow_seat *s = v->seat;
	__u32 n = s->messages;

	if (n >= HEDDLE_SHADOW_MESSAGES)
		return;
	s->reasons[n & (HEDDLE_SHADOW_MESSAGES - 1)] = reason;
	s->messages = n + 1;
}

/* A complete head, as verdict_head() has it. */
SEPARATE int shadow_head(struct heddle_conn *c)
{
	if (!c || c->kind == HEDDLE_KIND_DROP)
		return HEDDLE_DROPPED;
	if (c->kind != HEDDLE_KIND_JUDGE)
		return HEDDLE_PASSED;
	return diagram_judge(&c->request, (struct heddle_blocks *)c->blocks, c->request.root) &
			       DIAGRAM_ALLOWS
		       ? HEDDLE_ALLOWED
		       : HEDDLE_DENIED;
}

/* As verdict_turn(); what it would refuse it reads on behind, as the server will. */
static long shadow_turn(__u32 turn UNUSED, struct verdict *v)
{
	struct heddle_conn *c = v->conn;
	__u32 action;

	if (skip_unread(v) || load_window(v))
		return 1;
	if (c->request.phase == HEDDLE_START) {
		request_begin(&c->request);
		c->message_at = v->at;
	}
	action = http1_parse(&c->request, v->window);
	v->at = v->window->base + v->window->pos;
	if (action & HTTP1_REFUSE) {
		shadow_judge(v, c->kind == HEDDLE_KIND_DROP ? HEDDLE_DROPPED
							    : unparsed_as(c, action & 0xff));
		return 1;
	}
	if (action == HTTP1_HEAD) {
		shadow_judge(v, shadow_head(c));
		c->requests++;
		request_body(&c->request);
	}
	return 0;
}

/* What the segment has of a head from `at` on, behind what the seat has of it: a sample will want its beginning. */
static __always_inline void shadow_add_text(const struct __sk_buff *skb,
					    struct heddle_shadow_seat *s, __u32 at)
{
	__u32 have = s->text_bytes, n;

	if (have >= HEDDLE_SHADOW_TEXT || at >= skb->len)
		return;
	n = min_u32(skb->len - at, HEDDLE_SHADOW_TEXT);
	s->text_bytes = have + n;
	n -= 1;
	OPAQUE_TO_COMPILER(n);
	if (n < HEDDLE_SHADOW_TEXT && bpf_skb_load_bytes(skb, at, s->text + have, n + 1))
		s->text_bytes = have;
}

/*
 * How the head begins that this segment goes on with. Nothing is known of one that began behind the
 * end of another: that other one was yet to be compared, and had the place.
 */
static __always_inline void shadow_go_on(const struct __sk_buff *skb, struct heddle_shadow_seat *s)
{
	if (s->text_of == s->conn.requests)
		shadow_add_text(skb, s, s->at);
	else
		s->text_bytes = 0;
}

/* A head goes on in a later segment. */
static __always_inline void shadow_keep_text(struct verdict *v)
{
	struct heddle_shadow_seat *s = v->seat;

	s->text_bytes = 0;
	s->text_of = v->conn->requests;
	shadow_add_text(v->skb, s, v->conn->message_at);
}

static __always_inline void shadow_segment(struct __sk_buff *skb, const struct heddle_conn *c,
					   struct heddle_shadow_seat *s)
{
	struct verdict v = {
		.skb = skb, .conn = &s->conn, .seat = s, .at = s->at, .len = skb->len
	};
	int in_head;

	if (!shadow_follow(c, s))
		return;
	in_head = reads_head(&c->request);
	if (in_head)
		shadow_go_on(skb, s);
	v.window = window_claim();
	if (!v.window)
		return;
	v.window->len = 0;
	s->conn.message_at = EARLIER_SEGMENT;
	bpf_loop(VERDICT_TURNS, shadow_turn, &v, 0);
	if (!in_head && reads_head(&s->conn.request) && s->conn.message_at != EARLIER_SEGMENT)
		shadow_keep_text(&v);
	window_release(v.window);
}

#endif /* HEDDLE_SHADOW_VERDICT_H */
