/* SPDX-License-Identifier: MIT
 *
 * A splice of one end of a socket pair and a stream that takes as much as the
 * test says.
 */
#include "node/os/clock.h"
#include "node/splice/splice.h"
#include "tunnel/link/reason.h"

#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BYTES 100000

static struct {
    struct event_base *base;
    const struct stream_handler *handler;
    void *arg;
    int program; /* the other end of the socket */
    size_t room;
    uint8_t got[2 * BYTES];
    size_t got_len;
    bool wants_room, finished, reset;
    unsigned over;
    enum error why;
} w;

static struct stream *const stream = (struct stream *)(void *)&w;

size_t __wrap_stream_write(struct stream *st, struct bytes data, uint64_t now);
size_t __wrap_stream_room(const struct stream *st);
void __wrap_stream_want_room(struct stream *st);
void __wrap_stream_finish(struct stream *st, uint64_t now);
void __wrap_stream_reset(struct stream *st, uint32_t code, uint64_t now);
void __wrap_stream_resume(struct stream *st, uint64_t now);
void __wrap_stream_hand_over(struct stream *st,
                             const struct stream_handler *handler, void *arg);

size_t __wrap_stream_write(struct stream *st, struct bytes data, uint64_t now)
{
    size_t n = data.len < w.room ? data.len : w.room;

    (void)now;
    assert_ptr_equal(st, stream);
    assert_false(w.finished || w.reset);
    memcpy(w.got + w.got_len, data.p, n);
    w.got_len += n;
    w.room -= n;
    w.wants_room |= n < data.len;
    return n;
}

size_t __wrap_stream_room(const struct stream *st)
{
    (void)st;
    return w.room;
}

void __wrap_stream_want_room(struct stream *st)
{
    (void)st;
    w.wants_room = true;
}

void __wrap_stream_finish(struct stream *st, uint64_t now)
{
    (void)st, (void)now;
    w.finished = true;
}

void __wrap_stream_reset(struct stream *st, uint32_t code, uint64_t now)
{
    (void)st, (void)code, (void)now;
    w.reset = true;
}

void __wrap_stream_resume(struct stream *st, uint64_t now)
{
    (void)st, (void)now;
}

void __wrap_stream_hand_over(struct stream *st,
                             const struct stream_handler *handler, void *arg)
{
    (void)st;
    w.handler = handler;
    w.arg = arg;
}

static void on_over(void *arg, enum error why)
{
    (void)arg;
    w.over++;
    w.why = why;
}

static struct splice *start(struct bytes first, size_t room)
{
    struct splice_env env;
    struct splice *s;
    int pair[2];

    memset(&w, 0, sizeof(w));
    w.base = event_base_new();
    w.room = room;
    env = (struct splice_env){.base = w.base};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair),
                     0);
    w.program = pair[1];
    assert_int_equal(splice_new(&env, pair[0], stream, first, on_over, NULL,
                                clock_now(), &s),
                     OK);
    return s;
}

static void turn(void)
{
    event_base_loop(w.base, EVLOOP_NONBLOCK);
}

static void give_room(size_t room)
{
    assert_true(w.wants_room);
    w.wants_room = false;
    w.room += room;
    w.handler->writable(w.arg, stream, clock_now());
    turn();
}

static void stop(void)
{
    close(w.program);
    event_base_free(w.base);
}

/* What the socket has said before goes first, however slowly it is taken. */
static void test_splice_first_bytes_come_first(void **state)
{
    static uint8_t first[BYTES], more[1000];
    struct splice *s;

    (void)state;
    for (size_t i = 0; i < sizeof(first); i++)
        first[i] = (uint8_t)(i * 7);
    memset(more, 0xee, sizeof(more));
    s = start(bytes_of(first, sizeof(first)), 10);
    assert_int_equal(w.got_len, 10);
    assert_int_equal(write(w.program, more, sizeof(more)), sizeof(more));
    shutdown(w.program, SHUT_WR);
    turn();
    assert_int_equal(w.got_len, 10);
    while (w.got_len < sizeof(first) + sizeof(more))
        give_room(999);
    w.room = 1; /* for the end of it */
    turn();
    if (w.wants_room)
        give_room(1);
    assert_int_equal(w.got_len, sizeof(first) + sizeof(more));
    assert_memory_equal(w.got, first, sizeof(first));
    assert_memory_equal(w.got + sizeof(first), more, sizeof(more));
    assert_true(w.finished);
    assert_false(w.reset);
    splice_free(s, REASON_REQUESTED, clock_now());
    assert_int_equal(w.over, 0);
    stop();
}

static void test_splice_reads_as_the_stream_takes(void **state)
{
    static uint8_t bytes[5000];
    struct splice *s;

    (void)state;
    memset(bytes, 0x11, sizeof(bytes));
    s = start(bytes_of(NULL, 0), 1000);
    assert_int_equal(write(w.program, bytes, sizeof(bytes)), sizeof(bytes));
    turn();
    assert_int_equal(w.got_len, 1000);
    give_room(4000);
    assert_int_equal(w.got_len, 5000);
    splice_free(s, REASON_REQUESTED, clock_now());
    assert_true(w.reset);
    stop();
}

static void test_splice_ends_well_both_ways(void **state)
{
    char read_back[8] = {0};

    (void)state;
    start(bytes_of_text("x"), 100);
    assert_int_equal(
        w.handler->data(w.arg, stream, bytes_of_text("hello"), true, 0), 5);
    assert_int_equal(read(w.program, read_back, sizeof(read_back)), 5);
    assert_string_equal(read_back, "hello");
    assert_int_equal(read(w.program, read_back, sizeof(read_back)), 0);
    shutdown(w.program, SHUT_WR);
    turn();
    assert_true(w.finished);
    w.handler->closed(w.arg, stream, clock_now());
    assert_int_equal(w.over, 1);
    assert_int_equal(w.why, OK);
    stop();
}

static void test_splice_reset_is_no_good_end(void **state)
{
    (void)state;
    start(bytes_of_text("x"), 0);
    w.handler->reset(w.arg, stream, false, REASON_LINK_LOST, clock_now());
    assert_true(w.reset);
    w.handler->closed(w.arg, stream, clock_now());
    assert_int_equal(w.over, 1);
    assert_int_equal(w.why, ERR_CANCELLED);
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splice_first_bytes_come_first),
        cmocka_unit_test(test_splice_reads_as_the_stream_takes),
        cmocka_unit_test(test_splice_ends_well_both_ways),
        cmocka_unit_test(test_splice_reset_is_no_good_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
