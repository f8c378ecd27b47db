/* SPDX-License-Identifier: MIT
 *
 * One attempt to meet somebody, and each of its ends.
 */
#include "fail_alloc.h"
#include "service/service_answerer.h"
#include "service/service_caller.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define POINT 9

static struct service *service;
static struct answerer other;
static struct connect_goal goal;
static struct connect *attempt;
static struct connect_result result;
static unsigned done, begin_more;

static void on_done(void *arg, const struct connect_result *r, uint64_t now)
{
    (void)arg;
    assert_int_equal(now, scene.now);
    result = *r;
    done++;
    attempt = NULL;
    if (begin_more > 0) {
        begin_more--;
        assert_int_equal(connect_new(service, service->kit, &goal, NULL,
                                     on_done, NULL, scene.now, &attempt),
                         OK);
    }
}

static void begin_with(const struct service_config *config)
{
    const struct service_options o = {.hops = 3};

    scene_begin_with(config);
    done = begin_more = 0;
    service = scene_serve(&o, NULL);
    other = answerer_of(0x30);
    goal = answerer_goal(&other, POINT);
}

static void begin(void)
{
    const struct service_config config = scene_config();

    begin_with(&config);
}

static void start(void)
{
    assert_int_equal(connect_new(service, service->kit, &goal, NULL, on_done,
                                 NULL, scene.now, &attempt),
                     OK);
    assert_int_equal(done, 0);
    connects_tick(scene.s, scene.now);
}

static void pass(uint64_t time)
{
    uint64_t end = scene.now + time, at;

    while ((at = connects_deadline(scene.s)) <= end) {
        scene.now = at > scene.now ? at : scene.now;
        connects_tick(scene.s, scene.now);
    }
    scene.now = end;
}

static void finish(void)
{
    if (attempt != NULL)
        connect_free(attempt, scene.now);
    attempt = NULL;
    assert_int_equal(scene.s->connect_count, 0);
    assert_int_equal(scene.circuits.count, 0);
    scene_finish();
}

static struct circuit *meeting(void)
{
    struct circuit *c = scene_saying(MEETING_RENDEZVOUS);

    assert_non_null(c);
    return c;
}

static struct circuit *asking(void)
{
    struct circuit *c = scene_to(POINT, CIRCUIT_BUILDING);

    if (c == NULL)
        c = scene_saying(MEETING_INTRODUCE);
    assert_non_null(c);
    return c;
}

/* INTRODUCE has been said. */
static void ask(void)
{
    scene.ready = 2;
    start();
    assert_true(answerer_ready(meeting()));
    scene_reached(asking());
    assert_int_equal(scene_said(MEETING_INTRODUCE), 1);
}

static const uint8_t *noise1(void)
{
    return scene_of(asking())->last.noise.p;
}

static void ends(enum connect_end end)
{
    assert_int_equal(done, 1);
    assert_int_equal(result.end, end);
    assert_int_equal(scene.circuits.count, 0);
    finish();
}

/* ---- All goes well ------------------------------------------------------- */

static void test_connect_in_any_order(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 4; order++) {
        begin();
        scene.ready = order & 1 ? 1 : 2;
        start();
        if (order & 1) { /* the second stem comes late */
            assert_int_equal(scene.circuits.count, 1);
            answerer_ready(meeting());
            scene_stems(1);
        }
        if (order & 2)
            scene_reached(asking());
        if (!(order & 1))
            answerer_ready(meeting());
        if (!(order & 2))
            scene_reached(asking());
        assert_int_equal(scene_said(MEETING_INTRODUCE), 1);
        assert_memory_equal(scene_of(asking())->last.auth_id, goal.auth_id, 16);
        assert_true(
            answerer_reads(&other, noise1(), service->credential, order & 1));
        assert_int_equal(other.asked.greeting, goal.greeting);
        assert_int_equal(other.asked.flags, 0);
        assert_memory_equal(other.asked.rendezvous.identity,
                            meeting()->hop[2].target.identity, 32);
        assert_true(answerer_acks(asking(), MEETING_TAKEN, 0));
        assert_int_equal(scene.circuits.count, 1); /* the point is left */
        assert_true(answerer_comes(&other, meeting()));
        assert_int_equal(done, 1);
        assert_int_equal(result.end, CONNECT_JOINED);
        assert_int_equal(result.resumed, order & 1);
        assert_memory_equal(result.rendezvous, other.asked.rendezvous.identity,
                            32);
        assert_true(result.circuit->joined);
        route_drop(&scene.circuits, result.circuit, scene.now);
        finish();
    }
}

/* Somebody may come before the point says that it was taken, and even when the
 * point says nothing at all. */
static void test_connect_joined_before_the_ack(void **state)
{
    (void)state;
    begin();
    ask();
    answerer_reads(&other, noise1(), service->credential, false);
    assert_true(answerer_comes(&other, meeting()));
    assert_int_equal(result.end, CONNECT_JOINED);
    assert_int_equal(scene.circuits.count, 1);
    route_drop(&scene.circuits, result.circuit, scene.now);
    finish();
}

/* The rendezvous point is none that the introduction point is, and leads
 * nowhere but to its last hop. */
static void test_connect_keeps_the_two_apart(void **state)
{
    (void)state;
    for (unsigned relay = 0; relay < SCENE_RELAYS; relay++) {
        begin();
        scene.relay = relay;
        scene.ready = 2;
        start();
        assert_int_equal(meeting()->length, 3);
        assert_memory_not_equal(meeting()->hop[2].target.identity,
                                goal.point.identity, 32);
        assert_int_equal(asking()->length, 4);
        finish();
    }
}

/* ---- Repeats ------------------------------------------------------------- */

static void test_connect_repeats_unchanged(void **state)
{
    uint8_t cookie[16], first[MEETING_NOISE1_BYTES];

    (void)state;
    begin();
    scene.ready = 2;
    start();
    memcpy(cookie, scene_of(meeting())->last.cookie, sizeof(cookie));
    pass(8 * 150 * TIME_MS);
    assert_int_equal(scene_said(MEETING_RENDEZVOUS), 1 + 8);
    pass(TIME_S); /* after 1.20, 1.35, 1.52, 1.71, 1.92, 2.16 s */
    assert_int_equal(scene_said(MEETING_RENDEZVOUS), 1 + 8 + 5);
    assert_memory_equal(scene_of(meeting())->last.cookie, cookie, 16);
    answerer_ready(meeting());
    scene_reached(asking());
    memcpy(first, noise1(), sizeof(first));
    pass(7 * 400 * TIME_MS);
    assert_int_equal(scene_said(MEETING_INTRODUCE), 1 + 7);
    assert_int_equal(scene_said(MEETING_RENDEZVOUS), 14);
    assert_memory_equal(noise1(), first, sizeof(first));
    answerer_acks(asking(), MEETING_TAKEN, 0);
    pass(3 * 150 * TIME_MS); /* a JOINED may have been lost */
    assert_int_equal(scene_said(MEETING_RENDEZVOUS), 14 + 3);
    assert_memory_equal(scene_of(meeting())->last.cookie, cookie, 16);
    assert_true(answerer_ready(meeting())); /* again is no surprise */
    assert_int_equal(done, 0);
    finish();
}

/* ---- Each end ------------------------------------------------------------ */

static void test_connect_no_circuit(void **state)
{
    (void)state;
    begin();
    start(); /* no stem for 15 s */
    pass(15 * TIME_S - 1);
    assert_int_equal(done, 0);
    pass(1);
    ends(CONNECT_NO_CIRCUIT);
    begin();
    start();
    scene_no_path();
    ends(CONNECT_NO_CIRCUIT);
    for (unsigned how = 0; how < 3; how++) {
        begin();
        scene.ready = 2;
        start();
        if (how == 0)
            scene_end(meeting(), REASON_LINK_LOST, 2);
        if (how == 1)
            route_refused(meeting(), REASON_FULL, scene.now);
        if (how == 2) { /* no READY */
            scene_reached(asking());
            pass(15 * TIME_S);
        }
        ends(CONNECT_NO_CIRCUIT);
    }
}

/* Without a path, but with a circuit already, it goes on. */
static void test_connect_goes_on_with_what_it_has(void **state)
{
    (void)state;
    begin();
    scene.ready = 1;
    start();
    scene_no_path();
    assert_int_equal(done, 0);
    finish();
}

static void test_connect_no_point(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 6; how++) {
        begin();
        scene.ready = 2;
        scene.extend = how == 0 ? ERR_RANGE : OK;
        if (how == 1)
            goal.point.endpoints[0].family = FAMILY_IPV6;
        start();
        if (how == 2)
            scene_end(asking(), REASON_UNREACHABLE, 4);
        if (how == 3) {
            answerer_ready(meeting());
            pass(15 * TIME_S); /* not reached */
        }
        if (how > 3) {
            answerer_ready(meeting());
            scene_reached(asking());
        }
        if (how == 4)
            route_refused(asking(), REASON_FULL, scene.now);
        if (how == 5)
            answerer_acks(asking(), MEETING_UNKNOWN, 0);
        ends(CONNECT_NO_POINT);
    }
}

static void test_connect_silent(void **state)
{
    (void)state;
    begin();
    ask();
    pass(8 * TIME_S - 1);
    assert_int_equal(done, 0);
    pass(1);
    ends(CONNECT_SILENT);
}

static void test_connect_answers(void **state)
{
    static const enum connect_end expected[MEETING_STATUS_END_] = {
        [MEETING_REFUSED] = CONNECT_REFUSED,
        [MEETING_BUSY] = CONNECT_BUSY,
        [MEETING_UNKNOWN] = CONNECT_NO_POINT,
        [MEETING_REPLACED] = CONNECT_REFUSED,
        [MEETING_FULL] = CONNECT_BUSY,
        [MEETING_AGAIN] = CONNECT_AGAIN};

    (void)state;
    for (unsigned i = MEETING_REFUSED; i < MEETING_STATUS_END_; i++) {
        begin();
        ask();
        assert_true(answerer_acks(asking(), (enum meeting_status)i, 2345));
        assert_int_equal(result.effort, 2345);
        assert_int_equal(result.greeting, 2345);
        ends(expected[i]);
    }
}

static void test_connect_no_rendezvous(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 2; how++) {
        begin();
        ask();
        answerer_acks(asking(), MEETING_TAKEN, 0);
        pass(12 * TIME_S - 1);
        assert_int_equal(done, 0);
        if (how == 0)
            pass(1);
        else
            scene_end(meeting(), REASON_LINK_LOST, 3);
        ends(CONNECT_NO_RENDEZVOUS);
    }
}

/* Whoever comes has not the key that was asked for. */
static void test_connect_somebody_else_comes(void **state)
{
    (void)state;
    begin();
    ask();
    answerer_acks(asking(), MEETING_TAKEN, 0);
    memset(other.noise2, 0x55, sizeof(other.noise2));
    answerer_comes(&other, meeting());
    ends(CONNECT_HANDSHAKE);
}

/* What comes out of turn, or with another cookie, changes nothing. */
static void test_connect_out_of_turn(void **state)
{
    const uint8_t foreign[16] = {0};
    const struct meeting_message ready = {.type = MEETING_READY,
                                          .cookie = foreign};
    const struct meeting_message empty = {.type = MEETING_JOINED};
    struct circuit *c;

    (void)state;
    begin();
    scene.ready = 2;
    start();
    memset(other.noise2, 0x55, sizeof(other.noise2));
    assert_false(answerer_comes(&other, meeting())); /* before it was asked */
    assert_true(scene_say(meeting(), &ready));
    scene_reached(asking()); /* the false READY was none */
    assert_int_equal(scene_said(MEETING_INTRODUCE), 0);
    c = scene_to(POINT, CIRCUIT_READY);
    assert_false(answerer_acks(c, MEETING_TAKEN, 0));
    assert_false(answerer_acks(meeting(), MEETING_REFUSED, 0));
    answerer_ready(meeting());
    assert_false(scene_say(meeting(), &empty));
    assert_false(scene_say(asking(), &ready));
    assert_int_equal(done, 0);
    finish();
}

/* ---- Work ---------------------------------------------------------------- */

static void need_work(uint32_t effort)
{
    goal.has_work = true;
    goal.effort = effort;
    memset(goal.work_seed, 7, sizeof(goal.work_seed));
}

static void test_connect_works(void **state)
{
    struct work_proof proof = {.nonce = 0x1122334455667788, .digest = {9}};
    uint8_t hint[WORK_HINT_BYTES];

    (void)state;
    begin();
    need_work(5000);
    scene.ready = 2;
    start();
    assert_int_equal(scene.works, 1);
    assert_int_equal(scene.work.task.effort, 5000);
    assert_memory_equal(scene.work.task.seed, goal.work_seed, 16);
    assert_memory_equal(scene.work.task.auth_id, goal.auth_id, 16);
    answerer_ready(meeting());
    scene_reached(asking());
    assert_int_equal(scene_said(MEETING_INTRODUCE), 0);
    /* Longer than without: as long as we are ready to work. */
    pass(20 * TIME_S);
    services_solved(scene.s, scene.work.id + 1, true, &proof, scene.now);
    services_solved(scene.s, 0, true, &proof, scene.now);
    assert_int_equal(done, 0);
    services_solved(scene.s, scene.work.id, true, &proof, scene.now);
    assert_int_equal(scene_said(MEETING_INTRODUCE), 1);
    services_solved(scene.s, scene.work.id, true, &proof, scene.now);
    assert_int_equal(scene_said(MEETING_INTRODUCE), 1);
    assert_memory_equal(scene.work.task.e, noise1(), 32);
    work_hint(goal.work_seed, goal.auth_id, hint);
    assert_true(scene_of(asking())->last.has_work);
    assert_memory_equal(scene_of(asking())->last.work.hint, hint, 4);
    assert_int_equal(scene_of(asking())->last.work.effort, 5000);
    assert_memory_equal(scene_of(asking())->last.work.digest, proof.digest, 16);
    assert_int_equal(bytes_get_number(scene_of(asking())->last.work.nonce, 8),
                     proof.nonce);
    finish();
}

static void test_connect_without_luck(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 3; how++) {
        begin();
        need_work(5000);
        if (how == 2) /* nobody works for us */
            scene.s->env.world.solve = NULL;
        scene.ready = 2;
        start();
        if (how == 0)
            services_solved(scene.s, scene.work.id, false, NULL, scene.now);
        else
            pass(25 * TIME_S);
        ends(CONNECT_WORK);
    }
}

/* ---- Probes, members, many ----------------------------------------------- */

static void test_connect_probe(void **state)
{
    (void)state;
    begin();
    goal.probe = true;
    scene.ready = 2;
    start();
    assert_int_equal(scene.ready, 1); /* no rendezvous */
    scene_reached(asking());
    assert_true(answerer_reads(&other, noise1(), service->credential, false));
    assert_int_equal(other.asked.flags, INVITATION_PROBE);
    answerer_acks(asking(), MEETING_TAKEN, 0);
    ends(CONNECT_PROBED);
}

static void test_connect_as_a_member(void **state)
{
    uint8_t secret[32], member[32];

    (void)state;
    begin();
    memset(secret, 0x28, sizeof(secret));
    noise_public_key(secret, member);
    goal.member = member;
    goal.member_secret = secret;
    goal.resume = true;
    memset(goal.resume_id, 3, sizeof(goal.resume_id));
    ask();
    memset(member, 0, sizeof(member)); /* they were copied */
    assert_true(answerer_reads(&other, noise1(), service->credential, true));
    assert_true(other.asked.has_member && other.asked.resume);
    assert_int_equal(other.asked.resume_id[15], 3);
    assert_int_equal(member_check(other.secret, other.key, other.asked.member,
                                  noise1(), other.asked.mac),
                     OK);
    finish();
}

static void test_connect_key_of_nobody(void **state)
{
    (void)state;
    begin();
    memset(goal.key, 0, sizeof(goal.key));
    scene.ready = 2;
    start();
    ends(CONNECT_HANDSHAKE);
}

static void test_connect_many(void **state)
{
    struct service_config config = scene_config();
    struct connect *list[3], *more;

    (void)state;
    config.max_connects = 3;
    begin_with(&config);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(connect_new(service, service->kit, &goal, NULL,
                                     on_done, NULL, scene.now, &list[i]),
                         OK);
    assert_int_equal(connect_new(service, service->kit, &goal, NULL, on_done,
                                 NULL, scene.now, &more),
                     ERR_FULL);
    connect_free(list[1], scene.now); /* and nobody hears of it */
    assert_int_equal(done, 0);
    assert_int_equal(connect_new(service, service->kit, &goal, NULL, on_done,
                                 NULL, scene.now, &list[1]),
                     OK);
    pass(15 * TIME_S);
    assert_int_equal(done, 3);
    finish();
}

/* An end begins another attempt, at once, from within. */
static void test_connect_again_and_again(void **state)
{
    (void)state;
    begin();
    start();
    begin_more = 3;
    for (unsigned i = 1; i <= 3; i++) {
        scene_no_path();
        assert_true(done >= i);
        connects_tick(scene.s, scene.now);
    }
    pass(20 * TIME_S);
    assert_int_equal(done, 4);
    finish();
}

static void test_connect_without_memory(void **state)
{
    bool failed = true;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        begin();
        scene.ready = 2;
        fail_alloc_at(n);
        if (connect_new(service, service->kit, &goal, NULL, on_done, NULL,
                        scene.now, &attempt) != OK)
            attempt = NULL;
        connects_tick(scene.s, scene.now);
        failed = fail_alloc_end();
        if (attempt == NULL)
            assert_int_equal(n, 1);
        pass(TIME_S); /* the stem that was not to be had is had now */
        if (attempt != NULL)
            assert_int_equal(scene.circuits.count, 2);
        finish();
        assert_true(n < 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connect_in_any_order),
        cmocka_unit_test(test_connect_joined_before_the_ack),
        cmocka_unit_test(test_connect_keeps_the_two_apart),
        cmocka_unit_test(test_connect_repeats_unchanged),
        cmocka_unit_test(test_connect_no_circuit),
        cmocka_unit_test(test_connect_goes_on_with_what_it_has),
        cmocka_unit_test(test_connect_no_point),
        cmocka_unit_test(test_connect_silent),
        cmocka_unit_test(test_connect_answers),
        cmocka_unit_test(test_connect_no_rendezvous),
        cmocka_unit_test(test_connect_somebody_else_comes),
        cmocka_unit_test(test_connect_out_of_turn),
        cmocka_unit_test(test_connect_works),
        cmocka_unit_test(test_connect_without_luck),
        cmocka_unit_test(test_connect_probe),
        cmocka_unit_test(test_connect_as_a_member),
        cmocka_unit_test(test_connect_key_of_nobody),
        cmocka_unit_test(test_connect_many),
        cmocka_unit_test(test_connect_again_and_again),
        cmocka_unit_test(test_connect_without_memory),
    };

    return cmocka_run_group_tests_name("connect", tests, NULL, NULL);
}
