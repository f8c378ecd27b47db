/* SPDX-License-Identifier: MIT */
#include "node/control/control_server.h"
#include "node/os/unix_socket.h"
#include "testing.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENTS_MAX 3
#define TOKENS      1024

/* A server whose method "echo" answers with its params, "wait" never answers,
 * "news" sends one notification and answers, "big" answers with 900 KB. */
struct fixture {
    char dir[32];
    char path[64];
    struct event_base *base;
    struct control_server *server;
    struct text why;
    unsigned waiting, cancelled;
};

static void on_cancel(void *arg)
{
    struct fixture *f = arg;

    f->cancelled++;
}

static void answer_big(struct control_call *call)
{
    static const uint8_t zeros[900 * 1024];

    mp_write_bin(control_reply(call), bytes_of(zeros, sizeof(zeros)));
    control_finish(call);
}

static void answer_echo(struct control_call *call, struct mp_reader *params)
{
    struct mp_writer *w = control_reply(call);

    mp_write_bin(w, mp_read_bytes(params, 0, SIZE_MAX));
    control_finish(call);
}

static void on_call(void *arg, struct control_call *call, struct bytes method,
                    struct mp_reader *params)
{
    struct fixture *f = arg;

    if (bytes_equal(method, bytes_of_text("echo"))) {
        answer_echo(call, params);
    } else if (bytes_equal(method, bytes_of_text("big"))) {
        answer_big(call);
    } else if (bytes_equal(method, bytes_of_text("wait"))) {
        f->waiting++;
        control_on_cancel(call, on_cancel, f);
    } else if (bytes_equal(method, bytes_of_text("news"))) {
        mp_write_nil(control_notify(call, "step"));
        control_notified(call);
        answer_echo(call, params);
    } else {
        control_fail(call, ERR_UNSUPPORTED, NULL);
    }
}

static enum error start(struct fixture *f)
{
    struct control_handler handler = {.arg = f, .call = on_call};

    return control_server_new(f->base, f->path, CLIENTS_MAX, &handler, NULL,
                              &f->server, &f->why);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    strcpy(f->dir, "/tmp/warren-test-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/s", f->dir);
    f->base = event_base_new();
    text_init(&f->why, 1024);
    assert_int_equal(start(f), OK);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    control_server_free(f->server);
    event_base_free(f->base);
    text_deinit(&f->why);
    unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    free(f);
    return 0;
}

static void turn(struct fixture *f)
{
    for (int i = 0; i < 20; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static int dial(struct fixture *f)
{
    int fd;

    assert_int_equal(unix_connect(f->path, &fd, &f->why), OK);
    turn(f);
    return fd;
}

static void request(struct fixture *f, int fd, uint32_t msgid,
                    const char *method, const char *text)
{
    uint8_t buf[4096];
    struct mp_writer w;

    mp_writer_init(&w, buf, sizeof(buf));
    control_write_request(&w, msgid, method);
    mp_write_text(&w, text);
    assert_int_equal(send(fd, buf, w.len, MSG_NOSIGNAL), w.len);
    turn(f);
}

/* Reads the next frame, a byte at a time so that nothing is read ahead. */
static struct control_frame next_frame(int fd)
{
    static uint8_t buf[8192];
    static struct mp_token tokens[TOKENS];
    struct control_frame out;
    size_t len = 0, used;

    for (;;) {
        struct mp_tape tape = {.tokens = tokens, .cap = TOKENS};

        assert_int_equal(recv(fd, buf + len, 1, MSG_DONTWAIT), 1);
        len++;
        if (control_frame_read(&tape, bytes_of(buf, len), &used, &out) == OK)
            return out;
    }
}

static bool is_closed(int fd)
{
    uint8_t b;

    return recv(fd, &b, 1, MSG_DONTWAIT) == 0;
}

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
    int fd = dial(f);

    for (uint32_t i = 0; i < CONTROL_CALLS_MAX; i++)
        request(f, fd, i, "wait", "");
    request(f, fd, 99, "echo", "one too many");
    struct control_frame frame = next_frame(fd);
    assert_int_equal(frame.msgid, 99);
    assert_true(bytes_equal(frame.code, bytes_of_text("full")));
    close(fd);
}

/* The one over the cap is served when another one leaves. */
static void test_control_server_cap_clients(void **state)
{
    struct fixture *f = *state;
    int fds[CLIENTS_MAX + 1];

    for (int i = 0; i <= CLIENTS_MAX; i++)
        fds[i] = dial(f);
    assert_int_equal(control_clients(f->server), CLIENTS_MAX);
    request(f, fds[CLIENTS_MAX], 1, "echo", "x");
    close(fds[0]);
    turn(f);
    assert_int_equal(next_frame(fds[CLIENTS_MAX]).msgid, 1);
    for (int i = 1; i <= CLIENTS_MAX; i++)
        close(fds[i]);
}

static void test_control_server_bad_frames(void **state)
{
    struct fixture *f = *state;
    uint8_t endless[CONTROL_REQUEST_MAX + 1] = {0xc6, 0x00, 0xff, 0xff, 0xff};
    static const struct bytes rows[] = {
        {(const uint8_t *)"\xc1", 1},
        {(const uint8_t *)"GET / HTTP/1.1\r\n\r\n", 18},
        {(const uint8_t *)"\x94\x01\x01\xc0\xc0", 5}, /* a response */
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        int fd = dial(f);

        assert_int_equal(send(fd, rows[i].p, rows[i].len, 0), rows[i].len);
        turn(f);
        assert_true(is_closed(fd));
        close(fd);
    }
    int fd = dial(f);
    assert_int_equal(send(fd, endless, sizeof(endless), 0), sizeof(endless));
    turn(f);
    assert_int_equal(control_clients(f->server), 0);
    assert_int_equal(control_counters(f->server)->bad_frames, 4);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_control_server_answers),
        TEST(test_control_server_mode),
        TEST(test_control_server_cancels),
        TEST(test_control_server_cap_calls),
        TEST(test_control_server_cap_clients),
        TEST(test_control_server_bad_frames),
        TEST(test_control_server_slow_client),
        TEST(test_control_server_live_socket),
        TEST(test_control_server_stale_socket),
        TEST(test_control_server_not_a_socket),
        TEST(test_control_server_long_path),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
