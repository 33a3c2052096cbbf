/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * enrol-client.h - birth and death of a client's socket, and of the server's end of an
 * upstream. A socket that can't be enrolled stays an ordinary one: the relay serves it.
 */
#ifndef HEDDLE_ENROL_CLIENT_H
#define HEDDLE_ENROL_CLIENT_H

#include "../../lib/address.h"
#include "breaker.h"
#include "hand.h"
#include "upstream-pool.h"
#include <bpf/bpf_endian.h>

/* The clients that this dispatcher reads; see own_readers. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, HEDDLE_MAX_CLIENTS);
	__type(key, __u64);
	__type(value, __u64);
} own_callers SEC(".maps");

/* The relay's own connections to other nodes. Writer: relay. */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, HEDDLE_MAX_UPSTREAMS);
	__type(key, __u64);
	__type(value, __u64);
} own_remotes SEC(".maps");

/* A client of zeroes, too large for a stack. Never written. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heddle_client);
} own_blank_client SEC(".maps");

/* Where the relay sees the client: its own address and port. */
static __always_inline void client_name(struct bpf_sock_ops *ops, struct heddle_service *name)
{
	__u32 local6[4] = { ops->local_ip6[0], ops->local_ip6[1], ops->local_ip6[2],
			    ops->local_ip6[3] };
	__u32 local4 = ops->local_ip4;

	OPAQUE_TO_COMPILER(local4);
	address_of(name->address, ops->family, local4, local6);
	name->port = ops->local_port;
}

/* An entry was taken for a connection that never came to be. */
static __always_inline void connect_failed(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct heddle_called *note = sk ? bpf_sk_storage_get(&called, sk, NULL, 0) : NULL;

	if (!note || !note->direct)
		return;
	direct_free(note->direct);
	note->direct = 0;
}

/* A service is called past the relay: if nothing comes of it, that is to be heard. */
static __always_inline void client_calls(struct bpf_sock_ops *ops)
{
	struct bpf_sock *sk = ops->sk;
	struct heddle_called *note = sk ? bpf_sk_storage_get(&called, sk, NULL, 0) : NULL;

	if (note && note->direct)
		bpf_sock_ops_cb_flags_set(ops,
					  ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
}

/* The client's own connection plays the part of the relay's to another node. */
static __always_inline void direct_enters(struct heddle_client *c, __u32 entry, __u64 socket)
{
	__u32 index = entry - 1;
	struct heddle_upstream *u = upstream_at(index);
	__u64 cookie = c->cookie;

	if (!u)
		return;
	u->server = cookie;
	u->client = cookie;
	u->flags = HEDDLE_UPSTREAM_REMOTE | HEDDLE_UPSTREAM_DIRECT;
	u->writer = socket;
	u->expected = 0;
	c->direct = entry;
	c->upstream = entry;
	/* Whose answers are not seen is not followed. */
	if (bpf_map_update_elem(&remote_upstreams, &cookie, &index, BPF_ANY))
		u->way = HEDDLE_WAY_BLIND;
}

static __always_inline void direct_leaves(struct heddle_client *c)
{
	struct heddle_upstream *u = upstream_at(c->direct - 1);
	__u64 cookie = c->cookie;

	bpf_map_delete_elem(&remote_upstreams, &cookie);
	if (u)
		request_untold(u);
	direct_free(c->direct);
	if (c->upstream == c->direct)
		c->upstream = 0;
}

static __always_inline void client_leaves(struct bpf_sock_ops *ops, __u64 cookie)
{
	struct heddle_client *c = bpf_map_lookup_elem(&clients, &cookie);
	struct heddle_service name = {};
	struct heddle_upstream *u;

	if (!c) {
		connect_failed(ops);
		return;
	}
	client_name(ops, &name);
	bpf_map_delete_elem(&client_names, &name);
	if (c->direct)
		direct_leaves(c);
	u = c->upstream ? upstream_at(c->upstream - 1) : NULL;
	if (u && u->client == cookie) {
		if (work_now(u) || c->flags & HEDDLE_CLIENT_REQUEST)
			client_tell(cookie, c->upstream - 1, HEDDLE_EVENT_ABANDONED);
		else
			upstream_free(u, c->upstream - 1);
	}
	bpf_map_delete_elem(&clients, &cookie);
}

static __always_inline void client_enters(struct bpf_sock_ops *ops, __u64 cookie)
{
	struct bpf_sock *sk = ops->sk;
	struct heddle_called *note = sk ? bpf_sk_storage_get(&called, sk, NULL, 0) : NULL;
	struct heddle_service name = {};
	struct heddle_client *blank, *c;
	__u32 zero = 0;

	if (!note)
		return;
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	blank = bpf_map_lookup_elem(&own_blank_client, &zero);
	if (!blank || bpf_map_update_elem(&clients, &cookie, blank, BPF_ANY))
		return;
	c = bpf_map_lookup_elem(&clients, &cookie);
	if (!c)
		return;
	client_name(ops, &name);
	c->cookie = cookie;
	__builtin_memcpy(c->address, note->address, 16);
	c->port = note->port;
	c->local_port = name.port;
	c->service = note->service;
	c->identity = note->identity;
	c->sent_base = ops->snd_nxt;
	if (note->direct)
		direct_enters(c, note->direct, (__u64)bpf_skc_to_tcp_sock(sk));
	/* The client's now: when that has gone, the socket may be connected once more. */
	note->direct = 0;
	if (bpf_map_update_elem(&client_names, &name, &cookie, BPF_ANY) ||
	    bpf_sock_hash_update(ops, &sockets, &cookie, BPF_ANY) ||
	    bpf_sock_hash_update(ops, &own_callers, &cookie, BPF_ANY))
		c->hand = HEDDLE_HAND_RELAY;
}

static __always_inline void upstream_leaves(const struct heddle_conn *c)
{
	struct heddle_upstream *u = upstream_at(c->requests);

	if (u && u->server == c->cookie)
		upstream_gone(u);
}

#endif /* HEDDLE_ENROL_CLIENT_H */
