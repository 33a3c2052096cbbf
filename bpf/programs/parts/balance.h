/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * balance.h - which endpoint of a service takes the next request: one of this node that takes any,
 * else of its zone, else any. What it means is pipelines/services/balance.ts.
 */
#ifndef HEDDLE_BALANCE_H
#define HEDDLE_BALANCE_H

#include "../../maps/outbound.h"
#include "health.h"

/* Draws that may fall on one that takes no request, before all are looked through. */
#define BALANCE_DRAWS 8
/* Endpoints that least request compares: more would cost more than they bring. */
#define BALANCE_LEAST 256
/* Places of a Maglev table that are tried for one that takes requests. */
#define BALANCE_SPOTS 32
/* 2^32 divided by the golden ratio: turns that are so far apart spread evenly over any range. */
#define GOLDEN 2654435769U
/* Microseconds that latencies count at the most, so that products fit into 64 bits. */
#define MAX_LATENCY_US 4194303ULL
/* Without a new sample a latency counts half after so many ns: who was slow once is asked again. */
#define LATENCY_HALF_LIFE (10000ULL * NS_PER_MS)
#define NOBODY 0xffffffffU

struct pick {
	struct heddle_balance *how;
	__u64 now;  /* 0 = no answer hangs on it */
	__u64 load; /* of the best one */
	__u32 service;
	__u32 first;
	__u32 near;	 /* places of the run that are looked at */
	__u32 within[4]; /* places of the run that are on this node, in its zone, anywhere */
	__u32 total;	 /* of their shares */
	__u32 key;	 /* a random number, or the hash of the request */
	__u32 endpoint;	 /* the one looked at; NOBODY = takes no request */
	__u32 weight;
	__u32 best; /* NOBODY = none yet */
	__u32 best_weight;
};

/* What could not be decided here is HEDDLE_SLOW_*; 0 is no such reason where this is asked. */
struct destination {
	__u32 service; /* live number */
	__u32 endpoint;
	__u32 why;
	__u32 counts;  /* enum heddle_count */
	__u32 backend; /* word index of the rule's, 0 = no rule */
	__u32 status;  /* not 0: the answer, from here (enum client_status) */
	__u32 seen;    /* by which rules that see requests, limits among them: a bit each */
	__u32 verdict; /* enum heddle_reason of what lets it in */
};

static __always_inline int ejects(const struct heddle_balance *how)
{
	return how->failures || how->resets;
}

static __always_inline int compares(__u32 policy)
{
	return policy == HEDDLE_POLICY_TWO_CHOICES || policy == HEDDLE_POLICY_LEAST_REQUEST ||
	       policy == HEDDLE_POLICY_EWMA;
}

static __always_inline int asks_time(const struct heddle_balance *how)
{
	return ejects(how) || how->slow_start_ms || how->policy == HEDDLE_POLICY_EWMA;
}

/* Spreads what differs little over all of 32 bits (MurmurHash3's finalizer). */
static __always_inline __u32 hash_u32(__u32 x)
{
	x = (x ^ x >> 16) * 0x85ebca6bU;
	x = (x ^ x >> 13) * 0xc2b2ae35U;
	return x ^ x >> 16;
}

static __always_inline __u32 share_at(__u32 place)
{
	__u32 *share = bpf_map_lookup_elem(&shares, &place);

	return share ? ONCE(*share) : 0;
}

struct search {
	__u32 first;
	__u32 draw;
	__u32 low;
	__u32 high;
};

/* Where low and high meet is the first place whose share lies beyond the draw. */
static long search_turn(__u32 turn UNUSED, struct search *k)
{
	__u32 middle = (k->low + k->high) / 2;

	if (k->low >= k->high)
		return 1;
	if (share_at(k->first + middle) <= k->draw)
		k->low = middle + 1;
	else
		k->high = middle;
	return 0;
}

/* The place that the draw falls on: guessed, which is right where weights are equal, else searched. */
SEPARATE __u32 place_drawn(__u32 first, __u32 near, __u32 total, __u32 draw)
{
	struct search k = { .first = first, .draw = draw };
	__u32 guess = total ? (__u64)draw * near / total : 0;
	__u32 below = guess ? share_at(first + guess - 1) : 0;

	if (below <= draw && draw < share_at(first + guess))
		return guess;
	k.high = near - 1;
	bpf_loop(17, search_turn, &k, 0); /* 2^16 places */
	return k.low;
}

/* A part of requests that grows with the time since it came, or came back; a tenth from the start. */
static __always_inline int starts_slowly(__u32 endpoint, __u64 returned, __u64 span, __u64 now)
{
	__u64 *birth = bpf_map_lookup_elem(&births, &endpoint);
	__u64 since = birth && *birth > returned ? *birth : returned;
	__u64 age = now > since ? now - since : 0;

	if (!since || age >= span)
		return 0;
	if (age < span / 10)
		age = span / 10;
	return bpf_get_prandom_u32() % 1024 >= age * 1024 / span;
}

/* 1 = the ejection or the slow start of an endpoint speaks against it now. */
SEPARATE int endpoint_rests(__u32 service, __u32 endpoint, __u64 now, int gently)
{
	struct heddle_balance *how = bpf_map_lookup_elem(&balances, &service);
	struct heddle_health *h = health_of(endpoint);
	__u64 until;

	if (!how || !h)
		return 0;
	until = ONCE(h->ejected_until);
	if (ejects(how) && until > now)
		return 1;
	return gently && how->slow_start_ms &&
	       starts_slowly(endpoint, until, how->slow_start_ms * NS_PER_MS, now);
}

/* Looks at an endpoint; -1 = it takes no request, `gently` also when it is new. */
static __always_inline int look_at(struct pick *p, __u32 endpoint, int gently)
{
	struct heddle_endpoint *e = bpf_map_lookup_elem(&endpoints, &endpoint);

	p->weight = e ? ONCE(e->weight) : 0;
	p->endpoint = NOBODY;
	if (!p->weight || (p->now && endpoint_rests(p->service, endpoint, p->now, gently)))
		return -1;
	p->endpoint = endpoint;
	return 0;
}

static __always_inline int look_at_place(struct pick *p, __u32 place, int gently)
{
	__u32 at = p->first + place;
	__u32 *member = bpf_map_lookup_elem(&members, &at);

	return look_at(p, member ? ONCE(*member) : NOBODY, gently);
}

/* In turn, as far apart as they can be; each one's number of turns is its share of them. */
static __always_inline __u32 next_turn(struct pick *p)
{
	__u32 *turn = bpf_map_lookup_elem(&turns, &p->service);
	__u32 n = turn ? __sync_fetch_and_add(turn, 1) : 0;

	return p->total == p->near ? n % p->total : ((__u64)(n * GOLDEN) * p->total) >> 32;
}

static __always_inline __u32 next_draw(struct pick *p, __u32 turn)
{
	__u32 random;

	if (p->how->policy == HEDDLE_POLICY_ROUND_ROBIN)
		return next_turn(p);
	random = p->how->policy == HEDDLE_POLICY_MAGLEV ? p->key + turn * GOLDEN
							: bpf_get_prandom_u32();
	return ((__u64)random * p->total) >> 32;
}

/* One drawn by weight, another one than the best. */
static long draw_turn(__u32 turn, struct pick *p)
{
	__u32 place;

	if (p->total) {
		place = place_drawn(p->first, p->near, p->total, next_draw(p, turn));
	} else {
		/* Nobody wrote shares: the agent is older than they are. */
		place = bpf_get_prandom_u32() % p->near;
	}
	if (!look_at_place(p, place, 1) && p->endpoint == p->best)
		p->endpoint = NOBODY;
	return p->endpoint != NOBODY;
}

/* All from anywhere on, for one that takes requests. */
static long any_turn(__u32 turn, struct pick *p)
{
	return turn >= p->near || !look_at_place(p, (p->key + turn) % p->near, 0);
}

/* Load times weight of the one looked at. */
static __always_inline __u64 load_of(struct pick *p)
{
	struct heddle_health *h = health_of(p->endpoint);
	__u32 flight = h ? ONCE(h->in_flight) : 0;
	__u64 us, age;

	if ((__s32)flight < 0)
		flight = 0;
	if (!h || p->how->policy != HEDDLE_POLICY_EWMA)
		return flight;
	age = (p->now - ONCE(h->measured)) / LATENCY_HALF_LIFE;
	us = ONCE(h->latency) / 1000 >> (age < 31 ? age : 31);
	/* Not measured: one request finds out. */
	if (!ONCE(h->latency))
		us = flight ? MAX_LATENCY_US : 0;
	return min_u32(us < MAX_LATENCY_US ? us : MAX_LATENCY_US, MAX_LATENCY_US) *
	       (flight + p->weight);
}

/* The one looked at becomes the best if it has less to do for its weight. */
static __always_inline void compare(struct pick *p)
{
	__u64 load = load_of(p);

	if (p->best != NOBODY && load * p->best_weight >= p->load * p->weight)
		return;
	p->best = p->endpoint;
	p->best_weight = p->weight;
	p->load = load;
}

static long least_turn(__u32 turn, struct pick *p)
{
	if (turn >= p->near)
		return 1;
	if (!look_at_place(p, (p->key + turn) % p->near, 1))
		compare(p);
	return 0;
}

/* In the service's table, from the key's spot on. */
static long spot_turn(__u32 turn, struct pick *p)
{
	__u64 table = ONCE(p->how->table);
	__u32 size = table, at, *spot;

	if (!size)
		return 1;
	at = (table >> 32) + (p->key + turn * GOLDEN) % size;
	spot = bpf_map_lookup_elem(&spots, &at);
	return !look_at(p, spot ? ONCE(*spot) : NOBODY, 0);
}

/* One that takes requests: by its share, or in a run of which few take any, whichever. */
static __always_inline int pick_one(struct pick *p)
{
	p->endpoint = NOBODY;
	p->best = NOBODY;
	p->total = share_at(p->first + p->near - 1);
	bpf_loop(BALANCE_DRAWS, draw_turn, p, 0);
	if (p->endpoint == NOBODY)
		bpf_loop(HEDDLE_MAX_MEMBERS, any_turn, p, 0);
	return p->endpoint == NOBODY ? -1 : 0;
}

/* Of the first `near` places of the run; -1 = none takes requests. */
static __attribute__((noinline)) int pick_among(struct pick *p)
{
	__u32 policy = p->how->policy;

	if (p->near == 1)
		return look_at_place(p, 0, 0);
	if (pick_one(p))
		return -1;
	if (!compares(policy))
		return 0;
	compare(p);
	if (policy == HEDDLE_POLICY_LEAST_REQUEST) {
		bpf_loop(BALANCE_LEAST, least_turn, p, 0);
	} else {
		bpf_loop(BALANCE_DRAWS, draw_turn, p, 0);
		if (p->endpoint != NOBODY)
			compare(p);
	}
	p->endpoint = p->best;
	return 0;
}

static __always_inline __u32 counts_for(const struct heddle_balance *how, __u32 endpoints)
{
	__u32 counts = ejects(how) ? HEDDLE_COUNT_STATUS : 0;

	if (endpoints > 1 && compares(how->policy))
		counts |= HEDDLE_COUNT_FLIGHT;
	if (endpoints > 1 && how->policy == HEDDLE_POLICY_EWMA)
		counts |= HEDDLE_COUNT_LATENCY;
	return counts;
}

/* Of this node, else of its zone, else any. */
static long nearest_turn(__u32 turn, struct pick *p)
{
	__u32 last = p->near;

	p->near = p->within[turn & 3];
	return p->near > last && !pick_among(p);
}

/* Where a request of service `to->service` goes; -1 = nobody takes it. `key`: its hash, where the policy asks. */
SEPARATE int balance(struct destination *to, __u32 key)
{
	struct heddle_service_state *s;
	struct pick p = { .key = key };
	__u32 count;

	if (!to)
		return -1;
	p.service = to->service;
	s = bpf_map_lookup_elem(&services, &p.service);
	p.how = bpf_map_lookup_elem(&balances, &p.service);
	if (!s || !p.how)
		return -1;
	/* Each once, `first` last: runs are written so that old counts are right for a new place. */
	count = p.within[2] = ONCE(s->count);
	p.within[0] = ONCE(s->local);
	p.within[1] = ONCE(s->zone);
	p.first = ONCE(s->first);
	to->counts = counts_for(p.how, count);
	if (p.how->policy != HEDDLE_POLICY_MAGLEV)
		p.key = bpf_get_prandom_u32();
	if (asks_time(p.how))
		p.now = bpf_ktime_get_coarse_ns(); /* milliseconds matter, the hardware is not asked */
	p.endpoint = NOBODY;
	if (p.how->policy == HEDDLE_POLICY_MAGLEV)
		bpf_loop(BALANCE_SPOTS, spot_turn, &p, 0);
	if (p.endpoint == NOBODY)
		bpf_loop(3, nearest_turn, &p, 0);
	to->endpoint = p.endpoint;
	return p.endpoint == NOBODY ? -1 : 0;
}

#endif /* HEDDLE_BALANCE_H */
