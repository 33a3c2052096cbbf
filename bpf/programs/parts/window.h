/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * window.h - claim and release of scratch windows. A per-CPU slot alone is not
 * safe: verdicts also run in process context (backlog, sendmsg), where softirqs
 * interrupt them and, on a preemptible kernel, other tasks do.
 */
#ifndef HEDDLE_WINDOW_H
#define HEDDLE_WINDOW_H

#include "../../maps/live.h"

static __always_inline struct heddle_window *window_claim(void)
{
	__u32 first = (bpf_get_smp_processor_id() & (HEDDLE_MAX_CPUS - 1)) * HEDDLE_WINDOWS_PER_CPU;

	for (__u32 i = 0; i < HEDDLE_WINDOWS_PER_CPU; i++) {
		__u32 key = first + i;
		struct heddle_window *w = bpf_map_lookup_elem(&windows, &key);

		if (w && !__sync_val_compare_and_swap(&w->busy, 0, 1))
			return w;
	}
	return NULL;
}

/* A plain store: who could claim it meanwhile runs on this CPU, behind or on top of this program. */
static __always_inline void window_release(struct heddle_window *w)
{
	*(volatile __u32 *)&w->busy = 0;
}

#endif /* HEDDLE_WINDOW_H */
