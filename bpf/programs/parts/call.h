/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * call.h - a workload calls a service: connect() leads to the relay's listener on
 * loopback, and the socket that comes of it is enrolled as a client.
 */
#ifndef HEDDLE_CALL_H
#define HEDDLE_CALL_H

#include "../../lib/address.h"
#include "../../maps/live.h"
#include "../../maps/outbound.h"
#include "upstream-pool.h"
#include <bpf/bpf_endian.h>

#define SOCK_STREAM 1
#define ECONNREFUSED 111
/* Cgroups between the root and a workload's, the managed one included. */
#define CGROUP_LEVELS 8

/* struct sockaddr_in and sockaddr_in6, in network order. */
struct sockaddr_in4 {
	__u16 family;
	__u16 port;
	__u32 address;
	__u64 zero;
};
struct sockaddr_in6 {
	__u16 family;
	__u16 port;
	__u32 flow;
	__u8 address[16];
	__u32 scope;
};

/* Identity of the workload whose cgroup is the nearest around the caller; 0 = none. */
static __always_inline __u32 identity_of_caller(void)
{
	__u32 identity = 0;

	for (int level = 1; level <= CGROUP_LEVELS; level++) {
		__u64 id = bpf_get_current_ancestor_cgroup_id(level);
		__u32 *known = id ? bpf_map_lookup_elem(&cgroups, &id) : NULL;

		if (!id)
			break;
		if (known)
			identity = *known;
	}
	return identity;
}

static __always_inline __u32 is_mapped(const __u8 *address)
{
	__u32 words[4];

	__builtin_memcpy(words, address, 16);
	return !words[0] && !words[1] && words[2] == bpf_htonl(0xffff);
}

/* Of the same family as the one that is there. */
static __always_inline void to_loopback(__u8 *address)
{
	__u32 mapped = is_mapped(address);
	__u32 words[4] = { 0, 0, mapped ? bpf_htonl(0xffff) : 0,
			   bpf_htonl(mapped ? 0x7f000001 : 1) };

	__builtin_memcpy(address, words, 16);
}

/* The connection leaves from that address, unless the application has chosen one. 0 = so be it. */
static __always_inline int source_bind(struct bpf_sock_addr *call, const __u8 *source)
{
	struct sockaddr_in4 four = { .family = 2 };
	struct sockaddr_in6 six = { .family = 10 };
	__u32 words[4];

	__builtin_memcpy(words, source, 16);
	if (!words[0] && !words[1] && !words[2] && !words[3])
		return 0;
	if (call->family == 2) {
		four.address = words[3];
		return bpf_bind(call, (struct sockaddr *)&four, sizeof(four));
	}
	__builtin_memcpy(six.address, source, 16);
	return bpf_bind(call, (struct sockaddr *)&six, sizeof(six));
}

/* An entry for the connection that `way` speaks of, which is made in place of one to the relay; 0 = by the relay. */
static __always_inline __u32 direct_take(struct bpf_sock_addr *call,
					 const struct heddle_direct *way, struct heddle_service *to)
{
	struct heddle_pool_key key = { .endpoint = HEDDLE_POOL_DIRECT };
	struct heddle_pool *pool = bpf_map_lookup_elem(&pools, &key);
	struct heddle_endpoint *e = bpf_map_lookup_elem(&endpoints, &way->endpoint);
	__u32 mapped = is_mapped(to->address), entry;
	struct heddle_upstream *u;

	if (!pool || !e || !e->weight || is_mapped(e->address) != mapped)
		return 0;
	entry = pool_pop(pool);
	if (!entry) {
		__sync_fetch_and_add(&pool->missed, 1);
		return 0;
	}
	if (source_bind(call, way->source)) {
		direct_free(entry);
		return 0;
	}
	u = upstream_at(entry - 1);
	if (u) {
		/* As long as it stands here that number means this endpoint; a relay that begins leaves it alone. */
		u->endpoint = way->endpoint;
		u->flags = HEDDLE_UPSTREAM_DIRECT;
	}
	__builtin_memcpy(to->address, e->address, 16);
	to->port = e->port;
	return entry;
}

/* Where to connect to instead. 0 = as it was asked; < 0 = refused. */
static __always_inline int call_to(struct bpf_sock_addr *call, struct heddle_service *asked,
				   struct heddle_service *to)
{
	struct heddle_route_key who = {};
	struct heddle_direct *way;
	__u32 zero = 0, *service, *port;
	struct heddle_called *note;

	asked->port = bpf_ntohs(call->user_port);
	service = bpf_map_lookup_elem(&service_addresses, asked);
	if (!service || call->type != SOCK_STREAM)
		return 0;
	port = bpf_map_lookup_elem(&outbound_port, &zero);
	if (!port || !*port || !call->sk)
		return -ECONNREFUSED;
	note = bpf_sk_storage_get(&called, call->sk, NULL, BPF_SK_STORAGE_GET_F_CREATE);
	if (!note)
		return -ECONNREFUSED;
	/* Connected, or about to be: connect() is going to say so. */
	if (call->sk->state != BPF_TCP_CLOSE)
		return 0;
	__builtin_memcpy(note->address, asked->address, 16);
	note->port = asked->port;
	note->service = *service;
	note->identity = identity_of_caller();
	if (note->direct)
		direct_free(note->direct); /* an earlier connect() failed */
	note->direct = 0;
	__builtin_memcpy(to->address, asked->address, 16);
	who.service = note->service;
	who.identity = note->identity;
	way = bpf_map_lookup_elem(&direct_ways, &who);
	if (way)
		note->direct = direct_take(call, way, to);
	if (!note->direct) {
		to_loopback(to->address);
		to->port = *port;
	}
	return 1;
}

static __always_inline int call_refused(void)
{
	bpf_set_retval(-ECONNREFUSED);
	return 0;
}

static __always_inline int call4(struct bpf_sock_addr *call)
{
	struct heddle_service asked = {}, to = {};
	__u32 none[4] = {}, address;
	int found;

	address_of(asked.address, 2, call->user_ip4, none);
	found = call_to(call, &asked, &to);
	if (found < 0)
		return call_refused();
	if (found) {
		__builtin_memcpy(&address, to.address + 12, 4);
		call->user_ip4 = address;
		call->user_port = bpf_htons(to.port);
	}
	return 1;
}

static __always_inline int call6(struct bpf_sock_addr *call)
{
	struct heddle_service asked = {}, to = {};
	__u32 address[4] = { call->user_ip6[0], call->user_ip6[1], call->user_ip6[2],
			     call->user_ip6[3] };
	int found;

	__builtin_memcpy(asked.address, address, 16);
	found = call_to(call, &asked, &to);
	if (found < 0)
		return call_refused();
	if (found) {
		__builtin_memcpy(address, to.address, 16);
		call->user_ip6[0] = address[0];
		call->user_ip6[1] = address[1];
		call->user_ip6[2] = address[2];
		call->user_ip6[3] = address[3];
		call->user_port = bpf_htons(to.port);
	}
	return 1;
}

/* getpeername(): the service, as the application asked for it. */
static __always_inline struct heddle_called *called_by(struct bpf_sock_addr *call)
{
	return call->sk ? bpf_sk_storage_get(&called, call->sk, NULL, 0) : NULL;
}

static __always_inline int peer4(struct bpf_sock_addr *call)
{
	struct heddle_called *note = called_by(call);
	__u32 address;

	if (note) {
		__builtin_memcpy(&address, note->address + 12, 4);
		call->user_ip4 = address;
		call->user_port = bpf_htons(note->port);
	}
	return 1;
}

static __always_inline int peer6(struct bpf_sock_addr *call)
{
	struct heddle_called *note = called_by(call);
	__u32 address[4];

	if (note) {
		__builtin_memcpy(address, note->address, 16);
		call->user_ip6[0] = address[0];
		call->user_ip6[1] = address[1];
		call->user_ip6[2] = address[2];
		call->user_ip6[3] = address[3];
		call->user_port = bpf_htons(note->port);
	}
	return 1;
}

#endif /* HEDDLE_CALL_H */
