/* SPDX-License-Identifier: MIT */
#include "fail_alloc.h"
#include "memory_in_use.h"
#include "node/control/control_server.h"
#include "node/os/unix_socket.h"
#include "testing.h"

#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control_fixture.h"

static void test_control_server_answers(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    struct control_frame frame;

    request(f, fd, 5, "echo", "hello");
    frame = next_frame(fd);
    assert_int_equal(frame.kind, CONTROL_RESPONSE);
    assert_int_equal(frame.msgid, 5);
    assert_true(bytes_equal(mp_read_bytes(&frame.value, 0, 64),
                            bytes_of_text("hello")));
    request(f, fd, 6, "news", "x");
    assert_int_equal(next_frame(fd).kind, CONTROL_NOTIFICATION);
    assert_int_equal(next_frame(fd).msgid, 6);
    request(f, fd, 7, "nonsense", "x");
    frame = next_frame(fd);
    assert_true(bytes_equal(frame.code, bytes_of_text("unsupported")));
    assert_int_equal(control_counters(f->server)->failed, 1);
    close(fd);
}

static void test_control_server_mode(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_control_server_cancels(void **state)
{
    struct fixture *f = *state;
    int a = dial(f), b = dial(f);

    request(f, a, 1, "wait", "");
    request(f, a, 2, "wait", "");
    request(f, b, 1, "wait", "");
    assert_int_equal(f->waiting, 3);
    close(a);
    turn(f);
    assert_int_equal(f->cancelled, 2);
    assert_int_equal(control_clients(f->server), 1);
    request(f, b, 2, "echo", "still here");
    assert_int_equal(next_frame(b).msgid, 2);
    close(b);
}

static void test_control_server_cap_calls(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f), other = dial(f);

    for (uint32_t i = 0; i < CONTROL_CALLS_MAX; i++)
        request(f, fd, i, "wait", "");
    request(f, fd, 99, "echo", "one too many");
    struct control_frame frame = next_frame(fd);
    assert_int_equal(frame.msgid, 99);
    assert_true(bytes_equal(frame.code, bytes_of_text("full")));
    request(f, other, 1, "echo", "x");
    assert_int_equal(next_frame(other).msgid, 1);
    control_fail(f->last_waiting, ERR_TIMEOUT, NULL);
    turn(f);
    assert_int_equal(next_frame(fd).msgid, CONTROL_CALLS_MAX - 1);
    request(f, fd, 99, "echo", "in its place");
    assert_int_equal(next_frame(fd).msgid, 99);
    close(other);
    close(fd);
}

/* The one over the cap is served when another one leaves. */
static void turn_for(struct fixture *f, unsigned ms)
{
    for (unsigned i = 0; i < ms; i++) {
        turn(f);
        usleep(1000);
    }
}

/* The clients are all of this process: the longest idle one makes way, and is
 * told so. */
static void test_control_server_cap_clients(void **state)
{
    struct fixture *f = *state;
    int fds[CLIENTS_MAX + 1];
    struct control_frame last;

    for (int i = 0; i < CLIENTS_MAX; i++)
        fds[i] = dial(f);
    turn_for(f, 60);
    request(f, fds[0], 1, "echo", "x");
    assert_int_equal(next_frame(fds[0]).msgid, 1);
    fds[CLIENTS_MAX] = dial(f);
    request(f, fds[CLIENTS_MAX], 2, "echo", "x");
    assert_int_equal(next_frame(fds[CLIENTS_MAX]).msgid, 2);
    assert_int_equal(control_clients(f->server), CLIENTS_MAX);
    last = next_frame(fds[1]);
    assert_true(bytes_equal(last.code, bytes_of_text("full")));
    assert_true(is_closed(fds[1]));
    assert_int_equal(control_counters(f->server)->made_way, 1);
    for (int i = 0; i <= CLIENTS_MAX; i++)
        close(fds[i]);
}

/* Who has just come is left alone for as long as it takes to ask. */
static void test_control_server_cap_spares_newcomers(void **state)
{
    struct fixture *f = *state;
    int fds[CLIENTS_MAX + 1];

    for (int i = 0; i <= CLIENTS_MAX; i++)
        fds[i] = dial(f);
    assert_int_equal(control_clients(f->server), CLIENTS_MAX + 1);
    for (int i = 0; i <= CLIENTS_MAX; i++) {
        request(f, fds[i], 1, "echo", "x");
        turn_for(f, 1);
        assert_int_equal(next_frame(fds[i]).msgid, 1);
    }
    assert_true(control_clients(f->server) == CLIENTS_MAX);
    for (int i = 0; i <= CLIENTS_MAX; i++)
        close(fds[i]);
}

/* With all of them at work the next one waits: it has no less than they. */
static void test_control_server_cap_of_clients_at_work(void **state)
{
    struct fixture *f = *state;
    int fds[CLIENTS_MAX + 1];

    for (int i = 0; i < CLIENTS_MAX; i++) {
        fds[i] = dial(f);
        request(f, fds[i], 1, "wait", "x");
    }
    turn_for(f, 60);
    fds[CLIENTS_MAX] = dial(f);
    request(f, fds[CLIENTS_MAX], 2, "echo", "x");
    turn_for(f, 60);
    assert_int_equal(recv(fds[CLIENTS_MAX], &(char){0}, 1, MSG_DONTWAIT), -1);
    assert_int_equal(f->cancelled, 0);
    /* One of them is answered, and idle. */
    control_fail(f->last_waiting, ERR_CANCELLED, NULL);
    turn_for(f, 5);
    assert_int_equal(next_frame(fds[CLIENTS_MAX - 1]).msgid, 1);
    assert_int_equal(next_frame(fds[CLIENTS_MAX]).msgid, 2);
    assert_true(next_frame(fds[CLIENTS_MAX - 1]).code.len > 0);
    assert_true(is_closed(fds[CLIENTS_MAX - 1]));
    assert_int_equal(f->cancelled, 0);
    for (int i = 0; i <= CLIENTS_MAX; i++)
        close(fds[i]);
}

/* Clients of another process, which stays until `*end` is closed. With `work`
 * each asks for what is never answered. */
static pid_t crowd(struct fixture *f, int count, bool work, int *end)
{
    int ends[2];
    pid_t child;
    char c;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[1]);
        for (int i = 0; i < count; i++) {
            static const uint8_t wait[] = {0x94, 0,   1,   0xa4, 'w',
                                           'a',  'i', 't', 0x90};
            int fd;

            if (unix_connect(f->path, &fd, &f->why) != OK ||
                (work && send(fd, wait, sizeof(wait), 0) < 0))
                _exit(1);
        }
        _exit(read(ends[0], &c, 1) == 0 ? 0 : 1);
    }
    close(ends[0]);
    *end = ends[1];
    turn_for(f, 100);
    return child;
}

static void end_crowd(pid_t child, int end)
{
    int status;

    close(end);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* The honest one is idle for longest, and keeps its place; so it does when
 * one more process comes. */
static void test_control_server_who_has_most_makes_way(void **state)
{
    struct fixture *f = *state;
    int honest = dial(f), end, other_end;
    pid_t child = crowd(f, 3 * CLIENTS_MAX, false, &end), other;

    request(f, honest, 1, "echo", "x");
    assert_int_equal(next_frame(honest).msgid, 1);
    turn_for(f, 500);
    assert_true(control_counters(f->server)->made_way > CLIENTS_MAX);
    other = crowd(f, 1, false, &other_end);
    request(f, honest, 3, "echo", "x");
    assert_int_equal(next_frame(honest).msgid, 3);
    assert_int_equal(control_clients(f->server), CLIENTS_MAX);
    close(honest);
    end_crowd(other, other_end); /* it has the end of the first, too */
    end_crowd(child, end);
}

static void test_control_server_who_has_most_makes_way_at_work(void **state)
{
    struct fixture *f = *state;
    int end, honest;
    pid_t child = crowd(f, CLIENTS_MAX, true, &end);

    assert_int_equal(f->waiting, CLIENTS_MAX);
    honest = dial(f);
    request(f, honest, 1, "echo", "x");
    turn_for(f, 60);
    assert_int_equal(next_frame(honest).msgid, 1);
    assert_int_equal(f->cancelled, 1);
    close(honest);
    end_crowd(child, end);
}

static void test_control_server_bad_frames(void **state)
{
    struct fixture *f = *state;
    uint8_t endless[CONTROL_REQUEST_MAX + 1] = {0xc6, 0x00, 0xff, 0xff, 0xff};
    static const struct bytes rows[] = {
        {(const uint8_t *)"\xc1", 1},
        {(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18},
        {(const uint8_t *)"\x93\x02\xa1m\x90", 5}, /* a notification */
        {(const uint8_t *)"\x90", 1},
        {(const uint8_t *)"\x93\x00\xa1x\xa1m", 6}, /* msgid no number */
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int fd = dial(f);

        assert_int_equal(send(fd, rows[i].p, rows[i].len, 0), rows[i].len);
        turn(f);
        check_ends_with_reason(fd);
        turn(f);
        close(fd);
    }
    int fd = dial(f);
    assert_int_equal(send(fd, endless, sizeof(endless), 0), sizeof(endless));
    turn(f);
    check_ends_with_reason(fd);
    assert_int_equal(control_clients(f->server), 0);
    assert_int_equal(control_counters(f->server)->bad_frames, 6);
    close(fd);
}

/* A frame of a megabyte is there for clients only. */
static void test_control_server_without_clients_holds_no_frame(void **state)
{
    struct fixture *f = *state;
    size_t before = memory_in_use();
    int fd = dial(f);

    request(f, fd, 1, "echo", "x");
    assert_true(memory_in_use() > before + CONTROL_FRAME_MAX);
    close(fd);
    turn(f);
    assert_true(memory_in_use() < before + memory_jitter());
}

/* Whole, well-formed and a byte too long; and one that just fits. */
static void test_control_server_longest_request(void **state)
{
    struct fixture *f = *state;
    static const uint8_t text[CONTROL_REQUEST_MAX];
    uint8_t buf[CONTROL_REQUEST_MAX + 64];

    for (size_t more = 0; more < 2; more++) {
        size_t want = CONTROL_REQUEST_MAX + more;
        struct mp_writer w;
        int fd = dial(f);

        mp_writer_init(&w, buf, sizeof(buf));
        control_write_request(&w, 5, "wait");
        mp_write_bin(&w, bytes_of(text, want - w.len - 3));
        assert_int_equal(w.len, want);
        assert_int_equal(send(fd, buf, 100, 0), 100);
        turn(f);
        assert_int_equal(send(fd, buf + 100, want - 100, 0), want - 100);
        turn(f);
        if (more > 0)
            check_ends_with_reason(fd);
        assert_int_equal(f->waiting, 1);
        close(fd);
        turn(f);
    }
}

/* [0, 7, "echo"] without params is answered, and so is what comes after. */
static void test_control_server_misordered_request(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    struct control_frame frame;

    assert_int_equal(send(fd,
                          "\x93\x00\x07\xa4"
                          "echo",
                          8, 0),
                     8);
    turn(f);
    frame = next_frame(fd);
    assert_int_equal(frame.kind, CONTROL_RESPONSE);
    assert_int_equal(frame.msgid, 7);
    assert_true(bytes_is_text(frame.code, "syntax"));
    request(f, fd, 8, "echo", "x");
    assert_int_equal(next_frame(fd).msgid, 8);
    close(fd);
}

/* `printf ... | socat - UNIX:...`: it sends, says that this was all, reads. */
static void test_control_server_half_closed(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);

    request(f, fd, 1, "wait", "");
    request(f, fd, 2, "news", "x");
    shutdown(fd, SHUT_WR);
    turn(f);
    assert_int_equal(next_frame(fd).kind, CONTROL_NOTIFICATION);
    assert_int_equal(next_frame(fd).msgid, 2);
    assert_int_equal(f->cancelled, 0);
    assert_int_equal(control_clients(f->server), 1);
    control_fail(f->last_waiting, ERR_TIMEOUT, NULL);
    turn(f);
    assert_int_equal(next_frame(fd).msgid, 1);
    assert_true(is_closed(fd));
    assert_int_equal(control_clients(f->server), 0);
    close(fd);
}

static void test_control_server_says_that_it_stops(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);

    request(f, fd, 1, "wait", "");
    control_server_free(f->server);
    f->server = NULL;
    turn(f);
    check_ends_with_reason(fd);
    close(fd);
}

/* One that ends for what it sent and does not read why keeps no place. */
static void test_control_server_last_words_unread(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);

    for (uint32_t i = 0; i < 3; i++)
        request(f, fd, i, "big", "");
    assert_int_equal(send(fd, "\xc1", 1, 0), 1);
    turn(f);
    assert_int_equal(control_clients(f->server), 1);
    for (int i = 0; i < 15 && control_clients(f->server) == 1; i++) {
        sleep(1);
        turn(f);
    }
    assert_int_equal(control_clients(f->server), 0);
    close(fd);
}

/* One that asks and never reads is cut off; another one is served. */
static void test_control_server_slow_client(void **state)
{
    struct fixture *f = *state;
    int slow = dial(f), other = dial(f);

    for (uint32_t i = 0; i < 10 && control_clients(f->server) == 2; i++)
        request(f, slow, i, "big", "");
    assert_int_equal(control_counters(f->server)->slow_clients, 1);
    assert_int_equal(control_clients(f->server), 1);
    request(f, other, 1, "echo", "x");
    assert_int_equal(next_frame(other).msgid, 1);
    close(slow);
    close(other);
}

static void test_control_server_live_socket(void **state)
{
    struct fixture *f = *state;
    struct control_server *first = f->server;

    assert_int_equal(start(f), ERR_IN_USE);
    assert_non_null(strstr(text_get(&f->why), "another daemon"));
    assert_ptr_equal(f->server, first);
    assert_int_equal(access(f->path, F_OK), 0);
}

static void test_control_server_stale_socket(void **state)
{
    struct fixture *f = *state;
    struct unix_listener left;

    control_server_free(f->server);
    f->server = NULL;
    assert_int_not_equal(access(f->path, F_OK), 0);
    assert_int_equal(unix_listen(f->path, &left, &f->why), OK);
    close(left.fd); /* as a kill leaves it */
    assert_int_equal(access(f->path, F_OK), 0);
    assert_int_equal(start(f), OK);
    close(dial(f));
}

static void test_control_server_not_a_socket(void **state)
{
    struct fixture *f = *state;
    FILE *file;

    control_server_free(f->server);
    f->server = NULL;
    file = fopen(f->path, "w");
    fclose(file);
    assert_int_equal(start(f), ERR_IN_USE);
    assert_non_null(strstr(text_get(&f->why), "no socket"));
    assert_int_equal(access(f->path, F_OK), 0);
}

static void test_control_server_long_path(void **state)
{
    struct fixture *f = *state;
    char path[200];
    struct unix_listener l;

    memset(path, 'x', sizeof(path) - 1);
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(unix_listen(path, &l, &f->why), ERR_TOO_LARGE);
}

/* One client from its connection to its end while the Nth allocation fails,
 * ours or one of libevent's. Requests in two pieces, so that libevent has to
 * put them together. */
static bool survives(struct fixture *f, unsigned n)
{
    uint8_t buf[CONTROL_REQUEST_MAX];
    static const uint8_t text[6000];
    struct mp_writer w;
    int fd;
    bool failed;

    mp_writer_init(&w, buf, sizeof(buf));
    control_write_request(&w, 1, "echo");
    mp_write_bin(&w, bytes_of(text, sizeof(text)));
    assert_int_equal(unix_connect(f->path, &fd, &f->why), OK);
    fail_alloc_at(n);
    turn(f);
    for (size_t at = 0; at < w.len; at += 1500) {
        size_t len = w.len - at < 1500 ? w.len - at : 1500;

        if (send(fd, buf + at, len, MSG_NOSIGNAL) < 0)
            break;
        turn(f);
    }
    failed = fail_alloc_end();
    turn(f);
    close(fd);
    turn(f);
    assert_int_equal(control_clients(f->server), 0);
    return failed;
}

static void test_control_server_works_without_memory(void **state)
{
    struct fixture *f = *state;
    unsigned n = 1;
    int fd;

    while (survives(f, n))
        n++;
    assert_true(n > 10);
    fd = dial(f);
    request(f, fd, 1, "echo", "x");
    assert_int_equal(next_frame(fd).msgid, 1);
    close(fd);
}

/* ---- Random input ------------------------------------------------------ */

#define RANDOM_CLIENTS 3000

static void random_value(struct test_random *r, struct mp_writer *w,
                         unsigned depth);

static void random_container(struct test_random *r, struct mp_writer *w,
                             unsigned depth)
{
    bool map = test_random_below(r, 2) == 0;
    uint32_t n = test_random_below(r, 5);

    if (map)
        mp_write_map(w, n);
    else
        mp_write_array(w, n);
    for (uint32_t i = 0; i < (map ? 2 : 1) * n; i++)
        random_value(r, w, depth + 1);
}

static void random_value(struct test_random *r, struct mp_writer *w,
                         unsigned depth)
{
    static const char *const texts[] = {"", "echo", "none", "x"};

    switch (test_random_below(r, depth > 3 ? 5 : 7)) {
    case 0:
        mp_write_nil(w);
        break;
    case 1:
        mp_write_bool(w, true);
        break;
    case 2:
        mp_write_uint(w, test_random_next(r) >> test_random_below(r, 64));
        break;
    case 3:
        mp_write_int(w, -(int64_t)test_random_below(r, 99));
        break;
    case 4:
        mp_write_text(w, texts[test_random_below(r, COUNT_OF(texts))]);
        break;
    default:
        random_container(r, w, depth);
    }
}

/* A request in which each part is wrong now and then, so that it may be none.
 * True when it has a msgid, which gets into `msgid`: it must be answered. */
static bool random_request(struct test_random *r, struct mp_writer *w,
                           uint32_t *msgid)
{
    bool kind_ok = test_random_below(r, 9) != 0;
    bool id_ok = test_random_below(r, 9) != 0;
    uint32_t more = test_random_below(r, 4) == 0 ? test_random_below(r, 4) : 2;

    *msgid = test_random_below(r, 3); /* ids are repeated */
    mp_write_array(w, 2 + more);
    mp_write_uint(w, kind_ok ? CONTROL_REQUEST : 1 + test_random_below(r, 9));
    if (id_ok)
        mp_write_uint(w, *msgid);
    else
        mp_write_text(w, "no id");
    for (uint32_t i = 0; i < more; i++) {
        if (i == 0 && test_random_below(r, 4) != 0)
            mp_write_text(w, "echo");
        else
            random_value(r, w, 0);
    }
    return id_ok;
}

/* Several requests in one go, the last cut off somewhere now and then: those
 * before the first that has no msgid are answered, in order; that one ends the
 * connection with a reason. */
static void random_client(struct fixture *f, struct test_random *r)
{
    uint8_t buf[4096];
    uint32_t msgid, answers[8];
    unsigned count = 1 + test_random_below(r, 6), due = 0;
    struct mp_writer w;
    bool ends = false, cut = test_random_below(r, 4) == 0;
    int fd = dial(f);

    mp_writer_init(&w, buf, sizeof(buf));
    for (unsigned i = 0; i < count; i++) {
        size_t before = w.len;
        bool ok = random_request(r, &w, &msgid);

        assert_int_equal(w.err, OK);
        if (cut && i == count - 1)
            w.len = before + test_random_below(r, (uint32_t)(w.len - before));
        else if (ok && !ends)
            answers[due++] = msgid;
        else
            ends = true;
    }
    assert_int_equal(send(fd, buf, w.len, MSG_NOSIGNAL), w.len);
    turn(f);
    for (unsigned i = 0; i < due; i++) {
        struct control_frame frame = next_frame(fd);

        assert_int_equal(frame.kind, CONTROL_RESPONSE);
        assert_int_equal(frame.msgid, answers[i]);
    }
    if (ends)
        check_ends_with_reason(fd);
    close(fd);
    turn(f);
    assert_int_equal(control_clients(f->server), 0);
}

static void test_control_server_random_input(void **state)
{
    struct fixture *f = *state;
    struct test_random r = test_seed(20261127);

    for (unsigned i = 0; i < RANDOM_CLIENTS; i++)
        random_client(f, &r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_control_server_answers),
        TEST(test_control_server_mode),
        TEST(test_control_server_cancels),
        TEST(test_control_server_cap_calls),
        TEST(test_control_server_cap_clients),
        TEST(test_control_server_cap_spares_newcomers),
        TEST(test_control_server_cap_of_clients_at_work),
        TEST(test_control_server_who_has_most_makes_way),
        TEST(test_control_server_who_has_most_makes_way_at_work),
        TEST(test_control_server_bad_frames),
        TEST(test_control_server_without_clients_holds_no_frame),
        TEST(test_control_server_longest_request),
        TEST(test_control_server_misordered_request),
        TEST(test_control_server_half_closed),
        TEST(test_control_server_says_that_it_stops),
        TEST(test_control_server_last_words_unread),
        TEST(test_control_server_works_without_memory),
        TEST(test_control_server_random_input),
        TEST(test_control_server_slow_client),
        TEST(test_control_server_live_socket),
        TEST(test_control_server_stale_socket),
        TEST(test_control_server_not_a_socket),
        TEST(test_control_server_long_path),
    };

    /* libevent's allocations fail too when one is to fail */
    event_set_mem_functions(malloc, realloc, free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
