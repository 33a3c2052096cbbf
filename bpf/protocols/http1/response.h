/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * response.h - finds where responses end (RFC 9112 section 6). Lenient on
 * purpose: it reads what an application already chose to send, and nothing but
 * the order of local replies hangs on it.
 */
#ifndef HEDDLE_HTTP1_RESPONSE_H
#define HEDDLE_HTTP1_RESPONSE_H

#include "response-byte.h"

struct response_walk {
	struct heddle_response *response;
	struct heddle_window *window;
	int of_head_request;
	int action;
};

static __always_inline int plain_value(const struct heddle_response *p)
{
	return (p->phase == HEDDLE_RESPONSE_VALUE && p->field == RESPONSE_OTHER) ||
	       (p->phase == HEDDLE_RESPONSE_STATUS && p->text_bytes >= 12);
}

/*
 * Only three names matter: a line that can't have one of them is skipped to its end.
 * Asked where 16 bytes of a line are in view, or all of it.
 */
enum line_kind {
	LINE_DULL,
	LINE_LENGTH,
	LINE_CAREFUL
};

static __always_inline int line_kind(const struct heddle_window *w)
{
	__u64 first = window_u64(w, w->pos) | EVERY_BYTE(0x20);
	__u64 second = window_u64(w, w->pos + 8) | EVERY_BYTE(0x20);

	if (first == WORD8('c', 'o', 'n', 't', 'e', 'n', 't', '-') &&
	    second << 16 == WORD8('l', 'e', 'n', 'g', 't', 'h', ':', ' ') << 16)
		return LINE_LENGTH;
	if (first == WORD8('t', 'r', 'a', 'n', 's', 'f', 'e', 'r'))
		return LINE_CAREFUL;
	/* "Connection: keep-alive" says nothing new. */
	return first == WORD8('c', 'o', 'n', 'n', 'e', 'c', 't', 'i') &&
			       second != WORD8('o', 'n', ':', ' ', 'k', 'e', 'e', 'p')
		       ? LINE_CAREFUL
		       : LINE_DULL;
}

/* "Content-Length: 1000\r\n" at once; 1 = taken, else the careful way. */
static __always_inline int length_at_once(struct heddle_response *p, struct heddle_window *w)
{
	__u32 pos = w->pos + 15;
	__u64 value = 0;

	/* Folding makes a letter of nothing else, but a hyphen of CR. */
	if (window_byte(w, pos - 1) != ':' || window_byte(w, w->pos + 7) != '-')
		return 0;
	pos += window_byte(w, pos) == ' ';
	for (int i = 0; i < 12; i++) {
		__u8 digit = window_byte(w, pos) - '0';

		if (digit > 9)
			break;
		value = value * 10 + digit;
		pos++;
	}
	if (window_byte(w, pos) != '\r' || window_byte(w, pos + 1) != '\n' || pos + 2 > w->len)
		return 0;
	p->flags |= RESPONSE_LENGTH;
	p->remaining = value;
	w->pos = pos + 2;
	return 1;
}

/* "HTTP/1.1 200": the digits at once. Returns 1 when the status was read. */
static __always_inline int status_at_once(struct heddle_response *p, struct heddle_window *w)
{
	/* A line that ends within is left to the byte by byte way. */
	if (controls_in(window_u64(w, w->pos)) || controls_in(window_u64(w, w->pos + 4)))
		return 0;
	p->status = (window_byte(w, w->pos + 9) & 15) * 100 +
		    (window_byte(w, w->pos + 10) & 15) * 10 + (window_byte(w, w->pos + 11) & 15);
	if (window_byte(w, w->pos + 7) != '1')
		p->flags |= RESPONSE_CLOSE;
	p->text_bytes = 12;
	w->pos += 12;
	return 1;
}

/* A line that is whole in the view. */
static long whole_response_line(__u32 turn UNUSED, struct response_walk *k)
{
	struct heddle_window *w = k->window;
	struct skip s = { .window = w, .pos = w->pos };
	int kind = line_kind(w);

	if (window_byte(w, w->pos) <= '\r')
		return 1;
	if (kind == LINE_LENGTH)
		return !length_at_once(k->response, w);
	if (kind != LINE_DULL)
		return 1;
	REPEAT(SKIP_TURNS, skip_text, &s);
	if (s.pos + 2 > w->len || window_byte(w, s.pos) != '\r' ||
	    window_byte(w, s.pos + 1) != '\n')
		return 1;
	w->pos = s.pos + 2;
	return 0;
}

/* A line has 3 bytes at the least, CRLF included. */
#define RESPONSE_LINES (HEDDLE_WINDOW / 3)

/* Shortcuts over bytes that carry nothing. Returns 1 when the cursor moved. */
static __always_inline int response_shortcut(struct response_walk *k)
{
	struct heddle_response *p = k->response;
	struct heddle_window *w = k->window;
	struct skip s = { .window = w };
	__u32 before = w->pos;

	w->end = w->len;
	if (p->phase == HEDDLE_RESPONSE_LINE) {
		REPEAT(RESPONSE_LINES, whole_response_line, k);
		if (w->pos != before)
			return 1;
	}
	if (w->len - w->pos < 32)
		return 0;
	if (p->phase == HEDDLE_RESPONSE_STATUS && !p->text_bytes)
		return status_at_once(p, w);
	if (p->phase == HEDDLE_RESPONSE_LINE && window_byte(w, w->pos) > '\r' &&
	    line_kind(w) == LINE_DULL) {
		p->phase = HEDDLE_RESPONSE_VALUE;
		p->field = RESPONSE_OTHER;
	}
	if (!plain_value(p))
		return 0;
	s.pos = w->pos;
	REPEAT(SKIP_TURNS, skip_text, &s);
	if (s.pos + 2 <= w->len && window_byte(w, s.pos) == '\r' &&
	    window_byte(w, s.pos + 1) == '\n') {
		w->pos = s.pos + 2;
		p->phase = HEDDLE_RESPONSE_LINE;
		return 1;
	}
	/* Stop in front of the control character, or of the end. */
	if (s.pos == w->pos)
		return 0;
	w->pos = min_u32(s.pos, w->len);
	return 1;
}

/* The blank line in one piece. */
static __always_inline int blank_line(const struct heddle_response *p,
				      const struct heddle_window *w)
{
	return p->phase == HEDDLE_RESPONSE_LINE && window_byte(w, w->pos) == '\r' &&
	       window_byte(w, w->pos + 1) == '\n' && w->pos + 2 <= w->len;
}

static long response_turn(__u32 turn UNUSED, struct response_walk *k)
{
	struct heddle_response *p = k->response;
	struct heddle_window *w = k->window;
	__u32 left = w->len - w->pos;
	__u32 take;

	if (w->pos >= w->len)
		return 1;
	if (p->phase == HEDDLE_RESPONSE_BODY || p->phase == HEDDLE_RESPONSE_CHUNK_DATA) {
		take = p->remaining < left ? p->remaining : left;
		w->pos += take;
		p->remaining -= take;
		if (p->remaining)
			return 1;
		k->action = p->phase == HEDDLE_RESPONSE_BODY ? RESPONSE_END : RESPONSE_MORE;
		p->phase = p->phase == HEDDLE_RESPONSE_BODY ? HEDDLE_RESPONSE_START
							    : HEDDLE_RESPONSE_CHUNK_SIZE;
		return k->action != RESPONSE_MORE;
	}
	if (p->phase == HEDDLE_RESPONSE_START)
		response_begin(p);
	if (response_shortcut(k))
		return 0;
	w->pos += blank_line(p, w);
	k->action = response_byte(p, window_byte(w, w->pos), k->of_head_request);
	w->pos++;
	return k->action || p->phase >= HEDDLE_RESPONSE_TO_CLOSE ? 1 : 0;
}

/*
 * Go on with the response stream from window->pos: RESPONSE_END as soon as one
 * response is complete, RESPONSE_MORE when the window is used up.
 */
SEPARATE int response_parse(struct heddle_response *p, struct heddle_window *w, int of_head_request)
{
	struct response_walk k = {};

	if (!p || !w)
		return RESPONSE_MORE;
	k.response = p;
	k.window = w;
	k.of_head_request = of_head_request;
	REPEAT(2 * HEDDLE_WINDOW, response_turn, &k);
	return k.action;
}

#endif /* HEDDLE_HTTP1_RESPONSE_H */
