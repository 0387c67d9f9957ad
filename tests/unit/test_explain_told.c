/* SPDX-License-Identifier: Apache-2.0
 *
 * What is told of a change: each map's operations, and those of all together.
 */
#include <criterion/criterion.h>

#include "explain/explain.h"

static const char maps[] = "[sink:hot]\nplugin = redis\n"
			   "[sink:log]\nplugin = stdout\n"
			   "[map:users]\ntable = shop.users\nkey = user:{id}\n"
			   "invalidate = mail:{email}\nttl = 60\n"
			   "[map:any]\ntable = shop.*\nkey = any:{table}:{id}\nvalue = none\n";

static void collect(void *ctx, bool fatal, const char *line)
{
	fprintf(ctx, "%s: %s\n", fatal ? "error" : "warning", line);
}

/* What is printed and reported. */
static char *explain(const char *file, const char *change, int *ret_code)
{
	char *text = NULL, copy[1000];
	size_t size = 0;
	struct fl_config *config = NULL;
	snprintf(copy, sizeof(copy), "%s", file);
	FILE *in = fmemopen(copy, strlen(copy), "r");
	FILE *out = open_memstream(&text, &size);
	cr_assert_eq(fl_config_read(in, "f.ini", true, collect, out, &config), 0);
	*ret_code = fl_explain(config, "f.ini", change, out, collect, out);
	fl_config_destroy(config);
	fclose(in);
	fclose(out);
	return text;
}

#define NO_SOURCE "(definition: from the JSON alone: [source] names no server, or no user)\n"
#define LOG	  "  sink log (stdout): takes the change as it is\n"

static const struct {
	const char *change, *expected;
} explained[] = {
	{ "{\"db\":\"shop\",\"table\":\"users\",\"op\":\"update\",\"ts_us\":1,\"gtid\":\"0-1-2\","
	  "\"file\":\"f.1\",\"pos\":7,\"xid\":9,\"commit\":true,\"key\":{\"id\":5},"
	  "\"row\":{\"id\":5,\"email\":\"b@x\"},\"old\":{\"id\":4,\"email\":\"a\\n@x\"}}\n",
		"update shop.users " NO_SOURCE "  map users (f.ini:5): table matches\n"
		"    sink hot (redis): DELETE user:4\n"
		"                      DELETE mail:a\\x0a@x\n"
		"                      SET user:5 ttl 60 = {\"id\":5,\"email\":\"b@x\"}\n"
		"                      DELETE mail:b@x\n"
		"  map any (f.ini:10): table matches\n"
		"    sink hot (redis): DELETE any:users:4\n"
		"                      DELETE any:users:5\n" LOG },
	/* Written by hand: the image after is completed from the one before. */
	{ "{\"db\":\"shop\",\"table\":\"users\",\"before\":{\"id\":5,\"email\":\"a\"},"
	  "\"after\":{\"email\":null}}",
		"update shop.users " NO_SOURCE "  map users (f.ini:5): table matches\n"
		"    sink hot (redis): DELETE mail:a\n"
		"                      SET user:5 ttl 60 = {\"id\":5,\"email\":null}\n"
		"  map any (f.ini:10): table matches\n"
		"    sink hot (redis): DELETE any:users:5\n" LOG },
	{ "{\"db\":\"shop\",\"table\":\"orders\",\"before\":{\"id\":18446744073709551615}}",
		"delete shop.orders " NO_SOURCE "  map users (f.ini:5): table does not match\n"
		"  map any (f.ini:10): table matches\n"
		"    sink hot (redis): DELETE any:orders:18446744073709551615\n" LOG },
	{ "{\"db\":\"shop\",\"table\":\"users\",\"after\":{\"id\":null,\"email\":null}}",
		"insert shop.users " NO_SOURCE "  map users (f.ini:5): table matches\n"
		"    sink hot (redis): no operation\n"
		"  map any (f.ini:10): table matches\n"
		"    sink hot (redis): no operation\n" LOG },
	{ "{\"db\":\"shop\",\"table\":\"users\",\"after\":{\"id\":1}}",
		"insert shop.users " NO_SOURCE "  map users (f.ini:5): table matches\n"
		"    sink hot (redis): logs: shop.users: rule users: the table has no column "
		"email: keys are deleted, not set\n"
		"                      DELETE user:1\n"
		"                      CLEAR mail:*\n"
		"  map any (f.ini:10): table matches\n"
		"    sink hot (redis): DELETE any:users:1\n" LOG },
	{ "{\"op\":\"truncate\",\"db\":\"shop\",\"table\":\"users\",\"sql\":\"TRUNCATE users\"}",
		"truncate shop.users\n  map users (f.ini:5): table matches\n"
		"    sink hot (redis): logs: shop.users: TRUNCATE: cleared user:*, mail:*\n"
		"                      CLEAR user:*\n"
		"                      CLEAR mail:*\n"
		"  map any (f.ini:10): table matches\n"
		"    sink hot (redis): logs: shop.users: TRUNCATE: cleared any:users:*\n"
		"                      CLEAR any:users:*\n" LOG },
	{ "{\"op\":\"ddl\",\"db\":\"other\",\"table\":\"\",\"sql\":\"DROP TABLE shop.orders\"}",
		"statement DROP TABLE shop.orders\n  map users (f.ini:5): is not concerned\n"
		"  map any (f.ini:10): is concerned\n"
		"    sink hot (redis): logs: shop.orders: DROP TABLE: cleared any:orders:*\n"
		"                      CLEAR any:orders:*\n" LOG },
	{ "{\"op\":\"update\",\"db\":\"elsewhere\",\"table\":\"t\",\"doubt\":\"no idea\"}",
		"doubt elsewhere.t: no idea\n  map users (f.ini:5): is not concerned\n"
		"  map any (f.ini:10): is not concerned\n" LOG },
	{ "{\"op\":\"commit\",\"db\":\"\",\"table\":\"\",\"commit\":true}",
		"commit: changes no row\n" },
};

Test(explain, each_maps_operations_are_told)
{
	for (size_t i = 0; i < sizeof(explained) / sizeof(*explained); i++) {
		int code;
		char *text = explain(maps, explained[i].change, &code);
		cr_expect_eq(code, 0, "%s", explained[i].change);
		cr_expect_str_eq(text, explained[i].expected, "%s", explained[i].change);
		free(text);
	}
}

/* Of the maps that match, and what they do together where generations make each time another. */
Test(explain, where_the_first_map_counts_the_others_are_not_used)
{
	static const char file[] =
		"[sink:hot]\nplugin = redis\nmatch = first\n[sink:all]\nplugin = redis\n"
		"[map:a]\ntable = d.t*\nkey = k:{id}\nvalue = column:v\n"
		"[map:b]\ntable = d.t1\nkey = k:{id}\nvalue = none\n"
		"only_when = v = 'q'\n[map:g]\ntable = other.x\nkey = g:{generation}:{id}\n";
	int code;
	char *text = explain(
		file, "{\"db\":\"d\",\"table\":\"t1\",\"after\":{\"id\":1,\"v\":\"x\"}}", &code);
	cr_expect_eq(code, 0);
	cr_expect_str_eq(text,
		"insert d.t1 " NO_SOURCE "  map a (f.ini:6): table matches\n"
		"    sink hot (redis): SET k:1 = x\n"
		"    sink all (redis): SET k:1 = x\n"
		"  map b (f.ini:10): table matches\n"
		"    sink hot (redis): not used: match = first, and map a comes before\n"
		"    sink all (redis): no operation\n"
		"  map g (f.ini:15): table does not match\n");
	free(text);
	text = explain(file,
		"{\"db\":\"d\",\"table\":\"t1\",\"before\":{\"id\":1,\"v\":\"q\"},"
		"\"after\":{\"id\":1,\"v\":\"x\"}}",
		&code);
	cr_expect_not_null(strstr(text, "    sink all (redis): DELETE k:1\n"
					"  map g (f.ini:15): table does not match\n"
					"  all maps together\n"
					"    sink all (redis): SET k:1 = x\n"),
		"%s", text);
	free(text);
}

Test(explain, a_sink_that_would_halt_says_so)
{
	char file[1000];
	int code;
	snprintf(file, sizeof(file), "[source]\nhost = h\non_doubt = halt\n%s", maps);
	char *text =
		explain(file, "{\"db\":\"shop\",\"table\":\"users\",\"after\":{\"id\":1}}", &code);
	cr_expect_eq(code, 0);
	cr_expect(strstr(text, "    sink hot (redis): halts: change 1 of the transaction "
			       "(shop.users): rule users: the table has no column email\n") != NULL,
		"%s", text);
	free(text);
}

Test(explain, rows_need_a_source_and_sound_syntax)
{
	static const struct {
		const char *change;
		int code;
		const char *said;
	} cases[] = {
		{ "shop.users WHERE id = 5", FL_EINVAL, "[source] names no server" },
		{ "shop.users", FL_EINVAL, "[source] names no server" },
		{ "`a.b`.`c``d` where(id = 5)", FL_EINVAL, "[source] names no server" },
		{ "shop.users WHERE", FL_EINVAL, "it must be a change as JSON" },
		{ "shop.users WHEREid = 5", FL_EINVAL, "it must be a change as JSON" },
		{ "shop.users id = 5", FL_EINVAL, "it must be a change as JSON" },
		{ "users", FL_EINVAL, "it must be a change as JSON" },
		{ "shop.", FL_EINVAL, "it must be a change as JSON" },
		{ ".users", FL_EINVAL, "it must be a change as JSON" },
		{ "`shop.users", FL_EINVAL, "it must be a change as JSON" },
		{ "", FL_EINVAL, "it must be a change as JSON" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int code;
		char *text = explain(maps, cases[i].change, &code);
		cr_expect_eq(code, cases[i].code, "%s: %s", cases[i].change, text);
		cr_expect(strstr(text, cases[i].said) != NULL, "%s: %s", cases[i].change, text);
		free(text);
	}
}

Test(explain, numbers_keep_their_digits_without_a_definition)
{
	int code;
	char *text = explain(maps,
		"{\"db\":\"shop\",\"table\":\"users\",\"after\":{\"id\":-9223372036854775808,"
		"\"email\":18446744073709551615,\"a\":12.50,\"b\":0.1,\"c\":123456789012345678.125,"
		"\"d\":[1.10,{\"x\":18446744073709551615}],\"e\":true}}",
		&code);
	cr_expect_eq(code, 0);
	cr_expect(strstr(text, "{\"id\":-9223372036854775808,\"email\":18446744073709551615,"
			       "\"a\":\"12.50\",\"b\":0.1,\"c\":\"123456789012345678.125\","
			       "\"d\":[1.10, {\"x\": 18446744073709551615}],\"e\":1}") != NULL,
		"%s", text);
	free(text);
}

/* Each of them would clear the pattern; the second need not. */
Test(explain, what_maps_do_together_is_told_where_it_is_another_thing)
{
	static const char twins[] = "[sink:hot]\nplugin = redis\n"
				    "[map:one]\ntable = shop.users\nkey = user:{id}\n"
				    "[map:two]\ntable = shop.users\nkey = user:{id}\n";
	static const char truncate[] =
		"{\"op\":\"truncate\",\"db\":\"shop\",\"table\":\"users\",\"sql\":\"x\"}";
	int code;
	char *text = explain(twins, truncate, &code);
	cr_expect_eq(code, 0);
	cr_expect_str_eq(text, "truncate shop.users\n"
			       "  map one (f.ini:3): table matches\n"
			       "    sink hot (redis): logs: shop.users: TRUNCATE: cleared user:*\n"
			       "                      CLEAR user:*\n"
			       "  map two (f.ini:6): table matches\n"
			       "    sink hot (redis): logs: shop.users: TRUNCATE: cleared user:*\n"
			       "                      CLEAR user:*\n"
			       "  all maps together\n"
			       "    sink hot (redis): logs: shop.users: TRUNCATE: cleared user:*\n"
			       "                      CLEAR user:*\n");
	free(text);
}

Test(explain, a_generation_is_told_to_be_another)
{
	static const char file[] = "[sink:hot]\nplugin = redis\n"
				   "[map:one]\ntable = shop.users\nkey = {generation}:{id}\n";
	int code;
	char *text =
		explain(file, "{\"db\":\"shop\",\"table\":\"users\",\"after\":{\"id\":1}}", &code);
	cr_expect_eq(code, 0);
	cr_expect(strstr(text, ":1 = {\"id\":1}\n      {generation} is one of now: the sink's own "
			       "is the value of fastlane:generation:one\n") != NULL,
		"%s", text);
	free(text);
}

/* Changes that are nearly right: told or refused, never a crash. */
Test(explain, damaged_changes_are_told_or_refused)
{
	static const char marks[] = "{}[]\",:\\0129.-eE+u`x\x80\xff\n";
	uint64_t state = 88172645463325252;
	unsigned refused = 0, told = 0;
	FILE *out = fopen("/dev/null", "w");
	char copy[1000];
	struct fl_config *config = NULL;
	snprintf(copy, sizeof(copy), "%s", maps);
	FILE *in = fmemopen(copy, strlen(copy), "r");
	cr_assert_eq(fl_config_read(in, "f.ini", true, collect, out, &config), 0);
	for (unsigned round = 0; round < 4000; round++) {
		char text[600];
		snprintf(text, sizeof(text), "%s",
			explained[round % (sizeof(explained) / sizeof(*explained))].change);
		for (unsigned change = 0; change <= round % 3; change++) {
			state ^= state << 13;
			state ^= state >> 7;
			state ^= state << 17;
			size_t const size = strlen(text), at = state % size;
			if (state >> 40 & 1)
				text[at] = marks[(state >> 20) % (sizeof(marks) - 1)];
			else if (at > 0)
				memmove(text + at, text + at + 1, size - at);
		}
		if (fl_explain(config, "f.ini", text, out, collect, out) == 0)
			told++;
		else
			refused++;
	}
	cr_expect_gt(told, 100);
	cr_expect_gt(refused, 100);
	fl_config_destroy(config);
	fclose(in);
	fclose(out);
}
