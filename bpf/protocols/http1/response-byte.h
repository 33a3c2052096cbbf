/* SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0) */
/*
 * response-byte.h - a response read byte by byte (RFC 9112 section 6): the careful way,
 * which response.h leaves for shortcuts where it can. Lenient on purpose: it reads what an
 * application already chose to send, and nothing but the order of replies hangs on it.
 */
#ifndef HEDDLE_HTTP1_RESPONSE_BYTE_H
#define HEDDLE_HTTP1_RESPONSE_BYTE_H

#include "request.h"

enum response_flag {
	RESPONSE_LENGTH = 1,
	RESPONSE_CHUNKED = 2,
	RESPONSE_PLACED = 4, /* position is known */
	RESPONSE_CLOSE = 8,  /* the server said that it will close, or is of HTTP/1.0 */
};

enum response_field {
	RESPONSE_OTHER = 0,
	RESPONSE_CONTENT_LENGTH = 1,
	RESPONSE_TRANSFER_ENCODING = 2,
	RESPONSE_CONNECTION = 3
};

enum response_action {
	RESPONSE_MORE = 0,   /* the window is used up */
	RESPONSE_END = 1,    /* a response is complete */
	RESPONSE_TUNNEL = 2, /* 101: what follows is no HTTP */
};

/* Names are told by length, first and last eight bytes, in lower case. */
#define NAME_LENGTH_FIRST (WORD4('c', 'o', 'n', 't') << 32 | WORD4('e', 'n', 't', '-'))
#define NAME_CODING_FIRST (WORD4('t', 'r', 'a', 'n') << 32 | WORD4('s', 'f', 'e', 'r'))
#define NAME_LENGTH_BYTES 14
#define NAME_LENGTH_TAIL (WORD4('t', '-', 'l', 'e') << 32 | WORD4('n', 'g', 't', 'h'))
#define NAME_CODING_BYTES 17
#define NAME_CODING_TAIL (WORD4('e', 'n', 'c', 'o') << 32 | WORD4('d', 'i', 'n', 'g'))
#define NAME_CONNECTION_FIRST (WORD4('c', 'o', 'n', 'n') << 32 | WORD4('e', 'c', 't', 'i'))
#define NAME_CONNECTION_BYTES 10
#define NAME_CONNECTION_TAIL (WORD4('n', 'n', 'e', 'c') << 32 | WORD4('t', 'i', 'o', 'n'))
#define WORD_CLOSE ((__u64)'c' << 32 | WORD4('l', 'o', 's', 'e'))

static __always_inline void response_begin(struct heddle_response *p)
{
	p->status = 0;
	p->text_bytes = 0;
	p->remaining = 0;
	p->flags &= RESPONSE_PLACED;
	p->phase = HEDDLE_RESPONSE_STATUS;
}

/* The blank line: what kind of body follows. */
static __always_inline int response_head(struct heddle_response *p, int of_head_request)
{
	p->text_bytes = 0;
	if (p->status == 101) {
		p->phase = HEDDLE_RESPONSE_LOST;
		return RESPONSE_TUNNEL;
	}
	p->phase = HEDDLE_RESPONSE_START;
	if (p->status < 200)
		return RESPONSE_MORE; /* interim: the final response is still owed */
	if (of_head_request || p->status == 204 || p->status == 304)
		return RESPONSE_END;
	if (p->flags & RESPONSE_CHUNKED) {
		p->remaining = 0;
		p->phase = HEDDLE_RESPONSE_CHUNK_SIZE;
		return RESPONSE_MORE;
	}
	if (!(p->flags & RESPONSE_LENGTH)) {
		p->phase = HEDDLE_RESPONSE_TO_CLOSE;
		return RESPONSE_MORE;
	}
	if (!p->remaining)
		return RESPONSE_END;
	p->phase = HEDDLE_RESPONSE_BODY;
	return RESPONSE_MORE;
}

/* "HTTP/1.1 200 ": three digits at 9. */
static __always_inline void status_byte(struct heddle_response *p, __u8 b)
{
	__u32 at = p->text_bytes++;

	if (at == 7 && b != '1')
		p->flags |= RESPONSE_CLOSE;
	if (at >= 9 && at < 12)
		p->status = p->status * 10 + ((b - '0') & 15);
	if (b == '\n')
		p->phase = HEDDLE_RESPONSE_LINE;
}

/* The field that a name may still become after its first eight bytes. */
static __always_inline __u8 field_begun(__u64 word)
{
	if (word == NAME_LENGTH_FIRST)
		return RESPONSE_CONTENT_LENGTH;
	if (word == NAME_CONNECTION_FIRST)
		return RESPONSE_CONNECTION;
	return word == NAME_CODING_FIRST ? RESPONSE_TRANSFER_ENCODING : RESPONSE_OTHER;
}

static __always_inline void name_byte(struct heddle_response *p, __u8 b)
{
	if (b == '\n') {
		p->phase = HEDDLE_RESPONSE_LINE;
		return;
	}
	if (b != ':') {
		p->word = p->word << 8 | lower(b);
		p->text_bytes++;
		if (p->text_bytes == 8)
			p->field = field_begun(p->word);
		return;
	}
	if (p->field == RESPONSE_CONTENT_LENGTH && p->text_bytes == NAME_LENGTH_BYTES &&
	    p->word == NAME_LENGTH_TAIL) {
		p->flags |= RESPONSE_LENGTH;
		p->remaining = 0;
	} else if (!(p->field == RESPONSE_TRANSFER_ENCODING && p->text_bytes == NAME_CODING_BYTES &&
		     p->word == NAME_CODING_TAIL) &&
		   !(p->field == RESPONSE_CONNECTION && p->text_bytes == NAME_CONNECTION_BYTES &&
		     p->word == NAME_CONNECTION_TAIL)) {
		p->field = RESPONSE_OTHER;
	}
	p->word = 0;
	p->phase = HEDDLE_RESPONSE_VALUE;
}

static __always_inline void value_byte(struct heddle_response *p, __u8 b)
{
	if (b == '\n') {
		p->phase = HEDDLE_RESPONSE_LINE;
		return;
	}
	if (p->field == RESPONSE_CONTENT_LENGTH && b >= '0' && b <= '9')
		p->remaining = p->remaining * 10 + (b - '0');
	if (p->field == RESPONSE_TRANSFER_ENCODING && b != '\r') {
		p->word = p->word << 8 | lower(b);
		if ((p->word & ~(0xffULL << 56)) == CODING_CHUNKED)
			p->flags |= RESPONSE_CHUNKED;
	}
	if (p->field == RESPONSE_CONNECTION) {
		p->word = p->word << 8 | lower(b);
		if ((p->word & 0xffffffffffULL) == WORD_CLOSE)
			p->flags |= RESPONSE_CLOSE;
	}
}

static __always_inline void chunk_byte(struct heddle_response *p, __u8 b)
{
	__u8 letter = lower(b);

	if (b == '\n') {
		/* Data and its CRLF in one go. */
		p->phase = p->remaining ? HEDDLE_RESPONSE_CHUNK_DATA : HEDDLE_RESPONSE_TRAILER;
		p->remaining = p->remaining ? p->remaining + 2 : 0;
		return;
	}
	if (p->phase == HEDDLE_RESPONSE_CHUNK_EXT)
		return;
	if (b >= '0' && b <= '9')
		p->remaining = p->remaining << 4 | (b - '0');
	else if (letter >= 'a' && letter <= 'f')
		p->remaining = p->remaining << 4 | (letter - 'a' + 10);
	else
		p->phase = HEDDLE_RESPONSE_CHUNK_EXT;
}

/* One byte; bodies are skipped by the caller. */
SEPARATE int response_byte(struct heddle_response *p, __u8 b, int of_head_request)
{
	if (!p)
		return RESPONSE_MORE;
	switch (p->phase) {
	case HEDDLE_RESPONSE_STATUS:
		status_byte(p, b);
		break;
	case HEDDLE_RESPONSE_LINE:
		if (b == '\r')
			break;
		if (b == '\n')
			return response_head(p, of_head_request);
		p->text_bytes = 0;
		p->word = 0;
		p->field = RESPONSE_OTHER;
		p->phase = HEDDLE_RESPONSE_NAME;
		name_byte(p, b);
		break;
	case HEDDLE_RESPONSE_NAME:
		name_byte(p, b);
		break;
	case HEDDLE_RESPONSE_VALUE:
		value_byte(p, b);
		break;
	case HEDDLE_RESPONSE_CHUNK_SIZE:
	case HEDDLE_RESPONSE_CHUNK_EXT:
		chunk_byte(p, b);
		break;
	case HEDDLE_RESPONSE_TRAILER:
		if (b == '\n') {
			p->phase = HEDDLE_RESPONSE_START;
			return RESPONSE_END;
		}
		if (b != '\r')
			p->phase = HEDDLE_RESPONSE_TRAILER_LINE;
		break;
	case HEDDLE_RESPONSE_TRAILER_LINE:
		if (b == '\n')
			p->phase = HEDDLE_RESPONSE_TRAILER;
		break;
	}
	return RESPONSE_MORE;
}

#endif /* HEDDLE_HTTP1_RESPONSE_BYTE_H */
