/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* sock.h - what programs read of the kernel's own sockets; the loader finds the offsets (CO-RE). */
#ifndef HEDDLE_SOCK_H
#define HEDDLE_SOCK_H

#include "platform.h"

struct sock_common {
	struct {
		__s64 counter;
	} skc_cookie;
} __attribute__((preserve_access_index));

struct sock {
	struct sock_common __sk_common;
	int sk_wmem_queued;
	int sk_sndbuf;
} __attribute__((preserve_access_index));

struct tcp_sock {
	__u32 write_seq;
	__u32 copied_seq;
	__u32 rcv_nxt;
	__u64 bytes_received;
} __attribute__((preserve_access_index));

/* sk_msg has no helper for the cookie; enrolment has made it, so it stands in the socket. */
static __always_inline __u64 cookie_of(struct tcp_sock *tp)
{
	return ((struct sock *)tp)->__sk_common.skc_cookie.counter;
}

#endif /* HEDDLE_SOCK_H */
