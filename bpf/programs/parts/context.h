/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * context.h - who talks to whom: the blocks of this generation that apply to
 * a pair of addresses and a port, and what they make of it.
 */
#ifndef HEDDLE_CONTEXT_H
#define HEDDLE_CONTEXT_H

#include "../../lib/automaton.h"
#include "../../lib/diagram.h"
#include "../../maps/generation.h"
#include "../../maps/live.h"
#include <bpf/bpf_endian.h>

enum context_name {
	NAME_NONE = 0, /* no workload's address */
	NAME_OWN = 1,
	NAME_LOOPBACK4 = 2, /* 127.0.0.1 stands for `local` */
	NAME_LOOPBACK6 = 3,
};

/* In: addresses, port, protocol. Out: the rest. */
struct context {
	__u8 remote[16];
	__u8 local[16];
	__u32 port;	   /* host order */
	__u32 protocol;	   /* IPPROTO_* */
	__u32 kind;	   /* enum heddle_kind */
	__u32 remote_port; /* host order */
	__u32 known_by;	   /* enum context_name: which name of `local` the workload declares */
	__u32 peer;	   /* identity of `remote`, where it is known by more than its address */
	__u64 opaque;
	__u64 blocks[HEDDLE_ROW_U64];
};

static __always_inline __u32 identity_at(const struct heddle_address *key)
{
	__u32 *identity = bpf_map_lookup_elem(&identities, key);

	return identity ? *identity : 0;
}

static __always_inline __u32 identity_of(const __u8 *address)
{
	struct heddle_address key = { .prefix_bits = 128 };

	__builtin_memcpy(key.bytes, address, 16);
	return identity_at(&key);
}

static __always_inline int is_ip4(const __u8 *address)
{
	__u64 high;
	__u32 mid;

	__builtin_memcpy(&high, address, 8);
	__builtin_memcpy(&mid, address + 8, 4);
	return !high && mid == 0xffff0000;
}

/* Row (1..) that an automaton over a few bytes ends in; 0 = none. */
static __always_inline __u32 row_of(__u32 automaton_at, const __u8 *bytes, __u32 count)
{
	struct automaton a;
	__u32 state;

	automaton_open(&a, automaton_at);
	state = a.start;
	for (__u32 i = 0; i < count; i++) {
		if (!state)
			return 0;
		state = automaton_next(&a, state, bytes[i]) & HEDDLE_NEXT_STATE;
	}
	return automaton_final(&a, state, count);
}

static __always_inline __u64 row_word(__u32 rows_at, __u32 row, __u32 row_u64, __u32 i)
{
	return policy_u64(rows_at + 2 * (row * row_u64 + i));
}

/* What rows say of a connection. One word, as the stack is full on 6.1. */
enum applying {
	APPLY_SELECTED = 1,
	APPLY_DENIED = 2,
	APPLY_ALLOWED = 4,
	APPLY_JUDGED = 8,
	APPLY_FORBIDDEN = 16, /* requests are denied, or limited */
	APPLY_UNREAD = 32,    /* and what can't be read is not let through */
	APPLY_OPAQUE = 64,
};

/* `flag` where x is not 0. Without a branch, which each of 16 turns would double for the verifier. */
static __always_inline __u32 flag_if(__u64 x, __u32 flag)
{
	return (__u32)((x | -x) >> 63) * flag;
}

/* Would it pass, but for what is denied or limited of its requests? */
static __always_inline int is_open(__u32 flags)
{
	return !(flags & APPLY_SELECTED) || flags & APPLY_ALLOWED;
}

/* Kind in Cilium's order: deny, selected at all, L4 allow, L7. */
static __always_inline __u32 kind_of(__u32 flags)
{
	if (flags & APPLY_DENIED)
		return HEDDLE_KIND_DROP;
	if (is_open(flags))
		return flags & APPLY_FORBIDDEN ? HEDDLE_KIND_JUDGE : HEDDLE_KIND_PASS;
	return flags & APPLY_JUDGED ? HEDDLE_KIND_JUDGE : HEDDLE_KIND_DROP;
}

/* Into x->blocks: the blocks that the other side is a peer of. */
static __always_inline void peer_blocks(struct context *x, __u32 row_u64)
{
	__u32 identity = x->peer ? x->peer : identity_of(x->remote);
	struct heddle_identity_rows *rows;
	__u32 world;

	for (__u32 i = 0; i < HEDDLE_ROW_U64; i++)
		x->blocks[i] = 0;
	if (identity) {
		rows = bpf_map_lookup_elem(&identity_rows, &identity);
		if (rows)
			__builtin_memcpy(x->blocks, rows->peer, sizeof(x->blocks));
		return;
	}
	if (is_ip4(x->remote))
		world = row_of(TABLES(address4), x->remote + 12, 4);
	else
		world = row_of(TABLES(address6), x->remote, 16);
	for (__u32 i = 0; i < HEDDLE_ROW_U64 && world; i++)
		if (i < row_u64)
			x->blocks[i] = row_word(policy_u32(TABLES(rows_at)), world - 1, row_u64, i);
}

/* A connection that the relay makes after its own verdict. */
static __always_inline int is_relayed(const struct context *x)
{
	struct heddle_flow flow = {
		.remote_port = bpf_htons(x->remote_port),
		.local_port = bpf_htons(x->port),
	};

	if (x->protocol != 6)
		return 0;
	__builtin_memcpy(flow.remote, x->remote, 16);
	__builtin_memcpy(flow.local, x->local, 16);
	return bpf_map_lookup_elem(&relayed, &flow) != NULL;
}

static __always_inline int is_loopback(const __u8 *address)
{
	__u64 high, low;

	if (is_ip4(address))
		return address[12] == 127;
	__builtin_memcpy(&high, address, 8);
	__builtin_memcpy(&low, address + 8, 8);
	return !high && low == bpf_cpu_to_be64(1);
}

static __always_inline struct heddle_address address_named(const struct context *x, __u32 name)
{
	struct heddle_address key = { .prefix_bits = 128 };

	if (name == NAME_OWN) {
		__builtin_memcpy(key.bytes, x->local, 16);
		return key;
	}
	key.bytes[15] = 1;
	if (name == NAME_LOOPBACK4) {
		key.bytes[10] = key.bytes[11] = 0xff;
		key.bytes[12] = 127;
	}
	return key;
}

/*
 * The workload that an address belongs to, 0 = none. Loopback is one host, whichever
 * of its addresses is asked for: a server on 0.0.0.0 answers at all of them.
 */
static __always_inline __u32 workload_at(struct context *x)
{
	__u32 identity = 0;

	for (__u32 name = NAME_OWN; name <= NAME_LOOPBACK6; name++) {
		struct heddle_address key = address_named(x, name);

		identity = identity_at(&key);
		x->known_by = identity ? name : NAME_NONE;
		if (identity || !is_loopback(x->local))
			break;
	}
	return identity;
}

/*
 * Fills kind, blocks and opaque. An address that no workload declares is closed, or a
 * server on 0.0.0.0 could be reached past its policy. Only loopback is open where no
 * workload is declared on it: what a host says to itself is not the mesh's.
 */
SEPARATE int context_make(struct context *x)
{
	struct heddle_identity_rows *rows;
	__u32 local, ports, row_u64, forbids, flags = 0;
	__u8 key[3];

	if (!x)
		return -1;
	x->kind = HEDDLE_KIND_PASS;
	local = workload_at(x);
	if (!local) {
		if (!is_loopback(x->local))
			x->kind = HEDDLE_KIND_DROP;
		return 0;
	}
	rows = bpf_map_lookup_elem(&identity_rows, &local);
	if (!rows) {
		x->kind = HEDDLE_KIND_DROP; /* a workload that this generation doesn't know */
		return 0;
	}
	if (is_relayed(x))
		return 0;
	row_u64 = policy_u32(TABLES(row_u64));
	peer_blocks(x, row_u64);
	key[0] = x->protocol;
	key[1] = x->port >> 8;
	key[2] = x->port;
	ports = row_of(TABLES(ports), key, 3);
	for (__u32 i = 0; i < HEDDLE_ROW_U64; i++) {
		__u64 mine = rows->subject[i];
		__u64 applies = mine & x->blocks[i];
		__u64 judges, against, passed, seen;

		x->blocks[i] = 0;
		if (i >= row_u64)
			continue;
		flags |= flag_if(mine & row_word(policy_u32(TABLES(selects_at)), 0, 0, i),
				 APPLY_SELECTED);
		if (!ports)
			continue;
		applies &= row_word(policy_u32(TABLES(rows_at)), ports - 1, row_u64, i);
		flags |= flag_if(applies & row_word(policy_u32(TABLES(denies_at)), 0, 0, i),
				 APPLY_DENIED);
		flags |= flag_if(applies & row_word(policy_u32(TABLES(allows_at)), 0, 0, i),
				 APPLY_ALLOWED);
		judges = applies & row_word(policy_u32(TABLES(judges_at)), 0, 0, i);
		against = applies & blocks_below(policy_u32(TABLES(forbids)), i);
		/* Nobody's bytes are read, or refused, because somebody looks on. */
		seen = i ? 0 : against & bystanders();
		against &= ~seen;
		passed = row_word(policy_u32(TABLES(opaque_at)), 0, 0, i);
		flags |= flag_if(judges, APPLY_JUDGED) | flag_if(against, APPLY_FORBIDDEN);
		flags |= flag_if(against & ~passed, APPLY_UNREAD) |
			 flag_if(judges & passed, APPLY_OPAQUE);
		x->blocks[i] = judges | against | seen;
	}
	x->kind = kind_of(flags);
	if (is_open(flags) && x->kind == HEDDLE_KIND_JUDGE) {
		forbids = policy_u32(TABLES(forbids));
		x->blocks[(forbids >> 6) & (HEDDLE_ROW_U64 - 1)] |= 1ULL << (forbids & 63);
		flags |= APPLY_OPAQUE;
	}
	x->opaque = flags & APPLY_OPAQUE && !(flags & APPLY_UNREAD);
	return 0;
}

#endif /* HEDDLE_CONTEXT_H */
