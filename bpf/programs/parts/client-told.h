/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* client-told.h - what is kept of a client's request once it is settled: how a refused one begins, what audit rules saw. */
#ifndef HEDDLE_CLIENT_TOLD_H
#define HEDDLE_CLIENT_TOLD_H

#include "../../maps/outbound.h"
#include "audit.h"
#include "balance.h"
#include "client-call.h"
#include "measure.h"

struct client_auditing {
	struct heddle_client *client;
	struct heddle_window *window;
	struct heddle_endpoint *endpoint;
	struct audit_turns turns;
};

static long client_audit_turn(__u32 turn UNUSED, struct client_auditing *a)
{
	struct heddle_window *w = a->window;
	struct heddle_audit_sample *sample;
	struct heddle_shadow_sample *seen;

	if (!a->turns.left)
		return 1;
	sample = audit_next(&a->turns);
	if (!sample)
		return 0;
	seen = &sample->seen;
	__builtin_memset(seen->remote, 0, 16);
	seen->remote[10] = seen->remote[11] = 0xff;
	__builtin_memcpy(seen->local, a->endpoint->address, 16);
	seen->remote_port = a->client->local_port;
	seen->local_port = a->endpoint->port;
	seen->protocol = 6;
	seen->peer = a->client->identity;
	seen->generation = a->client->generation;
	/* Behind a head in chunks the window has what came later. */
	if (!w->base) {
		__builtin_memcpy(seen->text, w->bytes, HEDDLE_SHADOW_TEXT);
		seen->text_bytes = min_u32(w->len, HEDDLE_SHADOW_TEXT);
	}
	sample_ends(seen);
	return 0;
}

/* A request that has been handed to its endpoint, or answered: by the rules in `seen`. */
SEPARATE int audit_client(struct heddle_client *c, struct heddle_window *w, __u32 endpoint,
			  __u32 seen, __u32 reason)
{
	struct client_auditing a = { .client = c, .window = w };
	__u32 number = endpoint;

	if (!c || !w)
		return 0;
	a.endpoint = bpf_map_lookup_elem(&endpoints, &number);
	if (!a.endpoint)
		return 0;
	a.turns.reason = reason;
	a.turns.left = seen & audit_blocks();
	a.turns.slot = audit_slot();
	REPEAT(HEDDLE_MAX_OBSERVERS, client_audit_turn, &a);
	return 0;
}

/* Told when the request is in nobody else's hands: whoever judges it after all tells it then. */
static __always_inline void client_audited(struct call *k, const struct destination *to,
					   __u32 reason)
{
	if (to->seen & audit_blocks())
		audit_client(k->client, k->window, to->endpoint, to->seen, reason);
}

/* The head of a denied request, as its client sent it. */
static __always_inline void client_refused(const struct call *k)
{
	struct heddle_refusal *r;
	__u64 number;

	measure_verdict(HEDDLE_DENIED);
	r = refusal_begin(&number);
	if (!r)
		return;
	__builtin_memcpy(r->text, k->window->bytes, HEDDLE_REFUSAL_TEXT);
	refusal_end(r, number, min_u32(k->head, HEDDLE_REFUSAL_TEXT));
}

#endif /* HEDDLE_CLIENT_TOLD_H */
