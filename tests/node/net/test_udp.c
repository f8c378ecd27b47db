/* SPDX-License-Identifier: MIT */
#include "node/net/udp.h"

#include "node/net/udp_queue.h"
#include "node/os/sockaddr.h"
#include "testing.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static const struct udp_config config = {.receive_buffer = 1 << 20};

struct side {
    struct udp *udp;
    unsigned received, batches, socket;
    size_t len;
    uint8_t last[UDP_DATAGRAM_MAX];
    struct endpoint from;
    bool echo;
    uint64_t calls_before_flush;
};

static struct event_base *base;
static struct text why;

static void on_receive(void *arg, const struct endpoint *from,
                       uint8_t *datagram, size_t len, unsigned socket)
{
    struct side *side = arg;

    side->received++;
    side->socket = socket;
    side->len = len;
    side->from = *from;
    memcpy(side->last, datagram, len);
    if (side->echo)
        assert_int_equal(udp_send(side->udp, from, bytes_of(datagram, len)),
                         OK);
}

static void on_batch_end(void *arg)
{
    struct side *side = arg;

    side->batches++;
    side->calls_before_flush = udp_counters(side->udp)->send_calls;
}

static struct endpoint ep(const char *text)
{
    struct endpoint out;

    assert_int_equal(endpoint_parse(text, &out), OK);
    return out;
}

static void open_side(struct side *side, const char *at)
{
    struct udp_handlers handlers = {
        .arg = side, .receive = on_receive, .batch_end = on_batch_end};
    struct endpoint local = ep(at);

    memset(side, 0, sizeof(*side));
    side->udp = udp_new(base, &config, &handlers, NULL);
    assert_non_null(side->udp);
    assert_int_equal(udp_listen(side->udp, &local, &why), OK);
}

/* Turns the loop until `side` has `n` datagrams or half a second is over. */
static void run_until(const struct side *side, unsigned n)
{
    for (int i = 0; i < 500 && side->received < n; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        if (side->received < n)
            usleep(1000);
    }
}

static int setup(void **state)
{
    (void)state;
    text_init(&why, 4096);
    base = event_base_new();
    return base == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    text_deinit(&why);
    event_base_free(base);
    return 0;
}

static void exchange(const char *at)
{
    struct side a, b;
    struct endpoint to_b;

    open_side(&a, at);
    open_side(&b, at);
    b.echo = true;
    to_b = udp_local(b.udp, 0);
    assert_int_not_equal(to_b.port, 0);
    assert_int_equal(udp_send(a.udp, &to_b, TEST_BYTES("hello")), OK);
    assert_int_equal(udp_counters(a.udp)->sent, 0); /* queued */
    run_until(&a, 1);
    assert_int_equal(a.received, 1);
    assert_int_equal(a.len, 5);
    assert_memory_equal(a.last, "hello", 5);
    assert_true(endpoint_equal(&a.from, &to_b));
    assert_int_equal(udp_counters(b.udp)->received_bytes, 5);
    assert_int_equal(udp_counters(b.udp)->sent_bytes, 5);
    udp_free(a.udp);
    udp_free(b.udp);
}

static void test_udp_exchanges_over_ipv4(void **state)
{
    (void)state;
    exchange("127.0.0.1:0");
}

static bool has_ipv6(void)
{
    struct sockaddr_storage sa;
    struct endpoint one = ep("[::1]:0");
    socklen_t len = sockaddr_from_endpoint(&one, &sa);
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&sa, len) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

static void test_udp_exchanges_over_ipv6(void **state)
{
    (void)state;
    if (!has_ipv6())
        skip();
    exchange("[::1]:0");
}

static void test_udp_answers_leave_in_one_call_after_the_batch(void **state)
{
    struct side a, b;
    struct endpoint to_b;

    (void)state;
    open_side(&a, "127.0.0.1:0");
    open_side(&b, "127.0.0.1:0");
    b.echo = true;
    to_b = udp_local(b.udp, 0);
    for (unsigned i = 0; i < UDP_BATCH; i++)
        assert_int_equal(udp_send(a.udp, &to_b, TEST_BYTES("x")), OK);
    udp_flush(a.udp);
    assert_int_equal(udp_counters(a.udp)->send_calls, 1);
    run_until(&a, UDP_BATCH);
    assert_int_equal(a.received, UDP_BATCH);
    assert_int_equal(b.batches, 1);
    assert_int_equal(b.calls_before_flush, 0);
    assert_int_equal(udp_counters(b.udp)->send_calls, 1);
    udp_free(a.udp);
    udp_free(b.udp);
}

/* From a socket of its own, which sends what ours would refuse to. */
static void send_raw(const struct endpoint *to, size_t len)
{
    static uint8_t bytes[4096];
    struct sockaddr_storage sa;
    socklen_t sa_len = sockaddr_from_endpoint(to, &sa);
    int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(sendto(fd, bytes, len, 0, (struct sockaddr *)&sa, sa_len),
                     len);
    close(fd);
}

static void test_udp_one_wakeup_takes_a_bounded_number(void **state)
{
    struct side b;
    struct endpoint to_b;

    (void)state;
    open_side(&b, "127.0.0.1:0");
    to_b = udp_local(b.udp, 0);
    for (unsigned i = 0; i < UDP_WAKE_MAX + 10; i++)
        send_raw(&to_b, 1); /* each alone */
    event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    assert_int_equal(b.received, UDP_WAKE_MAX);
    run_until(&b, UDP_WAKE_MAX + 10);
    assert_int_equal(b.received, UDP_WAKE_MAX + 10);
    udp_free(b.udp);
}

static void test_udp_full_queue_is_flushed_not_lost(void **state)
{
    struct side a, b;
    struct endpoint to_b;

    (void)state;
    open_side(&a, "127.0.0.1:0");
    open_side(&b, "127.0.0.1:0");
    to_b = udp_local(b.udp, 0);
    for (unsigned i = 0; i <= UDP_QUEUE; i++)
        assert_int_equal(udp_send(a.udp, &to_b, TEST_BYTES("x")), OK);
    assert_int_equal(udp_counters(a.udp)->sent, UDP_QUEUE);
    udp_flush(a.udp);
    assert_int_equal(udp_counters(a.udp)->sent, UDP_QUEUE + 1);
    udp_free(a.udp);
    udp_free(b.udp);
}

static void test_udp_long_datagrams_are_dropped_and_counted(void **state)
{
    static const struct {
        size_t len;
        unsigned received;
    } cases[] = {{0, 1},    {1, 1},    {1499, 1}, {1500, 1},
                 {1501, 0}, {2048, 0}, {2049, 0}, {4096, 0}};
    struct side b;
    struct endpoint to_b;
    uint64_t dropped = 0;

    (void)state;
    open_side(&b, "127.0.0.1:0");
    to_b = udp_local(b.udp, 0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        b.received = 0;
        send_raw(&to_b, cases[i].len);
        send_raw(&to_b, 3); /* what comes behind it is seen */
        run_until(&b, cases[i].received + 1);
        dropped += 1 - cases[i].received;
        assert_int_equal(b.received, cases[i].received + 1);
        assert_int_equal(udp_counters(b.udp)->dropped[UDP_RECEIVED_TOO_LONG],
                         dropped);
    }
    udp_free(b.udp);
}

static void test_udp_what_cannot_be_sent_is_counted(void **state)
{
    static uint8_t big[UDP_DATAGRAM_MAX + 1];
    struct side a;
    struct endpoint self, v6 = ep("[::1]:9"),
                          broadcast = ep("255.255.255.255:9");

    (void)state;
    open_side(&a, "127.0.0.1:0");
    self = udp_local(a.udp, 0);
    assert_int_equal(udp_send(a.udp, &self, bytes_of(big, sizeof(big))),
                     ERR_TOO_LARGE);
    assert_int_equal(udp_send(a.udp, &v6, TEST_BYTES("x")), ERR_UNSUPPORTED);
    /* The kernel refuses the first; the one behind it still leaves. */
    assert_int_equal(udp_send(a.udp, &broadcast, TEST_BYTES("x")), OK);
    assert_int_equal(udp_send(a.udp, &self, bytes_of(big, 1500)), OK);
    run_until(&a, 1);
    assert_int_equal(a.received, 1);
    assert_int_equal(udp_counters(a.udp)->dropped[UDP_SEND_TOO_LONG], 1);
    assert_int_equal(udp_counters(a.udp)->dropped[UDP_SEND_NO_SOCKET], 1);
    assert_int_equal(udp_counters(a.udp)->dropped[UDP_SEND_REFUSED] +
                         udp_counters(a.udp)->dropped[UDP_SEND_UNREACHABLE] +
                         udp_counters(a.udp)->dropped[UDP_SEND_OTHER],
                     1);
    udp_free(a.udp);
}

static void test_udp_port_in_use_is_explained(void **state)
{
    struct side a, b;
    char expected[256], name[ENDPOINT_TEXT_SIZE];
    struct endpoint at, foreign = ep("192.0.2.1:0");

    (void)state;
    open_side(&a, "127.0.0.1:0");
    open_side(&b, "127.0.0.2:0");
    at = udp_local(a.udp, 0);
    assert_int_equal(udp_listen(b.udp, &at, &why), ERR_IN_USE);
    snprintf(expected, sizeof(expected),
             "cannot listen on %s: address already in use; another warren or "
             "program holds it (see `ss -ulpn`), choose another with --listen",
             endpoint_print(&at, name));
    assert_string_equal(text_get(&why), expected);
    text_clear(&why);
    assert_int_equal(udp_listen(b.udp, &foreign, &why), ERR_IO);
    assert_string_equal(text_get(&why),
                        "cannot listen on 192.0.2.1:0: this machine has no "
                        "such address (see `ip address`), choose another with "
                        "--listen");
    assert_int_equal(udp_socket_count(b.udp), 1);
    udp_free(a.udp);
    udp_free(b.udp);
}

static void test_udp_listen_all_takes_all_or_none(void **state)
{
    struct side a, b;
    struct endpoint list[3];

    (void)state;
    open_side(&a, "127.0.0.1:0");
    open_side(&b, "127.0.0.2:0");
    list[0] = ep("127.0.0.3:0");
    list[1] = udp_local(a.udp, 0);
    list[2] = ep("127.0.0.4:0");
    assert_int_equal(udp_listen_all(b.udp, list, 3, &why), ERR_IN_USE);
    assert_int_equal(udp_socket_count(b.udp), 1);
    list[1] = ep("127.0.0.5:0");
    assert_int_equal(udp_listen_all(b.udp, list, 3, &why), OK);
    assert_int_equal(udp_socket_count(b.udp), 4);
    assert_true(udp_receive_buffer(b.udp, 3) > 0);
    udp_free(a.udp);
    udp_free(b.udp);
}

static void test_udp_both_families_share_a_port(void **state)
{
    struct side a;
    struct endpoint v6 = ep("[::]:0");

    (void)state;
    if (!has_ipv6())
        skip();
    open_side(&a, "0.0.0.0:0");
    v6.port = udp_local(a.udp, 0).port;
    assert_int_equal(udp_listen_all(a.udp, &v6, 1, &why), OK);
    assert_int_equal(udp_socket_count(a.udp), 2);
    udp_free(a.udp);
}

static void test_udp_sockets_have_a_cap(void **state)
{
    struct side a;
    struct endpoint at = ep("127.0.0.1:0");

    (void)state;
    open_side(&a, "127.0.0.1:0");
    for (unsigned i = 1; i < UDP_SOCKETS_MAX; i++)
        assert_int_equal(udp_listen(a.udp, &at, &why), OK);
    assert_int_equal(udp_listen(a.udp, &at, &why), ERR_FULL);
    udp_free(a.udp);
}

static void test_udp_answers_leave_through_the_socket_asked(void **state)
{
    struct side a, b;
    struct endpoint second = ep("127.0.0.2:0"), to;

    (void)state;
    open_side(&a, "127.0.0.9:0");
    open_side(&b, "127.0.0.1:0");
    assert_int_equal(udp_listen(b.udp, &second, &why), OK);
    b.echo = true;
    to = udp_local(b.udp, 1);
    assert_int_equal(udp_send(a.udp, &to, TEST_BYTES("x")), OK);
    run_until(&a, 1);
    assert_int_equal(b.socket, 1);
    assert_true(endpoint_equal(&a.from, &to));
    udp_free(a.udp);
    udp_free(b.udp);
}

/* A socket that sees who answers, and whose peer is asked at one address. */
static void ask_from(int fd, const struct endpoint *to, unsigned count,
                     size_t len)
{
    static const uint8_t bytes[UDP_DATAGRAM_MAX];
    struct sockaddr_storage sa;
    socklen_t sa_len = sockaddr_from_endpoint(to, &sa);

    for (unsigned i = 0; i < count; i++)
        assert_int_equal(
            sendto(fd, bytes, len, 0, (struct sockaddr *)&sa, sa_len), len);
}

static unsigned answers_from(int fd, const struct endpoint *at)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    struct endpoint from;
    uint8_t bytes[UDP_DATAGRAM_MAX];
    unsigned n = 0;

    while (recvfrom(fd, bytes, sizeof(bytes), MSG_DONTWAIT,
                    (struct sockaddr *)&sa, &len) >= 0) {
        assert_int_equal(sockaddr_to_endpoint((struct sockaddr *)&sa, &from),
                         OK);
        if (endpoint_equal(&from, at))
            n++;
        len = sizeof(sa);
    }
    return n;
}

/* 127.0.0.2 is an address of this machine, but not the first. */
static void test_udp_answers_leave_from_the_address_asked(void **state)
{
    struct side b;
    struct endpoint first, second, me = ep("127.0.0.1:0");
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(&me, &sa);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    assert_int_equal(sockaddr_to_endpoint((struct sockaddr *)&sa, &me), OK);
    open_side(&b, "0.0.0.0:0");
    b.echo = true;
    first = ep("127.0.0.1:1");
    second = ep("127.0.0.2:1");
    first.port = second.port = udp_local(b.udp, 0).port;
    /* One alone, then some that are answered by a train. */
    ask_from(fd, &second, 1, 100);
    run_until(&b, 1);
    assert_int_equal(answers_from(fd, &second), 1);
    ask_from(fd, &second, 20, 1000);
    run_until(&b, 21);
    assert_int_equal(answers_from(fd, &second), 20);
    if (udp_sends_trains(b.udp, 0))
        assert_true(udp_counters(b.udp)->trains_sent > 0);
    /* Both in one batch: to each its own. */
    for (unsigned i = 0; i < 10; i++)
        ask_from(fd, i % 2 == 0 ? &first : &second, 1, 500);
    run_until(&b, 31);
    assert_int_equal(answers_from(fd, &second), 5);
    for (unsigned i = 0; i < 10; i++)
        ask_from(fd, i % 2 == 0 ? &first : &second, 1, 500);
    run_until(&b, 41);
    assert_int_equal(answers_from(fd, &first), 5);
    /* What is sent later, by itself, leaves from where it was asked last. */
    assert_int_equal(udp_send(b.udp, &me, TEST_BYTES("later")), OK);
    udp_flush(b.udp);
    assert_int_equal(answers_from(fd, &second), 1);
    udp_addresses_changed(b.udp);
    assert_int_equal(udp_send(b.udp, &me, TEST_BYTES("later")), OK);
    udp_flush(b.udp);
    assert_int_equal(answers_from(fd, &first), 1);
    udp_free(b.udp);
    close(fd);
}

static void test_udp_drops_of_the_kernel_are_counted(void **state)
{
    struct udp_config small = {.receive_buffer = 4096};
    struct side a, b = {0};
    struct udp_handlers handlers = {.arg = &b, .receive = on_receive};
    struct endpoint at = ep("127.0.0.1:0");
    static uint8_t big[1400];

    (void)state;
    open_side(&a, "127.0.0.1:0");
    b.udp = udp_new(base, &small, &handlers, NULL);
    assert_non_null(b.udp);
    assert_int_equal(udp_listen(b.udp, &at, &why), OK);
    at = udp_local(b.udp, 0);
    assert_int_equal(udp_kernel_drops(b.udp), 0);
    for (int i = 0; i < 100; i++) {
        udp_send(a.udp, &at, bytes_of(big, sizeof(big)));
        udp_flush(a.udp); /* no train */
    }
    run_until(&b, 100);
    assert_true(b.received < 100);
    assert_int_equal(udp_kernel_drops(b.udp) + b.received, 100);
    udp_free(a.udp);
    udp_free(b.udp);
}

/* ---- Trains ---- */

/* Which datagrams came, in order: first byte and length. */
struct seen {
    struct side side;
    unsigned count;
    struct {
        uint8_t mark;
        size_t len;
    } datagram[UDP_QUEUE * 4];
};

static void on_seen(void *arg, const struct endpoint *from, uint8_t *datagram,
                    size_t len, unsigned socket)
{
    struct seen *seen = arg;

    (void)from, (void)socket;
    assert_true(seen->count < COUNT_OF(seen->datagram));
    seen->datagram[seen->count].mark = len > 0 ? datagram[0] : 0;
    seen->datagram[seen->count].len = len;
    for (size_t i = 0; i < len; i++)
        assert_int_equal(datagram[i], (uint8_t)(datagram[0] + i));
    seen->count++;
    seen->side.received++;
}

static void open_seen(struct seen *seen)
{
    struct udp_handlers handlers = {.arg = seen, .receive = on_seen};
    struct endpoint local = ep("127.0.0.1:0");

    memset(seen, 0, sizeof(*seen));
    seen->side.udp = udp_new(base, &config, &handlers, NULL);
    assert_non_null(seen->side.udp);
    assert_int_equal(udp_listen(seen->side.udp, &local, &why), OK);
}

static void send_marked(struct side *a, const struct endpoint *to, uint8_t mark,
                        size_t len)
{
    uint8_t bytes[UDP_DATAGRAM_MAX];

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(mark + i);
    assert_int_equal(udp_send(a->udp, to, bytes_of(bytes, len)), OK);
}

/* Sizes as they come: each keeps its boundaries, and one destination its
 * order. A train ends with a shorter one, a longer one, 0 bytes, 64 of them
 * and 64 KiB. */
static void test_udp_trains_keep_every_boundary(void **state)
{
    static const size_t lengths[] = {1410, 1410, 1410, 386,  1410, 386, 386,
                                     386,  1410, 0,    1,    1,    1,   0,
                                     0,    1500, 1500, 1499, 1498, 3};
    static struct seen seen;
    struct side a;
    struct endpoint to;

    (void)state;
    open_side(&a, "127.0.0.1:0");
    open_seen(&seen);
    to = udp_local(seen.side.udp, 0);
    for (unsigned round = 0; round < 5; round++) {
        seen.count = seen.side.received = 0;
        for (unsigned i = 0; i < COUNT_OF(lengths); i++)
            send_marked(&a, &to, (uint8_t)(i + 1), lengths[i]);
        udp_flush(a.udp);
        run_until(&seen.side, COUNT_OF(lengths));
        assert_int_equal(seen.count, COUNT_OF(lengths));
        for (unsigned i = 0; i < COUNT_OF(lengths); i++) {
            assert_int_equal(seen.datagram[i].len, lengths[i]);
            assert_int_equal(seen.datagram[i].mark, lengths[i] > 0 ? i + 1 : 0);
        }
    }
    if (udp_sends_trains(a.udp, 0))
        assert_int_equal(udp_counters(a.udp)->trains_sent, 5 * 6);
    udp_free(a.udp);
    udp_free(seen.side.udp);
}

static void test_udp_long_trains_are_cut(void **state)
{
    static const struct {
        size_t len;
        unsigned count, messages;
    } cases[] = {{1410, 46, 1}, {1410, 47, 2}, {100, 64, 1},
                 {100, 65, 2},  {1, 129, 3},   {1500, 200, 5}};
    static struct seen seen;

    (void)state;
    for (size_t k = 0; k < COUNT_OF(cases); k++) {
        struct side a;
        struct endpoint to;

        open_side(&a, "127.0.0.1:0");
        open_seen(&seen);
        to = udp_local(seen.side.udp, 0);
        for (unsigned i = 0; i < cases[k].count; i++)
            send_marked(&a, &to, (uint8_t)i, cases[k].len);
        udp_flush(a.udp);
        run_until(&seen.side, cases[k].count);
        assert_int_equal(seen.count, cases[k].count);
        for (unsigned i = 0; i < cases[k].count; i++) {
            assert_int_equal(seen.datagram[i].mark, (uint8_t)i);
            assert_int_equal(seen.datagram[i].len, cases[k].len);
        }
        assert_int_equal(udp_counters(a.udp)->sent, cases[k].count);
        assert_int_equal(udp_counters(a.udp)->sent_bytes,
                         cases[k].count * cases[k].len);
        if (udp_sends_trains(a.udp, 0) && udp_receives_trains(a.udp, 0)) {
            /* One that is left over is alone. */
            unsigned alone = cases[k].count == 47 || cases[k].count == 65 ||
                             cases[k].count == 129;

            assert_int_equal(udp_counters(a.udp)->trains_sent,
                             cases[k].messages - alone);
            assert_int_equal(udp_counters(seen.side.udp)->trains_received,
                             cases[k].messages - alone);
        }
        udp_free(a.udp);
        udp_free(seen.side.udp);
    }
}

/* Destinations take turns, as cells of many circuits do: each gets a train. */
static void test_udp_trains_to_several_destinations(void **state)
{
    static struct seen seen[3];
    struct endpoint to[3];
    struct side a;

    (void)state;
    open_side(&a, "127.0.0.1:0");
    for (int k = 0; k < 3; k++) {
        open_seen(&seen[k]);
        to[k] = udp_local(seen[k].side.udp, 0);
    }
    for (unsigned i = 0; i < 60; i++)
        send_marked(&a, &to[i % 3], (uint8_t)i, 1200);
    udp_flush(a.udp);
    for (unsigned k = 0; k < 3; k++) {
        run_until(&seen[k].side, 20);
        assert_int_equal(seen[k].count, 20);
        for (unsigned i = 0; i < 20; i++)
            assert_int_equal(seen[k].datagram[i].mark, 3 * i + k);
    }
    if (udp_sends_trains(a.udp, 0))
        assert_int_equal(udp_counters(a.udp)->trains_sent, 3);
    assert_int_equal(udp_counters(a.udp)->send_calls, 1);
    udp_free(a.udp);
    for (int k = 0; k < 3; k++)
        udp_free(seen[k].side.udp);
}

/* A broadcast is forbidden; what is behind it leaves. */
static void test_udp_trains_to_nowhere_are_counted(void **state)
{
    static struct seen seen;
    struct endpoint nowhere = ep("255.255.255.255:9"), to;
    struct side a;
    uint64_t dropped = 0;

    (void)state;
    open_side(&a, "127.0.0.1:0");
    open_seen(&seen);
    to = udp_local(seen.side.udp, 0);
    for (unsigned i = 0; i < 10; i++) {
        send_marked(&a, &nowhere, (uint8_t)i, 1000);
        send_marked(&a, &to, (uint8_t)i, 1000);
    }
    udp_flush(a.udp);
    run_until(&seen.side, 10);
    assert_int_equal(seen.count, 10);
    for (int i = 0; i < UDP_DROPS; i++)
        dropped += udp_counters(a.udp)->dropped[i];
    assert_int_equal(dropped, 10);
    assert_int_equal(udp_counters(a.udp)->sent, 10);
    udp_free(a.udp);
    udp_free(seen.side.udp);
}

/* Without checksums the kernel refuses a train, as it does when a segment
 * exceeds the MTU of the path; the datagrams of it leave all the same. */
static void test_udp_refused_trains_are_sent_apart(void **state)
{
    static struct seen seen;
    struct udp_counters counters = {0};
    struct udp_queue queue;
    struct endpoint to;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1;

    (void)state;
    open_seen(&seen);
    to = udp_local(seen.side.udp, 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)),
                     0);
    assert_int_equal(udp_queue_init(&queue, true), OK);
    for (unsigned i = 0; i < 20; i++)
        udp_queue_add(&queue, &to, bytes_of((uint8_t[]){5, 6, 7}, 3), false);
    udp_queue_add(&queue, &to, bytes_of((uint8_t[]){8, 9}, 2), false);
    udp_queue_flush(&queue, fd, &counters);
    run_until(&seen.side, 21);
    assert_int_equal(seen.count, 21);
    assert_int_equal(seen.datagram[20].mark, 8);
    assert_int_equal(counters.sent, 21);
    assert_int_equal(counters.sent_bytes, 62);
    assert_int_equal(counters.trains_refused, 1);
    assert_int_equal(queue.count, 0);
    udp_queue_deinit(&queue);
    udp_free(seen.side.udp);
    close(fd);
}

static void test_udp_what_is_to_be_alone_joins_no_train(void **state)
{
    static struct seen seen;
    struct side a;
    struct endpoint to;

    (void)state;
    open_side(&a, "127.0.0.1:0");
    open_seen(&seen);
    to = udp_local(seen.side.udp, 0);
    for (unsigned i = 0; i < 3; i++)
        send_marked(&a, &to, 1, 1000);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(
            udp_send_alone(a.udp, &to, bytes_of((uint8_t[1000]){2, 3}, 2)), OK);
    for (unsigned i = 0; i < 3; i++)
        send_marked(&a, &to, 4, 1000);
    udp_flush(a.udp);
    run_until(&seen.side, 8);
    assert_int_equal(seen.count, 8);
    assert_int_equal(seen.datagram[3].mark, 2);
    assert_int_equal(seen.datagram[4].mark, 2);
    if (udp_sends_trains(a.udp, 0))
        assert_int_equal(udp_counters(a.udp)->trains_sent, 2);
    udp_free(a.udp);
    udp_free(seen.side.udp);
}

/* Echoed from the receive buffers; a stack buffer is copied. */
static void test_udp_what_was_received_is_sent_from_there(void **state)
{
    static struct seen seen;
    struct side b;
    struct endpoint to;

    (void)state;
    open_seen(&seen);
    open_side(&b, "127.0.0.1:0");
    b.echo = true;
    to = udp_local(b.udp, 0);
    for (unsigned i = 0; i < 100; i++)
        send_marked(&seen.side, &to, (uint8_t)i, 1000 + i / 50);
    udp_flush(seen.side.udp);
    run_until(&seen.side, 100);
    assert_int_equal(seen.count, 100);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(seen.datagram[i].mark, i);
    assert_int_equal(udp_counters(b.udp)->borrowed, 100);
    assert_int_equal(udp_counters(seen.side.udp)->borrowed, 0);
    udp_free(seen.side.udp);
    udp_free(b.udp);
}

static void test_udp_every_drop_has_a_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < UDP_DROPS; i++)
        assert_true(udp_drop_name((enum udp_drop)i)[0] != '\0');
    udp_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_udp_exchanges_over_ipv4),
        TEST(test_udp_exchanges_over_ipv6),
        TEST(test_udp_answers_leave_in_one_call_after_the_batch),
        TEST(test_udp_one_wakeup_takes_a_bounded_number),
        TEST(test_udp_full_queue_is_flushed_not_lost),
        TEST(test_udp_long_datagrams_are_dropped_and_counted),
        TEST(test_udp_what_cannot_be_sent_is_counted),
        TEST(test_udp_port_in_use_is_explained),
        TEST(test_udp_listen_all_takes_all_or_none),
        TEST(test_udp_both_families_share_a_port),
        TEST(test_udp_sockets_have_a_cap),
        TEST(test_udp_answers_leave_through_the_socket_asked),
        TEST(test_udp_answers_leave_from_the_address_asked),
        TEST(test_udp_what_is_to_be_alone_joins_no_train),
        TEST(test_udp_drops_of_the_kernel_are_counted),
        TEST(test_udp_trains_keep_every_boundary),
        TEST(test_udp_long_trains_are_cut),
        TEST(test_udp_trains_to_several_destinations),
        TEST(test_udp_trains_to_nowhere_are_counted),
        TEST(test_udp_refused_trains_are_sent_apart),
        TEST(test_udp_what_was_received_is_sent_from_there),
        TEST(test_udp_every_drop_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
