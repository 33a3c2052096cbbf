/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * steer.h - new connections to a workload in mode relay come to the relay's
 * listener, with the address that the client asked for. The relay's own
 * connections to the workload pass.
 */
#ifndef HEDDLE_STEER_H
#define HEDDLE_STEER_H

#include "../../lib/address.h"
#include "../../maps/live.h"
#include <bpf/bpf_endian.h>

static __always_inline int steer_connection(struct bpf_sk_lookup *lookup)
{
	struct heddle_service service = { .port = lookup->local_port };
	struct heddle_flow flow = {
		.remote_port = lookup->remote_port,
		.local_port = bpf_htons(lookup->local_port),
	};
	__u32 remote6[4], local6[4], zero = 0;
	struct bpf_sock *sk;
	long refused;

	if (lookup->protocol != 6)
		return SK_PASS;
	for (int i = 0; i < 4; i++) {
		remote6[i] = lookup->remote_ip6[i];
		local6[i] = lookup->local_ip6[i];
	}
	address_of(flow.remote, lookup->family, lookup->remote_ip4, remote6);
	address_of(flow.local, lookup->family, lookup->local_ip4, local6);
	__builtin_memcpy(service.address, flow.local, 16);
	if (!bpf_map_lookup_elem(&steered, &service) || bpf_map_lookup_elem(&relayed, &flow))
		return SK_PASS;
	sk = bpf_map_lookup_elem(&listener, &zero);
	if (!sk)
		return SK_DROP; /* the relay is gone: closed */
	refused = bpf_sk_assign(lookup, sk, 0);
	bpf_sk_release(sk);
	return refused ? SK_DROP : SK_PASS;
}

#endif /* HEDDLE_STEER_H */
