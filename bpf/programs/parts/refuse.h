/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * refuse.h - how a refusal is carried out: the segment becomes the reply, or is
 * blanked out, or is dropped; the connection ends.
 */
#ifndef HEDDLE_REFUSE_H
#define HEDDLE_REFUSE_H

#include "verdict.h"
#include "../../protocols/http1/reply.h"

/* One turn of the reply's body: blanks from v->at on, to v->len. */
static long pad_reply(__u32 turn UNUSED, struct verdict *v)
{
	static const char blanks[] = "                                ";
	__u32 left = v->len - v->at;

	if (v->at >= v->len)
		return 1;
	if (left >= 32) {
		v->action = bpf_skb_store_bytes(v->skb, v->at, blanks, 32, 0);
		v->at += 32;
	} else {
		v->action = bpf_skb_store_bytes(v->skb, v->at, blanks, 1, 0);
		v->at += 1;
	}
	return v->action != 0;
}

/* On a stack of its own: with the reply on the verdict's, 6.1 counts more than 512 bytes. */
SEPARATE int reply_store(struct __sk_buff *skb, __u32 status, __u32 body_bytes)
{
	struct http1_reply reply;

	if (!skb)
		return -1;
	reply_write(&reply, status, body_bytes);
	return bpf_skb_store_bytes(skb, 0, reply.head, HEDDLE_REPLY_HEAD, 0);
}

static __always_inline int number_store(struct __sk_buff *skb, __u32 last, __u32 number,
					char before)
{
	char digits[REPLY_DIGITS];

	reply_number(digits, number, before);
	return bpf_skb_store_bytes(skb, last - (REPLY_DIGITS - 1), digits, REPLY_DIGITS, 0);
}

/* The same for a limit that has no more. */
SEPARATE int limited_store(struct __sk_buff *skb, struct heddle_conn *c, __u32 body_bytes)
{
	if (!skb || !c)
		return -1;
	if (bpf_skb_store_bytes(skb, 0, reply_429, HEDDLE_LIMITED_HEAD, 0) ||
	    number_store(skb, REPLY_RETRY_AFTER, c->limited.retry_after, ' ') ||
	    number_store(skb, REPLY_QUOTA, c->limited.quota, '0') ||
	    number_store(skb, REPLY_WINDOW, c->limited.window, '0') ||
	    number_store(skb, REPLY_RESET, c->limited.retry_after, '0'))
		return -1;
	return number_store(skb, REPLY_LENGTH, body_bytes, ' ');
}

/* The segment becomes the reply and leaves by the socket it came from. */
static __always_inline int reply_now(struct __sk_buff *skb, struct heddle_conn *c,
				     struct verdict *v)
{
	__u32 size = skb->len, head = reply_head_bytes(v->status);
	__u64 key = c->cookie;
	int failed;

	if (c->request.flags & HEDDLE_REQUEST_HEAD || size < head)
		size = head; /* a HEAD has no body to pad */
	if (size > HEDDLE_REPLY_MAX)
		size = HEDDLE_REPLY_MAX;
	if (size != skb->len && bpf_skb_change_tail(skb, size, 0))
		return SK_DROP;
	failed = v->status == 429 ? limited_store(skb, c, size - head)
				  : reply_store(skb, v->status, size - head);
	if (failed)
		return SK_DROP;
	v->skb = skb;
	v->at = head;
	v->len = size;
	v->action = 0;
	/* A loop of the verifier's own: unrolled, it costs 6.1 a million instructions. */
	bpf_loop(HEDDLE_REPLY_MAX / 32 + 32, pad_reply, v, 0);
	if (v->action)
		return SK_DROP;
	c->flags |= HEDDLE_CONN_REPLY_OUT;
	return bpf_sk_redirect_hash(skb, &sockets, &key, 0);
}

static long blank_out(__u32 turn UNUSED, struct verdict *v)
{
	static const char crlf[] =
		"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n";
	__u32 left = v->len - v->at;

	if (v->at >= v->len)
		return 1;
	if (left >= 32) {
		v->action = bpf_skb_store_bytes(v->skb, v->at, crlf, 32, 0);
		v->at += 32;
	} else {
		v->action = bpf_skb_store_bytes(v->skb, v->at, crlf + (left & 1), 1, 0);
		v->at += 1;
	}
	return v->action != 0;
}

/*
 * Something before the refused message in this segment belongs to the server:
 * let that pass and turn the rest into empty lines, which begin no request.
 */
static __always_inline int pass_before(struct __sk_buff *skb, struct verdict *v, __u32 refused_at)
{
	v->skb = skb;
	v->len = skb->len;
	v->at = refused_at;
	v->action = 0;
	/* Segments of one connection may have grown together: far above 64 KB. */
	bpf_loop((v->len - refused_at) / 32 + 32, blank_out, v, 0);
	return v->action || v->at < v->len ? SK_DROP : SK_PASS;
}

/* The head of a denied request, where it began in this segment. On a stack of its own, for 6.1. */
SEPARATE int keep_refusal(struct __sk_buff *skb, __u32 at)
{
	struct heddle_refusal *r;
	__u64 number;
	__u32 n;

	if (!skb || at >= skb->len)
		return 0;
	r = refusal_begin(&number);
	if (!r)
		return 0;
	n = min_u32(skb->len - at, HEDDLE_REFUSAL_TEXT) - 1;
	OPAQUE_TO_COMPILER(n);
	n = (n & 127) + 1;
	if (n <= HEDDLE_REFUSAL_TEXT && !bpf_skb_load_bytes(skb, at, r->text, n))
		refusal_end(r, number, n);
	return 0;
}

/*
 * A refusal ends the connection. The reply, if there is one, waits for responses
 * owed to earlier requests; where the head of the refused message has gone to the server in an
 * earlier segment (a bad chunk), the reply takes the place of its response.
 */
static __always_inline int verdict_refuse(struct __sk_buff *skb, struct heddle_conn *c,
					  struct verdict *v)
{
	__u32 at = c->message_at;
	__u16 own = is_past_head(&c->request);

	count(v->reason);
	if (v->reason == HEDDLE_DENIED)
		keep_refusal(skb, at);
	if (own && at != EARLIER_SEGMENT) {
		own = 0; /* it was counted, but will not reach the server */
		c->owed--;
		c->next_request--;
	}
	c->request.phase = HEDDLE_CLOSED;
	c->reason = v->reason;
	c->status = v->status;
	if (c->owed > own) {
		c->owed_at_reply = own; /* also where no reply follows: what is owed goes out */
		c->flags |= HEDDLE_CONN_REPLY_DUE;
		tell(c, HEDDLE_EVENT_END_LATER, v->reason, v->status);
	} else {
		tell(c, HEDDLE_EVENT_END, v->reason, v->status);
	}
	if (at && at != EARLIER_SEGMENT)
		return pass_before(skb, v, at);
	if (c->owed > own || !v->status)
		return SK_DROP;
	/* In the middle of a response, or after it (one was early), there is no place. */
	if (c->response.phase != HEDDLE_RESPONSE_START || c->owed < own) {
		count(HEDDLE_UNANSWERED);
		return SK_DROP;
	}
	return reply_now(skb, c, v);
}

#endif /* HEDDLE_REFUSE_H */
