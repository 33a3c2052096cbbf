// SPDX-License-Identifier: Apache-2.0
/*
 * An open-loop load: request i is due at start + i / rate, whatever became of
 * the requests before it, and its latency counts from then on. wrk can't: it
 * sends when the last answer came, so that a stall hides the requests that a
 * user would have sent meanwhile (coordinated omission).
 *
 *     paced ADDRESS PORT HEADS CONNECTIONS STATUS BODY_BYTES RATE MILLISECONDS
 *
 * HEADS: file of request heads, HEAD_BYTES each. RATE 0: as fast as answers
 * come, to see what this program itself can do. One request at a time on each
 * connection, connections taken in turn. Prints one line of JSON. Anything but
 * STATUS with a Content-Length of BODY_BYTES ends it with an error.
 *
 * It can't be as light as wrk: while the next request is near it looks at the
 * clock and yields to whoever else wants the CPU, so that this CPU is always
 * busy, and a proxy that shares it may be late more often than behind wrk.
 * `late` says how much of the latency was its own delay, or the wait for a
 * connection that is free; `since_sent` is the latency without either.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define HEAD_BYTES 600
/* Heads in the file: the generator of the suite makes ten. */
#define MAX_HEADS 64
#define MAX_CONNECTIONS 1024
/* Bytes of a response head; the servers of the suite send some 250. */
#define MAX_RESPONSE_HEAD 4096
#define READ_BYTES 65536
#define EVENTS 256
#define NANOSECONDS 1000000000ull
/* Answers still owed when the time is over are waited for so long, as wrk does: others may have the CPU. */
#define GRACE_NS (5 * NANOSECONDS)
/* What is due sooner is not slept for: to sleep and be woken costs a virtual machine up to as much. */
#define SPIN_NS 50000ull

struct connection {
	int fd;
	/* Bytes of the response head so far; 0 = nothing came yet. */
	uint32_t head;
	/* Bytes of the body still to come, valid once `in_body`. */
	uint64_t body;
	int in_body;
	/* When the request was due, and when it was sent. */
	uint64_t due, sent;
	char bytes[MAX_RESPONSE_HEAD];
};

/* Nanoseconds, one a request; the percentiles are exact. */
struct samples {
	uint32_t *values;
	uint64_t count, room;
};

static struct connection connections[MAX_CONNECTIONS];
/* Ring of connections without a request, the longest idle first. */
static uint32_t idle[MAX_CONNECTIONS];
static uint64_t idle_first, idle_last;
static char heads[MAX_HEADS * HEAD_BYTES];
static uint32_t head_count;
static uint64_t body_bytes, sent, answered;
static char status_line[16];
static struct samples latency, since_sent, late;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NANOSECONDS + now.tv_nsec;
}

static void add_sample(struct samples *samples, uint64_t value)
{
	if (samples->count == samples->room) {
		samples->room = samples->room ? samples->room * 2 : 1 << 16;
		samples->values = realloc(samples->values, samples->room * sizeof(uint32_t));
		if (!samples->values)
			fail("no memory for %llu latencies", (unsigned long long)samples->room);
	}
	samples->values[samples->count++] = value > UINT32_MAX ? UINT32_MAX : value;
}

static int by_value(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return (a > b) - (a < b);
}

/* Nearest rank, in microseconds. Sorts the samples. */
static double percentile(struct samples *samples, unsigned int percent)
{
	uint64_t rank = (samples->count * percent + 99) / 100;

	if (!samples->count)
		return 0;
	qsort(samples->values, samples->count, sizeof(uint32_t), by_value);
	return samples->values[rank ? rank - 1 : 0] / 1000.0;
}

static void read_heads(const char *path)
{
	FILE *file = fopen(path, "re");
	size_t got;

	if (!file)
		fail("%s: %s", path, strerror(errno));
	got = fread(heads, 1, sizeof(heads), file);
	fclose(file);
	head_count = got / HEAD_BYTES;
	if (!head_count || got % HEAD_BYTES)
		fail("%s: %zu bytes are not request heads of %d", path, got, HEAD_BYTES);
}

static void connect_all(int epoll, const struct sockaddr_in *address, uint32_t count)
{
	int on = 1;

	for (uint32_t i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)))
			fail("connection %u: %s", i, strerror(errno));
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
			fail("epoll_ctl: %s", strerror(errno));
		connections[i].fd = fd;
		idle[idle_last++ % MAX_CONNECTIONS] = i;
	}
}

static void send_request(uint64_t due, uint64_t now)
{
	struct connection *connection = &connections[idle[idle_first++ % MAX_CONNECTIONS]];
	const char *head = &heads[(sent++ % head_count) * HEAD_BYTES];
	ssize_t done = send(connection->fd, head, HEAD_BYTES, MSG_NOSIGNAL | MSG_DONTWAIT);

	/* Nothing else is in the socket's buffer: there is room for a head. */
	if (done != HEAD_BYTES)
		fail("a request was not taken: %s", done < 0 ? strerror(errno) : "short write");
	connection->due = due;
	connection->sent = now;
	connection->head = 0;
	connection->in_body = 0;
	add_sample(&late, now - due);
}

/* The end of the head is at `end`; what a server of the suite doesn't send is an error. */
static void read_head(struct connection *connection, char *end)
{
	static const char field[] = "\r\ncontent-length:";
	char *length;

	*end = 0;
	if (strncmp(connection->bytes, status_line, strlen(status_line)))
		fail("answered with %.40s", connection->bytes);
	length = strcasestr(connection->bytes, field);
	if (!length)
		fail("an answer has no Content-Length");
	connection->body = strtoull(length + sizeof(field) - 1, NULL, 10);
	if (connection->body != body_bytes)
		fail("an answer has %llu bytes", (unsigned long long)connection->body);
	connection->in_body = 1;
}

/* True when the response has ended. */
static int take(struct connection *connection, const char *data, size_t size)
{
	if (!connection->in_body) {
		uint32_t room = MAX_RESPONSE_HEAD - 1 - connection->head;
		uint32_t before = connection->head;
		uint32_t copied = size < room ? size : room;
		char *end;

		memcpy(connection->bytes + before, data, copied);
		connection->head += copied;
		connection->bytes[connection->head] = 0;
		end = strstr(connection->bytes, "\r\n\r\n");
		if (!end && copied < size)
			fail("a response head is longer than %d bytes", MAX_RESPONSE_HEAD);
		if (!end)
			return 0;
		size -= end + 4 - connection->bytes - before;
		read_head(connection, end);
	}
	if (size > connection->body)
		fail("an answer has more bytes than it said");
	connection->body -= size;
	return connection->body == 0;
}

static void receive(uint32_t index)
{
	static char data[READ_BYTES];
	struct connection *connection = &connections[index];
	ssize_t got = recv(connection->fd, data, sizeof(data), MSG_DONTWAIT);
	uint64_t now;

	if (got < 0 && errno == EAGAIN)
		return;
	if (got <= 0)
		fail("a connection ended: %s", got ? strerror(errno) : "closed");
	if (!take(connection, data, got))
		return;
	now = now_ns();
	add_sample(&latency, now - connection->due);
	add_sample(&since_sent, now - connection->sent);
	answered++;
	idle[idle_last++ % MAX_CONNECTIONS] = index;
}

/* Until an answer comes or `until`; take what came. */
static void wait_until(int epoll, uint64_t until)
{
	struct epoll_event events[EVENTS];
	uint64_t now = now_ns();
	uint64_t left = until > now + SPIN_NS ? until - now - SPIN_NS : 0;
	struct timespec timeout = { .tv_sec = left / NANOSECONDS, .tv_nsec = left % NANOSECONDS };
	int count = epoll_pwait2(epoll, events, EVENTS, &timeout, NULL);

	if (count < 0 && errno != EINTR)
		fail("epoll_pwait2: %s", strerror(errno));
	for (int i = 0; i < count; i++)
		receive(events[i].data.u32);
	if (!left && !count)
		sched_yield();
}

/* Nanoseconds that it took. */
static uint64_t run(int epoll, uint64_t rate, uint64_t duration)
{
	uint64_t start = now_ns(), end = start + duration, now, took;

	while ((now = now_ns()) < end) {
		uint64_t due = rate ? start + sent * NANOSECONDS / rate : now;

		if (idle_first == idle_last)
			wait_until(epoll, end);
		else if (due <= now)
			send_request(due, now);
		else
			wait_until(epoll, due < end ? due : end);
	}
	took = now - start;
	while (answered < sent && now_ns() < end + GRACE_NS)
		wait_until(epoll, end + GRACE_NS);
	if (answered < sent)
		fail("%llu requests got no answer", (unsigned long long)(sent - answered));
	return took;
}

int main(int count, char **words)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	uint64_t rate, took, connections_wanted;
	double p50, p99;
	int epoll;

	if (count != 9)
		fail("usage: paced ADDRESS PORT HEADS CONNECTIONS STATUS BODY_BYTES RATE MILLISECONDS");
	if (inet_pton(AF_INET, words[1], &address.sin_addr) != 1)
		fail("%s is no IPv4 address", words[1]);
	address.sin_port = htons(strtoul(words[2], NULL, 10));
	read_heads(words[3]);
	connections_wanted = strtoull(words[4], NULL, 10);
	if (!connections_wanted || connections_wanted > MAX_CONNECTIONS)
		fail("1 to %d connections, not %s", MAX_CONNECTIONS, words[4]);
	snprintf(status_line, sizeof(status_line), "HTTP/1.1 %.3s", words[5]);
	body_bytes = strtoull(words[6], NULL, 10);
	rate = strtoull(words[7], NULL, 10);
	/* The default slack of 50 us would be added to every sleep. */
	prctl(PR_SET_TIMERSLACK, 1);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	connect_all(epoll, &address, connections_wanted);
	took = run(epoll, rate, strtoull(words[8], NULL, 10) * 1000000);
	p50 = percentile(&latency, 50);
	p99 = percentile(&latency, 99);
	printf("{\"requests\":%llu,\"duration_us\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
	       "\"since_sent_p99_us\":%.1f,\"late_p99_us\":%.1f}\n",
	       (unsigned long long)answered, took / 1000.0, p50, p99, percentile(&since_sent, 99),
	       percentile(&late, 99));
	return 0;
}
