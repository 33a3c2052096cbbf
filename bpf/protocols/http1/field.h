/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * field.h - field lines (RFC 9112 section 5): names, values that rules ask about,
 * values that decide framing, and the rest, which is only looked over.
 */
#ifndef HEDDLE_HTTP1_FIELD_H
#define HEDDLE_HTTP1_FIELD_H

#include "keys.h"

SEPARATE int http1_line(struct heddle_request *r, struct heddle_window *w)
{
	__u8 b;

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	b = window_byte(w, w->pos);
	if (b == '\r') {
		w->pos++;
		r->phase = HEDDLE_HEAD_LF;
		return 0;
	}
	if (b == ' ' || b == '\t')
		return HEDDLE_OBS_FOLD;
	if (b == '\n')
		return HEDDLE_BAD_LINE_END;
	r->state = policy_u32(TABLES(names.start));
	r->text_bytes = 0;
	r->phase = HEDDLE_NAME;
	return 0;
}

/* What a known field may not do, decided at the colon. */
static __always_inline int field_begins(struct heddle_request *r)
{
	if (r->flags & HEDDLE_REQUEST_TRAILER)
		return r->field == HEDDLE_FIELD_OTHER ? 0 : HEDDLE_BAD_TRAILER;
	if (r->field == HEDDLE_FIELD_CONTENT_LENGTH) {
		if (r->flags & HEDDLE_REQUEST_LENGTH)
			return HEDDLE_LENGTH_TWICE;
		r->flags |= HEDDLE_REQUEST_LENGTH;
	} else if (r->field == HEDDLE_FIELD_TRANSFER_ENCODING) {
		if (r->flags & HEDDLE_REQUEST_CHUNKED)
			return HEDDLE_BAD_TRANSFER_ENCODING;
		r->flags |= HEDDLE_REQUEST_CHUNKED;
	} else if (r->field == HEDDLE_FIELD_HOST) {
		if (r->flags & HEDDLE_REQUEST_HOST)
			return HEDDLE_BAD_HOST;
		r->flags |= HEDDLE_REQUEST_HOST;
	} else if (r->field == HEDDLE_FIELD_UPGRADE) {
		r->flags |= HEDDLE_REQUEST_UPGRADE;
	}
	return 0;
}

/* A value's first state. What comes again goes on where the value before it ended. */
static __always_inline __u32 value_begins(const struct heddle_request *r)
{
	__u32 dim = r->dim & (HEDDLE_MAX_DIMS - 1);
	__u32 class = r->classes[dim];
	__u32 resumes;

	/* struct heddle_dfa is 6 words; its first is the start state. */
	if (!class)
		return policy_u32(policy_u32(TABLES(values_at)) + 6 * dim);
	resumes = policy_u32(policy_u32(TABLES(resumes_at)) + dim);
	return resumes ? policy_u32(resumes + class) : 0;
}

SEPARATE int http1_name(struct heddle_request *r, struct heddle_window *w)
{
	struct walk k = {};
	__u32 final;
	int reason;
	__u8 b;

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	automaton_open(&k.automaton, TABLES(names));
	walk_begin(&k, r, w, BYTES_TOKEN);
	REPEAT(WALK_TURNS, walk_name, &k);
	walk_end(&k, r, w);
	if (w->pos >= w->end)
		return 0;
	b = window_byte(w, w->pos);
	if (b == '\n' || b == '\r')
		return HEDDLE_BAD_LINE_END;
	if (b != ':' || !r->text_bytes)
		return HEDDLE_BAD_FIELD_NAME;
	final = automaton_final(&k.automaton, r->state, r->text_bytes);
	r->field = final & 0xff;
	r->dim = final >> 8;
	if (r->flags & HEDDLE_REQUEST_TRAILER)
		r->dim = 0;
	if (r->dim) {
		r->state = value_begins(r);
		r->state_trimmed = r->state;
	}
	r->text_bytes = 0;
	r->word = 0;
	if (key_number(r))
		key_begins(r);
	reason = field_begins(r);
	if (reason)
		return reason;
	w->pos++;
	r->phase = HEDDLE_SPACE;
	return 0;
}

SEPARATE int http1_space(struct heddle_request *r, struct heddle_window *w)
{
	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	for (int i = 0; i < 8; i++) {
		__u8 b = window_byte(w, w->pos);

		if (w->pos >= w->end)
			return 0;
		/* llhttp takes HTAB for a part of these values: who disagrees on framing is smuggled past. */
		if (b == '\t' && r->field == HEDDLE_FIELD_CONTENT_LENGTH)
			return HEDDLE_BAD_CONTENT_LENGTH;
		if (b == '\t' && r->field == HEDDLE_FIELD_TRANSFER_ENCODING)
			return HEDDLE_BAD_TRANSFER_ENCODING;
		if (b != ' ' && b != '\t') {
			r->phase = HEDDLE_VALUE;
			return 0;
		}
		w->pos++;
	}
	return 0;
}

/* A value that nobody asks about. */
SEPARATE int http1_value_skip(struct heddle_request *r, struct heddle_window *w)
{
	struct skip s = {};

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	s.window = w;
	s.pos = w->pos;
	REPEAT(SKIP_TURNS, skip_text, &s);
	if (s.pos >= w->end) {
		w->pos = w->end;
		return 0;
	}
	w->pos = s.pos;
	if (window_byte(w, s.pos) == '\t')
		w->pos++;
	return 0;
}

/* A value that rules name: its class is the automaton's word for it. */
SEPARATE int http1_value_walk(struct heddle_request *r, struct heddle_window *w)
{
	struct walk k = {};
	__u32 from;

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	from = w->pos;
	automaton_open(&k.automaton,
		       policy_u32(TABLES(values_at)) + 6 * (r->dim & (HEDDLE_MAX_DIMS - 1)));
	walk_begin(&k, r, w, BYTES_VALUE);
	REPEAT(WALK_TURNS, walk_value, &k);
	walk_end(&k, r, w);
	if (key_number(r))
		http1_key_value(r, w, from);
	return 0;
}

#define BLANK_SEEN (1ULL << 63)

/* One byte of Content-Length: digits, then blanks. `remaining` grows, `word` marks the blank. */
static __always_inline int length_byte(struct heddle_request *r, __u8 b)
{
	if (b == ' ') {
		r->word |= BLANK_SEEN;
		return 0;
	}
	if (b < '0' || b > '9' || r->word & BLANK_SEEN || r->text_bytes >= HTTP1_MAX_DIGITS)
		return HEDDLE_BAD_CONTENT_LENGTH;
	r->remaining = r->remaining * 10 + (b - '0');
	r->text_bytes++;
	return 0;
}

#define CODING_CHUNKED (WORD4(0, 'c', 'h', 'u') << 32 | WORD4('n', 'k', 'e', 'd'))
#define CODING_BYTES 7

/* One byte of Transfer-Encoding: `chunked`, then blanks. */
static __always_inline int coding_byte(struct heddle_request *r, __u8 b)
{
	if (b == ' ') {
		r->word |= BLANK_SEEN;
		return 0;
	}
	if (r->word & BLANK_SEEN || r->text_bytes >= CODING_BYTES ||
	    lower(b) != (__u8)(CODING_CHUNKED >> 8 * (CODING_BYTES - 1 - r->text_bytes)))
		return HEDDLE_BAD_TRANSFER_ENCODING;
	r->text_bytes++;
	return 0;
}

#define PROTOCOL_H2C WORD4(0, 'h', '2', 'c')

/* One byte of Upgrade: a list of protocols, none of which may be h2c. */
static __always_inline int upgrade_byte(struct heddle_request *r, __u8 b)
{
	r->text_bytes++;
	if (b == ' ' || b == '\t' || b == ',' || b == '/') {
		if (r->word == PROTOCOL_H2C)
			return HEDDLE_BAD_UPGRADE;
		r->word = 0;
		return 0;
	}
	r->word = r->word << 8 | lower(b);
	return 0;
}

struct framing {
	struct heddle_request *request;
	struct heddle_window *window;
	struct automaton automaton;
	int reason;
	__u32 pad;
};

static long framing_byte(__u32 turn UNUSED, struct framing *f)
{
	struct heddle_request *r = f->request;
	struct heddle_window *w = f->window;
	__u8 b = window_byte(w, w->pos);

	if (w->pos >= w->end || !(byte_sets[b] & BYTES_VALUE))
		return 1;
	if (r->dim && r->state)
		r->state = automaton_next(&f->automaton, r->state, b) & HEDDLE_NEXT_STATE;
	if (b > ' ')
		r->state_trimmed = r->state;
	if (r->field == HEDDLE_FIELD_CONTENT_LENGTH)
		f->reason = length_byte(r, b);
	else if (r->field == HEDDLE_FIELD_TRANSFER_ENCODING)
		f->reason = coding_byte(r, b);
	else
		f->reason = upgrade_byte(r, b);
	if (f->reason)
		return 1;
	w->pos++;
	return 0;
}

/* Values that decide framing are read byte by byte; rules may name them too. */
SEPARATE int http1_value_framing(struct heddle_request *r, struct heddle_window *w)
{
	struct framing f = {};

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	automaton_open(&f.automaton,
		       policy_u32(TABLES(values_at)) + 6 * (r->dim & (HEDDLE_MAX_DIMS - 1)));
	f.request = r;
	f.window = w;
	REPEAT(HEDDLE_WINDOW, framing_byte, &f);
	return f.reason;
}

/* The class of a whole value, for the rules that name its field. */
static __always_inline void value_class(struct heddle_request *r)
{
	__u32 dim = r->dim & (HEDDLE_MAX_DIMS - 1);
	__u32 at = policy_u32(TABLES(values_at)) + 6 * dim;
	__u32 class;

	if (r->state_trimmed == policy_u32(at) && !r->text_bytes)
		class = policy_u32(at + 5);
	else
		class = r->state_trimmed ? policy_u32(policy_u32(at + 3) + 2 * r->state_trimmed + 1)
					 : 0;
	if (r->classes[dim])
		r->flags |= HEDDLE_REQUEST_REPEATED;
	r->classes[dim] = class ? class : HEDDLE_CLASS_OTHER;
}

/* At the CR that ends a value. */
SEPARATE int http1_value_end(struct heddle_request *r, struct heddle_window *w)
{
	__u8 b;

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	b = window_byte(w, w->pos);
	if (b == '\n')
		return HEDDLE_BAD_LINE_END;
	if (b != '\r')
		return HEDDLE_BAD_FIELD_VALUE;
	if (r->field == HEDDLE_FIELD_CONTENT_LENGTH && !r->text_bytes)
		return HEDDLE_BAD_CONTENT_LENGTH;
	if (r->field == HEDDLE_FIELD_TRANSFER_ENCODING && r->text_bytes < CODING_BYTES)
		return HEDDLE_BAD_TRANSFER_ENCODING;
	if (r->field == HEDDLE_FIELD_UPGRADE && r->word == PROTOCOL_H2C)
		return HEDDLE_BAD_UPGRADE;
	if (r->dim)
		value_class(r);
	w->pos++;
	r->phase = HEDDLE_VALUE_LF;
	return 0;
}

static __always_inline int http1_value(struct heddle_request *r, struct heddle_window *w)
{
	int reason = 0;
	__u8 b;

	if (r->field >= HEDDLE_FIELD_CONTENT_LENGTH && r->field <= HEDDLE_FIELD_TRANSFER_ENCODING)
		reason = http1_value_framing(r, w);
	else if (r->field == HEDDLE_FIELD_UPGRADE)
		reason = http1_value_framing(r, w);
	else if (r->dim)
		reason = http1_value_walk(r, w);
	else
		reason = http1_value_skip(r, w);
	if (reason || w->pos >= w->end)
		return reason;
	b = window_byte(w, w->pos);
	/* A loop above may have paused inside the value: come again. */
	return byte_sets[b] & BYTES_VALUE ? 0 : http1_value_end(r, w);
}

#endif /* HEDDLE_HTTP1_FIELD_H */
