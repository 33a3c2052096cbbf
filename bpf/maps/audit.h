/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* audit.h - live maps of audit rules: what they counted outlives the generation that counted it. */
#ifndef HEDDLE_MAPS_AUDIT_H
#define HEDDLE_MAPS_AUDIT_H

#include "../lib/platform.h"

/* By a rule's id. Writer: programs, also for the relay; the agent takes out rules that no generation has. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, HEDDLE_MAX_AUDITED);
	__type(key, __u64);
	__type(value, struct heddle_audited);
} audits SEC(".maps");

/* Writer: programs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_SLOTS *HEDDLE_MAX_OBSERVERS);
	__type(key, __u32);
	__type(value, struct heddle_shadow_pace);
} audit_paces SEC(".maps");

/* HEDDLE_SHADOW_SAMPLES for each place. Writer: programs, whoever the pace lets. Reader: agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HEDDLE_SLOTS * HEDDLE_MAX_OBSERVERS * HEDDLE_SHADOW_SAMPLES);
	__type(key, __u32);
	__type(value, struct heddle_audit_sample);
} audit_samples SEC(".maps");

#endif /* HEDDLE_MAPS_AUDIT_H */
