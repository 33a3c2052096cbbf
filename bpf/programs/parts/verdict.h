/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * verdict.h - what happens to one segment of a connection: which generation
 * judges it, and what the parser finds in it.
 */
#ifndef HEDDLE_VERDICT_H
#define HEDDLE_VERDICT_H

#include "audit.h"
#include "context.h"
#include "copy-segment.h"
#include "count.h"
#include "epoch.h"
#include "limit.h"
#include "measure.h"
#include "shadow.h"
#include "verdict-status.h"
#include "../../lib/diagram.h"
#include "window.h"
#include "../../protocols/http1/request.h"

enum verdict_action {
	VERDICT_PASS = 0,
	VERDICT_DROP = 1,
	VERDICT_REFUSE = 2,	/* reason and status are set */
	VERDICT_OTHER_SLOT = 3, /* tail-call `slot`; conn->resume says from where */
};

/* As small as it is: the chain of calls below needs all the stack that 6.1 has. */
struct verdict {
	struct __sk_buff *skb;
	struct heddle_conn *conn;
	struct heddle_window *window;
	struct heddle_shadow_seat *seat; /* what a candidate says of it; NULL = none is asked */
	__u32 action;			 /* enum verdict_action */
	__u32 at;			 /* offset of the next byte to look at */
	__u32 len;
	__u16 status;
	__u8 slot;
	__u8 reason;
};

/* Blocks of the generation in charge for this connection. */
SEPARATE int verdict_context(struct heddle_conn *c)
{
	struct context x = {};

	if (!c)
		return -1;
	__builtin_memcpy(x.remote, c->remote, 16);
	__builtin_memcpy(x.local, c->local, 16);
	x.port = c->local_port;
	x.remote_port = c->remote_port;
	x.protocol = 6;
	c->epoch = epoch_now();
	context_make(&x);
	__builtin_memcpy(c->blocks, x.blocks, sizeof(c->blocks));
	c->opaque = x.opaque;
	c->kind = x.kind;
	return 0;
}

/*
 * Which generation judges the next byte? Returns this program's. A message that has begun stays where
 * it began; a new one goes to this program's generation, never to an older one
 * than the connection has already seen (a flip may race with the dispatcher).
 */
static __always_inline struct heddle_self *verdict_adopt(struct heddle_conn *c, struct verdict *v)
{
	__u32 zero = 0;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);
	__u8 phase = c->request.phase;

	if (!me) {
		v->action = VERDICT_DROP;
		return NULL;
	}
	if (phase != HEDDLE_START && phase != HEDDLE_OPAQUE && phase != HEDDLE_TUNNEL) {
		if (c->slot != me->slot && phase != HEDDLE_CLOSED) {
			v->action = VERDICT_OTHER_SLOT;
			v->slot = c->slot;
		}
		return me;
	}
	if (me->generation < c->generation) {
		v->action = VERDICT_OTHER_SLOT;
		v->slot = active_now() & 0xff;
		return me;
	}
	if (c->generation != me->generation || c->epoch != epoch_now() ||
	    c->kind == HEDDLE_KIND_UNKNOWN) {
		c->generation = me->generation;
		c->slot = me->slot;
		verdict_context(c);
	}
	return me;
}

/* The message that begins at `at` is judged: what does a candidate say? */
static __always_inline void verdict_compare(struct verdict *v, __u32 at, __u32 reason)
{
	if (!v->seat)
		return;
	v->seat->at = at;
	shadow_compare(v->skb, v->conn, v->seat, reason);
}

/* What becomes of bytes that are not HTTP/1, for a reason: a reason as well. */
static __always_inline __u32 unparsed_as(const struct heddle_conn *c, __u32 reason)
{
	__u32 foreign = is_foreign(reason);

	if (c->kind == HEDDLE_KIND_PASS)
		return HEDDLE_PASSED;
	/* Another protocol begins with a connection; later it is only a bad head. */
	if (foreign && c->requests)
		return HEDDLE_BAD_METHOD;
	return foreign && c->opaque ? HEDDLE_UNPARSED_PASSED : reason;
}

/* Has the head of the message been judged? */
static __always_inline int is_past_head(const struct heddle_request *r)
{
	return r->phase >= HEDDLE_BODY || r->flags & HEDDLE_REQUEST_TRAILER;
}

/*
 * Where no rule judges the connection, or the policy says so, such bytes pass from now
 * on; else the connection is refused.
 */
static __always_inline void verdict_unparsed(struct verdict *v, __u32 reason)
{
	struct heddle_conn *c = v->conn;

	reason = unparsed_as(c, reason);
	if (c->blocks[0] & audit_blocks() && !is_past_head(&c->request))
		audit_unread(c);
	verdict_compare(v, c->message_at, reason);
	if (reason == HEDDLE_PASSED || reason == HEDDLE_UNPARSED_PASSED) {
		if (reason == HEDDLE_UNPARSED_PASSED)
			count(reason);
		c->request.phase = HEDDLE_OPAQUE;
		v->at = v->len;
		return;
	}
	v->action = VERDICT_REFUSE;
	v->reason = reason;
	v->status = status_of(reason);
}

static __always_inline void owe_response(struct heddle_conn *c)
{
	__u8 at = c->next_request++;
	__u64 bit = 1ULL << (at & 63);

	if (c->request.flags & HEDDLE_REQUEST_HEAD)
		c->head_bits[at >> 6] |= bit;
	else
		c->head_bits[at >> 6] &= ~bit;
	c->owed++;
	if (c->owed > HEDDLE_MAX_OWED)
		c->response.phase = HEDDLE_RESPONSE_LOST;
}

/* What the rules of the connection say of a complete head: also whether its limits have one for it. */
SEPARATE int verdict_judged(struct heddle_conn *c)
{
	__u32 limits;
	__u64 found;

	if (!c)
		return HEDDLE_NO_CONNECTION;
	c->seen = 0;
	if (c->kind != HEDDLE_KIND_JUDGE && !(c->blocks[0] & bystanders()))
		return HEDDLE_PASSED;
	found = diagram_judge(&c->request, (struct heddle_blocks *)c->blocks, c->request.root);
	c->seen = found;
	if (c->kind != HEDDLE_KIND_JUDGE)
		return HEDDLE_PASSED;
	if (!(found & DIAGRAM_ALLOWS))
		return HEDDLE_DENIED;
	limits = limits_in(found);
	if (limits && limits_refuse(c, limits))
		return HEDDLE_LIMITED;
	return HEDDLE_ALLOWED;
}

static __always_inline int refuses(__u32 reason)
{
	return reason == HEDDLE_DENIED || reason == HEDDLE_LIMITED;
}

/* Such a head is counted; one that goes to the server has a response. */
SEPARATE int verdict_head(struct heddle_conn *c, __u32 reason)
{
	__u32 zero = 0;
	struct heddle_node *n = bpf_map_lookup_elem(&node, &zero);

	if (!c || !n)
		return HEDDLE_NO_CONNECTION;
	c->requests++;
	measure_verdict(reason);
	if (n->trace)
		tell(c, HEDDLE_EVENT_VERDICT, reason, refuses(reason) ? status_of(reason) : 0);
	if (!refuses(reason)) {
		count(reason);
		measure_asked(c);
		owe_response(c);
	}
	return reason;
}

/*
 * Between two messages of one segment: is a newer generation active, or are
 * identities or rows others by now? Then this segment is looked at again from here,
 * as if it began here. Who never ends a segment with a message would else be
 * judged by the old ones for ever.
 */
static __always_inline int judged_anew(struct verdict *v)
{
	struct heddle_conn *c = v->conn;
	__u64 now = active_now();

	if (now >> 8 > c->generation)
		v->slot = now & 0xff;
	else if (c->epoch != epoch_now())
		v->slot = c->slot;
	else
		return 0;
	c->resume = v->at;
	v->action = VERDICT_OTHER_SLOT;
	return 1;
}

/* Bytes of a body that need no look. Returns 1 when the segment is used up. */
static __always_inline int skip_unread(struct verdict *v)
{
	struct heddle_request *r = &v->conn->request;
	__u32 left = v->len - v->at;
	__u32 take;

	if (r->phase != HEDDLE_BODY && r->phase != HEDDLE_CHUNK_DATA)
		return v->at >= v->len;
	take = r->remaining < left ? r->remaining : left;
	v->at += take;
	r->remaining -= take;
	if (!r->remaining)
		r->phase = r->phase == HEDDLE_BODY ? HEDDLE_START : HEDDLE_CHUNK_END_CR;
	v->window->len = 0; /* what was loaded is behind us */
	return v->at >= v->len;
}

static __always_inline int load_window(struct verdict *v)
{
	struct heddle_window *w = v->window;
	__u32 n = min_u32(v->len - v->at, HEDDLE_WINDOW);

	if (w->len && w->base + w->pos == v->at && w->pos < w->len)
		return 0;
	w->base = v->at;
	w->pos = 0;
	w->len = n;
	/* The caller saw at < len, so n is 1..WINDOW: said so that the verifier sees it too. */
	n -= 1;
	OPAQUE_TO_COMPILER(n);
	n = (n & (HEDDLE_WINDOW - 1)) + 1;
	return bpf_skb_load_bytes(v->skb, v->at, w->bytes, n);
}

/* What has passed of the message in progress, all of it or up to the end of the segment. */
static __always_inline void copy_passed(struct verdict *v)
{
	struct heddle_conn *c = v->conn;

	copy_segment(v->skb, c, c->message_at == EARLIER_SEGMENT ? 0 : c->message_at, v->at);
	if (c->request.phase == HEDDLE_START)
		c->copied = HEDDLE_COPIED_NOTHING;
}

static long verdict_turn(__u32 turn UNUSED, struct verdict *v)
{
	struct heddle_conn *c = v->conn;
	__u32 action, reason, mirrors;

	if (skip_unread(v))
		return 1;
	if (load_window(v)) {
		v->action = VERDICT_DROP;
		return 1;
	}
	if (c->request.phase == HEDDLE_START) {
		if (c->copied)
			copy_passed(v);
		if (v->at && judged_anew(v))
			return 1;
		keyed_begin(&c->request);
		c->message_at = v->at;
	}
	action = http1_parse(&c->request, v->window);
	v->at = v->window->base + v->window->pos;
	if (action & HTTP1_REFUSE) {
		verdict_unparsed(v, action & 0xff);
	} else if (action == HTTP1_HEAD) {
		reason = verdict_head(c, verdict_judged(c));
		if (c->seen & audit_blocks())
			audit_request(v->skb, c, reason);
		/* A candidate takes from no limit. */
		verdict_compare(v, c->message_at,
				reason == HEDDLE_LIMITED ? HEDDLE_ALLOWED : reason);
		if (refuses(reason) || reason == HEDDLE_NO_CONNECTION) {
			v->action = VERDICT_REFUSE;
			v->reason = reason;
			v->status = reason == HEDDLE_LIMITED ? 429 : 403;
			return 1;
		}
		mirrors = c->seen & mirror_blocks();
		if (mirrors || c->copied)
			copy_chosen(c, mirrors);
		request_body(&c->request);
	}
	return v->action != VERDICT_PASS;
}

/* Turns a segment of 64 KB can need: a head or a chunk header is at least 3 bytes. */
#define VERDICT_TURNS 32768

/* Phases that need no parser. Returns 1 when the segment is decided. */
static __always_inline int verdict_shortcut(struct heddle_conn *c, struct verdict *v)
{
	__u8 phase = c->request.phase;

	if (v->action != VERDICT_PASS)
		return 1;
	if (phase == HEDDLE_CLOSED) {
		count(HEDDLE_AFTER_REFUSAL);
		v->action = VERDICT_DROP;
		return 1;
	}
	if (phase == HEDDLE_START || phase == HEDDLE_OPAQUE || phase == HEDDLE_TUNNEL) {
		if (c->kind == HEDDLE_KIND_DROP) {
			v->action = VERDICT_REFUSE;
			v->reason = HEDDLE_DROPPED;
			if (phase == HEDDLE_START)
				verdict_compare(v, v->at, HEDDLE_DROPPED);
			return 1;
		}
		if (phase == HEDDLE_TUNNEL)
			return 1;
	}
	if (phase == HEDDLE_OPAQUE) {
		if (c->kind == HEDDLE_KIND_PASS || c->opaque)
			return 1;
		v->action = VERDICT_REFUSE;
		v->reason = HEDDLE_UNKNOWN_STATE;
		return 1;
	}
	return 0;
}

static __always_inline void verdict_stream(struct __sk_buff *skb, struct heddle_conn *c,
					   struct verdict *v)
{
	v->skb = skb;
	v->conn = c;
	v->at = c->resume;
	c->resume = 0;
	/* Also for a refusal that needs no parser: the last segment's offset means nothing here. */
	c->message_at = v->at ? v->at : EARLIER_SEGMENT;
	if (verdict_shortcut(c, v))
		return;
	v->len = skb->len;
	v->window = window_claim();
	if (!v->window) {
		count(HEDDLE_NO_WINDOW);
		v->action = VERDICT_REFUSE;
		v->reason = HEDDLE_NO_WINDOW;
		return;
	}
	v->window->len = 0;
	bpf_loop(VERDICT_TURNS, verdict_turn, v, 0);
	if (v->action == VERDICT_PASS && v->at < v->len) {
		v->action = VERDICT_REFUSE; /* turns used up: no request is that fine-grained */
		v->reason = HEDDLE_NO_WINDOW;
	}
	window_release(v->window);
	if (v->action == VERDICT_PASS && (c->copied || copies_heads(c)))
		copy_passed(v);
}

#endif /* HEDDLE_VERDICT_H */
