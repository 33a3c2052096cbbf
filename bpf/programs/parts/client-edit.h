/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* client-edit.h - a request as its route wants it: the head that its server will read. */
#ifndef HEDDLE_CLIENT_EDIT_H
#define HEDDLE_CLIENT_EDIT_H

#include "../../maps/outbound.h"
#include "../../protocols/http1/draft.h"
#include "../../protocols/http1/request.h"
#include "window.h"

/*
 * The changed head in a window of its own, parsed as the one before was: inbound rules judge what
 * arrives. NULL = it has no place in a window, or no server would read it; the relay's.
 */
static __always_inline struct heddle_window *request_draft(struct heddle_client *c,
							   struct heddle_window *w, __u32 edit)
{
	struct heddle_request *r = &c->request;
	struct heddle_window *draft = window_claim();

	if (!draft)
		return NULL;
	draft_request(draft, w, edit);
	if (draft->len <= HEDDLE_WINDOW) {
		draft->base = 0;
		draft->pos = 0;
		keyed_begin(r);
		r->root = c->route_set;
		if (http1_parse(r, draft) == HTTP1_HEAD)
			return draft;
	}
	window_release(draft);
	return NULL;
}

#endif /* HEDDLE_CLIENT_EDIT_H */
