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

#include "../../lib/automaton.h"
#include "../../lib/bytes.h"

/* What http1_parse answers besides a reason to refuse. */
enum http1_action {
	HTTP1_MORE = 0, /* the window is used up */
	HTTP1_HEAD = 1, /* a head is complete: judge it (phase HEDDLE_JUDGE) */
	HTTP1_MESSAGE = 2, /* a message is complete (phase HEDDLE_START) */
	HTTP1_REFUSE = 0x100, /* | enum heddle_reason */
};

enum http1_limit {
	HTTP1_MAX_METHOD = 32,
	HTTP1_MAX_DIGITS = 15, /* of Content-Length and of a chunk size: below 2^53 and 2^60 */
};

static __always_inline __u8 window_byte(const struct heddle_window *w, __u32 pos)
{
	return w->bytes[pos & (HEDDLE_WINDOW - 1)];
}

static __always_inline __u64 window_u64(const struct heddle_window *w, __u32 pos)
{
	__u64 x;

	__builtin_memcpy(&x, &w->bytes[pos & (HEDDLE_WINDOW - 1)], sizeof(x));
	return x;
}

/* ---- walking tokens through an automaton -------------------------------- */

struct walk {
	struct heddle_window *window;
	struct heddle_request *request;
	struct automaton automaton;
	__u32 pos;
	__u32 state;
	__u32 trimmed; /* state after the last byte that is no blank */
	__u32 set; /* bytes that the token is made of */
	__u64 word;
};

/* What a walk has to keep besides the state; constant, so that each kind is its own code. */
enum walk_keeps {
	WALK_STATE = 0, /* field names */
	WALK_WORD = 1, /* methods: their last bytes */
	WALK_LATCHES = 2, /* paths */
	WALK_TRIMMED = 4, /* values: the state before trailing blanks */
};

static __always_inline long walk_turn(struct walk *k, const __u32 keeps)
{
	const struct heddle_window *w = k->window;
	__u32 pos = k->pos;
	__u32 state = k->state;
	__u32 end = w->end;
	long stop = 0;

#pragma unroll
	for (int i = 0; i < 8; i++) {
		__u8 b = window_byte(w, pos);

		if (pos >= end || !(byte_sets[b] & k->set)) {
			stop = 1;
			break;
		}
		pos++;
		if (keeps & WALK_WORD)
			k->word = k->word << 8 | b;
		if (state) {
			state = automaton_next(&k->automaton, state, b);
			if (keeps & WALK_LATCHES && state & HEDDLE_NEXT_LATCH) {
				state &= HEDDLE_NEXT_STATE;
				automaton_latch(&k->automaton, state, k->request->latches);
			}
		}
		if (keeps & WALK_TRIMMED && b > ' ')
			k->trimmed = state;
	}
	k->pos = pos;
	k->state = state;
	return stop;
}

static long walk_name(__u32 turn UNUSED, struct walk *k)
{
	return walk_turn(k, WALK_STATE);
}

static long walk_method(__u32 turn UNUSED, struct walk *k)
{
	return walk_turn(k, WALK_WORD);
}

static long walk_path(__u32 turn UNUSED, struct walk *k)
{
	return walk_turn(k, WALK_LATCHES);
}

static long walk_value(__u32 turn UNUSED, struct walk *k)
{
	return walk_turn(k, WALK_TRIMMED);
}

#define WALK_TURNS (HEDDLE_WINDOW / 8 + 1)

static __always_inline void walk_begin(struct walk *k, struct heddle_request *r, struct heddle_window *w,
				       __u32 set)
{
	k->window = w;
	k->request = r;
	k->pos = w->pos;
	k->state = r->state;
	k->trimmed = r->state_trimmed;
	k->set = set;
	k->word = r->word;
}

/* The cursor stands at the first byte that does not belong to the token. */
static __always_inline void walk_end(struct walk *k, struct heddle_request *r, struct heddle_window *w)
{
	r->text_bytes += k->pos - w->pos;
	r->state = k->state;
	r->state_trimmed = k->trimmed;
	r->word = k->word;
	w->pos = k->pos;
}

/* ---- request line ------------------------------------------------------- */

static __always_inline void request_begin(struct heddle_request *r)
{
	r->remaining = 0;
	r->head_bytes = 0;
	r->text_bytes = 0;
	r->word = 0;
	r->root = 0;
	r->flags = 0;
	r->state = policy_u32(TABLES(method.start));
	for (int i = 0; i < HEDDLE_LATCH_U64; i++)
		r->latches[i] = 0;
	for (int i = 0; i < HEDDLE_MAX_DIMS; i++)
		r->classes[i] = HEDDLE_CLASS_ABSENT;
	r->phase = HEDDLE_METHOD;
}

#define WORD4(a, b, c, d) ((__u64)(a) << 24 | (b) << 16 | (c) << 8 | (d))

SEPARATE int http1_method(struct heddle_request *r, struct heddle_window *w)
{
	struct walk k = {};
	__u32 class;

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	automaton_open(&k.automaton, TABLES(method));
	walk_begin(&k, r, w, BYTES_TOKEN);
	REPEAT(WALK_TURNS, walk_method, &k);
	walk_end(&k, r, w);
	if (r->text_bytes > HTTP1_MAX_METHOD) {
		w->pos -= r->text_bytes - HTTP1_MAX_METHOD; /* the byte that is too much */
		return HEDDLE_BAD_METHOD;
	}
	if (w->pos >= w->end)
		return 0;
	if (window_byte(w, w->pos) != ' ' || !r->text_bytes)
		return r->text_bytes == 0 && window_byte(w, w->pos) == 0x16 && !r->head_bytes ?
			       HEDDLE_TLS :
			       HEDDLE_BAD_METHOD;
	if (r->text_bytes == 3 && r->word == WORD4(0, 'P', 'R', 'I'))
		r->flags |= HEDDLE_REQUEST_PRI;
	if (r->text_bytes == 4 && r->word == WORD4('H', 'E', 'A', 'D'))
		r->flags |= HEDDLE_REQUEST_HEAD;
	if (r->text_bytes == 7) {
		if (r->word == (WORD4(0, 'C', 'O', 'N') << 32 | WORD4('N', 'E', 'C', 'T')))
			return HEDDLE_BAD_METHOD;
		if (r->word == (WORD4(0, 'O', 'P', 'T') << 32 | WORD4('I', 'O', 'N', 'S')))
			r->flags |= HEDDLE_REQUEST_OPTIONS;
	}
	w->pos++;
	class = automaton_final(&k.automaton, r->state, r->text_bytes);
	r->classes[HEDDLE_DIM_METHOD] = class ? class : HEDDLE_CLASS_OTHER;
	r->state = policy_u32(TABLES(path.start));
	r->text_bytes = 0;
	r->phase = HEDDLE_TARGET;
	return 0;
}

#define ASTERISK_METHODS (HEDDLE_REQUEST_OPTIONS | HEDDLE_REQUEST_PRI)

/* PRI is a method in HTTP/2's preface only: what isn't the preface has a bad method. */
static __always_inline int bad_target(const struct heddle_request *r)
{
	return r->flags & HEDDLE_REQUEST_PRI ? HEDDLE_BAD_METHOD : HEDDLE_BAD_TARGET;
}

SEPARATE int http1_target(struct heddle_request *r, struct heddle_window *w)
{
	struct walk k = {};

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	if (!r->text_bytes) {
		__u8 first = window_byte(w, w->pos);

		if (r->flags & HEDDLE_REQUEST_PRI && first != '*')
			return HEDDLE_BAD_METHOD;
		if (first != '/' && !(first == '*' && r->flags & ASTERISK_METHODS))
			return bad_target(r);
		if (first == '/')
			r->flags &= ~HEDDLE_REQUEST_OPTIONS;
	}
	automaton_open(&k.automaton, TABLES(path));
	walk_begin(&k, r, w, BYTES_TARGET);
	REPEAT(WALK_TURNS, walk_path, &k);
	walk_end(&k, r, w);
	/* A flag is left only where the target began with '*': then that is all of it. */
	if (r->flags & ASTERISK_METHODS && r->text_bytes > 1) {
		w->pos -= r->text_bytes - 1;
		return bad_target(r);
	}
	if (w->pos >= w->end)
		return 0;
	if (window_byte(w, w->pos) != ' ')
		return bad_target(r);
	w->pos++;
	r->root = automaton_final(&k.automaton, r->state, r->text_bytes);
	r->text_bytes = 0;
	r->phase = HEDDLE_VERSION;
	return 0;
}

#define HTTP1_VERSION_BYTES 10 /* "HTTP/1.1" CR LF */
/* "HTTP/1." as bytes 0..6 of a little-endian word; the eighth is the minor version. */
#define HTTP1_VERSION_WORD 0x002e312f50545448ULL
#define HTTP1_VERSION_MASK 0x00ffffffffffffffULL
#define HTTP2_VERSION_WORD 0x302e322f50545448ULL /* "HTTP/2.0" */

/* One byte of the version, for versions that arrive in pieces. */
static __always_inline int version_byte(struct heddle_request *r, __u8 b)
{
	__u32 at = r->text_bytes++;

	/* "PRI * HTTP/2.0" (RFC 9113 section 3.4); with any other version PRI is no method. */
	if (r->flags & HEDDLE_REQUEST_PRI) {
		if (b != (__u8)(HTTP2_VERSION_WORD >> 8 * (at & 7)))
			return HEDDLE_BAD_METHOD;
		return at == 7 ? HEDDLE_HTTP2 : 0;
	}
	if (at < 7)
		return b == (__u8)(HTTP1_VERSION_WORD >> 8 * at) ? 0 : HEDDLE_BAD_VERSION;
	if (at == 7) {
		if (b == '0')
			r->flags |= HEDDLE_REQUEST_HTTP10;
		return b == '1' || b == '0' ? 0 : HEDDLE_BAD_VERSION;
	}
	if (at == 8)
		return b == '\r' ? 0 : HEDDLE_BAD_LINE_END;
	r->phase = HEDDLE_LINE;
	return b == '\n' ? 0 : HEDDLE_BAD_LINE_END;
}

SEPARATE int http1_version(struct heddle_request *r, struct heddle_window *w)
{
	__u64 word;
	int reason;

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	word = window_u64(w, w->pos);
	if (!r->text_bytes && w->end - w->pos >= HTTP1_VERSION_BYTES && !(r->flags & HEDDLE_REQUEST_PRI) &&
	    (word & HTTP1_VERSION_MASK) == HTTP1_VERSION_WORD && word >> 56 == '1' &&
	    window_byte(w, w->pos + 8) == '\r' && window_byte(w, w->pos + 9) == '\n') {
		w->pos += HTTP1_VERSION_BYTES;
		r->phase = HEDDLE_LINE;
		return 0;
	}
	reason = version_byte(r, window_byte(w, w->pos));
	if (!reason)
		w->pos++;
	return reason;
}

/* ---- field lines -------------------------------------------------------- */

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
	}
	return 0;
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
	r->dim = (final >> 8) & (HEDDLE_MAX_DIMS - 1);
	if (r->flags & HEDDLE_REQUEST_TRAILER)
		r->dim = 0;
	if (r->dim) {
		/* struct heddle_dfa is 6 words; its first is the start state. */
		r->state = policy_u32(policy_u32(TABLES(values_at)) + 6 * r->dim);
		r->state_trimmed = r->state;
	}
	r->text_bytes = 0;
	r->word = 0;
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

struct skip {
	struct heddle_window *window;
	__u32 pos;
	__u32 pad;
};

/* 32 bytes a turn; stops at the first control character, HTAB included. */
static long skip_text(__u32 turn UNUSED, struct skip *s)
{
	__u32 pos = s->pos;

#pragma unroll
	for (int i = 0; i < 4; i++) {
		__u64 marks = controls_in(window_u64(s->window, pos));

		if (marks || pos >= s->window->end) {
			s->pos = marks ? pos + first_marked(marks) : pos;
			return 1;
		}
		pos += 8;
	}
	s->pos = pos;
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
	REPEAT(HEDDLE_WINDOW / 32 + 1, skip_text, &s);
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

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	automaton_open(&k.automaton, policy_u32(TABLES(values_at)) + 6 * (r->dim & (HEDDLE_MAX_DIMS - 1)));
	walk_begin(&k, r, w, BYTES_VALUE);
	REPEAT(WALK_TURNS, walk_value, &k);
	walk_end(&k, r, w);
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

/* Values that decide framing are read byte by byte; rules may name them too. */
SEPARATE int http1_value_framing(struct heddle_request *r, struct heddle_window *w)
{
	struct automaton a;
	int reason = 0;

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	automaton_open(&a, policy_u32(TABLES(values_at)) + 6 * (r->dim & (HEDDLE_MAX_DIMS - 1)));
	for (int i = 0; i < 24; i++) {
		__u8 b = window_byte(w, w->pos);

		if (w->pos >= w->end || !(byte_sets[b] & BYTES_VALUE))
			return 0;
		if (r->dim && r->state)
			r->state = automaton_next(&a, r->state, b) & HEDDLE_NEXT_STATE;
		if (b > ' ')
			r->state_trimmed = r->state;
		if (r->field == HEDDLE_FIELD_CONTENT_LENGTH)
			reason = length_byte(r, b);
		else if (r->field == HEDDLE_FIELD_TRANSFER_ENCODING)
			reason = coding_byte(r, b);
		else
			reason = upgrade_byte(r, b);
		if (reason)
			return reason;
		w->pos++;
	}
	return 0;
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
		class = r->state_trimmed ? policy_u32(policy_u32(at + 3) + 2 * r->state_trimmed + 1) : 0;
	/* A second occurrence has no value that a rule could mean (exactly once). */
	r->classes[dim] = r->classes[dim] || !class ? HEDDLE_CLASS_OTHER : class;
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

/*
 * The common case in one go: a whole field line in the window, no field that
 * decides framing. Anything else leaves request and cursor as they were, for
 * the careful steps below. Returns 1 when the line was taken.
 */
SEPARATE int http1_whole_line(struct heddle_request *r, struct heddle_window *w)
{
	struct walk k = {};
	struct skip s = {};
	__u32 final, field, dim, class = 0;

	if (!r || !w)
		return 0;
	automaton_open(&k.automaton, TABLES(names));
	walk_begin(&k, r, w, BYTES_TOKEN);
	k.state = k.automaton.start;
	REPEAT(WALK_TURNS, walk_name, &k);
	if (k.pos + 4 >= w->end || k.pos == w->pos || window_byte(w, k.pos) != ':')
		return 0;
	final = automaton_final(&k.automaton, k.state, 1);
	field = final & 0xff;
	if (field && field != HEDDLE_FIELD_CONNECTION && field != HEDDLE_FIELD_HOST)
		return 0;
	if (field == HEDDLE_FIELD_HOST && r->flags & HEDDLE_REQUEST_HOST)
		return 0;
	k.pos++;
	k.pos += window_byte(w, k.pos) == ' ';
	if (window_byte(w, k.pos) <= ' ')
		return 0; /* more blanks, or no value */
	dim = (final >> 8) & (HEDDLE_MAX_DIMS - 1);
	if (dim) {
		automaton_open(&k.automaton, policy_u32(TABLES(values_at)) + 6 * dim);
		k.state = k.automaton.start;
		k.set = BYTES_VALUE;
		REPEAT(WALK_TURNS, walk_value, &k);
		class = automaton_final(&k.automaton, k.trimmed, 1);
	} else {
		s.window = w;
		s.pos = k.pos;
		REPEAT(HEDDLE_WINDOW / 32 + 1, skip_text, &s);
		k.pos = s.pos;
	}
	if (k.pos + 2 > w->end || window_byte(w, k.pos) != '\r' || window_byte(w, k.pos + 1) != '\n')
		return 0;
	if (dim)
		r->classes[dim] = r->classes[dim] || !class ? HEDDLE_CLASS_OTHER : class;
	if (field == HEDDLE_FIELD_HOST)
		r->flags |= HEDDLE_REQUEST_HOST;
	w->pos = k.pos + 2;
	return 1;
}

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
		return r->phase == HEDDLE_CHUNK_LF || r->phase == HEDDLE_CHUNK_END_LF ? HEDDLE_BAD_CHUNK :
											 HEDDLE_BAD_LINE_END;
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

/* ---- chunks (RFC 9112 section 7.1) --------------------------------------- */

SEPARATE int http1_chunk_size(struct heddle_request *r, struct heddle_window *w)
{
	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	for (int i = 0; i <= HTTP1_MAX_DIGITS; i++) {
		__u8 b = window_byte(w, w->pos);
		__u8 letter = lower(b);

		if (w->pos >= w->end)
			return 0;
		if (r->text_bytes && (b == '\r' || b == ';')) {
			r->phase = b == ';' ? HEDDLE_CHUNK_EXT : HEDDLE_CHUNK_LF;
			r->text_bytes = 0;
			r->state = 0;
			w->pos++;
			return 0;
		}
		if (r->text_bytes >= HTTP1_MAX_DIGITS)
			return HEDDLE_BAD_CHUNK;
		if (b >= '0' && b <= '9')
			r->remaining = r->remaining << 4 | (b - '0');
		else if (letter >= 'a' && letter <= 'f')
			r->remaining = r->remaining << 4 | (letter - 'a' + 10);
		else
			return HEDDLE_BAD_CHUNK;
		r->text_bytes++;
		w->pos++;
	}
	return 0;
}

/* chunk-ext = *( ";" token [ "=" ( token / quoted-string ) ] ), no blanks, no escapes. */
enum chunk_ext_state { EXT_NAME_FIRST, EXT_NAME, EXT_VALUE_FIRST, EXT_VALUE, EXT_QUOTED, EXT_AFTER };

static __always_inline int chunk_ext_byte(struct heddle_request *r, __u8 b)
{
	__u32 at = r->state;
	__u32 token = byte_sets[b] & BYTES_TOKEN;

	if (at == EXT_QUOTED) {
		if (b == '"')
			r->state = EXT_AFTER;
		else if (b == '\\' || !(byte_sets[b] & BYTES_VALUE))
			return HEDDLE_BAD_CHUNK;
		return 0;
	}
	if (token && at != EXT_AFTER) {
		if (at == EXT_NAME_FIRST)
			r->state = EXT_NAME;
		else if (at == EXT_VALUE_FIRST)
			r->state = EXT_VALUE;
		return 0;
	}
	if (b == '"' && at == EXT_VALUE_FIRST)
		r->state = EXT_QUOTED;
	else if (b == '=' && at == EXT_NAME)
		r->state = EXT_VALUE_FIRST;
	else if (b == ';' && (at == EXT_NAME || at == EXT_VALUE || at == EXT_AFTER))
		r->state = EXT_NAME_FIRST;
	else
		return HEDDLE_BAD_CHUNK;
	return 0;
}

SEPARATE int http1_chunk_ext(struct heddle_request *r, struct heddle_window *w)
{
	int reason;

	if (!r || !w)
		return HEDDLE_NO_WINDOW;
	for (int i = 0; i < 16; i++) {
		__u8 b = window_byte(w, w->pos);

		if (w->pos >= w->end)
			return 0;
		if (b == '\r') {
			if (r->state != EXT_NAME && r->state != EXT_VALUE && r->state != EXT_AFTER)
				return HEDDLE_BAD_CHUNK;
			r->phase = HEDDLE_CHUNK_LF;
			w->pos++;
			return 0;
		}
		if (++r->text_bytes > HEDDLE_MAX_CHUNK_EXT)
			return HEDDLE_BAD_CHUNK;
		reason = chunk_ext_byte(r, b);
		if (reason)
			return reason;
		w->pos++;
	}
	return 0;
}

/* ---- one step, all steps ------------------------------------------------- */

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
		if (!(r->flags & HEDDLE_REQUEST_TRAILER) && http1_whole_line(r, w))
			return 0;
		return http1_line(r, w);
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
