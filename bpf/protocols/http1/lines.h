/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * lines.h - the common case in one go: field lines that are whole in the window,
 * have a common name and decide no framing. Any other line is left as it was, for
 * the careful steps of field.h.
 */
#ifndef HEDDLE_HTTP1_LINES_H
#define HEDDLE_HTTP1_LINES_H

#include "walk.h"

/* Longer names are left to the careful steps. */
#define COMMON_NAME 32

struct lines {
	struct heddle_request *request;
	struct heddle_window *window;
	struct automaton names;
	__u32 pos;
	__u32 pad;
};

/* Bytes of the common name at `at`; COMMON_NAME where it does not end before. */
static __always_inline __u32 name_bytes(const __u8 *at)
{
	__u32 n = first_marked(uncommon_in(load_u64(at)));

	if (n < 8)
		return n;
	n = first_marked(uncommon_in(load_u64(at + 8)));
	if (n < 8)
		return 8 + n;
	n = first_marked(uncommon_in(load_u64(at + 16)));
	return n < 8 ? 16 + n : 24 + first_marked(uncommon_in(load_u64(at + 24)));
}

/* What the rules and the grammar know of a name: enum heddle_field | dimension << 8. */
static __always_inline __u32 name_known(const struct automaton *names, const __u8 *at, __u32 bytes)
{
	__u32 state = names->start;

	for (__u32 i = 0; i < COMMON_NAME; i++) {
		if (i >= bytes || !state)
			break;
		state = automaton_next(names, state, at[i]);
	}
	return automaton_final(names, state, 1);
}

struct known_value {
	struct heddle_window *window;
	struct automaton automaton;
	__u32 pos;
	__u32 end;
	__u32 state;
	__u32 pad;
};

static long walk_known(__u32 turn UNUSED, struct known_value *k)
{
	const __u8 *at = window_at(k->window, k->pos);
	__u32 left = k->end - k->pos;
	__u32 state = k->state;

	for (__u32 i = 0; i < 8; i++) {
		if (i >= left || !state)
			break;
		state = automaton_next(&k->automaton, state, at[i]);
	}
	k->pos += 8;
	k->state = state;
	return !state || k->pos >= k->end;
}

/* The class of a value that ends with no blank. */
SEPARATE __u32 http1_class(struct heddle_window *w, __u32 dim, __u32 pos, __u32 end)
{
	struct known_value k = {};

	if (!w || pos >= end)
		return 0;
	automaton_open(&k.automaton,
		       policy_u32(TABLES(values_at)) + 6 * (dim & (HEDDLE_MAX_DIMS - 1)));
	k.window = w;
	k.pos = pos;
	k.end = end;
	k.state = k.automaton.start;
	REPEAT(WALK_TURNS, walk_known, &k);
	return automaton_final(&k.automaton, k.state, 1);
}

static long whole_line(__u32 turn UNUSED, struct lines *l)
{
	struct heddle_window *w = l->window;
	struct heddle_request *r = l->request;
	struct skip s = { .window = w };
	const __u8 *at = window_at(w, l->pos);
	__u32 bytes = name_bytes(at);
	__u32 known, field, dim, class, begin = l->pos + bytes + 1;

	if (!bytes || begin + 3 >= w->end || window_byte(w, begin - 1) != ':')
		return 1;
	known = name_known(&l->names, at, bytes);
	field = known & 0xff;
	if (field && field != HEDDLE_FIELD_CONNECTION &&
	    (field != HEDDLE_FIELD_HOST || r->flags & HEDDLE_REQUEST_HOST))
		return 1;
	begin += window_byte(w, begin) == ' ';
	if (window_byte(w, begin) <= ' ')
		return 1; /* more blanks, or no value */
	s.pos = begin;
	REPEAT(SKIP_TURNS, skip_text, &s);
	if (s.pos + 2 > w->end || window_byte(w, s.pos) != '\r' ||
	    window_byte(w, s.pos + 1) != '\n')
		return 1;
	dim = (known >> 8) & (HEDDLE_MAX_DIMS - 1);
	if (dim) {
		if ((known >> 14) & (HEDDLE_MAX_KEYS - 1) || r->classes[dim] ||
		    window_byte(w, s.pos - 1) == ' ')
			return 1;
		class = http1_class(w, dim, begin, s.pos);
		r->classes[dim] = class ? class : HEDDLE_CLASS_OTHER;
	}
	if (field == HEDDLE_FIELD_HOST)
		r->flags |= HEDDLE_REQUEST_HOST;
	l->pos = s.pos + 2;
	return 0;
}

/* A line has 4 bytes at the least, CRLF included. */
#define LINES_TURNS (HEDDLE_WINDOW / 4)

/* Takes all common lines from the cursor on. */
SEPARATE int http1_whole_lines(struct heddle_request *r, struct heddle_window *w)
{
	struct lines l = {};

	if (!r || !w)
		return 0;
	automaton_open(&l.names, TABLES(names));
	l.request = r;
	l.window = w;
	l.pos = w->pos;
	REPEAT(LINES_TURNS, whole_line, &l);
	w->pos = l.pos;
	return 0;
}

#endif /* HEDDLE_HTTP1_LINES_H */
