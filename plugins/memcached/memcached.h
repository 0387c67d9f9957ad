/* SPDX-License-Identifier: Apache-2.0
 *
 * The memcached sink, private. All on the sink's thread, but for interrupt().
 *
 *   memcached.c  the sink itself: options, batches, which way an operation goes
 *   key.c        how keys are written
 *   pool.c       the list of servers, and which of them a key belongs to (libmemcached's ketama)
 *   auth.c       user and password
 *   greet.c      makes a connection, and learns what is to be known of a server
 *   canary.c     a key of the sink's own on each server: tells when one was restarted or emptied
 *   wire.c       bytes: our own sockets, written and read at once without blocking
 *   meta.c       commands of the meta protocol, and which answer belongs to which
 *   sync.c       servers without it: libmemcached, one operation after the other
 */
#ifndef FL_MEMCACHED_H
#define FL_MEMCACHED_H

#include <fastlane/sink.h>

#include "../address.h"

#include <libmemcached/memcached.h>
#include <poll.h>
#include <stdatomic.h>

/* As memcached has it. */
enum { KEY_MAX = 250 };

enum {
	SERVERS_MAX = 256,
	NAME_MAX_SIZE = 280, /* HOST:PORT */
	CANARY_MAX = 160,
	AUTH_MAX = 100, /* bytes of a user's name, and of a password */
};

struct pool {
	size_t count;
	struct address servers[SERVERS_MAX];
	memcached_st *connections; /* to all of them, spread by ketama */
	uint32_t connect_timeout_ms, timeout_ms;
	const char *user, *password; /* NULL: none */
	bool has_sasl;
};

/* Operations, one after the other, that are not answered unless they fail. */
struct quiet {
	uint16_t sets, replaces, deletes; /* `sets` has the replacements in it */
	uint32_t bytes; /* of the sets' keys, each behind a byte that has its size */
};

/* A connection of our own to one server. */
struct link {
	char name[NAME_MAX_SIZE];
	int fd;

	struct fl_buf out; /* commands; those before `sent` are with the kernel */
	size_t sent;
	size_t in_start, in_end;
	char in[16 * 1024]; /* what has come and is not read yet */

	/* What was asked and is not answered, oldest first, from `log_start` on, and the keys of
	 * all sets in it: see meta.c. */
	struct fl_buf log, keys;
	size_t log_start, keys_start;
	struct quiet quiet;	    /* behind all that is in the log */
	unsigned refused;	    /* of the quiet ones that are asked about first */
	unsigned not_stored;	    /* replacements among them, of keys that were not there */
	unsigned missed;	    /* deletes among them, of keys that were not there */
	unsigned repairs;	    /* keys that are to be deleted since their value was refused */
	unsigned careful;	    /* so many more operations are to be answered one by one */
	uint64_t first_transaction; /* of what is not answered */
	bool is_touched;	    /* since its last barrier */

	/* Batches: the last whose barrier was sent, and was passed; and the last up to which
	 * nothing is left to be done here, neither operations nor repairs. */
	uint64_t asked, passed, safe;

	/* When it is lost, in ms: nothing more is taken, or no answer has come. 0: not expected. */
	int64_t write_limit, answer_limit;
	size_t written;	     /* since write_limit was set */
	int64_t greet_limit; /* for all that wire_ask() asks */

	size_t item_max; /* the server's own */
	char canary[CANARY_MAX];
	bool canary_is_due; /* it is being written */
};

struct memcached_sink {
	const struct fl_host *host;
	atomic_bool interrupted;
	bool may_flush, is_strict, is_broken;
	size_t item_max;
	uint64_t too_large; /* values that did not fit, so far */
	struct pool pool;

	struct link *links; /* one a server; NULL: they don't have the meta protocol */
	struct pollfd *polls;
	int wake; /* an eventfd that interrupt() writes to */
	int news; /* the host's, while drain() is called; else -1 */
	bool has_news;
	uint64_t opaque, transaction;
	uint64_t submitted, settled; /* batches */

	char canary_key[KEY_MAX + 1];
	int64_t last_contact; /* of an earlier instance, in ms; 0: there was none */
	int64_t contact;      /* of this one */
	uint64_t losses;      /* servers found restarted or emptied, so far */
};

/* memcached.c */

/* Takes note of a value that a server has no room for and whose key is deleted. */
void sink_note_too_large(struct memcached_sink *self, struct fl_bytes key, size_t size);
/* RETRY. */
enum fl_outcome sink_no_memory(struct fl_err *err);
enum fl_outcome sink_interrupted(struct fl_err *err);
/* What memcached is to be told of a time to live. */
time_t sink_expiration(uint32_t ttl);

/* key.c */

/* A key the way memcached can take it, at most KEY_MAX bytes: the key itself, or made in `room`. */
struct fl_bytes key_encode(struct fl_bytes raw, char room[KEY_MAX]);

/* pool.c */

bool pool_check_servers(const char *value, struct fl_err *err);
/* Reads the list of servers. Nothing is connected yet. */
int pool_parse(const char *list, struct pool *pool, struct fl_err *err);
enum fl_outcome pool_open(struct pool *pool, struct fl_err *err);
void pool_close(struct pool *pool);
/* The server that a key belongs to. */
size_t pool_spread(const struct pool *pool, struct fl_bytes key);
static inline size_t pool_pick(const struct pool *pool, struct fl_bytes key)
{
	return pool->count == 1 ? 0 : pool_spread(pool, key);
}
/* The library's connections to one server alone; NULL when memory runs out. */
memcached_st *pool_one(const struct pool *pool, size_t server);
/* RETRY, naming the server; FAILED if it refuses user and password. */
enum fl_outcome pool_failed(const struct pool *pool, size_t server, const char *doing,
	const memcached_st *connections, memcached_return_t cause, struct fl_err *err);
/* HOST:PORT, or a path. */
void pool_name(const struct address *server, char ret[NAME_MAX_SIZE]);

/* auth.c */

bool auth_check_user(const char *value, struct fl_err *err);
bool auth_check_password(const char *value, struct fl_err *err);
/* Takes user, password and whether it is for SASL from the options: DONE or FAILED. */
enum fl_outcome auth_set_up(
	struct pool *pool, const struct fl_settings *settings, struct fl_err *err);
/* FAILED: there are user and password, but a server without the meta protocol. */
enum fl_outcome auth_no_classic(struct fl_err *err);
/* Whether this is what a server answers to any command before it knows who asks. */
bool auth_is_asked_for(struct fl_bytes answer);
enum fl_outcome auth_log_in(struct memcached_sink *self, struct link *link, struct fl_err *err);

/* canary.c */

/* What a server says of itself. */
struct identity {
	uint64_t pid, uptime, time; /* seconds */
};

/* Reads one statistic if it is one of those. */
void canary_identify(const char *name, const char *value, struct identity *identity);
void canary_make(const struct identity *identity, const char *connection, char ret[CANARY_MAX]);
/* Compares what was found under the key, NULL for nothing, with what the server says, and warns if
 * it has lost what it held. */
void canary_judge(struct memcached_sink *self, const char *server, const char *found,
	const struct identity *identity);
/* The connection that has written a canary. */
const char *canary_connection(const char *canary);
/* Warns that a server has lost what it held. */
void canary_lost(struct memcached_sink *self, const char *server, const char *how);

/* greet.c */

/* Connects to all servers by the meta protocol. `ret_classic`: one does not have it, nothing is
 * connected. DONE, RETRY or FAILED. */
enum fl_outcome greet_all(struct memcached_sink *self, bool *ret_classic, struct fl_err *err);
/* Whether this server's flush_all would be exact: DONE or FAILED. */
enum fl_outcome greet_check_flush(
	const struct memcached_sink *self, const char *server, bool has_cas, struct fl_err *err);

/* wire.c */

enum fl_outcome wire_connect(struct memcached_sink *self, size_t server, struct fl_err *err);
void wire_close(struct link *link);
/* Writes and reads on all connections until `enough` says so; asked once at least, after all has
 * been done that can be done without waiting. DONE, or RETRY with `err` set. */
enum fl_outcome wire_pump(struct memcached_sink *self,
	bool (*enough)(const struct memcached_sink *self), struct fl_err *err);
/* Sends what can be sent now, and looks for no answers. */
enum fl_outcome wire_send(struct memcached_sink *self, struct fl_err *err);
/* Nothing is left to be written or to be answered. */
bool wire_is_idle(const struct memcached_sink *self);
/* Sends what is in `out` and waits for a line, or for this many bytes and a line's end. The text is
 * valid until the next call. For greet.c. */
enum fl_outcome wire_ask(struct memcached_sink *self, struct link *link, size_t size,
	struct fl_bytes *ret, struct fl_err *err);
/* From now on wire_ask() has a few times timeout_ms for all that it asks. */
void wire_expect_greeting(const struct memcached_sink *self, struct link *link);
static inline size_t wire_unsent(const struct link *link)
{
	return link->out.size - link->sent;
}
/* RETRY: an answer that is none to what was asked. */
enum fl_outcome wire_confused(const struct link *link, struct fl_bytes answer, struct fl_err *err);

/* meta.c */

enum fl_outcome meta_apply(struct memcached_sink *self, struct link *link,
	const struct fl_operation *operation, struct fl_bytes key, struct fl_err *err);
/* Asks for an answer that shows that everything before it has been done, and to which batch that
 * belongs. */
void meta_barrier(struct memcached_sink *self, struct link *link, uint64_t batch);
void meta_flush(struct link *link);
void meta_write_canary(struct memcached_sink *self, struct link *link);
/* Takes one line of answers. */
enum fl_outcome meta_answer(
	struct memcached_sink *self, struct link *link, struct fl_bytes line, struct fl_err *err);
static inline bool meta_is_due(const struct link *link)
{
	return link->log.size > link->log_start || link->quiet.sets > 0 || link->quiet.deletes > 0;
}
/* Bytes that are kept until the answers come. */
static inline size_t meta_kept(const struct link *link)
{
	return link->log.size - link->log_start + link->keys.size - link->keys_start;
}

/* sync.c */

/* Whether a server answers, whether its flush_all is exact, and whether it was emptied. */
enum fl_outcome sync_check(struct memcached_sink *self, size_t server, struct fl_err *err);
enum fl_outcome sync_apply(struct memcached_sink *self, const struct fl_operation *operation,
	struct fl_bytes key, struct fl_err *err);
/* Makes all servers forget everything. */
enum fl_outcome sync_flush(struct memcached_sink *self, struct fl_err *err);

#endif
