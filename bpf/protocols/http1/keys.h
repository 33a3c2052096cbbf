/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * keys.h - what of a head tells one bucket of a limit from another, hashed while it is read, so that a
 * head may come in any pieces (pipelines/policy/limit-key.ts). It begins with a secret: a client that
 * knew where it leads could name a key that shares a bucket with somebody else's.
 */
#ifndef HEDDLE_HTTP1_KEYS_H
#define HEDDLE_HTTP1_KEYS_H

#include "walk.h"

/* FNV-1a's prime, with a shift more: the low bits of a product know nothing of the high ones. */
#define KEY_PRIME 0x00000100000001b3ULL

static __always_inline __u64 key_mix(__u64 hash, __u64 value)
{
	hash = (hash ^ value) * KEY_PRIME;
	return hash ^ hash >> 32;
}

/* Behind request_begin(), where the tables have limits. */
static __always_inline void keys_begin(struct heddle_request *r, __u64 secret)
{
	for (int i = 0; i < HEDDLE_MAX_KEYS; i++)
		r->keys[i] = secret;
}

struct key_walk {
	struct heddle_window *window;
	__u64 hash;
	__u64 trimmed; /* behind the last byte that is no blank */
	__u32 pos;
	__u32 end;
};

static long key_value_byte(__u32 turn UNUSED, struct key_walk *k)
{
	__u8 b = window_byte(k->window, k->pos);

	if (k->pos >= k->end)
		return 1;
	k->pos++;
	k->hash = key_mix(k->hash, b);
	if (b > ' ')
		k->trimmed = k->hash;
	return 0;
}

static __always_inline __u32 key_number(const struct heddle_request *r)
{
	return (r->dim >> 6) & (HEDDLE_MAX_KEYS - 1);
}

/* A field that is a key begins. Each of its lines is one more value behind a comma (RFC 9110 5.3). */
static __always_inline void key_begins(struct heddle_request *r)
{
	__u32 number = key_number(r);

	r->word = key_mix(r->keys[number], ',');
	r->keys[number] = r->word;
}

/* A piece of its value, from `from` up to the cursor. */
SEPARATE int http1_key_value(struct heddle_request *r, struct heddle_window *w, __u32 from)
{
	struct key_walk k = {};

	if (!r || !w)
		return 0;
	k.window = w;
	k.hash = r->word;
	k.trimmed = r->keys[key_number(r)];
	k.pos = from;
	k.end = w->pos;
	REPEAT(HEDDLE_WINDOW, key_value_byte, &k);
	r->word = k.hash;
	r->keys[key_number(r)] = k.trimmed;
	return 0;
}

/* What r->field says while the target is read. */
#define KEY_QUERY 1

static long key_path_byte(__u32 turn UNUSED, struct key_walk *k)
{
	__u8 b = window_byte(k->window, k->pos);

	if (k->pos >= k->end)
		return 1;
	if (b == '?') {
		k->trimmed = KEY_QUERY;
		return 1;
	}
	k->pos++;
	k->hash = key_mix(k->hash, b);
	return 0;
}

/* A piece of the target, likewise: what stands before its query. */
SEPARATE int http1_key_path(struct heddle_request *r, struct heddle_window *w, __u32 from)
{
	struct key_walk k = {};

	if (!r || !w || r->field == KEY_QUERY)
		return 0;
	k.window = w;
	k.hash = r->keys[0];
	k.pos = from;
	k.end = w->pos;
	REPEAT(HEDDLE_WINDOW, key_path_byte, &k);
	r->keys[0] = k.hash;
	r->field = k.trimmed;
	return 0;
}

#endif /* HEDDLE_HTTP1_KEYS_H */
