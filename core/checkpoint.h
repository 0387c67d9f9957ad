/* SPDX-License-Identifier: Apache-2.0
 *
 * Positions of sinks that keep none themselves, and what is known of the others': one small file a
 * sink, STATE_DIR/SINK.position, with the sink's name and a checksum, replaced atomically and
 * synced. Each sink's thread uses its own file. Calls block.
 */
#ifndef FL_CHECKPOINT_H
#define FL_CHECKPOINT_H

#include <fastlane/change.h>

/* 0 or FL_EIO: the file is as it was before. */
int fl_checkpoint_save(
	const char *state_dir, const char *sink, struct fl_bytes position, struct fl_err *err);

/* Appends the position kept: 1; 0 if there is none; FL_EIO, FL_ENOMEM, or FL_ECORRUPT for a file
 * that was not written whole by fl_checkpoint_save(), for this sink. */
int fl_checkpoint_load(
	const char *state_dir, const char *sink, struct fl_buf *ret, struct fl_err *err);

#define FL_LOCK_NAME "fastlane.lock" /* the file in the folder that is locked */

/* Takes the folder for this process, until it ends: 0 and a descriptor to be closed, or FL_EIO,
 * also if another fastlane has it. */
int fl_checkpoint_lock(const char *state_dir, int *ret_fd, struct fl_err *err);

#endif
