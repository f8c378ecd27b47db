/* SPDX-License-Identifier: MIT
 *
 * A control server with a few methods, and clients of it, for the tests of
 * control_server.h. cmocka.h comes before.
 */
#ifndef WARREN_TESTS_NODE_CONTROL_CONTROL_FIXTURE_H
#define WARREN_TESTS_NODE_CONTROL_CONTROL_FIXTURE_H

#include "node/control/control_server.h"
#include "node/os/unix_socket.h"

#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

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
    struct control_call *last_waiting;
    unsigned rooms;
};

static inline void on_cancel(void *arg)
{
    struct fixture *f = arg;

    f->cancelled++;
}

static inline void answer_big(struct control_call *call)
{
    static const uint8_t zeros[900 * 1024];

    mp_write_bin(control_reply(call), bytes_of(zeros, sizeof(zeros)));
    control_finish(call);
}

static inline void answer_echo(struct control_call *call,
                               struct mp_reader *params)
{
    struct mp_writer *w = control_reply(call);

    mp_write_bin(w, mp_read_bytes(params, 0, SIZE_MAX));
    control_finish(call);
}

static inline void on_call(void *arg, struct control_call *call,
                           struct bytes method, struct mp_reader *params)
{
    struct fixture *f = arg;

    if (bytes_equal(method, bytes_of_text("echo"))) {
        answer_echo(call, params);
    } else if (bytes_equal(method, bytes_of_text("big"))) {
        answer_big(call);
    } else if (bytes_equal(method, bytes_of_text("wait"))) {
        f->waiting++;
        f->last_waiting = call;
        control_on_cancel(call, on_cancel, f);
    } else if (bytes_equal(method, bytes_of_text("news"))) {
        mp_write_nil(control_notify(call, "step"));
        control_notified(call);
        answer_echo(call, params);
    } else {
        control_fail(call, ERR_UNSUPPORTED, NULL);
    }
}

static inline enum error start(struct fixture *f)
{
    struct control_handler handler = {.arg = f, .call = on_call};

    return control_server_new(f->base, f->path, CLIENTS_MAX, &handler, NULL,
                              &f->server, &f->why);
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
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

static inline void turn(struct fixture *f)
{
    for (int i = 0; i < 20; i++)
        event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static inline int dial(struct fixture *f)
{
    int fd;

    assert_int_equal(unix_connect(f->path, &fd, &f->why), OK);
    turn(f);
    return fd;
}

static inline void request(struct fixture *f, int fd, uint32_t msgid,
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
static inline struct control_frame next_frame(int fd)
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

static inline bool is_closed(int fd)
{
    uint8_t b;
    ssize_t n = recv(fd, &b, 1, MSG_DONTWAIT);

    return n == 0 || (n < 0 && errno == ECONNRESET);
}

/* The last frame says why, and then the connection ends. */
static inline void check_ends_with_reason(int fd)
{
    struct control_frame f = next_frame(fd);

    assert_int_equal(f.kind, CONTROL_NOTIFICATION);
    assert_true(bytes_is_text(f.method, CONTROL_CLOSED));
    assert_true(f.text.len > 0);
    assert_true(is_closed(fd));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
