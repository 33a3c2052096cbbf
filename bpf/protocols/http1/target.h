/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * target.h - where the target stands in a head that was parsed before: it begins the window,
 * and has a method, one blank, a target, one blank (request-line.h).
 */
#ifndef HEDDLE_HTTP1_TARGET_H
#define HEDDLE_HTTP1_TARGET_H

#include "walk.h"

struct seek {
	struct heddle_window *window;
	__u32 begin;
	__u32 found;
	__u32 mark; /* a byte to stop at besides blanks and controls */
	__u32 pad;
};

/* Bytes of a turn. */
#define SEEK_BYTES 8

/* Places are told by the turn: a number that the verifier does not follow from one to the next. */
static long seek_mark(__u32 turn, struct seek *s)
{
	__u32 pos = s->begin + turn * SEEK_BYTES;
	const __u8 *at = window_at(s->window, pos);

#pragma unroll
	for (int i = 0; i < SEEK_BYTES; i++) {
		__u8 b = at[i];

		if (b <= ' ' || b == s->mark) {
			s->found = pos + i;
			return 1;
		}
	}
	return pos >= s->window->pos;
}

/* The first blank, control or `mark` from `pos` on; the cursor, where there is none before it. */
static __always_inline __u32 seek(struct heddle_window *w, __u32 pos, __u8 mark)
{
	struct seek s = { .window = w, .begin = pos, .found = w->pos, .mark = mark };

	REPEAT(HEDDLE_WINDOW / SEEK_BYTES, seek_mark, &s);
	return min_u32(s.found, w->pos);
}

/* Offset of the blank behind a target of which `pos` is a byte. */
SEPARATE __u32 target_end(struct heddle_window *w, __u32 pos)
{
	return w ? seek(w, pos, ' ') : 0;
}

/* Offsets of the first byte of the path, and << 32 of the one behind it. */
SEPARATE __u64 http1_path(struct heddle_window *w)
{
	__u32 at;

	if (!w)
		return 0;
	at = seek(w, 0, ' ') + 1;
	return at | (__u64)seek(w, at, '?') << 32;
}

#endif /* HEDDLE_HTTP1_TARGET_H */
