/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* rewrite.h - the first bytes of a message give way to a draft. */
#ifndef HEDDLE_REWRITE_H
#define HEDDLE_REWRITE_H

#include "../../protocols/http1/draft.h"

/* Bytes of one store, and of the shortest draft: the last store ends where the draft does. */
#define REWRITE_BYTES 16
#define REWRITE_STORES 4

struct rewrite {
	struct sk_msg_md *msg;
	struct heddle_window *draft;
};

static long rewrite_turn(__u32 turn, struct rewrite *r)
{
	__u32 last = r->draft->len - REWRITE_BYTES;
	__u32 done = turn * REWRITE_STORES * REWRITE_BYTES;

#pragma unroll
	for (int i = 0; i < REWRITE_STORES; i++) {
		__u32 at = min_u32(done + i * REWRITE_BYTES, last) & (HEDDLE_WINDOW - 1);
		const __u8 *from = window_at(r->draft, at);
		__u64 *to = (void *)(long)r->msg->data + at;

		if ((void *)(to + 2) > (void *)(long)r->msg->data_end)
			return 1;
		to[0] = load_u64(from);
		to[1] = load_u64(from + 8);
	}
	return done + (REWRITE_STORES - 1) * REWRITE_BYTES >= last;
}

/* The first bytes of the message become as many as the draft has, and writable. 0 = they are. */
static __always_inline int message_resize(struct sk_msg_md *msg, __u32 old, __u32 bytes)
{
	if (bytes > old) {
		if (bpf_msg_push_data(msg, 0, bytes - old, 0))
			return -1;
		if (!bpf_msg_pull_data(msg, 0, bytes, 0))
			return 0;
		bpf_msg_pop_data(msg, 0, bytes - old, 0);
		return -1;
	}
	/* Whole in one place, the beginning is cut off without a copy, and nothing behind can fail. */
	if (bpf_msg_pull_data(msg, 0, old, 0))
		return -1;
	if (bytes == old)
		return 0;
	/* What the run before asked to be held for is not forgotten: a message below it would wait again. */
	bpf_msg_cork_bytes(msg, 0);
	return bpf_msg_pop_data(msg, 0, old - bytes, 0) || bpf_msg_pull_data(msg, 0, bytes, 0);
}

/* 0 = done; else the message is as it was. */
static __always_inline int message_rewrite(struct sk_msg_md *msg, struct heddle_window *draft,
					   __u32 old)
{
	struct rewrite r = { .msg = msg, .draft = draft };

	if (draft->len < REWRITE_BYTES || draft->len > HEDDLE_WINDOW)
		return -1;
	if (message_resize(msg, old, draft->len))
		return -1;
	bpf_loop(HEDDLE_WINDOW / (REWRITE_STORES * REWRITE_BYTES), rewrite_turn, &r, 0);
	return 0;
}

#endif /* HEDDLE_REWRITE_H */
