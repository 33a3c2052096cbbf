/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * packet.h - L3/L4: which connections and datagrams reach a workload at all.
 * TCP is judged at its SYN (the stream verdict looks again at each message);
 * other protocols at each packet, replies to own flows let in.
 */
#ifndef HEDDLE_PACKET_H
#define HEDDLE_PACKET_H

#include "context.h"
#include "count.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>

enum packet_answer {
	PACKET_DROP = 0,
	PACKET_PASS = 1,
	PACKET_RULED =
		2, /* a rule said so, of a packet that nothing else speaks of: a shadow looks, too */
};

enum ip_protocol {
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_ICMP6 = 58,
	PROTO_SCTP = 132
};

#define TCP_FLAGS_AT 13
#define TCP_SYN 0x02
#define TCP_ACK 0x10

struct packet {
	struct context context;
	__u32 transport_at;
	__u32 fragment; /* not the first fragment: no ports to see */
};

static __always_inline int packet_ip4(struct __sk_buff *skb, struct packet *p)
{
	__u8 head[20];

	if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)))
		return -1;
	p->context.remote[10] = p->context.remote[11] = 0xff;
	p->context.local[10] = p->context.local[11] = 0xff;
	__builtin_memcpy(p->context.remote + 12, head + 12, 4);
	__builtin_memcpy(p->context.local + 12, head + 16, 4);
	p->context.protocol = head[9];
	p->transport_at = (head[0] & 15) * 4;
	p->fragment = (head[6] & 0x1f) | head[7];
	return 0;
}

/* Extension headers that may stand before the transport header (RFC 8200). */
#define MAX_EXTENSIONS 6

static __always_inline int is_extension(__u8 next)
{
	return next == 0 || next == 43 || next == 44 || next == 60;
}

static __always_inline int packet_ip6(struct __sk_buff *skb, struct packet *p)
{
	__u8 next, two[2];
	__u32 at = 40;

	if (bpf_skb_load_bytes(skb, 6, &next, 1) ||
	    bpf_skb_load_bytes(skb, 8, p->context.remote, 16) ||
	    bpf_skb_load_bytes(skb, 24, p->context.local, 16))
		return -1;
	for (int i = 0; i < MAX_EXTENSIONS; i++) {
		if (!is_extension(next))
			break;
		if (bpf_skb_load_bytes(skb, at, two, 2))
			return -1;
		at += next == 44 ? 8 : (two[1] + 1) * 8;
		next = two[0];
	}
	if (is_extension(next))
		return -1; /* who hides the ports behind so many means to */
	p->context.protocol = next;
	p->transport_at = at;
	return 0;
}

static __always_inline int packet_addresses(struct __sk_buff *skb, struct packet *p)
{
	return skb->protocol == bpf_htons(0x0800) ? packet_ip4(skb, p) : packet_ip6(skb, p);
}

static __always_inline int packet_ports(struct __sk_buff *skb, struct packet *p)
{
	__u16 ports[2];

	if (bpf_skb_load_bytes(skb, p->transport_at, ports, sizeof(ports)))
		return -1;
	p->context.port = bpf_ntohs(ports[1]);
	p->context.remote_port = bpf_ntohs(ports[0]);
	return 0;
}

static __always_inline struct heddle_flow packet_flow(const struct packet *p)
{
	struct heddle_flow flow = {
		.remote_port = bpf_htons(p->context.remote_port),
		.local_port = bpf_htons(p->context.port),
	};

	__builtin_memcpy(flow.remote, p->context.remote, 16);
	__builtin_memcpy(flow.local, p->context.local, 16);
	return flow;
}

/* A datagram that answers a flow which the workload began. */
static __always_inline int packet_answers(const struct packet *p)
{
	struct heddle_flow flow = packet_flow(p);
	__u64 *began = bpf_map_lookup_elem(&flows, &flow);

	return began && *began != HEDDLE_FLOW_SERVED;
}

/* The workload's own answers don't make this flow one that it began: each datagram is judged. */
static __always_inline void packet_served(const struct packet *p)
{
	struct heddle_flow flow = packet_flow(p);
	__u64 origin = HEDDLE_FLOW_SERVED;

	bpf_map_update_elem(&flows, &flow, &origin, BPF_NOEXIST);
}

#define TCP_HEAD 20
#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MPTCP 30 /* RFC 8684 section 3 */
#define TCP_OPTIONS_MAX 40

struct tcp_options {
	struct __sk_buff *skb;
	__u32 at; /* of the next option, from the packet's first byte */
	__u32 end;
	int mptcp;
	__u32 pad;
};

static long next_option(__u32 turn UNUSED, struct tcp_options *o)
{
	__u8 option[2];

	if (o->at + 1 >= o->end || bpf_skb_load_bytes(o->skb, o->at, option, 2))
		return 1;
	o->mptcp = option[0] == TCP_OPTION_MPTCP;
	if (o->mptcp || option[0] == TCP_OPTION_END ||
	    (option[0] != TCP_OPTION_NOP && option[1] < 2))
		return 1;
	o->at += option[0] == TCP_OPTION_NOP ? 1 : option[1];
	return 0;
}

/* Are there MPTCP options in this SYN? Read as tcp_parse_options() does. */
SEPARATE int packet_offers_mptcp(struct __sk_buff *skb, __u32 transport_at)
{
	struct tcp_options o = {};
	__u8 words;

	if (!skb || bpf_skb_load_bytes(skb, transport_at + 12, &words, 1))
		return 0;
	o.skb = skb;
	o.at = transport_at + TCP_HEAD;
	o.end = transport_at + (words >> 4) * 4;
	/* A loop of the verifier's own: unrolled, it was five sixths of this program's load. */
	bpf_loop(TCP_OPTIONS_MAX, next_option, &o, 0);
	return o.mptcp;
}

struct tcp_sock___mptcp {
	_Bool is_mptcp;
} __attribute__((preserve_access_index));

/*
 * A subflow of an MPTCP connection can't be read: sockmap refuses it, or another
 * subflow carries the rest. Without the answer to its SYN a client falls back to TCP.
 */
static __always_inline int packet_begins_mptcp(struct __sk_buff *skb, __u32 transport_at)
{
	struct tcp_sock___mptcp *listening;

	if (!skb->sk || !bpf_core_field_exists(struct tcp_sock___mptcp, is_mptcp))
		return 0;
	listening = (struct tcp_sock___mptcp *)bpf_skc_to_tcp_sock(skb->sk);
	return listening && listening->is_mptcp && packet_offers_mptcp(skb, transport_at);
}

static __always_inline int connections_full(void)
{
	__u32 zero = 0;
	struct heddle_population *n = bpf_map_lookup_elem(&population, &zero);

	/* Handshakes under way may still be born: leave them room. A count that drifted below
	 * nothing must not close the node for ever. */
	return !n || (__s64)n->connections >= HEDDLE_MAX_CONNS - HEDDLE_MAX_CONNS / 16;
}

/*
 * Segments of a TCP connection that is up: nearly all packets, told by a few direct
 * bytes. Often no more than the headers are direct: 52 bytes of IPv4 with timestamps.
 */
static __always_inline int packet_of_connection(struct __sk_buff *skb)
{
	__u8 *ip = (__u8 *)(long)skb->data;
	__u8 *end = (__u8 *)(long)skb->data_end;

	if (ip + 20 + TCP_FLAGS_AT + 1 > end)
		return 0;
	if (ip[0] == 0x45)
		return ip[9] == PROTO_TCP && !(ip[6] & 0x1f) && !ip[7] &&
		       (ip[20 + TCP_FLAGS_AT] & (TCP_SYN | TCP_ACK)) != TCP_SYN;
	if (ip + 40 + TCP_FLAGS_AT + 1 > end)
		return 0;
	return ip[0] >> 4 == 6 && ip[6] == PROTO_TCP &&
	       (ip[40 + TCP_FLAGS_AT] & (TCP_SYN | TCP_ACK)) != TCP_SYN;
}

/* L7 rules that this address's mode does not leave to the kernel: only the relay comes in. */
static __always_inline int refused_by_mode(const struct context *x)
{
	struct heddle_address key = address_named(x, x->known_by);
	__u32 *mode;

	if (x->kind != HEDDLE_KIND_JUDGE)
		return 0;
	mode = bpf_map_lookup_elem(&modes, &key);
	return mode && *mode != HEDDLE_MODE_KERNEL;
}

SEPARATE int packet_judge(struct __sk_buff *skb)
{
	struct packet p = {};
	__u8 flags;

	if (packet_addresses(skb, &p))
		return PACKET_DROP;
	if (p.context.protocol == PROTO_TCP) {
		if (bpf_skb_load_bytes(skb, p.transport_at + TCP_FLAGS_AT, &flags, 1))
			return PACKET_DROP;
		if ((flags & (TCP_SYN | TCP_ACK)) != TCP_SYN)
			return PACKET_PASS;
		if (connections_full()) {
			count(HEDDLE_EXHAUSTED);
			return PACKET_DROP;
		}
		if (packet_begins_mptcp(skb, p.transport_at)) {
			count(HEDDLE_ENROL_FAILED);
			return PACKET_DROP;
		}
	} else if (p.context.protocol != PROTO_UDP && p.context.protocol != PROTO_SCTP) {
		return PACKET_PASS; /* ICMP and others carry no port that a rule could mean */
	}
	if (p.fragment || packet_ports(skb, &p))
		return p.fragment ? PACKET_PASS : PACKET_DROP;
	if (p.context.protocol == PROTO_UDP && packet_answers(&p))
		return PACKET_PASS;
	if (context_make(&p.context) || p.context.kind == HEDDLE_KIND_DROP) {
		count(p.context.known_by ? HEDDLE_DROPPED : HEDDLE_UNDECLARED);
		return PACKET_DROP | PACKET_RULED;
	}
	if (refused_by_mode(&p.context)) {
		count(HEDDLE_REFUSED_BY_MODE);
		return PACKET_DROP | PACKET_RULED;
	}
	if (p.context.protocol == PROTO_UDP)
		packet_served(&p);
	return p.context.protocol == PROTO_TCP ? PACKET_PASS : PACKET_PASS | PACKET_RULED;
}

/* A connection that could not be enrolled: nobody would read what it brings. */
static __always_inline int packet_unread(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : NULL;
	return sk && sk->mark == HEDDLE_MARK_UNREAD;
}

/*
 * A rule was asked about this packet: is a candidate, too? Not about a SYN that is let in: of that
 * connection each message is compared, also with a candidate that would have no connection.
 */
static __always_inline void packet_shadow(struct __sk_buff *skb, int answer)
{
	__u32 zero = 0;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);

	if (!me || !me->shadow)
		return;
	if (answer & PACKET_PASS)
		bpf_tail_call(skb, &shadow_passed, me->shadow - 1);
	else
		bpf_tail_call(skb, &shadow_dropped, me->shadow - 1);
}

static __always_inline int packet_verdict(struct __sk_buff *skb)
{
	int answer;

	if (packet_unread(skb))
		return PACKET_DROP;
	if (packet_of_connection(skb))
		return PACKET_PASS;
	answer = packet_judge(skb);
	OPAQUE_TO_COMPILER(answer);
	if (answer & PACKET_RULED)
		packet_shadow(skb, answer);
	return answer & PACKET_PASS;
}

#endif /* HEDDLE_PACKET_H */
