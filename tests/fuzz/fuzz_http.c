/* SPDX-License-Identifier: Apache-2.0
 *
 * Input: four lines: where to listen, a request's Host, the parameters of /wait (NAME=VALUE&...),
 * and a position. What is accepted must hold together.
 */
#include "http/private.h"
#include "target.h"

/* Takes a line off. */
static struct fl_bytes take_line(struct fl_bytes *rest)
{
	const char *end = rest->size > 0 ? memchr(rest->data, '\n', rest->size) : NULL;
	struct fl_bytes const line = { rest->data,
		end != NULL ? (size_t)(end - rest->data) : rest->size };
	size_t const taken = line.size + (end != NULL);
	if (taken > 0)
		rest->data += taken;
	rest->size -= taken;
	return line;
}

static void check_listen(const char *listen, const char *host)
{
	struct fl_listen address;
	struct fl_err err = { 0 };
	if (fl_listen_parse(listen, &address, &err) != 0) {
		must(err.code == FL_EINVAL && err.text[0] != '\0');
		return;
	}
	must(address.size > 0 && address.size <= sizeof(address.address));
	must(!address.is_unix || address.is_local);
	/* Who names another host than this machine's, or the one listened at, is not told. */
	if (fl_listen_is_own_host(listen, host))
		must(host[0] != '\0' && host[0] != ':' && strchr(host, '@') == NULL);
}

static int read_query(struct fl_bytes text, struct fl_target_query *query)
{
	int result = 0;
	while (text.size > 0 && result == 0) {
		const char *end = memchr(text.data, '&', text.size);
		size_t const size = end != NULL ? (size_t)(end - text.data) : text.size;
		const char *equals = memchr(text.data, '=', size);
		struct fl_bytes name = { text.data, size }, value = { NULL, 0 };
		struct fl_err err = { 0 };
		if (equals != NULL) {
			name.size = (size_t)(equals - text.data);
			value = (struct fl_bytes){ equals + 1, size - name.size - 1 };
		}
		result = fl_target_take(query, name, value, &err);
		must(result == err.code);
		text.data += size + (end != NULL);
		text.size -= size + (end != NULL);
	}
	return result != 0 ? result : fl_target_check(query, NULL);
}

static void check_target(const struct fl_target_query *query, struct fl_bytes text)
{
	static const char *const flavours[] = { NULL, "mariadb", "mysql" };
	const struct fl_target *target = &query->target;
	struct fl_position position = { 0 };
	must((target->gtids != NULL) != (target->file[0] != '\0'));
	must(target->gtids == NULL || !fl_gtid_set_is_empty(target->gtids));
	must(fl_target_timeout_ms(query) <= 60000);
	must(strlen(target->sink) < sizeof(target->sink));
	if (fl_position_parse(text, &position, NULL) != 0)
		return;
	for (size_t i = 0; i < 3; i++) {
		struct fl_err err = { 0 };
		int const fits = fl_target_fits(target, &position, flavours[i], &err);
		must(fits == 0 || (fits == FL_EINVAL && err.text[0] != '\0'));
		bool const reached = fl_target_is_reached(target, &position, position.server);
		must(!reached || position.gtids != NULL || position.file[0] != '\0');
	}
	fl_position_finish(&position);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_bytes rest = { (const char *)data, size };
	struct fl_bytes const lines[] = { take_line(&rest), take_line(&rest), take_line(&rest) };
	char *listen = strndup(lines[0].size > 0 ? lines[0].data : "", lines[0].size);
	char *host = strndup(lines[1].size > 0 ? lines[1].data : "", lines[1].size);
	struct fl_target_query query = { 0 };
	must(listen != NULL && host != NULL);
	check_listen(listen, host);
	if (read_query(lines[2], &query) == 0)
		check_target(&query, rest);
	fl_target_finish(&query.target);
	free(listen);
	free(host);
	return 0;
}
