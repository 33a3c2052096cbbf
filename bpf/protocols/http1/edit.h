/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * edit.h - where an edit of a route (struct heddle_route_edit) touches a head. The head begins
 * the window and ends at its cursor; it was parsed, so that its lines are canonical. What has to
 * give way is told piece by piece, in order:
 *
 *	struct http1_edits e = {};
 *	http1_edit_target(&e, w, edit);	      then, as long as it says 1,
 *	http1_edit_line(&e, w, edit);
 *
 * and at w->pos - 2, before the empty line, `lines` of the edit are put in.
 */
#ifndef HEDDLE_HTTP1_EDIT_H
#define HEDDLE_HTTP1_EDIT_H

#include "../../lib/route.h"
#include "target.h"

/* `bytes` at `at` give way to the text whose struct heddle_text is at word `text`; 0 = to nothing. */
struct http1_edits {
	__u32 pos; /* the line that is looked at next */
	__u32 at;
	__u32 bytes;
	__u32 text;
};

#define EDIT_TEXT(edit, member) ((edit) + __builtin_offsetof(struct heddle_route_edit, member) / 4)

/* Of a struct heddle_text at word `text`: how long it is, and its bytes, eight at a time. */
static __always_inline __u32 text_length(__u32 text)
{
	return TABLE_WORD(text, heddle_text, bytes);
}

static __always_inline __u64 text_u64(__u32 text, __u32 index)
{
	return policy_u64(TABLE_WORD(text, heddle_text, at) + 2 * index);
}

/*
 * What of the path gives way, for an edit's or a redirect's `cut`: offset and << 32 length. A target
 * that is no path ("*") has nothing that could: length 0 at offset 0.
 */
SEPARATE __u64 http1_cut(struct heddle_window *w, __u32 cut)
{
	__u64 path = http1_path(w);
	__u32 at = path, bytes = cut & HEDDLE_ROUTE_CUT_BYTES;

	if (!w || window_byte(w, at) != '/')
		return 0;
	if (cut & HEDDLE_ROUTE_CUT_PATH)
		bytes = (path >> 32) - at;
	else if (cut & HEDDLE_ROUTE_CUT_SLASH)
		bytes += window_byte(w, at + bytes) == '/';
	return at | (__u64)bytes << 32;
}

/* First: 1 when the target changes. */
SEPARATE int http1_edit_target(struct http1_edits *e, struct heddle_window *w, __u32 edit)
{
	__u32 cut = TABLE_WORD(edit, heddle_route_edit, cut);
	__u64 gives;

	if (!e || !w)
		return 0;
	e->pos = seek(w, 0, '\r') + 1;
	e->pos = seek(w, e->pos, '\r') + 1; /* behind the target */
	e->pos = seek(w, e->pos, '\r') + 2; /* behind the version and its CRLF */
	gives = http1_cut(w, cut);
	e->at = gives;
	e->bytes = gives >> 32;
	e->text = EDIT_TEXT(edit, target);
	return e->at && !(cut & HEDDLE_ROUTE_CUT_NONE);
}

struct edit_line {
	struct heddle_window *window;
	struct http1_edits *edits;
	__u32 edit;
	__u32 end; /* of the line: its CR */
};

static long seek_end(__u32 turn UNUSED, struct edit_line *l)
{
	__u64 eight = window_u64(l->window, l->end);
	__u32 text = first_marked(controls_in(eight));

	l->end += text;
	if (text == 8)
		return l->end >= l->window->pos;
	if (window_byte(l->window, l->end) == '\r' || l->end >= l->window->pos)
		return 1;
	l->end++; /* HTAB */
	return 0;
}

struct named {
	__u32 number;
	__u32 numbers_at;
	__u32 left;
	__u32 found;
};

static long is_number(__u32 turn, struct named *n)
{
	if (turn >= n->left)
		return 1;
	n->found = policy_u32(n->numbers_at + turn) == n->number;
	return n->found;
}

/* Does the edit leave out lines of a name with this number? */
static __always_inline __u32 leaves_out(__u32 edit, __u32 number)
{
	struct named n = { .number = number,
			   .numbers_at = TABLE_WORD(edit, heddle_route_edit, names_at),
			   .left = TABLE_WORD(edit, heddle_route_edit, names) };

	if (number)
		REPEAT(HEDDLE_ROUTE_MAX_NAMES, is_number, &n);
	return n.found;
}

/* What the tables know of the name of the line at `pos`, and << 32 where its colon is. */
SEPARATE __u64 http1_line_name(struct heddle_window *w, __u32 pos)
{
	struct walk k = { .window = w, .pos = pos, .set = BYTES_TOKEN };

	if (!w)
		return 0;
	automaton_open(&k.automaton, TABLES(names));
	k.state = k.automaton.start;
	REPEAT(WALK_TURNS, walk_name, &k);
	return automaton_final(&k.automaton, k.state, k.pos - pos) | (__u64)k.pos << 32;
}

static long trim_front(__u32 turn UNUSED, struct edit_line *l)
{
	struct http1_edits *e = l->edits;

	if (!e->bytes || !is_blank(window_byte(l->window, e->at)))
		return 1;
	e->at++;
	e->bytes--;
	return 0;
}

static long trim_back(__u32 turn UNUSED, struct edit_line *l)
{
	struct http1_edits *e = l->edits;

	if (!e->bytes || !is_blank(window_byte(l->window, e->at + e->bytes - 1)))
		return 1;
	e->bytes--;
	return 0;
}

/* One line: 1 = there is something to do in it, or there are no more. */
static long edit_turn(__u32 turn UNUSED, struct edit_line *l)
{
	struct http1_edits *e = l->edits;
	__u64 name;
	__u32 begin = e->pos;

	if (begin + 2 >= l->window->pos)
		return 1;
	l->end = begin;
	REPEAT(HEDDLE_WINDOW / 4, seek_end, l);
	e->pos = l->end + 2;
	name = http1_line_name(l->window, begin);
	if (leaves_out(l->edit, (__u32)name >> 16)) {
		e->at = begin;
		e->bytes = e->pos - begin;
		e->text = 0;
		return 1;
	}
	if ((name & 0xff) != HEDDLE_FIELD_HOST || !text_length(EDIT_TEXT(l->edit, host)))
		return 0;
	e->at = (name >> 32) + 1;
	e->bytes = l->end - e->at;
	e->text = EDIT_TEXT(l->edit, host);
	REPEAT(HEDDLE_WINDOW, trim_front, l);
	REPEAT(HEDDLE_WINDOW, trim_back, l);
	return 1;
}

/* 1 = the next piece that gives way, 0 = there is none left. */
SEPARATE int http1_edit_line(struct http1_edits *e, struct heddle_window *w, __u32 edit)
{
	struct edit_line l = {};

	if (!e || !w)
		return 0;
	l.window = w;
	l.edits = e;
	l.edit = edit;
	e->at = 0;
	REPEAT(HEDDLE_WINDOW / 4, edit_turn, &l);
	return e->at != 0;
}

#endif /* HEDDLE_HTTP1_EDIT_H */
