/* SPDX-License-Identifier: MIT
 *
 * The sockets under a kernel that the test can make fail, and whose calls it
 * counts.
 */
#include "node/net/udp.h"

#include "base/timestamp.h"
#include "node/net/udp_local.h"
#include "node/net/udp_queue.h"
#include "testing.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct event_base *base;
static struct log *log_of_all;

/* What the kernel does, and was asked for. */
static struct {
    unsigned clock_calls;
    int refuses;               /* errno of all that is sent */
    unsigned refusals;         /* how many more calls; 0: all */
    uint16_t full_to;          /* port to which nothing leaves: ENOBUFS */
    int refuses_trains;        /* of trains alone */
    unsigned failing_receives; /* how many more will fail with */
    int receive_error;
} kernel;

int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int __wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
    kernel.clock_calls++;
    return __real_clock_gettime(clock, out);
}

int __real_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags);
int __real_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
                    struct timespec *timeout);
int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
                    struct timespec *timeout);

static bool is_train(const struct mmsghdr *m)
{
    size_t len = 0;

    for (size_t i = 0; i < m->msg_hdr.msg_iovlen; i++)
        len += m->msg_hdr.msg_iov[i].iov_len;
    return len > 100; /* here datagrams alone are shorter */
}

static uint16_t port_of(const struct mmsghdr *m)
{
    struct sockaddr_in to;

    memcpy(&to, m->msg_hdr.msg_name, sizeof(to));
    return ntohs(to.sin_port);
}

/* As many as the kernel takes before the first to a full queue. */
static unsigned before_full(const struct mmsghdr *m, unsigned n)
{
    unsigned i = 0;

    while (i < n && port_of(&m[i]) != kernel.full_to)
        i++;
    return i;
}

int __wrap_sendmmsg(int fd, struct mmsghdr *m, unsigned n, int flags)
{
    unsigned good = n;

    if (kernel.full_to != 0) {
        good = before_full(m, n);
        if (good > 0)
            return __real_sendmmsg(fd, m, good, flags);
        errno = ENOBUFS;
        return -1;
    }
    if (kernel.refuses != 0) {
        int errnum = kernel.refuses;

        if (kernel.refusals > 0 && --kernel.refusals == 0)
            kernel.refuses = 0;
        errno = errnum;
        return -1;
    }
    for (unsigned i = 0; i < good && kernel.refuses_trains != 0; i++) {
        if (is_train(&m[i]))
            good = i;
    }
    if (good > 0 || n == 0)
        return __real_sendmmsg(fd, m, good, flags);
    errno = kernel.refuses_trains;
    return -1;
}

int __wrap_recvmmsg(int fd, struct mmsghdr *m, unsigned n, int flags,
                    struct timespec *timeout)
{
    if (kernel.failing_receives == 0 || (flags & MSG_ERRQUEUE) != 0)
        return __real_recvmmsg(fd, m, n, flags, timeout);
    kernel.failing_receives--;
    errno = kernel.receive_error;
    return -1;
}

/* ---- One side ----------------------------------------------------------- */

struct side {
    struct udp *udp;
    unsigned received, batches;
    unsigned refused[ERR_END_]; /* what did not leave, as it was told */
    uint64_t now, last;
};

static char said[4096]; /* what was logged */

static void on_line(void *arg, enum log_level level, const char *line)
{
    (void)arg, (void)level;
    strncat(said, line, sizeof(said) - strlen(said) - 1);
}

static unsigned times_said(const char *what)
{
    unsigned n = 0;

    for (const char *p = said; (p = strstr(p, what)) != NULL; p++)
        n++;
    return n;
}

static void on_receive(void *arg, const struct endpoint *from,
                       uint8_t *datagram, size_t len, unsigned socket)
{
    struct side *side = arg;

    (void)from, (void)datagram, (void)len, (void)socket;
    assert_int_not_equal(side->now, 0);
    side->received++;
}

static void on_refused(void *arg, const struct endpoint *to, enum error why)
{
    struct side *side = arg;

    assert_int_not_equal(to->port, 0);
    side->refused[why]++;
    /* Whoever hears of it may send. */
    if (to->port == 9 && side->refused[why] == 1)
        udp_send(side->udp, to, TEST_BYTES("x"));
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
    struct udp_handlers handlers = {.arg = side,
                                    .receive = on_receive,
                                    .batch_end = on_batch_end,
                                    .batch_begin = on_batch_begin,
                                    .refused = on_refused};
    struct endpoint local;
    struct text why;

    memset(side, 0, sizeof(*side));
    text_init(&why, 256);
    assert_int_equal(endpoint_parse(at, &local), OK);
    side->udp = udp_new(base, &config, &handlers, log_of_all);
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
    said[0] = '\0';
    log_of_all =
        log_new(&(struct log_config){.level = LEVEL_INFO}, on_line, NULL);
    base = event_base_new();
    return base == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    event_base_free(base);
    log_free(log_of_all);
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

static uint64_t dropped(const struct side *side, enum udp_drop why)
{
    return udp_counters(side->udp)->dropped[why];
}

static void send_some(struct side *a, const struct endpoint *to, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(
            udp_send(a->udp, to, TEST_BYTES("0123456789012345678901234567")),
            OK);
    udp_flush(a->udp);
}

/* A firewall, a network that is gone, a broken card: named, said once, and
 * told to whoever watches; what comes behind is tried all the same. */
static void test_udp_failures_are_named_and_noted(void **state)
{
    static const struct {
        int errnum;
        enum udp_drop reason;
        unsigned lines;
    } cases[] = {{EPERM, UDP_SEND_REFUSED, 1},
                 {EACCES, UDP_SEND_REFUSED, 1},
                 {ENETUNREACH, UDP_SEND_UNREACHABLE, 0},
                 {EHOSTUNREACH, UDP_SEND_UNREACHABLE, 0},
                 {ENETDOWN, UDP_SEND_UNREACHABLE, 0},
                 {EIO, UDP_SEND_DEVICE, 1},
                 {ENOBUFS, UDP_SEND_NO_BUFFERS, 1},
                 {EINVAL, UDP_SEND_OTHER, 1}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct side a, b;
        struct endpoint to;
        const struct udp_traffic *t;

        said[0] = '\0';
        open_side(&a, "127.0.0.1:0");
        to = open_side(&b, "127.0.0.1:0");
        t = udp_traffic(a.udp, FAMILY_IPV4);
        assert_int_equal(t->refused_now, 0);
        kernel.refuses = cases[i].errnum;
        for (unsigned k = 1; k <= 5; k++) {
            send_some(&a, &to, 3);
            assert_int_equal(dropped(&a, cases[i].reason), 3 * k);
            assert_int_equal(t->refused_now, 3 * k);
        }
        assert_int_equal(t->refusal, cases[i].errnum);
        assert_int_equal(t->sent_at, 0);
        assert_true(t->refused_at > 0);
        assert_int_equal(times_said("refuses to send over IPv4"),
                         cases[i].lines);
        assert_int_equal(t->said_at > t->sent_at, cases[i].lines > 0);
        kernel.refuses = 0;
        send_some(&a, &to, 3);
        run_until(&b, 3);
        assert_int_equal(t->refused_now, 0);
        assert_true(t->sent_at >= t->refused_at);
        assert_true(udp_traffic(b.udp, FAMILY_IPV4)->received_at > 0);
        /* The other family had no part in it. */
        assert_int_equal(udp_traffic(a.udp, FAMILY_IPV6)->refused_at, 0);
        udp_free(a.udp);
        udp_free(b.udp);
    }
}

static void test_udp_full_buffer_is_no_failure(void **state)
{
    struct side a, b;
    struct endpoint to;

    (void)state;
    open_side(&a, "127.0.0.1:0");
    to = open_side(&b, "127.0.0.1:0");
    kernel.refuses = EAGAIN;
    send_some(&a, &to, 3);
    assert_int_equal(dropped(&a, UDP_SEND_WOULD_BLOCK), 3);
    assert_int_equal(udp_traffic(a.udp, FAMILY_IPV4)->refused_now, 0);
    assert_string_equal(said, "");
    udp_free(a.udp);
    udp_free(b.udp);
}

static void let_loop_run(void)
{
    for (int i = 0; i < 5; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

/* Whoever has sent is told, out of the loop; not that a queue was full, nor
 * of what is too long. */
static void test_udp_tells_who_is_not_sent_to(void **state)
{
    static const struct {
        int errnum;
        enum error why; /* OK: nobody is told */
    } cases[] = {{EPERM, ERR_FORBIDDEN},
                 {EACCES, ERR_FORBIDDEN},
                 {ENETUNREACH, ERR_UNREACHABLE},
                 {EIO, ERR_IO},
                 {EINVAL, ERR_IO},
                 {EAGAIN, OK},
                 {ENOBUFS, OK},
                 {EMSGSIZE, OK}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum error why = cases[i].why;
        struct endpoint to = {.addr = {192, 0, 2, 1}, .port = 9};
        struct side a;

        open_side(&a, "127.0.0.1:0");
        kernel.refuses = cases[i].errnum;
        udp_send(a.udp, &to, TEST_BYTES("x"));
        udp_flush(a.udp);
        assert_int_equal(a.refused[why], 0);
        let_loop_run();
        for (int e = OK; e < ERR_END_; e++)
            assert_int_equal(a.refused[e], why != OK && e == (int)why ? 2 : 0);
        /* More at once than are kept. */
        for (unsigned k = 0; k < UDP_QUEUE; k++) {
            to.port = (uint16_t)(100 + k);
            udp_send(a.udp, &to, TEST_BYTES("x"));
        }
        let_loop_run();
        assert_int_equal(a.refused[why], why != OK ? 2 + UDP_REFUSALS : 0);
        udp_free(a.udp);
    }
}

/* What refuses trains, as old cards and tunnels do, gets none after a while,
 * and loses nothing. */
static void test_udp_goes_on_without_trains(void **state)
{
    static const struct {
        int errnum;
        unsigned refused;
    } cases[] = {{EIO, 1}, {EINVAL, 32}, {ENOBUFS, 32}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct side a, b;
        struct endpoint to;

        said[0] = '\0';
        open_side(&a, "127.0.0.1:0");
        to = open_side(&b, "127.0.0.1:0");
        if (!udp_sends_trains(a.udp, 0))
            skip();
        kernel.refuses_trains = cases[i].errnum;
        for (unsigned k = 1; k <= 40; k++) {
            send_some(&a, &to, 10);
            run_until(&b, 10 * k);
        }
        kernel.refuses_trains = 0;
        assert_int_equal(udp_counters(a.udp)->trains_refused, cases[i].refused);
        assert_false(udp_sends_trains(a.udp, 0));
        assert_int_equal(times_said("one by one"), 1);
        assert_int_equal(udp_traffic(a.udp, FAMILY_IPV4)->refused_now, 0);
        udp_free(a.udp);
        udp_free(b.udp);
    }
}

/* One path whose MTU is below a segment is no reason to send none. */
static void test_udp_trains_refused_now_and_then_stay(void **state)
{
    struct side a, b;
    struct endpoint to;

    (void)state;
    open_side(&a, "127.0.0.1:0");
    to = open_side(&b, "127.0.0.1:0");
    if (!udp_sends_trains(a.udp, 0))
        skip();
    for (unsigned k = 1; k <= 100; k++) {
        kernel.refuses_trains = k % 5 != 0 ? EINVAL : 0;
        send_some(&a, &to, 10);
        run_until(&b, 10 * k);
    }
    assert_true(udp_sends_trains(a.udp, 0));
    assert_string_equal(said, "");
    udp_free(a.udp);
    udp_free(b.udp);
}

static void test_udp_receives_without_trains_after_errors(void **state)
{
    static const int errors[] = {EIO, EINVAL};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        struct side a, b;
        struct endpoint to;

        said[0] = '\0';
        open_side(&a, "127.0.0.1:0");
        to = open_side(&b, "127.0.0.1:0");
        if (!udp_receives_trains(b.udp, 0))
            skip();
        kernel.receive_error = errors[i];
        kernel.failing_receives = 1;
        send_some(&a, &to, 1); /* a train that waits already is lost */
        run_until(&b, 1);
        send_some(&a, &to, 10);
        run_until(&b, 11);
        assert_false(udp_receives_trains(b.udp, 0));
        assert_int_equal(dropped(&b, UDP_RECEIVE_ERROR), 1);
        assert_int_equal(times_said("receiving trains"), 1);
        udp_free(a.udp);
        udp_free(b.udp);
    }
}

/* ---- What is of something sent before ------------------------------------ */

static const int stale[] = {
    ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENOPROTOOPT, EHOSTDOWN,
    ENONET,       EOPNOTSUPP,   EPROTO,      EACCES,      EMSGSIZE};

/* A call that fails with the error of another is made again: nothing is lost,
 * nobody hears of it, and trains are not doubted. */
static void test_udp_stale_errors_are_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(stale); i++) {
        struct side a, b;
        struct endpoint to;

        open_side(&a, "127.0.0.1:0");
        to = open_side(&b, "127.0.0.1:0");
        for (unsigned k = 1; k <= 40; k++) {
            kernel.refuses = stale[i];
            kernel.refusals = 2;
            send_some(&a, &to, 10);
            kernel.receive_error = stale[i];
            kernel.failing_receives = 2;
            run_until(&b, 10 * k);
        }
        let_loop_run();
        for (int why = 0; why < UDP_DROPS; why++) {
            assert_int_equal(dropped(&a, (enum udp_drop)why), 0);
            assert_int_equal(dropped(&b, (enum udp_drop)why), 0);
        }
        for (int e = OK; e < ERR_END_; e++)
            assert_int_equal(a.refused[e], 0);
        assert_int_equal(udp_counters(a.udp)->trains_refused, 0);
        assert_int_equal(udp_traffic(a.udp, FAMILY_IPV4)->refused, 0);
        assert_string_equal(said, "");
        udp_free(a.udp);
        udp_free(b.udp);
    }
}

/* A queue that is full towards one: what goes elsewhere leaves, whatever is
 * tried with it, and trains stay. */
static void test_udp_full_queue_is_of_one_destination(void **state)
{
    struct side a, b, c;
    struct endpoint to_b, to_c;

    (void)state;
    open_side(&a, "127.0.0.1:0");
    to_b = open_side(&b, "127.0.0.1:0");
    to_c = open_side(&c, "127.0.0.1:0");
    kernel.full_to = to_b.port;
    for (unsigned k = 1; k <= 40; k++) {
        for (unsigned i = 0; i < 5; i++) {
            udp_send(a.udp, &to_b, TEST_BYTES("0123456789"));
            udp_send(a.udp, &to_c, TEST_BYTES("0123456789"));
        }
        udp_flush(a.udp);
        run_until(&c, 5 * k);
    }
    assert_int_equal(dropped(&a, UDP_SEND_NO_BUFFERS), 200);
    assert_int_equal(b.received, 0);
    if (udp_counters(a.udp)->trains_sent > 0)
        assert_true(udp_sends_trains(a.udp, 0));
    assert_string_equal(said, "");
    udp_free(a.udp);
    udp_free(b.udp);
    udp_free(c.udp);
}

/* ---- Our addresses ------------------------------------------------------ */

/* What should leave from an address that is gone leaves from another. */
static void test_udp_queue_does_without_an_address_that_is_gone(void **state)
{
    static const uint8_t gone[16] = {192, 0, 2, 99}, ours[16] = {127, 0, 0, 5};
    struct udp_counters counters = {0};
    struct side b;
    struct endpoint to = open_side(&b, "127.0.0.1:0");
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct udp_queue q;

    (void)state;
    assert_int_equal(udp_queue_init(&q, true), OK);
    for (unsigned i = 0; i < 20; i++) {
        udp_queue_add(&q, &to, TEST_BYTES("hello"), false);
        udp_queue_set_from(&q, i < 10 ? gone : ours);
    }
    udp_queue_flush(&q, fd, &counters);
    assert_true(q.outcome.from_failed);
    assert_true(q.trains);
    assert_int_equal(counters.sent, 20);
    run_until(&b, 20);
    udp_queue_deinit(&q);
    udp_free(b.udp);
    close(fd);
}

static void test_udp_locals_are_bounded_and_age(void **state)
{
    static const uint8_t one[16] = {10, 0, 0, 1}, two[16] = {10, 0, 0, 2};
    struct udp_locals l;
    struct endpoint peer = {.addr = {192, 0, 2, 1}, .port = 7};
    unsigned known = 0;

    (void)state;
    assert_int_equal(udp_locals_init(&l), OK);
    assert_null(udp_locals_find(&l, &peer, 1));
    udp_locals_learn(&l, &peer, one, TIME_S);
    assert_memory_equal(udp_locals_find(&l, &peer, TIME_S), one, 16);
    udp_locals_learn(&l, &peer, two, 2 * TIME_S);
    assert_memory_equal(udp_locals_find(&l, &peer, 2 * TIME_S), two, 16);
    peer.port++;
    assert_null(udp_locals_find(&l, &peer, 2 * TIME_S));
    peer.port--;
    assert_non_null(udp_locals_find(&l, &peer, 2 * TIME_S + LOCAL_LIFE));
    assert_null(udp_locals_find(&l, &peer, 2 * TIME_S + LOCAL_LIFE + 1));
    udp_locals_forget(&l);
    assert_null(udp_locals_find(&l, &peer, 2 * TIME_S));
    /* Far more than there are places: the newest is known all the same. */
    for (unsigned i = 0; i < 20 * LOCAL_PEERS; i++) {
        bytes_put_number(peer.addr, 4, i * 2654435761U);
        udp_locals_learn(&l, &peer, one, TIME_S + i);
        assert_memory_equal(udp_locals_find(&l, &peer, TIME_S + i), one, 16);
    }
    for (unsigned i = 0; i < 20 * LOCAL_PEERS; i++) {
        bytes_put_number(peer.addr, 4, i * 2654435761U);
        known += udp_locals_find(&l, &peer, 2 * TIME_S) != NULL;
    }
    assert_in_range(known, LOCAL_PEERS / 2, LOCAL_PEERS);
    udp_locals_deinit(&l);
    udp_locals_deinit(&l);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_udp_reads_the_clock_once_a_batch),
        TEST(test_udp_queue_leaves_nothing_undefined),
        TEST(test_udp_failures_are_named_and_noted),
        TEST(test_udp_tells_who_is_not_sent_to),
        TEST(test_udp_full_buffer_is_no_failure),
        TEST(test_udp_goes_on_without_trains),
        TEST(test_udp_trains_refused_now_and_then_stay),
        TEST(test_udp_receives_without_trains_after_errors),
        TEST(test_udp_stale_errors_are_nothing),
        TEST(test_udp_full_queue_is_of_one_destination),
        TEST(test_udp_queue_does_without_an_address_that_is_gone),
        TEST(test_udp_locals_are_bounded_and_age),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
