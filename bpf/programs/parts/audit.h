/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * audit.h - the audit rules that a message has met: counted by what became of it, with a sample now and then.
 * Called when that is settled; nothing here is an input of a verdict.
 */
#ifndef HEDDLE_AUDIT_H
#define HEDDLE_AUDIT_H

#include "audited.h"
#include "context.h"

/* One after the other: `left` has a bit for each rule that was not told yet. */
struct audit_turns {
	__u32 left;
	__u32 reason; /* enum heddle_reason */
	__u32 slot;
	__u32 pad;
};

struct auditing {
	struct __sk_buff *skb;
	struct heddle_conn *conn;
	struct audit_turns turns;
};

static __always_inline __u32 audit_what(__u32 reason)
{
	return reason == HEDDLE_DENIED || reason == HEDDLE_LIMITED ? HEDDLE_AUDIT_REFUSED
								   : HEDDLE_AUDIT_ALLOWED;
}

static __always_inline __u64 audit_id(__u32 bit)
{
	return policy_u64(policy_u32(TABLES(observers_at)) + 2 * bit);
}

static __always_inline __u32 audit_slot(void)
{
	__u32 zero = 0;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);

	return me ? me->slot : HEDDLE_SLOTS;
}

/* Counts what the next rule saw. A sample, where it is time for one. */
static __always_inline struct heddle_audit_sample *audit_next(struct audit_turns *a)
{
	__u32 bit = lowest_bit(a->left) & (HEDDLE_MAX_OBSERVERS - 1);
	struct heddle_audit_sample *sample;
	__u64 id = audit_id(bit);

	a->left &= a->left - 1;
	audit_count(id, audit_what(a->reason));
	sample = audit_place(a->slot * HEDDLE_MAX_OBSERVERS + bit);
	if (!sample)
		return NULL;
	sample_begins(&sample->seen);
	sample->audit = id;
	sample->seen.active_reason = a->reason;
	return sample;
}

static long audit_turn(__u32 turn UNUSED, struct auditing *a)
{
	struct heddle_conn *c = a->conn;
	struct heddle_audit_sample *sample;
	__u32 at = c->message_at;

	if (!a->turns.left)
		return 1;
	sample = audit_next(&a->turns);
	if (!sample)
		return 0;
	sample_of(&sample->seen, c, HEDDLE_AUDIT_ALLOWED);
	sample->seen.generation = c->generation;
	/* Of a head that came in pieces nobody has kept how it began. */
	if (at < a->skb->len)
		sample_load(&sample->seen, a->skb, at);
	sample_ends(&sample->seen);
	return 0;
}

/* The request that was judged last, by the rules in c->seen. */
SEPARATE int audit_request(struct __sk_buff *skb, struct heddle_conn *c, __u32 reason)
{
	struct auditing a = { .skb = skb, .conn = c };

	if (!skb || !c)
		return 0;
	a.turns.reason = reason;
	a.turns.left = c->seen & audit_blocks();
	a.turns.slot = audit_slot();
	REPEAT(HEDDLE_MAX_OBSERVERS, audit_turn, &a);
	return 0;
}

static long unread_turn(__u32 turn UNUSED, __u32 *left)
{
	__u32 bit = lowest_bit(*left) & (HEDDLE_MAX_OBSERVERS - 1);

	if (!*left)
		return 1;
	*left &= *left - 1;
	audit_count(audit_id(bit), HEDDLE_AUDIT_UNREAD);
	return 0;
}

/* What can't be read may be what a rule looks for: told by all that speak of the connection. */
SEPARATE int audit_unread(struct heddle_conn *c)
{
	__u32 left;

	if (!c)
		return 0;
	left = c->blocks[0] & audit_blocks();
	REPEAT(HEDDLE_MAX_OBSERVERS, unread_turn, &left);
	return 0;
}

#endif /* HEDDLE_AUDIT_H */
