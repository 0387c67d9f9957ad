/* SPDX-License-Identifier: Apache-2.0
 *
 * Nothing is lost, and nothing stale is left, wherever connections are cut. A proxy stands before
 * each server and cuts each connection at a random byte, of what goes up or comes down, be it of
 * the first words. The test is the core: what is not settled is sent again to a new instance. In
 * the end each key has exactly the value that the batches say, on its own server alone.
 * FL_CUTS: so many cuts a test; FL_SEED.
 */
#include "memcached.h"

#include <arpa/inet.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_SERVERS = 3, KEYS = 2000, MOST_OPERATIONS = 400, LARGE = 40000, FIRST_WORDS = 250 };

static unsigned seed;

/* xorshift64*: the same on each machine. */
static uint64_t draw(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(2685821657736338717);
}

static unsigned below(uint64_t *state, unsigned limit)
{
	return (unsigned)((draw(state) >> 33) % limit);
}

/* ---- proxies ---- */

static struct proxy {
	struct server server;
	int listener;
	unsigned port;
	uint64_t chance;
	pthread_t thread;
	unsigned cuts_up, cuts_down;
} proxies[MOST_SERVERS];
static size_t proxy_count;
static atomic_bool may_cut, is_over;
static atomic_uint cuts;

static int connect_to(unsigned port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void reset(int fd)
{
	struct linger const at_once = { .l_onoff = 1 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(fd);
}

/* As a network does, and not a proxy: what was under way is executed or lost before anything else
 * comes. */
static void wait_until_gone(const struct proxy *proxy, const char *name)
{
	char text[16384];
	int const fd = connect_to(proxy->server.port);
	for (bool is_there = true; is_there;) {
		size_t size = 0;
		ssize_t more = write(fd, "stats conns\r\n", 13);
		do {
			size += (size_t)more * (size > 0 || more != 13);
			more = read(fd, text + size, sizeof(text) - 1 - size);
			if (more <= 0)
				break;
			text[size + (size_t)more] = '\0';
		} while (strstr(text, "END\r\n") == NULL);
		is_there = more > 0 && strstr(text, name) != NULL;
	}
	close(fd);
}

/* After how many bytes of which way a connection ends: often in what is said first. */
static size_t draw_cut(struct proxy *proxy, bool *ret_up)
{
	bool const up = below(&proxy->chance, 10) < 6;
	size_t const first = up ? FIRST_WORDS : FIRST_WORDS * 20;
	*ret_up = up;
	if (below(&proxy->chance, 8) == 0)
		return below(&proxy->chance, (unsigned)first);
	double const most = up ? 300000 : 2000;
	return first + (size_t)exp(log(most) * below(&proxy->chance, 10000) / 10000);
}

/* Passes on what has come, up to the cut: false at a cut, or at either side's end. */
static bool pass_on(struct proxy *proxy, const int ends[2], bool up, bool is_cut_here, size_t *left)
{
	static _Thread_local char data[65536];
	size_t size = sizeof(data);
	if (is_cut_here && *left < size)
		size = *left > 0 ? *left : 1;
	ssize_t const come = recv(ends[!up], data, size, 0);
	if (come <= 0)
		return false;
	if (is_cut_here && *left > 0)
		*left -= (size_t)come;
	else if (is_cut_here)
		return proxy->cuts_up += up, proxy->cuts_down += !up, atomic_fetch_add(&cuts, 1),
		       false;
	return send(ends[up], data, (size_t)come, MSG_NOSIGNAL) == come;
}

static void serve(struct proxy *proxy, int client)
{
	struct sockaddr_in at;
	socklen_t size = sizeof(at);
	char name[64];
	bool is_up, is_open = true;
	int const ends[2] = { client, connect_to(proxy->server.port) };
	size_t left = draw_cut(proxy, &is_up);
	getsockname(ends[1], (struct sockaddr *)&at, &size);
	snprintf(name, sizeof(name), "tcp:127.0.0.1:%u\r", ntohs(at.sin_port));
	while (is_open && !atomic_load(&is_over)) {
		struct pollfd of[2] = { { client, POLLIN, 0 }, { ends[1], POLLIN, 0 } };
		poll(of, 2, 100);
		for (int down = 0; down < 2 && is_open; down++)
			if (of[down].revents != 0)
				is_open = pass_on(proxy, ends, !down,
					atomic_load(&may_cut) && is_up == !down, &left);
	}
	reset(ends[1]);
	reset(client);
	wait_until_gone(proxy, name);
}

static void *run(void *ctx)
{
	struct proxy *proxy = ctx;
	int client;
	while ((client = accept(proxy->listener, NULL, NULL)) >= 0)
		serve(proxy, client);
	return NULL;
}

static void start(size_t count)
{
	const char *given = getenv("FL_SEED");
	signal(SIGPIPE, SIG_IGN);
	seed = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 1;
	proxy_count = count;
	atomic_store(&may_cut, true);
	for (size_t i = 0; i < count; i++) {
		struct proxy *proxy = &proxies[i];
		struct sockaddr_in at = { .sin_family = AF_INET,
			.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		socklen_t size = sizeof(at);
		server_start(&proxy->server, "memcached.sh", "");
		proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		cr_assert(bind(proxy->listener, (struct sockaddr *)&at, size) == 0);
		cr_assert(listen(proxy->listener, 8) == 0);
		cr_assert(getsockname(proxy->listener, (struct sockaddr *)&at, &size) == 0);
		proxy->port = ntohs(at.sin_port);
		proxy->chance = (UINT64_C(1) << 40) * (i + 1) + seed;
		cr_assert(pthread_create(&proxy->thread, NULL, run, proxy) == 0);
	}
}

static void stop(void)
{
	atomic_store(&is_over, true);
	for (size_t i = 0; i < proxy_count; i++) {
		shutdown(proxies[i].listener, SHUT_RDWR);
		pthread_join(proxies[i].thread, NULL);
		close(proxies[i].listener);
		server_end(&proxies[i].server);
	}
}

TestSuite(memcached_cuts, .timeout = 3600);

/* ---- what is written ---- */

static char keys[KEYS][40], *model[KEYS]; /* NULL: absent */
static uint64_t modelled;		  /* the last batch that is in the model */

static struct made {
	struct fl_batch batch;
	struct fl_operation operations[MOST_OPERATIONS];
	unsigned key[MOST_OPERATIONS];
	char *values;
} made;

static void model_operation(const struct fl_operation *operation, unsigned key)
{
	if (operation->kind == FL_KEY_SET && (operation->flags & FL_IF_EXISTS) != 0 &&
		model[key] == NULL)
		return;
	free(model[key]);
	model[key] = operation->kind == FL_KEY_SET
			     ? strndup(operation->value.data, operation->value.size)
			     : NULL;
}

/* The batch of this number is the same each time. One in a hundred forgets all keys. */
static struct fl_batch *make(uint64_t number)
{
	uint64_t chance = number * UINT64_C(0x9e3779b97f4a7c15) + seed;
	size_t const count = 1 + below(&chance, below(&chance, 5) == 0 ? MOST_OPERATIONS : 20);
	bool const clears = below(&chance, 100) == 0;
	char *value = made.values;
	uint32_t transaction = 0;
	for (size_t i = 0; i < count; i++) {
		unsigned const kind = below(&chance, 10);
		unsigned const key = made.key[i] = below(&chance, KEYS);
		struct fl_operation *to = &made.operations[i];
		*to = (struct fl_operation){ .kind = kind < 2 ? FL_KEY_DELETE : FL_KEY_SET,
			.key = text_bytes(keys[key]),
			.flags = kind == 9 ? FL_IF_EXISTS : 0,
			.transaction = transaction += below(&chance, 3) == 0 };
		if (kind >= 2) {
			size_t const padding =
				below(&chance, 50) == 0 ? LARGE : below(&chance, 400);
			int const head = sprintf(value, "%llu %zu ", (unsigned long long)number, i);
			memset(value + head, 'x', padding);
			to->value = (struct fl_bytes){ value, (size_t)head + padding };
			value += to->value.size;
		}
	}
	if (clears)
		made.operations[0] =
			(struct fl_operation){ .kind = FL_KEY_CLEAR, .key = text_bytes("*") };
	made.batch = operations_batch(made.operations, clears ? 1 : count, "p");
	if (number <= modelled)
		return &made.batch;
	modelled = number;
	for (size_t i = 0; i < count && !clears; i++)
		model_operation(&made.operations[i], made.key[i]);
	for (size_t i = 0; i < KEYS && clears; i++) {
		free(model[i]);
		model[i] = NULL;
	}
	return &made.batch;
}

/* Submits from behind `settled` on until a connection is lost, or there have been cuts enough and
 * all is settled, as far as to `last`: true. */
static bool write_on(struct sink *sink, uint64_t *settled, unsigned enough)
{
	uint64_t const first = *settled;
	uint64_t number = first;
	enum fl_outcome outcome = FL_DONE;
	while (outcome <= FL_PENDING && atomic_load(&cuts) < enough) {
		outcome = sink_submit(sink, make(++number));
		if (outcome == FL_PENDING && number % 16 == 0)
			outcome = sink_drain(sink);
	}
	if (outcome <= FL_PENDING) {
		atomic_store(&may_cut, false);
		while (outcome <= FL_PENDING && number < modelled)
			outcome = sink_submit(sink, make(++number));
		outcome = outcome == FL_PENDING ? sink_drain(sink) : outcome;
	}
	cr_assert_neq(outcome, FL_FAILED, "%s", sink->err.text);
	*settled = outcome == FL_DONE ? number : first + host_state.settled;
	return outcome == FL_DONE;
}

/* ---- what is there ---- */

static memcached_st *client_of(unsigned port)
{
	memcached_st *client = memcached_create(NULL);
	memcached_behavior_set(client, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, 1);
	if (port > 0)
		memcached_server_add(client, "127.0.0.1", (in_port_t)port);
	for (size_t i = 0; port == 0 && i < proxy_count; i++)
		memcached_server_add_with_weight(
			client, "127.0.0.1", (in_port_t)proxies[i].port, (uint32_t)i + 1);
	return client;
}

static unsigned compare(void)
{
	memcached_st *spread = client_of(0);
	unsigned there = 0;
	for (size_t s = 0; s < proxy_count; s++) {
		memcached_st *look = client_of(proxies[s].server.port);
		for (size_t i = 0; i < KEYS; i++) {
			memcached_return_t r;
			uint32_t flags;
			size_t size = strlen(keys[i]);
			bool const here = memcached_generate_hash(spread, keys[i], size) == s;
			const char *expected = here ? model[i] : NULL;
			char *found = memcached_get(look, keys[i], size, &size, &flags, &r);
			cr_assert(r == MEMCACHED_SUCCESS || r == MEMCACHED_NOTFOUND);
			cr_assert((found == NULL) == (expected == NULL), "%s: %.40s, not %.40s",
				keys[i], found ? found : "absent", expected ? expected : "absent");
			cr_assert(found == NULL || strcmp(found, expected) == 0,
				"%s: %.40s, not %.40s", keys[i], found, expected);
			there += found != NULL;
			free(found);
		}
		memcached_free(look);
	}
	memcached_free(spread);
	return there;
}

static void cut_and_compare(const char *what, size_t count, const char *order, const char *protocol)
{
	const char *given = getenv("FL_CUTS");
	unsigned const enough = given != NULL ? (unsigned)strtoul(given, NULL, 10) : 100;
	unsigned opened = 0, up = 0, down = 0, refused = 0;
	uint64_t settled = 0;
	char addresses[128] = "";
	const struct setting settings[] = { { "servers", addresses }, { "order", order },
		{ "protocol", protocol }, { NULL, NULL } };
	start(count);
	for (size_t i = 0; i < count; i++)
		snprintf(addresses + strlen(addresses), sizeof(addresses) - strlen(addresses),
			"%s127.0.0.1:%u:%zu", i > 0 ? "," : "", proxies[i].port, i + 1);
	for (size_t i = 0; i < KEYS; i++)
		snprintf(keys[i], sizeof(keys[i]), "%s:%zu%s", i % 2 ? "a" : "key", i,
			i % 7 ? "" : " with blanks");
	made.values = malloc(MOST_OPERATIONS * (LARGE + 64));
	for (bool is_done = false; !is_done;) {
		struct sink sink;
		enum fl_outcome const outcome = sink_open(&sink, settings);
		cr_assert_neq(outcome, FL_FAILED, "%s", sink.err.text);
		if (outcome != FL_DONE && ++refused > 0)
			continue;
		opened++;
		is_done = write_on(&sink, &settled, enough);
		sink_close(&sink);
	}
	for (size_t i = 0; i < count; i++) {
		up += proxies[i].cuts_up;
		down += proxies[i].cuts_down;
	}
	for (size_t i = 0; i < KEYS; i += 7)
		snprintf(keys[i], sizeof(keys[i]), "%s:%zu%%20with%%20blanks", i % 2 ? "a" : "key",
			i);
	unsigned const there = compare();
	stop();
	fprintf(stderr,
		"%s, seed %u: %u connections cut (%u up, %u down), %u of them in the first words; "
		"%llu batches, %u instances: %d keys as they should be, %u of them there\n",
		what, seed, up + down, up, down, refused, (unsigned long long)modelled, opened,
		KEYS, there);
	for (size_t i = 0; i < KEYS; i++)
		free(model[i]);
	free(made.values);
}

Test(memcached_cuts, one_server)
{
	cut_and_compare("one server", 1, "batch", "auto");
}

Test(memcached_cuts, a_pool_in_the_order_of_batches)
{
	cut_and_compare("a pool, order = batch", 3, "batch", "auto");
}

Test(memcached_cuts, a_pool_in_strict_order)
{
	cut_and_compare("a pool, order = strict", 3, "strict", "auto");
}

Test(memcached_cuts, a_pool_without_the_meta_protocol)
{
	cut_and_compare("a pool, protocol = classic", 3, "batch", "classic");
}
