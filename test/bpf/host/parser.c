// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * parser.c - the kernel's HTTP/1 parsers as a host program. Reads one stream a
 * line, prints one line of events (stream.h) and the phase it ends in:
 *
 *     request HEX CUT,CUT,...        response HEX CUT,CUT,... HEADBITS
 *
 * HEX is the stream ("-" = empty), CUTs are the lengths of its segments, HEADBITS
 * say by '1' which response answers a HEAD. argv[1] is the file with the tables.
 */
#include <stdio.h>

#define SAY(...) printf(__VA_ARGS__)
#include "stream.h"

#define MAX_STREAM (1 << 20)
#define MAX_LINE (4 * MAX_STREAM)

static __u32 from_hex(const char *hex, __u8 *bytes)
{
	__u32 n = 0;
	int used;
	unsigned int b;

	for (; sscanf(hex, "%2x%n", &b, &used) == 1 && used == 2 && n < MAX_STREAM; hex += 2)
		bytes[n++] = b;
	return n;
}

static void run_stream(struct stream *t, const __u8 *bytes, __u32 len, char *cuts)
{
	__u32 at = 0;
	int stop = 0;

	for (char *cut = strtok(cuts, ","); cut && !stop && at < len; cut = strtok(NULL, ",")) {
		struct segment s = { .bytes = bytes + at, .base = at };

		s.len = min_u32(strtoul(cut, NULL, 10), len - at);
		at += s.len;
		stop = stream_segment(&s, t);
	}
	printf("phase:%u\n", t->of_responses ? t->response.phase : t->request.phase);
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
		struct stream t = { .head_bits = head_bits };

		head_bits[0] = 0;
		if (sscanf(line, "%15s %s %s %255s", kind, hex, cuts, head_bits) < 3)
			return 3;
		t.of_responses = !strcmp(kind, "response");
		run_stream(&t, bytes, from_hex(hex, bytes), cuts);
	}
	free(line);
	free(hex);
	free(cuts);
	return 0;
}
