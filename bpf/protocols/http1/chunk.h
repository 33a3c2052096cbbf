/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* chunk.h - chunk sizes and extensions (RFC 9112 section 7.1). */
#ifndef HEDDLE_HTTP1_CHUNK_H
#define HEDDLE_HTTP1_CHUNK_H

#include "walk.h"

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
enum chunk_ext_state {
	EXT_NAME_FIRST,
	EXT_NAME,
	EXT_VALUE_FIRST,
	EXT_VALUE,
	EXT_QUOTED,
	EXT_AFTER
};

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

#endif /* HEDDLE_HTTP1_CHUNK_H */
