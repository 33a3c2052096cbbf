/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * platform.h - the few words that differ between kernel and host, so that
 * everything under protocols/ also compiles for unit tests and fuzzers.
 */
#ifndef HEDDLE_PLATFORM_H
#define HEDDLE_PLATFORM_H

#include <linux/types.h>
#include "../abi/heddle.h"

#ifdef __bpf__
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
/* Verified once, on its own, whoever calls it: keeps the verifier's work a sum. */
#define SEPARATE __attribute__((noinline))
#define REPEAT(times, body, ctx) bpf_loop(times, body, ctx, 0)
#else
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define SEPARATE __attribute__((noinline, unused)) static
#define REPEAT(times, body, ctx)                                                                   \
	do {                                                                                       \
		for (__u32 turn_ = 0; turn_ < (times); turn_++)                                    \
			if (body(turn_, ctx))                                                      \
				break;                                                             \
	} while (0)
#endif

/* A loop body is told its turn, whether it asks or not. */
#define UNUSED __attribute__((unused))

/* Makes the compiler forget a range that the verifier can't see, so that the check stays. */
#define OPAQUE_TO_COMPILER(x) asm volatile("" : "+r"(x))

/* Read or written once, where others do so at the same time. */
#define ONCE(x) (*(volatile typeof(x) *)&(x))

#ifndef NULL
#define NULL ((void *)0)
#endif

static __always_inline __u32 min_u32(__u32 a, __u32 b)
{
	return a < b ? a : b;
}

#endif /* HEDDLE_PLATFORM_H */
