/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* message.h - bytes of what an application sends, brought into a window. */
#ifndef HEDDLE_MESSAGE_H
#define HEDDLE_MESSAGE_H

#include "../../lib/platform.h"

/*
 * Copies up to `most` bytes of the message from `at` on into the window. What lies in
 * data..data_end may be only a part of the message, or nothing (pages of a file).
 */
static __always_inline int message_load(struct sk_msg_md *msg, struct heddle_window *w, __u32 at,
					const __u32 most)
{
	__u32 want = min_u32(msg->size - at, most);
	long have = (long)msg->data_end - (long)msg->data;

	if (at || have < (long)want) {
		if (bpf_msg_pull_data(msg, at, at + want, 0))
			return -1;
		have = (long)msg->data_end - (long)msg->data;
	}
	if (have > (long)want)
		have = want;
	if (have < 1 || have > HEDDLE_WINDOW)
		return -1;
	w->base = at;
	w->pos = 0;
	w->len = have;
	have -= 1;
	OPAQUE_TO_COMPILER(have);
	return bpf_probe_read_kernel(w->bytes, (have & (HEDDLE_WINDOW - 1)) + 1,
				     (void *)(long)msg->data);
}

#endif /* HEDDLE_MESSAGE_H */
