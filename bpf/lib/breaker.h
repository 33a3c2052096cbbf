/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * breaker.h - one circuit breaker: whether a request may go, and what its end says. The meaning is
 * pipelines/policy/breaker.ts; here each change is one step beside those of other CPUs. No maps: it
 * also compiles on the host, where a test gives the time.
 */
#ifndef HEDDLE_BREAKER_H
#define HEDDLE_BREAKER_H

#include "platform.h"

/* Tries at a word that others are changing. */
#define BREAKER_TRIES 8
#define BREAKER_FIELD 1023
#define BREAKER_TURN_AT 22
#define BREAKER_KIND_AT 20
#define BREAKER_OK_AT 10
#define BREAKER_TAG 0xffffff
#define BREAKER_COUNT 0xfffff
#define BREAKER_EPOCH 0xffff

#ifdef __bpf__
/* Milliseconds. Asked only where something hangs on it: not of a closed breaker that counts no window. */
static __always_inline __u64 breaker_now(void)
{
	return bpf_ktime_get_ns() / 1000000;
}
#else
static __u64 breaker_now(void);
#endif

enum breaker_outcome {
	BREAKER_SUCCESS,
	BREAKER_ERROR,
	BREAKER_UNTOLD,
};

/* What a request came to: a status, or enum heddle_ended in its place. */
static __always_inline enum breaker_outcome breaker_outcome(__u32 status)
{
	if (status == HEDDLE_ENDED_UNTOLD)
		return BREAKER_UNTOLD;
	return status == HEDDLE_ENDED_RESET || status >= 500 ? BREAKER_ERROR : BREAKER_SUCCESS;
}

static __always_inline __u32 breaker_turn(__u64 state)
{
	return (__u32)state >> BREAKER_TURN_AT;
}

static __always_inline __u32 breaker_kind(__u64 state)
{
	return (__u32)state >> BREAKER_KIND_AT & 3;
}

static __always_inline __u32 breaker_ok(__u64 state)
{
	return (__u32)state >> BREAKER_OK_AT & BREAKER_FIELD;
}

static __always_inline __u32 breaker_out(__u64 state)
{
	return (__u32)state & BREAKER_FIELD;
}

/* The next turn. */
static __always_inline __u64 breaker_next(__u64 state, __u32 kind, __u32 until)
{
	__u32 turn = (breaker_turn(state) + 1) & BREAKER_FIELD;

	return (__u64)until << 32 | turn << BREAKER_TURN_AT | kind << BREAKER_KIND_AT;
}

static __always_inline int breaker_opens(const struct heddle_breaker_rule *rule)
{
	return rule->consecutive || rule->percent;
}

/* Milliseconds wrap in 50 days: what lies further ahead than the rule can have put it has passed. */
static __always_inline int breaker_lasts(const struct heddle_breaker_rule *rule, __u64 state,
					 __u32 now)
{
	__u32 left = (__u32)(state >> 32) - now;

	return left && left <= rule->open_ms;
}

/* Lets nobody through, in this state. */
static __always_inline int breaker_shut(const struct heddle_breaker_rule *rule, __u64 state)
{
	__u32 kind = breaker_kind(state);

	if (kind == HEDDLE_BREAKER_CLOSED || !breaker_opens(rule))
		return 0;
	if (kind == HEDDLE_BREAKER_HALF_OPEN &&
	    breaker_ok(state) + breaker_out(state) < rule->probes)
		return 0;
	return breaker_lasts(rule, state, breaker_now());
}

/* Would it refuse a request now? Changes nothing. enum heddle_breaker_answer */
static __always_inline __u32 breaker_bars(struct heddle_breaker *b,
					  const struct heddle_breaker_rule *rule)
{
	if (breaker_shut(rule, ONCE(b->state)))
		return HEDDLE_BREAKER_IS_OPEN;
	if (rule->max_in_flight && (__u32)ONCE(b->flight) >= rule->max_in_flight)
		return HEDDLE_BREAKER_IN_FLIGHT;
	return HEDDLE_BREAKER_ADMITS;
}

/* The state with one more probe out: of the round that goes on, or of another one. */
static __always_inline __u64 breaker_probe(const struct heddle_breaker_rule *rule, __u64 state)
{
	__u32 ok = 0;

	if (breaker_kind(state) == HEDDLE_BREAKER_HALF_OPEN) {
		if (breaker_ok(state) + breaker_out(state) < rule->probes)
			return state + 1;
		/* Those that are out have not ended in time, and are forgotten. */
		ok = breaker_ok(state);
	}
	return breaker_next(state, HEDDLE_BREAKER_HALF_OPEN, (__u32)breaker_now() + rule->open_ms) |
	       ok << BREAKER_OK_AT | 1;
}

/* One less in flight, if no relay has begun since. */
static __always_inline void breaker_lands(struct heddle_breaker *b, __u32 ticket)
{
	__u64 before;

	if (!(ticket & HEDDLE_TICKET_FLIGHT) ||
	    (ONCE(b->flight) >> 32 & BREAKER_EPOCH) != ticket >> HEDDLE_TICKET_EPOCH)
		return;
	before = __sync_fetch_and_sub(&b->flight, 1);
	if (!(__u32)before)
		__sync_fetch_and_add(&b->flight, 1); /* forgotten at this moment */
}

/* May a request go? enum heddle_breaker_answer; its ticket is told to breaker_ends() once. */
static __always_inline __u32 breaker_admits(struct heddle_breaker *b,
					    const struct heddle_breaker_rule *rule, __u32 *ticket)
{
	__u64 state = ONCE(b->state), before, probe;

	*ticket = 0;
	if (breaker_shut(rule, state))
		return HEDDLE_BREAKER_IS_OPEN;
	if (rule->max_in_flight) {
		before = __sync_fetch_and_add(&b->flight, 1);
		*ticket = HEDDLE_TICKET_FLIGHT | (__u32)(before >> 32 & BREAKER_EPOCH)
							 << HEDDLE_TICKET_EPOCH;
		if ((__u32)before >= rule->max_in_flight) {
			breaker_lands(b, *ticket);
			return HEDDLE_BREAKER_IN_FLIGHT;
		}
	}
	for (int i = 0; i < BREAKER_TRIES; i++) {
		state = ONCE(b->state);
		if (breaker_kind(state) == HEDDLE_BREAKER_CLOSED || !breaker_opens(rule)) {
			*ticket |= breaker_turn(state);
			return HEDDLE_BREAKER_ADMITS;
		}
		if (breaker_shut(rule, state))
			break;
		probe = breaker_probe(rule, state);
		if (__sync_val_compare_and_swap(&b->state, state, probe) == state) {
			*ticket |= HEDDLE_TICKET_PROBE | breaker_turn(probe);
			return HEDDLE_BREAKER_ADMITS;
		}
	}
	breaker_lands(b, *ticket);
	return HEDDLE_BREAKER_IS_OPEN;
}

static __always_inline void breaker_empties(struct heddle_breaker *b)
{
	for (int i = 0; i < HEDDLE_BREAKER_SLICES; i++)
		ONCE(b->slices[i]) = 0;
}

/* To open, from that state. 1 = it was this step that did it. */
static __always_inline int breaker_trips(struct heddle_breaker *b,
					 const struct heddle_breaker_rule *rule, __u64 state)
{
	__u64 open = breaker_next(state, HEDDLE_BREAKER_OPEN, (__u32)breaker_now() + rule->open_ms);

	if (__sync_val_compare_and_swap(&b->state, state, open) != state)
		return 0;
	breaker_empties(b);
	__sync_fetch_and_add(&b->trips, 1);
	return 1;
}

static __always_inline void breaker_probed(struct heddle_breaker *b,
					   const struct heddle_breaker_rule *rule, __u32 ticket,
					   enum breaker_outcome outcome)
{
	for (int i = 0; i < BREAKER_TRIES; i++) {
		__u64 state = ONCE(b->state), next = state - 1;

		if (breaker_kind(state) != HEDDLE_BREAKER_HALF_OPEN ||
		    breaker_turn(state) != (ticket & HEDDLE_TICKET_TURN) || !breaker_out(state))
			return;
		if (outcome == BREAKER_ERROR) {
			if (breaker_trips(b, rule, state))
				return;
			continue;
		}
		if (outcome == BREAKER_SUCCESS) {
			next += 1 << BREAKER_OK_AT;
			if (breaker_ok(next) >= rule->probes)
				next = breaker_next(state, HEDDLE_BREAKER_CLOSED, 0);
		}
		if (__sync_val_compare_and_swap(&b->state, state, next) == state)
			return;
	}
}

/* Errors in a row, with this one. */
static __always_inline __u32 breaker_streak(struct heddle_breaker *b, __u32 turn)
{
	for (int i = 0; i < BREAKER_TRIES; i++) {
		__u32 known = ONCE(b->streak), next = turn << BREAKER_TURN_AT | 1;

		if (known >> BREAKER_TURN_AT == turn)
			next = known + 1;
		if (__sync_val_compare_and_swap(&b->streak, known, next) == known)
			return next & ((1 << BREAKER_TURN_AT) - 1);
	}
	return 0;
}

/* A request of this slice, error or not. */
static __always_inline void breaker_counts(struct heddle_breaker *b, __u32 tag, __u32 error)
{
	__u64 *slice = &b->slices[tag & (HEDDLE_BREAKER_SLICES - 1)];

	for (int i = 0; i < BREAKER_TRIES; i++) {
		__u64 known = ONCE(*slice), next = (__u64)tag << 40;

		if (known >> 40 == tag)
			next = known;
		if ((next >> 20 & BREAKER_COUNT) == HEDDLE_BREAKER_VOLUME)
			return;
		next += 1 << 20 | error;
		if (__sync_val_compare_and_swap(slice, known, next) == known)
			return;
	}
}

/* Do the errors of the window that ends with this slice open it? */
static __always_inline int breaker_exceeds(struct heddle_breaker *b,
					   const struct heddle_breaker_rule *rule, __u32 tag)
{
	__u32 requests = 0, errors = 0;

	for (int i = 0; i < HEDDLE_BREAKER_SLICES; i++) {
		__u64 slice = ONCE(b->slices[i]);

		if (((tag - (__u32)(slice >> 40)) & BREAKER_TAG) >= HEDDLE_BREAKER_SLICES)
			continue;
		requests += slice >> 20 & BREAKER_COUNT;
		errors += slice & BREAKER_COUNT;
	}
	return requests >= rule->minimum && (__u64)errors * 100 >= (__u64)rule->percent * requests;
}

/* The window's part of an end: 1 = it opens the breaker. */
static __always_inline int breaker_window(struct heddle_breaker *b,
					  const struct heddle_breaker_rule *rule, __u32 error)
{
	__u32 tag;

	if (!rule->percent || !rule->slice_ms)
		return 0;
	if (ONCE(b->slice_ms) != rule->slice_ms) {
		breaker_empties(b); /* of another window: it says nothing of this one */
		ONCE(b->slice_ms) = rule->slice_ms;
	}
	tag = breaker_now() / rule->slice_ms & BREAKER_TAG;
	breaker_counts(b, tag, error);
	return error && breaker_exceeds(b, rule, tag);
}

/* A request that was admitted is over. */
static __always_inline void breaker_ends(struct heddle_breaker *b,
					 const struct heddle_breaker_rule *rule, __u32 ticket,
					 __u32 status)
{
	enum breaker_outcome outcome = breaker_outcome(status);
	__u64 state = ONCE(b->state);
	__u32 error = outcome == BREAKER_ERROR;
	int opens;

	breaker_lands(b, ticket);
	if (ticket & HEDDLE_TICKET_PROBE) {
		breaker_probed(b, rule, ticket, outcome);
		return;
	}
	if (outcome == BREAKER_UNTOLD || !breaker_opens(rule) ||
	    breaker_kind(state) != HEDDLE_BREAKER_CLOSED ||
	    breaker_turn(state) != (ticket & HEDDLE_TICKET_TURN))
		return;
	opens = breaker_window(b, rule, error);
	if (error && rule->consecutive)
		opens |= breaker_streak(b, breaker_turn(state)) >= rule->consecutive;
	else if (ONCE(b->streak))
		ONCE(b->streak) = 0;
	if (opens)
		breaker_trips(b, rule, state);
}

#endif /* HEDDLE_BREAKER_H */
