/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* client-breaker.h - the breaker of the service that a request goes to: by the rule that this generation has for it. */
#ifndef HEDDLE_CLIENT_BREAKER_H
#define HEDDLE_CLIENT_BREAKER_H

#include "../../lib/route.h"
#include "../../maps/generation.h"
#include "breaker.h"

/* Word index of the rule for a live service; 0 = it has none. */
static __always_inline __u32 breaker_rule_at(__u32 service)
{
	__u32 rules = policy_u32(TABLES(breakers_at)), *number;

	if (!rules)
		return 0;
	number = bpf_map_lookup_elem(&breaker_rules, &service);
	if (!number || !*number)
		return 0;
	return rules + (*number - 1) * WORDS_OF(heddle_breaker_rule);
}

static __always_inline void breaker_rule(struct heddle_breaker_rule *rule, __u32 at)
{
	__builtin_memset(rule, 0, sizeof(*rule));
	if (!at)
		return;
	rule->consecutive = TABLE_WORD(at, heddle_breaker_rule, consecutive);
	rule->percent = TABLE_WORD(at, heddle_breaker_rule, percent);
	rule->minimum = TABLE_WORD(at, heddle_breaker_rule, minimum);
	rule->slice_ms = TABLE_WORD(at, heddle_breaker_rule, slice_ms);
	rule->open_ms = TABLE_WORD(at, heddle_breaker_rule, open_ms);
	rule->probes = TABLE_WORD(at, heddle_breaker_rule, probes);
	rule->max_in_flight = TABLE_WORD(at, heddle_breaker_rule, max_in_flight);
}

/* Would the service's breaker refuse a request? enum heddle_breaker_answer; -1 = it has no breaker. */
SEPARATE int service_barred(__u32 service)
{
	struct heddle_breaker_rule rule;
	struct heddle_breaker *b;
	__u32 at = breaker_rule_at(service);

	if (!at)
		return -1;
	b = bpf_map_lookup_elem(&breakers, &service);
	breaker_rule(&rule, at);
	return b ? (int)breaker_bars(b, &rule) : -1;
}

/* 1 = it does, at the last moment: somebody else was faster. */
SEPARATE int service_refuses(__u32 service, struct heddle_upstream *u)
{
	struct heddle_breaker_rule rule;
	struct heddle_breaker *b = bpf_map_lookup_elem(&breakers, &service);
	__u32 ticket, answer;

	if (!b || !u)
		return 1;
	breaker_rule(&rule, breaker_rule_at(service));
	answer = breaker_admits(b, &rule, &ticket);
	/* Written only where it changes: the server's side reads it. */
	if (!answer && u->ticket != ticket)
		u->ticket = ticket;
	return answer != HEDDLE_BREAKER_ADMITS;
}

/* The request that a breaker let through on `u` is over, by the rule of now. */
SEPARATE int service_told(__u32 service, __u32 ticket, __u32 status)
{
	struct heddle_breaker_rule rule;

	breaker_rule(&rule, breaker_rule_at(service));
	return breaker_told(service, ticket, status, &rule);
}

SEPARATE int service_answered(__u32 service, __u32 answer)
{
	struct heddle_breaker *b = bpf_map_lookup_elem(&breakers, &service);

	if (b)
		breaker_refused(b, answer);
	return 0;
}

/* It is over, with that status, for endpoint and service. */
static __always_inline void request_ends(struct heddle_upstream *u, __u32 status)
{
	__u32 service = u->service, ticket = u->ticket;

	if (endpoint_ends(u, status) & HEDDLE_COUNT_BREAKER)
		service_told(service, ticket, status);
}

#endif /* HEDDLE_CLIENT_BREAKER_H */
