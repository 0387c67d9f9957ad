/* SPDX-License-Identifier: Apache-2.0
 *
 * Takes more memory than any input may ask for, to show that replay.c notices.
 */
#include "target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	volatile char *hoard = malloc(9 << 20);
	if (hoard != NULL && size > 0)
		hoard[0] = (char)data[0];
	free((void *)hoard);
	return 0;
}
