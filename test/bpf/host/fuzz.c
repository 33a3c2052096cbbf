// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * fuzz.c - libFuzzer over the kernel's HTTP/1 parsers: no read beyond a segment,
 * no undefined step, and the same events however a stream is cut. The first byte
 * of an input says what it is a stream of, the next four how it is cut. The
 * tables are those of the file in HEDDLE_TABLES.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

static char said[1 << 16];
static size_t said_bytes;

#define SAY(...) (said_bytes += snprintf(said + said_bytes, sizeof(said) - said_bytes, __VA_ARGS__))
#include "stream.h"

#define MAX_INPUT 2048
#define HEADER 5

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc UNUSED, char ***argv UNUSED)
{
	static __u64 tables[1 << (POLICY_WORDS_LOG2 - 1)];
	const char *path = getenv("HEDDLE_TABLES");
	FILE *f = path ? fopen(path, "rb") : NULL;

	if (!f || fread(tables, 1, sizeof(tables), f) != sizeof(tables))
		exit(2);
	fclose(f);
	policy = (const __u8 *)tables;
	return 0;
}

static void whole(struct stream *t, const __u8 *bytes, __u32 len)
{
	struct segment s = { .bytes = bytes, .len = len };

	stream_segment(&s, t);
}

/* Cuts of 1..16 bytes, told by the low bits of a number that turns. */
static void cut(struct stream *t, const __u8 *bytes, __u32 len, __u32 cuts)
{
	__u32 at = 0;
	int stop = 0;

	while (at < len && !stop) {
		struct segment s = { .bytes = bytes + at, .base = at };

		s.len = min_u32((cuts & 15) + 1, len - at);
		cuts = cuts >> 4 | cuts << 28;
		at += s.len;
		stop = stream_segment(&s, t);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char first[sizeof(said)];
	struct stream a = { .head_bits = "0100" }, b = { .head_bits = "0100" };
	__u32 cuts;

	if (size < HEADER || size > MAX_INPUT)
		return -1;
	a.of_responses = b.of_responses = data[0] & 1;
	memcpy(&cuts, data + 1, sizeof(cuts));
	said_bytes = 0;
	whole(&a, data + HEADER, size - HEADER);
	memcpy(first, said, said_bytes);
	first[said_bytes] = 0;
	said[said_bytes = 0] = 0;
	cut(&b, data + HEADER, size - HEADER, cuts);
	said[said_bytes] = 0;
	if (strcmp(first, said)) {
		fprintf(stderr, "whole: %s\ncut:   %s\n", first, said);
		abort();
	}
	return 0;
}
