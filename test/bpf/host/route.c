// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * route.c - the kernel's routing as a host program. A command a line:
 *
 *	load PATH                 take these tables
 *	ask SET RANDOM HEX        route a request head; answers one line:
 *	                          refused | none | slow:REASON | status:500 |
 *	                          rule:AT backend:AT HEX, with the head that goes on
 *	time SET TIMES HEX        nanoseconds of a route, parser and query included
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLICY_WORDS_LOG2 23
#include "../../../bpf/protocols/http1/request.h"
#include "../../../bpf/protocols/http1/query.h"
#include "../../../bpf/protocols/http1/edit.h"

#define MAX_LINE (1 << 16)
#define MAX_EDITED (1 << 16)

static struct heddle_window window;
static __u64 tables[1 << (POLICY_WORDS_LOG2 - 1)];

struct output {
	__u8 bytes[MAX_EDITED];
	__u32 len;
};

static __u32 from_hex(const char *hex, __u8 *bytes)
{
	__u32 n = 0;
	unsigned int b;

	for (; n < HEDDLE_WINDOW && sscanf(hex, "%2x", &b) == 1; hex += 2)
		bytes[n++] = b;
	return n;
}

static void copy(struct output *o, __u32 from, __u32 to)
{
	memcpy(o->bytes + o->len, window.bytes + from, to - from);
	o->len += to - from;
}

static void put(struct output *o, __u32 text)
{
	__u32 bytes = text ? text_length(text) : 0;

	for (__u32 i = 0; i * 8 < bytes; i++) {
		__u64 eight = text_u64(text, i);

		memcpy(o->bytes + o->len + 8 * i, &eight, sizeof(eight));
	}
	o->len += bytes;
}

static __u32 take(struct output *o, const struct http1_edits *e, __u32 from)
{
	copy(o, from, e->at);
	put(o, e->text);
	return e->at + e->bytes;
}

static void edited(struct output *o, __u32 edit)
{
	struct http1_edits e = {};
	__u32 from = 0;

	o->len = 0;
	if (!edit) {
		copy(o, 0, window.pos);
		return;
	}
	if (http1_edit_target(&e, &window, edit))
		from = take(o, &e, from);
	while (http1_edit_line(&e, &window, edit))
		from = take(o, &e, from);
	copy(o, from, window.pos - 2);
	put(o, EDIT_TEXT(edit, lines));
	copy(o, window.pos - 2, window.pos);
}

static __u32 route(struct heddle_request *r, __u32 number, __u32 len)
{
	__u32 set = route_set(number);

	window.pos = 0;
	window.len = len;
	request_begin(r);
	r->root = set;
	if (http1_parse(r, &window) != HTTP1_HEAD)
		return ~0U;
	http1_query(r, &window, set);
	return route_find(r, set);
}

static void ask(__u32 number, __u32 random, __u32 len)
{
	static struct output o;
	struct heddle_request r = {};
	__u32 rule = route(&r, number, len), backend;

	if (rule == ~0U) {
		printf("refused\n");
	} else if (!rule) {
		printf("none\n");
	} else if (rule & HEDDLE_ROUTE_SLOW) {
		printf("slow:%u\n", rule & HEDDLE_ROUTE_REASON);
	} else {
		backend = route_backend(rule, random);
		if (!backend) {
			printf("status:500\n");
			return;
		}
		edited(&o, TABLE_WORD(backend, heddle_route_backend, request_at));
		printf("rule:%u backend:%u ", rule, backend);
		for (__u32 i = 0; i < o.len; i++)
			printf("%02x", o.bytes[i]);
		printf("\n");
	}
}

static void measure(__u32 number, __u32 times, __u32 len)
{
	struct heddle_request r = {};
	struct timespec from, to;
	__u32 found = 0;

	clock_gettime(CLOCK_MONOTONIC, &from);
	for (__u32 i = 0; i < times; i++)
		found |= route(&r, number, len);
	clock_gettime(CLOCK_MONOTONIC, &to);
	printf("%.1f %u\n", ((to.tv_sec - from.tv_sec) * 1e9 + (to.tv_nsec - from.tv_nsec)) / times,
	       found);
}

static int load(const char *path)
{
	FILE *f = fopen(path, "rb");

	if (!f)
		return 0;
	memset(tables, 0, sizeof(tables));
	if (!fread(tables, 1, sizeof(tables), f))
		exit(2);
	fclose(f);
	return 1;
}

int main(void)
{
	static char line[MAX_LINE], word[16], text[MAX_LINE];
	unsigned int number, more;

	policy = (const __u8 *)tables;
	while (fgets(line, MAX_LINE, stdin)) {
		if (sscanf(line, "load %65535s", text) == 1) {
			if (!load(text))
				return 2;
			continue;
		}
		if (sscanf(line, "%15s %u %u %65535s", word, &number, &more, text) != 4)
			return 3;
		/* The ends of lines that are none: the worst that an earlier head can leave. */
		for (__u32 i = 0; i < sizeof(window.bytes); i++)
			window.bytes[i] = i & 1 ? '\n' : '\r';
		if (strcmp(word, "time"))
			ask(number, more, from_hex(text, window.bytes));
		else
			measure(number, more, from_hex(text, window.bytes));
	}
	return 0;
}
