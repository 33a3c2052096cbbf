/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * client-route.h - where a client's request goes, and whether it may: routes of the service
 * that it called, an endpoint, and what inbound rules say to it there.
 */
#ifndef HEDDLE_CLIENT_ROUTE_H
#define HEDDLE_CLIENT_ROUTE_H

#include "../../lib/diagram.h"
#include "../../lib/route.h"
#include "../../maps/generation.h"
#include "../../maps/outbound.h"
#include "../../protocols/http1/hash-key.h"
#include "../../protocols/http1/local-reply.h"
#include "../../protocols/http1/query.h"
#include "../../protocols/http1/request.h"
#include "balance.h"
#include "client-breaker.h"
#include "context.h"
#include "count.h"
#include "epoch.h"

/* Answers that need no server. */
enum client_status {
	CLIENT_REDIRECT = 300, /* the backend says which */
	CLIENT_DENIED = 403,
	CLIENT_NO_ROUTE = 404,
	CLIENT_LIMITED = 429,
	CLIENT_NO_BACKEND = 500,
	CLIENT_NO_ENDPOINT = 503,
	CLIENT_OPEN = REPLY_OPEN, /* its breaker says so */
	CLIENT_IN_FLIGHT = REPLY_IN_FLIGHT,
	CLIENT_MOVED = REPLY_CLOSES, /* its routes are newer than its connection */
};

static __always_inline int routed_to_status(struct destination *to, __u32 status)
{
	to->why = HEDDLE_SLOW_REFUSED;
	to->status = status;
	return -1;
}

/* Word index of the set of routes that this generation has for the client, 0 = none. */
static __always_inline __u32 set_for(const struct heddle_client *c)
{
	struct heddle_route_key key = { .service = c->service };
	struct heddle_route_choice *choice = bpf_map_lookup_elem(&route_choices, &key), *own;

	if (!choice)
		return 0;
	if (choice->own && c->identity) {
		key.identity = c->identity;
		own = bpf_map_lookup_elem(&route_choices, &key);
		if (own)
			choice = own;
	}
	return choice->set ? route_set(choice->set - 1) : 0;
}

/* At the beginning of a message: the generation that judges it, and the routes that it has for the client. */
static __always_inline int client_adopt(struct heddle_client *c)
{
	__u32 zero = 0, epoch = epoch_now();
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);

	if (!me)
		return -1;
	if (c->generation != me->generation || c->epoch != epoch || !c->generation) {
		c->generation = me->generation;
		c->slot = me->slot;
		c->epoch = epoch;
		c->route_set = set_for(c);
	}
	return 0;
}

/* The service that the rule for this head sends it to. */
static __always_inline int route_service(struct heddle_client *c, struct heddle_window *w,
					 struct destination *to)
{
	__u32 rule, backend, number, *live;

	to->service = c->service;
	if (!c->route_set)
		return 0;
	to->why = HEDDLE_SLOW_ROUTE;
	if (http1_query(&c->request, w, c->route_set))
		return -1;
	rule = route_find(&c->request, c->route_set);
	if (rule & HEDDLE_ROUTE_SLOW)
		return -1;
	if (!rule)
		return routed_to_status(to, CLIENT_NO_ROUTE);
	backend = route_backend(rule, bpf_get_prandom_u32());
	to->backend = backend;
	if (backend && TABLE_WORD(backend, heddle_route_backend, redirect_at))
		return routed_to_status(to, CLIENT_REDIRECT);
	number = backend ? TABLE_WORD(backend, heddle_route_backend, service)
			 : HEDDLE_ROUTE_NO_SERVICE;
	if (number == HEDDLE_ROUTE_NO_SERVICE)
		return routed_to_status(to, CLIENT_NO_BACKEND);
	live = bpf_map_lookup_elem(&backend_services, &number);
	if (!live || !*live)
		return routed_to_status(to, CLIENT_NO_BACKEND);
	to->service = *live - 1;
	return 0;
}

/* What decides under Maglev: of the request, or of who asks. -1 = the relay sets a cookie first. */
static __always_inline int route_key(struct heddle_client *c, struct heddle_window *w,
				     struct destination *to, __u32 *key)
{
	__u32 service = to->service; /* kernel 6.1 takes no key from the argument of a function */
	struct heddle_balance *how = bpf_map_lookup_elem(&balances, &service);
	int sets;

	*key = hash_u32(c->identity);
	if (!how || how->policy != HEDDLE_POLICY_MAGLEV || how->hash == HEDDLE_HASH_SOURCE)
		return 0;
	/* Past the relay there is one endpoint, and nobody to set it. */
	sets = how->cookie_ttl && !c->direct;
	to->why = HEDDLE_SLOW_ROUTE;
	*key = request_hash(w, how, sets ? 0 : c->identity);
	if (sets && !*key)
		return -1; /* also one cookie in 2^32, which the relay finds */
	*key = hash_u32(*key);
	return 0;
}

/* One of the endpoints of the service that the request goes to. */
static __always_inline int route_endpoint(struct heddle_client *c, struct heddle_window *w,
					  struct destination *to)
{
	struct heddle_service_state *s;
	__u32 service = to->service, key;

	if (route_key(c, w, to, &key))
		return -1;
	if (!balance(to, key))
		return 0;
	to->why = HEDDLE_SLOW_REFUSED;
	s = bpf_map_lookup_elem(&services, &service);
	/* Of endpoints that take nothing now, the relay knows more. */
	return s && s->count ? -1 : routed_to_status(to, CLIENT_NO_ENDPOINT);
}

/* Where it goes. Not 0: nowhere, or the relay knows. On a stack of its own. */
SEPARATE int route_request(struct heddle_client *c, struct heddle_window *w, struct destination *to)
{
	int barred;

	if (!c || !w || !to)
		return -1;
	if (route_service(c, w, to))
		return -1;
	barred = service_barred(to->service);
	if (barred > 0)
		return routed_to_status(to, barred == HEDDLE_BREAKER_IS_OPEN ? CLIENT_OPEN
									     : CLIENT_IN_FLIGHT);
	if (route_endpoint(c, w, to))
		return -1;
	if (!barred)
		to->counts |= HEDDLE_COUNT_BREAKER;
	return 0;
}

/*
 * What inbound rules make of this identity at this endpoint. By itself: a context is too much for the
 * stack of a program that reads heads.
 */
SEPARATE int upstream_context(struct heddle_client *c, struct heddle_upstream *u,
			      struct heddle_endpoint *e)
{
	struct context x = { .protocol = 6 };

	if (!c || !u)
		return -1;
	x.peer = u->identity;
	u->generation = c->generation;
	u->epoch = c->epoch;
	u->kind = HEDDLE_KIND_DROP;
	if (!e)
		return 0;
	/* A process that is no workload's is the world's, by an address that is nobody's. */
	x.remote[10] = x.remote[11] = 0xff;
	__builtin_memcpy(x.local, e->address, 16);
	x.port = e->port;
	context_make(&x);
	__builtin_memcpy(u->blocks, x.blocks, sizeof(u->blocks));
	u->kind = x.kind;
	return 0;
}

/* Where the inbound rules' own paths lead with this target: read once more, where routes were read first. */
SEPARATE __u32 inbound_root(struct heddle_request *r, struct heddle_window *w)
{
	__u32 pos, root;
	__u8 flags, phase;

	if (!r || !w)
		return 0;
	pos = w->pos;
	flags = r->flags;
	phase = r->phase;
	root = r->root;
	w->pos = (__u32)http1_path(w);
	w->end = w->len;
	r->flags = window_byte(w, w->pos) == '*' ? HEDDLE_REQUEST_OPTIONS : 0;
	r->text_bytes = 0;
	r->root = TABLES(path);
	r->state = policy_u32(TABLES(path.start));
	if (policy_u32(TABLES(keys)) & HEDDLE_KEY_PATH) {
		r->field = 0;
		r->keys[0] = key_secret();
	}
	http1_target(r, w);
	w->pos = pos;
	r->flags = flags;
	r->phase = phase;
	pos = r->root;
	r->root = root;
	r->text_bytes = 0;
	return pos;
}

/*
 * What inbound rules of the endpoint say to the request whose head begins `w`: enum heddle_reason, and which
 * of those that see requests meet it.
 */
static __always_inline __u32 upstream_verdict(struct heddle_client *c, struct heddle_upstream *u,
					      struct heddle_window *w, __u32 *seen)
{
	__u32 root = c->request.root;
	__u64 found;

	if (u->flags & HEDDLE_UPSTREAM_REMOTE)
		return HEDDLE_REASONS; /* its own node judges it, by the address that the relay calls from */
	if (u->generation != c->generation || u->epoch != c->epoch)
		upstream_context(c, u, bpf_map_lookup_elem(&endpoints, &u->endpoint));
	if (u->kind != HEDDLE_KIND_JUDGE && u->kind != HEDDLE_KIND_PASS)
		return HEDDLE_DROPPED;
	if (u->kind == HEDDLE_KIND_PASS && !(u->blocks[0] & bystanders()))
		return HEDDLE_PASSED;
	if (c->route_set)
		root = inbound_root(&c->request, w);
	found = diagram_judge(&c->request, (struct heddle_blocks *)u->blocks, root);
	*seen = found;
	if (u->kind == HEDDLE_KIND_PASS)
		return HEDDLE_PASSED;
	return found & DIAGRAM_ALLOWS ? HEDDLE_ALLOWED : HEDDLE_DENIED;
}

#endif /* HEDDLE_CLIENT_ROUTE_H */
