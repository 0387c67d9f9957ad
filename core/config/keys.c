/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of the core's own sections, declared the way plugins declare theirs.
 */
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/trust.h"
#include "config/private.h"

static bool refuse(struct fl_err *err, const char *why)
{
	fl_err_set(err, FL_EINVAL, "%s", why);
	return false;
}

static bool check_directory(const char *path, bool writable, struct fl_err *err)
{
	struct stat status;
	if (stat(path, &status) != 0 || access(path, writable ? W_OK | X_OK : R_OK | X_OK) != 0)
		return refuse(err, strerror(errno));
	return S_ISDIR(status.st_mode) || refuse(err, "is not a directory");
}

/* Who can write there could give sinks other positions, and have them miss changes. */
static bool check_state_dir(const char *path, struct fl_err *err)
{
	struct fl_err why;
	if (fl_trust_is_onlooker() && access(path, W_OK | X_OK) != 0 && errno == EACCES)
		return true; /* as it is to be */
	if (!check_directory(path, true, &why)) {
		fl_err_set(err, FL_EINVAL, "must be a directory that can be written: %s", why.text);
		return false;
	}
	if (fl_trust_check(path, FL_TRUST_FOLDER, &why) == 0)
		return true;
	fl_err_set(
		err, FL_EINVAL, "must be a directory that nobody else can write to: %s", why.text);
	return false;
}

static bool check_user(const char *name, struct fl_err *err)
{
	struct fl_account ignored;
	return fl_config_account(name, NULL, &ignored, err);
}

static bool check_group(const char *name, struct fl_err *err)
{
	struct fl_account ignored;
	return fl_config_account(NULL, name, &ignored, err);
}

static bool check_plugin_path(const char *path, struct fl_err *err)
{
	char directory[PATH_MAX];
	for (const char *at = path; *at != '\0'; at += *at == ':') {
		size_t size = strcspn(at, ":");
		struct fl_err why;
		if (size >= sizeof(directory)) {
			fl_err_set(err, FL_EINVAL, "holds a directory's name that is too long");
			return false;
		}
		snprintf(directory, sizeof(directory), "%.*s", (int)size, at);
		if (size > 0 && !check_directory(directory, false, &why)) {
			fl_err_set(err, FL_EINVAL,
				"must be directories, separated by a colon: %s: %s", directory,
				why.text);
			return false;
		}
		at += size;
	}
	return true;
}

bool fl_config_size(const char *text, uint64_t *ret, struct fl_err *err)
{
	enum { DIGITS = 15 }; /* with any unit still far from 64 bits */
	static const char allowed[] = "must be a size of 1M to 1024G, such as 65536K, 64M or 1G";
	uint64_t value = 0;
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > DIGITS)
		return refuse(err, allowed);
	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (uint64_t)(text[i] - '0');
	const char *unit = text + digits;
	unsigned const shift = *unit == 'K' || *unit == 'k'   ? 10
			       : *unit == 'M' || *unit == 'm' ? 20
			       : *unit == 'G' || *unit == 'g' ? 30
							      : 0;
	if (unit[shift > 0] != '\0' || value > (UINT64_C(1) << 40) >> shift ||
		value << shift < UINT64_C(1) << 20)
		return refuse(err, allowed);
	*ret = value << shift;
	return true;
}

static bool check_size(const char *text, struct fl_err *err)
{
	uint64_t size;
	return fl_config_size(text, &size, err);
}

static bool check_start(const char *text, struct fl_err *err)
{
	static const char key[] = "start: "; /* it is said already */
	struct fl_err why;
	if (fl_start_check(text, &why) == 0)
		return true;
	size_t skip = strncmp(why.text, key, sizeof(key) - 1) == 0 ? sizeof(key) - 1 : 0;
	return refuse(err, why.text + skip);
}

static bool check_hosts(const char *text, struct fl_err *err)
{
	return fl_config_hosts_check(text, err);
}

static bool check_certificates(const char *path, struct fl_err *err)
{
	return fl_config_pem_check(path, false, err);
}

static bool check_private_key(const char *path, struct fl_err *err)
{
	return fl_config_pem_check(path, true, err);
}

static bool check_table(const char *text, struct fl_err *err)
{
	return fl_table_pattern_check(text, err) == 0;
}

static bool check_key(const char *text, struct fl_err *err)
{
	return fl_template_check(text, err) == 0;
}

static bool check_also(const char *text, struct fl_err *err)
{
	return fl_template_list_check(text, false, err) == 0;
}

static bool check_invalidate(const char *text, struct fl_err *err)
{
	return fl_template_list_check(text, true, err) == 0;
}

static bool check_value(const char *text, struct fl_err *err)
{
	return fl_map_value_check(text, err) == 0;
}

static bool check_ttl(const char *text, struct fl_err *err)
{
	return fl_map_ttl_check(text, err) == 0;
}

static bool check_condition(const char *text, struct fl_err *err)
{
	return fl_condition_check(text, err) == 0;
}

static const struct fl_option fastlane_keys[] = {
	{ .name = "state_dir",
		.type = FL_OPTION_TEXT,
		.help = "directory for the positions of sinks that do not keep their own",
		.check = check_state_dir },
	{ .name = "plugin_path",
		.type = FL_OPTION_TEXT,
		.help = "directories, separated by colons, to look for plugins in first",
		.check = check_plugin_path },
	{ .name = "queue_bytes",
		.type = FL_OPTION_TEXT,
		.fallback = "4M",
		.help = "what may wait in front of each sink",
		.check = check_size },
	{ .name = "transaction_bytes",
		.type = FL_OPTION_TEXT,
		.fallback = "64M",
		.help = "a transaction beyond it is passed on in parts",
		.check = check_size },
	{ .name = "on_cold",
		.type = FL_OPTION_CHOICE,
		.choices = "resume|earliest|halt",
		.fallback = "resume",
		.help = "when a sink has lost the position that it kept: go on from the last one "
			"known, from the earliest binlog, or halt" },
	{ .name = "user",
		.type = FL_OPTION_TEXT,
		.help = "account to run as, where fastlane is started as root",
		.check = check_user },
	{ .name = "group",
		.type = FL_OPTION_TEXT,
		.help = "its group; default: the account's own",
		.check = check_group },
	{ .name = "core_dumps",
		.type = FL_OPTION_BOOL,
		.fallback = "no",
		.help = "allow core dumps and debuggers, which see the passwords" },
	{ .name = "log_level",
		.type = FL_OPTION_CHOICE,
		.choices = "error|warn|info|debug",
		.fallback = "info",
		.help = "the least important entries to log" },
	{ .name = "log_format",
		.type = FL_OPTION_CHOICE,
		.choices = "auto|text|json|journal",
		.fallback = "auto",
		.help = "how entries are written; auto: as LOG_FORMAT of the environment says, "
			"else as fits standard error" },
	{ .name = NULL },
};

static const struct fl_option source_keys[] = {
	{ .name = "host",
		.type = FL_OPTION_TEXT,
		.fallback = "127.0.0.1",
		.help = "the server's name or address" },
	{ .name = "port",
		.type = FL_OPTION_INT,
		.minimum = 1,
		.maximum = 65535,
		.fallback = "3306",
		.help = "its TCP port" },
	{ .name = "socket",
		.type = FL_OPTION_TEXT,
		.help = "path of its unix socket, in place of host" },
	{ .name = "hosts",
		.type = FL_OPTION_TEXT,
		.help = "several servers, HOST or HOST:PORT, separated by commas: the next one is "
			"used when one fails; in place of host and port",
		.check = check_hosts },
	{ .name = "user",
		.type = FL_OPTION_TEXT,
		.required = true,
		.help = "account with the right to replicate" },
	{ .name = "password", .type = FL_OPTION_SECRET, .help = "the account's password" },
	{ .name = "password_file",
		.type = FL_OPTION_FILE,
		.help = "file that holds the password, in place of password" },
	{ .name = "server_id",
		.type = FL_OPTION_INT,
		.required = true,
		.minimum = 1,
		.maximum = UINT32_MAX,
		.help = "fastlane's own server id, like no other server's and replica's" },
	{ .name = "start",
		.type = FL_OPTION_TEXT,
		.fallback = "current",
		.help = "where a sink without a position begins: current, earliest, FILE:POS or a "
			"GTID set",
		.check = check_start },
	{ .name = "heartbeat",
		.type = FL_OPTION_INT,
		.minimum = 1,
		.maximum = 3600,
		.fallback = "5",
		.help = "seconds between signs of life of an idle source" },
	{ .name = "connect_timeout",
		.type = FL_OPTION_INT,
		.minimum = 1,
		.maximum = 60,
		.fallback = "3",
		.help = "seconds for a connection to be made" },
	{ .name = "catch_up_timeout",
		.type = FL_OPTION_INT,
		.minimum = 0,
		.maximum = 86400,
		.fallback = "60",
		.help = "seconds to wait for a host that lacks what was applied, before it is "
			"final" },
	{ .name = "tls",
		.type = FL_OPTION_BOOL,
		.fallback = "no",
		.help = "encrypt, and verify the server's certificate" },
	{ .name = "tls_ca",
		.type = FL_OPTION_TEXT,
		.help = "PEM file of the authorities to trust, in place of the system's",
		.check = check_certificates },
	{ .name = "tls_cert",
		.type = FL_OPTION_TEXT,
		.help = "PEM file of the certificate that fastlane shows, with tls_key",
		.check = check_certificates },
	{ .name = "tls_key",
		.type = FL_OPTION_TEXT,
		.help = "PEM file of its private key, which nobody else can read",
		.check = check_private_key },
	{ .name = "on_purged",
		.type = FL_OPTION_CHOICE,
		.choices = "halt|current",
		.fallback = "halt",
		.help = "when the source has no longer what is behind a position: halt, or clear "
			"all "
			"mapped keys and go on at the end of its binlog" },
	{ .name = "geometry",
		.type = FL_OPTION_CHOICE,
		.choices = "wkb|geojson",
		.fallback = "wkb",
		.help = "how geometries are shown: their bytes (SRID and WKB) in base64, or "
			"GeoJSON" },
	{ .name = "on_doubt",
		.type = FL_OPTION_CHOICE,
		.choices = "delete|halt",
		.fallback = "delete",
		.help = "a change that can't be applied with certainty: delete its keys, or halt" },
	{ .name = NULL },
};

static bool check_listen(const char *text, struct fl_err *err)
{
	struct fl_listen listen;
	return fl_listen_parse(text, &listen, err) == 0;
}

static const struct fl_option http_keys[] = {
	{ .name = "listen",
		.type = FL_OPTION_TEXT,
		.help = "where HTTP is answered: ADDRESS:PORT, [IPV6]:PORT or unix:PATH; default: "
			"nowhere",
		.check = check_listen },
	{ .name = "allow_remote",
		.type = FL_OPTION_BOOL,
		.fallback = "no",
		.help = "listen may be an address that other machines can reach" },
	{ .name = "max_connections",
		.type = FL_OPTION_INT,
		.minimum = 8,
		.maximum = FL_MOST_CONNECTIONS,
		.fallback = "64",
		.help = "connections at once" },
	{ .name = "timeout",
		.type = FL_OPTION_INT,
		.minimum = 1,
		.maximum = 3600,
		.fallback = "10",
		.help = "seconds for a request to come, and for its answer to be taken" },
	{ .name = "max_lag",
		.type = FL_OPTION_INT,
		.minimum = 1,
		.maximum = 86400,
		.fallback = "10",
		.help = "seconds that a sink may lag and be ready" },
	{ .name = NULL },
};

static const struct fl_option map_keys[] = {
	{ .name = "table",
		.type = FL_OPTION_TEXT,
		.required = true,
		.help = "the tables: db.table, with * and ? as wildcards",
		.check = check_table },
	{ .name = "key",
		.type = FL_OPTION_TEXT,
		.required = true,
		.help = "template of a row's key",
		.check = check_key },
	{ .name = "also",
		.type = FL_OPTION_TEXT,
		.help = "templates of further keys for the same value, separated by blanks",
		.check = check_also },
	{ .name = "invalidate",
		.type = FL_OPTION_TEXT,
		.help = "templates of further keys to delete, separated by blanks; {*} stands for "
			"any text",
		.check = check_invalidate },
	{ .name = "value",
		.type = FL_OPTION_TEXT,
		.fallback = "json",
		.help = "what to keep under the key: json, hash, msgpack, column:NAME, "
			"template:TEXT, or none: only delete",
		.check = check_value },
	{ .name = "columns",
		.type = FL_OPTION_TEXT,
		.help = "the columns of json, hash and msgpack, separated by commas; default: "
			"all" },
	{ .name = "exclude",
		.type = FL_OPTION_TEXT,
		.help = "in place of columns: those to leave out" },
	{ .name = "rename",
		.type = FL_OPTION_TEXT,
		.help = "other names for columns in the value: column:name, other:name" },
	{ .name = "only_when",
		.type = FL_OPTION_TEXT,
		.help = "condition on columns: rows for which it is not true are as if they were "
			"not there",
		.check = check_condition },
	{ .name = "delete_when",
		.type = FL_OPTION_TEXT,
		.help = "condition on columns: rows for which it is true are as if they were "
			"deleted",
		.check = check_condition },
	{ .name = "ttl",
		.type = FL_OPTION_TEXT,
		.fallback = "0",
		.help = "seconds after which the value expires, 0: never; or column:NAME for one "
			"that says when",
		.check = check_ttl },
	{ .name = "ttl_jitter",
		.type = FL_OPTION_TEXT,
		.help = "how much shorter, at random, a value may live: 0% to 90%" },
	{ .name = "mode",
		.type = FL_OPTION_CHOICE,
		.choices = "write|invalidate|update-existing",
		.fallback = "write",
		.help = "write values, only delete keys, or write those that are in the cache "
			"already" },
	{ .name = "sinks",
		.type = FL_OPTION_TEXT,
		.help = "names of sinks, separated by commas; default: all that take operations" },
	{ .name = NULL },
};

/* Of every sink, beside what its plugin declares. */
static const struct fl_option sink_keys[] = {
	{ .name = "match",
		.type = FL_OPTION_CHOICE,
		.choices = "all|first",
		.fallback = "all",
		.help = "which of the maps that match a table are used: all, or the first of the "
			"file" },
	{ .name = "coalesce",
		.type = FL_OPTION_BOOL,
		.fallback = "no",
		.help = "of several writes of a key in a batch send the last alone, also where "
			"readers can see a part of the batch" },
	{ .name = "max_batch_ops",
		.type = FL_OPTION_INT,
		.minimum = 1,
		.maximum = 1000000,
		.fallback = "10000",
		.help = "a batch ends with the transaction that reaches so many operations" },
	{ .name = "max_batch_bytes",
		.type = FL_OPTION_TEXT,
		.fallback = "4M",
		.help = "a batch ends with the transaction that reaches so many bytes of keys and "
			"values",
		.check = check_size },
	{ .name = NULL },
};

const struct fl_option *fl_config_keys(const char *section)
{
	return strcmp(section, "fastlane") == 0 ? fastlane_keys
	       : strcmp(section, "source") == 0 ? source_keys
	       : strcmp(section, "http") == 0	? http_keys
	       : strcmp(section, "map") == 0	? map_keys
	       : strcmp(section, "sink") == 0	? sink_keys
						: NULL;
}
