// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * inbound.c - one generation: judges what reaches the sockets of managed
 * workloads. Allowed bytes pass untouched, a refusal ends the connection.
 * Attached never, tail-called by the dispatcher.
 */
#include "../maps/policy.h"
#include "../maps/live.h"
#include "../maps/generation.h"
#include "parts/close.h"
#include "parts/refuse.h"
#include "parts/packet.h"
#include "parts/shadow-verdict.h"
#include "parts/shadow-packet.h"
#include "parts/reply-order.h"
#include "parts/client-request.h"
#include "parts/upstream-response.h"
#include "parts/remote-response.h"

SEC("sk_skb/stream_verdict")
int inbound_verdict(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct heddle_conn *c = bpf_map_lookup_elem(&conns, &cookie);
	struct verdict v = {};
	struct heddle_self *me;

	if (!c) {
		count(HEDDLE_NO_CONNECTION);
		return SK_DROP;
	}
	if (!skb->len || c->kind == HEDDLE_KIND_UPSTREAM)
		return SK_PASS; /* FIN, or what the relay has judged */
	me = verdict_adopt(c, &v);
	if (v.action == VERDICT_OTHER_SLOT)
		goto other;
	if (me && me->shadow && shadow_concerns(c, skb->len))
		v.seat = shadow_asked(skb, c, me->shadow - 1);
	verdict_stream(skb, c, &v);
	if (v.seat)
		shadow_leave(v.seat);
	if (v.action == VERDICT_OTHER_SLOT)
		goto other;
	if (v.action == VERDICT_REFUSE)
		return verdict_refuse(skb, c, &v);
	if (v.action == VERDICT_PASS)
		return SK_PASS;
	if (c->request.phase != HEDDLE_CLOSED)
		verdict_close(skb);
	return SK_DROP;
other:
	bpf_tail_call(skb, &verdicts, v.slot);
	verdict_close(skb);
	return SK_DROP;
}

SEC("sk_msg")
int inbound_message(struct sk_msg_md *msg)
{
	struct tcp_sock *tp = msg->sk ? bpf_skc_to_tcp_sock(msg->sk) : NULL;
	struct heddle_conn *c = tp ? conn_of(tp) : NULL;

	if (!c)
		return SK_PASS;
	if (c->kind == HEDDLE_KIND_UPSTREAM)
		return upstream_response(msg, c->cookie, c->requests);
	return reply_order(msg, tp, c);
}

SEC("sk_msg")
int outbound_request(struct sk_msg_md *msg)
{
	return client_request(msg);
}

SEC("cgroup_skb/ingress")
int inbound_packet(struct __sk_buff *skb)
{
	return packet_verdict(skb);
}

SEC("sk_skb/stream_verdict")
int outbound_response(struct __sk_buff *skb)
{
	return remote_response(skb);
}

/* As a candidate: judges what the generation beside it will judge, and hands back to it. */
SEC("sk_skb/stream_verdict")
int inbound_shadow(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct heddle_conn *c = bpf_map_lookup_elem(&conns, &cookie);
	struct heddle_shadow_seat *s = shadow_seat(cookie);

	if (s && (!s->busy || s->owner != cookie))
		s = NULL;
	if (c && s)
		shadow_segment(skb, c, s);
	bpf_tail_call(skb, &verdicts, s ? s->slot : HEDDLE_SLOTS);
	/* It went a moment ago: the one that is active now begins anew. */
	if (s)
		shadow_leave(s);
	bpf_tail_call(skb, &verdicts, active_now() & 0xff);
	verdict_close(skb);
	return SK_DROP;
}

/* As a candidate: a client's request has been judged, and is on its way or answered. */
SEC("sk_msg")
int outbound_shadow(struct sk_msg_md *msg)
{
	shadow_client(msg);
	return SK_PASS;
}

/* Asked about a SYN or datagram that was let in: whatever it finds, that stays so. */
SEC("cgroup_skb/ingress")
int packet_passed(struct __sk_buff *skb)
{
	packet_compare(skb, HEDDLE_PASSED);
	return PACKET_PASS;
}

/* The same of one that was not. */
SEC("cgroup_skb/ingress")
int packet_dropped(struct __sk_buff *skb)
{
	packet_compare(skb, HEDDLE_DROPPED);
	return PACKET_DROP;
}

char LICENSE[] SEC("license") = "GPL";
