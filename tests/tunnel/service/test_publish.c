/* SPDX-License-Identifier: MIT
 *
 * Descriptors of a service of ours: put, looked up, renewed, withdrawn; and
 * the probe.
 */
#include "fail_alloc.h"
#include "service/service_answerer.h"
#include "service/service_caller.h"

#include "tunnel/record/blind.h"
#include "tunnel/record/effort.h"
#include "tunnel/service/publish.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NODES 8 /* that store what is put */

static struct service *service;
static struct service_name name; /* as a client has it */
static uint8_t secrets[3][32];

static void begin_with(struct service_options o,
                       const struct service_memory *memory)
{
    struct service_secret secret;

    o.hops = 3;
    scene_begin();
    service = scene_serve(&o, memory);
    blind_expand(scene_seed, &secret);
    name = (struct service_name){0};
    memcpy(name.key, secret.key, sizeof(name.key));
}

static void begin(void)
{
    begin_with((struct service_options){0}, NULL);
    scene_establish();
}

/* All puts under way end so. */
static void puts_end(enum finder_end end, unsigned stored)
{
    const struct scene_request *r;

    while ((r = scene_asked(SCENE_PUT, 0)) != NULL)
        scene_done(r->id, end, stored);
}

static struct service_descriptor opened(const struct scene_request *r,
                                        uint32_t period)
{
    struct service_item item = {.seq = r->seq};
    struct service_descriptor d;
    struct service_view view;

    assert_int_equal(
        service_view_init(SCENE_NETWORK, &name, period, false, &view), OK);
    memcpy(item.signature, r->signature, sizeof(item.signature));
    assert_int_equal(
        value_from_bytes(bytes_of(r->value, sizeof(r->value)), &item.value),
        OK);
    assert_int_equal(service_descriptor_open(&view, r->salt, &item, &d), OK);
    return d;
}

static uint32_t today(void)
{
    return period_of(scene.wall);
}

static struct service_status status(void)
{
    struct service_status s;

    assert_int_equal(service_get_status(scene.s, service->id, scene.now, &s),
                     OK);
    return s;
}

/* Points stand, and what tells of them is stored. */
static struct scene_request publish(void)
{
    struct scene_request put;

    assert_int_equal(scene_asked_count(SCENE_PUT), 2);
    put = *scene_asked(SCENE_PUT, 0);
    puts_end(FINDER_FOUND, NODES);
    return put;
}

/* The lookup that follows within a minute; NULL: none. */
static const struct scene_request *lookup(void)
{
    for (unsigned i = 0; i < 60 && scene_asked_count(SCENE_GET) == 0; i++)
        scene_pass(TIME_S);
    return scene_asked(SCENE_GET, 0);
}

static void found(const struct scene_request *put)
{
    uint64_t id = lookup()->id;

    assert_true(scene_found(id, put));
    scene_done(id, FINDER_FOUND, 0);
}

/* ---- Put and found ------------------------------------------------------- */

static void test_publish_two_replicas(void **state)
{
    struct service_descriptor d;
    const struct scene_request *a, *b;

    (void)state;
    begin_with((struct service_options){0}, NULL);
    scene_tick();
    scene_pass(TIME_S);
    assert_int_equal(scene.finder.puts, 0); /* there is nothing to say */
    scene_establish();
    assert_int_equal(scene_asked_count(SCENE_PUT), 2);
    a = scene_asked(SCENE_PUT, 0);
    b = scene_asked(SCENE_PUT, 1);
    assert_int_equal(a->salt + b->salt, 1);
    assert_memory_equal(a->key, b->key, 32);
    assert_memory_equal(a->value, b->value, sizeof(a->value));
    assert_memory_not_equal(a->signature, b->signature, 64);
    assert_int_equal(a->seq, 1);
    assert_ptr_equal(a->kit, service->kit);
    d = opened(a, today());
    opened(b, today());
    assert_int_equal(d.intro_count, SERVICE_POINTS);
    assert_int_equal(d.lifetime, SERVICE_LIFETIME);
    assert_int_equal(d.issued, scene.wall);
    assert_false(d.has_work);
    assert_int_equal(scene.seqs[0].seq, 1); /* stored before it is seen */
    assert_int_equal(scene.seqs[0].period, today());
    assert_false(status().published);
    scene_finish();
}

static void test_publish_is_verified(void **state)
{
    struct scene_request put;

    (void)state;
    begin();
    put = publish();
    assert_true(status().published && !status().verified);
    assert_int_equal(scene_asked_count(SCENE_GET), 0);
    found(&put);
    assert_true(status().verified);
    assert_int_equal(status().verified_at, scene.now);
    scene_tick();
    assert_int_equal(service->problem, SERVICE_FINE);
    scene_finish();
}

/* Each hour, less up to a fifth, with a higher seq. */
static void test_publish_again_within_the_hour(void **state)
{
    struct scene_request put;
    uint64_t at;

    (void)state;
    begin();
    put = publish();
    found(&put);
    for (int64_t seq = 2; seq < 6; seq++) {
        at = scene.now;
        while (scene_asked_count(SCENE_PUT) == 0) {
            scene_pass(10 * TIME_S);
            scene.ready = 8; /* circuits of points are renewed meanwhile */
            while (scene_building() != NULL) {
                struct circuit *c = scene_building();
                const struct meeting_message taken = {
                    .type = MEETING_INTRO_ESTABLISHED};

                scene_reached(c);
                if (scene_of(c)->said[MEETING_INTRO_ESTABLISH] > 0)
                    scene_say(c, &taken);
            }
        }
        assert_in_range(scene.now - at, 46 * TIME_MIN, 61 * TIME_MIN);
        put = publish();
        assert_int_equal(put.seq, seq);
        found(&put);
    }
    scene_finish();
}

/* On fewer nodes than there should be: again after 1 s, doubled to 5 min; what
 * is stored on one is published. */
static void test_publish_few_nodes(void **state)
{
    uint64_t last = 0, wait = 0;

    (void)state;
    begin();
    for (unsigned i = 0; i < 12; i++) {
        uint64_t at = scene.now;

        puts_end(FINDER_NOT_FOUND, 0);
        assert_false(status().published);
        while (scene_asked_count(SCENE_PUT) == 0)
            scene_pass(100 * TIME_MS);
        wait = scene.now - at;
        assert_true(wait >= last || wait >= 5 * TIME_MIN);
        last = wait;
    }
    assert_in_range(wait, 5 * TIME_MIN, 5 * TIME_MIN + TIME_S);
    scene_tick();
    assert_int_equal(service->problem, SERVICE_NOT_STORED);
    assert_int_equal(scene.s->stats.puts_failed, 24);
    puts_end(FINDER_FOUND, PUBLISH_NODES - 1);
    assert_true(status().published);
    scene_finish();
}

/* One replica on many nodes, the other on none. */
static void test_publish_one_replica_only(void **state)
{
    (void)state;
    begin();
    scene_done(scene_asked(SCENE_PUT, 0)->id, FINDER_FOUND, NODES);
    assert_false(status().published);
    scene_done(scene_asked(SCENE_PUT, 0)->id, FINDER_TIMED_OUT, 0);
    assert_false(status().published);
    scene_pass(2 * TIME_S);
    assert_int_equal(scene_asked_count(SCENE_PUT), 2);
    scene_finish();
}

/* No lookup can be had: put all the same, and again. */
static void test_publish_without_a_finder(void **state)
{
    (void)state;
    begin_with((struct service_options){0}, NULL);
    scene.requests = ERR_FULL;
    scene_establish();
    scene_pass(TIME_MIN);
    assert_false(status().published);
    scene.requests = OK;
    scene_pass(TIME_MIN);
    publish();
    assert_true(status().published);
    scene_finish();
}

/* Stored, but not to be found: put again. */
static void test_publish_is_not_found(void **state)
{
    (void)state;
    begin();
    publish();
    scene_done(lookup()->id, FINDER_NOT_FOUND, 0);
    scene_pass(3 * TIME_S);
    assert_int_equal(scene_asked_count(SCENE_PUT), 2);
    assert_true(status().published && !status().verified);
    assert_int_equal(service->problem, SERVICE_NOT_VERIFIED);
    scene_finish();
}

/* ---- seq ----------------------------------------------------------------- */

/* An older one is no proof that ours is there. */
static void test_publish_old_one_is_found(void **state)
{
    struct scene_request put;
    uint64_t id;

    (void)state;
    begin();
    put = publish();
    id = lookup()->id;
    put.seq = 0;
    assert_false(scene_found(id, &put));
    scene_done(id, FINDER_NOT_FOUND, 0);
    assert_false(status().verified);
    scene_finish();
}

/* Somebody with our key has published more: ours goes above. */
static void test_publish_goes_above_a_higher_seq(void **state)
{
    struct scene_request put;
    uint64_t id;

    (void)state;
    begin();
    put = publish();
    id = lookup()->id;
    put.seq = 41;
    assert_true(scene_found(id, &put));
    scene_done(id, FINDER_FOUND, 0);
    scene_pass(TIME_S);
    put = publish();
    assert_int_equal(put.seq, 42);
    found(&put);
    assert_true(status().verified);
    scene_finish();
}

/* A node refuses ours because there is a newer one: looked up, then above. */
static void test_publish_is_told_of_a_newer_one(void **state)
{
    struct scene_request put;
    uint64_t id;

    (void)state;
    begin();
    put = *scene_asked(SCENE_PUT, 0);
    puts_end(FINDER_NEWER, 0);
    scene_tick();
    assert_int_equal(scene_asked_count(SCENE_GET), 1);
    id = scene_asked(SCENE_GET, 0)->id;
    put.seq = 9;
    scene_found(id, &put);
    scene_done(id, FINDER_FOUND, 0);
    scene_pass(2 * TIME_S);
    assert_int_equal(publish().seq, 10);
    scene_finish();
}

static void test_publish_goes_on_after_a_restart(void **state)
{
    const struct service_seq_row rows[] = {
        {.period = (uint32_t)(SCENE_WALL / 86400), .access = 0, .seq = 77},
        {.period = 5, .access = 0, .seq = 99}};
    const struct service_memory memory = {.seqs = rows, .seq_count = 2};

    (void)state;
    begin_with((struct service_options){0}, &memory);
    scene_establish();
    assert_int_equal(publish().seq, 78);
    scene_finish();
}

/* ---- What is published changes ------------------------------------------- */

static void test_publish_more_points(void **state)
{
    struct service_options o = {.hops = 3, .points = 5};
    struct scene_request put;

    (void)state;
    begin();
    put = publish();
    found(&put);
    service_reconfigure(scene.s, service->id, &o, scene.now);
    scene_establish();
    assert_int_equal(scene_asked_count(SCENE_PUT), 0); /* after a second */
    scene_pass(2 * TIME_S);
    put = publish();
    assert_int_equal(opened(&put, today()).intro_count, 5);
    scene_finish();
}

/* Two periods around midnight, each with a key and a seq of its own. */
static void test_publish_around_midnight(void **state)
{
    uint64_t midnight = (SCENE_WALL / 86400 + 1) * 86400;
    struct scene_request put;
    unsigned max = 0;

    (void)state;
    begin();
    put = publish();
    assert_int_equal(opened(&put, today()).period, today());
    scene_finish();
    for (int64_t at = -4 * 3600; at <= 4 * 3600; at += 1800) {
        uint8_t keys[2][32];
        unsigned count;

        begin_with((struct service_options){0}, NULL);
        scene.wall = (uint64_t)((int64_t)midnight + at);
        scene_establish();
        count = scene_asked_count(SCENE_PUT) / 2;
        max = count > max ? count : max;
        if (at <= -3 * 3600 - 600 || at >= 3 * 3600)
            assert_int_equal(count, 1);
        if (at >= -2 * 3600 && at < 3 * 3600)
            assert_int_equal(count, 2);
        for (unsigned i = 0; i < 2 * count; i++) {
            const struct scene_request *r = scene_asked(SCENE_PUT, i);

            assert_int_equal(r->seq, 1);
            memcpy(keys[i / 2], r->key, 32);
        }
        if (count == 2)
            assert_memory_not_equal(keys[0], keys[1], 32);
        scene_finish();
    }
    assert_int_equal(max, 2);
}

static void with_access(struct service_options *o, unsigned count)
{
    for (unsigned i = 0; i < 3; i++)
        memset(secrets[i], 0x60 + (int)i, 32);
    *o = (struct service_options){.hops = 3,
                                  .access_count = count,
                                  .access = (const uint8_t(*)[32])secrets};
}

/* One item for each secret, under unrelated keys; none without. */
static void test_publish_for_those_with_access(void **state)
{
    struct service_options o;

    (void)state;
    with_access(&o, 3);
    begin_with(o, NULL);
    scene_establish();
    assert_int_equal(scene_asked_count(SCENE_PUT), 6);
    name.has_access = true;
    for (unsigned i = 0; i < 6; i++) {
        memcpy(name.access, secrets[i / 2], 32);
        assert_int_equal(opened(scene_asked(SCENE_PUT, i), today()).intro_count,
                         3);
        for (unsigned k = 0; k < i / 2; k++)
            assert_memory_not_equal(scene_asked(SCENE_PUT, i)->key,
                                    scene_asked(SCENE_PUT, 2 * k)->key, 32);
    }
    puts_end(FINDER_FOUND, NODES);
    assert_true(status().published);
    scene_finish();
}

/* Who is taken off knows the points, and their keys, still: all are others. */
static void test_publish_takes_access_away(void **state)
{
    struct service_descriptor before, after;
    struct service_options o;

    (void)state;
    with_access(&o, 2);
    begin_with(o, NULL);
    scene_establish();
    name.has_access = true;
    memcpy(name.access, secrets[0], 32);
    before = opened(scene_asked(SCENE_PUT, 0), today());
    puts_end(FINDER_FOUND, NODES);
    with_access(&o, 1);
    assert_int_equal(service_reconfigure(scene.s, service->id, &o, scene.now),
                     OK);
    for (unsigned i = 0; i < 5; i++) {
        scene_establish();
        scene_pass(2 * TIME_S);
        if (scene_asked_count(SCENE_PUT) > 0) {
            assert_int_equal(scene_asked_count(SCENE_PUT), 2);
            after = opened(scene_asked(SCENE_PUT, 0), today());
            puts_end(FINDER_FOUND, NODES);
        }
    }
    assert_int_equal(after.intro_count, 3);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k < 3; k++) {
            assert_memory_not_equal(before.intros[i].service_key,
                                    after.intros[k].service_key, 32);
            assert_memory_not_equal(before.intros[i].auth_id,
                                    after.intros[k].auth_id, 16);
        }
    scene_finish();
}

static void test_publish_what_work_is_asked_for(void **state)
{
    struct service_descriptor d;
    struct scene_request put;

    (void)state;
    begin();
    put = publish();
    found(&put);
    effort_refused((struct effort *)(uintptr_t)gate_effort(service->gate));
    scene_pass(62 * TIME_S);
    assert_int_equal(scene_asked_count(SCENE_PUT), 2);
    d = opened(scene_asked(SCENE_PUT, 0), today());
    assert_true(d.has_work);
    assert_int_equal(d.work_effort, EFFORT_FIRST);
    assert_memory_equal(d.work_seed, gate_effort(service->gate)->seed[0], 16);
    assert_true(d.work_expires > scene.wall);
    scene_finish();
}

/* ---- The end ------------------------------------------------------------- */

/* A stop says nothing; a removal says that there are no points, and waits
 * until that is stored. */
static void test_publish_withdraws(void **state)
{
    struct service_descriptor d;
    struct scene_request put;

    (void)state;
    begin();
    put = publish();
    found(&put);
    assert_int_equal(scene.row_count, 3);
    assert_int_equal(service_leave(scene.s, service->id, true, scene.now), OK);
    assert_int_equal(service_leave(scene.s, service->id, true, scene.now),
                     ERR_NOT_FOUND);
    scene_pass(2 * TIME_S);
    assert_int_equal(scene_asked_count(SCENE_PUT), 2);
    d = opened(scene_asked(SCENE_PUT, 0), today());
    assert_int_equal(d.intro_count, 0);
    assert_int_equal(d.lifetime, SERVICE_LIFETIME_WITHDRAWN);
    assert_int_equal(scene_asked(SCENE_PUT, 0)->seq, put.seq + 1);
    assert_int_equal(scene.s->count, 1);
    puts_end(FINDER_FOUND, NODES);
    scene_tick();
    assert_int_equal(scene.s->count, 0);
    assert_int_equal(scene.circuits.count, 0);
    assert_int_equal(scene.row_count, 0); /* and the keys with them */
    scene_finish();
}

/* The DHT does not take it: not for ever. */
/* Whoever serves it again has said so: what withdraws it ends, and one alone
 * goes on with the seqs (scene_remember_seq looks). */
static void test_publish_again_while_it_withdraws(void **state)
{
    struct service_memory memory = {.seqs = scene.seqs};
    struct service_descriptor d;

    (void)state;
    begin();
    publish();
    assert_int_equal(service_leave(scene.s, service->id, true, scene.now), OK);
    scene_pass(2 * TIME_S);
    assert_int_equal(scene.seqs[0].seq, 2);
    memory.seq_count = scene.seq_count;
    service = scene_serve(&(struct service_options){.hops = 3}, &memory);
    assert_int_equal(scene_asked_count(SCENE_PUT), 0);
    scene_establish();
    assert_int_equal(scene.seqs[0].seq, 3);
    d = opened(scene_asked(SCENE_PUT, 0), today());
    assert_int_equal(d.intro_count, SERVICE_POINTS);
    puts_end(FINDER_FOUND, NODES);
    scene_pass(TIME_MIN);
    assert_int_equal(scene.s->count, 1);
    assert_int_equal(scene.seq_count, 1);
    scene_finish();
}

static void test_publish_withdraws_in_vain(void **state)
{
    (void)state;
    begin();
    publish();
    service_leave(scene.s, service->id, true, scene.now);
    scene_pass(19 * TIME_S);
    assert_int_equal(scene.s->count, 1);
    scene_pass(2 * TIME_S);
    assert_int_equal(scene.s->count, 0);
    scene_finish();
}

static void test_publish_stop_leaves_all_as_it_is(void **state)
{
    (void)state;
    begin();
    publish();
    assert_int_equal(service_leave(scene.s, service->id, false, scene.now), OK);
    scene_tick();
    assert_int_equal(scene.s->count, 0);
    assert_int_equal(scene.finder.puts, 2);
    assert_int_equal(scene.row_count, 3);
    scene_finish();
}

/* One that is being taken away does not keep another from its place. */
static void test_publish_withdrawing_makes_room(void **state)
{
    struct service_config config = scene_config();
    const struct service_options o = {.hops = 3};
    const uint8_t next[32] = {1}, third[32] = {2};
    uint32_t id, kept;

    (void)state;
    config.max_services = 1;
    scene_begin_with(&config);
    service = scene_serve(&o, NULL);
    scene_establish();
    id = service->id;
    assert_int_equal(service_serve(scene.s, next, &o, NULL, scene.now, &kept),
                     ERR_FULL);
    assert_int_equal(service_leave(scene.s, id, true, scene.now), OK);
    assert_int_equal(scene.s->count, 1);
    assert_int_equal(service_serve(scene.s, next, &o, NULL, scene.now, &kept),
                     OK);
    assert_int_equal(service_serve(scene.s, third, &o, NULL, scene.now, &id),
                     ERR_FULL);
    /* Who comes and goes without a pause piles up no more than that. */
    scene_service(kept)->leaving = true;
    assert_int_equal(scene.s->count, 2);
    assert_int_equal(service_serve(scene.s, third, &o, NULL, scene.now, &id),
                     ERR_FULL);
    scene_finish();
}

/* ---- The probe ----------------------------------------------------------- */

static struct circuit *probing(void)
{
    for (unsigned i = 0; i < 10 && scene_building() == NULL; i++) {
        scene.ready = 1;
        scene_pass(TIME_S);
    }
    return scene_building();
}

static void test_publish_probe(void **state)
{
    struct scene_request put;
    struct circuit *c;

    (void)state;
    begin();
    put = publish();
    found(&put);
    c = probing();
    assert_non_null(c);
    scene_reached(c);
    assert_int_equal(scene_of(c)->last.type, MEETING_INTRODUCE);
    /* As its own point says it to the service. */
    for (unsigned i = 0; i < 3; i++) {
        const struct point *p = scene_point(service, i);
        struct meeting_message m = scene_of(c)->last;

        if (memcmp(p->keys.auth_id, m.auth_id, AUTH_ID_BYTES) != 0)
            continue;
        m.type = MEETING_INTRODUCED;
        m.handle = 5;
        assert_true(scene_say(p->c, &m));
        assert_int_equal(scene_of(p->c)->last.status, MEETING_TAKEN);
    }
    assert_int_equal(service->introductions[INTRODUCTION_PROBE], 1);
    assert_false(status().reachable);
    assert_true(answerer_acks(c, MEETING_TAKEN, 0));
    assert_true(status().reachable);
    assert_int_equal(status().probed_at, scene.now);
    assert_int_equal(service_probe(scene.s, service->id, scene.now), OK);
    assert_int_equal(service_probe(scene.s, service->id, scene.now),
                     ERR_IN_USE);
    scene_finish();
}

static void test_publish_probe_fails_twice(void **state)
{
    struct scene_request put;

    (void)state;
    begin();
    put = publish();
    found(&put);
    for (unsigned i = 0; i < 2; i++) {
        struct circuit *c;

        scene_tick();
        assert_int_equal(service->problem, SERVICE_FINE);
        if (i > 0)
            scene_pass(TIME_MIN);
        c = probing();
        assert_non_null(c);
        scene_end(c, REASON_UNREACHABLE, 4);
    }
    scene_tick();
    assert_int_equal(service->problem, SERVICE_PROBE_FAILED);
    assert_false(status().reachable);
    scene_finish();
}

static void test_publish_without_memory(void **state)
{
    bool failed = true;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        const struct service_options o = {.hops = 3};
        uint32_t id;
        enum error e;

        scene_begin();
        fail_alloc_at(n);
        e = service_serve(scene.s, scene_seed, &o, NULL, scene.now, &id);
        scene_tick();
        scene_tick();
        failed = fail_alloc_end();
        assert_true(e == OK || e == ERR_NO_MEMORY);
        if (e == OK) {
            service = scene_service(id);
            scene_pass(11 * TIME_MIN);
            scene_establish();
            scene_pass(6 * TIME_MIN);
            assert_true(scene_asked_count(SCENE_PUT) >= 2);
        } else {
            assert_int_equal(scene.s->count, 0);
        }
        scene_finish();
        assert_true(n < 60);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_publish_two_replicas),
        cmocka_unit_test(test_publish_is_verified),
        cmocka_unit_test(test_publish_again_within_the_hour),
        cmocka_unit_test(test_publish_few_nodes),
        cmocka_unit_test(test_publish_one_replica_only),
        cmocka_unit_test(test_publish_without_a_finder),
        cmocka_unit_test(test_publish_is_not_found),
        cmocka_unit_test(test_publish_old_one_is_found),
        cmocka_unit_test(test_publish_goes_above_a_higher_seq),
        cmocka_unit_test(test_publish_is_told_of_a_newer_one),
        cmocka_unit_test(test_publish_goes_on_after_a_restart),
        cmocka_unit_test(test_publish_more_points),
        cmocka_unit_test(test_publish_around_midnight),
        cmocka_unit_test(test_publish_for_those_with_access),
        cmocka_unit_test(test_publish_takes_access_away),
        cmocka_unit_test(test_publish_what_work_is_asked_for),
        cmocka_unit_test(test_publish_withdraws),
        cmocka_unit_test(test_publish_again_while_it_withdraws),
        cmocka_unit_test(test_publish_withdraws_in_vain),
        cmocka_unit_test(test_publish_stop_leaves_all_as_it_is),
        cmocka_unit_test(test_publish_withdrawing_makes_room),
        cmocka_unit_test(test_publish_probe),
        cmocka_unit_test(test_publish_probe_fails_twice),
        cmocka_unit_test(test_publish_without_memory),
    };

    return cmocka_run_group_tests_name("publish", tests, NULL, NULL);
}
