/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* feed.h - where a line ends, whatever it says. */
#ifndef HEDDLE_HTTP1_FEED_H
#define HEDDLE_HTTP1_FEED_H

#include "walk.h"

struct feed {
	struct heddle_window *window;
	__u32 pos;
	__u32 found;
};

static long feed_turn(__u32 turn UNUSED, struct feed *f)
{
	__u32 text = text_bytes(window_at(f->window, f->pos));

	f->pos += text;
	if (f->pos >= f->window->len)
		return 1;
	if (text == 32)
		return 0;
	f->found = window_byte(f->window, f->pos) == '\n';
	f->pos++;
	return f->found;
}

/* Offset behind the next LF; 0 = there is none. */
SEPARATE __u32 line_feed(struct heddle_window *w, __u32 pos)
{
	struct feed f = {};

	if (!w)
		return 0;
	f.window = w;
	f.pos = pos;
	REPEAT(HEDDLE_WINDOW, feed_turn, &f);
	return f.found ? f.pos : 0;
}

#endif /* HEDDLE_HTTP1_FEED_H */
