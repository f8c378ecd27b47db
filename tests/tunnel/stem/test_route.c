/* SPDX-License-Identifier: MIT */
#include "fail_alloc.h"
#include "stem_world.h"

#define COOKIE "0123456789abcdef"

/* Who holds circuits here, and what it heard. */
struct holder {
    struct world *w;
    unsigned ready, closed, messages, refused, ends;
    enum reason why;
    unsigned hop;
    bool drop, takes; /* on a message */
    struct meeting_message m;
};

static void holder_ready(void *holder, struct circuit *c, uint64_t now)
{
    struct holder *h = holder;

    (void)c, (void)now;
    h->ready++;
}

static void holder_closed(void *holder, struct circuit *c, enum reason why,
                          unsigned hop, uint64_t now)
{
    struct holder *h = holder;

    h->closed++;
    h->why = why;
    h->hop = hop;
    route_drop(world_circuits(h->w), c, now); /* no error */
}

static bool holder_message(void *holder, struct circuit *c,
                           const struct meeting_message *m, uint64_t now)
{
    struct holder *h = holder;

    h->messages++;
    h->m = *m;
    if (h->drop)
        route_drop(world_circuits(h->w), c, now);
    return h->takes;
}

static void holder_refused(void *holder, struct circuit *c, enum reason why,
                           uint64_t now)
{
    struct holder *h = holder;

    (void)c, (void)now;
    h->refused++;
    h->why = why;
}

static void holder_end(void *holder, struct circuit *c, uint8_t *body,
                       size_t body_len, uint64_t now)
{
    struct holder *h = holder;

    (void)c, (void)body, (void)body_len, (void)now;
    h->ends++;
}

static const struct route_ops all = {.ready = holder_ready,
                                     .closed = holder_closed,
                                     .message = holder_message,
                                     .refused = holder_refused,
                                     .end = holder_end};
static const struct route_ops none = {0};

static struct circuit *begin(struct world *w, struct holder *h, unsigned length)
{
    struct link_target hops[ONION_HOPS_MAX];
    struct circuit *c;

    *h = (struct holder){.w = w, .takes = true};
    for (unsigned i = 0; i < length; i++)
        hops[i] = net_target(&w->net->node[i + 1]);
    assert_int_equal(
        route_new(world_circuits(w), hops, length, &all, h, w->net->now, &c),
        OK);
    world_run(w, TIME_S);
    assert_int_equal(c->state, CIRCUIT_READY);
    return c;
}

static uint64_t dropped(const struct world *w)
{
    return circuits_stats(world_circuits(w))->dropped_message;
}

static enum error ask(struct world *w, struct circuit *c)
{
    struct meeting_message m = {.type = MEETING_RENDEZVOUS,
                                .cookie = (const uint8_t *)COOKIE};
    enum error e = route_send(world_circuits(w), c, &m, w->net->now);

    world_run(w, TIME_S);
    return e;
}

static enum reason ready_for_all(struct world *w, unsigned n,
                                 struct transit *relay,
                                 const struct meeting_message *m)
{
    struct meeting_message answer = {.type = MEETING_READY,
                                     .cookie = m->cookie};

    assert_int_equal(m->type, MEETING_RENDEZVOUS);
    assert_memory_equal(m->cookie, COOKIE, 16);
    world_say(w, n, relay, &answer);
    return REASON_UNKNOWN;
}

static void test_route_tells_who_holds_the_circuit(void **state)
{
    struct holder a, b = {0};
    struct circuit *c;
    struct world w;

    (void)state;
    world_init(&w, 1, 5);
    w.serve = ready_for_all;
    c = begin(&w, &a, 3);
    assert_int_equal(a.ready, 1);
    assert_int_equal(ask(&w, c), OK);
    assert_int_equal(a.messages, 1);
    assert_int_equal(a.m.type, MEETING_READY);
    w.serve = NULL;
    assert_int_equal(ask(&w, c), OK);
    assert_int_equal(a.refused, 1);
    assert_int_equal(a.why, REASON_PROTOCOL);

    b.w = &w;
    route_pass(c, &all, &b);
    assert_true(route_is(c, &all, &b));
    assert_false(route_is(c, &all, &a));
    assert_int_equal(ask(&w, c), OK);
    route_end(c, NULL, 0, w.net->now);
    assert_int_equal(a.refused, 1);
    assert_int_equal(b.refused, 1);
    assert_int_equal(b.ends, 1);
    circuit_close(world_circuits(&w), c, REASON_AGE, w.net->now);
    assert_int_equal(a.closed, 0);
    assert_int_equal(b.closed, 1);
    assert_int_equal(b.why, REASON_AGE);
    world_deinit(&w);
}

/* What was not expected, or comes from a hop that is not the last, or while
 * another is being added, is counted as dropped. */
static void test_route_drops_what_nobody_expects(void **state)
{
    uint8_t text[CELL_TEXT_MAX] = {0};
    struct meeting_message m = {.type = MEETING_READY,
                                .cookie = (const uint8_t *)COOKIE};
    struct link_target fourth;
    struct holder h;
    struct circuit *c;
    struct world w;
    struct bytes b;
    size_t len;

    (void)state;
    world_init(&w, 2, 5);
    w.serve = ready_for_all;
    c = begin(&w, &h, 3);
    h.takes = false;
    assert_int_equal(ask(&w, c), OK);
    assert_int_equal(dropped(&w), 1);
    route_pass(c, &none, NULL);
    assert_int_equal(ask(&w, c), OK);
    assert_int_equal(dropped(&w), 2);
    assert_int_equal(h.messages, 1);
    h.takes = true;
    route_pass(c, &all, &h);

    assert_int_equal(meeting_message_write(&m, text, sizeof(text), &len), OK);
    b = bytes_of(text, onion_message_len(meeting_message_cell(m.type) -
                                         CELL_BODY_OFFSET));
    assert_true(route_message(c, 3, b, w.net->now));
    for (unsigned hop = 0; hop < 3; hop++)
        assert_false(route_message(c, hop, b, w.net->now));
    fourth = net_target(&w.net->node[4]);
    assert_int_equal(circuit_extend(world_circuits(&w), c, &fourth, w.net->now),
                     OK);
    assert_false(route_message(c, 3, b, w.net->now));
    assert_false(route_message(c, 4, b, w.net->now));
    route_refused(c, REASON_FULL, w.net->now);
    assert_int_equal(h.refused, 0);
    world_run(&w, TIME_S);
    assert_int_equal(h.ready, 2);
    assert_true(route_message(c, 4, b, w.net->now));
    /* What only a client says. */
    m.type = MEETING_RENDEZVOUS;
    assert_int_equal(meeting_message_write(&m, text, sizeof(text), &len), OK);
    assert_false(route_message(c, 4, b, w.net->now));
    world_deinit(&w);
}

/* Nobody hears of a circuit that was dropped, from outside or from within what
 * is told about it; of one that failed, once. */
static void test_route_ends_once(void **state)
{
    struct holder h;
    struct circuit *c;
    struct world w;

    (void)state;
    world_init(&w, 3, 5);
    w.serve = ready_for_all;
    c = begin(&w, &h, 3);
    route_drop(world_circuits(&w), c, w.net->now);
    assert_int_equal(h.closed, 0);
    c = begin(&w, &h, 3);
    h.drop = true;
    assert_int_equal(ask(&w, c), OK);
    assert_int_equal(h.messages, 1);
    assert_int_equal(h.closed, 0);
    assert_int_equal(circuits_count(world_circuits(&w)), 0);

    c = begin(&w, &h, 3);
    route_pass(c, &none, NULL);
    circuit_close(world_circuits(&w), c, REASON_AGE, w.net->now);
    c = begin(&w, &h, 4);
    w.net->node[4].dead = true;
    circuit_ping(world_circuits(&w), c, 4, w.net->now);
    world_run(&w, 2 * TIME_MIN);
    assert_int_equal(h.closed, 1);
    assert_true(h.hop > 0);
    begin(&w, &h, 2); /* world_deinit calls nobody */
    world_deinit(&w);
    assert_int_equal(h.closed, 0);
}

static void test_route_without_memory(void **state)
{
    struct link_target hops[2];
    struct circuit *c;
    struct world w;

    (void)state;
    world_init(&w, 4, 5);
    hops[0] = net_target(&w.net->node[1]);
    hops[1] = net_target(&w.net->node[2]);
    w.net->sink = true; /* it would allocate */
    for (unsigned n = 1;; n++) {
        enum error e;

        fail_alloc_at(n);
        e = route_new(world_circuits(&w), hops, 2, &none, NULL, w.net->now, &c);
        if (!fail_alloc_end())
            break;
        assert_int_equal(e, ERR_NO_MEMORY);
        assert_int_equal(circuits_count(world_circuits(&w)), 0);
    }
    assert_int_equal(
        route_new(world_circuits(&w), hops, 5, &none, NULL, w.net->now, &c),
        ERR_RANGE);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_route_tells_who_holds_the_circuit),
        cmocka_unit_test(test_route_drops_what_nobody_expects),
        cmocka_unit_test(test_route_ends_once),
        cmocka_unit_test(test_route_without_memory),
    };

    return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
