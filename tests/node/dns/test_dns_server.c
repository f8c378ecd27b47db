/* SPDX-License-Identifier: MIT
 *
 * The resolver over real sockets, with calls to exits that the test answers: it
 * stands in for carrier_open and carrier_cancel.
 */
#include "node/dns/dns_server.h"

#include "fail_alloc.h"
#include "node/dns/dns_message.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "testing.h"
#include "tunnel/traffic/carrier.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#define CALLS 64
#define A     "\0\1"
#define PTR   "\0\x0c"
#define AAAA  "\0\x1c"

/* ---- Exits -------------------------------------------------------------- */

struct carrier_call {
    struct carrier_handler handler;
    void *arg;
    struct carrier_target target;
    char name[256]; /* that the target has a view of */
    bool open, cancelled;
};

static struct carrier_call calls[CALLS];
static unsigned called, cancelled;
static enum error call_error;

enum error __wrap_carrier_open(struct carrier *c,
                               const struct carrier_target *target,
                               const struct carrier_handler *handler, void *arg,
                               uint64_t now, struct carrier_call **out);
void __wrap_carrier_cancel(struct carrier_call *call, uint64_t now);

enum error __wrap_carrier_open(struct carrier *c,
                               const struct carrier_target *target,
                               const struct carrier_handler *handler, void *arg,
                               uint64_t now, struct carrier_call **out)
{
    struct carrier_call *call = &calls[called % CALLS];

    (void)c, (void)now;
    if (call_error != OK)
        return call_error;
    called++;
    *call = (struct carrier_call){
        .handler = *handler, .arg = arg, .target = *target, .open = true};
    snprintf(call->name, sizeof(call->name), "%.*s",
             (int)target->request.name.len,
             (const char *)target->request.name.p);
    *out = call;
    return OK;
}

void __wrap_carrier_cancel(struct carrier_call *call, uint64_t now)
{
    (void)now;
    assert_true(call->open);
    call->open = false;
    cancelled++;
}

/* "8.8.8.8 2606::1" */
static void answer(unsigned n, const char *addresses, uint32_t ttl)
{
    struct carrier_call *call = &calls[n];
    struct stream_answer a = {.ttl = ttl};
    char copy[512], *rest = copy;

    snprintf(copy, sizeof(copy), "%s", addresses);
    for (char *p; (p = strtok_r(rest, " ", &rest)) != NULL;)
        assert_int_equal(endpoint_parse_addr(p, &a.address[a.address_count++]),
                         OK);
    assert_true(call->open);
    call->open = false;
    call->handler.answered(call->arg, NULL, &a, clock_now());
}

static void answer_name(unsigned n, const char *name)
{
    const struct stream_answer a = {.ttl = 60, .name = bytes_of_text(name)};

    assert_true(calls[n].open);
    calls[n].open = false;
    calls[n].handler.answered(calls[n].arg, NULL, &a, clock_now());
}

static void fail_call(unsigned n, enum reason why)
{
    assert_true(calls[n].open);
    calls[n].open = false;
    calls[n].handler.failed(calls[n].arg, why, clock_now());
}

/* ---- The server, and who asks ------------------------------------------- */

static struct event_base *base;
static struct dns_server *server;
static struct dns_server_config config;
static struct test_random source;
static int client;
static uint8_t reply[2048];
static size_t reply_len;

static void fill(void *ctx, void *out, size_t len)
{
    test_random_fill(ctx, out, len);
}

static void rearm(void *arg)
{
    (void)arg;
}

static enum error start(void)
{
    const struct dns_server_world world = {
        .base = base, .random = {.ctx = &source, .fill = fill}, .rearm = rearm};
    struct text why;
    enum error e;

    text_init(&why, 500);
    e = dns_server_new(&world, &config, &server, &why);
    text_deinit(&why);
    return e;
}

static int setup(void **state)
{
    (void)state;
    source = test_seed(3);
    called = cancelled = 0;
    call_error = OK;
    base = event_base_new();
    config = (struct dns_server_config){.listen_count = 2,
                                        .max_questions = 20,
                                        .max_source = 8,
                                        .max_cached = 16,
                                        .timeout = 7 * TIME_S};
    for (unsigned i = 0; i < 2; i++) {
        config.listen[i].hops = i + 1;
        assert_int_equal(endpoint_parse("127.0.0.1:0", &config.listen[i].at),
                         OK);
    }
    assert_int_equal(start(), OK);
    client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    dns_server_free(server);
    server = NULL;
    event_base_free(base);
    close(client);
    return 0;
}

static void turn(void)
{
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void say_to(unsigned listener, const void *text, size_t len)
{
    struct sockaddr_storage sa;
    socklen_t sa_len =
        sockaddr_from_endpoint(dns_server_at(server, listener), &sa);

    assert_int_equal(
        sendto(client, text, len, 0, (struct sockaddr *)&sa, sa_len), len);
    turn();
}

/* A question of one label and "example", in the wire's letters. */
static void ask_at(unsigned listener, uint8_t id, const char *label,
                   const char *type)
{
    uint8_t out[128] = {0, id, 1, 0, 0, 1};
    size_t len = strlen(label), at = 12;

    out[at++] = (uint8_t)len;
    memcpy(out + at, label, len);
    at += len;
    memcpy(out + at, "\7example\0", 9);
    at += 9;
    memcpy(out + at, type, 2);
    memcpy(out + at + 2, "\0\1", 2);
    say_to(listener, out, at + 4);
}

static void ask(uint8_t id, const char *label, const char *type)
{
    ask_at(0, id, label, type);
}

static bool has_reply(void)
{
    ssize_t n = recv(client, reply, sizeof(reply), 0);

    reply_len = n < 0 ? 0 : (size_t)n;
    return n > 0;
}

static void assert_reply(uint8_t id, enum dns_rcode code, unsigned records)
{
    assert_true(has_reply());
    assert_int_equal(reply[1], id);
    assert_int_equal(reply[3] & 15, code);
    assert_int_equal(reply[7], records);
}

static const struct dns_server_counters *counters(void)
{
    return dns_server_counters(server);
}

/* ---- Tests -------------------------------------------------------------- */

static void test_dns_server_asks_an_exit(void **state)
{
    (void)state;
    ask(1, "WeB", A);
    assert_int_equal(called, 1);
    assert_int_equal(calls[0].target.request.kind, STREAM_RESOLVE);
    assert_string_equal(calls[0].name, "web.example");
    assert_int_equal(calls[0].target.hops, 1);
    assert_int_equal(calls[0].target.timeout, 7 * TIME_S);
    assert_int_equal(dns_server_lookups(server), 1);
    assert_false(has_reply());
    answer(0, "8.8.8.8 2606::1 8.8.4.4", 60);
    assert_reply(1, DNS_RCODE_OK, 2);
    assert_memory_equal(reply + 12, "\3WeB\7example", 12);
    assert_int_equal(dns_server_lookups(server), 0);
    /* It is known now, of both families. */
    ask(2, "web", AAAA);
    assert_reply(2, DNS_RCODE_OK, 1);
    assert_int_equal(called, 1);
    assert_int_equal(counters()->cached, 1);
    assert_int_equal(counters()->found, 1);
}

static void test_dns_server_equal_questions_wait_together(void **state)
{
    (void)state;
    ask(1, "web", A);
    ask(2, "web", AAAA);
    ask(1, "web", A); /* said again */
    ask(1, "web", AAAA);
    assert_int_equal(called, 1);
    answer(0, "8.8.8.8", 60);
    assert_reply(1, DNS_RCODE_OK, 1);
    assert_reply(2, DNS_RCODE_OK, 0);
    assert_reply(1, DNS_RCODE_OK, 0);
    assert_false(has_reply());
    assert_int_equal(counters()->joined, 3);
    /* So many, and no more. */
    for (unsigned i = 0; i < DNS_WAITERS_MAX; i++)
        ask((uint8_t)i, "slow", A);
    assert_false(has_reply());
    ask(99, "slow", A);
    assert_reply(99, DNS_RCODE_FAILED, 0);
    assert_int_equal(counters()->crowded, 1);
    answer(1, "8.8.8.8", 60);
    for (unsigned i = 0; i < DNS_WAITERS_MAX; i++)
        assert_reply((uint8_t)i, DNS_RCODE_OK, 1);
}

/* What is said of the name is kept, what went wrong is not. */
static void test_dns_server_tells_failures_apart(void **state)
{
    (void)state;
    ask(1, "none", A);
    fail_call(0, REASON_NO_NAME);
    assert_reply(1, DNS_RCODE_NO_NAME, 0);
    assert_int_equal(reply[9], 1); /* the SOA */
    ask(2, "none", AAAA);
    assert_reply(2, DNS_RCODE_NO_NAME, 0);
    ask(3, "empty", A);
    fail_call(1, REASON_RESOLVE);
    assert_reply(3, DNS_RCODE_OK, 0);
    assert_int_equal(reply[9], 1);
    ask(4, "empty", A);
    assert_reply(4, DNS_RCODE_OK, 0);
    assert_int_equal(called, 2);
    assert_int_equal(counters()->missing, 2);
    for (int why = 0; why < REASON_END_; why++) {
        if (why == REASON_NO_NAME || why == REASON_RESOLVE ||
            why == REASON_RATE) /* which is asked again */
            continue;
        ask(5, "bad", A);
        fail_call(called - 1, (enum reason)why);
        assert_reply(5, DNS_RCODE_FAILED, 0);
        assert_int_equal(reply[9], 0);
    }
    assert_int_equal(called, 2 + REASON_END_ - 3);
    assert_int_equal(counters()->failed, REASON_END_ - 3);
}

/* An exit's name points nobody at machines here. */
static void test_dns_server_tells_no_local_addresses(void **state)
{
    (void)state;
    ask(1, "mixed", A);
    answer(0, "10.0.0.1 8.8.8.8 127.0.0.1 169.254.169.254", 60);
    assert_reply(1, DNS_RCODE_OK, 1);
    assert_memory_equal(reply + reply_len - 4, "\x8\x8\x8\x8", 4);
    ask(2, "inside", A);
    answer(1, "192.168.1.1 fd00::1 ::1", 60);
    assert_reply(2, DNS_RCODE_OK, 0);
    dns_server_free(server);
    config.local_too = true;
    assert_int_equal(start(), OK);
    ask(3, "inside", A);
    answer(2, "192.168.1.1 127.0.0.1", 60);
    assert_reply(3, DNS_RCODE_OK, 2);
}

static void ask_address(uint8_t id, const char *first)
{
    uint8_t out[64] = {0, id, 1, 0, 0, 1};
    size_t len = strlen(first);

    out[12] = (uint8_t)len;
    memcpy(out + 13, first, len);
    memcpy(out + 13 + len,
           "\1"
           "8\1"
           "8\1"
           "8\7in-addr\4arpa\0\0\x0c\0\1",
           25);
    say_to(0, out, 13 + len + 25);
}

static void test_dns_server_asks_for_names_of_addresses(void **state)
{
    (void)state;
    ask_address(1, "4");
    assert_int_equal(called, 1);
    assert_int_equal(calls[0].target.request.kind, STREAM_REVERSE);
    assert_int_equal(calls[0].target.request.ep.addr[3], 4);
    answer_name(0, "dns.example");
    assert_reply(1, DNS_RCODE_OK, 1);
    assert_memory_equal(reply + reply_len - 13, "\3dns\7example", 13);
    ask_address(2, "4");
    assert_reply(2, DNS_RCODE_OK, 1);
    assert_int_equal(called, 1);
    /* What no name can be is none. */
    ask_address(3, "5");
    answer_name(1, "a b");
    assert_reply(3, DNS_RCODE_OK, 0);
    ask_address(4, "256");
    assert_reply(4, DNS_RCODE_OK, 0);
    ask(5, "web", PTR); /* which may well be there */
    assert_reply(5, DNS_RCODE_OK, 0);
    assert_int_equal(called, 2);
}

static void test_dns_server_listeners_share_nothing(void **state)
{
    (void)state;
    ask_at(0, 1, "web", A);
    ask_at(1, 2, "web", A);
    assert_int_equal(called, 2);
    assert_int_equal(calls[1].target.hops, 2);
    assert_true(calls[0].target.isolation != calls[1].target.isolation);
    answer(0, "8.8.8.8", 60);
    assert_reply(1, DNS_RCODE_OK, 1);
    assert_false(has_reply());
    ask_at(0, 3, "web", A);
    assert_reply(3, DNS_RCODE_OK, 1);
    answer(1, "8.8.4.4", 60);
    assert_reply(2, DNS_RCODE_OK, 1);
    assert_memory_equal(reply + reply_len - 4, "\x8\x8\4\4", 4);
}

/* Another socket from here on; of another address when there is one. */
static void other_client(uint32_t address)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(address)};

    if (client >= 0)
        close(client);
    client = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(client, (struct sockaddr *)&sa, sizeof(sa)), 0);
}

/* Sockets are counted by their ports' last ten bits: one of its own. */
static void distinct_client(unsigned *last)
{
    struct sockaddr_in sa;
    socklen_t len = sizeof(sa);
    unsigned before[3] = {last[0], last[1], last[2]}, bits;

    do {
        other_client(INADDR_LOOPBACK);
        assert_int_equal(getsockname(client, (struct sockaddr *)&sa, &len), 0);
        bits = 1 + ntohs(sa.sin_port) % 1024;
    } while (bits == before[0] || bits == before[1] || bits == before[2]);
    last[2] = before[1];
    last[1] = before[0];
    last[0] = bits;
}

static void ask_many(unsigned from, unsigned to)
{
    char label[16];

    for (unsigned i = from; i < to; i++) {
        snprintf(label, sizeof(label), "n%u", i);
        ask((uint8_t)i, label, A);
    }
}

static void test_dns_server_its_cap(void **state)
{
    (void)state;
    ask_many(0, config.max_source + 2);
    assert_int_equal(called, config.max_source);
    assert_reply(8, DNS_RCODE_FAILED, 0);
    assert_reply(9, DNS_RCODE_FAILED, 0);
    assert_false(has_reply());
    other_client(0x7f010002);
    ask(1, "honest", A);
    answer(config.max_source, "8.8.8.8", 60);
    assert_reply(1, DNS_RCODE_OK, 1);
    assert_int_equal(counters()->crowded, 2);
}

/* Programs of one address: who has asked nothing yet is served beside sockets
 * that ask for all that there is room for. */
static void test_dns_server_the_busiest_socket_makes_way(void **state)
{
    unsigned ports[3] = {0}, few = config.max_source / 4;
    int busy;

    (void)state;
    distinct_client(ports);
    ask_many(0, few);
    distinct_client(ports);
    ask_many(few, config.max_source + 3);
    for (unsigned i = 0; i < 3; i++)
        assert_reply((uint8_t)(config.max_source + i), DNS_RCODE_FAILED, 0);
    assert_int_equal(called, config.max_source);
    busy = client;
    client = -1;
    distinct_client(ports);
    ask(40, "honest", A);
    answer(config.max_source, "8.8.8.8", 60);
    assert_reply(40, DNS_RCODE_OK, 1);
    close(client);
    client = busy;
    assert_reply((uint8_t)(config.max_source - 1), DNS_RCODE_FAILED, 0);
    assert_false(has_reply());
    assert_int_equal(cancelled, 1);
    assert_int_equal(counters()->crowded, 4);
}

static void turns_until(unsigned calls_made)
{
    for (unsigned i = 0; i < 1000 && called < calls_made; i++)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(called, calls_made);
}

/* An exit that says "not so fast" is asked again; who has asked once comes
 * before the rest of who has asked much. */
static void
test_dns_server_waits_for_exits_that_are_asked_too_fast(void **state)
{
    unsigned ports[3] = {0};

    (void)state;
    distinct_client(ports);
    ask_many(0, 3);
    for (unsigned i = 0; i < 3; i++)
        fail_call(i, REASON_RATE);
    assert_false(has_reply());
    distinct_client(ports);
    ask(7, "honest", A);
    assert_int_equal(called, 3); /* there is no point in asking now */
    assert_int_equal(dns_server_lookups(server), 4);
    turns_until(4);
    assert_string_equal(calls[3].name, "honest.example");
    assert_true(calls[3].target.timeout < config.timeout);
    answer(3, "8.8.8.8", 60);
    assert_reply(7, DNS_RCODE_OK, 1);
    /* It answers again: the others go on at once. */
    turns_until(6);
    assert_string_equal(calls[4].name, "n0.example");
    fail_call(4, REASON_NO_NAME);
    fail_call(5, REASON_RATE);
    turns_until(8);
    assert_int_equal(counters()->lookups, 4);
    assert_int_equal(counters()->failed, 0);
    assert_int_equal(counters()->crowded, 0);
}

static void test_dns_server_does_not_wait_for_ever(void **state)
{
    unsigned n = 0;

    (void)state;
    dns_server_free(server);
    config.timeout = TIME_S;
    assert_int_equal(start(), OK);
    ask(1, "web", A);
    while (!has_reply()) {
        turns_until(n + 1);
        fail_call(n++, REASON_RATE);
        event_base_loop(base, EVLOOP_ONCE);
    }
    assert_int_equal(reply[3] & 15, DNS_RCODE_FAILED);
    assert_true(n > 1);
    assert_int_equal(counters()->failed, 1);
    assert_int_equal(dns_server_lookups(server), 0);
}

static void test_dns_server_ends_in_the_middle(void **state)
{
    (void)state;
    ask(1, "web", A);
    ask_at(1, 2, "web", A);
    dns_server_free(server);
    assert_int_equal(cancelled, 2);
    assert_false(has_reply());
    assert_int_equal(start(), OK);
    call_error = ERR_NO_MEMORY;
    ask(3, "web", A);
    assert_reply(3, DNS_RCODE_FAILED, 0);
    assert_int_equal(dns_server_lookups(server), 0);
    call_error = OK;
    ask(4, "web", A);
    answer(2, "8.8.8.8", 60);
    assert_reply(4, DNS_RCODE_OK, 1);
}

/* What is no question for an exit, and what is none at all. */
static void test_dns_server_answers_by_itself(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        enum dns_rcode code;
        unsigned records;
    } said[] = {
#define SAID(text, code, records) {text, sizeof(text) - 1, code, records}
        /* the root, by the address, by its servers */
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\0\0\1\0\1", DNS_RCODE_OK, 0),
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\0\0\2\0\1", DNS_RCODE_NOT_IMPLEMENTED,
             0),
        /* another opcode (STATUS), another class (CHAOS), two questions */
        SAID("\0\7\x10\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1",
             DNS_RCODE_NOT_IMPLEMENTED, 0),
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\3", DNS_RCODE_NOT_IMPLEMENTED,
             0),
        SAID("\0\7\1\0\0\2\0\0\0\0\0\0\1a\0\0\1\0\1", DNS_RCODE_FORMAT, 0),
        /* names that no exit is asked for, whatever the kind; localhost */
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\1a\6warren\0\0\1\0\1", DNS_RCODE_NO_NAME,
             0),
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\1a\5onion\0\0\x41\0\1",
             DNS_RCODE_NO_NAME, 0),
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\3a b\0\0\1\0\1", DNS_RCODE_NO_NAME, 0),
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\1A\x9LocalHost\0\0\1\0\1", DNS_RCODE_OK,
             1),
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\x0bmylocalhost\0\0\x0f\0\1",
             DNS_RCODE_NOT_IMPLEMENTED, 0),
        /* MX, HTTPS */
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\1a\0\0\x0f\0\1",
             DNS_RCODE_NOT_IMPLEMENTED, 0),
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\1a\0\0\x41\0\1", DNS_RCODE_OK, 0),
        /* PTR of names that are no addresses: nothing is said of them */
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\1a\0\0\x0c\0\1", DNS_RCODE_OK, 0),
        SAID("\0\7\1\0\0\1\0\0\0\0\0\0\1"
             "8\7in-addr\4arpa\0\0\x0c\0\1",
             DNS_RCODE_OK, 0),
        /* EDNS of a version to come */
        SAID("\0\7\1\0\0\1\0\0\0\0\0\1\1a\0\0\1\0\1\0\0\x29\4\0\0\1\0\0\0\0",
             DNS_RCODE_OK, 0),
    };

    (void)state;
    for (unsigned i = 0; i < COUNT_OF(said); i++) {
        say_to(0, said[i].text, said[i].len);
        assert_reply(7, said[i].code, said[i].records);
    }
    assert_int_equal(reply[reply_len - 6], 1);                /* BADVERS */
    say_to(0, "\0\7\x81\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1", 19); /* a reply */
    say_to(0, "\0\7", 2);
    assert_false(has_reply());
    assert_int_equal(counters()->senseless, 3);
    assert_int_equal(called, 0);
}

static void test_dns_server_without_memory(void **state)
{
    bool has_failed = true;

    (void)state;
    for (unsigned n = 1; has_failed; n++) {
        unsigned before = called;

        fail_alloc_at(n);
        ask((uint8_t)n, "web", A);
        if (called > before)
            answer(before, "8.8.8.8", 5);
        has_failed = fail_alloc_end();
        assert_true(has_reply());
        assert_int_equal(reply[3] & 15,
                         called > before ? DNS_RCODE_OK : DNS_RCODE_FAILED);
        assert_int_equal(dns_server_lookups(server), 0);
        assert_true(n < 50);
        dns_server_free(server);
        assert_int_equal(start(), OK);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_dns_server_asks_an_exit),
        TEST(test_dns_server_equal_questions_wait_together),
        TEST(test_dns_server_tells_failures_apart),
        TEST(test_dns_server_tells_no_local_addresses),
        TEST(test_dns_server_asks_for_names_of_addresses),
        TEST(test_dns_server_listeners_share_nothing),
        TEST(test_dns_server_its_cap),
        TEST(test_dns_server_the_busiest_socket_makes_way),
        TEST(test_dns_server_waits_for_exits_that_are_asked_too_fast),
        TEST(test_dns_server_does_not_wait_for_ever),
        TEST(test_dns_server_ends_in_the_middle),
        TEST(test_dns_server_answers_by_itself),
        TEST(test_dns_server_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
