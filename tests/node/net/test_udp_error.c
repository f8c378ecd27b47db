/* SPDX-License-Identifier: MIT
 *
 * What the network says of what was sent, by a real kernel: on loopback its
 * answer about a port where nobody is comes within the call that sends.
 */
#include "node/net/udp_error.h"

#include "base/timestamp.h"
#include "node/net/udp.h"
#include "testing.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

struct side {
    struct udp *udp;
    struct endpoint at;
    unsigned received, gone, refused;
    struct endpoint last_gone;
};

static struct event_base *base;

static void on_receive(void *arg, const struct endpoint *from,
                       uint8_t *datagram, size_t len, unsigned socket)
{
    struct side *side = arg;

    (void)from, (void)datagram, (void)len, (void)socket;
    side->received++;
}

static void on_refused(void *arg, const struct endpoint *to, enum error why)
{
    struct side *side = arg;

    (void)to, (void)why;
    side->refused++;
}

static void on_gone(void *arg, const struct endpoint *to)
{
    struct side *side = arg;

    side->gone++;
    side->last_gone = *to;
}

static struct side *side_new(const char *at, bool asks)
{
    static const struct udp_config config = {.receive_buffer = 1 << 20};
    struct side *side = calloc(1, sizeof(*side));
    struct udp_handlers handlers = {.arg = side,
                                    .receive = on_receive,
                                    .refused = on_refused,
                                    .gone = asks ? on_gone : NULL};
    struct endpoint local;
    struct text why;

    assert_non_null(side);
    text_init(&why, 256);
    assert_int_equal(endpoint_parse(at, &local), OK);
    side->udp = udp_new(base, &config, &handlers, NULL);
    assert_non_null(side->udp);
    assert_int_equal(udp_listen(side->udp, &local, &why), OK);
    text_deinit(&why);
    side->at = udp_local(side->udp, 0);
    return side;
}

static void side_free(struct side *side)
{
    udp_free(side->udp);
    free(side);
}

/* Where somebody was until now. */
static struct endpoint nobody(const char *at)
{
    struct side *side = side_new(at, false);
    struct endpoint ep = side->at;

    side_free(side);
    return ep;
}

static void turn(void)
{
    for (int i = 0; i < 10; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void wait_for(const unsigned *what, unsigned n)
{
    for (int i = 0; i < 3000 && *what < n; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        if (*what < n)
            usleep(1000);
    }
    assert_true(*what >= n);
}

static void send_to(struct side *side, const struct endpoint *to)
{
    assert_int_equal(
        udp_send(side->udp, to, TEST_BYTES("0123456789012345678901234567")),
        OK);
}

static void assert_no_trouble(const struct side *side)
{
    for (int why = 0; why < UDP_DROPS; why++)
        assert_int_equal(udp_counters(side->udp)->dropped[why], 0);
    assert_int_equal(udp_counters(side->udp)->trains_refused, 0);
    assert_int_equal(udp_traffic(side->udp, side->at.family)->refused, 0);
    assert_int_equal(side->refused, 0);
}

static int setup(void **state)
{
    (void)state;
    base = event_base_new();
    return base == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    event_base_free(base);
    return 0;
}

static void hears_of(const char *at)
{
    struct side *a = side_new(at, true);
    struct endpoint to = nobody(at);

    send_to(a, &to);
    udp_flush(a->udp);
    assert_int_equal(a->gone, 0); /* in the loop alone */
    wait_for(&a->gone, 1);
    turn();
    assert_int_equal(a->gone, 1);
    assert_true(endpoint_equal(&a->last_gone, &to));
    assert_int_equal(udp_counters(a->udp)->gone, 1);
    assert_no_trouble(a);
    side_free(a);
}

static void test_udp_error_tells_who_is_gone(void **state)
{
    (void)state;
    hears_of("127.0.0.1:0");
    hears_of("[::1]:0");
}

static void test_udp_error_is_not_asked_for_in_vain(void **state)
{
    struct side *a = side_new("127.0.0.1:0", false);
    struct endpoint to = nobody("127.0.0.1:0");

    (void)state;
    for (int i = 0; i < 20; i++) {
        send_to(a, &to);
        udp_flush(a->udp);
    }
    turn();
    assert_int_equal(udp_counters(a->udp)->network_errors, 0);
    assert_no_trouble(a);
    side_free(a);
}

/* Each that goes nowhere has the next call fail: in trains, alone, and while
 * others send to us. */
static void test_udp_error_costs_no_other_datagram(void **state)
{
    struct side *a = side_new("127.0.0.1:0", true);
    struct side *b = side_new("127.0.0.1:0", true);
    struct endpoint dead[4];
    unsigned sent = 0;

    (void)state;
    for (int i = 0; i < 4; i++)
        dead[i] = nobody("127.0.0.1:0");
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 12; i++) {
            send_to(a, &dead[i % 4]);
            if (round % 2 == 0) /* the next call fails */
                udp_flush(a->udp);
            send_to(a, &b->at);
            send_to(b, &a->at);
            sent++;
            if (round % 2 == 0)
                udp_flush(a->udp);
        }
        udp_flush(a->udp);
        udp_flush(b->udp);
        wait_for(&b->received, sent);
        wait_for(&a->received, sent);
    }
    turn();
    assert_true(a->gone >= 4);
    assert_int_equal(b->gone, 0);
    assert_int_equal(udp_counters(a->udp)->sent, 2 * sent);
    assert_no_trouble(a);
    assert_no_trouble(b);
    side_free(a);
    side_free(b);
}

/* Of a flood a bounded number is read. Meanwhile datagrams come and go, and
 * some time later it is listened to again. */
static void test_udp_error_flood_is_not_listened_to(void **state)
{
    struct side *a = side_new("127.0.0.1:0", true);
    struct side *b = side_new("127.0.0.1:0", true);
    struct endpoint to = nobody("127.0.0.1:0");
    unsigned told;

    (void)state;
    for (unsigned i = 1; i <= 4 * UDP_ERROR_RATE; i++) {
        send_to(a, &to);
        send_to(a, &b->at);
        udp_flush(a->udp);
        wait_for(&b->received, i);
    }
    turn();
    assert_true(udp_counters(a->udp)->network_errors <= 2 * UDP_ERROR_RATE);
    assert_true(udp_counters(a->udp)->errors_paused >= 1);
    assert_no_trouble(a);
    told = a->gone;
    for (int i = 0; i < 300 && a->gone == told; i++) {
        send_to(a, &to);
        udp_flush(a->udp);
        turn();
        usleep(10000);
    }
    assert_true(a->gone > told);
    assert_no_trouble(a);
    side_free(a);
    side_free(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_udp_error_tells_who_is_gone),
        TEST(test_udp_error_is_not_asked_for_in_vain),
        TEST(test_udp_error_costs_no_other_datagram),
        TEST(test_udp_error_flood_is_not_listened_to),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
