/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * stream.h - segments of a stream through the kernel's HTTP/1 parsers, by the
 * loop of lib/verdict.h (requests) and lib/reply_order.h (responses) with memory
 * in place of an skb. SAY(format, ...) is told each event:
 *
 *     head@AT:METHOD:HOST:LATCH   a head is complete; value classes, path latch
 *     end@AT                      a message is complete
 *     refuse@AT:REASON            AT = offset of the byte that decided
 *     tunnel@AT                   a response changed the protocol
 */
#ifndef HEDDLE_TEST_STREAM_H
#define HEDDLE_TEST_STREAM_H

#include <stdlib.h>
#include <string.h>

#define POLICY_WORDS_LOG2 14
#include "../../../bpf/protocols/http1/request.h"
#include "../../../bpf/protocols/http1/response.h"

/* One segment, as lib/verdict.h sees an skb. */
struct segment {
	const __u8 *bytes;
	__u32 len;
	__u32 at;
	__u32 base; /* offset of the segment in its stream */
};

/* What lives across segments. */
struct stream {
	int of_responses;
	__u32 requests;
	struct heddle_request request;
	struct heddle_response response;
	const char *head_bits; /* '1' for each response that answers a HEAD */
};

static struct heddle_window window;

/* The window is given exact bytes: what lies behind them must not matter. */
static void load_window(struct segment *s)
{
	struct heddle_window *w = &window;

	if (w->len && w->base + w->pos == s->at && w->pos < w->len)
		return;
	w->base = s->at;
	w->pos = 0;
	w->len = min_u32(s->len - s->at, HEDDLE_WINDOW);
	/* The ends of lines that are none: the worst that an earlier segment can leave. */
	for (__u32 i = 0; i < sizeof(w->bytes); i++)
		w->bytes[i] = i & 1 ? '\n' : '\r';
	memset(w->slack, '\r', sizeof(w->slack));
	memcpy(w->bytes, s->bytes + s->at, w->len);
}

static int skip_unread(struct segment *s, struct heddle_request *r)
{
	__u32 left = s->len - s->at;
	__u32 take;

	if (r->phase != HEDDLE_BODY && r->phase != HEDDLE_CHUNK_DATA)
		return s->at >= s->len;
	take = r->remaining < left ? r->remaining : left;
	s->at += take;
	r->remaining -= take;
	if (!r->remaining) {
		if (r->phase == HEDDLE_BODY)
			SAY("end@%u ", s->base + s->at);
		r->phase = r->phase == HEDDLE_BODY ? HEDDLE_START : HEDDLE_CHUNK_END_CR;
	}
	window.len = 0;
	return s->at >= s->len;
}

/* Returns 1 when the stream is refused. */
static int request_segment(struct segment *s, struct heddle_request *r, __u32 *requests)
{
	int action, reason;

	window.len = 0;
	while (!skip_unread(s, r)) {
		load_window(s);
		if (r->phase == HEDDLE_START)
			request_begin(r);
		action = http1_parse(r, &window);
		s->at = window.base + window.pos;
		if (action & HTTP1_REFUSE) {
			reason = action & 0xff;
			/* Another protocol begins with a connection; later it is only a bad head. */
			if (*requests && is_foreign(reason))
				reason = HEDDLE_BAD_METHOD;
			SAY("refuse@%u:%d ", s->base + s->at, reason);
			return 1;
		}
		if (action == HTTP1_MESSAGE)
			SAY("end@%u ", s->base + s->at);
		if (action != HTTP1_HEAD)
			continue;
		++*requests;
		SAY("head@%u:%u:%u:%u ", s->base + s->at, r->classes[HEDDLE_DIM_METHOD],
		    r->classes[HEDDLE_DIM_HOST], (__u32)(r->latches[0] & 1));
		if (request_body(r) == HTTP1_MESSAGE)
			SAY("end@%u ", s->base + s->at);
	}
	return 0;
}

/* What lib/reply_order.h does with the messages of an application. Returns 1 when it is lost. */
static int response_segment(struct segment *s, struct heddle_response *p, const char **head_bits)
{
	int action;

	window.len = 0;
	while (s->at < s->len) {
		if (p->phase >= HEDDLE_RESPONSE_TO_CLOSE)
			return 1;
		load_window(s);
		action = response_parse(p, &window, **head_bits == '1');
		s->at = window.base + window.pos;
		if (action == RESPONSE_END) {
			SAY("end@%u ", s->base + s->at);
			*head_bits += **head_bits != 0;
		} else if (action == RESPONSE_TUNNEL) {
			SAY("tunnel@%u ", s->base + s->at);
			return 1;
		}
	}
	return 0;
}

/* A copy of exactly the segment, so that the sanitizer sees a read beyond it. */
static __u8 *exact_copy(const __u8 *bytes, __u32 len)
{
	__u8 *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, bytes, len);
	return copy;
}

/* Give the parser a segment of a stream; returns 1 when nothing of it is followed any more. */
static int stream_segment(struct segment *s, struct stream *t)
{
	__u8 *copy = exact_copy(s->bytes, s->len);
	int stop;

	s->bytes = copy;
	stop = t->of_responses ? response_segment(s, &t->response, &t->head_bits)
			       : request_segment(s, &t->request, &t->requests);
	free(copy);
	return stop;
}

#endif /* HEDDLE_TEST_STREAM_H */
