/* SPDX-License-Identifier: Apache-2.0
 *
 * As much of Criterion as tests/unit/test_queue.c and tests/bench use, in one process: the real one
 * places memory at fixed addresses, which ThreadSanitizer keeps for itself, and ends before its
 * first test.
 */
#ifndef FL_THREADS_CRITERION_H
#define FL_THREADS_CRITERION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

struct test {
	struct test *next;
	const char *name;
	void (*run)(void);
};
static struct test *tests __attribute__((unused));
static int failures __attribute__((unused));

#define Test(suite, title, ...)                                                                    \
	static void run_##title(void);                                                             \
	__attribute__((constructor)) static void add_##title(void)                                 \
	{                                                                                          \
		static struct test test = { NULL, #suite "." #title, run_##title };                \
		test.next = tests;                                                                 \
		tests = &test;                                                                     \
	}                                                                                          \
	static void run_##title(void)

#define cr_expect(condition, ...)                                                                  \
	((condition) ? (void)0                                                                     \
		     : (void)(failures++, fprintf(stderr, "%s:%d: not so: %s\n", __FILE__,         \
						  __LINE__, #condition)))
#define cr_assert(condition, ...)                                                                  \
	((condition) ? (void)0                                                                     \
		     : (void)(fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,           \
				      #condition),                                                 \
			       exit(1)))
#define cr_expect_not(a, ...)	   cr_expect(!(a))
#define cr_expect_eq(a, b, ...)	   cr_expect((a) == (b))
#define cr_expect_null(a, ...)	   cr_expect((a) == NULL)
#define cr_assert_eq(a, b, ...)	   cr_assert((a) == (b))
#define cr_assert_geq(a, b, ...)   cr_assert((a) >= (b))
#define cr_assert_leq(a, b, ...)   cr_assert((a) <= (b))
#define cr_assert_not_null(a, ...) cr_assert((a) != NULL)

#ifndef FL_NO_MAIN
int main(void)
{
	int count = 0;
	for (const struct test *test = tests; test != NULL; test = test->next) {
		test->run();
		count++;
	}
	printf("%d tests, %d failures\n", count, failures);
	return count == 0 || failures > 0;
}
#endif

#endif
