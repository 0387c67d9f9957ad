/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests/conformance/abi/check looks at: every public type, and the version, in a shared object
 * with debugging information.
 */
#include <fastlane/sink.h>

enum abi_version { abi_major = FL_ABI_MAJOR, abi_minor = FL_ABI_MINOR };

/* Those of enumerations without a name, which leave no trace. */
enum abi_constants {
	abi_ok = FL_OK,
	abi_nomem = FL_ENOMEM,
	abi_inval = FL_EINVAL,
	abi_corrupt = FL_ECORRUPT,
	abi_unsupported = FL_EUNSUPPORTED,
	abi_lost = FL_ELOST,
	abi_fatal = FL_EFATAL,
	abi_io = FL_EIO,
	abi_stopped = FL_ESTOPPED,
	abi_if_exists = FL_IF_EXISTS,
	abi_takes_operations = FL_TAKES_OPERATIONS,
	abi_takes_changes = FL_TAKES_CHANGES,
	abi_takes_hashes = FL_TAKES_HASHES,
	abi_takes_existing = FL_TAKES_EXISTING,
	abi_takes_patterns = FL_TAKES_PATTERNS,
	abi_takes_atomic = FL_TAKES_ATOMIC,
};

FL_EXPORT const struct fl_sink_plugin fl_sink_plugin = { .size = sizeof(struct fl_sink_plugin) };

struct all_of_it {
	enum abi_version version;
	struct fl_host *host;
	struct fl_settings *settings;
	struct fl_option *option;
	struct fl_batch *batch;
	struct fl_operation *operation;
	struct fl_transaction *transaction;
	struct fl_change *change;
	struct fl_row *row;
	struct fl_table *table;
	struct fl_column *column;
	struct fl_value *value;
	struct fl_buf *buf;
	struct fl_bytes bytes;
	struct fl_err *err;
	enum fl_level level;
	enum fl_outcome outcome;
	enum fl_operation_kind kind;
	enum fl_option_type type;
	enum fl_op op;
	enum fl_value_kind value_kind;
	enum abi_constants constants;
};
FL_EXPORT extern struct all_of_it all_of_it;
struct all_of_it all_of_it;
