/* SPDX-License-Identifier: MIT
 *
 * Deliveries on virtual time, over a whole member and the relays around it:
 * which circuit, which exit, when again, and how they end.
 */
#include "tunnel_world.h"

#include "tunnel/traffic/claims.h"
#include "tunnel/traffic/delivery.h"

#define HOPS    2
#define OTHER   (EXIT - 1) /* another exit, where a test wants one */
#define TIMEOUT (20 * TIME_S)

/* ---- A client that sends ------------------------------------------------ */

struct sent {
    struct desk *desk;
    uint64_t id;
    unsigned waited, done;
    struct delivery_outcome outcome;
    char payload[64];
    /* What the test does in the callback; NULL: nothing. */
    void (*on_done)(struct sent *s);
    void (*on_waiting)(struct sent *s);
    struct sent *other;
};

struct desk {
    struct world *w;
    struct resident *client;
    struct claims claims;
    struct deliveries *ds;
    bool in_command;
    unsigned ticks;
};

static void on_waiting(void *arg)
{
    struct sent *s = arg;

    assert_false(s->desk->in_command);
    assert_int_equal(s->done, 0);
    s->waited++;
    if (s->on_waiting != NULL)
        s->on_waiting(s);
}

static void on_done(void *arg, const struct delivery_outcome *o)
{
    struct sent *s = arg;

    assert_false(s->desk->in_command);
    assert_int_equal(s->done, 0);
    s->done++;
    s->outcome = *o;
    if (o->end == DELIVERY_ANSWERED) {
        assert_true(o->payload.len < sizeof(s->payload));
        memcpy(s->payload, o->payload.p, o->payload.len);
    }
    if (s->on_done != NULL)
        s->on_done(s);
}

static void on_event(struct resident *m, const struct member_event *e)
{
    struct desk *desk = m->world->above;

    deliveries_event(desk->ds, e, m->world->now);
}

static uint64_t desk_deadline(void *above)
{
    struct desk *desk = above;

    return deliveries_next_deadline(desk->ds);
}

static void desk_tick(void *above, uint64_t now)
{
    struct desk *desk = above;

    desk->ticks++;
    deliveries_tick(desk->ds, now);
}

/* What the client is told of is fed to its deliveries, and their time too. */
static void desk_open(struct desk *desk)
{
    struct world *w = world_new(HOPS);
    struct random_source random = {.ctx = &w->member[0],
                                   .fill = resident_random};

    *desk = (struct desk){.w = w, .client = &w->member[0]};
    assert_int_equal(
        deliveries_new(desk->client->tunnel, &desk->claims, &random, &desk->ds),
        OK);
    w->above = desk;
    w->above_deadline = desk_deadline;
    w->above_tick = desk_tick;
    desk->client->on_event = on_event;
}

static void desk_close(struct desk *desk)
{
    deliveries_free(desk->ds);
    claims_deinit(&desk->claims);
    desk->w->above = NULL;
    desk->client->on_event = NULL;
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++)
        member_stop(desk->client->tunnel, hops);
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++)
        assert_false(member_keeps(desk->client->tunnel, hops));
    world_free(desk->w);
}

/* With a circuit of HOPS hops for whoever needs one. */
static void desk_open_ready(struct desk *desk)
{
    desk_open(desk);
    member_build(desk->client->tunnel, HOPS, desk->w->now);
    run(desk->w, 10 * TIME_S);
    assert_int_equal(member_active(desk->client->tunnel, HOPS, NULL, 0), 2);
}

static struct delivery_request request_to(const char *to, const char *text)
{
    struct delivery_request r = {
        .data = bytes_of_text(text), .hops = HOPS, .timeout = TIMEOUT};

    assert_int_equal(host_port_parse(bytes_of_text(to), &r.to), OK);
    return r;
}

static enum error start_request(struct desk *desk, struct sent *s,
                                const struct delivery_request *r)
{
    struct delivery_handler h = {
        .arg = s, .waiting = on_waiting, .done = on_done};
    bool outer = desk->in_command;
    enum error e;

    s->desk = desk;
    s->done = s->waited = 0;
    desk->in_command = true;
    e = delivery_start(desk->ds, r, &h, desk->w->now, &s->id);
    desk->in_command = outer;
    return e;
}

static void start(struct desk *desk, struct sent *s, const char *to,
                  const char *text, uint64_t isolation)
{
    struct delivery_request r = request_to(to, text);

    r.isolation = isolation;
    assert_int_equal(start_request(desk, s, &r), OK);
    assert_true(s->id != 0);
}

static void expect(const struct sent *s, enum delivery_end end)
{
    assert_int_equal(s->done, 1);
    if (s->outcome.end != end)
        fail_msg("ended with %d, not %d", s->outcome.end, end);
}

/* ---- Ways to end -------------------------------------------------------- */

static void test_delivery_is_answered(void **state)
{
    struct sent s = {0};
    struct desk desk;

    (void)state;
    desk_open(&desk);
    start(&desk, &s, "9.9.9.9:7", "hello", 0);
    assert_true(member_keeps(desk.client->tunnel, HOPS));
    run(desk.w, 10 * TIME_S);
    expect(&s, DELIVERY_ANSWERED);
    assert_string_equal(s.payload, "hello");
    assert_int_equal(s.outcome.source.port, 7);
    assert_int_equal(s.outcome.hops, HOPS);
    assert_true(s.outcome.circuit != 0);
    assert_int_equal(s.outcome.broken + s.outcome.refusals, 0);
    /* Through two links there and back. */
    assert_int_equal(s.outcome.rtt, 2 * HOPS * DELAY);
    assert_true(s.outcome.duration > s.outcome.rtt);
    assert_true(s.waited >= 1);
    assert_false(member_keeps(desk.client->tunnel, HOPS));
    /* Now a circuit is there: at once. */
    s = (struct sent){0};
    start(&desk, &s, "echo.example:53", "name", 0);
    run(desk.w, TIME_S);
    expect(&s, DELIVERY_ANSWERED);
    assert_string_equal(s.payload, "name");
    assert_int_equal(s.waited, 0);
    assert_int_equal(s.outcome.duration, s.outcome.rtt);
    desk_close(&desk);
}

static void test_delivery_is_refused_by_the_only_exit(void **state)
{
    struct sent s = {0};
    struct desk desk;

    (void)state;
    desk_open_ready(&desk);
    start(&desk, &s, "10.0.0.1:53", "x", 0);
    run(desk.w, 5 * TIME_S);
    expect(&s, DELIVERY_REFUSED);
    assert_int_equal(s.outcome.why, REASON_POLICY);
    assert_int_equal(s.outcome.refusals, 1);
    desk_close(&desk);
}

/* The first exit does not send there, another one does. */
static void test_delivery_tries_another_exit(void **state)
{
    unsigned refusals = 0;
    struct sent s = {0};
    uint32_t circuit;
    struct desk desk;
    struct member_config c = config_of(OTHER);
    struct policy_line line;
    struct resident *other;
    char why[POLICY_ERROR_SIZE];

    (void)state;
    desk_open(&desk);
    other = &desk.w->member[OTHER];
    member_free(other->tunnel, desk.w->now);
    c.become_exitnode = true;
    resident_start(other, &c);
    assert_int_equal(
        policy_parse_line(bytes_of_text("reject 9.9.9.9:7"), &line, why), OK);
    policy_set_lines(&other->policy, &line, 1);
    member_ask(desk.client->tunnel, &other->ep, desk.w->now);
    member_build(desk.client->tunnel, HOPS, desk.w->now);
    run(desk.w, 10 * TIME_S);
    /* Until the pool has had a circuit that ends at that one. */
    for (unsigned i = 0; i < 20 || (i < 400 && refusals == 0); i++) {
        start(&desk, &s, "9.9.9.9:7", "again", 0);
        run(desk.w, 10 * TIME_S);
        expect(&s, DELIVERY_ANSWERED);
        refusals += s.outcome.refusals;
        /* The next one may end at either of them. */
        if (member_active(desk.client->tunnel, 0, &circuit, 1) > 0)
            member_close(desk.client->tunnel, circuit, desk.w->now);
        run(desk.w, TIME_S);
    }
    assert_true(refusals > 0);
    desk_close(&desk);
}

static unsigned sent_by_exit;

static void count_and_swallow(struct resident *m, enum world_call call)
{
    if (call != CALL_SEND)
        return;
    sent_by_exit++;
    m->echo = false;
}

/* The circuit works, so it is sent once, and there is nothing left to do. */
static void test_delivery_is_silent(void **state)
{
    struct sent s = {0};
    struct desk desk;
    unsigned ticks;

    (void)state;
    desk_open_ready(&desk);
    sent_by_exit = 0;
    desk.w->member[EXIT].on_call = count_and_swallow;
    start(&desk, &s, "9.9.9.9:7", "hello?", 0);
    run(desk.w, 900 * TIME_MS);
    assert_int_equal(desk.client->pongs, 0);
    run(desk.w, TIME_S);
    assert_int_equal(desk.client->pongs, HOPS);
    ticks = desk.ticks;
    assert_int_equal(deliveries_next_deadline(desk.ds),
                     desk.w->now + TIMEOUT - 1900 * TIME_MS);
    run(desk.w, TIMEOUT);
    expect(&s, DELIVERY_SILENT);
    assert_true(s.outcome.exit_answers);
    assert_int_equal(s.outcome.broken, 0);
    assert_int_equal(sent_by_exit, 1);
    assert_int_equal(s.outcome.duration, TIMEOUT);
    assert_true(desk.ticks > ticks);
    desk_close(&desk);
}

/* The relay in the middle dies: the datagram goes over another one. */
static void test_delivery_over_another_circuit(void **state)
{
    struct sent s = {0};
    struct desk desk;
    unsigned dead = 0;

    (void)state;
    desk_open_ready(&desk);
    sent_by_exit = 0;
    start(&desk, &s, "9.9.9.9:7", "first", 0);
    run(desk.w, TIME_S);
    expect(&s, DELIVERY_ANSWERED);
    /* All first hops but those that nobody uses yet. */
    for (unsigned i = 1; i < EXIT; i++) {
        struct resident *m = &desk.w->member[i];

        if (transits_count(member_router(m->tunnel)->transits) > 0) {
            m->dead = true;
            dead++;
        }
    }
    assert_true(dead > 0 && dead < EXIT - 1);
    s = (struct sent){0};
    start(&desk, &s, "9.9.9.9:7", "second", 0);
    run(desk.w, TIMEOUT);
    expect(&s, DELIVERY_ANSWERED);
    assert_true(s.outcome.broken >= 1);
    desk_close(&desk);
}

static void test_delivery_without_circuits(void **state)
{
    struct sent s = {0};
    struct desk desk;

    (void)state;
    desk_open(&desk);
    for (unsigned i = 1; i < MEMBERS; i++)
        desk.w->member[i].dead = true;
    start(&desk, &s, "9.9.9.9:7", "x", 0);
    run(desk.w, TIMEOUT + TIME_S);
    expect(&s, DELIVERY_NO_CIRCUIT);
    assert_int_equal(s.outcome.circuit, 0);
    assert_in_range(s.waited, 15, 21); /* once a second */
    assert_true(desk.ticks < 200);     /* nobody polls */
    assert_false(member_keeps(desk.client->tunnel, HOPS));
    desk_close(&desk);
}

static void test_delivery_of_what_cannot_be_sent(void **state)
{
    static uint8_t large[20000];
    struct delivery_request r = request_to("9.9.9.9:7", "");
    struct sent s = {0};
    struct desk desk;

    (void)state;
    desk_open(&desk);
    r.hops = 0;
    assert_int_equal(start_request(&desk, &s, &r), ERR_RANGE);
    r.hops = ONION_HOPS_MAX + 1;
    assert_int_equal(start_request(&desk, &s, &r), ERR_RANGE);
    /* Told when it is tried: without a circuit later, else at once. */
    r.hops = HOPS;
    r.data = bytes_of(large, sizeof(large));
    assert_int_equal(start_request(&desk, &s, &r), OK);
    run(desk.w, 10 * TIME_S);
    expect(&s, DELIVERY_FAILED);
    assert_int_equal(s.outcome.error, ERR_TOO_LARGE);
    member_build(desk.client->tunnel, HOPS, desk.w->now);
    run(desk.w, 10 * TIME_S);
    assert_int_equal(start_request(&desk, &s, &r), ERR_TOO_LARGE);
    desk_close(&desk);
}

/* ---- Pools -------------------------------------------------------------- */

/* B8: a pool is kept as long as somebody wants it, whoever began it. */
static void test_delivery_leaves_the_pool_of_others(void **state)
{
    struct sent s = {0}, t = {0};
    struct desk desk;

    (void)state;
    desk_open(&desk);
    start(&desk, &s, "9.9.9.9:7", "x", 0);
    start(&desk, &t, "9.9.9.9:8", "y", 0);
    delivery_cancel(desk.ds, s.id);
    assert_true(member_keeps(desk.client->tunnel, HOPS));
    member_build(desk.client->tunnel, HOPS, desk.w->now);
    run(desk.w, 10 * TIME_S);
    expect(&t, DELIVERY_ANSWERED);
    assert_int_equal(s.done, 0);
    assert_true(member_keeps(desk.client->tunnel, HOPS));
    start(&desk, &s, "9.9.9.9:7", "x", 0);
    member_stop(desk.client->tunnel, HOPS);
    assert_true(member_keeps(desk.client->tunnel, HOPS));
    delivery_cancel(desk.ds, s.id);
    assert_false(member_keeps(desk.client->tunnel, HOPS));
    desk_close(&desk);
}

/* ---- Isolation ---------------------------------------------------------- */

static void test_delivery_keys_share_no_circuit(void **state)
{
    uint32_t of_key[4][8] = {{0}};
    struct sent s = {0};
    struct desk desk;

    (void)state;
    desk_open_ready(&desk);
    for (unsigned i = 0; i < 32; i++) {
        unsigned key = i % 4;

        start(&desk, &s, "9.9.9.9:7", "x", key);
        run(desk.w, 2 * TIME_S);
        expect(&s, DELIVERY_ANSWERED);
        of_key[key][i / 4] = s.outcome.circuit;
    }
    for (unsigned i = 0; i < 32; i++)
        for (unsigned j = 0; j < 32; j++)
            if (i % 4 != j % 4)
                assert_int_not_equal(of_key[i % 4][i / 4],
                                     of_key[j % 4][j / 4]);
    assert_true(member_active(desk.client->tunnel, HOPS, NULL, 0) <= 8);
    desk_close(&desk);
}

/* More keys than max_circuits: the one that rests longest makes room. */
static void test_delivery_of_more_keys_than_circuits(void **state)
{
    struct sent s = {0};
    struct desk desk;

    (void)state;
    desk_open_ready(&desk);
    for (unsigned key = 0; key < 20; key++) {
        start(&desk, &s, "9.9.9.9:7", "x", key);
        run(desk.w, TIMEOUT + TIME_S);
        expect(&s, DELIVERY_ANSWERED);
    }
    desk_close(&desk);
}

/* Two to one destination at a time: each has its own answer. */
static void test_delivery_answers_are_told_apart(void **state)
{
    struct sent s[4] = {{0}};
    struct desk desk;

    (void)state;
    desk_open_ready(&desk);
    start(&desk, &s[0], "9.9.9.9:7", "0", 0);
    run(desk.w, TIME_MS);
    start(&desk, &s[1], "9.9.9.9:7", "1", 0);
    run(desk.w, TIME_S);
    for (unsigned i = 0; i < 2; i++) {
        expect(&s[i], DELIVERY_ANSWERED);
        assert_int_equal(s[i].payload[0], '0' + (int)i);
    }
    assert_int_not_equal(s[0].outcome.circuit, s[1].outcome.circuit);
    desk_close(&desk);
}

/* ---- Callbacks that go on ----------------------------------------------- */

static void send_again(struct sent *s)
{
    if (s->other->id == 0)
        start(s->desk, s->other, "9.9.9.9:9", "again", 0);
}

static void cancel_other(struct sent *s)
{
    delivery_cancel(s->desk->ds, s->other->id);
    delivery_cancel(s->desk->ds, s->id);
}

static void test_delivery_commands_in_callbacks(void **state)
{
    struct sent s = {0}, t = {0}, u = {0};
    struct desk desk;

    (void)state;
    desk_open(&desk);
    /* One whose end begins another one. */
    s.on_done = send_again;
    s.other = &t;
    start(&desk, &s, "9.9.9.9:7", "first", 0);
    run(desk.w, 10 * TIME_S);
    expect(&s, DELIVERY_ANSWERED);
    expect(&t, DELIVERY_ANSWERED);
    /* One that while it waits ends itself and another. */
    for (unsigned i = 1; i < MEMBERS; i++)
        desk.w->member[i].dead = true;
    run(desk.w, 2 * TIME_MIN);
    s = (struct sent){.on_waiting = cancel_other, .other = &u};
    t = (struct sent){0};
    start(&desk, &s, "9.9.9.9:7", "x", 0);
    start(&desk, &u, "9.9.9.9:7", "x", 0);
    start(&desk, &t, "9.9.9.9:7", "x", 0);
    run(desk.w, TIMEOUT + TIME_S);
    assert_int_equal(s.done + u.done, 0);
    assert_int_equal(s.waited, 1);
    expect(&t, DELIVERY_NO_CIRCUIT);
    /* Under way when all is over: not heard of. */
    start(&desk, &u, "9.9.9.9:7", "x", 0);
    desk_close(&desk);
    assert_int_equal(u.done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_delivery_is_answered),
        cmocka_unit_test(test_delivery_is_refused_by_the_only_exit),
        cmocka_unit_test(test_delivery_tries_another_exit),
        cmocka_unit_test(test_delivery_is_silent),
        cmocka_unit_test(test_delivery_over_another_circuit),
        cmocka_unit_test(test_delivery_without_circuits),
        cmocka_unit_test(test_delivery_of_what_cannot_be_sent),
        cmocka_unit_test(test_delivery_leaves_the_pool_of_others),
        cmocka_unit_test(test_delivery_keys_share_no_circuit),
        cmocka_unit_test(test_delivery_of_more_keys_than_circuits),
        cmocka_unit_test(test_delivery_answers_are_told_apart),
        cmocka_unit_test(test_delivery_commands_in_callbacks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
