/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * local-reply.h - what a request is answered with where no server is asked, byte for byte as the
 * relay would (agent/relay/outbound/local-reply.ts). The head begins its window, ends at
 * its cursor, and was parsed.
 */
#ifndef HEDDLE_HTTP1_LOCAL_REPLY_H
#define HEDDLE_HTTP1_LOCAL_REPLY_H

#include "draft.h"
#include "feed.h"
#include "reply.h"

#define LOCAL_REPLY_WITH(status, fields)                                                           \
	"HTTP/1.1 " status "\r\nServer: heddle\r\n" fields "Content-Length: 0\r\n\r\n"
#define LOCAL_REPLY(status) LOCAL_REPLY_WITH(status, "")
/* As a status: 503, and the connection ends. */
#define REPLY_CLOSES 1503
/* 503, by the breaker of the service. */
#define REPLY_OPEN 2503
#define REPLY_IN_FLIGHT 3503
#define WRITE_REPLY(to, text)                                                                      \
	do {                                                                                       \
		__builtin_memcpy((to)->bytes, text, sizeof(text) - 1);                             \
		(to)->len = sizeof(text) - 1;                                                      \
	} while (0)

/* 0 = written. */
SEPARATE int local_reply(struct heddle_window *to, __u32 status)
{
	if (!to)
		return -1;
	if (status == 403)
		WRITE_REPLY(to, LOCAL_REPLY("403 Forbidden"));
	else if (status == 404)
		WRITE_REPLY(to, LOCAL_REPLY("404 Not Found"));
	else if (status == 500)
		WRITE_REPLY(to, LOCAL_REPLY("500 Internal Server Error"));
	else if (status == 503)
		WRITE_REPLY(to, LOCAL_REPLY("503 Service Unavailable"));
	else if (status == REPLY_CLOSES)
		WRITE_REPLY(to,
			    LOCAL_REPLY_WITH("503 Service Unavailable", "Connection: close\r\n"));
	else if (status == REPLY_OPEN)
		WRITE_REPLY(to, LOCAL_REPLY_WITH("503 Service Unavailable",
						 "x-heddle-breaker: open\r\n"));
	else if (status == REPLY_IN_FLIGHT)
		WRITE_REPLY(to, LOCAL_REPLY_WITH("503 Service Unavailable",
						 "x-heddle-breaker: in-flight\r\n"));
	else
		return -1;
	return 0;
}

/* Where a number begins that ends at `last` in REPLY_429: here, no line says that the connection ends. */
#define LIMITED_AT(last) ((last) - (sizeof(REPLY_ENDS) - 1) - (REPLY_DIGITS - 1))

/* What a client is told whose request a limit refuses; its connection goes on. 0 = written. */
SEPARATE int limited_reply(struct heddle_window *to, struct heddle_limited *said)
{
	char *head;

	if (!to || !said)
		return -1;
	head = (char *)to->bytes;
	WRITE_REPLY(to, LIMITED_STATUS LIMITED_FIELDS "Content-Length: 0\r\n\r\n");
	reply_number(head + LIMITED_AT(REPLY_RETRY_AFTER), said->retry_after, ' ');
	reply_number(head + LIMITED_AT(REPLY_QUOTA), said->quota, '0');
	reply_number(head + LIMITED_AT(REPLY_WINDOW), said->window, '0');
	reply_number(head + LIMITED_AT(REPLY_RESET), said->retry_after, '0');
	return 0;
}

struct told {
	struct heddle_window *window;
	__u32 pos;
	__u32 host; /* behind "Host:" */
	__u32 ends;
	__u32 pad;
};

#define NAME_HOST WORD8('h', 'o', 's', 't', ':', 0, 0, 0)
#define NAME_EXPECT WORD8('e', 'x', 'p', 'e', 'c', 't', ':', 0)
/* Folding makes a hyphen of CR, and an asterisk of LF. */
#define SAYS_KEEP_ALIVE(w, at)                                                                     \
	((window_u64(w, at) | EVERY_BYTE(0x20)) ==                                                 \
		 WORD8('o', 'n', ':', ' ', 'k', 'e', 'e', 'p') &&                                  \
	 (window_u64(w, (at) + 8) | EVERY_BYTE(0x20)) ==                                           \
		 WORD8('-', 'a', 'l', 'i', 'v', 'e', '-', '*'))

static long told_line(__u32 turn UNUSED, struct told *t)
{
	struct heddle_window *w = t->window;
	__u32 begin = t->pos;
	__u64 first = window_u64(w, begin) | EVERY_BYTE(0x20);

	t->pos = line_feed(w, begin);
	if (!t->pos || t->pos >= w->pos)
		return 1;
	if (first << 24 == NAME_HOST << 24)
		t->host = begin + 5;
	else if (first << 8 == NAME_EXPECT << 8)
		t->ends = 1;
	else if (first == WORD8('c', 'o', 'n', 'n', 'e', 'c', 't', 'i'))
		t->ends |= !SAYS_KEEP_ALIVE(w, begin + 8);
	return t->ends;
}

/*
 * Of a request that is answered here: offset behind "Host:". 0 = the connection may have to end
 * behind the answer: its client says anything but keep-alive, or may wait for a 100.
 */
SEPARATE __u32 goes_on(struct heddle_window *w)
{
	struct told t = {};

	if (!w)
		return 0;
	t.window = w;
	t.pos = line_feed(w, 0);
	REPEAT(HEDDLE_WINDOW / 3, told_line, &t);
	return t.ends ? 0 : t.host;
}

/* ":" and the number. */
static __always_inline void draft_port(struct heddle_window *to, __u32 port)
{
	__u64 text = 0;
	__u32 bytes = 1;

#pragma unroll
	for (int i = 0; i < 5; i++) {
		if (!port)
			break;
		text = text << 8 | ('0' + port % 10);
		port /= 10;
		bytes++;
	}
	if (to->len + sizeof(text) > HEDDLE_WINDOW) {
		to->len = DRAFT_TOO_LONG;
		return;
	}
	store_u64(&to->bytes[to->len & (HEDDLE_WINDOW - 1)], text << 8 | ':');
	to->len += bytes;
}

static long trim_digits(__u32 turn UNUSED, struct edit_line *l)
{
	struct http1_edits *e = l->edits;
	__u32 b = window_byte(l->window, e->at + e->bytes - 1);

	if (!e->bytes || b < '0' || b > '9')
		return 1;
	e->bytes--;
	return 0;
}

/* Host's value, which begins behind `host`, without its port. */
SEPARATE int draft_host(struct heddle_window *to, struct heddle_window *from, __u32 host)
{
	struct http1_edits e = { .at = host };
	struct edit_line l = {};
	__u32 whole;

	if (!to || !from)
		return 0;
	l.window = from;
	l.edits = &e;
	e.bytes = line_feed(from, host) - 2 - host;
	REPEAT(HEDDLE_WINDOW, trim_front, &l);
	REPEAT(HEDDLE_WINDOW, trim_back, &l);
	whole = e.bytes;
	REPEAT(HEDDLE_WINDOW, trim_digits, &l);
	if (e.bytes && window_byte(from, e.at + e.bytes - 1) == ':')
		e.bytes--;
	else
		e.bytes = whole;
	draft_slice(to, from, e.at, e.at + e.bytes);
	return e.bytes;
}

/*
 * The redirect at this word, for a client that asked for `port`. `host` is what goes_on() said.
 * 0 = written; a target that is no path ("*") is the relay's.
 */
SEPARATE int draft_redirect(struct heddle_window *to, struct heddle_window *from, __u32 redirect,
			    __u32 host_port)
{
	__u32 flags = TABLE_WORD(redirect, heddle_route_redirect, flags);
	__u32 cut = TABLE_WORD(redirect, heddle_route_redirect, cut);
	__u32 texts = redirect + __builtin_offsetof(struct heddle_route_redirect, before) / 4;
	__u32 host = host_port >> 16, port = host_port & 0xffff;
	__u64 gives;
	__u32 at;

	if (!to || !from)
		return -1;
	gives = http1_cut(from, cut);
	at = gives;
	if (!at)
		return -1;
	to->len = 0;
	draft_text(to, texts);
	if (flags & HEDDLE_REDIRECT_HOST && !draft_host(to, from, host))
		draft_text(to, texts + WORDS_OF(heddle_text));
	if (flags & HEDDLE_REDIRECT_PORT && port != 80)
		draft_port(to, port);
	draft_text(to, texts + 2 * WORDS_OF(heddle_text));
	if (!(cut & HEDDLE_ROUTE_CUT_NONE)) {
		draft_text(to, texts + 3 * WORDS_OF(heddle_text));
		at += gives >> 32;
	}
	draft_slice(to, from, at, target_end(from, at));
	draft_text(to, texts + 4 * WORDS_OF(heddle_text));
	return to->len > HEDDLE_WINDOW;
}

/* The direct response at this word; `of_head`: without its body (RFC 9110 9.3.2). 0 = written. */
SEPARATE int draft_fixed(struct heddle_window *to, __u32 redirect, __u32 of_head)
{
	__u32 texts = redirect + __builtin_offsetof(struct heddle_route_redirect, before) / 4;

	if (!to)
		return -1;
	to->len = 0;
	draft_text(to, texts);
	if (!of_head)
		draft_text(to, texts + 4 * WORDS_OF(heddle_text));
	return to->len > HEDDLE_WINDOW;
}

#endif /* HEDDLE_HTTP1_LOCAL_REPLY_H */
