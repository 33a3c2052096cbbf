/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * request.h - strict HTTP/1.1 requests, in any segmentation.
 *
 * A cursor (window) goes in, a reason comes out. The parser keeps its place in
 * struct heddle_request, so a head may arrive in any number of pieces; bodies
 * are counted, not read. It accepts a canonical subset: what RFC 9112 leaves to
 * leniency is how requests are smuggled, so it is refused here.
 *
 * Every step is a function of its own that the verifier checks once.
 */
#ifndef HEDDLE_HTTP1_REQUEST_H
#define HEDDLE_HTTP1_REQUEST_H

#include "request-line.h"
#include "field.h"
#include "lines.h"
#include "chunk.h"

/* What http1_parse answers besides a reason to refuse. */
enum http1_action {
	HTTP1_MORE = 0,	      /* the window is used up */
	HTTP1_HEAD = 1,	      /* a head is complete: judge it (phase HEDDLE_JUDGE) */
	HTTP1_MESSAGE = 2,    /* a message is complete (phase HEDDLE_START) */
	HTTP1_REFUSE = 0x100, /* | enum heddle_reason */
};

/* The blank line's LF: what only the whole head can tell. */
static __always_inline int head_ends(struct heddle_request *r)
{
	if (r->flags & HEDDLE_REQUEST_TRAILER) {
		r->phase = HEDDLE_START;
		return 0;
	}
	r->phase = HEDDLE_JUDGE;
	if (!(r->flags & (HEDDLE_REQUEST_HOST | HEDDLE_REQUEST_HTTP10)))
		return HEDDLE_BAD_HOST;
	if (r->flags & HEDDLE_REQUEST_CHUNKED) {
		if (r->flags & HEDDLE_REQUEST_LENGTH)
			return HEDDLE_LENGTH_AND_CHUNKED;
		if (r->flags & HEDDLE_REQUEST_HTTP10)
			return HEDDLE_BAD_TRANSFER_ENCODING;
	}
	return 0;
}

/* LF after the CR of a line, of a head or of a chunk. */
SEPARATE int http1_line_feed(struct heddle_request *r, struct heddle_window *w)
{
	int reason;

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	if (window_byte(w, w->pos) != '\n')
		return r->phase == HEDDLE_CHUNK_LF || r->phase == HEDDLE_CHUNK_END_LF
			       ? HEDDLE_BAD_CHUNK
			       : HEDDLE_BAD_LINE_END;
	if (r->phase == HEDDLE_HEAD_LF) {
		reason = head_ends(r);
		w->pos += !reason;
		return reason;
	}
	w->pos++;
	if (r->phase == HEDDLE_VALUE_LF) {
		r->phase = HEDDLE_LINE;
		return 0;
	}
	if (r->phase == HEDDLE_CHUNK_END_LF) {
		r->phase = HEDDLE_CHUNK_SIZE;
		r->remaining = 0;
		r->text_bytes = 0;
		return 0;
	}
	if (r->remaining) {
		r->phase = HEDDLE_CHUNK_DATA;
		return 0;
	}
	r->flags |= HEDDLE_REQUEST_TRAILER;
	r->head_bytes = 0;
	r->phase = HEDDLE_LINE;
	return 0;
}

static __always_inline int counts_as_head(__u8 phase)
{
	return phase >= HEDDLE_METHOD && phase <= HEDDLE_HEAD_LF;
}

static __always_inline int http1_skip_data(struct heddle_request *r, struct heddle_window *w)
{
	__u32 left = w->len - w->pos;
	__u32 take = r->remaining < left ? r->remaining : left;

	w->pos += take;
	r->remaining -= take;
	if (!r->remaining)
		r->phase = r->phase == HEDDLE_BODY ? HEDDLE_START : HEDDLE_CHUNK_END_CR;
	return 0;
}

/* Do one phase as far as it goes in this window. */
static __always_inline int http1_step(struct heddle_request *r, struct heddle_window *w)
{
	switch (r->phase) {
	case HEDDLE_METHOD:
		return http1_method(r, w);
	case HEDDLE_TARGET:
		return http1_target(r, w);
	case HEDDLE_VERSION:
		return http1_version(r, w);
	case HEDDLE_LINE:
		if (!(r->flags & HEDDLE_REQUEST_TRAILER))
			http1_whole_lines(r, w);
		return w->pos < w->end ? http1_line(r, w) : 0;
	case HEDDLE_NAME:
		return http1_name(r, w);
	case HEDDLE_SPACE:
		return http1_space(r, w);
	case HEDDLE_VALUE:
		return http1_value(r, w);
	case HEDDLE_VALUE_LF:
	case HEDDLE_HEAD_LF:
	case HEDDLE_CHUNK_LF:
	case HEDDLE_CHUNK_END_LF:
		return http1_line_feed(r, w);
	case HEDDLE_BODY:
	case HEDDLE_CHUNK_DATA:
		return http1_skip_data(r, w);
	case HEDDLE_CHUNK_SIZE:
		return http1_chunk_size(r, w);
	case HEDDLE_CHUNK_EXT:
		return http1_chunk_ext(r, w);
	case HEDDLE_CHUNK_END_CR:
		if (window_byte(w, w->pos) != '\r')
			return HEDDLE_BAD_CHUNK;
		w->pos++;
		r->phase = HEDDLE_CHUNK_END_LF;
		return 0;
	}
	return HEDDLE_NO_WINDOW;
}

struct parse {
	struct heddle_request *request;
	struct heddle_window *window;
	int action;
	int pad;
};

static long parse_turn(__u32 turn UNUSED, struct parse *p)
{
	struct heddle_request *r = p->request;
	struct heddle_window *w = p->window;
	__u32 before = w->pos;
	__u32 left;
	int reason;

	if (w->pos >= w->len)
		return 1;
	w->end = w->len;
	if (counts_as_head(r->phase)) {
		left = HEDDLE_MAX_HEAD - r->head_bytes;
		if (!left) {
			p->action = HTTP1_REFUSE | HEDDLE_HEAD_TOO_LARGE;
			return 1;
		}
		w->end = min_u32(w->len, w->pos + left);
		reason = http1_step(r, w);
		r->head_bytes += w->pos - before;
	} else {
		reason = http1_step(r, w);
	}
	if (reason)
		p->action = HTTP1_REFUSE | reason;
	else if (r->phase == HEDDLE_JUDGE)
		p->action = HTTP1_HEAD;
	else if (r->phase == HEDDLE_START)
		p->action = HTTP1_MESSAGE;
	return p->action != HTTP1_MORE;
}

/*
 * Go on with the request stream from window->pos. Returns HTTP1_MORE when the
 * window is used up, HTTP1_HEAD or HTTP1_MESSAGE as soon as one is complete, or
 * HTTP1_REFUSE with the reason (enum heddle_reason). The caller begins a message
 * (request_begin) and says what follows a judged head (request_body).
 */
SEPARATE int http1_parse(struct heddle_request *r, struct heddle_window *w)
{
	struct parse p = {};

	if (!r || !w)
		return HTTP1_REFUSE | HEDDLE_NO_WINDOW;
	p.request = r;
	p.window = w;
	/* A phase consumes at least a byte or moves on to one that does. */
	REPEAT(4 * HEDDLE_WINDOW, parse_turn, &p);
	return p.action;
}

/* After a judged head: where its body is. Returns HTTP1_MESSAGE when it has none. */
static __always_inline int request_body(struct heddle_request *r)
{
	r->text_bytes = 0;
	if (r->flags & HEDDLE_REQUEST_CHUNKED) {
		r->remaining = 0;
		r->phase = HEDDLE_CHUNK_SIZE;
		return HTTP1_MORE;
	}
	if (r->remaining) {
		r->phase = HEDDLE_BODY;
		return HTTP1_MORE;
	}
	r->phase = HEDDLE_START;
	return HTTP1_MESSAGE;
}

#endif /* HEDDLE_HTTP1_REQUEST_H */
