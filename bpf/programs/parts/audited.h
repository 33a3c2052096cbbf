/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* audited.h - one message that an audit rule saw: its count, and a place for a sample of it. */
#ifndef HEDDLE_AUDITED_H
#define HEDDLE_AUDITED_H

#include "count.h"
#include "sample.h"
#include "../../maps/audit.h"

/* Whoever is first makes the counts; without room for them it is told that they are lost. */
SEPARATE int audit_count(__u64 id, __u32 what)
{
	__u64 key = id;
	struct heddle_audited *a = bpf_map_lookup_elem(&audits, &key);
	struct heddle_audited none = {};

	if (!a) {
		bpf_map_update_elem(&audits, &key, &none, BPF_NOEXIST);
		a = bpf_map_lookup_elem(&audits, &key);
	}
	if (!a)
		count(HEDDLE_AUDIT_UNCOUNTED);
	else
		/* A request may interrupt another one on its CPU: this is not for others. */
		__sync_fetch_and_add(&a->count[what & (HEDDLE_AUDIT_COUNTS - 1)], 1);
	return 0;
}

/* NULL = there was one a moment ago. */
static __always_inline struct heddle_audit_sample *audit_place(__u32 place)
{
	struct heddle_shadow_pace *p = bpf_map_lookup_elem(&audit_paces, &place);
	__u32 at = p ? sample_turn(p) : NO_SAMPLE;

	if (at == NO_SAMPLE)
		return NULL;
	at += place * HEDDLE_SHADOW_SAMPLES;
	return bpf_map_lookup_elem(&audit_samples, &at);
}

#endif /* HEDDLE_AUDITED_H */
