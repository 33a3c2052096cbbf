/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * client-copy.h - copies of requests that are handed to a server of this node: of the head that its server
 * reads, and of the body as it follows. Last of all, when nothing can keep the bytes from their server.
 */
#ifndef HEDDLE_CLIENT_COPY_H
#define HEDDLE_CLIENT_COPY_H

#include "client-call.h"
#include "copy.h"
#include "message.h"

struct message_range {
	struct copying k;
	struct sk_msg_md *msg;
	__u32 at;
	__u32 end;
	__u32 last; /* the message ends there */
	__u32 failed;
};

/* What lies in data..data_end may be only a part: it was brought there by the caller. */
static __always_inline int copy_of_message(struct message_range *c, __u32 n, void *to)
{
	long have = (long)c->msg->data_end - (long)c->msg->data;

	return have < (long)n || bpf_probe_read_kernel(to, n, (void *)(long)c->msg->data);
}

COPY_RECORD(copy_small_message, message_range, copy_small, copy_of_message)
COPY_RECORD(copy_part_message, message_range, copy_part, copy_of_message)

static long copy_message_turn(__u32 turn UNUSED, struct message_range *c)
{
	__u32 n = min_u32(c->end - c->at, HEDDLE_COPY_PART);
	__u32 kind = c->last && c->at + n == c->end ? HEDDLE_COPY_END : HEDDLE_COPY_BYTES;

	c->failed = bpf_msg_pull_data(c->msg, c->at, c->at + n, 0) ||
		    (n <= HEDDLE_COPY_SMALL ? copy_small_message(c, n, kind)
					    : copy_part_message(c, n, kind));
	c->k.copied += n;
	c->at += n;
	return c->failed || c->at >= c->end;
}

/* The first `end` bytes of the message are the request's, and follow what was copied of it. */
SEPARATE int copy_message(struct sk_msg_md *msg, struct heddle_client *c, __u32 end)
{
	struct message_range r = { .end = end };

	if (!msg || !c || !end || c->copied == HEDDLE_COPIED_LOST)
		return 0;
	r.msg = msg;
	r.last = c->request.phase == HEDDLE_START;
	r.k.cookie = c->cookie;
	r.k.request = c->requests;
	r.k.copied = c->copied;
	if (copy_too_large(&r.k, end)) {
		c->copied = HEDDLE_COPIED_LOST;
		return 0;
	}
	bpf_loop(HEDDLE_COPY_MAX / HEDDLE_COPY_PART + 1, copy_message_turn, &r, 0);
	c->copied = copy_so_far(&r.k, r.failed);
	return 0;
}

/* Of a request that meets these mirrors of its endpoint, a bit each, and has that many bytes or more. */
SEPARATE int copies_chosen(struct heddle_client *c, struct heddle_upstream *u, __u32 met,
			   __u32 bytes)
{
	struct copy_draw d = { .left = met };
	struct copying k = {};
	struct heddle_endpoint *e;
	__u8 asker[16];
	__u32 number;

	if (!c || !u)
		return 0;
	number = u->endpoint;
	e = bpf_map_lookup_elem(&endpoints, &number);
	if (!e)
		return 0;
	k.cookie = c->cookie;
	k.request = c->requests;
	copy_draws(&d, c->request.phase == HEDDLE_BODY ? bytes + c->request.remaining : bytes);
	__builtin_memcpy(asker, e->address, 16);
	c->copied = copy_begins(&k, &d, asker, 0);
	return 0;
}

static __always_inline void copies_go_on(struct call *k, __u32 bytes)
{
	copy_message(k->msg, k->client, bytes);
	if (k->client->request.phase == HEDDLE_START)
		k->client->copied = HEDDLE_COPIED_NOTHING;
}

/* The first message of a request has gone to `u`, its head as the server reads it. */
static __always_inline void copies_begin(struct call *k, struct heddle_upstream *u, __u32 met,
					 __u32 bytes)
{
	if (k->client->copied)
		k->client->copied = HEDDLE_COPIED_NOTHING;
	met &= mirror_blocks();
	if (!met)
		return;
	copies_chosen(k->client, u, met, bytes);
	if (k->client->copied)
		copies_go_on(k, bytes);
}

#endif /* HEDDLE_CLIENT_COPY_H */
