/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Maps of a shadow: live ones, as two generations meet in them. The agent empties them before it
 * names a candidate. Nothing but counts and samples is read out of them.
 */
#ifndef HEDDLE_MAPS_SHADOW_H
#define HEDDLE_MAPS_SHADOW_H

#include "../lib/platform.h"

#define SHADOW_KINDS (HEDDLE_SHADOW_UNSEEN - 1)

/* By cookie, with one behind the last: HEDDLE_SHADOW_NOBODY. Writer: programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_SHADOW_SEATS + 1);
	__type(key, __u32);
	__type(value, struct heddle_shadow_seat);
} shadow_seats SEC(".maps");

/* Writer: programs. Reader: agent, `heddle node stats`. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HEDDLE_SLOTS *HEDDLE_SHADOW_COUNTS);
	__type(key, __u32);
	__type(value, __u64);
} shadow_counts SEC(".maps");

/* Writer: programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_SLOTS *HEDDLE_SHADOW_COUNTS);
	__type(key, __u32);
	__type(value, struct heddle_shadow_pace);
} shadow_paces SEC(".maps");

/* Writer: programs, whoever the pace lets. Reader: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_SLOTS * SHADOW_KINDS * HEDDLE_SHADOW_SAMPLES);
	__type(key, __u32);
	__type(value, struct heddle_shadow_sample);
} shadow_samples SEC(".maps");

#endif /* HEDDLE_MAPS_SHADOW_H */
