/* SPDX-License-Identifier: Apache-2.0
 *
 * A test that leaks, to show that a leak fails a run: tests/run expects this one to fail.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

static void *volatile lost;

Test(leak, a_test_that_leaks_fails)
{
	lost = malloc(4711);
	cr_assert_not_null(lost);
	lost = NULL;
}
