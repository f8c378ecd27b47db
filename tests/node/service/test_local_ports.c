/* SPDX-License-Identifier: MIT
 *
 * Local sockets of services, against servers of UDP and of Unix datagrams, and
 * the listener for programs that reach a service.
 */
#include "node/service/local_listener.h"
#include "node/service/local_ports.h"

#include "fail_alloc.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "testing.h"

#include <event2/event.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define IDLE (60 * TIME_S)

/* What came back from servers, the last of it. */
static struct {
    unsigned count;
    uint64_t peer;
    uint16_t port;
    size_t len;
    char payload[64];
    bool closes; /* its own peer's sockets */
} heard;

static struct event_base *base;
static struct local_ports *ports;
static uint64_t now;

static struct {
    unsigned count;
    uint64_t peer;
    uint16_t port;
} refused;

static void on_received(void *arg, uint64_t peer, uint16_t port,
                        struct bytes payload)
{
    (void)arg;
    heard.count++;
    heard.peer = peer;
    heard.port = port;
    heard.len = payload.len;
    if (payload.len > 0 && payload.len < sizeof(heard.payload))
        memcpy(heard.payload, payload.p, payload.len);
    if (heard.closes)
        local_ports_close_peer(ports, peer);
}

static void on_refused(void *arg, uint64_t peer, uint16_t port)
{
    (void)arg;
    refused.count++;
    refused.peer = peer;
    refused.port = port;
}

static const struct local_ports_handler handler = {.received = on_received,
                                                   .refused = on_refused};

static int setup(void **state)
{
    (void)state;
    memset(&heard, 0, sizeof(heard));
    memset(&refused, 0, sizeof(refused));
    base = event_base_new();
    now = clock_now();
    return sodium_init() < 0 || base == NULL ||
           local_ports_new(base, &handler, 4, IDLE, &ports) != OK;
}

static int teardown(void **state)
{
    (void)state;
    local_ports_free(ports);
    event_base_free(base);
    return 0;
}

/* A server that tests read from by hand. */
struct server {
    int fd;
    struct config_port port;
    struct sockaddr_storage from;
    socklen_t from_len;
    char got[2048];
};

static struct server serve_udp(uint16_t port)
{
    struct server s = {.port.port = port};
    struct sockaddr_storage sa;
    socklen_t len;
    struct endpoint any;

    assert_int_equal(endpoint_parse("127.0.0.1:0", &any), OK);
    len = sockaddr_from_endpoint(&any, &sa);
    s.fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(s.fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(getsockname(s.fd, (struct sockaddr *)&sa, &len), 0);
    assert_int_equal(sockaddr_to_endpoint((struct sockaddr *)&sa, &s.port.to),
                     OK);
    return s;
}

static struct server serve_unix(uint16_t port, const char *path)
{
    struct server s = {.port = {.port = port, .is_unix = true}};
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    snprintf(s.port.path, sizeof(s.port.path), "%s", path);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    unlink(path);
    s.fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(s.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
    return s;
}

static void expect(struct server *s, const char *text)
{
    ssize_t n;

    event_base_loop(base, EVLOOP_NONBLOCK);
    s->from_len = sizeof(s->from);
    n = recvfrom(s->fd, s->got, sizeof(s->got) - 1, MSG_DONTWAIT,
                 (struct sockaddr *)&s->from, &s->from_len);
    assert_true(n >= 0);
    s->got[n] = '\0';
    assert_string_equal(s->got, text);
}

static void answer(const struct server *s, const char *text)
{
    assert_true(sendto(s->fd, text, strlen(text), 0,
                       (const struct sockaddr *)&s->from, s->from_len) >= 0);
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static enum error say(uint64_t peer, const struct config_port *port,
                      const char *text)
{
    return local_ports_send(ports, peer, port, bytes_of_text(text), now);
}

static void round_trip(struct server *s)
{
    struct sockaddr_storage first;
    socklen_t first_len;

    assert_int_equal(say(17, &s->port, "one"), OK);
    expect(s, "one");
    first = s->from;
    first_len = s->from_len;
    answer(s, "to 17");
    assert_true(heard.peer == 17);
    assert_int_equal(heard.port, s->port.port);
    assert_memory_equal(heard.payload, "to 17", 5);
    assert_int_equal(say(18, &s->port, "two"), OK);
    expect(s, "two");
    assert_true(first_len != s->from_len ||
                memcmp(&first, &s->from, first_len) != 0);
    answer(s, "to 18");
    assert_true(heard.peer == 18);
    assert_int_equal(say(17, &s->port, "again"), OK);
    expect(s, "again");
    assert_int_equal(s->from_len, first_len);
    assert_memory_equal(&first, &s->from, first_len);
    assert_int_equal(say(17, &s->port, ""), OK);
    expect(s, "");
    answer(s, "");
    assert_int_equal(heard.count, 3);
    assert_int_equal(heard.len, 0);
}

static void test_local_ports_tell_peers_apart_by_source(void **state)
{
    struct server s = serve_udp(53);

    (void)state;
    round_trip(&s);
    assert_int_equal(local_ports_counters(ports)->sockets, 2);
    assert_int_equal(local_ports_counters(ports)->to_server, 4);
    assert_int_equal(local_ports_counters(ports)->from_server, 3);
    close(s.fd);
}

/* What follows the first waits, leaves in its order, and that of others is not
 * mixed with it. */
static void test_local_ports_send_many_at_once(void **state)
{
    struct server s = serve_udp(53), other = serve_udp(54);
    char text[16];

    (void)state;
    assert_int_equal(say(1, &s.port, "first"), OK);
    assert_int_equal(say(2, &other.port, "first"), OK);
    expect(&s, "first");
    expect(&other, "first");
    for (unsigned i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "%u", i);
        assert_int_equal(say(1, &s.port, text), OK);
        if (i % 50 == 0)
            assert_int_equal(say(2, &other.port, text), OK);
    }
    for (unsigned i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "%u", i);
        expect(&s, text);
        if (i % 50 == 0)
            expect(&other, text);
    }
    assert_int_equal(local_ports_counters(ports)->to_server, 206);
    /* A socket that is closed has sent what waited. */
    assert_int_equal(say(1, &s.port, "last"), OK);
    local_ports_close_peer(ports, 1);
    expect(&s, "last");
    close(s.fd);
    close(other.fd);
}

/* One that is refused is counted, and the next hears of it. */
static void test_local_ports_refused_in_the_queue(void **state)
{
    struct server s = serve_udp(53);
    const struct local_counters *c = local_ports_counters(ports);

    (void)state;
    assert_int_equal(say(1, &s.port, "x"), OK);
    expect(&s, "x");
    close(s.fd);
    for (unsigned i = 0; i < 10; i++) {
        say(1, &s.port, "x");
        say(1, &s.port, "longer");
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    assert_in_range(c->to_server + c->dropped[LOCAL_DROP_REFUSED], 21, 41);
    assert_in_range(c->dropped[LOCAL_DROP_REFUSED], 1, 20);
}

static void test_local_ports_reach_unix_sockets(void **state)
{
    char path[64];
    struct server s;

    (void)state;
    snprintf(path, sizeof(path), "/tmp/warren-ports-%ld.sock", (long)getpid());
    s = serve_unix(9, path);
    round_trip(&s);
    /* The server starts again: the first datagram may be lost, not more. */
    close(s.fd);
    unlink(path);
    assert_int_equal(say(17, &s.port, "lost"), ERR_UNREACHABLE);
    assert_int_equal(say(17, &s.port, "lost"), ERR_UNREACHABLE);
    s = serve_unix(9, path);
    assert_int_equal(say(17, &s.port, "back"), OK);
    expect(&s, "back");
    assert_int_equal(local_ports_counters(ports)->dropped[LOCAL_DROP_REFUSED],
                     2);
    close(s.fd);
    unlink(path);
}

static void test_local_ports_server_that_is_away_comes_back(void **state)
{
    struct server s = serve_udp(53);
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(&s.port.to, &sa);

    (void)state;
    close(s.fd);
    for (unsigned i = 0; i < 3; i++) {
        say(17, &s.port, "x");
        event_base_loop(base, EVLOOP_NONBLOCK);
        assert_int_equal(refused.count, i + 1);
    }
    assert_int_equal(refused.peer, 17);
    assert_int_equal(refused.port, 53);
    assert_int_equal(local_ports_counters(ports)->dropped[LOCAL_DROP_REFUSED],
                     3);
    s.fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(s.fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(say(17, &s.port, "hello"), OK);
    expect(&s, "hello");
    close(s.fd);
}

static void test_local_ports_cap_serves_who_uses_his_socket(void **state)
{
    struct server s = serve_udp(53);
    uint64_t honest = 1;

    (void)state;
    assert_int_equal(say(honest, &s.port, "honest"), OK);
    for (uint64_t peer = 2; peer < 100; peer++) {
        enum error err = say(peer, &s.port, "flood");

        assert_int_equal(err, peer <= 4 ? OK : ERR_FULL);
    }
    assert_int_equal(local_ports_counters(ports)->sockets, 4);
    assert_int_equal(local_ports_counters(ports)->dropped[LOCAL_DROP_FULL], 95);
    expect(&s, "honest");
    answer(&s, "served");
    assert_true(heard.peer == honest);
    /* Who rests makes way, who does not stays. */
    now += LOCAL_REST;
    assert_int_equal(say(honest, &s.port, "still"), OK);
    for (uint64_t peer = 200; peer < 203; peer++)
        assert_int_equal(say(peer, &s.port, "new"), OK);
    assert_int_equal(say(300, &s.port, "new"), ERR_FULL);
    assert_int_equal(local_ports_counters(ports)->sockets, 4);
    answer(&s, "served");
    assert_true(heard.peer == honest);
    assert_int_equal(heard.count, 2);
    close(s.fd);
}

static void test_local_ports_close_what_is_over(void **state)
{
    struct server a = serve_udp(1), b = serve_udp(2), moved = serve_udp(2);
    struct config_ports now_there = {.count = 2, .at = {a.port, moved.port}};

    (void)state;
    assert_int_equal(say(1, &a.port, "x"), OK);
    assert_int_equal(say(1, &b.port, "x"), OK);
    assert_int_equal(say(2, &b.port, "x"), OK);
    assert_int_equal(local_ports_counters(ports)->sockets, 3);
    local_ports_keep(ports, 1, &now_there);
    assert_int_equal(local_ports_counters(ports)->sockets, 2);
    assert_int_equal(say(2, &moved.port, "here"), OK); /* in its place */
    expect(&moved, "here");
    assert_int_equal(local_ports_counters(ports)->sockets, 2);
    local_ports_close_peer(ports, 2);
    assert_int_equal(local_ports_counters(ports)->sockets, 1);
    local_ports_tick(ports, now + IDLE - 1);
    assert_int_equal(local_ports_counters(ports)->sockets, 1);
    local_ports_tick(ports, now + IDLE);
    assert_int_equal(local_ports_counters(ports)->sockets, 0);
    close(a.fd);
    close(b.fd);
    close(moved.fd);
}

static void test_local_ports_handler_may_close_what_it_hears(void **state)
{
    struct server s = serve_udp(53);

    (void)state;
    heard.closes = true;
    assert_int_equal(say(1, &s.port, "x"), OK);
    expect(&s, "x");
    assert_true(
        sendto(s.fd, "1", 1, 0, (struct sockaddr *)&s.from, s.from_len) == 1);
    answer(&s, "2");
    assert_int_equal(heard.count, 1);
    assert_int_equal(local_ports_counters(ports)->sockets, 0);
    close(s.fd);
}

static void test_local_ports_long_datagrams_are_an_error(void **state)
{
    static char payload[70000];
    struct server s = serve_udp(53);

    (void)state;
    assert_int_equal(local_ports_send(ports, 1, &s.port,
                                      bytes_of(payload, sizeof(payload)), now),
                     ERR_TOO_LARGE);
    assert_int_equal(local_ports_counters(ports)->dropped[LOCAL_DROP_TOO_LARGE],
                     1);
    assert_int_equal(say(1, &s.port, "short"), OK);
    expect(&s, "short");
    close(s.fd);
}

static void test_local_ports_without_memory(void **state)
{
    struct server s = serve_udp(53);
    unsigned failed = 0;

    (void)state;
    local_ports_free(ports);
    ports = NULL;
    for (unsigned n = 1;; n++) {
        enum error err;
        bool more;

        fail_alloc_at(n);
        err = local_ports_new(base, &handler, 4, IDLE, &ports);
        if (err == OK)
            err = say(1, &s.port, "x");
        more = fail_alloc_end();
        assert_int_equal(err, more ? ERR_NO_MEMORY : OK);
        if (!more)
            break;
        failed++;
        if (ports != NULL) { /* it goes on as before */
            assert_int_equal(say(1, &s.port, "x"), OK);
            assert_int_equal(local_ports_counters(ports)->sockets, 1);
            expect(&s, "x");
        }
        local_ports_free(ports);
        ports = NULL;
    }
    assert_true(failed >= 3);
    expect(&s, "x");
    close(s.fd);
}

/* ---- The listener ------------------------------------------------------- */

static struct local_listener *listener;

static void on_heard(void *arg, struct bytes payload)
{
    (void)arg;
    heard.count++;
    heard.len = payload.len;
    memcpy(heard.payload, payload.p, payload.len);
    if (heard.closes)
        local_listener_free(listener);
}

static int connect_to(const struct endpoint *to)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(to, &sa);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
    return fd;
}

static void test_local_listener_answers_who_sent_last(void **state)
{
    struct endpoint at, where;
    struct text why;
    char buf[8];
    int a, b;

    (void)state;
    text_init(&why, 512);
    assert_int_equal(endpoint_parse("127.0.0.1:0", &at), OK);
    assert_int_equal(
        local_listener_new(base, &at, on_heard, NULL, &listener, &where, &why),
        OK);
    assert_int_not_equal(where.port, 0);
    assert_int_equal(local_listener_send(listener, bytes_of("x", 1)),
                     ERR_NOT_FOUND);
    a = connect_to(&where);
    b = connect_to(&where);
    assert_int_equal(send(a, "a", 1, 0), 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(heard.count, 1);
    assert_int_equal(local_listener_send(listener, bytes_of("1", 1)), OK);
    assert_int_equal(recv(a, buf, sizeof(buf), 0), 1);
    assert_int_equal(send(b, "b", 1, 0), 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(local_listener_send(listener, bytes_of("2", 1)), OK);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(recv(b, buf, sizeof(buf), 0), 1);
    assert_int_equal(recv(a, buf, sizeof(buf), MSG_DONTWAIT), -1);
    heard.closes = true;
    assert_int_equal(send(b, "b", 1, 0), 1);
    assert_int_equal(send(b, "b", 1, 0), 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(heard.count, 3);
    close(a);
    close(b);
    text_deinit(&why);
}

/* What waits for the program that sent before is not given to the next. */
static void test_local_listener_sends_many_at_once(void **state)
{
    struct endpoint at, where;
    char text[16], got[16];
    struct text why;
    int a, b;

    (void)state;
    text_init(&why, 512);
    assert_int_equal(endpoint_parse("127.0.0.1:0", &at), OK);
    assert_int_equal(
        local_listener_new(base, &at, on_heard, NULL, &listener, &where, &why),
        OK);
    a = connect_to(&where);
    b = connect_to(&where);
    assert_int_equal(send(a, "a", 1, 0), 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    for (unsigned i = 0; i < 200; i++) {
        snprintf(text, sizeof(text), "%u", i);
        assert_int_equal(local_listener_send(listener, bytes_of_text(text)),
                         OK);
    }
    assert_int_equal(send(b, "b", 1, 0), 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    for (unsigned i = 0; i < 200; i++) {
        ssize_t n = recv(a, got, sizeof(got), MSG_DONTWAIT);

        snprintf(text, sizeof(text), "%u", i);
        assert_int_equal(n, strlen(text));
        assert_memory_equal(got, text, (size_t)n);
    }
    assert_int_equal(local_listener_send(listener, bytes_of("x", 1)), OK);
    local_listener_free(listener); /* what waits leaves before */
    assert_int_equal(recv(b, got, sizeof(got), MSG_DONTWAIT), 1);
    close(a);
    close(b);
    text_deinit(&why);
}

static void test_local_listener_without_memory(void **state)
{
    struct endpoint at, where;
    struct text why;
    unsigned failed = 0;
    bool more = true;

    (void)state;
    text_init(&why, 512);
    assert_int_equal(endpoint_parse("127.0.0.1:0", &at), OK);
    for (unsigned n = 1; more; n++) {
        enum error err;

        fail_alloc_at(n);
        err = local_listener_new(base, &at, on_heard, NULL, &listener, &where,
                                 &why);
        more = fail_alloc_end();
        assert_int_equal(err, more ? ERR_NO_MEMORY : OK);
        failed += more;
    }
    assert_true(failed >= 3);
    local_listener_free(listener);
    text_deinit(&why);
}

static void test_local_listener_is_for_this_machine(void **state)
{
    static const char *const bad[] = {"0.0.0.0:0", "192.0.2.1:53", "[::]:0"};
    struct server s = serve_udp(1);
    struct endpoint at, where;
    struct text why;

    (void)state;
    text_init(&why, 512);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(endpoint_parse(bad[i], &at), OK);
        assert_int_equal(local_listener_new(base, &at, on_heard, NULL,
                                            &listener, &where, &why),
                         ERR_FORBIDDEN);
        assert_non_null(strstr(text_get(&why), "loopback"));
    }
    assert_int_equal(local_listener_new(base, &s.port.to, on_heard, NULL,
                                        &listener, &where, &why),
                     ERR_IN_USE);
    text_deinit(&why);
    close(s.fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_local_ports_tell_peers_apart_by_source),
        TEST(test_local_ports_send_many_at_once),
        TEST(test_local_ports_refused_in_the_queue),
        TEST(test_local_ports_reach_unix_sockets),
        TEST(test_local_ports_server_that_is_away_comes_back),
        TEST(test_local_ports_cap_serves_who_uses_his_socket),
        TEST(test_local_ports_close_what_is_over),
        TEST(test_local_ports_handler_may_close_what_it_hears),
        TEST(test_local_ports_long_datagrams_are_an_error),
        TEST(test_local_ports_without_memory),
        TEST(test_local_listener_answers_who_sent_last),
        TEST(test_local_listener_sends_many_at_once),
        TEST(test_local_listener_without_memory),
        TEST(test_local_listener_is_for_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
