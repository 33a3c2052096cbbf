// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * dispatcher.c - the programs that stay attached. They hand every event to
 * the active generation by a tail call, and enrol connections at birth. Where no
 * generation is staged nothing passes: a managed workload without a verified
 * policy is closed.
 */
#include "../lib/address.h"
#include "../lib/sock.h"
#include "parts/count.h"
#include "../maps/copies.h"
#include "../maps/live.h"
#include "../maps/shadow.h"
#include "parts/audited.h"
#include "parts/close.h"
#include "parts/steer.h"
#include "parts/take.h"
#include "parts/call.h"
#include "parts/enrol-client.h"
#include "parts/ask.h"
#include "parts/break.h"
#include <bpf/bpf_endian.h>

#define SOL_SOCKET 1
#define SO_MARK 36

static __always_inline __u32 active_slot(void)
{
	__u32 zero = 0;
	struct heddle_active *a = bpf_map_lookup_elem(&active, &zero);

	/* Generation 0 does not exist: HEDDLE_SLOTS is no slot, the tail call fails. */
	return a && a->generation_slot >> 8 ? a->generation_slot & 0xff : HEDDLE_SLOTS;
}

SEC("sk_skb/stream_verdict")
int dispatch_verdict(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &verdicts, active_slot());
	verdict_close(skb);
	return SK_DROP;
}

SEC("sk_msg")
int dispatch_message(struct sk_msg_md *msg)
{
	bpf_tail_call(msg, &messages, active_slot());
	return SK_PASS;
}

/* What a client sends, where no generation is staged: the relay answers. */
SEC("sk_msg")
int dispatch_request(struct sk_msg_md *msg)
{
	struct tcp_sock *tp;
	struct heddle_client *c;
	__u64 cookie;

	bpf_tail_call(msg, &requests, active_slot());
	tp = msg->sk ? bpf_skc_to_tcp_sock(msg->sk) : NULL;
	if (!tp)
		return SK_PASS;
	cookie = cookie_of(tp);
	c = bpf_map_lookup_elem(&clients, &cookie);
	if (c)
		hand_to_relay(c);
	client_count(HEDDLE_SLOW_NO_GENERATION);
	return SK_PASS;
}

/* What another node answers; where no generation is staged the relay reads it. */
SEC("sk_skb/stream_verdict")
int dispatch_response(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &responses, active_slot());
	return SK_PASS;
}

/*
 * What comes to a client by wire stands behind what was handed to it, and is counted where FIONREAD
 * looks. On a connection that leads past the relay it is an endpoint that speaks.
 */
SEC("sk_skb/stream_verdict")
int pass_to_client(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);

	if (bpf_map_lookup_elem(&remote_upstreams, &cookie))
		bpf_tail_call(skb, &responses, active_slot());
	return SK_PASS;
}

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *call)
{
	return call4(call);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *call)
{
	return call6(call);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *call)
{
	return peer4(call);
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *call)
{
	return peer6(call);
}

SEC("cgroup_skb/ingress")
int dispatch_packet(struct __sk_buff *skb)
{
	bpf_tail_call(skb, &packets, active_slot());
	count(HEDDLE_NO_GENERATION);
	return 0;
}

/* Remember UDP flows that begin here, so that their replies are let in. */
SEC("cgroup_skb/egress")
int note_flow(struct __sk_buff *skb)
{
	const __u8 *ip = (const __u8 *)(long)skb->data;
	struct heddle_flow flow;
	__u64 now;
	__u32 ports_at;
	__u8 head[20];

	/* Nearly all packets are TCP and leave here, told by one direct byte. */
	if (ip + 20 <= (const __u8 *)(long)skb->data_end && ip[ip[0] >> 4 == 4 ? 9 : 6] == 6)
		return 1;
	__builtin_memset(&flow, 0, sizeof(flow));
	now = bpf_ktime_get_ns();
	if (bpf_skb_load_bytes(skb, 0, head, sizeof(head)))
		return 1;
	if (head[0] >> 4 == 4) {
		if (head[9] != 17)
			return 1;
		flow.local[10] = flow.local[11] = flow.remote[10] = flow.remote[11] = 0xff;
		__builtin_memcpy(flow.local + 12, head + 12, 4);
		__builtin_memcpy(flow.remote + 12, head + 16, 4);
		ports_at = (head[0] & 15) * 4;
	} else {
		if (head[6] != 17)
			return 1;
		if (bpf_skb_load_bytes(skb, 8, flow.local, 16) ||
		    bpf_skb_load_bytes(skb, 24, flow.remote, 16))
			return 1;
		ports_at = 40;
	}
	if (bpf_skb_load_bytes(skb, ports_at, &flow.local_port, 2) ||
	    bpf_skb_load_bytes(skb, ports_at + 2, &flow.remote_port, 2))
		return 1;
	bpf_map_update_elem(&flows, &flow, &now, BPF_NOEXIST);
	return 1;
}

/* Which live maps these programs speak of. The agent reads it in the file and again in the kernel. */
const volatile __u32 abi __attribute__((section(".rodata.abi"), used)) = HEDDLE_ABI;

/*
 * The sockets that this dispatcher reads. A socket keeps the programs that it met in here: another
 * dispatcher brings a map of its own for those born from then on, and this one runs empty.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 2 * HEDDLE_MAX_CONNS);
	__type(key, __u64);
	__type(value, __u64);
} own_readers SEC(".maps");

/* A connection of zeroes, too large for a stack. Never written: births on one CPU may interleave. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct heddle_conn);
} own_newborn SEC(".maps");

/* The socket is in no map yet: nobody else sees the state that is filled in here. */
static __always_inline struct heddle_conn *conn_create(__u64 cookie)
{
	__u32 zero = 0;
	struct heddle_conn *blank = bpf_map_lookup_elem(&own_newborn, &zero);

	if (!blank || bpf_map_update_elem(&conns, &cookie, blank, BPF_ANY))
		return NULL;
	return bpf_map_lookup_elem(&conns, &cookie);
}

static __always_inline int enrol_birth(struct bpf_sock_ops *ops, __u64 cookie)
{
	__u32 remote6[4] = { ops->remote_ip6[0], ops->remote_ip6[1], ops->remote_ip6[2],
			     ops->remote_ip6[3] };
	__u32 local6[4] = { ops->local_ip6[0], ops->local_ip6[1], ops->local_ip6[2],
			    ops->local_ip6[3] };
	__u32 remote4 = ops->remote_ip4, local4 = ops->local_ip4;
	struct heddle_conn *c;
	__u32 zero = 0;
	struct heddle_population *n = bpf_map_lookup_elem(&population, &zero);

	/* Read now: a pointer into the context can't be kept. */
	OPAQUE_TO_COMPILER(remote4);
	OPAQUE_TO_COMPILER(local4);
	c = conn_create(cookie);
	bpf_sock_ops_cb_flags_set(ops, ops->bpf_sock_ops_cb_flags | BPF_SOCK_OPS_STATE_CB_FLAG);
	if (!c || !n)
		return -1;
	address_of(c->remote, ops->family, remote4, remote6);
	address_of(c->local, ops->family, local4, local6);
	c->cookie = cookie;
	c->local_port = ops->local_port;
	c->remote_port = bpf_ntohl(ops->remote_port);
	__sync_fetch_and_add(&n->connections, 1);
	return 0;
}

/* What the relay said that it opens this connection for; 0 = nothing, it is somebody else's. */
static __always_inline __u32 relayed_as(struct heddle_conn *c)
{
	struct heddle_flow flow = {};
	__u32 *how;

	__builtin_memcpy(flow.remote, c->remote, 16);
	__builtin_memcpy(flow.local, c->local, 16);
	flow.remote_port = bpf_htons(c->remote_port);
	flow.local_port = bpf_htons(c->local_port);
	how = bpf_map_lookup_elem(&relayed, &flow);
	return how ? *how : 0;
}

/*
 * The relay has judged what comes, so its server reads, splices and blocks as without a
 * mesh. Takes the newborn state away again.
 */
static __always_inline void leave_alone(__u64 cookie)
{
	__u32 zero = 0;
	struct heddle_population *n = bpf_map_lookup_elem(&population, &zero);

	if (!bpf_map_delete_elem(&conns, &cookie) && n)
		__sync_fetch_and_add(&n->connections, -1);
}

/*
 * Its bytes would pass unread: from now on its packets are dropped, and the relay ends
 * it. What came with the last packet of the handshake is past that gate.
 */
static __always_inline void enrol_failed(struct bpf_sock_ops *ops, __u64 cookie)
{
	struct heddle_conn *c = bpf_map_lookup_elem(&conns, &cookie);
	__u32 mark = HEDDLE_MARK_UNREAD;

	bpf_setsockopt(ops, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
	count(HEDDLE_ENROL_FAILED);
	if (c)
		tell(c, HEDDLE_EVENT_END, HEDDLE_ENROL_FAILED, 0);
}

/*
 * Every accepted connection gets a parser and a verdict program at birth, chosen
 * by a policy or not: a policy that begins to select it later finds a known
 * state. No state (map full) still means enrolled: then its bytes are dropped.
 */
static __always_inline void connection_enters(struct bpf_sock_ops *ops, __u64 cookie)
{
	struct heddle_conn *c;
	__u32 how = 0;

	if (enrol_birth(ops, cookie))
		count(HEDDLE_EXHAUSTED);
	c = bpf_map_lookup_elem(&conns, &cookie);
	if (c)
		how = relayed_as(c);
	if (how == HEDDLE_RELAYED_JUDGED) {
		leave_alone(cookie);
		return;
	}
	if (c && how & HEDDLE_RELAYED_UPSTREAM) {
		c->kind = HEDDLE_KIND_UPSTREAM;
		c->requests = how & (HEDDLE_MAX_UPSTREAMS - 1);
	}
	if (bpf_sock_hash_update(ops, &own_readers, &cookie, BPF_ANY) ||
	    bpf_sock_hash_update(ops, &sockets, &cookie, BPF_ANY))
		enrol_failed(ops, cookie);
	else if (c && c->kind == HEDDLE_KIND_UPSTREAM)
		upstream_opened(cookie, c->requests,
				ops->sk ? (__u64)bpf_skc_to_tcp_sock(ops->sk) : 0);
}

static __always_inline void connection_changes(struct bpf_sock_ops *ops, __u64 cookie)
{
	struct heddle_conn *c = bpf_map_lookup_elem(&conns, &cookie);

	if (c && c->kind == HEDDLE_KIND_UPSTREAM && ops->args[1] != BPF_TCP_ESTABLISHED)
		upstream_leaves(c);
	if (ops->args[1] != BPF_TCP_CLOSE)
		return;
	if (c)
		leave_alone(cookie);
	else
		client_leaves(ops, cookie);
}

SEC("sockops")
int enrol(struct bpf_sock_ops *ops)
{
	__u64 cookie = bpf_get_socket_cookie(ops);

	if (ops->op == BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		connection_enters(ops, cookie);
	else if (ops->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB)
		client_enters(ops, cookie);
	else if (ops->op == BPF_SOCK_OPS_TCP_CONNECT_CB)
		client_calls(ops);
	else if (ops->op == BPF_SOCK_OPS_STATE_CB)
		connection_changes(ops, cookie);
	return 1;
}

/* Attached nowhere: the relay runs it. */
SEC("syscall")
int relay_ask(struct heddle_ask *ask)
{
	ask->answer = asked(ask);
	return 0;
}

/* The same, for requests that the relay judges: from the buckets that programs take from. */
SEC("syscall")
int relay_take(struct heddle_take *take)
{
	take->secret = key_secret();
	take->wait = 0;
	if (take->back)
		bucket_give_back(take);
	else
		take->wait = bucket_take(take);
	return 0;
}

/* What audit rules saw of requests that the relay has judged: among the same counts and samples. */
SEC("syscall")
int relay_audit(struct heddle_audit_note *note)
{
	__u64 id = note->sample.audit;
	__u32 what = note->what, place = note->place;
	struct heddle_audit_sample *sample;

	audit_count(id, what);
	sample = what == HEDDLE_AUDIT_UNREAD ? NULL : audit_place(place);
	if (!sample)
		return 0;
	sample_begins(&sample->seen);
	sample->audit = id;
	sample_copy(&sample->seen, &note->sample.seen);
	sample_ends(&sample->seen);
	return 0;
}

/* The same, for the breakers of services: the relay brings the rule, of the generation that is active. */
SEC("syscall")
int relay_break(struct heddle_break *ask)
{
	break_asked(ask);
	return 0;
}

/* Attached by the relay, to its network namespace; without a relay nothing is steered. */
SEC("sk_lookup")
int steer(struct bpf_sk_lookup *lookup)
{
	return steer_connection(lookup);
}

char LICENSE[] SEC("license") = "GPL";
