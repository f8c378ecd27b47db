/* SPDX-License-Identifier: MIT
 *
 * The sockets under a kernel that the test can make fail, and whose calls it
 * counts.
 */
#include "node/net/udp.h"

#include "base/timestamp.h"
#include "node/net/udp_queue.h"
#include "testing.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct event_base *base;

/* What the kernel does, and was asked for. */
static struct {
    unsigned clock_calls;
} kernel;

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    kernel.clock_calls++;
    return __real_clock_gettime(clock, out);
}

/* ---- One side ----------------------------------------------------------- */

struct side {
    struct udp *udp;
    unsigned received, batches;
    uint64_t now, last;
};

static void on_receive(void *arg, const struct endpoint *from,
                       uint8_t *datagram, size_t len, unsigned socket)
{
    struct side *side = arg;

    (void)from, (void)datagram, (void)len, (void)socket;
    assert_int_not_equal(side->now, 0);
    side->received++;
}

static void on_batch_end(void *arg)
{
    struct side *side = arg;

    side->batches++;
    side->now = 0;
}

static void on_batch_begin(void *arg, uint64_t now)
{
    struct side *side = arg;

    assert_true(now >= side->last);
    side->now = side->last = now;
}

static struct endpoint open_side(struct side *side, const char *at)
{
    static const struct udp_config config = {.receive_buffer = 1 << 20};
    struct udp_handlers handlers = {side, on_receive, on_batch_end,
                                    on_batch_begin};
    struct endpoint local;
    struct text why;

    memset(side, 0, sizeof(*side));
    text_init(&why, 256);
    assert_int_equal(endpoint_parse(at, &local), OK);
    side->udp = udp_new(base, &config, &handlers, NULL);
    assert_non_null(side->udp);
    assert_int_equal(udp_listen(side->udp, &local, &why), OK);
    text_deinit(&why);
    return udp_local(side->udp, 0);
}

static void run_until(const struct side *side, unsigned n)
{
    for (int i = 0; i < 500 && side->received < n; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        if (side->received < n)
            usleep(1000);
    }
    assert_int_equal(side->received, n);
}

static int setup(void **state)
{
    (void)state;
    memset(&kernel, 0, sizeof(kernel));
    base = event_base_new();
    return base == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    event_base_free(base);
    return 0;
}

/* ---- Reading ------------------------------------------------------------ */

static void test_udp_reads_the_clock_once_a_batch(void **state)
{
    struct side a, b;
    struct endpoint to;

    (void)state;
    open_side(&a, "127.0.0.1:0");
    to = open_side(&b, "127.0.0.1:0");
    for (unsigned i = 0; i < UDP_QUEUE; i++)
        assert_int_equal(udp_send(a.udp, &to, TEST_BYTES("x")), OK);
    udp_flush(a.udp);
    kernel.clock_calls = 0;
    run_until(&b, UDP_QUEUE);
    assert_int_equal(kernel.clock_calls, b.batches);
    assert_true(b.batches <= UDP_QUEUE / UDP_BATCH);
    udp_free(a.udp);
    udp_free(b.udp);
}

/* ---- Sending ------------------------------------------------------------ */

static void test_udp_queue_leaves_nothing_undefined(void **state)
{
    struct udp_queue q;
    struct endpoint to = {.addr = {127, 0, 0, 1}, .port = 9};

    (void)state;
    assert_int_equal(udp_queue_init(&q, true), OK);
    memset(q.slots, 0xff, UDP_QUEUE * sizeof(*q.slots));
    udp_queue_add(&q, &to, TEST_BYTES("x"), false);
    assert_true(q.slots[0].next < UDP_QUEUE);
    udp_queue_deinit(&q);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_udp_reads_the_clock_once_a_batch),
        TEST(test_udp_queue_leaves_nothing_undefined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
