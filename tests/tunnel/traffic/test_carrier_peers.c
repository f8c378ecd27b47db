/* SPDX-License-Identifier: MIT
 *
 * Streams between peers of a service: two clients' carriers and that of who
 * runs it, with channels that lose nothing in place of services.
 */
#include "fail_alloc.h"
#include "testing.h"

#include "tunnel/member/member.h"
#include "tunnel/traffic/carrier.h"
#include "tunnel/traffic/claims.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>
#include <stdlib.h>

#define SIDES      3
#define SERVER     (SIDES - 1)
#define SERVICE    7
#define THE_SERVER 99 /* as clients call it; it calls them 1 and 2 */
#define PACKETS    4096
#define WAITS_MAX  64
#define TIMEOUT    (20 * TIME_S)

struct packet {
    unsigned to;
    uint64_t peer;
    bool to_acceptor;
    size_t len;
    uint8_t bytes[STREAM_PACKET_MAX];
};

struct side {
    struct claims claims;
    struct carrier *carrier;
    /* As a host. */
    struct carrier_visit *waits[WAITS_MAX];
    uint64_t wait_of[WAITS_MAX];
    unsigned visited, parted;
    bool refuses, takes, says_nothing;
    struct stream *st; /* the last that was taken */
};

struct call {
    struct carrier_call *call;
    struct stream *st;
    unsigned asked, answered, failed, closed;
    enum reason why;
    size_t in;
    struct call *cancels; /* when it fails */
};

static struct test_random random_state;
static struct side side[SIDES];
static struct packet *queue[PACKETS];
static size_t first, count;
static uint64_t now;
static bool there;          /* the peers are */
static struct streams *raw; /* in place of the carrier of client 1 */
static unsigned connects;

/* ---- In place of services ----------------------------------------------- */

struct services *__wrap_member_services(const struct member *t);
unsigned __wrap_service_peers(const struct services *s, uint32_t id,
                              struct service_peer_status *out, unsigned max);
enum error __wrap_service_connect(struct services *s, uint32_t id, uint64_t at);
enum error __wrap_service_peer_packet(struct services *s, uint64_t peer,
                                      bool to_acceptor, struct bytes packet,
                                      uint64_t at);
uint32_t __wrap_service_of_peer(const struct services *s, uint64_t peer);

struct services *__wrap_member_services(const struct member *t)
{
    return (struct services *)(uintptr_t)t;
}

unsigned __wrap_service_peers(const struct services *s, uint32_t id,
                              struct service_peer_status *out, unsigned max)
{
    (void)s;
    assert_int_equal(id, SERVICE);
    assert_int_equal(max, 1);
    if (!there)
        return 0;
    *out = (struct service_peer_status){.id = THE_SERVER};
    return 1;
}

enum error __wrap_service_connect(struct services *s, uint32_t id, uint64_t at)
{
    (void)s, (void)at;
    connects++;
    return id == SERVICE ? OK : ERR_NOT_FOUND;
}

enum error __wrap_service_peer_packet(struct services *s, uint64_t peer,
                                      bool to_acceptor, struct bytes data,
                                      uint64_t at)
{
    unsigned from = (unsigned)((struct side *)(void *)s - side);
    struct packet *p = malloc(sizeof(*p));

    (void)at;
    if (p == NULL)
        return ERR_NO_MEMORY; /* lost */
    assert_true(count < PACKETS && data.len <= sizeof(p->bytes));
    *p = (struct packet){.to = from == SERVER ? (unsigned)peer - 1 : SERVER,
                         .peer = from == SERVER ? THE_SERVER : from + 1,
                         .to_acceptor = to_acceptor,
                         .len = data.len};
    memcpy(p->bytes, data.p, data.len);
    queue[(first + count++) % PACKETS] = p;
    return OK;
}

uint32_t __wrap_service_of_peer(const struct services *s, uint64_t peer)
{
    (void)s, (void)peer;
    return SERVICE;
}

/* ---- The host ----------------------------------------------------------- */

static size_t taken_data(void *arg, struct stream *st, struct bytes data,
                         bool fin, uint64_t at)
{
    const struct side *s = arg;
    size_t n = s->says_nothing ? data.len : stream_write(st, data, at);

    if (fin && n == data.len)
        stream_finish(st, at);
    return n;
}

static void taken_writable(void *arg, struct stream *st, uint64_t at)
{
    (void)arg;
    stream_resume(st, at);
}

static void taken_reset(void *arg, struct stream *st, bool reading,
                        uint32_t code, uint64_t at)
{
    (void)arg, (void)reading;
    stream_reset(st, code, at);
}

static void taken_closed(void *arg, struct stream *st, uint64_t at)
{
    struct side *s = arg;

    (void)at;
    if (s->st == st)
        s->st = NULL;
}

static const struct stream_handler taken = {.data = taken_data,
                                            .writable = taken_writable,
                                            .reset = taken_reset,
                                            .closed = taken_closed};

static void take(struct side *s, struct carrier_visit *v)
{
    s->st = carrier_take(v, &taken, s, now);
    stream_resume(s->st, now);
}

static void on_visited(void *ctx, struct carrier_visit *v, uint32_t service,
                       uint64_t peer, uint16_t port, uint64_t at)
{
    struct side *s = ctx;
    unsigned i = 0;

    (void)at;
    assert_int_equal(service, SERVICE);
    assert_int_equal(port, 80);
    s->visited++;
    if (s->refuses) {
        carrier_refuse(v, REASON_REFUSED, now);
        return;
    }
    if (s->takes) {
        take(s, v);
        return;
    }
    while (s->waits[i] != NULL)
        i++;
    assert_true(i < WAITS_MAX);
    s->waits[i] = v;
    s->wait_of[i] = peer;
    carrier_visit_set(v, s);
}

static void on_parted(void *ctx, struct carrier_visit *v, uint64_t at)
{
    struct side *s = ctx;
    unsigned i = 0;

    (void)at;
    assert_ptr_equal(carrier_visit_get(v), s);
    while (s->waits[i] != v)
        i++;
    s->waits[i] = NULL;
    s->parted++;
}

/* ---- The clients -------------------------------------------------------- */

static size_t call_data(void *arg, struct stream *st, struct bytes data,
                        bool fin, uint64_t at)
{
    (void)st, (void)fin, (void)at;
    ((struct call *)arg)->in += data.len;
    return data.len;
}

static void call_writable(void *arg, struct stream *st, uint64_t at)
{
    (void)arg, (void)st, (void)at;
}

static void call_closed(void *arg, struct stream *st, uint64_t at)
{
    struct call *c = arg;

    (void)st, (void)at;
    c->st = NULL;
    c->closed++;
}

static const struct stream_handler call_streams = {.data = call_data,
                                                   .writable = call_writable,
                                                   .reset = taken_reset,
                                                   .closed = call_closed};

static void on_asked(void *arg, uint64_t at)
{
    struct call *c = arg;

    if (c->asked++ == 0)
        assert_int_equal(carrier_early(c->call, bytes_of_text("early"), at), 5);
}

static void on_answered(void *arg, struct stream *st,
                        const struct stream_answer *answer, uint64_t at)
{
    struct call *c = arg;

    assert_int_equal(answer->reason, 0);
    c->answered++;
    c->call = NULL;
    c->st = st;
    stream_hand_over(st, &call_streams, c);
    stream_resume(st, at);
}

static void on_failed(void *arg, enum reason why, uint64_t at)
{
    struct call *c = arg;

    c->failed++;
    c->call = NULL;
    c->why = why;
    if (c->cancels != NULL && c->cancels->call != NULL) {
        carrier_cancel(c->cancels->call, at);
        c->cancels->call = NULL;
    }
}

static void call_peer(unsigned from, uint64_t peer, struct call *c)
{
    static const struct carrier_handler handler = {
        .asked = on_asked, .answered = on_answered, .failed = on_failed};
    const struct carrier_target target = {
        .request = {.kind = STREAM_PORT, .port = 80},
        .service = SERVICE,
        .peer = peer,
        .timeout = TIMEOUT};

    assert_int_equal(
        carrier_open(side[from].carrier, &target, &handler, c, now, &c->call),
        OK);
}

static void call(unsigned from, struct call *c)
{
    call_peer(from, 0, c);
}

/* ---- Life --------------------------------------------------------------- */

static void fill(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    test_random_fill(&random_state, buf, len);
}

static void start_with(const struct carrier_config *config)
{
    const struct random_source random = {.fill = fill};

    random_state = test_seed(5);
    now = TIME_S;
    there = true;
    connects = 0;
    for (unsigned i = 0; i < SIDES; i++) {
        struct carrier_host host = {
            .ctx = &side[i], .visited = on_visited, .parted = on_parted};

        side[i] = (struct side){0};
        assert_int_equal(carrier_new(config, (struct member *)(void *)&side[i],
                                     &side[i].claims, &random, &host,
                                     &side[i].carrier),
                         OK);
    }
}

static void start(void)
{
    struct carrier_config config;

    carrier_config_init(&config);
    start_with(&config);
}

static void end(void)
{
    for (unsigned i = 0; i < SIDES; i++)
        carrier_free(side[i].carrier);
    for (; count > 0; count--)
        free(queue[first++ % PACKETS]);
    first = 0;
}

static void deliver(void)
{
    while (count > 0) {
        struct packet *p = queue[first % PACKETS];

        first++;
        count--;
        if (raw != NULL && p->to == 1)
            streams_receive(raw, 1, false, NULL, p->bytes, p->len, now);
        else
            carrier_peer_packet(side[p->to].carrier, p->peer, p->to_acceptor,
                                bytes_of(p->bytes, p->len), now);
        free(p);
    }
}

static void run(uint64_t duration)
{
    for (uint64_t to = now + duration; now < to; now += 5 * TIME_MS) {
        for (unsigned i = 0; i < SIDES; i++)
            if (carrier_next_deadline(side[i].carrier) <= now)
                carrier_tick(side[i].carrier, now);
        if (raw != NULL)
            streams_tick(raw, now);
        deliver();
    }
}

/* ---- Tests -------------------------------------------------------------- */

static void test_peers_visit_is_taken_at_once(void **state)
{
    struct call c = {0};

    (void)state;
    start();
    side[SERVER].takes = true;
    call(0, &c);
    run(TIME_S);
    assert_int_equal(c.answered, 1);
    assert_int_equal(c.in, 5);
    assert_int_equal(side[SERVER].visited, 1);
    assert_int_equal(carrier_stats(side[SERVER].carrier)->visits, 0);
    end();
}

static void test_peers_visit_is_taken_later(void **state)
{
    struct call c = {0};

    (void)state;
    start();
    call(0, &c);
    run(5 * TIME_S);
    assert_int_equal(side[SERVER].visited, 1);
    assert_int_equal(side[SERVER].wait_of[0], 1);
    assert_int_equal(c.answered + c.failed, 0);
    take(&side[SERVER], side[SERVER].waits[0]);
    run(TIME_S);
    assert_int_equal(c.answered, 1);
    assert_int_equal(c.in, 5);
    assert_int_equal(side[SERVER].parted, 0);
    end();
}

static void test_peers_visit_is_refused(void **state)
{
    struct call c = {0}, later = {0};

    (void)state;
    start();
    side[SERVER].refuses = true;
    call(0, &c);
    run(TIME_S);
    assert_int_equal(c.failed, 1);
    assert_int_equal(c.why, REASON_REFUSED);
    side[SERVER].refuses = false;
    call(1, &later);
    run(TIME_S);
    carrier_refuse(side[SERVER].waits[0], REASON_FULL, now);
    run(TIME_S);
    assert_int_equal(later.failed, 1);
    assert_int_equal(later.why, REASON_FULL);
    assert_int_equal(carrier_stats(side[SERVER].carrier)->visits, 0);
    assert_int_equal(carrier_stream_stats(side[SERVER].carrier)->streams, 0);
    end();
}

/* ---- A peer that is no carrier ------------------------------------------ */

static unsigned raw_over;

static size_t raw_data(void *arg, struct stream *st, struct bytes data,
                       bool fin, uint64_t at)
{
    (void)arg, (void)st, (void)fin, (void)at;
    return data.len;
}

static void raw_reset(void *arg, struct stream *st, bool reading, uint32_t code,
                      uint64_t at)
{
    (void)arg, (void)st, (void)reading, (void)code, (void)at;
}

static void raw_closed(void *arg, struct stream *st, uint64_t at)
{
    (void)arg, (void)st, (void)at;
}

static void raw_ended(void *holder, struct stream_conn *c, enum stream_end why,
                      uint32_t code, uint64_t at)
{
    (void)holder, (void)c, (void)why, (void)code, (void)at;
    raw_over++;
}

static void raw_send(void *ctx, uint64_t path, bool to_acceptor,
                     struct bytes packet, uint64_t at)
{
    (void)ctx, (void)path;
    __wrap_service_peer_packet((struct services *)(void *)&side[1], 1,
                               to_acceptor, packet, at);
}

/* Refused, it says nothing more, and does not end its half: it is not kept. */
static void test_peers_refused_who_do_not_end(void **state)
{
    static const struct stream_handler handler = {.data = raw_data,
                                                  .writable = call_writable,
                                                  .reset = raw_reset,
                                                  .closed = raw_closed,
                                                  .over = raw_ended};
    const struct stream_request q = {.kind = STREAM_PORT, .port = 80};
    const struct stream_env env = {.random = {.fill = fill}, .send = raw_send};
    uint8_t text[STREAM_MESSAGE_MAX];
    size_t len = stream_request_write(&q, text);
    const struct stream_stats *stats;
    struct stream_config config;
    struct stream_conn *conn;
    struct call honest = {0};

    (void)state;
    start();
    stream_config_init(&config);
    side[SERVER].refuses = true;
    stats = carrier_stream_stats(side[SERVER].carrier);
    assert_int_equal(streams_new(&config, &env, &raw), OK);
    assert_int_equal(stream_connect(raw, 1, 0, &handler, NULL, now, &conn), OK);
    for (unsigned i = 0; i < 50; i++) {
        struct stream *st;

        assert_int_equal(stream_open(conn, NULL, now, &st), OK);
        assert_int_equal(stream_write(st, bytes_of(text, len), now), len);
    }
    run(TIME_S);
    assert_int_equal(side[SERVER].visited, 50);
    assert_int_equal(stats->streams, 50); /* it may yet end them well */
    run(10 * TIME_S);
    assert_int_equal(stats->streams, 0);
    side[SERVER].refuses = false;
    side[SERVER].takes = true;
    call(0, &honest);
    run(TIME_S);
    assert_int_equal(honest.answered, 1);
    streams_free(raw);
    raw = NULL;
    end();
}

/* One connection is all that there is to a peer: who finds it full waits, and
 * comes next. */
static void test_peers_wait_for_room(void **state)
{
    static struct call c[70];
    struct carrier_config config;
    unsigned answered = 0;

    (void)state;
    memset(c, 0, sizeof(c));
    carrier_config_init(&config);
    config.stream.max_streams = 1; /* so 64, as the protocol says */
    start_with(&config);
    side[SERVER].takes = true;
    for (unsigned i = 0; i < 70; i++)
        call(0, &c[i]);
    run(5 * TIME_S);
    for (unsigned i = 0; i < 70; i++)
        answered += c[i].answered;
    assert_int_equal(answered, 64);
    for (unsigned i = 0; i < 6; i++)
        stream_reset(c[i].st, REASON_REQUESTED, now);
    run(100 * TIME_MS);
    for (unsigned i = 64; i < 70; i++)
        assert_int_equal(c[i].answered, 1);
    end();
}

static void test_peers_part_while_they_wait(void **state)
{
    struct call c = {0}, other = {0};
    const struct service_event gone = {
        .kind = SERVICE_EVENT_GONE, .service = SERVICE, .peer = 2};

    (void)state;
    start();
    call(0, &c);
    call(1, &other);
    run(TIME_S);
    assert_int_equal(side[SERVER].visited, 2);
    carrier_cancel(c.call, now);
    run(TIME_S);
    assert_int_equal(side[SERVER].parted, 1);
    carrier_service_event(side[SERVER].carrier, &gone, now);
    assert_int_equal(side[SERVER].parted, 2);
    run(TIME_S);
    assert_int_equal(other.failed, 1);
    assert_int_equal(other.why, REASON_LINK_LOST);
    assert_int_equal(carrier_stats(side[SERVER].carrier)->visits, 0);
    assert_int_equal(carrier_stats(side[SERVER].carrier)->trunks, 1);
    end();
}

static void test_peers_are_waited_for(void **state)
{
    const struct service_event peer = {
        .kind = SERVICE_EVENT_PEER, .service = SERVICE, .peer = THE_SERVER};
    struct call c = {0}, late = {0};

    (void)state;
    start();
    there = false;
    side[SERVER].takes = true;
    call(0, &late);
    run(TIMEOUT + TIME_S);
    assert_int_equal(late.failed, 1);
    call(0, &c);
    run(TIME_S);
    assert_true(connects >= 2);
    assert_int_equal(c.asked, 0);
    there = true;
    carrier_service_event(side[0].carrier, &peer, now);
    assert_int_equal(c.asked, 1);
    run(TIME_S);
    assert_int_equal(c.answered, 1);
    end();
}

static void test_peers_that_are_not_found_end_calls(void **state)
{
    const struct service_event lost = {.kind = SERVICE_EVENT_STATE,
                                       .service = SERVICE,
                                       .problem = SERVICE_NOT_FOUND};
    struct call one = {0}, two = {0};

    (void)state;
    start();
    there = false;
    call(0, &one);
    call(0, &two);
    one.cancels = &two; /* while both are shown the event */
    carrier_service_event(side[0].carrier, &lost, now);
    assert_int_equal(one.failed, 1);
    assert_int_equal(one.why, REASON_RESOLVE);
    assert_int_equal(two.failed, 0);
    assert_int_equal(carrier_stats(side[0].carrier)->calls, 0);
    end();
}

/* However many come: we can still go out ourselves. */
static void test_peers_take_no_trunks_of_ours(void **state)
{
    struct call c[2] = {{0}}, ours = {0};
    struct carrier_config config;

    (void)state;
    carrier_config_init(&config);
    config.max_trunks = 1;
    start_with(&config);
    side[SERVER].takes = side[0].takes = true;
    call(0, &c[0]);
    call(1, &c[1]);
    run(TIME_S);
    assert_int_equal(c[0].answered + c[1].answered, 2);
    call_peer(SERVER, 1, &ours);
    run(TIME_S);
    assert_int_equal(ours.answered, 1);
    assert_int_equal(carrier_stats(side[SERVER].carrier)->trunks, 3);
    end();
}

/* Who has many waiting does not keep another one out, but himself. */
static void test_peers_visits_are_shared_out(void **state)
{
    struct call greedy[6] = {{0}}, honest[2] = {{0}};
    struct carrier_config config;
    unsigned full = 0;

    (void)state;
    carrier_config_init(&config);
    config.max_visits = 4;
    start_with(&config);
    for (unsigned i = 0; i < 6; i++)
        call(0, &greedy[i]);
    run(TIME_S);
    assert_int_equal(side[SERVER].visited, 4);
    for (unsigned i = 0; i < 2; i++) {
        call(1, &honest[i]);
        run(TIME_S);
        assert_int_equal(side[SERVER].visited, 5 + i);
        assert_int_equal(side[SERVER].parted, 1 + i);
        assert_int_equal(honest[i].failed, 0);
    }
    for (unsigned i = 0; i < 6; i++)
        full += greedy[i].failed && greedy[i].why == REASON_FULL;
    assert_int_equal(full, 4);
    assert_int_equal(carrier_stats(side[SERVER].carrier)->visits, 4);
    end();
}

static void test_peers_answer_for_which_there_is_no_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct call c = {0};
        bool failed;

        start();
        call(0, &c);
        run(TIME_S);
        assert_int_equal(side[SERVER].visited, 1);
        side[SERVER].says_nothing = true;
        fail_alloc_at(n);
        take(&side[SERVER], side[SERVER].waits[0]);
        failed = fail_alloc_end();
        run(TIME_MIN);
        assert_int_equal(c.answered + c.failed, 1);
        assert_true(c.answered || c.why != REASON_TIMEOUT);
        end();
        if (!failed)
            break;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peers_visit_is_taken_at_once),
        cmocka_unit_test(test_peers_visit_is_taken_later),
        cmocka_unit_test(test_peers_visit_is_refused),
        cmocka_unit_test(test_peers_refused_who_do_not_end),
        cmocka_unit_test(test_peers_wait_for_room),
        cmocka_unit_test(test_peers_part_while_they_wait),
        cmocka_unit_test(test_peers_are_waited_for),
        cmocka_unit_test(test_peers_that_are_not_found_end_calls),
        cmocka_unit_test(test_peers_take_no_trunks_of_ours),
        cmocka_unit_test(test_peers_visits_are_shared_out),
        cmocka_unit_test(test_peers_answer_for_which_there_is_no_memory),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
