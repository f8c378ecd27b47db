/* SPDX-License-Identifier: MIT
 *
 * The queue of those who are to be met, and the circuits to them.
 */
#include "fail_alloc.h"
#include "service/service_caller.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct service *service;
static struct visits *v;

static void begin_with(const struct service_config *config)
{
    const struct service_options o = {.hops = 3, .max_peers = 64};

    scene_begin_with(config);
    service = scene_serve(&o, NULL);
    assert_int_equal(visits_new(service, &v), OK);
}

static void begin(void)
{
    const struct service_config config = scene_config();

    begin_with(&config);
}

static void finish(void)
{
    visits_free(v, scene.now);
    scene_finish();
}

static struct visit_plan plan_to(unsigned relay, uint32_t effort)
{
    struct visit_plan plan = {.effort = effort};

    plan.rendezvous = scene_target(relay);
    memset(plan.cookie, (int)relay, sizeof(plan.cookie));
    return plan;
}

static enum error add(unsigned relay, uint32_t effort)
{
    struct visit_plan plan = plan_to(relay, effort);

    return visit_add(v, &plan, false, scene.now);
}

static void go(unsigned stems)
{
    scene.ready = stems;
    visits_go_on(v, scene.now);
}

/* Ticks at each deadline. */
static void pass(uint64_t time)
{
    uint64_t end = scene.now + time, at;

    while ((at = visits_deadline(v)) <= end) {
        scene.now = at > scene.now ? at : scene.now;
        visits_tick(v, scene.now);
    }
    scene.now = end;
}

/* The relay of whoever was set out for last. */
static unsigned last_target(void)
{
    const struct circuit *c = &scene.circuits.at[scene.circuits.count - 1]->c;

    return c->hop[c->length - 1].target.identity[0] - 1u;
}

/* ---- The queue ----------------------------------------------------------- */

static void test_visit_queue_by_effort_then_age(void **state)
{
    static const uint32_t effort[] = {0, 5, 0, 9, 5, UINT32_MAX, 9};
    static const unsigned expected[] = {5, 3, 6, 1, 4, 0, 2};

    (void)state;
    begin();
    for (unsigned i = 0; i < COUNT_OF(effort); i++)
        assert_int_equal(add(i, effort[i]), OK);
    for (unsigned i = 0; i < COUNT_OF(expected); i++) {
        go(1);
        assert_int_equal(last_target(), expected[i]);
        assert_int_equal(visits_queued(v), COUNT_OF(effort) - 1 - i);
    }
    finish();
}

/* One to which no stem leads does not hold up the others; one for which a stem
 * is being built has its turn first. */
static void test_visit_passes_whom_nothing_leads_to(void **state)
{
    struct visit_plan plan = plan_to(0, 0);

    (void)state;
    begin();
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(add(i, 0), OK);
    scene.nowhere = plan.rendezvous.identity;
    go(1);
    assert_int_equal(last_target(), 1);
    assert_int_equal(visits_queued(v), 2);
    go(0);
    assert_int_equal(visits_queued(v), 2);
    scene.nowhere = NULL;
    go(1);
    assert_int_equal(last_target(), 0);
    finish();
}

static void test_visit_lowest_makes_way(void **state)
{
    struct service_config config = scene_config();

    (void)state;
    config.max_queue = 4;
    begin_with(&config);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(add(i, i < 2 ? 0 : 10), OK);
    assert_int_equal(add(4, 0), ERR_FULL);
    assert_int_equal(add(5, 7), OK); /* instead of 1, the younger of two */
    assert_int_equal(visits_missed(v), 0); /* who did no work */
    assert_int_equal(add(6, 8), OK);       /* instead of 0 */
    assert_int_equal(add(7, 7), ERR_FULL);
    assert_int_equal(add(8, 11), OK); /* instead of 5, who had done some */
    assert_int_equal(visits_missed(v), 1);
    assert_int_equal(visits_missed(v), 0);
    assert_int_equal(visits_queued(v), 4);
    go(1);
    assert_int_equal(last_target(), 8);
    assert_int_equal(scene.s->stats.joins_failed, 3);
    finish();
}

static void test_visit_waits_ten_seconds(void **state)
{
    (void)state;
    begin();
    add(1, 0);
    add(2, 3);
    pass(VISIT_WAIT - TIME_S);
    add(3, 5);
    assert_int_equal(visits_queued(v), 3);
    pass(TIME_S);
    assert_int_equal(visits_queued(v), 1);
    assert_int_equal(visits_missed(v), 1);
    pass(VISIT_WAIT);
    assert_int_equal(visits_queued(v), 0);
    assert_int_equal(visits_missed(v), 1);
    assert_int_equal(visits_deadline(v), TIME_NEVER);
    finish();
}

/* VISIT_ACTIVE circuits at once; the others are not lost. */
static void test_visit_active_are_bounded(void **state)
{
    struct service_config config = scene_config();
    struct visit_plan plan;
    struct circuit *c;

    (void)state;
    config.join_rate = 1000;
    begin_with(&config);
    for (unsigned i = 0; i < 70; i++)
        assert_int_equal(add(i % 16, 0), OK);
    go(70);
    assert_int_equal(visits_queued(v), 70 - VISIT_ACTIVE);
    pass(TIME_S);
    assert_int_equal(visits_queued(v), 70 - VISIT_ACTIVE);
    c = scene_building();
    scene_reached(c); /* the cookie is not known there */
    route_refused(c, REASON_UNKNOWN, scene.now);
    pass(TIME_S);
    assert_int_equal(visits_queued(v), 69 - VISIT_ACTIVE);
    /* One that does not queue has no place either. */
    plan = plan_to(3, 0);
    assert_int_equal(visit_add(v, &plan, true, scene.now), ERR_FULL);
    finish();
}

static void test_visit_needs_no_queue_at_once(void **state)
{
    struct service_config config = scene_config();
    struct visit_plan plan;

    (void)state;
    config.max_queue = 1;
    config.join_rate = 1;
    begin_with(&config);
    for (unsigned i = 0; i < 5; i++) {
        scene.ready = 1;
        plan = plan_to(i, 0);
        assert_int_equal(visit_add(v, &plan, true, scene.now), OK);
        assert_int_equal(last_target(), i);
    }
    assert_int_equal(visits_queued(v), 0);
    finish();
}

/* ---- On the way ---------------------------------------------------------- */

static struct circuit *set_out(unsigned relay)
{
    assert_int_equal(add(relay, 0), OK);
    go(1);
    assert_int_equal(last_target(), relay);
    return &scene.circuits.at[scene.circuits.count - 1]->c;
}

static bool joined(struct circuit *c)
{
    const struct meeting_message m = {.type = MEETING_JOINED};

    return scene_say(c, &m);
}

/* JOIN each 0.2 s, later less often: the same; then nobody waits there any
 * more. */
static void test_visit_repeats_join(void **state)
{
    struct circuit *c;
    unsigned said = 1;

    (void)state;
    begin();
    c = set_out(3);
    assert_int_equal(scene_said(MEETING_JOIN), 0);
    scene_reached(c);
    assert_int_equal(scene_said(MEETING_JOIN), 1);
    for (unsigned i = 0; i < 8; i++) {
        pass(200 * TIME_MS - 1);
        assert_int_equal(scene_said(MEETING_JOIN), said);
        pass(1);
        assert_int_equal(scene_said(MEETING_JOIN), ++said);
        assert_int_equal(scene_of(c)->last.cookie[0], 3);
    }
    pass(12 * TIME_S - 1600 * TIME_MS - 1);
    assert_in_range(scene_said(MEETING_JOIN), 20, 30);
    assert_int_equal(scene.circuits.count, 1);
    pass(1);
    assert_int_equal(scene.circuits.count, 0);
    assert_int_equal(scene.s->stats.joins_failed, 1);
    finish();
}

static void test_visit_becomes_a_peer(void **state)
{
    const struct meeting_message other = {.type = MEETING_READY,
                                          .cookie = (const uint8_t[16]){3}};
    struct circuit *c;
    uint8_t noise2[MEETING_NOISE2_BYTES] = {0};
    const struct meeting_message client = {
        .type = MEETING_JOINED, .noise = bytes_of(noise2, sizeof(noise2))};

    (void)state;
    begin();
    c = set_out(3);
    assert_false(joined(c)); /* nothing was said there yet */
    scene_reached(c);
    assert_false(scene_say(c, &other));
    assert_false(scene_say(c, &client)); /* not what is said to us */
    assert_int_equal(scene.s->peer_count, 0);
    assert_true(joined(c));
    assert_true(c->joined);
    assert_int_equal(scene.s->peer_count, 1);
    assert_int_equal(scene.s->stats.joins, 1);
    assert_int_equal(visits_deadline(v), TIME_NEVER);
    joined(c); /* again: it is the peer's now */
    assert_int_equal(scene.s->peer_count, 1);
    finish();
}

/* Not reached: over another stem, before all others; three in all. */
static void test_visit_tries_other_stems(void **state)
{
    struct circuit *c;

    (void)state;
    begin();
    c = set_out(3);
    add(9, 100);
    for (unsigned i = 0; i < 2; i++) {
        scene_end(c, REASON_UNREACHABLE, 4);
        go(1);
        assert_int_equal(last_target(), 3);
        c = &scene.circuits.at[scene.circuits.count - 1]->c;
    }
    scene_end(c, REASON_UNREACHABLE, 4);
    go(1);
    assert_int_equal(last_target(), 9);
    assert_int_equal(scene.s->stats.joins_failed, 1);
    /* Who has waited for 12 s in all waits no longer. */
    c = &scene.circuits.at[scene.circuits.count - 1]->c;
    pass(12 * TIME_S - 1);
    scene_end(c, REASON_UNREACHABLE, 2);
    assert_int_equal(visits_queued(v), 1);
    pass(1);
    assert_int_equal(visits_queued(v), 0);
    assert_int_equal(visits_missed(v), 0); /* it was tried */
    finish();
}

/* With many under way each has one try: they may be named in order to fail. */
static void test_visit_one_try_when_there_are_many(void **state)
{
    struct service_config config = scene_config();

    (void)state;
    config.join_rate = 1000;
    begin_with(&config);
    for (unsigned i = 0; i < VISIT_ACTIVE; i++)
        add(i % 16, 0);
    go(VISIT_ACTIVE);
    for (unsigned i = 0; i < VISIT_ACTIVE; i++)
        scene_end(scene_building(), REASON_UNREACHABLE, 4);
    assert_int_equal(visits_queued(v), VISIT_ACTIVE / 2);
    assert_int_equal(scene.s->stats.joins_failed, VISIT_ACTIVE / 2);
    finish();
}

/* After JOIN the end of the circuit is the end of it: the cookie is used. */
static void test_visit_ends_after_join(void **state)
{
    struct circuit *c;

    (void)state;
    begin();
    c = set_out(3);
    scene_reached(c);
    scene_end(c, REASON_LINK_LOST, 4);
    assert_int_equal(visits_queued(v), 0);
    assert_int_equal(scene.s->stats.joins_failed, 1);
    c = set_out(4);
    scene_reached(c);
    route_refused(c, REASON_UNKNOWN, scene.now);
    assert_int_equal(scene.circuits.count, 0);
    assert_int_equal(scene.s->stats.joins_failed, 2);
    finish();
}

static void test_visit_cannot_extend(void **state)
{
    (void)state;
    begin();
    scene.extend = ERR_RANGE;
    add(3, 0);
    add(4, 0);
    go(2);
    assert_int_equal(visits_queued(v), 0);
    assert_int_equal(scene.circuits.count, 0);
    assert_int_equal(scene.s->stats.joins_failed, 2);
    finish();
}

/* No address of a family that the last hop has: it is not gone to. */
static void test_visit_other_family(void **state)
{
    struct visit_plan plan;

    (void)state;
    begin();
    plan = plan_to(3, 0);
    plan.rendezvous.endpoints[0].family = FAMILY_IPV6;
    visit_add(v, &plan, false, scene.now);
    go(1);
    assert_int_equal(scene.circuits.count, 0);
    assert_int_equal(scene.s->stats.joins_failed, 1);
    finish();
}

/* ---- Of peers ------------------------------------------------------------ */

static struct service_peer *peer(void)
{
    struct circuit *c = set_out(3);

    scene_reached(c);
    assert_true(joined(c));
    return scene.s->peers[0];
}

static void test_visit_over_the_hops_of_a_peer(void **state)
{
    struct visit_plan plan;
    struct service_peer *p;
    struct circuit *c;

    (void)state;
    begin();
    p = peer();
    assert_int_equal(p->hop_sets, 1);
    scene.ready = 0; /* it takes no stem */
    plan = plan_to(14, 0);
    plan.peer = p;
    assert_int_equal(visit_add(v, &plan, true, scene.now), OK);
    c = scene_to(14, CIRCUIT_BUILDING);
    assert_non_null(c);
    assert_int_equal(c->length, 4);
    for (unsigned i = 0; i < 3; i++)
        assert_memory_equal(c->hop[i].target.identity, p->hops[0][i].identity,
                            32);
    /* The rendezvous point is not to be reached: no hop changes for that. */
    scene_end(c, REASON_UNREACHABLE, 4);
    assert_int_equal(p->hop_sets, 1);
    pass(TIME_S);
    c = scene_to(14, CIRCUIT_BUILDING);
    assert_non_null(c);
    /* A hop is gone: others are drawn. */
    scene_end(c, REASON_UNREACHABLE, 2);
    assert_int_equal(p->hop_sets, 0);
    assert_int_equal(visits_queued(v), 1);
    go(1);
    c = scene_to(14, CIRCUIT_BUILDING);
    scene_reached(c);
    assert_true(joined(c));
    assert_int_equal(scene.s->peer_count, 1);
    assert_int_equal(p->hop_sets, 1);
    finish();
}

/* What takes too long is done over another way as well, once; who is there
 * first ends the other. */
static void test_visit_has_another_beside_it(void **state)
{
    struct circuit *first, *second;

    (void)state;
    begin();
    first = set_out(3);
    scene.ready = 2;
    pass(SCENE_OVERDUE / 2);
    assert_int_equal(scene.ready, 2); /* not yet */
    pass(TIME_S);
    assert_int_equal(scene.ready, 1); /* and no third one */
    second = &scene.circuits.at[scene.circuits.count - 1]->c;
    assert_ptr_not_equal(first, second);
    assert_int_equal(last_target(), 3);
    scene_reached(second);
    assert_true(joined(second));
    assert_int_equal(scene.s->peer_count, 1);
    assert_int_equal(scene.circuits.count, 1); /* the first is gone */
    assert_int_equal(scene.s->stats.joins_failed, 0);
    assert_int_equal(scene.s->stats.joins, 1);
    finish();
}

/* Not while others wait, nor faster than may be set out at all. */
static void test_visit_is_alone_when_there_are_others(void **state)
{
    struct service_config config = scene_config();

    (void)state;
    config.join_rate = 1;
    begin_with(&config);
    set_out(3);
    add(9, 0);
    scene.ready = 0;
    pass(TIME_S);
    scene.ready = 4;
    assert_int_equal(visits_queued(v), 1);
    pass(TIME_S / 2);
    assert_int_equal(scene.ready, 3);
    pass(TIME_S / 4);
    assert_int_equal(scene.ready, 3);
    finish();
}

/* A relay extends neither to itself nor back: then a stem is taken. */
static void test_visit_to_a_hop_of_the_peer(void **state)
{
    struct service_peer *p;

    (void)state;
    begin();
    p = peer();
    for (unsigned i = 0; i < 3; i++) {
        struct visit_plan plan = plan_to(p->hops[0][i].identity[0] - 1u, 0);

        plan.peer = p;
        scene.ready = 1;
        assert_int_equal(visit_add(v, &plan, true, scene.now), OK);
        /* To the guard its own hops do; what is taken then is kept. */
        assert_int_equal(scene.ready, i != 1);
    }
    finish();
}

/* It is said at once when nobody sets out. */
static void test_visit_that_cannot_set_out(void **state)
{
    struct visit_plan plan;

    (void)state;
    begin();
    plan = plan_to(14, 0);
    plan.peer = peer();
    plan.rendezvous.endpoint_count = 0;
    assert_int_equal(visit_add(v, &plan, true, scene.now), ERR_UNREACHABLE);
    assert_int_equal(visits_queued(v), 0);
    assert_int_equal(visit_add(v, &plan, false, scene.now), OK);
    finish();
}

/* Those of that stem are kept, too: whoever names hops of ours in turn makes us
 * draw a second way, and no third. */
static void test_visit_keeps_two_ways_to_a_peer(void **state)
{
    struct service_peer *p;

    (void)state;
    begin();
    p = peer();
    for (unsigned i = 0; i < 10; i++) {
        unsigned relay = p->hops[i % PEER_HOPS % p->hop_sets][2].identity[0];
        struct visit_plan plan = plan_to(relay - 1, 0);
        struct circuit *c;

        plan.peer = p;
        scene.ready = 1;
        assert_int_equal(visit_add(v, &plan, true, scene.now), OK);
        assert_int_equal(scene.ready, i > 0); /* once */
        c = scene_to(relay - 1, CIRCUIT_BUILDING);
        scene_reached(c);
        assert_true(joined(c));
        assert_int_equal(p->hop_sets, PEER_HOPS);
    }
    assert_int_equal(scene.s->peer_count, 1);
    finish();
}

/* It goes while somebody is on the way to it: then that is a new peer. */
static void test_visit_forgets_a_peer(void **state)
{
    struct visit_plan plan;
    struct service_peer *p;
    struct circuit *c;

    (void)state;
    begin();
    p = peer();
    for (unsigned relay = 13; relay < 15; relay++) {
        plan = plan_to(relay, 0);
        plan.peer = p;
        visit_add(v, &plan, relay == 13, scene.now);
    }
    visits_forget_peer(v, p);
    peer_free(p, scene.now);
    go(1);
    for (unsigned relay = 13; relay < 15; relay++) {
        c = scene_to(relay, CIRCUIT_BUILDING);
        assert_non_null(c);
        scene_reached(c);
        assert_true(joined(c));
    }
    assert_int_equal(scene.s->peer_count, 2);
    finish();
}

static void test_visit_without_memory(void **state)
{
    bool failed = true;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        struct circuit *c;

        begin();
        fail_alloc_at(n);
        if (add(3, 0) == OK)
            go(1);
        c = scene_building();
        if (c != NULL) {
            scene_reached(c);
            joined(c);
        }
        failed = fail_alloc_end();
        assert_int_equal(scene.s->peer_count, failed ? 0 : 1);
        if (failed && visits_queued(v) == 0)
            assert_int_equal(scene.circuits.count, 0);
        finish();
        assert_true(n < 30);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_visit_queue_by_effort_then_age),
        cmocka_unit_test(test_visit_passes_whom_nothing_leads_to),
        cmocka_unit_test(test_visit_lowest_makes_way),
        cmocka_unit_test(test_visit_waits_ten_seconds),
        cmocka_unit_test(test_visit_active_are_bounded),
        cmocka_unit_test(test_visit_needs_no_queue_at_once),
        cmocka_unit_test(test_visit_repeats_join),
        cmocka_unit_test(test_visit_becomes_a_peer),
        cmocka_unit_test(test_visit_tries_other_stems),
        cmocka_unit_test(test_visit_one_try_when_there_are_many),
        cmocka_unit_test(test_visit_ends_after_join),
        cmocka_unit_test(test_visit_cannot_extend),
        cmocka_unit_test(test_visit_other_family),
        cmocka_unit_test(test_visit_over_the_hops_of_a_peer),
        cmocka_unit_test(test_visit_has_another_beside_it),
        cmocka_unit_test(test_visit_is_alone_when_there_are_others),
        cmocka_unit_test(test_visit_to_a_hop_of_the_peer),
        cmocka_unit_test(test_visit_that_cannot_set_out),
        cmocka_unit_test(test_visit_keeps_two_ways_to_a_peer),
        cmocka_unit_test(test_visit_forgets_a_peer),
        cmocka_unit_test(test_visit_without_memory),
    };

    return cmocka_run_group_tests_name("visit", tests, NULL, NULL);
}
