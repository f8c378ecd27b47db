/* SPDX-License-Identifier: MIT
 *
 * The proxy over real sockets, with calls to exits, flows and splices that the
 * test stands in for: whose isolation key is whose, what is held and let go,
 * what becomes of a client at every step.
 */
#include "node/socks/socks_server.h"

#include "fail_alloc.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "node/socks/socks_code.h"
#include "node/socks/socks_udp.h"
#include "node/splice/splice.h"
#include "testing.h"
#include "tunnel/traffic/carrier.h"
#include "tunnel/traffic/flow.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SERVICE                    \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaa.warren"
#define PATIENCE (60 * TIME_S)

/* ---- In place of exits -------------------------------------------------- */

/* The last of each. */
static struct carrier_call {
    struct carrier_handler handler;
    void *arg;
    struct carrier_target target;
    char name[256];
    bool open;
} call;
static struct flow {
    flow_received_fn *received;
    void *arg;
    uint64_t isolation;
    bool open;
} flow;
static char sent[256];
static unsigned calls, cancelled, resets, splices, flows, held;
static size_t early, written;
static bool takes_early;
static enum error call_error;
static char stream_here; /* its address is the stream's */

enum error __wrap_carrier_open(struct carrier *c,
                               const struct carrier_target *target,
                               const struct carrier_handler *handler, void *arg,
                               uint64_t now, struct carrier_call **out);
void __wrap_carrier_cancel(struct carrier_call *c, uint64_t now);
size_t __wrap_carrier_early(struct carrier_call *c, struct bytes data,
                            uint64_t now);
size_t __wrap_stream_write(struct stream *st, struct bytes data, uint64_t now);
void __wrap_stream_reset(struct stream *st, uint32_t code, uint64_t now);
enum error __wrap_splice_new(const struct splice_env *env, int fd,
                             struct stream *st, struct bytes first,
                             splice_done_fn *over, void *arg, uint64_t now,
                             struct splice **out);
void __wrap_splice_free(struct splice *s, uint32_t code, uint64_t now);
enum error __wrap_flow_open(struct flows *fs, unsigned hops, uint64_t isolation,
                            flow_received_fn *received, void *arg, uint64_t now,
                            struct flow **out);
void __wrap_flow_close(struct flow *f);
enum error __wrap_flow_send(struct flow *f, const struct host_port *to,
                            struct bytes data, uint64_t now);

enum error __wrap_carrier_open(struct carrier *c,
                               const struct carrier_target *target,
                               const struct carrier_handler *handler, void *arg,
                               uint64_t now, struct carrier_call **out)
{
    (void)c, (void)now;
    if (call_error != OK)
        return call_error;
    calls++;
    call = (struct carrier_call){
        .handler = *handler, .arg = arg, .target = *target, .open = true};
    snprintf(call.name, sizeof(call.name), "%.*s",
             (int)target->request.name.len,
             (const char *)target->request.name.p);
    *out = &call;
    return OK;
}

void __wrap_carrier_cancel(struct carrier_call *c, uint64_t now)
{
    (void)now;
    assert_true(c->open);
    c->open = false;
    cancelled++;
}

size_t __wrap_carrier_early(struct carrier_call *c, struct bytes data,
                            uint64_t now)
{
    (void)now;
    assert_true(c->open);
    early += takes_early ? data.len : 0;
    return takes_early ? data.len : 0;
}

size_t __wrap_stream_write(struct stream *st, struct bytes data, uint64_t now)
{
    (void)now;
    assert_ptr_equal(st, &stream_here);
    written += data.len;
    return data.len;
}

void __wrap_stream_reset(struct stream *st, uint32_t code, uint64_t now)
{
    (void)st, (void)code, (void)now;
    resets++;
}

static struct {
    int fd;
    splice_done_fn *over;
    void *arg;
} spliced;

enum error __wrap_splice_new(const struct splice_env *env, int fd,
                             struct stream *st, struct bytes first,
                             splice_done_fn *over, void *arg, uint64_t now,
                             struct splice **out)
{
    (void)env, (void)now;
    assert_ptr_equal(st, &stream_here);
    __wrap_stream_write(st, first, now);
    spliced.fd = fd;
    spliced.over = over;
    spliced.arg = arg;
    *out = (struct splice *)(void *)&spliced;
    splices++;
    return OK;
}

static void splice_gone(void)
{
    close(spliced.fd);
    splices--;
}

void __wrap_splice_free(struct splice *s, uint32_t code, uint64_t now)
{
    (void)s, (void)code, (void)now;
    splice_gone();
}

enum error __wrap_flow_open(struct flows *fs, unsigned hops, uint64_t isolation,
                            flow_received_fn *received, void *arg, uint64_t now,
                            struct flow **out)
{
    (void)fs, (void)hops, (void)now;
    flow = (struct flow){received, arg, isolation, true};
    flows++;
    *out = &flow;
    return OK;
}

void __wrap_flow_close(struct flow *f)
{
    assert_true(f->open);
    f->open = false;
    flows--;
}

enum error __wrap_flow_send(struct flow *f, const struct host_port *to,
                            struct bytes data, uint64_t now)
{
    (void)to, (void)now;
    assert_true(f->open);
    snprintf(sent, sizeof(sent), "%.*s", (int)data.len, (const char *)data.p);
    return OK;
}

static enum error reach_service(void *arg, struct bytes address, unsigned hops,
                                uint32_t *id)
{
    (void)arg, (void)address, (void)hops;
    held++;
    *id = 7;
    return OK;
}

static void let_go(void *arg, uint32_t id)
{
    (void)arg;
    assert_true(id == 7 && held > 0);
    held--;
}

static enum error service_send(void *arg, uint32_t id, uint16_t port,
                               struct bytes data)
{
    (void)arg, (void)id, (void)port;
    snprintf(sent, sizeof(sent), "%.*s", (int)data.len, (const char *)data.p);
    return OK;
}

/* ---- The proxy and its clients ------------------------------------------ */

static struct event_base *base;
static struct socks_server *server;
static struct socks_config config;
static struct test_random source;
static uint8_t in[512];

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
    const struct socks_world world = {.base = base,
                                      .random = {.ctx = &source, .fill = fill},
                                      .service = reach_service,
                                      .let_go = let_go,
                                      .service_send = service_send,
                                      .rearm = rearm};
    struct text why;
    enum error e;

    text_init(&why, 500);
    e = socks_server_new(&world, &config, &server, &why);
    text_deinit(&why);
    return e;
}

static int setup(void **state)
{
    (void)state;
    source = test_seed(4);
    calls = cancelled = resets = 0;
    early = written = 0;
    takes_early = false;
    call_error = OK;
    base = event_base_new();
    config = (struct socks_config){.listen_count = 2,
                                   .max_clients = 64,
                                   .max_source = 64,
                                   .max_associations = 4,
                                   .max_source_associations = 4,
                                   .max_private = 2,
                                   .handshake_time = TIME_MIN,
                                   .connect_time = TIME_MIN};
    for (unsigned i = 0; i < 2; i++) {
        config.listen[i].hops = i + 1;
        assert_int_equal(endpoint_parse("127.0.0.1:0", &config.listen[i].at),
                         OK);
    }
    assert_int_equal(start(), OK);
    return 0;
}

/* Nothing is held for whom is gone. */
static int teardown(void **state)
{
    (void)state;
    socks_server_free(server);
    server = NULL;
    event_base_free(base);
    assert_int_equal(held, 0);
    assert_int_equal(splices, 0);
    assert_int_equal(flows, 0);
    return 0;
}

static void turn(void)
{
    struct timeval tv = {.tv_usec = 1000};

    event_base_loopexit(base, &tv);
    event_base_dispatch(base);
}

static void turn_until(const unsigned *what, unsigned count)
{
    uint64_t begun = clock_now();

    while (*what != count && time_since(begun, clock_now()) < PATIENCE)
        turn();
    assert_int_equal(*what, count);
}

static void turn_until_clients(unsigned count)
{
    uint64_t begun = clock_now();

    while (socks_server_clients(server) != count &&
           time_since(begun, clock_now()) < PATIENCE)
        turn();
    assert_int_equal(socks_server_clients(server), count);
}

static int join(unsigned listener)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_storage sa;
    socklen_t len =
        sockaddr_from_endpoint(socks_server_at(server, listener), &sa);

    assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
    return fd;
}

static void say(int fd, const void *text, size_t len)
{
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}
#define SAY(fd, text) say(fd, text, sizeof(text) - 1)

/* So many bytes; or fewer, and the end. */
static size_t hear(int fd, size_t count)
{
    uint64_t begun = clock_now();
    size_t have = 0;

    while (have < count && time_since(begun, clock_now()) < PATIENCE) {
        ssize_t r = recv(fd, in + have, count - have, MSG_DONTWAIT);

        if (r == 0)
            break;
        if (r > 0)
            have += (size_t)r;
        else
            turn();
    }
    return have;
}

#define HELLO      "\5\1\0"
#define CONNECT    "\5\1\0\3\x0bweb.example\0\x50"
#define RESOLVE    "\5\xf0\0\3\x0bweb.example\0\0"
#define REVERSE    "\5\xf1\0\1\x8\x8\x8\x8\0\0"
#define ASSOCIATE  "\5\3\0\1\0\0\0\0\0\0"
#define TO_SERVICE "\5\1\0\3\x3f" SERVICE "\0\x50"

/* One that has asked for this in one go, and is not answered: both answers come
 * together. */
static int asking(const void *request, size_t len)
{
    int fd = join(0);

    SAY(fd, HELLO);
    say(fd, request, len);
    turn_until(&calls, calls + 1);
    return fd;
}
#define ASKING(request) asking(request, sizeof(request) - 1)

static void answer(const struct stream_answer *a, bool with_stream)
{
    assert_true(call.open);
    call.open = false;
    call.handler.answered(
        call.arg, with_stream ? (struct stream *)(void *)&stream_here : NULL, a,
        clock_now());
}

static void fail_call(enum reason why)
{
    assert_true(call.open);
    call.open = false;
    call.handler.failed(call.arg, why, clock_now());
}

/* ---- Tests -------------------------------------------------------------- */

static void test_socks_server_connects(void **state)
{
    static const char request[] = HELLO CONNECT "GET /";
    struct stream_answer a = {.address_count = 1};
    int fd = join(0);

    (void)state;
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        say(fd, request + i, 1);
        turn();
    }
    turn_until(&calls, 1);
    assert_int_equal(call.target.request.kind, STREAM_CONNECT);
    assert_string_equal(call.name, "web.example");
    assert_int_equal(call.target.request.port, 80);
    assert_int_equal(call.target.hops, 1);
    SAY(fd, " HTTP/1.0\r\n\r\n");
    turn();
    takes_early = true;
    call.handler.asked(call.arg, clock_now());
    takes_early = false;
    SAY(fd, "more");
    for (unsigned i = 0; i < 20; i++)
        turn();
    assert_int_equal(endpoint_parse("8.8.8.8:80", &a.address[0]), OK);
    answer(&a, true);
    assert_int_equal(splices, 1);
    assert_int_equal(early + written, 5 + 13 + 4); /* each byte once */
    assert_int_equal(hear(fd, 12), 12);
    assert_memory_equal(in, "\5\0\5\0\0\1\x8\x8\x8\x8\0\x50", 12);
    assert_int_equal(socks_server_clients(server), 1);
    splice_gone();
    spliced.over(spliced.arg, OK);
    assert_int_equal(socks_server_clients(server), 0);
    close(fd);
}

static void test_socks_server_tells_each_reason(void **state)
{
    (void)state;
    for (int why = 0; why < REASON_END_; why++) {
        int fd = ASKING(CONNECT);

        fail_call((enum reason)why);
        /* The answer, and the end, at once. */
        assert_int_equal(hear(fd, 13), 12);
        assert_int_equal(in[3], socks5_code_of((enum reason)why));
        close(fd);
        turn_until_clients(0);
    }
    assert_int_equal(socks_server_counters(server)->refused, REASON_END_);
    call_error = ERR_NO_MEMORY;
    {
        int fd = join(0);

        SAY(fd, HELLO CONNECT);
        assert_int_equal(hear(fd, 13), 12);
        assert_int_equal(in[3], SOCKS5_FAILED);
        close(fd);
    }
}

static void test_socks_server_tells_names_and_addresses(void **state)
{
    struct stream_answer a = {.address_count = 1};
    int fd = ASKING(RESOLVE);

    (void)state;
    assert_int_equal(call.target.request.kind, STREAM_RESOLVE);
    assert_int_equal(endpoint_parse_addr("8.8.4.4", &a.address[0]), OK);
    answer(&a, false);
    assert_int_equal(hear(fd, 13), 12);
    assert_memory_equal(in, "\5\0\5\0\0\1\x8\x8\4\4", 10);
    close(fd);
    fd = ASKING(REVERSE);
    assert_int_equal(call.target.request.kind, STREAM_REVERSE);
    assert_int_equal(call.target.request.ep.addr[3], 8);
    a = (struct stream_answer){.name = bytes_of_text("dns.example")};
    answer(&a, false);
    assert_int_equal(hear(fd, 64), 20);
    assert_memory_equal(in,
                        "\5\0\5\0\0\3\x0b"
                        "dns.example\0\0",
                        20);
    close(fd);
    /* A service has no address, and none is held for that. */
    fd = join(0);
    SAY(fd, HELLO "\5\xf0\0\3\x3f" SERVICE "\0\0");
    assert_int_equal(hear(fd, 13), 12);
    assert_int_equal(in[3], SOCKS5_NO_HOST);
    close(fd);
    assert_int_equal(calls, 2);
}

static uint64_t key_of(unsigned listener, const char *user)
{
    char text[64] = "\5\1\2";
    int fd = join(listener);
    unsigned before = calls;

    if (user == NULL) {
        SAY(fd, HELLO CONNECT);
    } else {
        SAY(fd, "\5\1\2");
        snprintf(text, sizeof(text), "%c%c%s%c%s", 1, (int)strlen(user), user,
                 1, "x");
        say(fd, text, strlen(text));
        SAY(fd, CONNECT);
    }
    turn_until(&calls, before + 1);
    close(fd);
    turn_until_clients(0);
    assert_int_equal(cancelled, calls);
    return call.target.isolation;
}

/* Each listener, and each user at it, has a key of its own. */
static void test_socks_server_keeps_keys_apart(void **state)
{
    static const struct {
        unsigned listener;
        const char *user;
    } who[] = {{0, NULL}, {1, NULL}, {0, "a"}, {1, "a"}, {0, "b"}};
    uint64_t key[COUNT_OF(who)];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(who); i++)
        key[i] = key_of(who[i].listener, who[i].user);
    for (size_t i = 0; i < COUNT_OF(who); i++) {
        assert_true(key_of(who[i].listener, who[i].user) == key[i]);
        for (size_t k = 0; k < i; k++)
            assert_true(key[i] != key[k]);
    }
}

/* A client that goes, at any step, takes along what was done for it. */
static void test_socks_server_client_goes(void **state)
{
    static const char request[] = HELLO TO_SERVICE;

    (void)state;
    for (size_t len = 0; len < sizeof(request); len++) {
        unsigned before = calls;
        int fd = join(0);

        say(fd, request, len);
        turn_until_clients(1);
        if (len == sizeof(request) - 1)
            turn_until(&calls, before + 1);
        close(fd);
        turn_until_clients(0);
        assert_int_equal(held, 0);
    }
    assert_int_equal(calls, 1);
    assert_int_equal(cancelled, 1);
    assert_int_equal(call.target.request.kind, STREAM_PORT);
    assert_int_equal(call.target.service, 7);
}

/* In each state a client may be in. */
static void test_socks_server_ends_in_the_middle(void **state)
{
    const struct stream_answer a = {.reason = 0};
    unsigned wanted = 1;
    int fd[5];

    (void)state;
    fd[0] = join(0); /* handshake */
    SAY(fd[0], "\5\1");
    fd[1] = ASKING(CONNECT); /* ending */
    fail_call(REASON_TIMEOUT);
    fd[2] = ASKING(TO_SERVICE); /* spliced */
    answer(&a, true);
    fd[3] = join(0); /* associated */
    SAY(fd[3], HELLO ASSOCIATE);
    turn_until(&flows, wanted);
    fd[4] = ASKING(TO_SERVICE); /* calling */
    turn_until_clients(5);
    assert_int_equal(held, 2);
    socks_server_free(server);
    assert_int_equal(held, 0);
    assert_int_equal(cancelled, 1);
    for (unsigned i = 0; i < 5; i++)
        close(fd[i]);
    assert_int_equal(start(), OK);
}

static void test_socks_server_waits_for_no_one(void **state)
{
    int fd;

    (void)state;
    socks_server_free(server);
    config.handshake_time = 50 * TIME_MS;
    assert_int_equal(start(), OK);
    fd = join(0);
    SAY(fd, "\5\1");
    assert_int_equal(hear(fd, 1), 0);
    assert_int_equal(socks_server_counters(server)->late, 1);
    assert_int_equal(socks_server_clients(server), 0);
    close(fd);
}

/* ---- Associations ------------------------------------------------------- */

static int associated(struct sockaddr_in *at)
{
    unsigned before = flows;
    int fd = join(0);

    SAY(fd, HELLO ASSOCIATE);
    turn_until(&flows, before + 1);
    assert_int_equal(hear(fd, 12), 12);
    assert_int_equal(in[3], SOCKS5_DONE);
    *at = (struct sockaddr_in){.sin_family = AF_INET};
    memcpy(&at->sin_addr, in + 6, 4);
    memcpy(&at->sin_port, in + 10, 2);
    return fd;
}

static void send_datagram(int fd, const struct sockaddr_in *at,
                          const void *text, size_t len)
{
    assert_int_equal(
        sendto(fd, text, len, 0, (const struct sockaddr *)at, sizeof(*at)),
        len);
    for (unsigned i = 0; i < 3; i++)
        turn();
}
#define DATAGRAM(fd, at, text) send_datagram(fd, at, text, sizeof(text) - 1)

static void test_socks_server_datagrams(void **state)
{
    int mine = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int other = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const struct socks_udp_counters *counters;
    struct endpoint from;
    struct sockaddr_in at;
    int fd;

    (void)state;
    fd = associated(&at);
    counters = socks_udp_counters(socks_server_udp(server));
    DATAGRAM(mine, &at, "\0\0\0\3\x0bweb.example\0\x35one");
    assert_string_equal(sent, "one");
    DATAGRAM(other, &at, "\0\0\0\3\x0bweb.example\0\x35two");
    DATAGRAM(mine, &at, "\0\0\1\3\x0bweb.example\0\x35three");
    DATAGRAM(mine, &at, "\0\0\0\7what");
    assert_string_equal(sent, "one");
    assert_int_equal(counters->strange, 1);
    assert_int_equal(counters->fragments, 1);
    assert_int_equal(counters->senseless, 1);
    assert_int_equal(endpoint_parse("8.8.8.8:53", &from), OK);
    flow.received(flow.arg, &from, bytes_of("answer", 6), clock_now());
    assert_int_equal(hear(mine, 16), 16);
    assert_memory_equal(in,
                        "\0\0\0\1\x8\x8\x8\x8\0\x35"
                        "answer",
                        16);
    /* A service is held once, until the association ends. */
    DATAGRAM(mine, &at,
             "\0\0\0\3\x3f" SERVICE "\0\x35"
             "hidden");
    DATAGRAM(mine, &at,
             "\0\0\0\3\x3f" SERVICE "\0\x35"
             "again");
    assert_string_equal(sent, "again");
    assert_int_equal(held, 1);
    close(fd);
    turn_until_clients(0);
    assert_int_equal(held, 0);
    assert_int_equal(flows, 0);
    close(mine);
    close(other);
}

static void test_socks_server_without_memory(void **state)
{
    bool has_failed = true;

    (void)state;
    for (unsigned n = 1; has_failed; n++) {
        unsigned before =
            calls + (unsigned)socks_server_counters(server)->refused;
        uint64_t begun = clock_now();
        int fd = join(0);

        SAY(fd, HELLO TO_SERVICE);
        fail_alloc_at(n);
        while (calls + socks_server_counters(server)->refused == before &&
               recv(fd, in, 1, MSG_DONTWAIT | MSG_PEEK) != 0 &&
               time_since(begun, clock_now()) < PATIENCE)
            turn();
        has_failed = fail_alloc_end();
        close(fd);
        turn_until_clients(0);
        assert_int_equal(held, 0);
        assert_true(n < 100);
    }
    assert_true(calls > 0);
    assert_int_equal(cancelled, calls);
}

static void test_socks_server_private_cap(void **state)
{
    const struct socks_wish wish = {.hops = 1, .password = "secret"};
    struct socks_private *p[3];
    struct endpoint at;
    struct text why;

    (void)state;
    text_init(&why, 500);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(socks_server_open(server, &wish, &p[i], &at, &why),
                         OK);
    assert_int_equal(socks_server_open(server, &wish, &p[2], &at, &why),
                     ERR_FULL);
    assert_int_equal(socks_server_private(server), 2);
    socks_server_close(p[0]);
    assert_int_equal(socks_server_open(server, &wish, &p[0], &at, &why), OK);
    socks_server_close(p[0]);
    socks_server_close(p[1]);
    assert_int_equal(socks_server_private(server), 0);
    text_deinit(&why);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_socks_server_connects),
        TEST(test_socks_server_tells_each_reason),
        TEST(test_socks_server_tells_names_and_addresses),
        TEST(test_socks_server_keeps_keys_apart),
        TEST(test_socks_server_client_goes),
        TEST(test_socks_server_ends_in_the_middle),
        TEST(test_socks_server_waits_for_no_one),
        TEST(test_socks_server_datagrams),
        TEST(test_socks_server_without_memory),
        TEST(test_socks_server_private_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
