/* SPDX-License-Identifier: MIT */
#include "node/log/log_stderr.h"

#include "testing.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define LINE "a line that is long enough to fill a pipe some time or other\n"

static int setup(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    alarm(20); /* what waits is killed */
    return 0;
}

/* Writes until a line is lost; how many were not. */
static unsigned fill(struct log_stderr *s)
{
    unsigned n = 0;

    while (log_stderr_write(s, bytes_of_text(LINE)))
        n++;
    return n;
}

/* Everything that can be read from `fd`, in lines that are whole: how many. */
static unsigned drain(int fd)
{
    static char all[1024 * 1024];
    size_t len = 0;
    ssize_t n;
    unsigned lines = 0;

    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    while ((n = read(fd, all + len, sizeof(all) - len)) > 0)
        len += (size_t)n;
    for (size_t at = 0; at + strlen(LINE) <= len; at += strlen(LINE)) {
        assert_memory_equal(all + at, LINE, strlen(LINE));
        lines++;
    }
    return lines;
}

/* `out` is filled, read empty and filled again; `in` is its other end. */
static void check_never_waits(int out, int in)
{
    struct log_stderr s;
    int flags = fcntl(out, F_GETFL);
    unsigned written;

    log_stderr_init(&s, out);
    written = fill(&s);
    assert_true(written > 3);
    assert_false(log_stderr_write(&s, bytes_of_text(LINE)));
    assert_true(drain(in) + 1 >= written);
    assert_true(log_stderr_write(&s, bytes_of_text(LINE)));
    assert_true(fill(&s) > 3);
    /* nobody else's writes have become non-blocking */
    assert_int_equal(fcntl(out, F_GETFL), flags);
    log_stderr_deinit(&s);
    close(in);
    close(out);
}

static void test_log_stderr_full_pipe(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe(ends), 0);
    check_never_waits(ends[1], ends[0]);
}

/* No descriptor is left to open the pipe anew. */
static void test_log_stderr_full_pipe_that_cannot_be_opened(void **state)
{
    struct rlimit before, none;
    int ends[2];

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(pipe(ends), 0);
    none = before;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    /* poll refuses more than the limit: one */
    none.rlim_cur = 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    check_never_waits(ends[1], ends[0]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* Lines that a pipe takes a part of: what is read is whole lines all the same,
 * none of those that were not lost is missing, and none in two. */
static void test_log_stderr_lines_longer_than_the_pipe_has_room(void **state)
{
    static char line[10000], got[1 << 20];
    unsigned written = 0, lost = 0;
    struct log_stderr s;
    size_t len = 0;
    ssize_t n;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, 0), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) == 4096);
    assert_int_equal(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = '\n';
    log_stderr_init(&s, ends[1]);
    for (unsigned i = 0; i < 60; i++) {
        if (log_stderr_write(&s, bytes_of(line, sizeof(line))))
            written++;
        else
            lost++;
        n = read(ends[0], got + len, 4096);
        len += n > 0 ? (size_t)n : 0;
    }
    do { /* short lines push out what is owed */
        lost += !log_stderr_write(&s, bytes_of("\n", 1));
        n = read(ends[0], got + len, 4096);
        len += n > 0 ? (size_t)n : 0;
    } while (len < written * sizeof(line));
    assert_true(written > 10 && lost > 10);
    for (unsigned i = 0; i < written; i++)
        assert_memory_equal(got + i * sizeof(line), line, sizeof(line));
    log_stderr_deinit(&s);
    close(ends[0]);
    close(ends[1]);
}

static void test_log_stderr_full_socket(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    check_never_waits(ends[1], ends[0]);
}

static void test_log_stderr_stopped_terminal(void **state)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY), slave;
    struct log_stderr s;

    (void)state;
    assert_true(master >= 0);
    assert_int_equal(grantpt(master), 0);
    assert_int_equal(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    assert_true(slave >= 0);
    log_stderr_init(&s, slave);
    assert_true(fill(&s) > 3);
    assert_false(log_stderr_write(&s, bytes_of_text(LINE)));
    log_stderr_deinit(&s);
    close(slave);
    close(master);
}

/* Nobody has the other end any more; then somebody puts a pipe in its place,
 * as a program does with its stderr. */
static void test_log_stderr_reader_gone_and_replaced(void **state)
{
    int ends[2], fresh[2];
    struct log_stderr s;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(fresh), 0);
    log_stderr_init(&s, ends[1]);
    assert_true(log_stderr_write(&s, bytes_of_text(LINE)));
    close(ends[0]);
    assert_false(log_stderr_write(&s, bytes_of_text(LINE)));
    assert_true(dup2(fresh[1], ends[1]) == ends[1]);
    assert_true(log_stderr_write(&s, bytes_of_text(LINE)));
    assert_int_equal(drain(fresh[0]), 1);
    log_stderr_deinit(&s);
    close(fresh[0]);
    close(fresh[1]);
    close(ends[1]);
    assert_false(log_stderr_write(&s, bytes_of_text(LINE)));
}

/* Two writers share the position in it, as a shell and its children do. */
static void test_log_stderr_regular_file(void **state)
{
    char path[] = "/tmp/warren-test-XXXXXX";
    int fd = mkstemp(path);
    struct log_stderr s;

    (void)state;
    assert_true(fd >= 0);
    log_stderr_init(&s, fd);
    assert_true(log_stderr_write(&s, bytes_of_text(LINE)));
    assert_int_equal(write(fd, LINE, strlen(LINE)), strlen(LINE));
    assert_true(log_stderr_write(&s, bytes_of_text(LINE)));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(drain(fd), 3);
    log_stderr_deinit(&s);
    close(fd);
    unlink(path);
}

static void test_log_stderr_knows_the_journal(void **state)
{
    int ends[2];
    struct log_stderr s;
    struct stat st;
    char name[64];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(fstat(ends[1], &st), 0);
    log_stderr_init(&s, ends[1]);
    unsetenv("JOURNAL_STREAM");
    assert_false(log_stderr_is_journal(&s));
    snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", name, 1);
    assert_true(log_stderr_is_journal(&s));
    /* stderr was redirected: what is inherited is another's */
    snprintf(name, sizeof(name), "%ju:%ju", (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino + 1);
    setenv("JOURNAL_STREAM", name, 1);
    assert_false(log_stderr_is_journal(&s));
    unsetenv("JOURNAL_STREAM");
    log_stderr_deinit(&s);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_stderr_full_pipe),
        cmocka_unit_test(test_log_stderr_full_pipe_that_cannot_be_opened),
        cmocka_unit_test(test_log_stderr_lines_longer_than_the_pipe_has_room),
        cmocka_unit_test(test_log_stderr_full_socket),
        cmocka_unit_test(test_log_stderr_stopped_terminal),
        cmocka_unit_test(test_log_stderr_reader_gone_and_replaced),
        cmocka_unit_test(test_log_stderr_regular_file),
        cmocka_unit_test(test_log_stderr_knows_the_journal),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
