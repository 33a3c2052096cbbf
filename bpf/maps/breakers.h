/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* breakers.h - live map of circuit breakers: how a service does outlives the generation that bounded it. */
#ifndef HEDDLE_MAPS_BREAKERS_H
#define HEDDLE_MAPS_BREAKERS_H

#include "../lib/platform.h"

/* By number of the service, so there is room for each. Writers: programs, also for the relay; the agent clears it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct heddle_breaker);
} breakers SEC(".maps");

#endif /* HEDDLE_MAPS_BREAKERS_H */
