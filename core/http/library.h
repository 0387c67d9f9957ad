/* SPDX-License-Identifier: Apache-2.0
 *
 * libmicrohttpd, opened only where there is something to listen at: it brings GnuTLS along, which
 * costs 2.6 MiB of memory and some milliseconds whether it is used or not. Private to core/http;
 * main thread.
 */
#ifndef FL_HTTP_LIBRARY_H
#define FL_HTTP_LIBRARY_H

#include <microhttpd.h>

#include <fastlane/change.h>

#define FL_MHD_FUNCTIONS(each)                                                                     \
	each(add_response_header) each(create_response_from_buffer) each(destroy_response)         \
		each(get_connection_info) each(get_connection_values_n) each(get_daemon_info)      \
			each(get_timeout) each(lookup_connection_value) each(queue_response)       \
				each(resume_connection) each(run) each(start_daemon)               \
					each(stop_daemon) each(suspend_connection)

/* Its functions, by their names behind MHD_. */
extern struct fl_mhd {
#define FL_MHD_MEMBER(name) __typeof__(MHD_##name) *name;
	FL_MHD_FUNCTIONS(FL_MHD_MEMBER)
#undef FL_MHD_MEMBER
} fl_mhd;

/* Once it has succeeded the library stays; to be called before any of them. 0; FL_EIO: it is not
 * there, and what to install. */
int fl_mhd_open(struct fl_err *err);

#endif
