/* The harness of the C unit tests: one program a file. A test is a function of no arguments; CHECK notes a failure and
   goes on, MUST leaves the test. main: int main(void) { RUN(first_test); RUN(second_test); return TEST_RESULT; } */
#ifndef SPEC_TEST_H
#define SPEC_TEST_H

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int test_failures; /* in this program */

static inline bool test_check(bool good, const char *file, int line, const char *text)
{
    if (!good) {
        test_failures++;
        printf("  %s:%d: %s\n", file, line, text);
    }
    return good;
}

static inline bool test_near(double got, double want, double tolerance, const char *file, int line, const char *text)
{
    if (fabs(got - want) <= tolerance || (isnan(got) && isnan(want)) || got == want)
        return true;
    test_failures++;
    printf("  %s:%d: %s is %.9g, which should be %.9g (within %.2g)\n", file, line, text, got, want, tolerance);
    return false;
}

static inline bool test_text(const char *got, const char *want, bool whole, const char *file, int line)
{
    if (got && (whole ? strcmp(got, want) == 0 : strstr(got, want) != NULL))
        return true;
    test_failures++;
    printf("  %s:%d: \"%s\" should %s \"%s\"\n", file, line, got ? got : "(null)", whole ? "be" : "contain", want);
    return false;
}

static inline void test_run(const char *name, void (*body)(void))
{
    int before = test_failures;
    body();
    printf("%s %s\n", test_failures == before ? "ok" : "FAILED", name);
    fflush(stdout);
}

#define CHECK(condition)                 test_check((condition), __FILE__, __LINE__, #condition)
#define CHECK_NEAR(got, want, tolerance) test_near((got), (want), (tolerance), __FILE__, __LINE__, #got)
#define CHECK_TEXT(got, want)            test_text((got), (want), true, __FILE__, __LINE__)
#define CHECK_CONTAINS(got, part)        test_text((got), (part), false, __FILE__, __LINE__)
#define MUST(condition)                                                                                                \
    do {                                                                                                               \
        if (!CHECK(condition))                                                                                         \
            return;                                                                                                    \
    } while (0)
#define RUN(test)   test_run(#test, test)
#define TEST_RESULT (test_failures > 0)

#endif
