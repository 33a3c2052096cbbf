// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * parser.c - the kernel's HTTP/1 parsers as a host program. Reads one stream a
 * line, prints one line of events a stream:
 *
 *     request HEX CUT,CUT,...        response HEX CUT,CUT,... HEADBITS
 *
 * HEX is the stream ("-" = empty), CUTs are the lengths of its segments, HEADBITS say by '1'
 * which response answers a HEAD. Events: `head@AT:METHOD:HOST:LATCH`, `end@AT`,
 * `refuse@AT:REASON` (AT = offset of the byte that decided), `phase:P` at last.
 *
 * argv[1] is the file with the tables. The loop over a segment is that of
 * lib/verdict.h with memory in place of an skb.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLICY_WORDS_LOG2 14
#include "../../../bpf/protocols/http1/request.h"
#include "../../../bpf/protocols/http1/response.h"

#define MAX_STREAM (1 << 20)
#define MAX_LINE (4 * MAX_STREAM)

/* One segment, as lib/verdict.h sees an skb. */
struct segment {
	const __u8 *bytes;
	__u32 len;
	__u32 at;
	__u32 base; /* offset of the segment in its stream */
};

static struct heddle_window window;

/* The window is given exact bytes: what lies behind them must not matter. */
static void load_window(struct segment *s)
{
	struct heddle_window *w = &window;

	if (w->len && w->base + w->pos == s->at && w->pos < w->len)
		return;
	w->base = s->at;
	w->pos = 0;
	w->len = min_u32(s->len - s->at, HEDDLE_WINDOW);
	memset(w->bytes, 0xa5, sizeof(w->bytes));
	memset(w->slack, '\r', sizeof(w->slack));
	memcpy(w->bytes, s->bytes + s->at, w->len);
}

static int skip_unread(struct segment *s, struct heddle_request *r)
{
	__u32 left = s->len - s->at;
	__u32 take;

	if (r->phase != HEDDLE_BODY && r->phase != HEDDLE_CHUNK_DATA)
		return s->at >= s->len;
	take = r->remaining < left ? r->remaining : left;
	s->at += take;
	r->remaining -= take;
	if (!r->remaining) {
		if (r->phase == HEDDLE_BODY)
			printf("end@%u ", s->base + s->at);
		r->phase = r->phase == HEDDLE_BODY ? HEDDLE_START : HEDDLE_CHUNK_END_CR;
	}
	window.len = 0;
	return s->at >= s->len;
}

/* Returns 1 when the stream is refused. */
static int request_segment(struct segment *s, struct heddle_request *r, __u32 *requests)
{
	int action, reason;

	window.len = 0;
	while (!skip_unread(s, r)) {
		load_window(s);
		if (r->phase == HEDDLE_START)
			request_begin(r);
		action = http1_parse(r, &window);
		s->at = window.base + window.pos;
		if (action & HTTP1_REFUSE) {
			reason = action & 0xff;
			/* Another protocol begins with a connection; later it is only a bad head. */
			if (*requests && (reason == HEDDLE_TLS || reason == HEDDLE_HTTP2))
				reason = HEDDLE_BAD_METHOD;
			printf("refuse@%u:%d ", s->base + s->at, reason);
			return 1;
		}
		if (action == HTTP1_MESSAGE)
			printf("end@%u ", s->base + s->at);
		if (action != HTTP1_HEAD)
			continue;
		++*requests;
		printf("head@%u:%u:%u:%u ", s->base + s->at, r->classes[HEDDLE_DIM_METHOD],
		       r->classes[HEDDLE_DIM_HOST], (__u32)(r->latches[0] & 1));
		if (request_body(r) == HTTP1_MESSAGE)
			printf("end@%u ", s->base + s->at);
	}
	return 0;
}

/* What lib/reply_order.h does with the messages of an application. Returns 1 when it is lost. */
static int response_segment(struct segment *s, struct heddle_response *p, const char **head_bits)
{
	int action;

	window.len = 0;
	while (s->at < s->len) {
		if (p->phase >= HEDDLE_RESPONSE_TO_CLOSE)
			return 1;
		load_window(s);
		action = response_parse(p, &window, **head_bits == '1');
		s->at = window.base + window.pos;
		if (action == RESPONSE_END) {
			printf("end@%u ", s->base + s->at);
			*head_bits += **head_bits != 0;
		} else if (action == RESPONSE_TUNNEL) {
			printf("tunnel@%u ", s->base + s->at);
			return 1;
		}
	}
	return 0;
}

static __u32 from_hex(const char *hex, __u8 *bytes)
{
	__u32 n = 0;
	int used;
	unsigned int b;

	for (; sscanf(hex, "%2x%n", &b, &used) == 1 && used == 2 && n < MAX_STREAM; hex += 2)
		bytes[n++] = b;
	return n;
}

/* A copy of exactly the segment, so that the sanitizer sees a read beyond it. */
static __u8 *exact_copy(const __u8 *bytes, __u32 len)
{
	__u8 *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, bytes, len);
	return copy;
}

static void run_stream(const char *kind, const __u8 *bytes, __u32 len, char *cuts, const char *head_bits)
{
	struct heddle_request r = {};
	struct heddle_response p = {};
	int response = kind[2] == 's';
	__u32 at = 0, requests = 0;
	int stop = 0;

	for (char *cut = strtok(cuts, ","); cut && !stop && at < len; cut = strtok(NULL, ",")) {
		__u32 n = min_u32(strtoul(cut, NULL, 10), len - at);
		__u8 *copy = exact_copy(bytes + at, n);
		struct segment s = { .bytes = copy, .len = n, .base = at };

		stop = response ? response_segment(&s, &p, &head_bits) : request_segment(&s, &r, &requests);
		free(copy);
		at += n;
	}
	printf("phase:%u\n", response ? p.phase : r.phase);
}

int main(int argc, char **argv)
{
	static __u64 tables[1 << (POLICY_WORDS_LOG2 - 1)];
	static __u8 bytes[MAX_STREAM];
	char *line = malloc(MAX_LINE), kind[16], *hex = malloc(MAX_LINE), *cuts = malloc(MAX_LINE);
	char head_bits[256];
	FILE *f = argc > 1 ? fopen(argv[1], "rb") : NULL;

	if (!line || !hex || !cuts || !f || fread(tables, 1, sizeof(tables), f) != sizeof(tables))
		return 2;
	fclose(f);
	policy = (const __u8 *)tables;
	while (fgets(line, MAX_LINE, stdin)) {
		head_bits[0] = 0;
		if (sscanf(line, "%15s %s %s %255s", kind, hex, cuts, head_bits) < 3)
			return 3;
		run_stream(kind, bytes, from_hex(hex, bytes), cuts, head_bits);
	}
	free(line);
	free(hex);
	free(cuts);
	return 0;
}
