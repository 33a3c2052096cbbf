/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * shadow-packet.h - a candidate's look at a SYN or a datagram that has been judged. The programs that
 * do so each have one answer, that of the generation that asked: there is no other to give.
 */
#ifndef HEDDLE_SHADOW_PACKET_H
#define HEDDLE_SHADOW_PACKET_H

#include "epoch.h"
#include "packet.h"
#include "shadow.h"

static __always_inline void packet_sample(const struct context *x, __u32 what, __u32 theirs,
					  __u32 active)
{
	__u32 zero = 0;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);
	struct heddle_shadow_sample *sample = me ? shadow_place(me->slot, what) : NULL;

	if (!sample)
		return;
	sample_begins(sample);
	sample->generation = active_now() >> 8;
	__builtin_memcpy(sample->remote, x->remote, 16);
	__builtin_memcpy(sample->local, x->local, 16);
	sample->remote_port = x->remote_port;
	sample->local_port = x->port;
	sample->protocol = x->protocol;
	sample->kind = what;
	sample->peer = 0;
	sample->active_reason = active;
	sample->candidate_reason = theirs;
	sample_ends(sample);
}

/* Judged as by packet_judge(), without its counts. `active`: PASSED or DROPPED. */
SEPARATE int packet_compare(struct __sk_buff *skb, __u32 active)
{
	struct packet p = {};
	__u32 zero = 0, theirs, what;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);

	if (!skb || !me || packet_addresses(skb, &p) || packet_ports(skb, &p))
		return 0;
	context_make(&p.context);
	theirs = p.context.kind == HEDDLE_KIND_DROP ? HEDDLE_DROPPED
		 : refused_by_mode(&p.context)	    ? HEDDLE_REFUSED_BY_MODE
						    : HEDDLE_PASSED;
	what = shadow_difference(active, theirs);
	shadow_count(me->slot, what);
	if (what != HEDDLE_SHADOW_AGREE)
		packet_sample(&p.context, what, theirs, active);
	return 0;
}

#endif /* HEDDLE_SHADOW_PACKET_H */
