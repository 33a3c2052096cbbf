/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Live maps: pinned once per node by the dispatcher, shared by every generation.
 * A changed layout raises HEDDLE_ABI; the agent then refuses to mix.
 */
#ifndef HEDDLE_MAPS_LIVE_H
#define HEDDLE_MAPS_LIVE_H

#include "../lib/platform.h"

/* Writer: enrol (birth, death) and the connection's own programs. Reader: relay, agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_CONNS);
	__type(key, __u64);
	__type(value, struct heddle_conn);
} conns SEC(".maps");

/*
 * Socket by cookie, for replies. Carries no programs: those are in the dispatcher's own map.
 * Twice the connections: a socket without state is closed.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 2 * HEDDLE_MAX_CONNS);
	__type(key, __u64);
	__type(value, __u64);
} sockets SEC(".maps");

/* Writer: agent, one store. Reader: all programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heddle_active);
} active SEC(".maps");

/* Knobs. Writer: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heddle_node);
} node SEC(".maps");

/* Writer: enrol. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heddle_population);
} population SEC(".maps");

/* Address -> identity. Writer: agent. An address that is not here is world. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, HEDDLE_MAX_ADDRESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct heddle_address);
	__type(value, __u32);
} identities SEC(".maps");

/* UDP flows that workloads began: their replies come in. The oldest gives way. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, HEDDLE_MAX_FLOWS);
	__type(key, struct heddle_flow);
	__type(value, __u64);
} flows SEC(".maps");

/* Mode by address (all 128 bits of prefix). Writer: relay. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_ADDRESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct heddle_address);
	__type(value, __u32); /* enum heddle_mode */
} modes SEC(".maps");

/* Ports that steer() hands to the relay. Writer: relay. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_ADDRESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct heddle_service);
	__type(value, __u32);
} steered SEC(".maps");

/*
 * Connections that the relay itself makes to a workload, after its own verdict:
 * entered before their SYN, removed when they end. Nobody else can name one. Writer: relay.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_CONNS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct heddle_flow);
	__type(value, __u32); /* enum heddle_relayed */
} relayed SEC(".maps");

/* The relay's listener; gone with the relay. Writer: relay. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} listener SEC(".maps");

/* Verdicts by enum heddle_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HEDDLE_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/* Reader: relay. Full = events are lost and counted, traffic goes on, sweeps find the refused. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, HEDDLE_EVENTS_BYTES);
} events SEC(".maps");

/* Scratch. A claim by compare-and-swap: programs here can be preempted and interrupted. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_CPUS *HEDDLE_WINDOWS_PER_CPU);
	__type(key, __u32);
	__type(value, struct heddle_window);
} windows SEC(".maps");

#define SLOTS_OF_PROGRAMS(name)                                                                    \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_PROG_ARRAY);                                             \
		__uint(max_entries, HEDDLE_SLOTS);                                                 \
		__type(key, __u32);                                                                \
		__type(value, __u32);                                                              \
	} name SEC(".maps")

/* Slot -> program of that generation. Writer: agent. */
SLOTS_OF_PROGRAMS(verdicts);
SLOTS_OF_PROGRAMS(messages);
SLOTS_OF_PROGRAMS(packets);
SLOTS_OF_PROGRAMS(requests);
SLOTS_OF_PROGRAMS(responses);

/* The same of a candidate, asked by the generation beside which it judges. */
SLOTS_OF_PROGRAMS(shadows);
SLOTS_OF_PROGRAMS(shadow_requests);
SLOTS_OF_PROGRAMS(shadow_passed);
SLOTS_OF_PROGRAMS(shadow_dropped);

#endif /* HEDDLE_MAPS_LIVE_H */
