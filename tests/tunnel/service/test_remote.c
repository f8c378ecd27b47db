/* SPDX-License-Identifier: MIT
 *
 * A service of somebody else: fetched, asked at one point after the other, and
 * met; and the peer that it is then.
 */
#include "fail_alloc.h"
#include "service/service_caller.h"
#include "service/service_published.h"

#include "tunnel/service/remote.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct answerer other;
static struct service *service;
static uint32_t id;
static struct service_name name;

static void begin_with(const struct service_config *config, bool has_access)
{
    scene_begin_with(config);
    name = published_name(has_access);
    assert_int_equal(service_reach(scene.s, name.key,
                                   has_access ? name.access : NULL, 3,
                                   scene.now, &id),
                     OK);
    service = scene_service(id);
    other = answerer_of(0x30);
}

static void begin(void)
{
    const struct service_config config = scene_config();

    begin_with(&config, false);
}

static void connect_now(void)
{
    assert_int_equal(service_connect(scene.s, id, scene.now), OK);
}

static void found(int64_t seq)
{
    const struct published p = published_now(seq);

    assert_true(published_found(&p, &other));
}

/* A connect is under way, and has its stems. */
static void gather(void)
{
    scene.ready = 2;
    scene_tick();
    scene_stems(0);
}

/* The point that is being asked fails so. */
static void point_fails(enum meeting_status status, uint32_t effort)
{
    struct circuit *c;

    gather();
    assert_true(answerer_ready(scene_saying(MEETING_RENDEZVOUS)));
    c = scene_building();
    assert_non_null(c);
    scene_reached(c);
    assert_true(answerer_acks(c, status, effort));
}

static struct circuit *meet_at(bool resumes)
{
    struct circuit *meeting, *c;

    gather();
    meeting = scene_saying(MEETING_RENDEZVOUS);
    assert_non_null(meeting);
    assert_true(answerer_ready(meeting));
    c = scene_building();
    assert_non_null(c);
    scene_reached(c);
    assert_true(answerer_reads(&other, scene_of(c)->last.noise.p,
                               service->credential, resumes));
    assert_true(answerer_acks(c, MEETING_TAKEN, 0));
    assert_true(answerer_comes(&other, meeting));
    return meeting;
}

/* All of it. */
static struct circuit *connected(void)
{
    struct circuit *c;

    connect_now();
    found(1);
    published_ends(FINDER_FOUND);
    c = meet_at(false);
    answerer_greets(&other, c);
    scene_tell();
    return c;
}

static void fails_with(enum service_problem problem)
{
    scene_tell();
    assert_int_equal(scene.problem, problem);
    assert_int_equal(service->connect_failures, 1);
    assert_int_equal(scene.s->connect_count, 0);
    scene_finish();
}

/* ---- Connected ----------------------------------------------------------- */

static void test_remote_connects(void **state)
{
    (void)state;
    begin();
    connected();
    assert_int_equal(scene.there, 1);
    assert_true(scene.last_opened && scene.last_has_key);
    assert_memory_equal(scene.last_key, name.key, 32);
    assert_int_equal(scene.problem, SERVICE_FINE);
    connect_now(); /* it is: nothing */
    assert_int_equal(scene.finder.gets, 1);
    assert_int_equal(service->connects, 1);
    assert_int_equal(other.asked.greeting, SCENE_WALL);
    scene_finish();
}

/* An attempt begins before the lookup has ended. */
static void test_remote_uses_the_first_that_is_found(void **state)
{
    struct published p;

    (void)state;
    begin();
    connect_now();
    found(3);
    assert_int_equal(scene.s->connect_count, 1);
    /* A newer one that names the same points changes nothing, */
    found(4);
    assert_int_equal(scene.s->connect_count, 1);
    /* an older one is not taken, */
    p = published_now(3);
    assert_false(published_found(&p, &other));
    /* and one with other points is used instead. */
    gather();
    p = published_now(5);
    p.first = 12;
    assert_true(published_found(&p, &other));
    assert_int_equal(scene.s->connect_count, 1);
    published_ends(FINDER_FOUND);
    connect_now();
    meet_at(false);
    assert_int_equal(scene.s->peer_count, 1);
    scene_finish();
}

static void test_remote_with_access(void **state)
{
    const struct service_config config = scene_config();
    struct published p;
    uint32_t again;

    (void)state;
    begin_with(&config, true);
    assert_int_equal(
        service_reach(scene.s, name.key, name.access, 3, scene.now, &again),
        OK);
    assert_int_equal(again, id);
    assert_int_equal(
        service_reach(scene.s, name.key, NULL, 3, scene.now, &again), OK);
    assert_int_not_equal(again, id);
    connect_now();
    p = published_now(1);
    p.has_access = true;
    assert_true(published_found(&p, &other));
    /* The introduction needs the address only: points are the same for all. */
    meet_at(false);
    scene_finish();
}

/* Who wants three hops does not get the channel that somebody had over one. */
static void test_remote_over_fewer_hops_is_another(void **state)
{
    uint32_t one, again;

    (void)state;
    begin();
    assert_int_equal(service_reach(scene.s, name.key, NULL, 1, scene.now, &one),
                     OK);
    assert_int_not_equal(one, id);
    assert_int_equal(scene_service(one)->options.hops, 1);
    assert_int_equal(
        service_reach(scene.s, name.key, NULL, 3, scene.now, &again), OK);
    assert_int_equal(again, id);
    assert_int_equal(
        service_reach(scene.s, name.key, NULL, 1, scene.now, &again), OK);
    assert_int_equal(again, one);
    scene_finish();
}

/* ---- What is not found --------------------------------------------------- */

static void test_remote_is_not_found(void **state)
{
    (void)state;
    begin();
    connect_now();
    assert_int_equal(scene_asked_count(SCENE_GET), 1); /* at noon */
    scene_done(scene_asked(SCENE_GET, 0)->id, FINDER_NOT_FOUND, 0);
    assert_int_equal(scene_asked_count(SCENE_GET), 2); /* the neighbours */
    published_ends(FINDER_NOT_FOUND);
    fails_with(SERVICE_NOT_FOUND);
}

static void test_remote_has_no_path(void **state)
{
    (void)state;
    begin();
    connect_now();
    published_ends(FINDER_NO_CIRCUIT);
    fails_with(SERVICE_NO_PATH);
}

static void test_remote_finder_is_full(void **state)
{
    (void)state;
    begin();
    scene.requests = ERR_FULL;
    assert_int_equal(service_connect(scene.s, id, scene.now), ERR_FULL);
    fails_with(SERVICE_TOO_MANY);
}

static void test_remote_too_many_connects(void **state)
{
    struct service_config config = scene_config();

    (void)state;
    config.max_connects = 0;
    begin_with(&config, false);
    connect_now();
    found(1);
    fails_with(SERVICE_TOO_MANY);
}

static void test_remote_is_expired(void **state)
{
    struct published p;

    (void)state;
    begin();
    connect_now();
    p = published_now(1);
    p.issued -= 6 * 3600;
    assert_false(published_found(&p, &other));
    published_ends(FINDER_NOT_FOUND);
    published_ends(FINDER_NOT_FOUND);
    fails_with(SERVICE_EXPIRED);
}

/* Nobody believes that it was withdrawn before the lookup is over: the one who
 * says it may hold an old one, or another replica a newer one. */
static void test_remote_is_withdrawn(void **state)
{
    struct published p;

    (void)state;
    begin();
    connect_now();
    p = published_now(7);
    p.points = 0;
    p.lifetime = SERVICE_LIFETIME_WITHDRAWN;
    assert_true(published_found(&p, &other));
    assert_int_equal(scene.s->connect_count, 0);
    published_ends(FINDER_FOUND);
    fails_with(SERVICE_WITHDRAWN);
}

/* Items that are not its own: of another seq, another replica, another period,
 * with a bit flipped. */
static void test_remote_forged_items(void **state)
{
    struct published p;
    struct scene_request item, forged;
    const struct scene_request *r;

    (void)state;
    begin();
    connect_now();
    p = published_now(1);
    item = published_item(&p, &other);
    r = published_lookup(&item);
    for (unsigned i = 0; i < 5; i++) {
        forged = item;
        if (i == 0)
            forged.seq = 2;
        if (i == 1)
            forged.salt = 1;
        if (i == 2)
            forged.value[500] ^= 1;
        if (i == 3)
            forged.signature[5] ^= 1;
        if (i == 4) {
            p.period++;
            forged = published_item(&p, &other);
        }
        assert_false(scene_found(r->id, &forged));
    }
    assert_true(scene_found(r->id, &item));
    scene_finish();
}

/* ---- Never below --------------------------------------------------------- */

/* Each fetch: what is found then is not below what was accepted before. */
static void test_remote_never_below_an_accepted_seq(void **state)
{
    struct published p;

    (void)state;
    begin();
    connect_now();
    found(5);
    published_ends(FINDER_FOUND);
    for (unsigned i = 0; i < 3; i++)
        point_fails(MEETING_UNKNOWN, 0);
    scene_pass(TIME_MIN);
    service_connect(scene.s, id, scene.now);
    p = published_now(4);
    assert_false(published_found(&p, &other));
    found(5);
    scene_finish();
}

/* Also when one of another period was accepted meanwhile. */
static void test_remote_seq_is_of_a_period(void **state)
{
    struct published p;
    uint64_t midnight = (SCENE_WALL / 86400 + 1) * 86400;

    (void)state;
    begin();
    scene.wall = scene.s->wall = midnight + 600;
    scene_tick();
    connect_now();
    assert_int_equal(scene_asked_count(SCENE_GET), 2);
    found(5);
    p = published_now(9);
    p.period--; /* of yesterday: not while today's is good */
    assert_false(published_found(&p, &other));
    published_ends(FINDER_FOUND);
    for (unsigned i = 0; i < 3; i++)
        point_fails(MEETING_UNKNOWN, 0);
    published_ends(FINDER_NOT_FOUND);
    published_ends(FINDER_NOT_FOUND);
    scene_pass(TIME_MIN);
    connect_now();
    assert_true(published_found(&p, &other)); /* today's is not found */
    p = published_now(4);
    assert_false(published_found(&p, &other));
    found(5);
    scene_finish();
}

/* ---- Points -------------------------------------------------------------- */

/* One after the other, each once; then it is fetched again, once in 30 s; in
 * all at most six. */
static void test_remote_asks_point_after_point(void **state)
{
    unsigned seen = 0;

    (void)state;
    begin();
    connect_now();
    found(1);
    published_ends(FINDER_FOUND);
    for (unsigned i = 0; i < 3; i++) {
        struct circuit *c;

        gather();
        c = scene_building();
        seen |= 1u << (c->hop[3].target.identity[0] - 1 - PUBLISHED_FIRST);
        scene_end(c, REASON_UNREACHABLE, 4);
        scene_tick();
    }
    assert_int_equal(seen, 7);
    assert_int_equal(scene.finder.gets, 1);
    fails_with(SERVICE_POINTS_FAIL);
}

static void test_remote_fetches_again_once(void **state)
{
    (void)state;
    begin();
    connect_now();
    found(1);
    published_ends(FINDER_FOUND);
    for (unsigned i = 0; i < 3; i++)
        point_fails(MEETING_UNKNOWN, 0);
    assert_int_equal(service->connect_failures, 1);
    /* Within 30 s what it knows is tried again, and then looked for. */
    scene_pass(TIME_S);
    connect_now();
    assert_int_equal(scene.finder.gets, 1);
    for (unsigned i = 0; i < 3; i++)
        point_fails(MEETING_UNKNOWN, 0);
    assert_int_equal(scene.finder.gets, 2);
    found(2);
    published_ends(FINDER_FOUND);
    for (unsigned i = 0; i < 3; i++)
        point_fails(MEETING_UNKNOWN, 0);
    assert_int_equal(scene.finder.gets, 2);
    assert_int_equal(service->connect_failures, 2);
    scene_pass(30 * TIME_S);
    connect_now();
    assert_int_equal(scene.finder.gets, 3);
    scene_finish();
}

static void test_remote_is_busy(void **state)
{
    const struct work_proof proof = {.nonce = 1};
    struct published p;
    struct circuit *c;

    (void)state;
    begin();
    connect_now();
    p = published_now(1);
    p.effort = 2000;
    published_found(&p, &other);
    published_ends(FINDER_FOUND);
    gather();
    assert_int_equal(scene.works, 1);
    assert_int_equal(scene.work.task.effort, 2000);
    /* More is asked for at the first point: more is done at the second. */
    c = scene_building();
    answerer_ready(scene_saying(MEETING_RENDEZVOUS));
    scene_reached(c);
    services_solved(scene.s, scene.work.id, true, &proof, scene.now);
    answerer_acks(c, MEETING_BUSY, 4000);
    gather();
    assert_int_equal(scene.works, 2);
    assert_int_equal(scene.work.task.effort, 4000);
    scene_finish();
}

/* It has restarted: the same point again, twice at most. */
static void test_remote_says_it_again(void **state)
{
    (void)state;
    begin();
    connect_now();
    found(1);
    published_ends(FINDER_FOUND);
    for (unsigned i = 0; i < 5; i++) {
        point_fails(MEETING_AGAIN, (uint32_t)SCENE_WALL + 100 + i);
        assert_int_equal(service->connect_failures, i < 4 ? 0 : 1);
    }
    scene_finish();
}

/* Whoever was met is never heard of: that, too, is told. */
static void test_remote_peer_is_never_live(void **state)
{
    (void)state;
    begin();
    connect_now();
    found(1);
    published_ends(FINDER_FOUND);
    scene_end(meet_at(false), REASON_LINK_LOST, 2);
    for (unsigned i = 0; i < 100 && service->connect_failures == 0; i++)
        scene_pass(TIME_S);
    assert_int_equal(scene.there + scene.gone, 0);
    assert_int_equal(scene.s->peer_count, 0);
    fails_with(SERVICE_NO_RENDEZVOUS);
}

/* ---- What waits ---------------------------------------------------------- */

static enum error send(uint16_t port)
{
    return service_send(scene.s, id, port, bytes_of_text("hello"), scene.now);
}

/* Up to 32, for 15 s; they go out with the first circuit. */
static void test_remote_queue(void **state)
{
    static const uint8_t large[CHANNEL_PAYLOAD_MAX + 1];
    struct circuit *c;

    (void)state;
    begin();
    assert_int_equal(
        service_send(scene.s, id, 1, bytes_of(large, sizeof(large)), scene.now),
        ERR_TOO_LARGE);
    assert_int_equal(scene.finder.gets, 0);
    for (unsigned i = 0; i < SERVICE_QUEUE; i++)
        assert_int_equal(send((uint16_t)i), OK);
    assert_int_equal(send(99), ERR_FULL);
    assert_int_equal(scene.finder.gets, 1); /* it connects by itself */
    scene_pass(TIME_S);
    found(1);
    published_ends(FINDER_FOUND);
    c = meet_at(false);
    assert_true(scene_of(c)->cells >= SERVICE_QUEUE);
    assert_int_equal(send(1), OK);
    scene_finish();
}

static void test_remote_queue_waits_15_seconds(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < SERVICE_QUEUE; i++)
        assert_int_equal(send(1), OK);
    scene_pass(15 * TIME_S - 1);
    assert_int_equal(send(1), ERR_FULL);
    scene_pass(1);
    for (unsigned i = 0; i < SERVICE_QUEUE; i++)
        assert_int_equal(send(1), OK);
    scene_finish();
}

static void test_remote_queue_goes_with_the_attempt(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < SERVICE_QUEUE; i++)
        send(1);
    published_ends(FINDER_NOT_FOUND);
    published_ends(FINDER_NOT_FOUND);
    assert_int_equal(service->connect_failures, 1);
    for (unsigned i = 0; i < SERVICE_QUEUE; i++)
        assert_int_equal(send(1), OK);
    scene_finish();
}

/* ---- The peer ------------------------------------------------------------ */

/* A cell of the other end. */
static void says(struct circuit *c, const struct end_message *m)
{
    scene_cell(c, &other.out, m);
    scene_tell();
}

static void test_peer_data_both_ways(void **state)
{
    const struct end_message data = {
        .type = END_DATA, .port = 7, .payload = bytes_of_text("hi")};
    struct circuit *c;
    unsigned cells;

    (void)state;
    begin();
    c = connected();
    says(c, &data);
    assert_int_equal(scene.data, 1);
    assert_int_equal(scene.last_port, 7);
    assert_memory_equal(scene.last_data, "hi", 2);
    cells = scene_of(c)->cells;
    assert_int_equal(service_peer_send(scene.s, scene.last_peer, 7,
                                       bytes_of_text("x"), scene.now),
                     OK);
    assert_int_equal(scene_of(c)->cells, cells + 1);
    assert_int_equal(service_peer_send(scene.s, scene.last_peer + 1, 7,
                                       bytes_of_text("x"), scene.now),
                     ERR_NOT_FOUND);
    scene_finish();
}

/* DATA is the first that comes: PEER is told before. */
static void test_peer_is_told_before_its_data(void **state)
{
    const struct end_message data = {.type = END_DATA, .port = 7};
    struct circuit *c;

    (void)state;
    begin();
    connect_now();
    found(1);
    c = meet_at(false);
    says(c, &data);
    assert_int_equal(scene.there, 1);
    assert_int_equal(scene.data, 1);
    scene_finish();
}

static void test_peer_closes(void **state)
{
    const struct end_message close = {.type = END_CLOSE,
                                      .reason = REASON_REQUESTED};

    (void)state;
    begin();
    says(connected(), &close);
    scene_pass(10 * TIME_S);
    assert_int_equal(scene.gone, 1);
    assert_int_equal(scene.s->peer_count, 0);
    assert_int_equal(service_peer_send(scene.s, scene.last_peer, 7,
                                       bytes_of_text("x"), scene.now),
                     ERR_NOT_FOUND);
    assert_int_equal(service_peer_close(scene.s, scene.last_peer, scene.now),
                     ERR_NOT_FOUND);
    /* Somebody else's number: the next one. */
    connect_now();
    assert_int_equal(scene.finder.gets, 1); /* it is known where */
    answerer_greets(&other, meet_at(false));
    scene_tell();
    assert_int_equal(scene.there, 2);
    assert_true(scene.last_peer > scene.last_gone);
    scene_finish();
}

static void test_peer_is_closed(void **state)
{
    (void)state;
    begin();
    connected();
    assert_int_equal(service_peer_close(scene.s, scene.last_peer, scene.now),
                     OK);
    scene_pass(10 * TIME_S);
    assert_int_equal(scene.gone, 1);
    assert_int_equal(scene.circuits.count, 0);
    scene_finish();
}

/* Wanted again while CLOSE is still on its way: when the peer is gone, another
 * is met, and gets what was sent meanwhile. */
static void test_peer_is_closed_and_wanted_again(void **state)
{
    (void)state;
    begin();
    connected();
    assert_int_equal(service_peer_close(scene.s, scene.last_peer, scene.now),
                     OK);
    connect_now();
    assert_int_equal(
        service_send(scene.s, id, 7, bytes_of_text("x"), scene.now), OK);
    assert_int_equal(scene.s->connect_count, 0);
    scene_pass(6 * TIME_S);
    assert_int_equal(scene.gone, 1);
    assert_int_equal(scene.s->connect_count, 1);
    answerer_greets(&other, meet_at(false));
    scene_tell();
    assert_int_equal(scene.there, 2);
    assert_int_equal(scene.s->peer_count, 1);
    scene_finish();
}

/* Its circuit is lost: RESUME by the name of the last leg, at a point; one PEER
 * and no GONE. What is sent meanwhile waits. */
static void test_peer_resumes(void **state)
{
    struct circuit *c;
    uint8_t resume[CHANNEL_RESUME_BYTES];

    (void)state;
    begin();
    c = connected();
    for (unsigned i = 0; i < 3; i++) {
        memcpy(resume, other.keys.resume, sizeof(resume));
        scene_end(c, REASON_LINK_LOST, 2);
        assert_int_equal(service_peer_send(scene.s, scene.last_peer, 7,
                                           bytes_of_text("x"), scene.now),
                         OK);
        c = meet_at(true);
        assert_true(other.asked.resume);
        assert_memory_equal(other.asked.resume_id, resume, sizeof(resume));
        answerer_greets(&other, c);
        assert_true(scene_of(c)->cells >= 2); /* HELLO, and what waited */
    }
    scene_pass(TIME_S);
    assert_int_equal(scene.there, 1);
    assert_int_equal(scene.gone, 0);
    assert_int_equal(service->resumed, 3);
    scene_finish();
}

/* The second one at once; a quarter of the gap so far between those then, 4 s
 * at most, until the gap is too long. */
static void test_peer_resume_backs_off(void **state)
{
    unsigned attempts = 0;
    uint64_t last = 0, lost;

    (void)state;
    begin();
    scene_end(connected(), REASON_LINK_LOST, 2);
    lost = scene.now;
    while (scene.s->peer_count > 0 && attempts < 100) {
        struct circuit *c;

        while (scene.s->connect_count == 0 && scene.s->peer_count > 0)
            scene_pass(100 * TIME_MS);
        if (scene.s->connect_count == 0)
            break;
        if (attempts > 1)
            assert_true(time_since(last, scene.now) >=
                        time_min(time_since(lost, last) / 4, 4 * TIME_S));
        last = scene.now;
        attempts++;
        gather();
        c = scene_building();
        assert_non_null(c);
        scene_end(c, REASON_UNREACHABLE, 4);
        published_ends(FINDER_NOT_FOUND);
        published_ends(FINDER_NOT_FOUND);
    }
    assert_in_range(attempts, 15, 60);
    assert_int_equal(scene.gone, 1);
    assert_int_equal(scene.last_why, REASON_TIMEOUT);
    scene_finish();
}

/* Nothing comes any more: it is resumed beside the leg that is there, at a
 * second point when the first is silent, and both end when it answers. */
static void test_peer_resumes_in_doubt(void **state)
{
    struct circuit *c;

    (void)state;
    for (unsigned answers = 0; answers < 2; answers++) {
        begin();
        c = connected();
        for (unsigned i = 0; i < 200 && scene.s->connect_count == 0; i++) {
            service_peer_send(scene.s, scene.last_peer, 7, bytes_of_text("x"),
                              scene.now);
            scene_pass(100 * TIME_MS);
        }
        assert_int_equal(scene.s->connect_count, 1);
        scene_pass(500 * TIME_MS);
        assert_int_equal(scene.s->connect_count, 1);
        assert_false(c->closing);
        if (answers == 1) {
            answerer_greets(&other, c);
            scene_pass(100 * TIME_MS);
            assert_int_equal(scene.s->connect_count, 0);
        } else {
            scene_pass(TIME_S);
            assert_int_equal(scene.s->connect_count, 2);
        }
        assert_int_equal(service->resumed, 0);
        assert_int_equal(scene.gone, 0);
        scene_finish();
    }
}

/* Its points have changed: a fetch while it waits shows the new ones. */
static void test_peer_resumes_at_other_points(void **state)
{
    struct published p;
    struct circuit *c;

    (void)state;
    begin();
    c = connected();
    scene_pass(20 * TIME_S);
    scene_end(c, REASON_LINK_LOST, 2);
    gather();
    scene_end(scene_building(), REASON_UNREACHABLE, 4);
    assert_int_equal(scene_asked_count(SCENE_GET), 1);
    p = published_now(2);
    p.first = 12;
    assert_true(published_found(&p, &other));
    published_ends(FINDER_FOUND);
    while (scene.s->connect_count == 0)
        scene_pass(100 * TIME_MS);
    c = meet_at(true);
    answerer_greets(&other, c);
    scene_tell();
    assert_int_equal(scene.there, 1);
    assert_int_equal(scene.gone, 0);
    scene_finish();
}

/* Before max_time a MOVE over the channel itself, and no point is asked. */
static void test_peer_moves(void **state)
{
    struct circuit *c, *next;
    uint64_t began;

    (void)state;
    begin();
    c = connected();
    began = scene.now;
    while (scene.s->connect_count == 0) {
        scene_pass(100 * TIME_MS);
        answerer_greets(&other, c);
        assert_true(time_since(began, scene.now) < 9 * TIME_MIN);
    }
    assert_true(time_since(began, scene.now) > 6 * TIME_MIN);
    gather();
    next = scene_saying(MEETING_RENDEZVOUS);
    if (next == c)
        next = &scene.circuits.at[scene.circuits.count - 1]->c;
    assert_ptr_not_equal(next, c);
    assert_int_equal(scene.ready, 1);
    answerer_ready(next);
    assert_int_equal(scene_said(MEETING_INTRODUCE), 0);
    assert_int_equal(scene.there, 1);
    scene_finish();
}

/* ---- Without memory ------------------------------------------------------ */

static void test_remote_without_memory(void **state)
{
    bool failed = true;

    (void)state;
    for (unsigned n = 1; failed; n++) {
        begin();
        scene.ready = 2;
        fail_alloc_at(n);
        send(1);
        if (scene_asked_count(SCENE_GET) > 0)
            found(1);
        scene_tick();
        failed = fail_alloc_end();
        scene_pass(TIME_MIN);
        published_ends(FINDER_NOT_FOUND);
        published_ends(FINDER_NOT_FOUND);
        scene_pass(2 * TIME_MIN);
        assert_int_equal(scene.s->connect_count, 0);
        connect_now();
        if (scene_asked_count(SCENE_GET) > 0)
            found(1);
        published_ends(FINDER_FOUND);
        answerer_greets(&other, meet_at(false));
        scene_tell();
        assert_int_equal(scene.there, 1);
        scene_finish();
        assert_true(n < 40);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_remote_connects),
        cmocka_unit_test(test_remote_uses_the_first_that_is_found),
        cmocka_unit_test(test_remote_with_access),
        cmocka_unit_test(test_remote_over_fewer_hops_is_another),
        cmocka_unit_test(test_remote_is_not_found),
        cmocka_unit_test(test_remote_has_no_path),
        cmocka_unit_test(test_remote_finder_is_full),
        cmocka_unit_test(test_remote_too_many_connects),
        cmocka_unit_test(test_remote_is_expired),
        cmocka_unit_test(test_remote_is_withdrawn),
        cmocka_unit_test(test_remote_forged_items),
        cmocka_unit_test(test_remote_never_below_an_accepted_seq),
        cmocka_unit_test(test_remote_seq_is_of_a_period),
        cmocka_unit_test(test_remote_asks_point_after_point),
        cmocka_unit_test(test_remote_fetches_again_once),
        cmocka_unit_test(test_remote_is_busy),
        cmocka_unit_test(test_remote_says_it_again),
        cmocka_unit_test(test_remote_peer_is_never_live),
        cmocka_unit_test(test_remote_queue),
        cmocka_unit_test(test_remote_queue_waits_15_seconds),
        cmocka_unit_test(test_remote_queue_goes_with_the_attempt),
        cmocka_unit_test(test_peer_data_both_ways),
        cmocka_unit_test(test_peer_is_told_before_its_data),
        cmocka_unit_test(test_peer_closes),
        cmocka_unit_test(test_peer_is_closed),
        cmocka_unit_test(test_peer_is_closed_and_wanted_again),
        cmocka_unit_test(test_peer_resumes),
        cmocka_unit_test(test_peer_resume_backs_off),
        cmocka_unit_test(test_peer_resumes_in_doubt),
        cmocka_unit_test(test_peer_resumes_at_other_points),
        cmocka_unit_test(test_peer_moves),
        cmocka_unit_test(test_remote_without_memory),
    };

    return cmocka_run_group_tests_name("remote", tests, NULL, NULL);
}
