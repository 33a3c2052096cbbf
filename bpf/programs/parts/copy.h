/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * copy.h - which copies a request has, and records of them. Nothing that happens here is of any consequence
 * to the request: what finds no room is counted, and lost.
 */
#ifndef HEDDLE_PARTS_COPY_H
#define HEDDLE_PARTS_COPY_H

#include "count.h"
#include "../../lib/diagram.h"
#include "../../maps/copies.h"
#include "../../maps/generation.h"

#define MILLION 1000000

struct copy_small {
	struct heddle_copy head;
	__u8 bytes[HEDDLE_COPY_SMALL];
};

struct copy_part {
	struct heddle_copy head;
	__u8 bytes[HEDDLE_COPY_PART];
};

/* Where copies of one request go. */
struct copy_draw {
	__u64 targets; /* as in struct heddle_copy */
	__u32 left;    /* mirrors that were not drawn yet, a bit each */
	__u32 count;
	__u32 unknown;
	__u32 pad;
};

/* Of one request. */
struct copying {
	__u64 cookie;
	__u32 request;
	__u32 copied; /* enum heddle_copied, else 1 + bytes that were copied */
};

/* Is one of the four 16-bit numbers of `all` this one, which is not 0? */
static __always_inline int is_among(__u64 all, __u16 one)
{
	__u64 x = all ^ one * 0x0001000100010001ULL;

	return ((x - 0x0001000100010001ULL) & ~x & 0x8000800080008000ULL) != 0;
}

/* The lot of one copy falls to service `number` of the manifest. */
static __always_inline void copy_to(struct copy_draw *d, __u32 number)
{
	__u32 *live = bpf_map_lookup_elem(&backend_services, &number);

	if (!live || !*live) {
		d->unknown++;
		return;
	}
	/* However many rules say so, a service has one copy of a request. */
	if (is_among(d->targets, *live))
		return;
	if (d->count < HEDDLE_COPY_TARGETS)
		d->targets |= (__u64)(__u16)*live << 16 * d->count;
	d->count++;
}

static __always_inline int copy_drawn(__u32 ratio)
{
	return (__u64)bpf_get_prandom_u32() * MILLION >> 32 < ratio;
}

static long copy_draw_turn(__u32 turn UNUSED, struct copy_draw *d)
{
	__u32 bit = lowest_bit(d->left) & 31, at;

	at = policy_u32(TABLES(mirrors_at)) + bit * (sizeof(struct heddle_mirror) / 4);
	d->left &= d->left - 1;
	if (copy_drawn(policy_u32(at + 1)))
		copy_to(d, policy_u32(at));
	return !d->left;
}

/* Where copies of a request go that has so many bytes, as far as that is known, and what of them goes nowhere. */
static __always_inline void copy_draws(struct copy_draw *d, __u64 bytes)
{
	if (d->left)
		bpf_loop(HEDDLE_MAX_LIMITS, copy_draw_turn, d, 0);
	if (d->unknown)
		count_by(HEDDLE_COPY_NO_SERVICE, d->unknown);
	if (d->count > HEDDLE_COPY_TARGETS) {
		count_by(HEDDLE_COPY_BEYOND, d->count - HEDDLE_COPY_TARGETS);
		d->count = HEDDLE_COPY_TARGETS;
	}
	if (bytes <= HEDDLE_COPY_MAX || !d->count)
		return;
	count_by(HEDDLE_COPY_LARGE, d->count);
	d->count = 0;
}

static __always_inline void copy_head(struct heddle_copy *head, const struct copying *k, __u32 kind)
{
	head->at = bpf_ktime_get_ns();
	head->cookie = k->cookie;
	head->targets = 0;
	__builtin_memset(head->asker, 0, sizeof(head->asker));
	head->request = k->request;
	head->kind = kind;
	head->offset = k->copied ? k->copied - 1 : 0;
	head->bytes = 0;
	head->identity = 0;
	head->pad = 0;
}

/* A record without bytes. */
static __always_inline int copy_say(const struct copying *k, __u32 kind)
{
	struct heddle_copy *head = bpf_ringbuf_reserve(&copies, sizeof(*head), 0);

	if (!head)
		return -1;
	copy_head(head, k, kind);
	bpf_ringbuf_submit(head, 0);
	return 0;
}

/* Of a head that is let in: where its copies go. Returns what `copied` is from now on. */
static __always_inline __u32 copy_begins(const struct copying *k, const struct copy_draw *d,
					 const __u8 *asker, __u32 identity)
{
	struct heddle_copy *head;

	if (!d->count) {
		if (k->copied && k->copied != HEDDLE_COPIED_LOST)
			copy_say(k, HEDDLE_COPY_FORGET);
		return HEDDLE_COPIED_NOTHING;
	}
	head = k->copied == HEDDLE_COPIED_LOST ? NULL
					       : bpf_ringbuf_reserve(&copies, sizeof(*head), 0);
	if (!head) {
		count_by(HEDDLE_COPY_RING, d->count);
		return HEDDLE_COPIED_NOTHING;
	}
	copy_head(head, k, HEDDLE_COPY_TO);
	head->targets = d->targets;
	if (asker)
		__builtin_memcpy(head->asker, asker, 16);
	head->identity = identity;
	bpf_ringbuf_submit(head, 0);
	count_by(HEDDLE_COPIED, d->count);
	return k->copied ? k->copied : 1;
}

/* 1 = with so many bytes more it is longer than what is copied. */
static __always_inline int copy_too_large(const struct copying *k, __u32 more)
{
	if ((k->copied ? k->copied - 1 : 0) + more <= HEDDLE_COPY_MAX)
		return 0;
	copy_say(k, HEDDLE_COPY_TOO_LARGE);
	return 1;
}

/* What `copied` is from now on. */
static __always_inline __u32 copy_so_far(const struct copying *k, int failed)
{
	if (!failed)
		return k->copied;
	copy_say(k, HEDDLE_COPY_BROKEN);
	return HEDDLE_COPIED_LOST;
}

/* One record. They are of two sizes: what is reserved has to be a constant. `load` is 0 where it has brought all. */
#define COPY_RECORD(name, range, record, load)                                                     \
	static __always_inline int name(struct range *c, __u32 n, __u32 kind)                      \
	{                                                                                          \
		struct record *r = bpf_ringbuf_reserve(&copies, sizeof(*r), 0);                    \
                                                                                                   \
		if (!r)                                                                            \
			return -1;                                                                 \
		copy_head(&r->head, &c->k, kind);                                                  \
		r->head.bytes = n;                                                                 \
		n -= 1;                                                                            \
		OPAQUE_TO_COMPILER(n);                                                             \
		if (n >= sizeof(r->bytes) || load(c, n + 1, r->bytes)) {                           \
			bpf_ringbuf_discard(r, 0);                                                 \
			return -1;                                                                 \
		}                                                                                  \
		bpf_ringbuf_submit(r, 0);                                                          \
		return 0;                                                                          \
	}

#endif /* HEDDLE_PARTS_COPY_H */
