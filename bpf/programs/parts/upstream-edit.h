/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * upstream-edit.h - the head of a response as the route of its request wants it. A server may send
 * it in pieces: they are held until it is whole.
 */
#ifndef HEDDLE_UPSTREAM_EDIT_H
#define HEDDLE_UPSTREAM_EDIT_H

#include "../../maps/generation.h"
#include "../../protocols/http1/draft-response.h"
#include "message.h"
#include "rewrite.h"
#include "upstream-pool.h"
#include "window.h"

enum edited {
	EDITED = 0,	    /* nothing stands in the way of the bytes */
	EDIT_WAITS = 1,	    /* the kernel holds them until more come */
	EDIT_ELSEWHERE = 2, /* the edit is in the tables of slot u->edits_slot */
	EDIT_FAILED = 3,    /* it is the relay's to make */
};

/* Does a head begin here that the route changes? */
static __always_inline int wants_edit(const struct heddle_upstream *u)
{
	return u->response_at && u->response.phase == HEDDLE_RESPONSE_START;
}

static __always_inline int head_edit(struct sk_msg_md *msg, struct heddle_upstream *u,
				     struct heddle_window *draft, struct heddle_window *head)
{
	if (message_load(msg, head, 0, HEDDLE_WINDOW))
		return EDIT_FAILED;
	switch (draft_response(draft, head, u->response_at)) {
	case DRAFTED_INTERIM:
		return EDITED;
	case DRAFTED_HEAD:
		return message_rewrite(msg, draft, head->pos) ? EDIT_FAILED : EDITED;
	case DRAFTED_MORE:
		if (msg->size >= HEDDLE_WINDOW || bpf_msg_cork_bytes(msg, msg->size + 1))
			return EDIT_FAILED;
		return EDIT_WAITS;
	}
	return EDIT_FAILED;
}

/* The message that a response's head begins: enum edited. */
static __always_inline int upstream_edit(struct sk_msg_md *msg, struct heddle_upstream *u)
{
	__u32 zero = 0;
	struct heddle_self *me = bpf_map_lookup_elem(&self, &zero);
	struct heddle_window *head, *draft;
	int edited = EDIT_FAILED;

	if (!me || me->generation != u->edits)
		return me && me->slot != u->edits_slot ? EDIT_ELSEWHERE : EDIT_FAILED;
	head = window_claim();
	if (!head)
		return EDIT_FAILED;
	draft = window_claim();
	if (draft) {
		edited = head_edit(msg, u, draft, head);
		window_release(draft);
	}
	window_release(head);
	return edited;
}

#endif /* HEDDLE_UPSTREAM_EDIT_H */
