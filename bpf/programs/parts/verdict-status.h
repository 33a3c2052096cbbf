/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* verdict-status.h - what a refused client is told: the status of the local reply, 0 = nothing. */
#ifndef HEDDLE_VERDICT_STATUS_H
#define HEDDLE_VERDICT_STATUS_H

#include "../../lib/platform.h"

static __always_inline __u32 status_of(__u32 reason)
{
	if (reason == HEDDLE_DENIED)
		return 403;
	if (reason == HEDDLE_LIMITED)
		return 429;
	if (reason == HEDDLE_HEAD_TOO_LARGE)
		return 431;
	/* Nobody who speaks TLS reads a plain-text answer. */
	return reason == HEDDLE_TLS || reason == HEDDLE_DROPPED || reason == HEDDLE_UNKNOWN_STATE
		       ? 0
		       : 400;
}

#endif /* HEDDLE_VERDICT_STATUS_H */
