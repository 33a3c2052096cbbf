/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * reply.h - the local reply. A segment that becomes the reply keeps its length
 * where it can (the kernel advances copied_seq by the length that it sees after
 * the program ran), so the head has a fixed size and the rest is a body of
 * blanks: Content-Length is right-aligned in blanks, which RFC 9110 section 5.5
 * lets any recipient strip.
 */
#ifndef HEDDLE_HTTP1_REPLY_H
#define HEDDLE_HTTP1_REPLY_H

#include "../../lib/platform.h"

#define REPLY_FIELDS "Server: heddle\r\nConnection: close\r\nContent-Length:"
/* Blanks make all heads one size. */
#define REPLY_403 "HTTP/1.1 403 Forbidden\r\n" REPLY_FIELDS "       0\r\n\r\n"
#define REPLY_400 "HTTP/1.1 400 Bad Request\r\n" REPLY_FIELDS "     0\r\n\r\n"
#define REPLY_431 "HTTP/1.1 431 Too Large\r\n" REPLY_FIELDS "       0\r\n\r\n"

struct http1_reply {
	char head[HEDDLE_REPLY_HEAD + 2];
};

/* Place of the last digit of Content-Length in the head. */
#define REPLY_LAST_DIGIT (HEDDLE_REPLY_HEAD - 5)

static __always_inline void reply_write(struct http1_reply *reply, __u16 status, __u32 body_bytes)
{
	static const char denied[] = REPLY_403;
	static const char bad[] = REPLY_400;
	static const char large[] = REPLY_431;

	_Static_assert(sizeof(denied) - 1 == HEDDLE_REPLY_HEAD, "403 has the size of a reply head");
	_Static_assert(sizeof(bad) - 1 == HEDDLE_REPLY_HEAD, "400 has the size of a reply head");
	_Static_assert(sizeof(large) - 1 == HEDDLE_REPLY_HEAD, "431 has the size of a reply head");
	if (status == 403)
		__builtin_memcpy(reply->head, denied, HEDDLE_REPLY_HEAD);
	else if (status == 431)
		__builtin_memcpy(reply->head, large, HEDDLE_REPLY_HEAD);
	else
		__builtin_memcpy(reply->head, bad, HEDDLE_REPLY_HEAD);
#pragma unroll
	for (int i = 0; i < 5; i++) {
		if (i && !body_bytes)
			break;
		reply->head[REPLY_LAST_DIGIT - i] = '0' + body_bytes % 10;
		body_bytes /= 10;
	}
}

/*
 * 429 tells when to come again (RFC 6585 4, RFC 9110 10.2.3) and what the limit is
 * (draft-ietf-httpapi-ratelimit-headers). Zeroes in front keep a structured field's integer what it is.
 */
#define LIMITED_STATUS "HTTP/1.1 429 Too Many Requests\r\nServer: heddle\r\n"
#define LIMITED_FIELDS                                                                             \
	"Retry-After:       0\r\n"                                                                 \
	"RateLimit-Policy: \"limit\";q=00000000;w=00000000\r\n"                                    \
	"RateLimit: \"limit\";r=0;t=00000000\r\n"
#define REPLY_ENDS "Connection: close\r\n"
#define REPLY_429 LIMITED_STATUS REPLY_ENDS LIMITED_FIELDS "Content-Length:       0\r\n\r\n"

/* Places of the last digits in it. */
enum reply_429 {
	REPLY_RETRY_AFTER = 86,
	REPLY_QUOTA = 124,
	REPLY_WINDOW = 135,
	REPLY_RESET = 170,
	REPLY_LENGTH = 195,
	REPLY_DIGITS = 8,
};

static const char reply_429[] = REPLY_429;

_Static_assert(sizeof(reply_429) - 1 == HEDDLE_LIMITED_HEAD, "429 has the size of its head");

/* Eight digits, zeroes in front or, for a field that is no structured one, blanks. */
static __always_inline void reply_number(char *to, __u32 number, char before)
{
#pragma unroll
	for (int i = REPLY_DIGITS - 1; i >= 0; i--) {
		to[i] = number || i == REPLY_DIGITS - 1 ? '0' + number % 10 : before;
		number /= 10;
	}
}

static __always_inline __u32 reply_head_bytes(__u32 status)
{
	return status == 429 ? HEDDLE_LIMITED_HEAD : HEDDLE_REPLY_HEAD;
}

#endif /* HEDDLE_HTTP1_REPLY_H */
