/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * policy - the tables of one artifact. Written by functions/compile, frozen by
 * the loader, read by every program of the generation, gone with it. The bytes
 * are data: nothing of a policy ever stands in C source.
 */
#ifndef HEDDLE_MAPS_POLICY_H
#define HEDDLE_MAPS_POLICY_H

#include "../lib/automaton.h"

const volatile __u8 policy[4 << POLICY_WORDS_LOG2]
	__attribute__((section(".rodata.policy"), aligned(8))) = {
#embed "policy.bin"
};

#endif /* HEDDLE_MAPS_POLICY_H */
