/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * draft.h - a changed head, or a reply, written into a window of its own, whose `len` says
 * how much there is. Where it does not fit, `len` is more than a window holds, and stays so.
 * The bytes are those of policy/route-edits.ts.
 */
#ifndef HEDDLE_HTTP1_DRAFT_H
#define HEDDLE_HTTP1_DRAFT_H

#include "edit.h"

#define DRAFT_TOO_LONG (HEDDLE_WINDOW + 1)
/* Bytes of a turn; as many may be written behind the end of what is copied. */
#define DRAFT_BYTES 32

static __always_inline void store_u64(__u8 *at, __u64 x)
{
#ifdef __bpf__
	*(volatile __u64 *)at = x; /* see load_u64() in walk.h */
#else
	__builtin_memcpy(at, &x, sizeof(x));
#endif
}

/* Bytes on their way into a draft. */
struct piece {
	struct heddle_window *to;
	struct heddle_window *from;
	__u32 into;
	__u32 at; /* in `from`, or a word of the tables */
	__u32 bytes;
	__u32 pad;
};

/* Makes room for the piece; 0 = there is nothing to copy. */
static __always_inline int piece_opens(struct piece *p)
{
	struct heddle_window *to = p->to;

	p->into = to->len;
	if (p->bytes > HEDDLE_WINDOW || p->into + p->bytes > HEDDLE_WINDOW) {
		to->len = DRAFT_TOO_LONG;
		return 0;
	}
	to->len += p->bytes;
	return p->bytes != 0;
}

static __always_inline __u8 *piece_place(const struct piece *p, __u32 done)
{
	return &p->to->bytes[(p->into + done) & (HEDDLE_WINDOW - 1)];
}

static long slice_turn(__u32 turn, struct piece *p)
{
	__u32 done = turn * DRAFT_BYTES;
	const __u8 *from = window_at(p->from, p->at + done);
	__u8 *to = piece_place(p, done);

#pragma unroll
	for (int i = 0; i < DRAFT_BYTES; i += 8)
		store_u64(to + i, load_u64(from + i));
	return done + DRAFT_BYTES >= p->bytes;
}

/* Bytes [at, end) of another window. */
SEPARATE int draft_slice(struct heddle_window *to, struct heddle_window *from, __u32 at, __u32 end)
{
	struct piece p = { .at = at, .bytes = end - at };

	if (!to || !from)
		return 0;
	p.to = to;
	p.from = from;
	if (piece_opens(&p))
		REPEAT(HEDDLE_WINDOW / DRAFT_BYTES, slice_turn, &p);
	return 0;
}

static long text_turn(__u32 turn, struct piece *p)
{
	__u32 done = turn * DRAFT_BYTES;
	__u8 *to = piece_place(p, done);

#pragma unroll
	for (int i = 0; i < DRAFT_BYTES; i += 8)
		store_u64(to + i, policy_u64(p->at + (done + i) / 4));
	return done + DRAFT_BYTES >= p->bytes;
}

/* The text whose struct heddle_text is at this word; 0 = none. */
SEPARATE int draft_text(struct heddle_window *to, __u32 text)
{
	struct piece p = {};

	if (!to || !text)
		return 0;
	p.to = to;
	p.at = TABLE_WORD(text, heddle_text, at);
	p.bytes = text_length(text);
	if (piece_opens(&p))
		REPEAT(HEDDLE_ROUTE_MAX_TEXT / DRAFT_BYTES, text_turn, &p);
	return 0;
}

struct draft {
	struct heddle_window *to;
	struct heddle_window *from;
	__u32 edit;
	__u32 at; /* copied up to here */
	struct http1_edits edits;
};

static __always_inline void draft_piece(struct draft *d)
{
	draft_slice(d->to, d->from, d->at, d->edits.at);
	draft_text(d->to, d->edits.text);
	d->at = d->edits.at + d->edits.bytes;
}

static long draft_turn(__u32 turn UNUSED, struct draft *d)
{
	if (!http1_edit_line(&d->edits, d->from, d->edit))
		return 1;
	draft_piece(d);
	return 0;
}

/* The head that begins `from` and ends at its cursor, changed by the edit at this word. */
SEPARATE int draft_request(struct heddle_window *to, struct heddle_window *from, __u32 edit)
{
	struct draft d = {};

	if (!to || !from)
		return 0;
	d.to = to;
	d.from = from;
	d.edit = edit;
	to->len = 0;
	if (http1_edit_target(&d.edits, from, edit))
		draft_piece(&d);
	REPEAT(HEDDLE_WINDOW / 4, draft_turn, &d);
	draft_slice(to, from, d.at, from->pos - 2);
	draft_text(to, EDIT_TEXT(edit, lines));
	return draft_slice(to, from, from->pos - 2, from->pos);
}

#endif /* HEDDLE_HTTP1_DRAFT_H */
