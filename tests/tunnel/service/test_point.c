/* SPDX-License-Identifier: MIT
 *
 * Introduction points of ours: how they come up, stay, and are replaced.
 */
#include "fail_alloc.h"
#include "service/service_caller.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const uint8_t secret[32] = {'p'};

static struct service *service;
static struct point_set *set;
static unsigned changes;
static const uint8_t *avoided;

static void on_changed(void *holder, uint64_t now)
{
    (void)now;
    assert_ptr_equal(holder, &changes);
    changes++;
}

static bool avoids(void *holder, const uint8_t relay[32])
{
    (void)holder;
    return relay[0] != avoided[0];
}

static const struct point_ops plain = {.changed = on_changed};

static void begin_with(unsigned wanted, const struct point_ops *ops)
{
    const struct service_options o = {.hops = 3};

    scene_begin();
    changes = 0;
    service = scene_serve(&o, NULL);
    assert_int_equal(
        points_new(service, secret, wanted, true, ops, &changes, &set), OK);
}

static void begin(unsigned wanted)
{
    begin_with(wanted, &plain);
}

static void finish(void)
{
    points_free(set, false, scene.now);
    assert_int_equal(scene.circuits.count, 0);
    scene_finish();
}

static void tick(void)
{
    scene_fresh();
    scene.s->wall = scene.wall;
    points_tick(set, scene.now);
}

static void pass(uint64_t time)
{
    uint64_t end = scene.now + time, at, began = scene.now, wall = scene.wall;
    unsigned spins = 0;

    while ((at = points_deadline(set)) <= end) {
        assert_true(spins++ < 100000);
        scene.now = at > scene.now ? at : scene.now;
        scene.wall = wall + (scene.now - began) / TIME_S;
        tick();
    }
    scene.now = end;
    scene.wall = wall + time / TIME_S;
}

static bool established(struct circuit *c, enum meeting_status status)
{
    const struct meeting_message m = {.type = MEETING_INTRO_ESTABLISHED,
                                      .status = status};

    return scene_say(c, &m);
}

/* Relays are chosen, and stems taken to them. */
static void reach(unsigned stems)
{
    tick();
    scene.ready = stems;
    tick();
    points_stems(set, PATH_FOUND, scene.now);
}

static void come_up(void)
{
    struct circuit *c;

    while ((c = scene_building()) != NULL) {
        scene_reached(c);
        assert_true(established(c, MEETING_TAKEN));
    }
    tick();
}

static void stand(unsigned wanted)
{
    begin(wanted);
    reach(wanted);
    come_up();
    assert_int_equal(points_up(set), wanted);
}

static struct circuit *circuit(unsigned i)
{
    return points_at(set, i)->c;
}

static unsigned relay_of(unsigned i)
{
    return points_at(set, i)->row.relay.identity[0] - 1u;
}

/* ---- Up ------------------------------------------------------------------ */

static void test_point_comes_up(void **state)
{
    (void)state;
    begin(3);
    tick();
    assert_int_equal(points_up(set), 0);
    assert_non_null(points_at(set, 2));
    assert_null(points_at(set, 3));
    reach(2);
    assert_int_equal(scene.circuits.count, 2);
    assert_int_equal(scene_said(MEETING_INTRO_ESTABLISH), 0);
    scene.ready = 1;
    points_stems(set, PATH_FOUND, scene.now);
    assert_int_equal(scene.circuits.count, 3);
    assert_int_equal(scene.row_count, 0);
    come_up();
    assert_int_equal(points_up(set), 3);
    assert_int_equal(changes, 1);
    assert_int_equal(scene.row_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct point *p = points_at(set, i);
        unsigned life = (unsigned)(p->row.until - p->row.since);

        assert_int_equal(p->row.since, SCENE_WALL);
        assert_in_range(life, POINT_LIFE - POINT_LIFE / 4, POINT_LIFE);
        assert_int_equal(p->up_at, scene.now);
        for (unsigned k = 0; k < i; k++) { /* others in all */
            const struct point *q = points_at(set, k);

            assert_memory_not_equal(p->row.relay.identity,
                                    q->row.relay.identity, 32);
            assert_memory_not_equal(p->keys.auth_id, q->keys.auth_id, 16);
            assert_memory_not_equal(p->keys.service_key, q->keys.service_key,
                                    32);
        }
    }
    finish();
}

/* The signature is of this key, over this circuit's transcript. */
static void test_point_signs_for_its_circuit(void **state)
{
    uint8_t text[MEETING_SIGNED_MAX];
    const struct meeting_message *m;
    struct circuit *c;
    size_t len;

    (void)state;
    begin(1);
    reach(1);
    c = scene_building();
    memset(c->hop[c->length - 1].transcript, 0x5a, CIRCUIT_TRANSCRIPT);
    scene_reached(c);
    m = &scene_of(c)->last;
    assert_int_equal(m->type, MEETING_INTRO_ESTABLISH);
    assert_null(m->topic);
    assert_memory_equal(m->auth_key, points_at(set, 0)->keys.auth_key, 32);
    len = meeting_signed_bytes(m, c->hop[c->length - 1].transcript, text);
    assert_int_equal(
        crypto_sign_verify_detached(m->signature, text, len, m->auth_key), 0);
    len = meeting_signed_bytes(m, c->hop[0].transcript, text);
    assert_int_not_equal(
        crypto_sign_verify_detached(m->signature, text, len, m->auth_key), 0);
    finish();
}

static void test_point_repeats_establish(void **state)
{
    struct circuit *c;

    (void)state;
    begin(1);
    reach(1);
    c = scene_building();
    scene_reached(c);
    assert_int_equal(scene_said(MEETING_INTRO_ESTABLISH), 1);
    pass(199 * TIME_MS);
    assert_int_equal(scene_said(MEETING_INTRO_ESTABLISH), 1);
    pass(TIME_MS);
    assert_int_equal(scene_said(MEETING_INTRO_ESTABLISH), 2);
    pass(7 * 200 * TIME_MS);
    assert_int_equal(scene_said(MEETING_INTRO_ESTABLISH), 1 + 8);
    pass(4400 * TIME_MS); /* until 6 s */
    assert_in_range(scene_said(MEETING_INTRO_ESTABLISH), 16, 20);
    assert_ptr_equal(c, scene_saying(MEETING_INTRO_ESTABLISH));
    assert_true(established(c, MEETING_TAKEN));
    tick();
    assert_int_equal(points_up(set), 1);
    assert_true(established(c, MEETING_TAKEN)); /* again: nothing new */
    tick();
    assert_int_equal(changes, 1);
    finish();
}

/* Another answer, or none: the relay is tried again, and then another. */
static void test_point_is_refused(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 4; how++) {
        unsigned first, tries = 0;

        begin(1);
        reach(100);
        first = relay_of(0);
        while (tries < 10 && points_at(set, 0) != NULL &&
               relay_of(0) == first) {
            struct circuit *c = scene_building();

            if (c == NULL) {
                pass(100 * TIME_MS);
                continue;
            }
            tries++;
            if (how == 0) {
                scene_reached(c);
                established(c, MEETING_FULL);
            } else if (how == 1) {
                scene_reached(c);
                route_refused(c, REASON_FULL, scene.now);
            } else if (how == 2) {
                scene_end(c, REASON_UNREACHABLE, 2); /* a hop of ours */
            } else {
                scene_end(c, REASON_UNREACHABLE, 4); /* it is silent */
            }
            tick();
            tick();
        }
        assert_int_equal(tries, how == 3 ? 2 : 4);
        assert_int_equal(changes, 0);
        assert_int_equal(scene.forgotten, 1);
        finish();
    }
}

static void test_point_takes_too_long(void **state)
{
    (void)state;
    begin(1);
    reach(1);
    pass(10 * TIME_S);
    assert_int_equal(scene.circuits.count, 0); /* not reached */
    scene.ready = 1;
    pass(TIME_S);
    points_stems(set, PATH_FOUND, scene.now);
    scene_reached(scene_building());
    pass(7 * TIME_S);
    assert_int_equal(scene.circuits.count, 0); /* no ESTABLISHED */
    assert_int_equal(points_up(set), 0);
    finish();
}

/* No path leads to its relay, which is one of the few that all go through: it
 * is tried again, and then another takes its place. */
static void test_point_without_a_path(void **state)
{
    unsigned relay;

    (void)state;
    begin(1);
    reach(0);
    relay = relay_of(0);
    assert_int_equal(scene.circuits.count, 0);
    for (unsigned i = 0; i < 8 && relay_of(0) == relay; i++) {
        points_stems(set, PATH_NO_RELAYS, scene.now);
        pass(5 * TIME_S);
    }
    assert_int_not_equal(relay_of(0), relay);
    finish();
}

/* ---- Down and up again --------------------------------------------------- */

/* The same relay under the same key at once; the descriptor stays right. */
static void test_point_comes_back(void **state)
{
    struct point_keys keys;
    unsigned relay;

    (void)state;
    stand(3);
    relay = relay_of(1);
    keys = points_at(set, 1)->keys;
    scene.ready = 1;
    scene_end(circuit(1), REASON_LINK_LOST, 3);
    assert_int_equal(points_up(set), 2);
    tick();
    assert_non_null(scene_to(relay, CIRCUIT_BUILDING));
    come_up();
    assert_int_equal(points_up(set), 3);
    assert_int_equal(relay_of(1), relay);
    assert_memory_equal(&points_at(set, 1)->keys, &keys, sizeof(keys));
    finish();
}

/* Another circuit has its key: ours is the newest. */
static void test_point_is_replaced(void **state)
{
    (void)state;
    stand(1);
    assert_true(established(circuit(0), MEETING_REPLACED));
    assert_int_equal(points_up(set), 0);
    assert_int_equal(scene.circuits.count, 0);
    scene.ready = 1;
    pass(TIME_S);
    come_up();
    assert_int_equal(points_up(set), 1);
    finish();
}

/* By another node with the same key and memory, or by a relay that does not
 * mean it: tried less and less often, and then another relay is. */
static void test_point_does_not_fight(void **state)
{
    uint8_t salt[sizeof(((struct service_point_row *)NULL)->salt)];
    unsigned ups = 0;

    (void)state;
    stand(1);
    memcpy(salt, points_at(set, 0)->row.salt, sizeof(salt));
    for (unsigned i = 0; i < 100; i++) {
        if (points_at(set, 0)->up &&
            memcmp(points_at(set, 0)->row.salt, salt, sizeof(salt)) == 0) {
            assert_true(established(circuit(0), MEETING_REPLACED));
            ups++;
        }
        scene.ready = 1;
        points_stems(set, PATH_FOUND, scene.now);
        pass(100 * TIME_MS);
        come_up();
    }
    assert_in_range(ups, 2, 4);
    assert_int_equal(points_up(set), 1);
    assert_memory_not_equal(points_at(set, 0)->row.salt, salt, sizeof(salt));
    finish();
}

/* One that stood for a while is back at once, however often. */
static void test_point_that_stood_is_back_at_once(void **state)
{
    unsigned relay;

    (void)state;
    stand(1);
    relay = relay_of(0);
    for (unsigned i = 0; i < 8; i++) {
        pass(31 * TIME_S);
        scene.ready = 1;
        scene_end(circuit(0), REASON_LINK_LOST, 3);
        tick();
        come_up();
        assert_int_equal(points_up(set), 1);
        assert_int_equal(relay_of(0), relay);
    }
    finish();
}

/* Its successor is on the way. */
static void wait_for_renewal(void)
{
    while (scene.circuits.count < 2) {
        pass(TIME_S);
        assert_true(time_since(circuit(0)->created_at, scene.now) <
                    9 * TIME_MIN);
    }
}

/* Before max_time another circuit over the same hops, established under the
 * same key; the relay tells the first one that it was replaced. */
static void test_point_is_renewed(void **state)
{
    struct circuit *old, *next;
    uint64_t began;

    (void)state;
    stand(1);
    began = scene.now;
    old = circuit(0);
    pass(8 * TIME_MIN - TIME_S);
    assert_int_equal(scene.circuits.count, 1);
    wait_for_renewal();
    next = scene_building();
    for (unsigned i = 0; i < 4; i++)
        assert_memory_equal(next->hop[i].target.identity,
                            old->hop[i].target.identity, 32);
    scene_reached(next);
    assert_int_equal(points_up(set), 1);
    assert_true(established(old, MEETING_REPLACED));
    assert_true(established(next, MEETING_TAKEN));
    assert_ptr_equal(circuit(0), next);
    assert_int_equal(scene.circuits.count, 1);
    tick();
    assert_int_equal(changes, 1); /* the descriptor is as it was */
    assert_int_equal(points_at(set, 0)->up_at, began);
    finish();
}

/* It cannot be renewed: the old one serves on, and it is tried again. */
static void test_point_renewal_fails(void **state)
{
    (void)state;
    stand(1);
    for (unsigned i = 0; i < 3; i++) {
        wait_for_renewal();
        scene_end(scene_building(), REASON_UNREACHABLE, 2);
        assert_int_equal(points_up(set), 1);
        assert_int_equal(scene.circuits.count, 1);
    }
    scene.again = ERR_FULL;
    pass(20 * TIME_S);
    assert_int_equal(points_up(set), 1);
    scene.again = OK;
    pass(20 * TIME_S);
    come_up();
    assert_int_equal(points_up(set), 1);
    assert_int_equal(scene.circuits.count, 1);
    finish();
}

/* The old circuit dies while its successor is on the way. */
static void test_point_dies_while_renewed(void **state)
{
    (void)state;
    stand(1);
    wait_for_renewal();
    scene_end(circuit(0), REASON_LINK_LOST, 1);
    assert_int_equal(points_up(set), 0);
    assert_int_equal(scene.circuits.count, 1);
    come_up();
    assert_int_equal(points_up(set), 1);
    finish();
}

/* The machine slept: all are renewed at once. */
static void test_point_is_suspect(void **state)
{
    (void)state;
    stand(3);
    points_suspect(set, scene.now);
    assert_int_equal(points_deadline(set), scene.now);
    tick();
    assert_int_equal(scene.circuits.count, 6);
    points_suspect(set, scene.now);
    tick();
    assert_int_equal(scene.circuits.count, 6);
    come_up();
    assert_int_equal(points_up(set), 3);
    assert_int_equal(scene.circuits.count, 3);
    finish();
}

/* ---- Introductions ------------------------------------------------------- */

static bool introduced(struct circuit *c, const uint8_t *auth_id)
{
    static const uint8_t noise1[MEETING_NOISE1_BYTES] = {1};
    const struct meeting_message m = {.type = MEETING_INTRODUCED,
                                      .handle = 77,
                                      .auth_id = auth_id,
                                      .noise = bytes_of(noise1, 448)};

    return scene_say(c, &m);
}

static void test_point_answers_introductions(void **state)
{
    const uint8_t foreign[16] = {0};

    (void)state;
    begin(1);
    reach(1);
    scene_reached(scene_building());
    /* Before it is established there is nobody who could ask. */
    assert_false(introduced(circuit(0), points_at(set, 0)->keys.auth_id));
    established(circuit(0), MEETING_TAKEN);
    assert_false(introduced(circuit(0), foreign));
    assert_int_equal(scene_said(MEETING_INTRO_RESULT), 0);
    assert_true(introduced(circuit(0), points_at(set, 0)->keys.auth_id));
    assert_int_equal(scene_said(MEETING_INTRO_RESULT), 1);
    assert_int_equal(scene_of(circuit(0))->last.handle, 77);
    assert_int_equal(scene_of(circuit(0))->last.status, MEETING_REFUSED);
    assert_int_equal(scene.s->stats.introductions[INTRODUCTION_FORGED], 1);
    assert_int_equal(points_at(set, 0)->row.introductions, 0);
    finish();
}

/* What only others may say, or nobody now, does nothing. */
static void test_point_hears_what_is_not_for_it(void **state)
{
    static const uint8_t zeros[64] = {0};
    const struct meeting_message others[] = {
        {.type = MEETING_READY, .cookie = zeros},
        {.type = MEETING_JOINED},
        {.type = MEETING_INTRODUCE_ACK},
        {.type = MEETING_DHT_DONE},
        {.type = MEETING_RELAY_TOLD}};

    (void)state;
    stand(1);
    for (unsigned i = 0; i < COUNT_OF(others); i++)
        assert_false(scene_say(circuit(0), &others[i]));
    assert_int_equal(points_up(set), 1);
    assert_int_equal(scene_said(MEETING_INTRO_RESULT), 0);
    finish();
}

/* ---- Over time ----------------------------------------------------------- */

/* It lives for a day; its successor stands before it goes. */
static void test_point_gets_a_successor(void **state)
{
    unsigned relay;

    (void)state;
    stand(1);
    relay = relay_of(0);
    scene.wall = points_at(set, 0)->row.until;
    scene.s->wall = scene.wall;
    reach(1);
    assert_non_null(points_at(set, 1));
    assert_true(points_up(set) == 1 && points_at(set, 0)->up);
    come_up();
    tick();
    assert_int_equal(points_up(set), 1);
    assert_null(points_at(set, 1));
    assert_int_not_equal(relay_of(0), relay);
    assert_int_equal(scene.row_count, 1);
    assert_int_equal(scene.rows[0].relay.identity[0] - 1u, relay_of(0));
    tick();
    assert_true(changes >= 2);
    finish();
}

static void test_point_all_are_replaced(void **state)
{
    unsigned old[3];

    (void)state;
    stand(3);
    for (unsigned i = 0; i < 3; i++)
        old[i] = relay_of(i);
    points_expire(set, scene.now);
    reach(3);
    assert_int_equal(points_up(set), 3);
    come_up();
    for (unsigned i = 0; i < 3; i++)
        tick();
    assert_int_equal(points_up(set), 3);
    for (unsigned i = 0; i < 3; i++)
        for (unsigned k = 0; k < 3; k++)
            assert_int_not_equal(relay_of(i), old[k]);
    assert_int_equal(scene.row_count, 3);
    finish();
}

static void test_point_more_and_fewer(void **state)
{
    (void)state;
    stand(2);
    points_want(set, SERVICE_POINTS_MAX, scene.now);
    reach(4);
    come_up();
    assert_int_equal(points_up(set), SERVICE_POINTS_MAX);
    finish();
}

/* Relays that do not suit: not for meetings, failing, expired, or of a network
 * that has a point already. When there is none, it is looked for again. */
static void test_point_chooses_among_those_that_suit(void **state)
{
    (void)state;
    begin(3);
    for (unsigned n = 0; n < SCENE_RELAYS; n++) {
        struct known_relay *relay = &scene.directory.relays[n];

        if (n % 4 == 0)
            relay->d.roles = ROLE_RELAY;
        if (n % 4 == 1) {
            relay->record.failures = 1;
            relay->failed_at = scene.now;
        }
        if (n % 4 == 2)
            relay->tried = false;
        relay->d.addresses[0].addr[1] = n < 8 ? 1 : 2;
    }
    tick();
    assert_non_null(points_at(set, 1));
    assert_null(points_at(set, 2)); /* there are two networks */
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(relay_of(i) % 4, 3);
    scene.directory.relays[15].d.addresses[0].addr[1] = 9;
    scene.directory.relays[11].d.addresses[0].addr[1] = 8;
    pass(2 * TIME_S);
    assert_non_null(points_at(set, 2));
    finish();
}

static void test_point_avoids_if_it_can(void **state)
{
    static const struct point_ops ops = {.changed = on_changed,
                                         .avoids = avoids};
    static const uint8_t only[32] = {5};

    (void)state;
    avoided = only;
    begin_with(2, &ops);
    tick();
    assert_int_equal(relay_of(0), 4); /* the only one that is not avoided */
    assert_non_null(points_at(set, 1));
    finish();
}

/* ---- An earlier life ----------------------------------------------------- */

static struct service_point_row row_of(unsigned n, uint64_t until)
{
    struct service_point_row row = {
        .relay = scene_link(n), .since = SCENE_WALL - 100, .until = until};

    memset(row.salt, (int)n, sizeof(row.salt));
    return row;
}

/* The same relays under the same keys; what is over, or too much, is
 * forgotten. */
static void test_point_is_restored(void **state)
{
    struct service_point_row row;
    struct point_keys keys;

    (void)state;
    begin(2);
    row = row_of(4, SCENE_WALL);
    points_restore(set, &row, scene.now);
    assert_int_equal(scene.forgotten, 1);
    for (unsigned n = 5; n < 8; n++) {
        row = row_of(n, SCENE_WALL + 1000);
        points_restore(set, &row, scene.now);
    }
    assert_int_equal(scene.forgotten, 2);
    assert_null(points_at(set, 2));
    for (unsigned i = 0; i < 2; i++) {
        row = row_of(5 + i, SCENE_WALL + 1000);
        service_key_point(secret, row.salt, row.relay.identity, &keys);
        assert_memory_equal(&points_at(set, i)->keys, &keys, sizeof(keys));
        assert_int_equal(points_at(set, i)->target.endpoint_count, 1);
    }
    scene.ready = 2;
    tick();
    come_up();
    assert_int_equal(points_up(set), 2);
    assert_int_equal(relay_of(0), 5);
    assert_int_equal(points_at(set, 0)->row.since, SCENE_WALL - 100);
    finish();
}

/* The directory does not know it any more: the row says enough. */
static void test_point_is_restored_without_a_directory(void **state)
{
    struct service_point_row row;

    (void)state;
    begin(1);
    row = row_of(5, SCENE_WALL + 1000);
    memset(row.relay.identity, 0x99, 32);
    points_restore(set, &row, scene.now);
    scene.ready = 1;
    tick();
    assert_non_null(scene_to(0x98, CIRCUIT_BUILDING));
    assert_true(
        endpoint_equal(&points_at(set, 0)->target.endpoints[0], &row.relay.ep));
    finish();
}

static void test_point_free_forgets_or_not(void **state)
{
    (void)state;
    for (unsigned forget = 0; forget < 2; forget++) {
        stand(3);
        points_free(set, forget, scene.now);
        assert_int_equal(scene.row_count, forget ? 0 : 3);
        points_free(NULL, true, scene.now);
        scene_finish();
    }
}

static void test_point_without_memory(void **state)
{
    bool failed = true;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        begin(2);
        fail_alloc_at(n);
        for (unsigned i = 0; i < 3; i++)
            reach(2);
        failed = fail_alloc_end();
        for (unsigned i = 0; i < 20 && points_up(set) < 2; i++) {
            pass(TIME_S);
            reach(2);
            come_up();
        }
        assert_int_equal(points_up(set), 2);
        finish();
        assert_true(n < 60);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_point_comes_up),
        cmocka_unit_test(test_point_signs_for_its_circuit),
        cmocka_unit_test(test_point_repeats_establish),
        cmocka_unit_test(test_point_is_refused),
        cmocka_unit_test(test_point_takes_too_long),
        cmocka_unit_test(test_point_without_a_path),
        cmocka_unit_test(test_point_comes_back),
        cmocka_unit_test(test_point_is_replaced),
        cmocka_unit_test(test_point_does_not_fight),
        cmocka_unit_test(test_point_that_stood_is_back_at_once),
        cmocka_unit_test(test_point_is_renewed),
        cmocka_unit_test(test_point_renewal_fails),
        cmocka_unit_test(test_point_dies_while_renewed),
        cmocka_unit_test(test_point_is_suspect),
        cmocka_unit_test(test_point_answers_introductions),
        cmocka_unit_test(test_point_hears_what_is_not_for_it),
        cmocka_unit_test(test_point_gets_a_successor),
        cmocka_unit_test(test_point_all_are_replaced),
        cmocka_unit_test(test_point_more_and_fewer),
        cmocka_unit_test(test_point_chooses_among_those_that_suit),
        cmocka_unit_test(test_point_avoids_if_it_can),
        cmocka_unit_test(test_point_is_restored),
        cmocka_unit_test(test_point_is_restored_without_a_directory),
        cmocka_unit_test(test_point_free_forgets_or_not),
        cmocka_unit_test(test_point_without_memory),
    };

    return cmocka_run_group_tests_name("point", tests, NULL, NULL);
}
