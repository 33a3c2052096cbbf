/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * walk.h - how the parsers look at a window: a byte, eight bytes, a token walked
 * through an automaton, text that nobody asks about.
 */
#ifndef HEDDLE_HTTP1_WALK_H
#define HEDDLE_HTTP1_WALK_H

#include "../../lib/automaton.h"
#include "../../lib/bytes.h"

enum http1_limit {
	HTTP1_MAX_METHOD = 32,
	HTTP1_MAX_DIGITS = 15, /* of Content-Length and of a chunk size: below 2^53 and 2^60 */
};

#define WORD4(a, b, c, d) ((__u64)(a) << 24 | (b) << 16 | (c) << 8 | (d))
/* Eight characters as a little-endian word. */
#define WORD8(a, b, c, d, e, f, g, h) (WORD4(h, g, f, e) << 32 | WORD4(d, c, b, a))

static __always_inline __u8 window_byte(const struct heddle_window *w, __u32 pos)
{
	return w->bytes[pos & (HEDDLE_WINDOW - 1)];
}

/* The bytes from pos on; the slack behind the window makes 64 of them safe to read. */
static __always_inline const __u8 *window_at(const struct heddle_window *w, __u32 pos)
{
	return &w->bytes[pos & (HEDDLE_WINDOW - 1)];
}

/*
 * Eight bytes from anywhere. A memcpy() says what it is, but clang makes eight loads of
 * one byte from it: the bpf target knows no unaligned access. The kernel does, for map
 * values, wherever the processor is quick at it; elsewhere it refuses the program.
 */
static __always_inline __u64 load_u64(const __u8 *at)
{
#ifdef __bpf__
	return *(const volatile __u64 *)at;
#else
	__u64 x;

	__builtin_memcpy(&x, at, sizeof(x));
	return x;
#endif
}

static __always_inline __u64 window_u64(const struct heddle_window *w, __u32 pos)
{
	return load_u64(window_at(w, pos));
}

struct walk {
	struct heddle_window *window;
	struct heddle_request *request;
	struct automaton automaton;
	__u32 pos;
	__u32 state;
	__u32 trimmed; /* state after the last byte that is no blank */
	__u32 set;     /* bytes that the token is made of */
	__u64 word;
};

/* What a walk has to keep besides the state; constant, so that each kind is its own code. */
enum walk_keeps {
	WALK_STATE = 0,	  /* field names */
	WALK_WORD = 1,	  /* methods: their last bytes */
	WALK_LATCHES = 2, /* paths */
	WALK_TRIMMED = 4, /* values: the state before trailing blanks */
};

/* Bytes of a turn: more is quicker for what is long, and longer for the verifier. */
enum walk_bytes {
	WALK_SHORT = 4,
	WALK_LONG = 8, /* paths */
};

static __always_inline long walk_turn(struct walk *k, const __u32 keeps, const int bytes)
{
	const struct heddle_window *w = k->window;
	__u32 pos = k->pos;
	__u32 state = k->state;
	const __u8 *at = window_at(w, pos);
	__u32 end = w->end;
	long stop = 0;

#pragma unroll
	for (int i = 0; i < bytes; i++) {
		__u8 b = at[i];

		if (pos >= end || !(byte_sets[b] & k->set)) {
			stop = 1;
			break;
		}
		pos++;
		if (keeps & WALK_WORD)
			k->word = k->word << 8 | b;
		if (state) {
			state = automaton_next(&k->automaton, state, b);
			if (keeps & WALK_LATCHES && state & HEDDLE_NEXT_LATCH) {
				state &= HEDDLE_NEXT_STATE;
				automaton_latch(&k->automaton, state, k->request->latches);
			}
		}
		if (keeps & WALK_TRIMMED && b > ' ')
			k->trimmed = state;
	}
	k->pos = pos;
	k->state = state;
	return stop;
}

static long walk_name(__u32 turn UNUSED, struct walk *k)
{
	return walk_turn(k, WALK_STATE, WALK_SHORT);
}

static long walk_method(__u32 turn UNUSED, struct walk *k)
{
	return walk_turn(k, WALK_WORD, WALK_SHORT);
}

static long walk_path(__u32 turn UNUSED, struct walk *k)
{
	return walk_turn(k, WALK_LATCHES, WALK_LONG);
}

static long walk_value(__u32 turn UNUSED, struct walk *k)
{
	return walk_turn(k, WALK_TRIMMED, WALK_SHORT);
}

#define WALK_TURNS (HEDDLE_WINDOW / WALK_SHORT + 1)

static __always_inline void walk_begin(struct walk *k, struct heddle_request *r,
				       struct heddle_window *w, __u32 set)
{
	k->window = w;
	k->request = r;
	k->pos = w->pos;
	k->state = r->state;
	k->trimmed = r->state_trimmed;
	k->set = set;
	k->word = r->word;
}

/* The cursor stands at the first byte that does not belong to the token. */
static __always_inline void walk_end(struct walk *k, struct heddle_request *r,
				     struct heddle_window *w)
{
	r->text_bytes += k->pos - w->pos;
	r->state = k->state;
	r->state_trimmed = k->trimmed;
	r->word = k->word;
	w->pos = k->pos;
}

struct skip {
	struct heddle_window *window;
	__u32 pos;
	__u32 pad;
};

/* Of 32 bytes, those before the first control character, HTAB included. */
static __always_inline __u32 text_bytes(const __u8 *at)
{
	__u64 first = load_u64(at), second = load_u64(at + 8);
	__u64 third = load_u64(at + 16), fourth = load_u64(at + 24);
	__u64 marks =
		unusual_in(first) | unusual_in(second) | unusual_in(third) | unusual_in(fourth);

	if (!(marks & EVERY_BYTE(0x80)))
		return 32;
	marks = controls_in(first);
	if (marks)
		return first_marked(marks);
	marks = controls_in(second);
	if (marks)
		return 8 + first_marked(marks);
	marks = controls_in(third);
	return marks ? 16 + first_marked(marks) : 24 + first_marked(controls_in(fourth));
}

/* Bytes that skip_text looks at in a turn. */
#define SKIP_BYTES 128
#define SKIP_TURNS (HEDDLE_WINDOW / SKIP_BYTES + 1)

/* Stops at the first control character, or behind the end. */
static long skip_text(__u32 turn UNUSED, struct skip *s)
{
	struct heddle_window *w = s->window;

#pragma unroll
	for (int i = 0; i < SKIP_BYTES / 32; i++) {
		__u32 text = text_bytes(window_at(w, s->pos));

		s->pos += text;
		if (text < 32 || s->pos >= w->end)
			return 1;
	}
	return 0;
}

#endif /* HEDDLE_HTTP1_WALK_H */
