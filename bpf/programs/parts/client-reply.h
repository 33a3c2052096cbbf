/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* client-reply.h - a request that is answered here: the reply, and its way into the client's own receive queue. */
#ifndef HEDDLE_CLIENT_REPLY_H
#define HEDDLE_CLIENT_REPLY_H

#include "../../protocols/http1/local-reply.h"
#include "client-route.h"
#include "rewrite.h"
#include "upstream-pool.h"
#include "window.h"

/*
 * The last response of another node may have been judged and not moved yet: who pipelines would
 * get the reply before it.
 */
static __always_inline int may_overtake(struct heddle_client *c)
{
	struct heddle_upstream *u = c->upstream ? upstream_at(c->upstream - 1) : NULL;

	return u && u->flags & HEDDLE_UPSTREAM_REMOTE && !(u->flags & HEDDLE_UPSTREAM_DIRECT);
}

/* What the route itself answers. `host`: as goes_on() said. 0 = written. */
static __always_inline int draft_routed(struct heddle_window *draft, struct heddle_client *c,
					struct heddle_window *w, const struct destination *to,
					__u32 host)
{
	__u32 at = TABLE_WORD(to->backend, heddle_route_backend, redirect_at);

	if (TABLE_WORD(at, heddle_route_redirect, flags) & HEDDLE_REDIRECT_FIXED)
		return draft_fixed(draft, at, c->request.flags & HEDDLE_REQUEST_HEAD);
	return draft_redirect(draft, w, at, host << 16 | c->port);
}

/* The reply to the request whose head is in `w`, in a window of its own; NULL = the relay's. */
static __always_inline struct heddle_window *
reply_draft(struct heddle_client *c, struct heddle_window *w, const struct destination *to)
{
	struct heddle_window *draft;
	__u32 host = goes_on(w);
	int failed;

	if (!host || may_overtake(c))
		return NULL;
	draft = window_claim();
	if (!draft)
		return NULL;
	if (to->status == CLIENT_REDIRECT)
		failed = draft_routed(draft, c, w, to, host);
	else if (to->status == CLIENT_LIMITED)
		failed = limited_reply(draft, &c->limited);
	else
		failed = local_reply(draft, to->status);
	if (!failed)
		return draft;
	window_release(draft);
	return NULL;
}

/* The message's first `request` bytes become the reply. 0 = they are on their way; else nothing has happened. */
static __always_inline int reply_take(struct sk_msg_md *msg, struct heddle_client *c,
				      struct heddle_window *draft, __u32 request)
{
	__u64 cookie = c->cookie;

	if (bpf_msg_redirect_hash(msg, &sockets, &cookie, BPF_F_INGRESS) != SK_PASS)
		return -1;
	if (message_rewrite(msg, draft, request))
		return -1;
	if (msg->size > draft->len)
		bpf_msg_apply_bytes(msg, draft->len);
	return 0;
}

#endif /* HEDDLE_CLIENT_REPLY_H */
