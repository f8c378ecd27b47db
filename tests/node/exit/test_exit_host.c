/* SPDX-License-Identifier: MIT
 *
 * Sockets and names of an exit, against an echo server and a name server in
 * this process.
 */
#include "node/exit/exit_host.h"

#include "base/timestamp.h"
#include "name_server.h"
#include "node/os/bind.h"
#include "node/os/sockaddr.h"
#include "testing.h"

#include <event2/event.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct event_base *base;
static struct config config;
static struct exit_host *host;

/* What the host told last. */
static struct {
    unsigned received, batches, resolved;
    uint32_t cookie;
    struct endpoint from;
    char payload[64];
    size_t len, count;
    struct endpoint addrs[16];
    uint64_t ttl;
    enum reason why;
    char name[256];
} told;

static void on_received(void *arg, uint32_t cookie, const struct endpoint *from,
                        struct bytes payload)
{
    (void)arg;
    told.received++;
    told.cookie = cookie;
    told.from = *from;
    told.len = payload.len;
    memcpy(told.payload, payload.p,
           payload.len < sizeof(told.payload) ? payload.len
                                              : sizeof(told.payload));
}

static void on_batch_end(void *arg)
{
    (void)arg;
    told.batches++;
}

static void on_resolved(void *arg, uint32_t cookie,
                        const struct exit_answer *answer)
{
    (void)arg;
    told.resolved++;
    told.cookie = cookie;
    told.why = answer->why;
    told.count = answer->count;
    memcpy(told.addrs, answer->addrs, answer->count * sizeof(*answer->addrs));
    memcpy(told.name, answer->name.p, answer->name.len);
    told.name[answer->name.len] = '\0';
    told.ttl = answer->ttl;
}

static struct endpoint ep(const char *text)
{
    struct endpoint out;

    assert_int_equal(endpoint_parse(text, &out), OK);
    return out;
}

static int bind_to(const char *at, struct endpoint *local)
{
    struct endpoint where = ep(at);
    struct text why;
    int fd = -1;

    text_init(&why, 256);
    assert_int_equal(bind_socket(SOCK_DGRAM, &where, "", &fd, local, &why), OK);
    text_deinit(&why);
    return fd;
}

static void run_until(const unsigned *counter, unsigned value)
{
    for (unsigned i = 0; i < 500 && *counter < value; i++) {
        struct timeval tv = {.tv_usec = 10000};

        event_base_loopexit(base, &tv);
        event_base_dispatch(base);
    }
    assert_int_equal(*counter, value);
}

static void start(const char *listen)
{
    struct exit_host_handler handler = {.received = on_received,
                                        .batch_end = on_batch_end,
                                        .resolved = on_resolved};

    config.listen.at[0] = ep(listen);
    config.listen.count = 1;
    assert_int_equal(exit_host_new(base, &handler, &config, NULL, &host), OK);
}

static int setup(void **state)
{
    (void)state;
    memset(&told, 0, sizeof(told));
    memset(&config, 0, sizeof(config));
    config.dht.family[FAMILY_IPV4] = true;
    base = event_base_new();
    return base == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    exit_host_free(host);
    host = NULL;
    event_base_free(base);
    return 0;
}

/* ---- Sockets ------------------------------------------------------------ */

static void test_exit_host_sends_and_hears_with_the_cookie(void **state)
{
    struct endpoint server;
    int fd = bind_to("127.0.0.1:0", &server);
    struct sockaddr_storage sa;
    socklen_t len = sizeof(sa);
    struct endpoint seen;
    void *handle;
    char buf[64];

    (void)state;
    start("127.0.0.77:7881");
    assert_int_equal(exit_host_open(host, FAMILY_IPV4, 42, &handle), OK);
    assert_int_equal(
        exit_host_send(host, handle, &server, bytes_of("hello", 5)), OK);
    assert_int_equal(
        recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&sa, &len), 5);
    assert_int_equal(sockaddr_to_endpoint((struct sockaddr *)&sa, &seen), OK);
    /* From the address that the node listens on, but not its port. */
    assert_true(endpoint_same_addr(&seen, &config.listen.at[0]));
    assert_int_not_equal(seen.port, 7881);
    assert_int_equal(
        sendto(fd, "hello back", 10, 0, (struct sockaddr *)&sa, len), 10);
    run_until(&told.received, 1);
    assert_int_equal(told.cookie, 42);
    assert_int_equal(told.batches, 1);
    assert_true(endpoint_equal(&told.from, &server));
    assert_int_equal(told.len, 10);
    assert_memory_equal(told.payload, "hello back", 10);
    exit_host_close(host, handle);
    close(fd);
}

static void test_exit_host_tells_what_cannot_be_sent(void **state)
{
    static uint8_t huge[66000];
    struct endpoint to = ep("127.0.0.1:9"), v6 = ep("[2001:db8::1]:9");
    void *handle;

    (void)state;
    start("0.0.0.0:7881");
    assert_int_equal(exit_host_open(host, FAMILY_IPV4, 1, &handle), OK);
    assert_int_equal(
        exit_host_send(host, handle, &to, bytes_of(huge, sizeof(huge))),
        ERR_TOO_LARGE);
    assert_int_equal(exit_host_send(host, handle, &v6, bytes_of("x", 1)),
                     ERR_IO);
    exit_host_close(host, handle);
}

static void test_exit_host_cannot_open_without_the_address(void **state)
{
    void *handle = NULL;

    (void)state;
    start("192.0.2.1:7881"); /* no machine has it */
    assert_int_equal(exit_host_open(host, FAMILY_IPV4, 1, &handle), ERR_IO);
    assert_null(handle);
}

/* ---- Names -------------------------------------------------------------- */

static struct name_server dns;

static void serve_names(void)
{
    name_server_open(&dns, base, 1);
    config.exit_nameservers.at[0] = dns.at;
    config.exit_nameservers.count = 1;
}

static void test_exit_host_resolves_names(void **state)
{
    (void)state;
    serve_names();
    start("0.0.0.0:7881");
    assert_int_equal(exit_host_nameservers(host), 1);
    assert_int_equal(exit_host_resolve(host, "two.example", 7), OK);
    run_until(&told.resolved, 1);
    assert_int_equal(told.cookie, 7);
    assert_int_equal(told.count, 2);
    assert_int_equal(told.addrs[1].family, FAMILY_IPV4);
    assert_memory_equal(told.addrs[1].addr, "\xc0\x00\x02\x02", 4);
    assert_true(told.ttl == 60 * TIME_S);
    assert_int_equal(exit_host_resolve(host, "none.example", 8), OK);
    run_until(&told.resolved, 2);
    assert_int_equal(told.cookie, 8);
    assert_int_equal(told.count, 0);
    assert_int_equal(told.why, REASON_NO_NAME);
    assert_int_equal(exit_host_resolve(host, "empty.example", 9), OK);
    run_until(&told.resolved, 3);
    assert_int_equal(told.why, REASON_RESOLVE);
    assert_int_equal(exit_host_resolve(host, "failing.example", 9), OK);
    run_until(&told.resolved, 4);
    assert_int_equal(told.why, REASON_DNS);
    name_server_close(&dns);
}

static void test_exit_host_asks_for_names_of_addresses(void **state)
{
    struct endpoint address = ep("192.0.2.1:1");

    (void)state;
    serve_names();
    start("0.0.0.0:7881");
    assert_int_equal(exit_host_reverse(host, &address, 7), OK);
    run_until(&told.resolved, 1);
    assert_int_equal(told.why, EXIT_SENT);
    assert_int_equal(told.cookie, 7);
    assert_string_equal(told.name, "one.example");
    address = ep("192.0.2.9:1");
    assert_int_equal(exit_host_reverse(host, &address, 8), OK);
    run_until(&told.resolved, 2);
    assert_int_equal(told.why, REASON_NO_NAME);
    assert_int_equal(exit_host_reverse(host, &address, 9), OK);
    exit_host_resolve_cancel(host, 9);
    name_server_close(&dns);
}

/* No hosts file, no search domain: the DNS is asked for just this name. */
static void test_exit_host_asks_the_dns_alone(void **state)
{
    (void)state;
    serve_names();
    start("0.0.0.0:7881");
    assert_int_equal(exit_host_resolve(host, "localhost", 1), OK);
    run_until(&told.resolved, 1);
    assert_int_equal(told.count, 0);
    assert_int_equal(dns.asked, 1);
    assert_int_equal(strcasecmp(dns.name, "localhost"), 0);
    name_server_close(&dns);
}

static void test_exit_host_cancelled_questions_are_not_answered(void **state)
{
    (void)state;
    serve_names();
    start("0.0.0.0:7881");
    assert_int_equal(exit_host_resolve(host, "two.example", 1), OK);
    assert_int_equal(exit_host_resolve(host, "two.example", 2), OK);
    exit_host_resolve_cancel(host, 1);
    exit_host_resolve_cancel(host, 99);
    run_until(&told.resolved, 1);
    assert_int_equal(told.cookie, 2);
    name_server_close(&dns);
}

/* After a reload what is open is asked of the new servers. */
static void test_exit_host_new_servers_take_over_questions(void **state)
{
    (void)state;
    config.exit_nameservers.count = 1;
    config.exit_nameservers.at[0] = ep("127.0.0.1:9");
    start("0.0.0.0:7881");
    assert_int_equal(exit_host_resolve(host, "two.example", 1), OK);
    serve_names();
    exit_host_configure(host, &config);
    run_until(&told.resolved, 1);
    assert_int_equal(told.count, 2);
    name_server_close(&dns);
}

static void test_exit_host_can_go_while_a_question_is_open(void **state)
{
    (void)state;
    config.exit_nameservers.count = 1;
    config.exit_nameservers.at[0] = ep("127.0.0.1:9");
    start("0.0.0.0:7881");
    assert_int_equal(exit_host_resolve(host, "two.example", 1), OK);
    exit_host_free(host);
    host = NULL;
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(told.resolved, 0);
}

/* ---- Answers that are lost
 * ----------------------------------------------- */

/* A socket of the host's that has sent to `fd`; where from. */
static void *open_towards(int fd, const struct endpoint *server,
                          struct sockaddr_storage *from)
{
    socklen_t len = sizeof(*from);
    char buf[8];
    void *s;

    assert_int_equal(exit_host_open(host, FAMILY_IPV4, 7, &s), OK);
    assert_int_equal(exit_host_send(host, s, server, bytes_of_text("hi")), OK);
    assert_int_equal(
        recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)from, &len), 2);
    return s;
}

static void test_exit_host_counts_answers_that_are_too_long(void **state)
{
    static const uint8_t answer[EXIT_PAYLOAD_MAX + 1];
    struct endpoint server;
    int fd = bind_to("127.0.0.1:0", &server);
    struct sockaddr_storage to;
    void *s;

    (void)state;
    start("127.0.0.1:7881");
    s = open_towards(fd, &server, &to);
    for (size_t len = sizeof(answer); len >= sizeof(answer) - 1; len--)
        assert_int_equal(sendto(fd, answer, len, 0, (struct sockaddr *)&to,
                                sizeof(struct sockaddr_in)),
                         len);
    run_until(&told.received, 1);
    assert_int_equal(told.len, EXIT_PAYLOAD_MAX);
    assert_int_equal(exit_host_lost(host)[EXIT_LOST_TOO_LONG], 1);
    assert_int_equal(exit_host_lost(host)[EXIT_LOST_ADDRESS], 0);
    assert_int_equal(exit_host_lost(host)[EXIT_LOST_SYSTEM], 0);
    exit_host_close(host, s);
    close(fd);
}

static void test_exit_host_counts_what_the_system_had_no_room_for(void **state)
{
    static const uint8_t answer[8000];
    struct endpoint server;
    int fd = bind_to("127.0.0.1:0", &server);
    struct sockaddr_storage to;
    unsigned sent = 1000;
    void *s;

    (void)state;
    start("127.0.0.1:7881");
    s = open_towards(fd, &server, &to);
    for (unsigned i = 0; i < sent; i++)
        sendto(fd, answer, sizeof(answer), 0, (struct sockaddr *)&to,
               sizeof(struct sockaddr_in));
    for (unsigned i = 0; i < sent; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    exit_host_close(host, s);
    assert_in_range(told.received, 1, sent - 1);
    assert_int_equal(told.received + exit_host_lost(host)[EXIT_LOST_SYSTEM],
                     sent);
    close(fd);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_exit_host_sends_and_hears_with_the_cookie),
        TEST(test_exit_host_tells_what_cannot_be_sent),
        TEST(test_exit_host_counts_answers_that_are_too_long),
        TEST(test_exit_host_counts_what_the_system_had_no_room_for),
        TEST(test_exit_host_cannot_open_without_the_address),
        TEST(test_exit_host_resolves_names),
        TEST(test_exit_host_asks_for_names_of_addresses),
        TEST(test_exit_host_asks_the_dns_alone),
        TEST(test_exit_host_cancelled_questions_are_not_answered),
        TEST(test_exit_host_new_servers_take_over_questions),
        TEST(test_exit_host_can_go_while_a_question_is_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
