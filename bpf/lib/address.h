/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/* address.h - a socket's address in the one form that every map has it in. */
#ifndef HEDDLE_ADDRESS_H
#define HEDDLE_ADDRESS_H

#include "platform.h"

/* An address as the maps have it: 16 bytes, IPv4 as ::ffff:a.b.c.d. */
static __always_inline void address_of(__u8 *to, __u32 family, __u32 ip4, const __u32 *ip6)
{
	if (family == 2) {
		__builtin_memset(to, 0, 10);
		to[10] = to[11] = 0xff;
		__builtin_memcpy(to + 12, &ip4, 4);
	} else {
		__builtin_memcpy(to, ip6, 16);
	}
}

#endif /* HEDDLE_ADDRESS_H */
