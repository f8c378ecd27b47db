/* SPDX-License-Identifier: MIT */
#include "node/os/bind.h"

#include "testing.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct text why;

static int setup(void **state)
{
    (void)state;
    text_init(&why, 1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&why);
    return 0;
}

static struct endpoint loopback(void)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse("127.0.0.1:0", &ep), OK);
    return ep;
}

static void test_bind_try_holds_nothing(void **state)
{
    struct endpoint any = loopback(), at, local;
    int fd;

    (void)state;
    assert_int_equal(bind_socket(SOCK_DGRAM, &any, "--x", &fd, &at, &why), OK);
    assert_int_equal(bind_try(SOCK_DGRAM, &at, "--x", &why), ERR_IN_USE);
    assert_non_null(strstr(text_get(&why), "choose another with --x"));
    close(fd);
    for (int i = 0; i < 2; i++)
        assert_int_equal(bind_try(SOCK_DGRAM, &at, "--x", &why), OK);
    assert_int_equal(bind_socket(SOCK_DGRAM, &at, "--x", &fd, &local, &why),
                     OK);
    close(fd);
}

/* No other address would help. */
static void test_bind_out_of_files_advises_no_other_address(void **state)
{
    struct endpoint any = loopback();
    struct rlimit before, few;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    few = before;
    few.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    assert_int_equal(bind_try(SOCK_DGRAM, &any, "--listen", &why), ERR_IO);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_string_equal(text_get(&why),
                        "cannot listen on 127.0.0.1:0: too many open files in "
                        "this process; raise the limit (`ulimit -n`, "
                        "LimitNOFILE= of a unit)");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_bind_try_holds_nothing),
        TEST(test_bind_out_of_files_advises_no_other_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
