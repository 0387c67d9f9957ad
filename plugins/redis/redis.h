/* SPDX-License-Identifier: Apache-2.0
 *
 * The redis sink, private: one instance is one connection. redis.c is the sink itself, connection.c
 * makes the connection and judges errors, tls.c encrypts it, wire.c sends, reply.c makes the
 * objects that replies are read into, claim.c keeps the position key, batch.c writes batches and
 * reads their replies, clear.c forgets keys by pattern. All on the sink's thread, but for
 * interrupt().
 */
#ifndef FL_REDIS_H
#define FL_REDIS_H

#include <fastlane/sink.h>

#include <hiredis/hiredis.h>
#include <stdatomic.h>

enum {
	PIPELINE_MAX = 64,
	/* Bytes of one answer, and of a line in it: far more than any that is asked for. */
	REPLY_MAX = 64 * 1024 * 1024,
	REPLY_LINE_MAX = 64 * 1024,
};

/* A batch that was sent and whose replies have not been read. */
struct sent {
	uint64_t id;
	bool moves;	     /* its last operation moves the position: not so for a batch's parts */
	bool guarded;	     /* it has a guard in front of it */
	bool watches;	     /* it has a watch behind it */
	struct fl_buf kinds; /* a letter a command: see batch.c */
	struct fl_buf mark;  /* what the position key holds behind it */
};

struct redis_sink {
	const struct fl_host *host;
	const struct fl_settings *settings;
	redisContext *link;
	redisReplyObjectFunctions reply_defaults, reply_functions; /* reply.c */
	size_t reply_room;   /* bytes that the answer being read may still take */
	bool reply_is_large; /* it would have taken more */
	bool tls;	     /* the connection is encrypted: hiredis alone can write to it */
	atomic_bool interrupted;
	int news;	      /* the host's, or -1 */
	int timeout_ms;	      /* for each answer ... */
	int64_t answer_limit; /* ... and when the next one has to be there, in ms */
	void *ssl;	      /* of the connection, which owns it: tls.c's */
	const char *address;
	char *position_key;
	bool can_unlink, warned_of_key, warned_of_size;

	uint64_t owner; /* of the position key, as position() has claimed it */
	/* What the position key holds, "owner=NUMBER/BATCH POSITION": behind all that is settled,
	 * and once everything sent is settled. */
	struct fl_buf settled_mark, sent_mark;
	bool watched; /* it held sent_mark since it is watched, and nothing is under way */

	struct fl_buf out; /* commands on their way to the connection */
	unsigned pipeline, first, pending;
	struct sent sent[PIPELINE_MAX]; /* a ring */
};

/* connection.c */
bool redis_check_address(const char *value, struct fl_err *err);
/* Connects and logs in. Sets self->link even on failure, for close. */
enum fl_outcome redis_connect(struct redis_sink *self, struct fl_err *err);
/* The next reply that is due. NULL when the connection failed, with
 * `err` set: that is RETRY. */
redisReply *redis_reply(struct redis_sink *self, struct fl_err *err);
/* One is due now, and none was before, or the last one has just come: timeout_ms begins. */
void redis_expect_answer(struct redis_sink *self);
/* Waits for it: DONE once it begins to come; PENDING if `news` (-1: nothing) can be read before;
 * RETRY once it is too late. */
enum fl_outcome redis_await(struct redis_sink *self, int news, struct fl_err *err);
/* RETRY or FAILED for an error that the server answered with, and what to do about it. */
enum fl_outcome redis_refused(struct redis_sink *self, const char *answer, struct fl_err *err);
/* RETRY for a connection that failed: errno and what it means. */
enum fl_outcome redis_lost(
	struct redis_sink *self, int cause, const char *meaning, struct fl_err *err);
/* RETRY for an answer that is none to what was asked. */
enum fl_outcome redis_confused(struct redis_sink *self, const char *asked, struct fl_err *err);
enum fl_outcome redis_no_memory(struct fl_err *err);

/* tls.c, or tls_none.c where hiredis has none */
/* What the options tls, and tls_ca and tls_cert, may be. */
bool redis_check_tls(const char *value, struct fl_err *err);
bool redis_check_pem(const char *path, struct fl_err *err);
/* Encrypts the connection, or ends it: nothing has been sent before. DONE once it is known that the
 * other side is `host`. */
enum fl_outcome redis_start_tls(struct redis_sink *self, const char *host, struct fl_err *err);

/* Whether it has read something that nobody has asked for yet. */
bool redis_tls_has_some(const struct redis_sink *self);

/* wire.c */
/* One command as the protocol has it: the number of its words, then the words. */
void resp_command(struct fl_buf *out, size_t words);
void resp_word(struct fl_buf *out, const char *data, size_t size);
/* Sends what is in self->out, and empties it; the second one, if that is worth while. */
enum fl_outcome redis_flush(struct redis_sink *self, struct fl_err *err);
enum fl_outcome redis_flush_full(struct redis_sink *self, struct fl_err *err);

/* reply.c */
/* For a new connection, before it is used. */
void redis_share_replies(struct redis_sink *self);
/* Of any reply, or NULL. */
void redis_free(redisReply *reply);

/* claim.c */
/* Makes this sink the position key's owner and appends the position in it to `ret`; FAILED if a
 * newer one has it. */
enum fl_outcome redis_claim(struct redis_sink *self, struct fl_buf *ret, struct fl_err *err);
/* What the position key holds behind that batch. */
void redis_mark(const struct redis_sink *self, uint64_t batch, struct fl_bytes position,
	struct fl_buf *out);
/* To be sent in front of MULTI: with it EXEC does nothing unless the position key holds `mark`. */
void redis_guard(const struct redis_sink *self, struct fl_bytes mark, struct fl_buf *out);
/* What the guard answers: OK to WATCH, and whether the position key is as it should be. It can't be
 * told here why it is not: EXEC says that it did nothing, by a nil, which is redis_overtaken(). */
enum fl_outcome redis_expect_guard(struct redis_sink *self, struct fl_err *err);
enum fl_outcome redis_overtaken(struct redis_sink *self, struct fl_err *err);
/* To be sent behind EXEC, if it may be the last one for a while: what comes next then needs no
 * guard if self->watched is set. */
void redis_watch(const struct redis_sink *self, struct fl_buf *out);
/* What that answers, to be read once the batch in front of it is settled. */
enum fl_outcome redis_expect_watch(struct redis_sink *self, struct fl_err *err);
/* Either is answered by so many replies. */
enum { GUARD_REPLIES = 2 };

/* batch.c */
/* Sends operations as one transaction; with `moves` it ends by moving the position. Those of
 * `forget` are sent as deletes. DONE once it is on its way. */
enum fl_outcome redis_send(struct redis_sink *self, const struct fl_batch *batch, size_t begin,
	size_t end, uint32_t forget, bool moves, struct fl_err *err);
/* Reads and checks the replies to the oldest batch under way; PENDING if `news` (-1: nothing) can
 * be read before they come. */
enum fl_outcome redis_settle_one(struct redis_sink *self, int news, struct fl_err *err);
/* Those to all of them. */
enum fl_outcome redis_settle_all(struct redis_sink *self, struct fl_err *err);

/* clear.c */
/* Deletes every key that fits the pattern, except the position. Nothing may be pending. */
enum fl_outcome redis_clear(struct redis_sink *self, struct fl_bytes pattern, struct fl_err *err);

#endif
