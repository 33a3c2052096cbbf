/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* epoch.h - what is true now: the active generation, and the age of the live data. */
#ifndef HEDDLE_EPOCH_H
#define HEDDLE_EPOCH_H

#include "../../maps/live.h"

static __always_inline __u64 active_now(void)
{
	__u32 zero = 0;
	struct heddle_active *a = bpf_map_lookup_elem(&active, &zero);

	return a ? a->generation_slot : 0;
}

static __always_inline __u32 epoch_now(void)
{
	__u32 zero = 0;
	struct heddle_node *n = bpf_map_lookup_elem(&node, &zero);

	return n ? n->epoch : 0;
}

#endif /* HEDDLE_EPOCH_H */
