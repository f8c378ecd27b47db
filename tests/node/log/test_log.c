/* SPDX-License-Identifier: MIT */
#include "node/log/log.h"

#include "base/timestamp.h"
#include "node/os/clock.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* 2024-05-01 12:00:00.123 UTC */
#define WALL UINT64_C(1714564800123)

static char last[16 * LOG_LINE_MAX];
static unsigned lines;

static void keep(void *arg, enum log_level level, const char *line)
{
    (void)arg;
    (void)level;
    snprintf(last, sizeof(last), "%s", line);
    lines++;
}

static struct log *make(const struct log_config *config)
{
    struct log *log = log_new(config, keep, NULL);

    assert_non_null(log);
    lines = 0;
    last[0] = '\0';
    return log;
}

static void say(struct log *log, uint64_t now, enum log_level level,
                const char *format, ...) __attribute__((format(printf, 4, 5)));

static void say(struct log *log, uint64_t now, enum log_level level,
                const char *format, ...)
{
    va_list args;

    va_start(args, format);
    log_line_at(log, now, WALL, level, format, args);
    va_end(args);
}

static void test_log_text_line_has_time_and_level(void **state)
{
    struct log *log = make(&(struct log_config){.level = LEVEL_INFO});

    (void)state;
    say(log, 0, LEVEL_WARN, "%s is %d", "it", 3);
    assert_string_equal(last, "2024-05-01T12:00:00.123Z warn  it is 3");
    say(log, 0, LEVEL_ERROR, "a\nb \x1b[0m");
    assert_string_equal(last,
                        "2024-05-01T12:00:00.123Z error a\\x0ab \\x1b[0m");
    log_free(log);
}

static void test_log_json_line_is_one_object(void **state)
{
    struct log *log =
        make(&(struct log_config){.level = LEVEL_INFO, .format = LOG_JSON});

    (void)state;
    say(log, 0, LEVEL_INFO, "say \"%s\"\n", "\xff");
    assert_string_equal(last, "{\"time\":\"2024-05-01T12:00:00.123Z\","
                              "\"level\":\"info\",\"message\":"
                              "\"say \\\"\xef\xbf\xbd\\\"\\n\"}");
    log_free(log);
}

static void test_log_level_selects_lines(void **state)
{
    static const enum log_level levels[] = {LEVEL_ERROR, LEVEL_WARN, LEVEL_INFO,
                                            LEVEL_DEBUG};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        struct log *log = make(&(struct log_config){.level = levels[i]});

        for (unsigned k = 0; k < 4; k++)
            say(log, 0, levels[k], "x");
        assert_int_equal(lines, i + 1);
        assert_false(log_wants(NULL, levels[i]));
        log_free(log);
    }
}

static void test_log_long_messages_are_cut_and_stay_valid(void **state)
{
    struct log *log =
        make(&(struct log_config){.level = LEVEL_INFO, .format = LOG_JSON});
    char big[3 * LOG_LINE_MAX];

    (void)state;
    memset(big, '\x01', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    say(log, 0, LEVEL_INFO, "%s", big);
    assert_true(strlen(last) > 6 * LOG_LINE_MAX);
    assert_string_equal(last + strlen(last) - 8, "\\u0001\"}");
    log_free(log);
}

static void test_log_rate_counts_lines_of_one_kind(void **state)
{
    struct log *log =
        make(&(struct log_config){.level = LEVEL_INFO, .rate = 3});

    (void)state;
    for (int i = 0; i < 10; i++)
        say(log, TIME_S, LEVEL_INFO, "flood %d", i);
    assert_int_equal(lines, 3);
    assert_int_equal(log_suppressed(log), 7);
    say(log, TIME_S, LEVEL_INFO, "another kind");
    assert_int_equal(lines, 4);
    say(log, TIME_S + TIME_MIN - 1, LEVEL_INFO, "flood %d", 1);
    assert_int_equal(lines, 4);
    log_free(log);
}

static void flood(struct log *log, uint64_t now, int n)
{
    for (int i = 0; i < n; i++)
        say(log, now, LEVEL_INFO, "flood");
}

static void test_log_rate_tells_what_it_left_out(void **state)
{
    struct log_config config = {.level = LEVEL_INFO, .rate = 2};
    struct log *log = make(&config);

    (void)state;
    flood(log, 0, 6);
    flood(log, TIME_MIN, 1);
    assert_string_equal(
        last, "2024-05-01T12:00:00.123Z info  flood (4 similar suppressed)");
    config.format = LOG_JSON;
    log_configure(log, &config);
    flood(log, TIME_MIN, 3);
    flood(log, 2 * TIME_MIN, 1);
    assert_non_null(strstr(last, ",\"suppressed\":2,"));
    config.rate = 0;
    log_configure(log, &config);
    lines = 0;
    flood(log, 2 * TIME_MIN, 100);
    assert_int_equal(lines, 100);
    log_free(log);
}

/* The one place that needs many formats: they are the kinds. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
static void test_log_forgets_the_oldest_kind_when_full(void **state)
{
    static char formats[LOG_KINDS + 1][8];
    struct log *log =
        make(&(struct log_config){.level = LEVEL_INFO, .rate = 1});

    (void)state;
    for (unsigned i = 0; i <= LOG_KINDS; i++) {
        snprintf(formats[i], sizeof(formats[i]), "k%u", i);
        say(log, i, LEVEL_INFO, formats[i], 0);
    }
    assert_int_equal(lines, LOG_KINDS + 1);
    say(log, 100, LEVEL_INFO, formats[LOG_KINDS], 0); /* remembered */
    assert_int_equal(lines, LOG_KINDS + 1);
    say(log, 100, LEVEL_INFO, formats[0], 0); /* forgotten */
    assert_int_equal(lines, LOG_KINDS + 2);
    say(log, 100, LEVEL_INFO, formats[0], 0); /* and known again */
    assert_int_equal(lines, LOG_KINDS + 2);
    log_free(log);
}

#pragma GCC diagnostic pop

static void test_log_endpoint_hides_strangers(void **state)
{
    static const struct {
        const char *in, *scrubbed;
    } cases[] = {
        {"93.184.216.34:80", "93.184.x.x:80"},
        {"[2606:2800:220:1::1]:443", "[2606:2800:x]:443"},
        {"127.0.0.1:7881", "127.0.0.1:7881"},
        {"10.1.2.3:1", "10.1.2.3:1"},
        {"[fd00::1]:1", "[fd00::1]:1"},
    };
    struct log_config config = {.level = LEVEL_INFO};
    struct log *log = make(&config);
    char text[ENDPOINT_TEXT_SIZE];
    struct endpoint ep;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(endpoint_parse(cases[i].in, &ep), OK);
        assert_string_equal(log_endpoint(log, &ep, text), cases[i].scrubbed);
    }
    config.addresses = true;
    log_configure(log, &config);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(endpoint_parse(cases[i].in, &ep), OK);
        assert_string_equal(log_endpoint(log, &ep, text), cases[i].in);
    }
    log_free(log);
}

static void test_log_writes_lines_to_stderr(void **state)
{
    struct log_config config = {.level = LEVEL_INFO};
    struct log *log = log_new(&config, NULL, NULL);
    int saved = dup(STDERR_FILENO), ends[2];
    char buf[128] = "";

    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    log_info(log, "to %s", "stderr");
    log_debug(log, "not wanted");
    log_error(NULL, "nowhere");
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    assert_true(read(ends[0], buf, sizeof(buf) - 1) > 0);
    close(ends[0]);
    close(saved);
    assert_string_equal(buf + strlen("2024-05-01T12:00:00.123Z"),
                        " info  to stderr\n");
    log_free(log);
    log_free(NULL);
}

/* Nobody reads for a while: lines are lost, none is waited for, and the first
 * that goes out again is one that says so. */
static void test_log_tells_what_was_lost(void **state)
{
    struct log *log =
        log_new(&(struct log_config){.level = LEVEL_INFO}, NULL, NULL);
    int saved = dup(STDERR_FILENO), ends[2];
    static char buf[1024 * 1024];
    char *last_line;
    ssize_t n;

    (void)state;
    alarm(20);
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    while (log_lost(log) < 5)
        log_info(log, "nobody reads this");
    n = read(ends[0], buf, sizeof(buf) - 1);
    log_info(log, "now somebody does");
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    assert_true(n > 0 && buf[n - 1] == '\n');
    n = read(ends[0], buf, sizeof(buf) - 1);
    assert_true(n > 0);
    buf[n] = '\0';
    assert_non_null(strstr(buf, " warn  5 lines are lost"));
    last_line = strstr(buf, " info  now somebody does\n");
    assert_non_null(last_line);
    assert_true(last_line > strstr(buf, "5 lines are lost"));
    close(ends[0]);
    close(saved);
    alarm(0);
    log_free(log);
}

static void test_log_tells_journald_the_level(void **state)
{
    static const char *const wanted[] = {"<3>", "<4>", "<6>", "<7>"};
    struct log *log =
        log_new(&(struct log_config){.level = LEVEL_DEBUG}, NULL, NULL);
    int saved = dup(STDERR_FILENO), ends[2];
    char stream[64], buf[256];
    struct stat st;

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(fstat(ends[1], &st), 0);
    snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
             (uintmax_t)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    dup2(ends[1], STDERR_FILENO);
    for (int level = LEVEL_ERROR; level <= LEVEL_DEBUG; level++) {
        log_line(log, (enum log_level)level, "x");
        assert_true(read(ends[0], buf, sizeof(buf)) > 3);
        assert_memory_equal(buf, wanted[level], 3);
        assert_true(buf[3] >= '0' && buf[3] <= '9'); /* the time */
    }
    dup2(saved, STDERR_FILENO);
    unsetenv("JOURNAL_STREAM");
    close(ends[0]);
    close(ends[1]);
    close(saved);
    log_free(log);
}

static void test_log_clocks_run(void **state)
{
    uint64_t now = clock_now();

    (void)state;
    assert_true(now > 0);
    usleep(2000);
    assert_true(clock_now() >= now + TIME_MS);
    assert_true(clock_wall() > UINT64_C(1700000000));
    assert_true(clock_wall_ms() / 1000 - clock_wall() <= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_text_line_has_time_and_level),
        cmocka_unit_test(test_log_json_line_is_one_object),
        cmocka_unit_test(test_log_level_selects_lines),
        cmocka_unit_test(test_log_long_messages_are_cut_and_stay_valid),
        cmocka_unit_test(test_log_rate_counts_lines_of_one_kind),
        cmocka_unit_test(test_log_rate_tells_what_it_left_out),
        cmocka_unit_test(test_log_forgets_the_oldest_kind_when_full),
        cmocka_unit_test(test_log_endpoint_hides_strangers),
        cmocka_unit_test(test_log_writes_lines_to_stderr),
        cmocka_unit_test(test_log_tells_what_was_lost),
        cmocka_unit_test(test_log_tells_journald_the_level),
        cmocka_unit_test(test_log_clocks_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
