/* SPDX-License-Identifier: MIT
 *
 * Frames that are no requests, and calls that go on: found, cancelled, and told
 * whether their client reads.
 */
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "control_fixture.h"

/* Frames that are no requests are answered by the number that they have. */
static void test_control_calls_no_requests(void **state)
{
    static const struct bytes rows[] = {
        {(const uint8_t *)"\x94\x01\x07\xc0\xc0", 5}, /* a response */
        {(const uint8_t *)"\x93\x02\x07\x90", 4},     /* a notification? */
        {(const uint8_t *)"\x94\x07\x07\xa1m\x90", 6},
    };
    struct fixture *f = *state;
    int fd = dial(f);

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct control_frame frame;

        assert_int_equal(send(fd, rows[i].p, rows[i].len, 0), rows[i].len);
        turn(f);
        frame = next_frame(fd);
        assert_int_equal(frame.kind, CONTROL_RESPONSE);
        assert_int_equal(frame.msgid, 7);
        assert_true(bytes_is_text(frame.code, "syntax"));
        assert_true(frame.text.len > 0);
    }
    request(f, fd, 8, "echo", "x");
    assert_int_equal(next_frame(fd).msgid, 8);
    close(fd);
}

/* Who closes its half within a frame has its answers, and hears of the rest. */
static void test_control_calls_half_a_frame(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    struct control_frame last;

    request(f, fd, 1, "wait", "");
    assert_int_equal(send(fd, "\x94\x00\x07", 3, 0), 3);
    shutdown(fd, SHUT_WR);
    turn(f);
    control_fail(f->last_waiting, ERR_TIMEOUT, NULL);
    turn(f);
    assert_int_equal(next_frame(fd).msgid, 1);
    last = next_frame(fd);
    assert_true(bytes_is_text(last.method, CONTROL_CLOSED));
    assert_true(bytes_is_text(last.code, "missing"));
    assert_true(is_closed(fd));
    close(fd);
}

/* ---- Calls that go on --------------------------------------------------- */

static void test_control_calls_finds_and_cancels(void **state)
{
    struct fixture *f = *state;
    int a = dial(f), b = dial(f);
    struct control_call *first, *found = NULL;

    request(f, b, 4, "wait", "");
    request(f, a, 4, "wait", "");
    first = f->last_waiting;
    request(f, a, 5, "wait", "");
    assert_int_equal(control_find(f->last_waiting, 4, &found), OK);
    assert_ptr_equal(found, first);
    assert_true(control_same_client(first, f->last_waiting));
    assert_int_equal(control_find(f->last_waiting, 5, &found), ERR_NOT_FOUND);
    assert_ptr_equal(control_held(first, on_cancel), f);
    assert_int_equal(control_msgid(first), 4);
    request(f, a, 4, "wait", "");
    assert_false(control_held(f->last_waiting, on_cancel) == NULL);
    request(f, a, 6, "wait", "");
    assert_int_equal(control_find(f->last_waiting, 4, &found), ERR_IN_USE);
    assert_true(control_cancel(first));
    turn(f);
    assert_int_equal(f->cancelled, 1);
    struct control_frame frame = next_frame(a);
    assert_int_equal(frame.msgid, 4);
    assert_true(bytes_is_text(frame.code, "cancelled"));
    close(a);
    close(b);
    turn(f);
    assert_int_equal(f->cancelled, f->waiting);
}

static void on_room(void *arg)
{
    struct fixture *f = arg;

    f->rooms++;
}

static void tell_much(struct control_call *call)
{
    static const uint8_t zeros[32 * 1024];

    mp_write_bin(control_notify(call, "much"), bytes_of(zeros, sizeof(zeros)));
    control_notified(call);
}

/* Takes all that is there. */
static void drain(struct fixture *f, int fd)
{
    static uint8_t buf[65536];

    while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) > 0)
        turn(f);
}

static void test_control_calls_room(void **state)
{
    struct fixture *f = *state;
    int slow = dial(f), quick = dial(f);
    struct control_call *call;
    unsigned told = 0;

    request(f, slow, 1, "wait", "");
    call = f->last_waiting;
    control_on_room(call, on_room, f);
    assert_int_equal(f->rooms, 0); /* out of the loop */
    turn(f);
    assert_int_equal(f->rooms, 1);
    for (; control_has_room(call); told++) {
        assert_true(told < 1000);
        tell_much(call);
        turn(f);
    }
    control_on_room(call, on_room, f);
    turn(f);
    assert_int_equal(f->rooms, 1);
    assert_true(control_takes_news(call));
    while (control_takes_news(call))
        tell_much(call);
    control_lost(call);
    assert_int_equal(control_counters(f->server)->lost, 1);
    request(f, quick, 2, "echo", "x");
    assert_int_equal(next_frame(quick).msgid, 2);
    drain(f, slow);
    assert_int_equal(f->rooms, 2);
    assert_true(control_has_room(call));
    control_on_room(call, on_room, f);
    close(slow); /* nobody is called who is gone */
    turn(f);
    assert_int_equal(f->cancelled, 1);
    close(quick);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_control_calls_no_requests),
        TEST(test_control_calls_half_a_frame),
        TEST(test_control_calls_finds_and_cancels),
        TEST(test_control_calls_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
