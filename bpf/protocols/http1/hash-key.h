/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * hash-key.h - the value of a head that decides where a request goes, as a number: of the first
 * field, cookie or query parameter of a name, as it was sent (pipelines/services/balance-key.ts).
 */
#ifndef HEDDLE_HTTP1_HASH_KEY_H
#define HEDDLE_HTTP1_HASH_KEY_H

#include "feed.h"
#include "target.h"

#define FNV_BASIS 0x811c9dc5U
#define FNV_PRIME 0x01000193U
/* More than any name has: this one is another. */
#define NO_NAME 255
#define NAME_COOKIE WORD8('c', 'o', 'o', 'k', 'i', 'e', 0, 0)

struct hash_scan {
	struct heddle_window *window;
	struct heddle_balance *how;
	__u32 pos;
	__u32 end;
	__u32 bytes; /* that the name has */
	__u32 begin; /* of the value, once it is found */
	__u32 stop;
	__u32 hash;
	__u8 found;
	__u8 parts;  /* a name begins behind it */
	__u8 names;  /* a name ends with it */
	__u8 closes; /* a value ends before it */
	__u8 cookie; /* the name is Cookie's, not the one that is configured */
};

static __always_inline __u8 wanted_byte(const struct hash_scan *s)
{
	if (s->cookie)
		return (__u8)(NAME_COOKIE >> 8 * (s->window->matched & 7));
	return s->how->name[s->window->matched & (sizeof(s->how->name) - 1)];
}

static __always_inline void scan_found(struct hash_scan *s)
{
	s->found = 1;
	s->begin = s->stop = s->pos;
}

/* Without the blanks around it. */
static __always_inline int scan_value(struct hash_scan *s, __u8 b)
{
	if (b == s->closes)
		return 1;
	if (!is_blank(b))
		s->stop = s->pos;
	else if (s->stop == s->begin)
		s->begin = s->stop = s->pos;
	return 0;
}

static long scan_byte(__u32 turn UNUSED, struct hash_scan *s)
{
	__u8 b = window_byte(s->window, s->pos);
	int whole = s->window->matched == s->bytes;

	if (s->pos >= s->end)
		return 1;
	s->pos++;
	if (s->found)
		return scan_value(s, b);
	if (b == s->names && whole) {
		scan_found(s);
		return 0;
	}
	if (b == s->parts) {
		if (whole && s->names == '=')
			scan_found(s);
		s->window->matched = 0;
		return s->found;
	}
	if (is_blank(b) && !s->window->matched && s->parts == ';')
		return 0;
	if (s->names == ':')
		b = lower(b);
	s->window->matched = s->window->matched < s->bytes && b == wanted_byte(s)
				     ? s->window->matched + 1
				     : NO_NAME;
	return 0;
}

static __always_inline void scan_pairs(struct hash_scan *s, __u8 parts)
{
	s->window->matched = 0;
	s->bytes = s->how->name_bytes;
	s->found = 0;
	s->cookie = 0;
	s->names = '=';
	s->parts = s->closes = parts;
	REPEAT(HEDDLE_WINDOW, scan_byte, s);
	if (!s->found && s->window->matched == s->bytes)
		scan_found(s);
}

static __always_inline void scan_fields(struct hash_scan *s, __u32 bytes)
{
	s->bytes = bytes;
	s->names = ':';
	s->parts = '\n';
	s->closes = '\r';
	s->window->matched = NO_NAME; /* the first line is no field */
	s->pos = http1_path(s->window) >> 32;
	REPEAT(HEDDLE_WINDOW, scan_byte, s);
}

static long hash_byte(__u32 turn UNUSED, struct hash_scan *s)
{
	if (s->begin >= s->stop)
		return 1;
	s->hash = (s->hash ^ window_byte(s->window, s->begin)) * FNV_PRIME;
	s->begin++;
	return 0;
}

/* Of the head that begins the window and ends at its cursor, not finalized; `none` where it has no such value. */
SEPARATE __u32 request_hash(struct heddle_window *w, struct heddle_balance *how, __u32 none)
{
	struct hash_scan s = { .window = w, .how = how, .hash = FNV_BASIS };
	__u64 path;

	if (!w || !how)
		return none;
	s.end = w->pos;
	if (how->hash == HEDDLE_HASH_QUERY) {
		path = http1_path(w);
		s.pos = (path >> 32) + 1;
		s.end = target_end(w, s.pos);
		if (window_byte(w, path >> 32) == '?')
			scan_pairs(&s, '&');
	} else {
		s.cookie = how->hash == HEDDLE_HASH_COOKIE;
		scan_fields(&s, s.cookie ? 6 : how->name_bytes);
	}
	if (s.cookie && s.found) {
		s.pos = s.begin;
		s.end = s.stop;
		scan_pairs(&s, ';');
	}
	if (!s.found)
		return none;
	REPEAT(HEDDLE_WINDOW, hash_byte, &s);
	return s.hash;
}

#endif /* HEDDLE_HTTP1_HASH_KEY_H */
