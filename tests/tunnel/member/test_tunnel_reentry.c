/* SPDX-License-Identifier: MIT
 *
 * Commands called from within callbacks: each command out of each callback, as
 * tunnel.h allows it. What tunnel.h promises of events is checked at each: no
 * command calls anybody back, and none is told while another one is.
 */
#include "tunnel_world.h"

#define HOPS    2
#define ECHO    "9.9.9.9:7"
#define REFUSED "10.0.0.1:53" /* by the policy */
#define AS_LONG (8 * TIME_MIN)

/* ---- Commands ----------------------------------------------------------- */

static bool in_command, in_event;

static uint32_t active(const struct resident *m)
{
    uint32_t id = UINT32_MAX;

    member_active(m->tunnel, 0, &id, 1);
    return id;
}

static void build(struct resident *m)
{
    assert_int_equal(member_build(m->tunnel, HOPS, m->world->now), OK);
}

static void build_another(struct resident *m)
{
    assert_int_equal(member_build(m->tunnel, 1, m->world->now), OK);
}

static void stop(struct resident *m)
{
    assert_int_equal(member_stop(m->tunnel, 1), OK);
}

static void open_one(struct resident *m)
{
    static const struct member_wish any;
    uint32_t id;

    member_open(m->tunnel, 1, &any, m->world->now, &id);
}

/* One that ends at once. */
static void open_and_close(struct resident *m)
{
    static const struct member_wish wish = {.port = 7};
    uint32_t id;

    if (member_open(m->tunnel, HOPS, &wish, m->world->now, &id) == OK)
        assert_int_equal(member_close(m->tunnel, id, m->world->now), OK);
}

static void close_one(struct resident *m)
{
    member_close(m->tunnel, active(m), m->world->now);
}

static void close_all_of_them(struct resident *m)
{
    while (member_close(m->tunnel, active(m), m->world->now) == OK)
        ;
}

static void send(struct resident *m)
{
    struct endpoint to;

    endpoint_parse(ECHO, &to);
    member_data(m->tunnel, active(m), &to, bytes_of_text("in a callback"),
                m->world->now);
}

static void send_long(struct resident *m)
{
    static uint8_t large[5000];
    struct endpoint to;

    endpoint_parse(ECHO, &to);
    member_data(m->tunnel, active(m), &to, bytes_of(large, sizeof(large)),
                m->world->now);
}

static void send_name(struct resident *m)
{
    member_data_name(m->tunnel, active(m), bytes_of_text("echo.example"), 7,
                     bytes_of_text("x"), m->world->now);
}

static void ping(struct resident *m)
{
    member_ping(m->tunnel, active(m), m->world->now);
}

static void speedtest(struct resident *m)
{
    member_speedtest(m->tunnel, active(m), 100 * TIME_MS, m->world->now);
}

static void ask(struct resident *m)
{
    member_ask(m->tunnel, &m->world->member[2].ep, m->world->now);
    member_meet(m->tunnel, &m->world->member[3].ep, m->world->now);
}

static void set_addresses(struct resident *m)
{
    member_set_addresses(m->tunnel, &m->ep, 1, 0, m->world->now);
}

static void reconfigure(struct resident *m)
{
    struct member_config c = config_of((unsigned)(m - m->world->member));

    assert_int_equal(member_reconfigure(m->tunnel, &c, m->world->now), OK);
}

static void see(void *ctx, const struct circuit *c)
{
    uint8_t exit[32];

    assert_true(c->id != 0);
    member_exit_of(ctx, c->id, exit);
    member_sends_to(ctx, c->id, 7);
}

static void look(struct resident *m)
{
    struct member_status status;

    member_status(m->tunnel, m->world->now, WALL, &status);
    member_circuits(m->tunnel, see, m->tunnel);
    assert_true(member_ready(m->tunnel) >= 0);
    member_next_deadline(m->tunnel);
}

static void (*const commands[])(struct resident *m) = {
    build,     build_another,     stop, open_one,      open_and_close,
    close_one, close_all_of_them, send, send_long,     send_name,
    ping,      speedtest,         ask,  set_addresses, reconfigure,
    look};

/* ---- Callbacks ---------------------------------------------------------- */

/* Events by their kind, then the functions of the world, then the DHT's. */
enum {
    EVENTS = MEMBER_LEARNED + 1,
    GET_PEERS = EVENTS + CALL_RETIRED + 1,
    ANNOUNCE,
    PUT,
    CALLBACKS
};

#define ALL (CALLBACKS + 1)

/* Of those, which the test makes happen again and again; the rest comes once
 * a day, or at the end. */
static const unsigned often[] = {MEMBER_CIRCUIT_READY,
                                 MEMBER_CIRCUIT_CLOSED,
                                 MEMBER_DATA,
                                 MEMBER_REFUSED,
                                 MEMBER_PONG,
                                 MEMBER_SPEEDTEST,
                                 EVENTS + CALL_OPEN,
                                 EVENTS + CALL_SEND,
                                 EVENTS + CALL_CLOSE,
                                 EVENTS + CALL_RESOLVE,
                                 GET_PEERS,
                                 ANNOUNCE,
                                 PUT};

static unsigned turn[ALL]; /* commands called out of it, one after the other */
static bool freeing;

static void call_a_command(struct resident *m, unsigned callback)
{
    if (in_command || m->tunnel == NULL)
        return; /* out of a command: what it calls is deep enough */
    in_command = true;
    commands[turn[callback]++ % COUNT_OF(commands)](m);
    in_command = false;
}

static void on_event(struct resident *m, const struct member_event *e)
{
    uint8_t payload[8192];

    assert_false(in_event);
    assert_false(in_command && !freeing);
    in_event = true;
    memcpy(payload, e->payload.p == NULL ? (const uint8_t *)"" : e->payload.p,
           e->payload.len);
    if (e->kind == MEMBER_DATA && turn[ALL - 1]++ % 3 == 0)
        member_close(m->tunnel, e->circuit, m->world->now);
    call_a_command(m, e->kind);
    assert_memory_equal(
        payload, e->payload.p == NULL ? (const uint8_t *)"" : e->payload.p,
        e->payload.len);
    in_event = false;
}

static void on_call(struct resident *m, enum world_call call)
{
    if (call < CALL_REMEMBER) /* the others may call nothing */
        call_a_command(m, EVENTS + call);
}

/* ---- A DHT that answers at once ----------------------------------------- */

static enum error dht_announce(void *ctx, const struct id *hash)
{
    (void)hash;
    call_a_command(ctx, ANNOUNCE);
    return turn[ANNOUNCE] < COUNT_OF(commands) ? ERR_FULL : OK; /* again */
}

static void dht_withdraw(void *ctx, const struct id *hash)
{
    (void)ctx, (void)hash;
}

static enum error dht_get_peers(void *ctx, const struct id *hash,
                                const struct dht_provider_handler *h,
                                uint64_t *request)
{
    struct resident *m = ctx;

    (void)hash;
    *request = 1;
    call_a_command(m, GET_PEERS);
    for (unsigned i = 1; i < MEMBERS; i++)
        h->peer(h->ctx, h->cookie, &m->world->member[i].ep);
    call_a_command(m, GET_PEERS);
    h->done(h->ctx, h->cookie, OK);
    return OK;
}

static enum error dht_put(void *ctx, const struct dht_provider_item *item)
{
    (void)item;
    call_a_command(ctx, PUT);
    return turn[PUT] < COUNT_OF(commands) ? ERR_FULL : OK;
}

static enum error dht_get_item(void *ctx, const uint8_t key[32],
                               struct bytes salt,
                               const struct dht_provider_handler *h,
                               uint64_t *request)
{
    (void)ctx, (void)key, (void)salt;
    *request = 1;
    h->done(h->ctx, h->cookie, OK);
    return OK;
}

static void dht_cancel(void *ctx, uint64_t request)
{
    (void)ctx, (void)request;
}

/* ---- The tests ---------------------------------------------------------- */

static void join(struct resident *m, struct dht_provider *dht)
{
    struct member_config c = config_of((unsigned)(m - m->world->member));

    *dht = (struct dht_provider){.ctx = m,
                                 .announce = dht_announce,
                                 .withdraw = dht_withdraw,
                                 .get_peers = dht_get_peers,
                                 .put = dht_put,
                                 .get_item = dht_get_item,
                                 .cancel = dht_cancel};
    member_free(m->tunnel, m->world->now);
    m->tunnel = NULL;
    m->dht = dht;
    m->on_event = on_event;
    m->on_call = on_call;
    c.max_time_inactive = 20 * TIME_S;
    c.exit.idle_timeout = TIME_S;
    c.exit.question_rate = c.exit.question_burst = 1000;
    resident_start(m, &c);
}

static bool is_through(void)
{
    for (unsigned i = 0; i < COUNT_OF(often); i++)
        if (turn[often[i]] < COUNT_OF(commands))
            return false;
    return true;
}

/* Something of everything, so that all callbacks come. */
static void keep_busy(struct world *w, unsigned round)
{
    struct resident *client = &w->member[0];
    struct endpoint to;
    char name[32];

    build(client);
    endpoint_parse(REFUSED, &to);
    member_data(client->tunnel, active(client), &to, bytes_of_text("x"),
                w->now);
    snprintf(name, sizeof(name), "n%u.example", round);
    member_data_name(client->tunnel, active(client), bytes_of_text(name), 7,
                     bytes_of_text("x"), w->now);
    send(client);
    send_long(client);
    ping(client);
    if (turn[MEMBER_SPEEDTEST] < COUNT_OF(commands))
        speedtest(client);
}

static void test_tunnel_commands_in_callbacks(void **state)
{
    struct world *w = world_new(HOPS);
    struct dht_provider dht[2];
    uint64_t end = w->now + AS_LONG;

    (void)state;
    memset(turn, 0, sizeof(turn));
    join(&w->member[0], &dht[0]);
    join(&w->member[EXIT], &dht[1]);
    for (unsigned i = 0; !is_through() && w->now < end; i++) {
        keep_busy(w, i);
        run(w, TIME_S);
    }
    for (unsigned i = 0; i < COUNT_OF(often); i++)
        if (turn[often[i]] < COUNT_OF(commands))
            fail_msg("callback %u came %u times only", often[i],
                     turn[often[i]]);
    for (unsigned i = 0; i < 3; i++) {
        w->member[0].closed = 0;
        build(&w->member[0]);
        run(w, 10 * TIME_S);
    }
    freeing = true;
    world_free(w);
    freeing = false;
}

/* What a command ends is told in the next turn, once. */
static void test_tunnel_close_is_told_later(void **state)
{
    struct world *w = world_new(HOPS);
    struct resident *client = &w->member[0];
    uint32_t id;

    (void)state;
    build(client);
    run(w, 10 * TIME_S);
    id = active(client);
    assert_int_equal(member_close(client->tunnel, id, w->now), OK);
    assert_int_equal(member_close(client->tunnel, id, w->now), ERR_NOT_FOUND);
    assert_int_equal(client->closed, 0);
    assert_true(member_next_deadline(client->tunnel) <= w->now);
    member_tick(client->tunnel, w->now, WALL);
    assert_int_equal(client->closed, 1);
    assert_int_equal(client->why, REASON_REQUESTED);
    member_tick(client->tunnel, w->now, WALL);
    assert_int_equal(client->closed, 1);
    world_free(w);
}

static void close_and_open(struct resident *m, const struct member_event *e)
{
    if (e->kind == MEMBER_CIRCUIT_CLOSED)
        open_and_close(m);
}

/* Who answers each end with another one hears of one in a turn. */
static void test_tunnel_events_that_cause_events_end(void **state)
{
    struct world *w = world_new(HOPS);
    struct resident *client = &w->member[0];

    (void)state;
    build(client);
    run(w, 10 * TIME_S);
    client->on_event = close_and_open;
    member_close(client->tunnel, active(client), w->now);
    for (unsigned i = 1; i <= 100; i++) {
        assert_true(member_next_deadline(client->tunnel) <= w->now);
        member_tick(client->tunnel, w->now, WALL);
        assert_int_equal(client->closed, i);
    }
    world_free(w); /* which opens no more */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel_commands_in_callbacks),
        cmocka_unit_test(test_tunnel_close_is_told_later),
        cmocka_unit_test(test_tunnel_events_that_cause_events_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
