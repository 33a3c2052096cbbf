/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* limits.h - live map of rate limits: what was taken outlives the generation that took it. */
#ifndef HEDDLE_MAPS_LIMITS_H
#define HEDDLE_MAPS_LIMITS_H

#include "../lib/platform.h"

/* Writer: programs, also for the relay. A bucket that gave way begins again, full. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, HEDDLE_MAX_BUCKETS);
	__type(key, struct heddle_bucket_key);
	__type(value, struct heddle_bucket);
} buckets SEC(".maps");

#endif /* HEDDLE_MAPS_LIMITS_H */
