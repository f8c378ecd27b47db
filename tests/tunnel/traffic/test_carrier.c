/* SPDX-License-Identifier: MIT
 *
 * Streams of applications on virtual time, over a whole member, relays and
 * exits of streams: which circuit, which exit, where they go on, how they end.
 */
#include "fail_alloc.h"
#include "traffic/carrier_world.h"

/* ---- Answers ------------------------------------------------------------ */

static void test_carrier_call_is_answered(void **state)
{
    struct party *p = party_new(1);
    struct talk t = {0};

    (void)state;
    talk(p, &t, 80, 1, 100000);
    assert_non_null(t.call);
    assert_int_equal(carrier_stats(p->carrier)->calls, 1);
    run(p->w, 10 * TIME_S);
    assert_int_equal(t.answered, 1);
    assert_true(t.asked >= 1);
    assert_int_equal(t.answer.reason, 0);
    assert_int_equal(t.answer.address[0].port, 80);
    assert_int_equal(t.in, 100000);
    assert_true(t.fin && t.closed == 1);
    assert_int_equal(carrier_stats(p->carrier)->calls, 0);
    assert_int_equal(carrier_stats(p->carrier)->answered, 1);
    party_free(p);
}

static void test_carrier_names_are_resolved(void **state)
{
    struct carrier_target target = target_of(0, 1);
    struct party *p = party_new(1);
    struct talk t = {0}, unknown = {0};

    (void)state;
    target.request.kind = STREAM_RESOLVE;
    target.request.name = bytes_of_text("echo.example");
    assert_int_equal(talk_to(p, &t, &target), OK);
    target.request.name = bytes_of_text("nobody.example");
    assert_int_equal(talk_to(p, &unknown, &target), OK);
    run(p->w, 10 * TIME_S);
    assert_int_equal(t.answered, 1);
    assert_null(t.st);
    assert_int_equal(t.answer.address_count, 1);
    assert_int_equal(unknown.failed, 1);
    assert_int_equal(unknown.why, REASON_NO_NAME);
    party_free(p);
}

/* Who is refused by the destination is not helped by another exit. */
static void test_carrier_refusal_of_the_destination_counts(void **state)
{
    struct party *p = party_new(2);
    struct talk t = {0};

    (void)state;
    talk(p, &t, REFUSES, 1, 10);
    run(p->w, 10 * TIME_S);
    assert_int_equal(t.failed, 1);
    assert_int_equal(t.why, REASON_REFUSED);
    assert_int_equal(p->shore[0].tcps + p->shore[1].tcps, 1);
    assert_int_equal(carrier_stats(p->carrier)->refused[REASON_REFUSED], 1);
    party_free(p);
}

/* Both exits are asked, as one of them may reach what the other does not. */
static void test_carrier_other_exits_are_tried(void **state)
{
    struct carrier_target target = target_of(SILENT, 1);
    struct party *p = party_new(2);
    struct talk t = {0};

    (void)state;
    target.timeout = TIME_MIN * 3;
    assert_int_equal(talk_to(p, &t, &target), OK);
    run(p->w, 3 * TIME_MIN);
    assert_int_equal(t.failed, 1);
    assert_int_equal(t.why, REASON_TIMEOUT);
    assert_int_equal(p->shore[0].tcps, 1);
    assert_int_equal(p->shore[1].tcps, 1);
    party_free(p);
}

static void say_early(struct talk *t, uint64_t now)
{
    t->early += carrier_early(t->call, bytes_of_text("early"), now);
}

/* What the application has said may have been heard. */
static void test_carrier_early_bytes_bind_to_an_exit(void **state)
{
    struct carrier_target target = target_of(SILENT, 1);
    struct party *p = party_new(2);
    struct talk t = {.on_asked = say_early};

    (void)state;
    target.timeout = TIME_MIN * 3;
    assert_int_equal(talk_to(p, &t, &target), OK);
    run(p->w, 3 * TIME_MIN);
    assert_true(t.early >= 5);
    assert_int_equal(t.failed, 1);
    assert_int_equal(t.why, REASON_TIMEOUT);
    assert_int_equal(p->shore[0].tcps + p->shore[1].tcps, 1);
    party_free(p);
}

static void test_carrier_calls_time_out(void **state)
{
    struct carrier_target target = target_of(SILENT, 1);
    struct party *p = party_new(1);
    struct talk t = {0};

    (void)state;
    target.timeout = 5 * TIME_S;
    assert_int_equal(talk_to(p, &t, &target), OK);
    run(p->w, 5 * TIME_S - 1);
    assert_true(t.asked >= 1);
    assert_int_equal(t.failed, 0);
    run(p->w, 1);
    assert_int_equal(t.failed, 1);
    assert_int_equal(t.why, REASON_TIMEOUT);
    assert_int_equal(carrier_stats(p->carrier)->calls, 0);
    party_free(p);
}

static void test_carrier_without_relays_there_is_none(void **state)
{
    struct party *p = party_new(1);
    struct talk t = {0};

    (void)state;
    for (unsigned i = 1; i < MEMBERS; i++)
        p->w->member[i].dead = true;
    talk(p, &t, 80, 1, 10);
    run(p->w, TIMEOUT);
    assert_int_equal(t.asked, 0);
    assert_int_equal(t.failed, 1);
    assert_int_equal(t.why, REASON_NO_RELAYS);
    party_free(p);
}

/* ---- Commands ----------------------------------------------------------- */

static void test_carrier_refuses_nonsense(void **state)
{
    struct carrier_target bad = target_of(0, 1);
    struct party *p = party_new(1);
    struct talk t = {0};

    (void)state;
    assert_int_equal(talk_to(p, &t, &bad), ERR_RANGE);
    bad = target_of(80, 1);
    bad.hops = 0;
    assert_int_equal(talk_to(p, &t, &bad), ERR_RANGE);
    bad.hops = ONION_HOPS_MAX + 1;
    assert_int_equal(talk_to(p, &t, &bad), ERR_RANGE);
    bad.request.kind = STREAM_PORT;
    bad.request.port = 7;
    assert_int_equal(talk_to(p, &t, &bad), ERR_RANGE);
    assert_int_equal(carrier_stats(p->carrier)->calls, 0);
    party_free(p);
}

static void cancel(struct talk *t, uint64_t now)
{
    struct carrier_call *call = t->call;

    t->call = NULL;
    carrier_cancel(call, now);
}

static void test_carrier_calls_have_a_cap(void **state)
{
    static struct talk t[CARRIER_CALLS_MAX];
    struct carrier_target target = target_of(80, 1);
    struct party *p = party_new(1);
    struct talk more = {0};

    (void)state;
    for (unsigned i = 0; i < CARRIER_CALLS_MAX; i++)
        assert_int_equal(talk_to(p, &t[i], &target), OK);
    assert_int_equal(talk_to(p, &more, &target), ERR_FULL);
    cancel(&t[7], p->w->now);
    assert_int_equal(talk_to(p, &more, &target), OK);
    for (unsigned i = 0; i < CARRIER_CALLS_MAX; i++)
        if (t[i].call != NULL)
            cancel(&t[i], p->w->now);
    run(p->w, 10 * TIME_S);
    assert_int_equal(more.answered, 1);
    party_free(p);
}

static void test_carrier_cancel_in_each_state(void **state)
{
    struct party *p = party_new(1);
    struct talk looks = {0}, asked = {.on_asked = cancel}, waits = {0};

    (void)state;
    talk(p, &looks, 80, 1, 10);
    cancel(&looks, p->w->now);
    talk(p, &asked, 80, 1, 10);
    talk(p, &waits, SILENT, 1, 10);
    run(p->w, 5 * TIME_S);
    assert_int_equal(asked.asked, 1);
    assert_true(waits.asked >= 1);
    cancel(&waits, p->w->now);
    assert_int_equal(carrier_stats(p->carrier)->calls, 0);
    run(p->w, 5 * TIME_S);
    assert_int_equal(looks.asked + looks.answered + looks.failed, 0);
    assert_int_equal(asked.answered + asked.failed, 0);
    assert_int_equal(waits.answered + waits.failed, 0);
    assert_false(p->shore[0].tcp[1].open); /* of `waits` */
    party_free(p);
}

/* ---- Keys --------------------------------------------------------------- */

static unsigned claimed_by(const struct party *p, uint64_t isolation)
{
    unsigned n = 0;

    for (unsigned i = 0; i < p->claims.count; i++)
        n += p->claims.list[i].isolation == isolation &&
             p->claims.list[i].users > 0;
    return n;
}

/* One trunk for all of a key, none for two. */
static void test_carrier_keys_share_no_circuit(void **state)
{
    struct party *p = party_new(1);
    struct talk one[3] = {{0}}, two = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++)
        talk(p, &one[i], 80, 1, 0);
    talk(p, &two, 80, 2, 0);
    run(p->w, 10 * TIME_S);
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(one[i].st);
    assert_non_null(two.st);
    assert_ptr_equal(stream_conn_of(one[0].st), stream_conn_of(one[1].st));
    assert_ptr_equal(stream_conn_of(one[0].st), stream_conn_of(one[2].st));
    assert_ptr_not_equal(stream_conn_of(one[0].st), stream_conn_of(two.st));
    assert_int_equal(claimed_by(p, 1), 1);
    assert_int_equal(claimed_by(p, 2), 1);
    assert_int_equal(carrier_stats(p->carrier)->trunks, 2);
    party_free(p);
}

static unsigned claims_of(const struct party *p, uint64_t isolation)
{
    unsigned n = 0;

    for (unsigned i = 0; i < p->claims.count; i++)
        n += p->claims.list[i].isolation == isolation;
    return n;
}

/* A page with twenty things on it: one circuit will do for them. */
static void test_carrier_calls_at_once_wait_for_one_circuit(void **state)
{
    struct party *p = party_new(1);
    struct talk t[20] = {{0}};

    (void)state;
    for (unsigned i = 0; i < 20; i++)
        talk(p, &t[i], 80, 1, 1000);
    run(p->w, 10 * TIME_S);
    for (unsigned i = 0; i < 20; i++)
        assert_int_equal(t[i].in, 1000);
    assert_in_range(claims_of(p, 1), 1, 2);
    party_free(p);
}

/* An exit takes so many streams of a connection, and no more. */
static void test_carrier_full_trunk_is_not_the_only_one(void **state)
{
    static struct talk t[100];
    struct member_config c = config_of(EXIT);
    struct party *p = party_new(1);

    (void)state;
    memset(t, 0, sizeof(t));
    member_free(p->shore[0].exit->tunnel, p->w->now);
    c.become_exitnode = c.exit_tcp = true;
    c.outlet.stream.max_streams = 1; /* so 64, as the protocol says */
    resident_start(p->shore[0].exit, &c);
    run(p->w, 5 * TIME_S);
    for (unsigned i = 0; i < 100; i++)
        talk(p, &t[i], 80, 1, 0);
    run(p->w, 10 * TIME_S);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(t[i].answered, 1);
    assert_int_equal(carrier_stats(p->carrier)->trunks, 2);
    party_free(p);
}

/* Readers who stall hold half of what their connection may have on its way. */
static void test_carrier_clogged_trunk_is_left(void **state)
{
    struct talk stalled[3] = {
        {.stalls = true}, {.stalls = true}, {.stalls = true}};
    struct carrier_config config;
    struct talk t = {0};
    struct party *p;

    (void)state;
    carrier_config_init(&config);
    config.stream.connection_window = 1; /* as little as there may be */
    p = party_with(1, &config, NULL);
    for (unsigned i = 0; i < 3; i++)
        talk(p, &stalled[i], 80, 1, 1000000);
    run(p->w, 10 * TIME_S);
    talk(p, &t, 80, 1, 200000);
    run(p->w, 10 * TIME_S);
    assert_int_equal(t.in, 200000);
    assert_true(t.fin);
    assert_int_equal(carrier_stats(p->carrier)->trunks, 2);
    party_free(p);
}

/* What others have sent datagrams through is theirs. */
static void test_carrier_leaves_circuits_of_deliveries(void **state)
{
    struct party *p = party_new(1);
    uint32_t ids[8];
    struct talk t = {0};
    unsigned n;

    (void)state;
    member_build(p->client->tunnel, HOPS, p->w->now);
    run(p->w, 10 * TIME_S);
    n = member_active(p->client->tunnel, HOPS, ids, 8);
    assert_int_equal(n, 2);
    for (unsigned i = 0; i < n; i++)
        claims_take(&p->claims, ids[i], HOPS, 77, p->w->now);
    talk(p, &t, 80, 1, 0);
    run(p->w, 10 * TIME_S);
    assert_int_equal(t.answered, 1);
    assert_int_equal(claimed_by(p, 1), 1);
    assert_int_equal(claimed_by(p, 77), 0);
    member_stop(p->client->tunnel, HOPS);
    party_free(p);
}

/* ---- Moving ------------------------------------------------------------- */

static uint32_t circuit_of(const struct party *p, uint64_t isolation)
{
    for (unsigned i = 0; i < p->claims.count; i++)
        if (p->claims.list[i].isolation == isolation &&
            p->claims.list[i].users > 0)
            return p->claims.list[i].circuit;
    fail_msg("it is on none");
    return 0;
}

static void test_carrier_trunk_moves_when_its_circuit_ends(void **state)
{
    struct party *p = party_new(1);
    struct talk t = {0};

    (void)state;
    talk(p, &t, 80, 1, 20000000);
    while (t.in == 0)
        run(p->w, 30 * TIME_MS);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(t.fin);
        member_close(p->client->tunnel, circuit_of(p, 1), p->w->now);
        run(p->w, 60 * TIME_MS);
    }
    run(p->w, TIME_MIN);
    assert_int_equal(t.in, 20000000);
    assert_true(t.fin);
    assert_true(carrier_stats(p->carrier)->moves >= 3);
    assert_int_equal(p->shore[0].tcps, 1);
    party_free(p);
}

static void test_carrier_trunk_moves_when_its_circuit_gets_old(void **state)
{
    struct member_config c = config_of(0);
    struct carrier_config config;
    struct talk t = {0};
    struct party *p;

    (void)state;
    carrier_config_init(&config);
    c.max_time = 30 * TIME_S;
    p = party_with(1, &config, &c);
    talk(p, &t, 80, 1, 0);
    run(p->w, 3 * TIME_MIN);
    assert_non_null(t.st);
    assert_true(carrier_stats(p->carrier)->moves >= 2);
    t.to_write = 100000;
    talk_pump(&t, p->w->now);
    run(p->w, 10 * TIME_S);
    assert_int_equal(t.in, 100000);
    assert_true(t.fin);
    party_free(p);
}

/* Nobody uses it: no circuits are built for it. */
static void
test_carrier_trunk_without_streams_ends_with_its_circuit(void **state)
{
    struct member_config c = config_of(0);
    struct carrier_config config;
    struct talk t = {0};
    struct party *p;

    (void)state;
    carrier_config_init(&config);
    config.stream.idle_time = TIME_MIN * 10;
    c.max_time = 30 * TIME_S;
    p = party_with(1, &config, &c);
    talk(p, &t, 80, 1, 10);
    run(p->w, 5 * TIME_S);
    assert_int_equal(t.closed, 1);
    assert_int_equal(carrier_stats(p->carrier)->trunks, 1);
    run(p->w, 3 * TIME_MIN);
    assert_int_equal(carrier_stats(p->carrier)->moves, 0);
    assert_int_equal(carrier_stats(p->carrier)->trunks, 0);
    party_free(p);
}

struct first_hop {
    uint32_t circuit;
    struct endpoint ep;
};

static void find_first_hop(void *ctx, const struct circuit *c)
{
    struct first_hop *h = ctx;

    if (c->id == h->circuit)
        h->ep = c->hop[0].target.ep;
}

static void kill_relay_of(struct party *p, uint32_t circuit)
{
    struct first_hop h = {.circuit = circuit};

    member_circuits(p->client->tunnel, find_first_hop, &h);
    for (unsigned i = 1; i < EXIT; i++)
        p->w->member[i].dead |= endpoint_equal(&p->w->member[i].ep, &h.ep);
}

/* Its relay hears nothing any more, and says nothing. */
static void test_carrier_trunk_moves_when_its_circuit_is_silent(void **state)
{
    struct party *p = party_new(1);
    struct talk t = {0};

    (void)state;
    talk(p, &t, 80, 1, 0);
    run(p->w, 5 * TIME_S);
    assert_non_null(t.st);
    kill_relay_of(p, circuit_of(p, 1));
    t.to_write = 100000;
    talk_pump(&t, p->w->now);
    run(p->w, 20 * TIME_S);
    assert_int_equal(t.in, 100000);
    assert_true(t.fin);
    assert_true(carrier_stats(p->carrier)->silences >= 1);
    assert_true(carrier_stats(p->carrier)->moves >= 1);
    party_free(p);
}

/* It is not waited for for ever. */
static void test_carrier_exit_that_is_gone_ends_streams(void **state)
{
    struct party *p = party_new(1);
    struct carrier_config config;
    struct talk t = {0};

    (void)state;
    carrier_config_init(&config);
    talk(p, &t, 80, 1, 0);
    run(p->w, 5 * TIME_S);
    assert_non_null(t.st);
    p->w->member[EXIT].dead = true;
    run(p->w, config.stream.rest_time / 2);
    assert_int_equal(t.closed, 0);
    run(p->w, config.stream.rest_time);
    assert_int_equal(t.closed, 1);
    assert_false(t.fin);
    assert_int_equal(carrier_stats(p->carrier)->trunks, 0);
    party_free(p);
}

/* Streams may have to go on over circuits that are not there yet: relays are
 * looked for as long as there are some. */
static void test_carrier_holds_circuits_while_there_are_streams(void **state)
{
    struct party *p = party_new(1);
    struct carrier_config config;
    struct talk t = {0};

    (void)state;
    carrier_config_init(&config);
    talk(p, &t, 80, 1, 0);
    run(p->w, 5 * TIME_S);
    assert_int_equal(t.answered, 1);
    assert_true(member_keeps(p->client->tunnel, HOPS));
    stream_reset(t.st, REASON_REQUESTED, p->w->now);
    run(p->w, config.stream.idle_time + TIME_S);
    assert_int_equal(carrier_stats(p->carrier)->trunks, 0);
    assert_false(member_keeps(p->client->tunnel, HOPS));
    party_free(p);
}

static void test_carrier_unused_trunk_makes_way(void **state)
{
    struct talk first = {0}, second = {0}, third = {0};
    struct carrier_config config;
    struct party *p;

    (void)state;
    carrier_config_init(&config);
    config.max_trunks = 1;
    p = party_with(1, &config, NULL);
    talk(p, &first, 80, 1, 10);
    run(p->w, 5 * TIME_S);
    assert_int_equal(first.closed, 1);
    talk(p, &second, 80, 2, 0);
    run(p->w, 5 * TIME_S);
    assert_non_null(second.st);
    talk(p, &third, 80, 3, 0); /* and one that is used does not */
    run(p->w, 5 * TIME_S);
    assert_int_equal(third.why, REASON_FULL);
    assert_non_null(second.st);
    assert_int_equal(carrier_stats(p->carrier)->trunks, 1);
    party_free(p);
}

/* ---- Handlers ----------------------------------------------------------- */

static unsigned failures_of_tick, tick_of_failures, most_of_tick;

static void again(struct talk *t, uint64_t now)
{
    struct carrier_target target = target_of(80, 2);

    (void)now;
    if (t->p->ticks != tick_of_failures)
        failures_of_tick = 0;
    tick_of_failures = t->p->ticks;
    if (++failures_of_tick > most_of_tick)
        most_of_tick = failures_of_tick;
    if (failures_of_tick >= 20 || t->p->ticks > 100000)
        return;
    t->failed = 0;
    assert_int_equal(talk_to(t->p, t, &target), OK);
}

/* Who calls again whenever it fails is not heard again in the same turn. */
static void test_carrier_calls_again_in_the_next_turn(void **state)
{
    struct talk first = {0}, t = {.on_failed = again};
    struct carrier_config config;
    struct party *p;

    (void)state;
    carrier_config_init(&config);
    config.max_trunks = 1;
    p = party_with(1, &config, NULL);
    member_build(p->client->tunnel, HOPS, p->w->now);
    talk(p, &first, 80, 1, 0);
    run(p->w, 10 * TIME_S);
    assert_non_null(first.st);
    talk(p, &t, 80, 2, 0);
    for (unsigned i = 0; i < 10; i++)
        carrier_tick(p->carrier, p->w->now + i);
    assert_in_range(most_of_tick, 2, 10);
    if (t.call != NULL)
        cancel(&t, p->w->now);
    member_stop(p->client->tunnel, HOPS);
    party_free(p);
}

static void test_carrier_calls_when_memory_runs_out(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct carrier_target target = target_of(80, 1);
        struct party *p = party_new(1);
        struct talk t = {.to_write = 1000};
        enum error e;
        bool failed;

        member_build(p->client->tunnel, HOPS, p->w->now);
        run(p->w, 5 * TIME_S);
        p->w->sink = true; /* packets that are made here are lost */
        fail_alloc_at(n);
        e = talk_to(p, &t, &target);
        carrier_tick(p->carrier, p->w->now);
        failed = fail_alloc_end();
        p->w->sink = false;
        run(p->w, TIMEOUT);
        if (e == OK)
            assert_int_equal(t.answered + t.failed, 1);
        else
            assert_int_equal(e, ERR_NO_MEMORY);
        assert_int_equal(carrier_stats(p->carrier)->calls, 0);
        member_stop(p->client->tunnel, HOPS);
        party_free(p);
        if (!failed)
            break;
    }
}

/* There is no memory for the move: it is made later. */
static void test_carrier_moves_when_memory_runs_out(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct party *p = party_new(1);
        struct talk t = {0};
        bool failed;

        member_build(p->client->tunnel, HOPS, p->w->now);
        talk(p, &t, 80, 1, 0);
        run(p->w, 10 * TIME_S);
        assert_non_null(t.st);
        p->w->sink = true; /* packets that are made here are lost */
        fail_alloc_at(n);
        member_close(p->client->tunnel, circuit_of(p, 1), p->w->now);
        failed = fail_alloc_end();
        p->w->sink = false;
        run(p->w, 5 * TIME_S);
        t.to_write = 100000;
        talk_pump(&t, p->w->now);
        run(p->w, 10 * TIME_S);
        assert_int_equal(t.in, 100000);
        assert_true(t.fin);
        assert_true(carrier_stats(p->carrier)->moves >= 1);
        member_stop(p->client->tunnel, HOPS);
        party_free(p);
        if (!failed)
            break;
    }
}

/* Ends its own stream and another's call, and begins one. */
static void do_all(struct talk *t, uint64_t now)
{
    static struct talk more[8];
    static unsigned count;
    struct talk *next = &more[count++ % 8];

    if (t->st != NULL)
        stream_reset(t->st, REASON_REQUESTED, now);
    if (t->other->call != NULL)
        cancel(t->other, now);
    *next = (struct talk){.on_asked = cancel};
    talk(t->p, next, 80, 1, 0);
}

static void test_carrier_handlers_may_call_everything(void **state)
{
    struct party *p = party_new(1);
    struct talk other[3] = {{0}};
    struct talk asked = {.on_asked = do_all, .other = &other[0]};
    struct talk answered = {.on_answered = do_all, .other = &other[1]};
    struct talk failed = {.on_failed = do_all, .other = &other[2]};

    (void)state;
    talk(p, &asked, 80, 1, 0);
    talk(p, &answered, 80, 1, 0);
    talk(p, &failed, REFUSES, 1, 0);
    for (unsigned i = 0; i < 3; i++)
        talk(p, &other[i], SILENT, 1, 0);
    run(p->w, 10 * TIME_S);
    for (unsigned i = 0; i < 3; i++) {
        assert_null(other[i].call);
        assert_int_equal(other[i].answered + other[i].failed, 0);
    }
    assert_int_equal(answered.answered, 1);
    assert_int_equal(answered.closed, 1);
    assert_int_equal(failed.failed, 1);
    assert_int_equal(carrier_stats(p->carrier)->calls, 0);
    party_free(p);
}

/* More keys than circuits, one after the other: those that rest make way. */
static void test_carrier_keys_that_rest_make_way(void **state)
{
    enum { KEYS = 40 }; /* max_circuits is 32 */
    struct party *p = party_new(1);
    struct talk t[KEYS] = {0};

    (void)state;
    for (unsigned i = 0; i < KEYS; i++) {
        talk(p, &t[i], 80, i + 1, 100);
        run(p->w, 3 * TIME_S); /* all of them before one is idle */
        assert_int_equal(t[i].answered, 1);
        assert_int_equal(t[i].closed, 1);
    }
    party_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_carrier_call_is_answered),
        cmocka_unit_test(test_carrier_names_are_resolved),
        cmocka_unit_test(test_carrier_refusal_of_the_destination_counts),
        cmocka_unit_test(test_carrier_other_exits_are_tried),
        cmocka_unit_test(test_carrier_early_bytes_bind_to_an_exit),
        cmocka_unit_test(test_carrier_calls_time_out),
        cmocka_unit_test(test_carrier_without_relays_there_is_none),
        cmocka_unit_test(test_carrier_refuses_nonsense),
        cmocka_unit_test(test_carrier_calls_have_a_cap),
        cmocka_unit_test(test_carrier_cancel_in_each_state),
        cmocka_unit_test(test_carrier_keys_share_no_circuit),
        cmocka_unit_test(test_carrier_calls_at_once_wait_for_one_circuit),
        cmocka_unit_test(test_carrier_full_trunk_is_not_the_only_one),
        cmocka_unit_test(test_carrier_clogged_trunk_is_left),
        cmocka_unit_test(test_carrier_leaves_circuits_of_deliveries),
        cmocka_unit_test(test_carrier_trunk_moves_when_its_circuit_ends),
        cmocka_unit_test(test_carrier_trunk_moves_when_its_circuit_gets_old),
        cmocka_unit_test(
            test_carrier_trunk_without_streams_ends_with_its_circuit),
        cmocka_unit_test(test_carrier_trunk_moves_when_its_circuit_is_silent),
        cmocka_unit_test(test_carrier_exit_that_is_gone_ends_streams),
        cmocka_unit_test(test_carrier_holds_circuits_while_there_are_streams),
        cmocka_unit_test(test_carrier_unused_trunk_makes_way),
        cmocka_unit_test(test_carrier_calls_when_memory_runs_out),
        cmocka_unit_test(test_carrier_moves_when_memory_runs_out),
        cmocka_unit_test(test_carrier_handlers_may_call_everything),
        cmocka_unit_test(test_carrier_calls_again_in_the_next_turn),
        cmocka_unit_test(test_carrier_keys_that_rest_make_way),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
