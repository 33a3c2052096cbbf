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
#include <bpf/bpf_endian.h>

#define SOCK_STREAM 1
#define ECONNREFUSED 111
/* Cgroups between the root and a workload's, the managed one included. */
#define CGROUP_LEVELS 8

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

/* Port on loopback to connect to instead; 0 = no service's address, < 0 = refused. */
static __always_inline int call_port(struct bpf_sock_addr *call, struct heddle_service *asked)
{
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
	__builtin_memcpy(note->address, asked->address, 16);
	note->port = asked->port;
	note->service = *service;
	note->identity = identity_of_caller();
	return *port;
}

static __always_inline int call_refused(void)
{
	bpf_set_retval(-ECONNREFUSED);
	return 0;
}

static __always_inline int call4(struct bpf_sock_addr *call)
{
	struct heddle_service asked = {};
	__u32 none[4] = {};
	int port;

	address_of(asked.address, 2, call->user_ip4, none);
	port = call_port(call, &asked);
	if (port < 0)
		return call_refused();
	if (port) {
		call->user_ip4 = bpf_htonl(0x7f000001);
		call->user_port = bpf_htons(port);
	}
	return 1;
}

static __always_inline int call6(struct bpf_sock_addr *call)
{
	struct heddle_service asked = {};
	__u32 address[4] = { call->user_ip6[0], call->user_ip6[1], call->user_ip6[2],
			     call->user_ip6[3] };
	__u32 mapped = !address[0] && !address[1] && address[2] == bpf_htonl(0xffff);
	int port;

	__builtin_memcpy(asked.address, address, 16);
	port = call_port(call, &asked);
	if (port < 0)
		return call_refused();
	if (port) {
		call->user_ip6[0] = 0;
		call->user_ip6[1] = 0;
		call->user_ip6[2] = mapped ? bpf_htonl(0xffff) : 0;
		call->user_ip6[3] = bpf_htonl(mapped ? 0x7f000001 : 1);
		call->user_port = bpf_htons(port);
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
