/* SPDX-License-Identifier: MIT
 *
 * Flows on virtual time, over a whole member and the relays around it: over
 * which circuits, what waits and is lost, and whose an answer is.
 */
#include "tunnel_world.h"

#include "fail_alloc.h"
#include "tunnel/traffic/claims.h"
#include "tunnel/traffic/flow.h"

#define HOPS  2
#define OTHER (EXIT - 1) /* another exit, where a test wants one */

/* ---- A client with flows ------------------------------------------------ */

struct user {
    struct flow *flow;
    unsigned received;
    char payload[64];
    struct endpoint source;
    bool closes; /* its flow, when something comes */
};

struct desk {
    struct world *w;
    struct resident *client;
    struct claims claims;
    struct flows *flows;
    uint32_t over; /* the circuit that something came over last */
    unsigned ticks;
};

static void on_received(void *arg, const struct endpoint *source,
                        struct bytes payload, uint64_t now)
{
    struct user *u = arg;

    assert_true(now > 0 && payload.len < sizeof(u->payload));
    u->received++;
    memcpy(u->payload, payload.p, payload.len);
    u->payload[payload.len] = '\0';
    u->source = *source;
    if (u->closes)
        flow_close(u->flow);
}

static void on_event(struct resident *m, const struct member_event *e)
{
    struct desk *desk = m->world->above;

    if (e->kind == MEMBER_DATA)
        desk->over = e->circuit;
    flows_event(desk->flows, e, m->world->now);
}

static uint64_t desk_deadline(void *above)
{
    struct desk *desk = above;

    return flows_next_deadline(desk->flows);
}

static void desk_tick(void *above, uint64_t now)
{
    struct desk *desk = above;

    desk->ticks++;
    flows_tick(desk->flows, now);
}

static void desk_open(struct desk *desk)
{
    struct world *w = world_new(HOPS);
    struct random_source random = {.ctx = &w->member[0],
                                   .fill = resident_random};

    *desk = (struct desk){.w = w, .client = &w->member[0]};
    assert_int_equal(
        flows_new(desk->client->tunnel, &desk->claims, &random, &desk->flows),
        OK);
    w->above = desk;
    w->above_deadline = desk_deadline;
    w->above_tick = desk_tick;
    desk->client->on_event = on_event;
}

static void desk_close(struct desk *desk)
{
    flows_free(desk->flows);
    claims_deinit(&desk->claims);
    desk->w->above = NULL;
    desk->client->on_event = NULL;
    assert_false(member_keeps(desk->client->tunnel, HOPS));
    world_free(desk->w);
}

static void open_flow(struct desk *desk, struct user *u, uint64_t isolation)
{
    *u = (struct user){0};
    assert_int_equal(flow_open(desk->flows, HOPS, isolation, on_received, u,
                               desk->w->now, &u->flow),
                     OK);
}

static enum error say_bytes(struct desk *desk, struct user *u, const char *to,
                            struct bytes data)
{
    struct host_port at;

    assert_int_equal(host_port_parse(bytes_of_text(to), &at), OK);
    return flow_send(u->flow, &at, data, desk->w->now);
}

static void say(struct desk *desk, struct user *u, const char *to,
                const char *text)
{
    assert_int_equal(say_bytes(desk, u, to, bytes_of_text(text)), OK);
}

/* One datagram there and back. */
static void exchange(struct desk *desk, struct user *u, const char *to,
                     const char *text)
{
    unsigned before = u->received;

    say(desk, u, to, text);
    run(desk->w, 200 * TIME_MS);
    assert_int_equal(u->received, before + 1);
    assert_string_equal(u->payload, text);
}

static const struct flow_stats *stats_of(const struct desk *desk)
{
    return flows_stats(desk->flows);
}

/* ---- Both ways ---------------------------------------------------------- */

static void test_flow_there_and_back(void **state)
{
    struct desk desk;
    struct user u;

    (void)state;
    desk_open(&desk);
    open_flow(&desk, &u, 7);
    assert_true(member_keeps(desk.client->tunnel, HOPS));
    say(&desk, &u, "9.9.9.9:7", "early"); /* there is no circuit yet */
    assert_int_equal(stats_of(&desk)->waiting, 1);
    run(desk.w, 10 * TIME_S);
    assert_int_equal(u.received, 1);
    assert_string_equal(u.payload, "early");
    assert_int_equal(u.source.port, 7);
    assert_int_equal(stats_of(&desk)->waiting, 0);
    exchange(&desk, &u, "9.9.9.9:7", "again");
    exchange(&desk, &u, "echo.example:53", "name");
    assert_int_equal(u.source.port, 53);
    exchange(&desk, &u, "9.9.9.9:7", "");
    assert_int_equal(stats_of(&desk)->sent, 4);
    assert_int_equal(stats_of(&desk)->received, 4);
    flow_close(u.flow);
    assert_int_equal(stats_of(&desk)->flows, 0);
    assert_int_equal(flows_next_deadline(desk.flows), TIME_NEVER);
    desk_close(&desk);
}

/* The queue is sent in the order that it came in. */
static void test_flow_keeps_the_order(void **state)
{
    struct desk desk;
    struct user u;

    (void)state;
    desk_open(&desk);
    open_flow(&desk, &u, 7);
    say(&desk, &u, "9.9.9.9:7", "first");
    say(&desk, &u, "9.9.9.9:8", "between");
    say(&desk, &u, "9.9.9.9:7", "last");
    run(desk.w, 10 * TIME_S);
    assert_int_equal(stats_of(&desk)->sent, 3);
    /* The world sends the last of those that come at once back. */
    assert_string_equal(u.payload, "last");
    desk_close(&desk);
}

/* ---- Circuits ----------------------------------------------------------- */

static void test_flow_uses_few_circuits(void **state)
{
    char to[32];
    struct desk desk;
    struct user u;
    uint32_t first;

    (void)state;
    desk_open(&desk);
    open_flow(&desk, &u, 7);
    say(&desk, &u, "9.9.9.9:7", "x");
    run(desk.w, 10 * TIME_S);
    first = desk.over;
    assert_true(first != 0);
    for (unsigned i = 0; i < 40; i++) {
        snprintf(to, sizeof(to), "9.9.9.%u:%u", i % 20 + 1, 100 + i % 7);
        exchange(&desk, &u, to, "y");
        assert_int_equal(desk.over, first);
    }
    assert_int_equal(stats_of(&desk)->moves, 0);
    desk_close(&desk);
}

static void test_flow_keys_share_no_circuit(void **state)
{
    uint32_t over[3];
    struct desk desk;
    struct user u[3];

    (void)state;
    desk_open(&desk);
    for (unsigned i = 0; i < 3; i++)
        open_flow(&desk, &u[i], i + 1);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < 3; i++) {
            say(&desk, &u[i], "9.9.9.9:7", "x");
            run(desk.w, 5 * TIME_S);
            assert_int_equal(u[i].received, round + 1);
            if (round == 0)
                over[i] = desk.over;
            assert_int_equal(desk.over, over[i]);
        }
    }
    assert_int_not_equal(over[0], over[1]);
    assert_int_not_equal(over[0], over[2]);
    assert_int_not_equal(over[1], over[2]);
    desk_close(&desk);
}

static void test_flow_goes_on_when_a_circuit_ends(void **state)
{
    struct desk desk;
    struct user u;
    uint32_t first;

    (void)state;
    desk_open(&desk);
    open_flow(&desk, &u, 7);
    say(&desk, &u, "9.9.9.9:7", "x");
    run(desk.w, 10 * TIME_S);
    first = desk.over;
    assert_int_equal(member_close(desk.client->tunnel, first, desk.w->now), OK);
    say(&desk, &u, "9.9.9.9:7", "after");
    run(desk.w, 10 * TIME_S);
    assert_int_equal(u.received, 2);
    assert_string_equal(u.payload, "after");
    assert_int_not_equal(desk.over, first);
    assert_int_equal(stats_of(&desk)->moves, 1);
    desk_close(&desk);
}

/* Relays that say nothing any more: the exit is asked, and another circuit is
 * used. A flow whose destination is silent keeps its circuit. */
static void test_flow_leaves_a_silent_circuit(void **state)
{
    struct desk desk;
    struct user u;

    (void)state;
    desk_open(&desk);
    open_flow(&desk, &u, 7);
    say(&desk, &u, "9.9.9.9:7", "x");
    run(desk.w, 10 * TIME_S);
    assert_int_equal(u.received, 1);
    for (unsigned i = 1; i < EXIT; i++) {
        struct resident *m = &desk.w->member[i];

        m->dead = transits_count(member_router(m->tunnel)->transits) > 0;
    }
    for (unsigned i = 0; i < 40; i++) {
        say(&desk, &u, "9.9.9.9:7", "y");
        run(desk.w, TIME_S);
    }
    assert_true(u.received > 20);
    assert_true(stats_of(&desk)->silences >= 1);
    desk_close(&desk);
}

static void swallow(struct resident *m, enum world_call call)
{
    if (call == CALL_SEND)
        m->echo = false;
}

static void test_flow_stays_with_a_silent_destination(void **state)
{
    struct desk desk;
    struct user u;
    unsigned pongs;

    (void)state;
    desk_open(&desk);
    open_flow(&desk, &u, 7);
    desk.w->member[EXIT].on_call = swallow;
    say(&desk, &u, "9.9.9.9:7", "x");
    run(desk.w, 20 * TIME_S);
    assert_int_equal(u.received, 0);
    pongs = desk.client->pongs;
    assert_true(pongs >= HOPS);
    for (unsigned i = 0; i < 60; i++) {
        say(&desk, &u, "9.9.9.9:7", "x");
        run(desk.w, TIME_S);
    }
    assert_int_equal(stats_of(&desk)->silences, 0);
    assert_int_equal(stats_of(&desk)->moves, 0);
    /* Seldomer and seldomer. */
    assert_in_range(desk.client->pongs - pongs, 2 * HOPS, 10 * HOPS);
    desk_close(&desk);
}

/* ---- What waits --------------------------------------------------------- */

static void set_dead(struct desk *desk, bool dead)
{
    for (unsigned i = 1; i < MEMBERS; i++)
        desk->w->member[i].dead = dead;
}

/* The oldest make room, and only in their own queue. */
static void test_flow_queue_is_bounded(void **state)
{
    char text[16], to[32];
    struct desk desk;
    struct user u, honest;

    (void)state;
    desk_open(&desk);
    set_dead(&desk, true);
    open_flow(&desk, &honest, 1);
    open_flow(&desk, &u, 2);
    say(&desk, &honest, "9.9.9.9:7", "patient");
    for (unsigned i = 0; i < FLOW_QUEUE_MAX + 50; i++) {
        snprintf(text, sizeof(text), "%u", i);
        snprintf(to, sizeof(to), "9.9.9.9:%u", 1000 + i);
        say(&desk, &u, to, text);
    }
    assert_int_equal(stats_of(&desk)->waiting, FLOW_QUEUE_MAX + 1);
    assert_int_equal(stats_of(&desk)->crowded, 50);
    set_dead(&desk, false);
    run(desk.w, 20 * TIME_S);
    assert_int_equal(honest.received, 1);
    assert_int_equal(stats_of(&desk)->waiting, 0);
    assert_int_equal(stats_of(&desk)->sent, FLOW_QUEUE_MAX + 1);
    snprintf(text, sizeof(text), "%u", FLOW_QUEUE_MAX + 49);
    assert_string_equal(u.payload, text);
    desk_close(&desk);
}

static void test_flow_queue_is_bounded_in_bytes(void **state)
{
    static uint8_t large[8192];
    struct desk desk;
    struct user u;

    (void)state;
    desk_open(&desk);
    set_dead(&desk, true);
    open_flow(&desk, &u, 2);
    for (unsigned i = 0; i < 9; i++)
        assert_int_equal(
            say_bytes(&desk, &u, "9.9.9.9:8", bytes_of(large, sizeof(large))),
            OK);
    assert_int_equal(stats_of(&desk)->waiting, 8);
    assert_int_equal(stats_of(&desk)->crowded, 1);
    /* What it has to do without circuits is little. */
    run(desk.w, 10 * TIME_S);
    assert_true(desk.ticks < 100);
    run(desk.w, 40 * TIME_S);
    assert_int_equal(stats_of(&desk)->waiting, 0);
    assert_int_equal(stats_of(&desk)->late, 8);
    assert_int_equal(flows_next_deadline(desk.flows), TIME_NEVER);
    desk_close(&desk);
}

/* More destinations than are remembered, the first of all while one waits. */
static void test_flow_forgets_destinations(void **state)
{
    char to[32];
    struct desk desk;
    struct user u;

    (void)state;
    desk_open(&desk);
    open_flow(&desk, &u, 7);
    say(&desk, &u, "9.9.9.9:7", "waits");
    for (unsigned i = 0; i < FLOW_DESTINATIONS + 100; i++) {
        snprintf(to, sizeof(to), "9.9.9.9:%u", 1000 + i);
        say(&desk, &u, to, "x");
    }
    assert_int_equal(stats_of(&desk)->waiting, FLOW_QUEUE_MAX);
    run(desk.w, 20 * TIME_S);
    assert_int_equal(stats_of(&desk)->waiting, 0);
    exchange(&desk, &u, "9.9.9.9:7", "still");
    desk_close(&desk);
}

static void test_flow_of_what_cannot_be_sent(void **state)
{
    static uint8_t large[20000];
    struct host_port nowhere = {.ep = {.port = 0, .addr = {9, 9, 9, 9}}};
    struct desk desk;
    struct flow *f;
    struct user u;

    (void)state;
    desk_open(&desk);
    assert_int_equal(
        flow_open(desk.flows, 0, 1, on_received, &u, desk.w->now, &f),
        ERR_RANGE);
    open_flow(&desk, &u, 7);
    say(&desk, &u, "9.9.9.9:7", "x");
    run(desk.w, 10 * TIME_S);
    assert_int_equal(
        say_bytes(&desk, &u, "9.9.9.9:7", bytes_of(large, sizeof(large))),
        ERR_TOO_LARGE);
    assert_int_equal(
        flow_send(u.flow, &nowhere, bytes_of_text("x"), desk.w->now),
        ERR_ADDRESS);
    assert_int_equal(stats_of(&desk)->unsendable, 2);
    exchange(&desk, &u, "9.9.9.9:7", "fine");
    desk_close(&desk);
}

/* ---- Refusals ----------------------------------------------------------- */

static void refuse_at(struct desk *desk, unsigned number, const char *where)
{
    struct resident *m = &desk->w->member[number];
    char why[POLICY_ERROR_SIZE];
    struct policy_line line;

    assert_int_equal(policy_parse_line(bytes_of_text(where), &line, why), OK);
    policy_set_lines(&m->policy, &line, 1);
}

static void test_flow_tries_another_exit(void **state)
{
    struct desk desk;
    struct member_config c = config_of(OTHER);
    struct user u[8];

    (void)state;
    desk_open(&desk);
    member_free(desk.w->member[OTHER].tunnel, desk.w->now);
    c.become_exitnode = true;
    resident_start(&desk.w->member[OTHER], &c);
    refuse_at(&desk, OTHER, "reject 9.9.9.9:7");
    member_ask(desk.client->tunnel, &desk.w->member[OTHER].ep, desk.w->now);
    run(desk.w, 5 * TIME_S);
    /* Of eight keys some begin with that exit. */
    for (unsigned i = 0; i < 8; i++) {
        open_flow(&desk, &u[i], i + 1);
        for (unsigned k = 0; k < 12; k++) {
            say(&desk, &u[i], "9.9.9.9:8", "fine");
            run(desk.w, 50 * TIME_MS);
            say(&desk, &u[i], "9.9.9.9:7", "x");
            run(desk.w, TIME_S);
        }
        assert_string_equal(u[i].payload, "x");
        flow_close(u[i].flow);
        run(desk.w, 12 * TIME_S);
    }
    assert_true(stats_of(&desk)->refused > 0);
    desk_close(&desk);
}

/* Where no exit sends nothing is asked for after a while, and what else the
 * flow sends goes on. */
static void test_flow_gives_up_where_all_refuse(void **state)
{
    struct desk desk;
    struct user u;

    (void)state;
    desk_open(&desk);
    open_flow(&desk, &u, 7);
    for (unsigned i = 0; i < 20; i++) {
        say(&desk, &u, "10.0.0.1:53", "x");
        run(desk.w, TIME_S);
        say(&desk, &u, "9.9.9.9:7", "y");
        run(desk.w, TIME_S);
    }
    assert_true(u.received >= 15);
    assert_true(stats_of(&desk)->refused > 0);
    run(desk.w, FLOW_QUEUE_TIME + 10 * TIME_S);
    assert_int_equal(stats_of(&desk)->waiting, 0);
    desk_close(&desk);
}

/* ---- Whose an answer is ------------------------------------------------- */

static void test_flow_answers_go_to_who_sent_last(void **state)
{
    struct desk desk;
    struct user a, b;

    (void)state;
    desk_open(&desk);
    open_flow(&desk, &a, 7);
    open_flow(&desk, &b, 7);
    say(&desk, &a, "9.9.9.9:7", "a");
    run(desk.w, 10 * TIME_S);
    exchange(&desk, &b, "9.9.9.9:8", "b");
    exchange(&desk, &a, "9.9.9.9:7", "a again");
    exchange(&desk, &b, "9.9.9.9:7", "b there");
    exchange(&desk, &a, "echo.example:9", "by name");
    exchange(&desk, &b, "9.9.9.9:8", "by address");
    exchange(&desk, &b, "echo.example:9", "the other");
    assert_int_equal(a.received, 3);
    assert_int_equal(b.received, 4);
    desk_close(&desk);
}

/* Two programs that ask the same server at once. */
static void test_flow_answers_to_two_of_a_key_are_told_apart(void **state)
{
    static const char *const to[][2] = {
        {"9.9.9.9:7", "9.9.9.9:7"},
        {"echo.example:9", "echo.example:9"},
        {"echo.example:11", "9.9.9.9:11"},
    };
    struct desk desk;
    struct user a, b;

    (void)state;
    desk_open(&desk);
    open_flow(&desk, &a, 7);
    open_flow(&desk, &b, 7);
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned round = 0; round < 4; round++) {
            unsigned before[] = {a.received, b.received};

            say(&desk, &a, to[i][0], "of a");
            run(desk.w, round == 0 ? 10 * TIME_S : HOPS * DELAY + TIME_MS);
            say(&desk, &b, to[i][1], "of b"); /* while the answer comes back */
            run(desk.w, round == 0 ? 10 * TIME_S : 200 * TIME_MS);
            assert_int_equal(a.received, before[0] + 1);
            assert_int_equal(b.received, before[1] + 1);
            assert_string_equal(a.payload, "of a");
            assert_string_equal(b.payload, "of b");
        }
    }
    desk_close(&desk);
}

static void test_flow_closed_in_its_callback(void **state)
{
    struct desk desk;
    struct user a, b;

    (void)state;
    desk_open(&desk);
    open_flow(&desk, &a, 7);
    open_flow(&desk, &b, 7);
    say(&desk, &a, "9.9.9.9:7", "x");
    a.closes = true;
    run(desk.w, 10 * TIME_S);
    assert_int_equal(a.received, 1);
    assert_int_equal(stats_of(&desk)->flows, 1);
    exchange(&desk, &b, "9.9.9.9:7", "y");
    /* What comes for one that is closed is nobody's. */
    say(&desk, &b, "9.9.9.9:7", "z");
    open_flow(&desk, &a, 7);
    flow_close(b.flow);
    run(desk.w, TIME_S);
    assert_int_equal(a.received, 0);
    assert_int_equal(stats_of(&desk)->stray, 1);
    desk_close(&desk);
}

/* ---- Memory ------------------------------------------------------------- */

static void test_flow_without_memory(void **state)
{
    struct desk desk;
    struct user u;

    (void)state;
    desk_open(&desk);
    for (unsigned n = 1; n < 8; n++) {
        struct host_port to;
        enum error e;

        u = (struct user){0};
        assert_int_equal(host_port_parse(bytes_of_text("9.9.9.9:7"), &to), OK);
        fail_alloc_at(n);
        e = flow_open(desk.flows, HOPS, 3, on_received, &u, desk.w->now,
                      &u.flow);
        if (e == OK)
            flow_send(u.flow, &to, bytes_of_text("x"), desk.w->now);
        fail_alloc_end();
        if (e == OK)
            flow_close(u.flow);
        assert_int_equal(stats_of(&desk)->flows, 0);
        assert_int_equal(stats_of(&desk)->waiting, 0);
    }
    desk_close(&desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flow_there_and_back),
        cmocka_unit_test(test_flow_keeps_the_order),
        cmocka_unit_test(test_flow_uses_few_circuits),
        cmocka_unit_test(test_flow_keys_share_no_circuit),
        cmocka_unit_test(test_flow_goes_on_when_a_circuit_ends),
        cmocka_unit_test(test_flow_leaves_a_silent_circuit),
        cmocka_unit_test(test_flow_stays_with_a_silent_destination),
        cmocka_unit_test(test_flow_queue_is_bounded),
        cmocka_unit_test(test_flow_queue_is_bounded_in_bytes),
        cmocka_unit_test(test_flow_forgets_destinations),
        cmocka_unit_test(test_flow_of_what_cannot_be_sent),
        cmocka_unit_test(test_flow_tries_another_exit),
        cmocka_unit_test(test_flow_gives_up_where_all_refuse),
        cmocka_unit_test(test_flow_answers_go_to_who_sent_last),
        cmocka_unit_test(test_flow_answers_to_two_of_a_key_are_told_apart),
        cmocka_unit_test(test_flow_closed_in_its_callback),
        cmocka_unit_test(test_flow_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
