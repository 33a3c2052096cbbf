/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * query.h - the parameters of a target's query that routes ask for: name=value, parted by
 * '&', as they are written, nothing decoded. Read once more when the head is complete, and
 * only for a service whose routes ask.
 */
#ifndef HEDDLE_HTTP1_QUERY_H
#define HEDDLE_HTTP1_QUERY_H

#include "../../lib/route.h"
#include "target.h"

/* In place of a dimension: a parameter that nobody asks for, or the second of its name. */
#define QUERY_SKIPPED HEDDLE_MAX_DIMS

struct query {
	struct heddle_request *request;
	struct heddle_window *window;
	struct automaton automaton; /* of names, or of the values of `dim` */
	__u32 pos;
	__u32 end;
	__u32 state;
	__u32 bytes; /* of the name or value so far */
	__u32 dim;   /* 0 while a name is read */
	__u32 pad;
};

static __always_inline void query_open(struct query *q, __u32 automaton_at)
{
	automaton_open(&q->automaton, automaton_at);
	q->state = q->automaton.start;
	q->bytes = 0;
}

/* A name is complete: what is known of the value that may follow. Returns its class when it is empty. */
static __always_inline __u32 query_named(struct query *q, __u32 final)
{
	__u32 dim = final & (HEDDLE_MAX_DIMS - 1);

	if (!dim || q->request->classes[dim] != HEDDLE_CLASS_ABSENT) {
		q->dim = QUERY_SKIPPED;
		q->state = 0;
		return 0;
	}
	q->dim = dim;
	query_open(q, policy_u32(TABLES(values_at)) + WORDS_OF(heddle_dfa) * dim);
	return q->automaton.final_empty;
}

static long query_byte(__u32 turn UNUSED, struct query *q)
{
	__u8 b = window_byte(q->window, q->pos);
	int ends = q->pos >= q->end || b == '&';
	__u32 final;

	q->pos++;
	if (!ends && (q->dim || b != '=')) {
		if (q->state)
			q->state = automaton_next(&q->automaton, q->state, b) & HEDDLE_NEXT_STATE;
		q->bytes++;
		return 0;
	}
	final = automaton_final(&q->automaton, q->state, q->bytes);
	if (!q->dim)
		final = query_named(q, final);
	if (!ends)
		return 0;
	if (q->dim < HEDDLE_MAX_DIMS)
		q->request->classes[q->dim & (HEDDLE_MAX_DIMS - 1)] =
			final ? final : HEDDLE_CLASS_OTHER;
	q->dim = 0;
	query_open(q, TABLES(queries));
	return q->pos > q->end;
}

/*
 * Classes of the query parameters that the rules of `set` ask for, of the head that begins
 * the window and ends at its cursor.
 */
SEPARATE int http1_query(struct heddle_request *r, struct heddle_window *w, __u32 set)
{
	struct query q = {};
	__u64 path;

	if (!r || !w || !TABLE_WORD(set, heddle_route_set, queries))
		return 0;
	path = http1_path(w);
	q.pos = (path >> 32) + 1;
	q.end = target_end(w, q.pos);
	if (window_byte(w, path >> 32) != '?')
		return 0;
	q.request = r;
	q.window = w;
	query_open(&q, TABLES(queries));
	REPEAT(HEDDLE_WINDOW, query_byte, &q);
	return 0;
}

#endif /* HEDDLE_HTTP1_QUERY_H */
