/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * draft-response.h - a server's response head, changed. Nobody has parsed it: lines may end in
 * LF alone, and one that begins with a blank goes with the line before it (RFC 9112 2.2, 5.2).
 * Interim heads in front of it stay as they are.
 */
#ifndef HEDDLE_HTTP1_DRAFT_RESPONSE_H
#define HEDDLE_HTTP1_DRAFT_RESPONSE_H

#include "draft.h"
#include "feed.h"

enum drafted {
	DRAFTED_MORE = 0,    /* the head is not whole */
	DRAFTED_HEAD = 1,    /* the draft takes the place of all up to the cursor */
	DRAFTED_INTERIM = 2, /* there are but interim heads, all whole */
	DRAFTED_NONE = 3,    /* no response begins like this */
};

struct response_draft {
	struct heddle_window *to;
	struct heddle_window *from;
	__u32 edit;
	__u32 pos;  /* the line that is looked at next */
	__u32 at;   /* copied up to here */
	__u8 lines; /* of this head, so far: 0, 1, 2 = more */
	__u8 interim;
	__u8 drops; /* the line before is left out */
	__u8 drafted;
};

static __always_inline int is_interim(const struct heddle_window *w, __u32 begin)
{
	return window_byte(w, begin + 9) == '1' &&
	       !(window_byte(w, begin + 10) == '0' && window_byte(w, begin + 11) == '1');
}

static __always_inline int drops_line(struct response_draft *d, __u32 begin)
{
	__u64 name = http1_line_name(d->from, begin);

	return window_byte(d->from, name >> 32) == ':' && leaves_out(d->edit, (__u32)name >> 16);
}

/* The empty line, which ends at d->pos. Returns 1 where there is no more to do. */
static __always_inline int response_ends(struct response_draft *d, __u32 begin)
{
	if (d->interim) {
		d->lines = 0;
		d->drafted = d->pos >= d->from->len ? DRAFTED_INTERIM : DRAFTED_MORE;
		return d->drafted != DRAFTED_MORE;
	}
	draft_slice(d->to, d->from, d->at, begin);
	draft_text(d->to, EDIT_TEXT(d->edit, lines));
	draft_slice(d->to, d->from, begin, d->pos);
	d->from->pos = d->pos;
	d->drafted = DRAFTED_HEAD;
	return 1;
}

static long response_line(__u32 turn UNUSED, struct response_draft *d)
{
	struct heddle_window *w = d->from;
	__u32 begin = d->pos, end = line_feed(w, begin);
	__u8 first = window_byte(w, begin);

	if (!end)
		return 1;
	d->pos = end;
	if (first == '\n' || (first == '\r' && window_byte(w, begin + 1) == '\n')) {
		if (d->lines)
			return response_ends(d, begin);
		d->drafted = DRAFTED_NONE;
		return 1;
	}
	if (!d->lines) {
		d->interim = is_interim(w, begin);
		d->lines = 1;
		return 0;
	}
	if (d->interim)
		return 0;
	if (d->lines == 1 || !is_blank(first))
		d->drops = drops_line(d, begin);
	d->lines = 2;
	if (d->drops) {
		draft_slice(d->to, w, d->at, begin);
		d->at = end;
	}
	return 0;
}

/* The response that begins `from`, changed by the edit at this word: enum drafted. */
SEPARATE int draft_response(struct heddle_window *to, struct heddle_window *from, __u32 edit)
{
	struct response_draft d = {};

	if (!to || !from)
		return DRAFTED_NONE;
	d.to = to;
	d.from = from;
	d.edit = edit;
	to->len = 0;
	from->end = from->len;
	REPEAT(HEDDLE_WINDOW, response_line, &d);
	return d.drafted;
}

#endif /* HEDDLE_HTTP1_DRAFT_RESPONSE_H */
