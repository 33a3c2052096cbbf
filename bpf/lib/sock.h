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
	struct {
		struct {
			int counter;
		} rmem_alloc;
	} sk_backlog;
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

/*
 * Bytes that were handed to a socket and that its application has not read. `sk` may have gone
 * meanwhile: then the answer means nothing, and so does what is sent there.
 */
static __always_inline __u32 unread_by(__u64 sk)
{
	__u32 bytes = 0;

	if (sk)
		bpf_probe_read_kernel(&bytes, sizeof(bytes),
				      __builtin_preserve_access_index(
					      &((struct sock *)sk)->sk_backlog.rmem_alloc.counter));
	return bytes;
}

/* Where in its stream the next byte stands that is written to a socket. */
static __always_inline __u32 written_by(__u64 sk)
{
	__u32 seq = 0;

	bpf_probe_read_kernel(&seq, sizeof(seq),
			      __builtin_preserve_access_index(&((struct tcp_sock *)sk)->write_seq));
	return seq;
}

/* Is there room for so many bytes, with what the kernel needs around them, in what a socket sends? */
static __always_inline int room_in(__u64 sk, __u32 bytes)
{
	int queued = 0, most = 0;

	if (!sk)
		return 0;
	bpf_probe_read_kernel(
		&queued, sizeof(queued),
		__builtin_preserve_access_index(&((struct sock *)sk)->sk_wmem_queued));
	bpf_probe_read_kernel(&most, sizeof(most),
			      __builtin_preserve_access_index(&((struct sock *)sk)->sk_sndbuf));
	return queued + 2 * (int)bytes + 16384 < most;
}

#endif /* HEDDLE_SOCK_H */
