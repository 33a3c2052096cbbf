/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* request-line.h - method, target and version (RFC 9112 section 3), each walked as it is read. */
#ifndef HEDDLE_HTTP1_REQUEST_LINE_H
#define HEDDLE_HTTP1_REQUEST_LINE_H

#include "keys.h"

/* Paths are walked by the automaton at `root`: that of inbound rules, or a route set's if the caller says so. */
static __always_inline void request_begin(struct heddle_request *r)
{
	r->remaining = 0;
	r->head_bytes = 0;
	r->text_bytes = 0;
	r->word = 0;
	r->root = TABLES(path);
	r->flags = 0;
	r->field = 0;
	r->state = policy_u32(TABLES(method.start));
	for (int i = 0; i < HEDDLE_LATCH_U64; i++)
		r->latches[i] = 0;
	for (int i = 0; i < HEDDLE_MAX_DIMS; i++)
		r->classes[i] = HEDDLE_CLASS_ABSENT;
	r->phase = HEDDLE_METHOD;
}

/*
 * What a connection begins with that is no method. Another protocol is told only
 * from what no server takes for a request, however lenient: a first byte that is
 * binary and no blank to anyone (Python's split() knows 0x1c-0x1f, 0x85 and 0xa0 as
 * blanks), or a line of one word. `SMTP` and the like could be HTTP/0.9.
 */
static __always_inline int not_a_method(__u8 b, __u32 before)
{
	if (before)
		return b == '\r' || b == '\n' ? HEDDLE_OTHER_PROTOCOL : HEDDLE_BAD_METHOD;
	if (b == 0x16)
		return HEDDLE_TLS;
	if (b < 9 || (b > 13 && b < 0x1c) || (b > 0x7e && b != 0x85 && b != 0xa0))
		return HEDDLE_OTHER_PROTOCOL;
	return HEDDLE_BAD_METHOD;
}

/* Reasons that are none of HTTP/1's: only the beginning of a connection can have them. */
static __always_inline int is_foreign(__u32 reason)
{
	return reason == HEDDLE_TLS || reason == HEDDLE_HTTP2 || reason == HEDDLE_OTHER_PROTOCOL;
}

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
		return not_a_method(window_byte(w, w->pos), r->text_bytes);
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
	r->state = policy_u32(r->root); /* of a struct heddle_dfa, the start */
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
	__u32 from;

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
	automaton_open(&k.automaton, r->root);
	from = w->pos;
	walk_begin(&k, r, w, BYTES_TARGET);
	REPEAT(WALK_TURNS, walk_path, &k);
	walk_end(&k, r, w);
	if (policy_u32(TABLES(keys)) & HEDDLE_KEY_PATH)
		http1_key_path(r, w, from);
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
	if (!r->text_bytes && w->end - w->pos >= HTTP1_VERSION_BYTES &&
	    !(r->flags & HEDDLE_REQUEST_PRI) && (word & HTTP1_VERSION_MASK) == HTTP1_VERSION_WORD &&
	    word >> 56 == '1' && window_byte(w, w->pos + 8) == '\r' &&
	    window_byte(w, w->pos + 9) == '\n') {
		w->pos += HTTP1_VERSION_BYTES;
		r->phase = HEDDLE_LINE;
		return 0;
	}
	reason = version_byte(r, window_byte(w, w->pos));
	if (!reason)
		w->pos++;
	return reason;
}

#endif /* HEDDLE_HTTP1_REQUEST_LINE_H */
