/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * bytes.h - which bytes may stand where, and eight of them at a time.
 */
#ifndef HEDDLE_BYTES_H
#define HEDDLE_BYTES_H

#include "platform.h"

/* Sets of bytes, as bits of byte_sets[]. */
enum byte_set {
	BYTES_TOKEN = 1,  /* tchar, RFC 9110 section 5.6.2 */
	BYTES_TARGET = 2, /* request-target: visible ASCII but '#', RFC 9112 section 3.2 */
	BYTES_VALUE = 4,  /* field value: HTAB, SP, visible, obs-text, RFC 9110 section 5.5 */
};

#define V 4
#define TV 6  /* target + value */
#define KTV 7 /* token + target + value */
/* A table is read by its rows. */
/* clang-format off */
static const __u8 byte_sets[256] = {
	[0x09] = V,
	[0x20] = V,
	['!'] = KTV, ['"'] = TV, ['#'] = KTV & ~BYTES_TARGET, ['$'] = KTV, ['%'] = KTV, ['&'] = KTV,
	['\''] = KTV, ['('] = TV, [')'] = TV, ['*'] = KTV, ['+'] = KTV, [','] = TV, ['-'] = KTV,
	['.'] = KTV, ['/'] = TV, ['0' ... '9'] = KTV, [':' ... '@'] = TV, ['A' ... 'Z'] = KTV,
	['[' ... ']'] = TV, ['^' ... 'z'] = KTV, ['{'] = TV, ['|'] = KTV, ['}'] = TV, ['~'] = KTV,
	[0x80 ... 0xff] = V,
};
/* clang-format on */
#undef V
#undef TV
#undef KTV

#define EVERY_BYTE(b) (0x0101010101010101ULL * (b))

/*
 * High bit of each byte of x that is below 0x20 or equal to 0x7f. A borrow can
 * set a bit above a true one, never below: the lowest bit is exact.
 */
static __always_inline __u64 controls_in(__u64 x)
{
	__u64 low = (x - EVERY_BYTE(0x20)) & ~x;
	__u64 del = x ^ EVERY_BYTE(0x7f);

	return (low | ((del - EVERY_BYTE(0x01)) & ~del)) & EVERY_BYTE(0x80);
}

/* Not 0 in a high bit when a byte of x may be none of 0x20..0x7e: cheap, and of no place. */
static __always_inline __u64 unusual_in(__u64 x)
{
	return (x - EVERY_BYTE(0x20)) | (x + EVERY_BYTE(0x01));
}

/* High bit of each byte of x that is no letter, digit or hyphen: most names are made of these. */
static __always_inline __u64 uncommon_in(__u64 x)
{
	__u64 ascii = x & EVERY_BYTE(0x7f);
	__u64 folded = ascii | EVERY_BYTE(0x20);
	__u64 letter = (folded + EVERY_BYTE(0x80 - 'a')) & ~(folded + EVERY_BYTE(0x7f - 'z'));
	__u64 digit = (ascii + EVERY_BYTE(0x80 - '0')) & ~(ascii + EVERY_BYTE(0x7f - '9'));
	__u64 no_hyphen = (ascii ^ EVERY_BYTE('-')) + EVERY_BYTE(0x7f);

	return (x | (~(letter | digit) & no_hyphen)) & EVERY_BYTE(0x80);
}

/*
 * Number of the lowest byte whose high bit is set in `marks`; 8 where none is. Counts
 * the bytes below by a multiplication: the kernel's machine has no instruction for it.
 */
static __always_inline __u32 first_marked(__u64 marks)
{
	return ((((marks & -marks) >> 7) - 1) & EVERY_BYTE(0x01)) * EVERY_BYTE(0x01) >> 56;
}

static __always_inline int is_blank(__u8 b)
{
	return b == ' ' || b == '\t';
}

static __always_inline __u8 lower(__u8 b)
{
	return b >= 'A' && b <= 'Z' ? b | 0x20 : b;
}

#endif /* HEDDLE_BYTES_H */
