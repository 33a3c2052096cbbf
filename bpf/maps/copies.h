/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* copies.h - live map of mirrors: copies of requests on their way to the relay. */
#ifndef HEDDLE_MAPS_COPIES_H
#define HEDDLE_MAPS_COPIES_H

#include "../lib/platform.h"

/* Of its own: however many copies there are, `events` has room. Full = copies are lost and counted. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, HEDDLE_COPIES_BYTES);
} copies SEC(".maps");

#endif /* HEDDLE_MAPS_COPIES_H */
