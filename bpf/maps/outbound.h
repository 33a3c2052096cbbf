/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * Live maps of the client side: workloads that call services, the endpoints of
 * services, and the relay's connections to them. Shared as those of live.h are.
 */
#ifndef HEDDLE_MAPS_OUTBOUND_H
#define HEDDLE_MAPS_OUTBOUND_H

#include "../lib/platform.h"

/* Address and port that clients connect to -> number of the service. Writer: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_ADDRESSES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct heddle_service);
	__type(value, __u32);
} service_addresses SEC(".maps");

/* By number of the service. Writer: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct heddle_service_state);
} services SEC(".maps");

/* Numbers of endpoints, a run for each service. Writer: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_MEMBERS);
	__type(key, __u32);
	__type(value, __u32);
} members SEC(".maps");

/* By number of the endpoint. Writer: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_ENDPOINTS);
	__type(key, __u32);
	__type(value, struct heddle_endpoint);
} endpoints SEC(".maps");

/* Cgroup id -> identity of the workload whose processes are in it. Writer: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_IDENTITIES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u64);
	__type(value, __u32);
} cgroups SEC(".maps");

/* [0]: the port on loopback that connect() to a service leads to; 0 = no relay, refused. Writer: relay. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} outbound_port SEC(".maps");

/* What a socket asked connect() for; goes with the socket. Writer: connect. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct heddle_called);
} called SEC(".maps");

/* Connections of workloads to services. Writer: enrol (birth, death), and their own programs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_CLIENTS);
	__type(key, __u64);
	__type(value, struct heddle_client);
} clients SEC(".maps");

/* Local address and port of a client -> its cookie: how the relay knows whom it accepted. Writer: enrol. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_CLIENTS);
	__type(key, struct heddle_service);
	__type(value, __u64);
} client_names SEC(".maps");

/*
 * Writers: the relay opens and buries, programs move them in and out of pools. Mapped, so that
 * entries begin where cache lines do.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_UPSTREAMS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct heddle_upstream);
} upstreams SEC(".maps");

/* Cookie of the relay's own socket to another node -> index of the upstream. Writer: relay. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_UPSTREAMS);
	__type(key, __u64);
	__type(value, __u32);
} remote_upstreams SEC(".maps");

/* Writer: the relay makes them, programs change their heads. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_POOLS);
	__type(key, struct heddle_pool_key);
	__type(value, struct heddle_pool);
} pools SEC(".maps");

/* Whose requests to which service need no relay. Writer: relay. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, HEDDLE_MAX_POOLS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct heddle_route_key);
	__type(value, struct heddle_direct);
} direct_ways SEC(".maps");

/* At a place of `members`: weights of the run up to and with it, without their common divisor. Writer: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_MEMBERS);
	__type(key, __u32);
	__type(value, __u32);
} shares SEC(".maps");

/* By number of the service. Writer: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_SERVICES);
	__type(key, __u32);
	__type(value, struct heddle_balance);
} balances SEC(".maps");

/* By number of the service: turns of round robin so far. Writer: programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_SERVICES);
	__type(key, __u32);
	__type(value, __u32);
} turns SEC(".maps");

/* Numbers of endpoints: Maglev tables of services, one behind the other. Writer: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_SPOTS);
	__type(key, __u32);
	__type(value, __u32);
} spots SEC(".maps");

/* By number of the endpoint. Mapped, so that entries begin where cache lines do. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_ENDPOINTS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct heddle_health);
} health SEC(".maps");

/* By number of the endpoint: since when it takes requests; CLOCK_MONOTONIC, ns. Writer: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_MAX_ENDPOINTS);
	__type(key, __u32);
	__type(value, __u64);
} births SEC(".maps");

/* How requests went, by enum heddle_client_reason. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HEDDLE_CLIENT_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} client_counters SEC(".maps");

#endif /* HEDDLE_MAPS_OUTBOUND_H */
