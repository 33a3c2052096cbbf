// SPDX-License-Identifier: (GPL-2.0-only OR Apache-2.0)
/*
 * breaker.c - the kernel's circuit breaker as a host program, by a clock that is told. A command a line:
 *
 *	rule CONSECUTIVE PERCENT MINIMUM SLICE_MS OPEN_MS PROBES MAX_IN_FLIGHT
 *	new                       another breaker, closed
 *	admit NOW                 answers: ANSWER TICKET, 0 where it is refused
 *	end NOW TICKET STATUS     answers: KIND TRIPS
 */
#include <stdio.h>
#include <string.h>
#include "../../../bpf/lib/breaker.h"

static __u64 clock_ms;

static __u64 breaker_now(void)
{
	return clock_ms;
}

static struct heddle_breaker breaker;
static struct heddle_breaker_rule rule;

static void run(const char *line)
{
	unsigned long long now;
	unsigned int ticket, status;

	if (sscanf(line, "rule %u %u %u %u %u %u %u", &rule.consecutive, &rule.percent,
		   &rule.minimum, &rule.slice_ms, &rule.open_ms, &rule.probes,
		   &rule.max_in_flight) == 7)
		return;
	if (!strncmp(line, "new", 3)) {
		memset(&breaker, 0, sizeof(breaker));
	} else if (sscanf(line, "admit %llu", &now) == 1) {
		__u32 given, bars, answer;

		clock_ms = now;
		bars = breaker_bars(&breaker, &rule);
		answer = breaker_admits(&breaker, &rule, &given);
		/* What is asked before is what is answered then. */
		if (bars != answer)
			answer = 99;
		printf("%u %u\n", answer, answer ? 0 : given);
	} else if (sscanf(line, "end %llu %u %u", &now, &ticket, &status) == 3) {
		clock_ms = now;
		breaker_ends(&breaker, &rule, ticket, status);
		printf("%u %llu\n", breaker_kind(breaker.state),
		       (unsigned long long)breaker.trips);
	}
}

int main(void)
{
	char line[256];

	while (fgets(line, sizeof(line), stdin))
		run(line);
	return 0;
}
