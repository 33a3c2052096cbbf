/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Maps of one generation: created with its programs, filled by the agent before
 * the flip, gone with the slot. A flip never reinterprets live data: an identity
 * means here what it means to this generation's blocks.
 */
#ifndef HEDDLE_MAPS_GENERATION_H
#define HEDDLE_MAPS_GENERATION_H

#include "../lib/platform.h"

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_IDENTITIES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct heddle_identity_rows);
} identity_rows SEC(".maps");

/* Live service and identity -> set of routes. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_ROUTE_KEYS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct heddle_route_key);
	__type(value, struct heddle_route_choice);
} route_choices SEC(".maps");

/* Number of a service in the tables -> 1 + its live number; 0 = this node does not know it. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_SERVICES);
	__type(key, __u32);
	__type(value, __u32);
} backend_services SEC(".maps");

/* Live number of a service -> 1 + number of its breaker's rule in the tables; 0 = it has none. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_SERVICES);
	__type(key, __u32);
	__type(value, __u32);
} breaker_rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heddle_self);
} self SEC(".maps");

/* What gates judge a release by. Writer: programs. Reader: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heddle_measures);
} measures SEC(".maps");

/* When a connection's only open request was judged, ns; 0 = there are several. The oldest gives way, unmeasured. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, HEDDLE_MAX_CONNS / 4);
	__type(key, __u64);
	__type(value, __u64);
} asked SEC(".maps");

/* The newest refused requests, by number; `refused` is the number of the last. Writer: programs. Reader: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_REFUSALS);
	__type(key, __u32);
	__type(value, struct heddle_refusal);
} refusals SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} refused SEC(".maps");

#endif /* HEDDLE_MAPS_GENERATION_H */
