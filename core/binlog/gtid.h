/* SPDX-License-Identifier: Apache-2.0
 *
 * Global transaction ids and exact sets of them, MySQL's and MariaDB's.
 *
 * MySQL:   uuid[:tag]:number       set: for each uuid and tag, intervals of numbers
 * MariaDB: domain-server-sequence  "set": the last one of each domain, in commit order
 *
 * A set belongs to one owner and one thread. Sets are exact: gaps are never closed.
 */
#ifndef FL_GTID_H
#define FL_GTID_H

#include <fastlane/change.h>

enum fl_gtid_kind { FL_GTID_NONE, FL_GTID_MYSQL, FL_GTID_MARIADB };

struct fl_gtid {
	enum fl_gtid_kind kind;
	uint8_t uuid[16]; /* MySQL */
	char tag[33];	  /* MySQL 8.3+: lower case, "" if there is none */
	uint32_t domain;  /* MariaDB */
	uint32_t server;  /* MariaDB */
	uint64_t number;
};

enum { FL_GTID_TEXT_SIZE = 96 };
/* Whether it is a tag as servers store it: 1 to 32 of a-z, 0-9 and _, no digit first. */
bool fl_gtid_tag_is_valid(struct fl_bytes tag);

/* The GTID as servers write it, with a NUL behind; returns its length. */
size_t fl_gtid_format(const struct fl_gtid *gtid, char text[FL_GTID_TEXT_SIZE]);

struct fl_gtid_set;

/* An empty set; its kind is settled by the first GTID. NULL when memory runs out. */
struct fl_gtid_set *fl_gtid_set_create(void);
void fl_gtid_set_destroy(struct fl_gtid_set *set);
struct fl_gtid_set *fl_gtid_set_copy(const struct fl_gtid_set *set);

bool fl_gtid_set_is_empty(const struct fl_gtid_set *set);
enum fl_gtid_kind fl_gtid_set_kind(const struct fl_gtid_set *set);

/* 0, FL_ENOMEM, or FL_EINVAL for a GTID of the other kind. Constant time for the next number of the
 * uuid last added. MariaDB: replaces the domain's last one. */
int fl_gtid_set_add(struct fl_gtid_set *set, const struct fl_gtid *gtid);
/* MySQL: adds the numbers first ... last (inclusive). */
int fl_gtid_set_add_interval(struct fl_gtid_set *set, const struct fl_gtid *first, uint64_t last);
/* MariaDB: whether the domain has come at least as far as this sequence number. */
bool fl_gtid_set_contains(const struct fl_gtid_set *set, const struct fl_gtid *gtid);
/* Whether every GTID of `part` is in `set`. */
bool fl_gtid_set_covers(const struct fl_gtid_set *set, const struct fl_gtid_set *part);

/* Text as servers write and take it, "uuid:1-5:7,uuid:tag:1" or "0-1-5,1-1-9"; blanks and line
 * breaks between the parts are allowed, repeated uuids are merged. FL_EINVAL with a reason. `ret`
 * is made by it. */
int fl_gtid_set_parse(struct fl_bytes text, struct fl_gtid_set **ret, struct fl_err *err);
void fl_gtid_set_format(const struct fl_gtid_set *set, struct fl_buf *out);

/* MySQL: the set as COM_BINLOG_DUMP_GTID takes it: u64 count of uuids, each with 16 bytes, u64
 * count of intervals, each with u64 start and u64 end, the end exclusive; where there are tags,
 * MySQL 8.3's layout. */
void fl_gtid_set_encode(const struct fl_gtid_set *set, struct fl_buf *out);
/* The same layouts, as a PREVIOUS_GTIDS event has them: adds all to `set`, which holds a part of
 * them on failure. 0, FL_ENOMEM, FL_ECORRUPT or FL_EUNSUPPORTED. */
int fl_gtid_set_decode(struct fl_gtid_set *set, struct fl_bytes data, struct fl_err *err);

#endif
