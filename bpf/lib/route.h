/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * route.h - where a request to a service goes: from what its head was found to be, through
 * the diagram of the service's routes, to the rule that won, and to one of its backends.
 * Cost: one step a dimension that still matters, whatever the number of routes.
 *
 *	set = route_set(number);
 *	request_begin(r);  r->root = set;         before the head is parsed: its paths
 *	http1_parse(r, w);
 *	http1_query(r, w, set);                    protocols/http1/query.h
 *	rule = route_find(r, set);                 none: 404; slow: the relay
 *	backend = route_backend(rule, random);     none: 500
 *
 * What an edit asks of a head is read by protocols/http1/edit.h.
 */
#ifndef HEDDLE_ROUTE_H
#define HEDDLE_ROUTE_H

#include "automaton.h"

/* A member of a struct of 32-bit words that stands at word `at` of the tables. */
#define TABLE_WORD(at, of, member) policy_u32((at) + __builtin_offsetof(struct of, member) / 4)
#define WORDS_OF(of) (sizeof(struct of) / 4)

/* Word index of the set with this number; 0 = there is none. */
static __always_inline __u32 route_set(__u32 number)
{
	if (number >= policy_u32(TABLES(route_sets)))
		return 0;
	return policy_u32(TABLES(route_sets_at)) + number * WORDS_OF(heddle_route_set);
}

struct route_search {
	struct heddle_request *request;
	__u32 diagram_at;
	__u32 at; /* a node, or a leaf */
};

/*
 * One question. 1 also where a request with a header that came twice asks for a value that no
 * rule names: `at` is left as it was.
 */
static long route_ask(__u32 turn UNUSED, struct route_search *s)
{
	struct heddle_request *r = s->request;
	__u32 node = s->at;
	__u32 at = s->diagram_at + 2 * node;
	__u32 dim = policy_u32(at + 1) & (HEDDLE_MAX_DIMS - 1);
	__u32 class = r->classes[dim];
	__u64 entry;

	if (r->flags & HEDDLE_REQUEST_REPEATED && class == HEDDLE_CLASS_OTHER &&
	    dim != HEDDLE_DIM_METHOD)
		return 1;
	entry = policy_u64(at + 2 * (1 + class));
	s->at = (__u32)entry == node ? entry >> 32 : policy_u32(at);
	return (s->at & HEDDLE_LEAF) != 0;
}

/*
 * The rule for the head in `r`, whose path was walked from `set` on: HEDDLE_ROUTE_NONE, its
 * word index, or HEDDLE_ROUTE_SLOW | enum heddle_route_reason.
 */
SEPARATE __u32 route_find(struct heddle_request *r, __u32 set)
{
	struct route_search s = {};
	__u32 rule, reason;

	if (!r || !r->root)
		return HEDDLE_ROUTE_NONE;
	s.request = r;
	s.diagram_at = policy_u32(TABLES(route_diagram_at));
	s.at = r->root;
	if (!(s.at & HEDDLE_LEAF))
		REPEAT(HEDDLE_MAX_DIMS, route_ask, &s);
	if (!(s.at & HEDDLE_LEAF))
		return HEDDLE_ROUTE_SLOW | HEDDLE_ROUTE_REPEATED;
	if (!(s.at & HEDDLE_LEAF_NUMBER))
		return HEDDLE_ROUTE_NONE;
	rule = TABLE_WORD(set, heddle_route_set, rules_at) +
	       ((s.at & HEDDLE_LEAF_NUMBER) - 1) * WORDS_OF(heddle_route_rule);
	reason = TABLE_WORD(rule, heddle_route_rule, reason);
	return reason ? HEDDLE_ROUTE_SLOW | (reason & HEDDLE_ROUTE_REASON) : rule & POLICY_MASK;
}

/*
 * Word index of the backend of `rule` that `random` (any 32 bits) falls to: its share is its
 * weight, to 2^-32. 0 = there is none to fall to.
 */
SEPARATE __u32 route_backend(__u32 rule, __u32 random)
{
	__u32 backends_at = TABLE_WORD(rule, heddle_route_rule, backends_at);
	__u32 high = TABLE_WORD(rule, heddle_route_rule, backends);
	__u32 weight = TABLE_WORD(rule, heddle_route_rule, weight);
	__u32 point = (__u64)random * weight >> 32;
	__u32 low = 0;

	if (!weight)
		return 0;
	/* The first one whose weights end behind the point. */
	for (int i = 0; i <= HEDDLE_ROUTE_BACKENDS_LOG2 && low < high; i++) {
		__u32 middle = (low + high) >> 1;
		__u32 at = backends_at + middle * WORDS_OF(heddle_route_backend);

		if (TABLE_WORD(at, heddle_route_backend, weight_end) > point)
			high = middle;
		else
			low = middle + 1;
	}
	return backends_at + low * WORDS_OF(heddle_route_backend);
}

#endif /* HEDDLE_ROUTE_H */
