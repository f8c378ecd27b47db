/* SPDX-License-Identifier: MIT
 *
 * The table of services: which there can be, how they begin, change and end.
 */
#include "fail_alloc.h"
#include "service/service_caller.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t member[32] = {'m'};
static const struct service_options plain = {.hops = 3};

static enum error serve(uint8_t seed, uint32_t *id)
{
    const uint8_t bytes[32] = {seed};

    return service_serve(scene.s, bytes, &plain, NULL, scene.now, id);
}

static enum error join(const char *string, bool observer, uint32_t *id)
{
    const struct service_options o = {.hops = 3, .observer = observer};

    return service_join(scene.s, bytes_of_text(string), member, &o, NULL,
                        scene.now, id);
}

static enum error reach(const uint8_t key[32], uint32_t *id)
{
    return service_reach(scene.s, key, NULL, 3, scene.now, id);
}

/* The 17th is refused, and the others go on; who leaves makes room. */
static void test_services_are_bounded(void **state)
{
    uint32_t id, first = 0;

    (void)state;
    scene_begin();
    for (uint8_t i = 0; i < 16; i++) {
        assert_int_equal(serve(i + 1, &id), OK);
        assert_int_equal(id, i + 1);
        first = first == 0 ? id : first;
    }
    assert_int_equal(serve(99, &id), ERR_FULL);
    assert_int_equal(join("a string", false, &id), ERR_FULL);
    assert_int_equal(services_list(scene.s, NULL, 0), 16);
    assert_int_equal(service_leave(scene.s, first, false, scene.now), OK);
    scene_tick();
    assert_int_equal(serve(99, &id), OK);
    assert_int_equal(id, 17); /* never used again */
    assert_int_equal(service_leave(scene.s, first, false, scene.now),
                     ERR_NOT_FOUND);
    scene_finish();
}

static void test_services_once_each(void **state)
{
    const uint8_t key[32] = {9};
    uint32_t id, other;

    (void)state;
    scene_begin();
    assert_int_equal(serve(1, &id), OK);
    assert_int_equal(serve(1, &other), ERR_IN_USE);
    assert_int_equal(join("a", false, &other), OK);
    assert_int_equal(join("a", false, &other), ERR_IN_USE);
    assert_int_equal(join("a", true, &other), OK); /* who only looks */
    assert_int_equal(reach(key, &id), OK);
    assert_int_equal(reach(key, &other), OK);
    assert_int_equal(id, other);
    scene_finish();
}

static void test_services_options(void **state)
{
    struct service_options o = plain;
    const uint8_t seed[32] = {1};
    uint32_t id;

    (void)state;
    scene_begin();
    for (unsigned hops = 0; hops < 6; hops++) {
        o.hops = hops;
        assert_int_equal(
            service_serve(scene.s, seed, &o, NULL, scene.now, &id) == OK,
            hops >= 1 && hops <= 3);
        if (hops < 1 || hops > 3)
            continue;
        service_leave(scene.s, id, false, scene.now);
        scene_tick();
    }
    o = plain;
    o.points = SERVICE_POINTS_MAX + 1;
    assert_int_equal(service_serve(scene.s, seed, &o, NULL, scene.now, &id),
                     ERR_RANGE);
    o = plain;
    o.access_count = SERVICE_ACCESS_MAX + 1;
    assert_int_equal(service_serve(scene.s, seed, &o, NULL, scene.now, &id),
                     ERR_RANGE);
    assert_int_equal(join("", false, &id), ERR_WRONG_LENGTH);
    assert_int_equal(scene.s->count, 0);
    assert_int_equal(serve(1, &id), OK);
    o = plain;
    o.hops = 2; /* circuits that stand have others */
    assert_int_equal(service_reconfigure(scene.s, id, &o, scene.now),
                     ERR_RANGE);
    assert_int_equal(service_reconfigure(scene.s, id + 1, &plain, scene.now),
                     ERR_NOT_FOUND);
    scene_finish();
}

/* What is for another kind is not found. */
static void test_services_of_another_kind(void **state)
{
    uint32_t id, string;

    (void)state;
    scene_begin();
    serve(1, &id);
    join("a", false, &string);
    assert_int_equal(service_connect(scene.s, id, scene.now), ERR_NOT_FOUND);
    assert_int_equal(
        service_send(scene.s, id, 1, bytes_of_text("x"), scene.now),
        ERR_NOT_FOUND);
    assert_int_equal(service_probe(scene.s, string, scene.now), ERR_NOT_FOUND);
    assert_int_equal(service_probe(scene.s, id, scene.now), ERR_NOT_FOUND);
    assert_int_equal(service_probe(scene.s, 99, scene.now), ERR_NOT_FOUND);
    scene_finish();
}

/* It leaves while peers are there: each is GONE, once, and nobody comes. */
static void test_services_leave_with_peers(void **state)
{
    struct service *service;
    struct caller c;
    uint32_t id;

    (void)state;
    for (unsigned withdraw = 0; withdraw < 2; withdraw++) {
        scene_begin();
        service = scene_serve(&plain, NULL);
        id = service->id;
        scene_establish();
        for (unsigned i = 0; i < 3; i++) {
            c = caller_of(10 + i);
            caller_connect(&c, service);
        }
        assert_int_equal(scene.there, 3);
        assert_int_equal(service_leave(scene.s, id, withdraw, scene.now), OK);
        scene_tell();
        assert_int_equal(scene.gone, 3);
        assert_null(service_find(scene.s, id));
        scene_pass(TIME_MIN);
        assert_int_equal(scene.s->count, 0);
        assert_int_equal(scene.circuits.count, 0);
        assert_int_equal(scene.gone, 3);
        scene_finish();
    }
}

/* While its tombstone is put its points stand, but nobody is met any more: not
 * who asks, and not who was on the way. */
static void test_services_nobody_comes_to_one_that_leaves(void **state)
{
    struct service *service;
    struct circuit *circuit;
    struct caller c;

    (void)state;
    scene_begin();
    service = scene_serve(&plain, NULL);
    scene_establish();
    c = caller_of(12);
    caller_come(&c, service);
    scene_stems(1);
    scene_tick();
    circuit = scene_to(12, CIRCUIT_BUILDING);
    assert_int_equal(service_leave(scene.s, service->id, true, scene.now), OK);
    scene_reached(circuit);
    assert_true(caller_met(&c, circuit));
    c = caller_of(13);
    assert_int_equal(caller_come(&c, service).status, MEETING_BUSY);
    assert_int_equal(scene.s->peer_count, 0);
    scene_pass(TIME_MIN);
    assert_int_equal(scene.there, 0);
    assert_int_equal(scene.s->count, 0);
    scene_finish();
}

/* All peers of all services: max_peers; those that are there stay. */
static void test_services_peers_of_all(void **state)
{
    const struct service_options o = {.hops = 3, .max_peers = 32};
    struct service_config config = scene_config();
    struct service *service;
    struct caller c;

    (void)state;
    config.max_peers = 4;
    scene_begin_with(&config);
    service = scene_serve(&o, NULL);
    scene_establish();
    for (unsigned i = 0; i < 4; i++) {
        c = caller_of(9 + i);
        caller_connect(&c, service);
    }
    c = caller_of(14);
    assert_int_equal(caller_come(&c, service).status, MEETING_BUSY);
    assert_int_equal(scene.s->peer_count, 4);
    assert_int_equal(scene.gone, 0);
    scene_finish();
}

static void test_services_without_memory(void **state)
{
    bool failed = true;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        const uint8_t key[32] = {9};
        enum error string, remote;
        uint32_t id;

        scene_begin();
        fail_alloc_at(n);
        string = join("a", false, &id);
        remote = reach(key, &id);
        failed = fail_alloc_end();
        assert_int_equal(failed, string != OK || remote != OK);
        assert_int_equal(scene.s->count, failed ? 1 : 2);
        if (string != OK)
            assert_int_equal(join("a", false, &id), OK);
        if (remote != OK)
            assert_int_equal(reach(key, &id), OK);
        scene_tick();
        scene_finish();
        assert_true(n < 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_services_are_bounded),
        cmocka_unit_test(test_services_once_each),
        cmocka_unit_test(test_services_options),
        cmocka_unit_test(test_services_of_another_kind),
        cmocka_unit_test(test_services_leave_with_peers),
        cmocka_unit_test(test_services_nobody_comes_to_one_that_leaves),
        cmocka_unit_test(test_services_peers_of_all),
        cmocka_unit_test(test_services_without_memory),
    };

    return cmocka_run_group_tests_name("services", tests, NULL, NULL);
}
