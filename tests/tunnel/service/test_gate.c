/* SPDX-License-Identifier: MIT
 *
 * Who wants to be met, as relays that are introduction points pass it on.
 */
#include "fail_alloc.h"
#include "service/service_caller.h"

#include "tunnel/record/effort.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct service *service;

static void begin_with(const struct service_config *config,
                       const struct service_options *o)
{
    scene_begin_with(config);
    service = scene_serve(o, NULL);
    scene_establish();
    assert_int_equal(points_up(host_points(service->host)), SERVICE_POINTS);
}

static void begin(void)
{
    const struct service_options o = {.hops = 3};
    const struct service_config config = scene_config();

    begin_with(&config, &o);
}

static uint64_t counted(enum introduction_result r)
{
    assert_int_equal(service->introductions[r],
                     scene.s->stats.introductions[r]);
    return service->introductions[r];
}

static unsigned on_the_way(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < scene.circuits.count; i++)
        count += scene.circuits.at[i]->c.state == CIRCUIT_BUILDING;
    return count;
}

/* ---- Each answer --------------------------------------------------------- */

static void test_gate_accepts(void **state)
{
    struct caller c;
    struct gate_answer a;

    (void)state;
    begin();
    c = caller_of(12);
    a = caller_come(&c, service);
    assert_int_equal(a.status, MEETING_TAKEN);
    assert_int_equal(a.effort, 0);
    assert_int_equal(counted(INTRODUCTION_ACCEPTED), 1);
    assert_int_equal(gate_queued(service->gate), 1); /* there is no stem */
    scene_stems(1);
    scene_tick();
    assert_int_equal(gate_queued(service->gate), 0);
    assert_non_null(scene_to(12, CIRCUIT_BUILDING));
    scene_finish();
}

static void test_gate_replay_gets_the_same_answer(void **state)
{
    struct caller c;

    (void)state;
    begin();
    c = caller_of(12);
    caller_connect(&c, service);
    scene_stems(4);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(
            caller_ask(&c, service, scene_point(service, 0)).status,
            MEETING_TAKEN);
    /* At another point it is what a stranger's is. */
    assert_int_equal(caller_ask(&c, service, scene_point(service, 1)).status,
                     MEETING_REFUSED);
    scene_pass(VISIT_WAIT);
    assert_int_equal(counted(INTRODUCTION_REPLAYED), 11);
    assert_int_equal(counted(INTRODUCTION_ACCEPTED), 1);
    assert_int_equal(on_the_way(), 0);
    assert_int_equal(scene.there, 1);
    scene_finish();
}

/* One who knows the point and its key, but not the address; one who was told
 * the address of another; and noise. Nothing of it is remembered. */
static void test_gate_forged(void **state)
{
    const uint8_t wrong[32] = {1};
    const struct point *p;
    struct caller c;

    (void)state;
    begin();
    p = scene_point(service, 0);
    for (unsigned i = 0; i < 3; i++) {
        c = caller_of(12);
        caller_seal(&c,
                    i == 1 ? scene_point(service, 1)->keys.service_key
                           : p->keys.service_key,
                    i == 0 ? wrong : service->credential);
        if (i == 2)
            memset(c.noise1, 0x77, sizeof(c.noise1));
        assert_int_equal(caller_ask(&c, service, p).status, MEETING_REFUSED);
        assert_int_equal(caller_ask(&c, service, p).status, MEETING_REFUSED);
    }
    assert_int_equal(counted(INTRODUCTION_FORGED), 6);
    assert_int_equal(counted(INTRODUCTION_REPLAYED), 0);
    /* A key service has no members. */
    c = caller_of(12);
    c.i.has_member = true;
    assert_int_equal(caller_come(&c, service).status, MEETING_REFUSED);
    assert_int_equal(counted(INTRODUCTION_FORGED), 7);
    assert_int_equal(gate_queued(service->gate), 0);
    scene_finish();
}

/* What was said to an earlier life of the service may have been taken then. */
static void test_gate_strange_is_told_what_to_say(void **state)
{
    struct gate_answer a;
    struct caller c;

    (void)state;
    begin();
    scene_pass(TIME_MIN);
    c = caller_of(12);
    c.i.greeting = (uint32_t)SCENE_WALL - 1;
    for (unsigned i = 0; i < 3; i++) { /* and it is not remembered */
        a = caller_come(&c, service);
        assert_int_equal(a.status, MEETING_AGAIN);
        assert_int_equal(a.effort, SCENE_WALL + 60);
    }
    assert_int_equal(counted(INTRODUCTION_STRANGE), 3);
    c = caller_of(12);
    c.i.greeting = a.effort;
    assert_int_equal(caller_come(&c, service).status, MEETING_TAKEN);
    c = caller_of(12);
    c.i.greeting = (uint32_t)SCENE_WALL; /* of our first descriptor */
    assert_int_equal(caller_come(&c, service).status, MEETING_TAKEN);
    scene_finish();
}

/* A time that this service never gave out is no proof that it is fresh. */
static void test_gate_greeting_of_the_future(void **state)
{
    struct gate_answer a;
    struct caller c;

    (void)state;
    begin();
    c = caller_of(12);
    c.i.greeting = UINT32_MAX;
    a = caller_come(&c, service);
    assert_int_equal(a.status, MEETING_AGAIN);
    assert_int_equal(a.effort, scene.wall);
    c = caller_of(12);
    c.i.greeting = a.effort;
    assert_int_equal(caller_come(&c, service).status, MEETING_TAKEN);
    /* The clock is put back by an hour: what was published counts still. */
    scene.wall -= 3600;
    scene_tick();
    c = caller_of(12);
    c.i.greeting = (uint32_t)SCENE_WALL;
    assert_int_equal(caller_come(&c, service).status, MEETING_TAKEN);
    scene_finish();
}

static void test_gate_refuses_to_come_to_itself(void **state)
{
    struct caller c;

    (void)state;
    begin();
    c = caller_of(12);
    memset(c.i.rendezvous.identity, SCENE_OWN, 32);
    assert_int_equal(caller_come(&c, service).status, MEETING_REFUSED);
    assert_int_equal(caller_ask(&c, service, scene_point(service, 0)).status,
                     MEETING_REFUSED);
    assert_int_equal(counted(INTRODUCTION_REFUSED), 1);
    assert_int_equal(counted(INTRODUCTION_REPLAYED), 1);
    scene_finish();
}

/* Nobody is sent to a private address, where the network is the Internet. */
static void test_gate_private_rendezvous(void **state)
{
    struct caller c;

    (void)state;
    begin();
    c = caller_of(12);
    c.i.rendezvous.endpoints[0].addr[0] = 10;
    assert_int_equal(caller_come(&c, service).status, MEETING_REFUSED);
    assert_int_equal(counted(INTRODUCTION_FORGED), 1);
    scene_finish();
}

static void come(unsigned relay, enum meeting_status expected)
{
    struct caller c = caller_of(relay);

    assert_int_equal(caller_come(&c, service).status, expected);
}

/* One relay named again and again is left out for a minute; who names others
 * is served. */
static void test_gate_crowded_rendezvous(void **state)
{
    (void)state;
    begin();
    for (unsigned i = 0; i < 8; i++)
        come(12, MEETING_TAKEN);
    for (unsigned i = 0; i < 100; i++)
        come(12, MEETING_REFUSED);
    for (unsigned i = 0; i < 7; i++)
        come(i, MEETING_TAKEN);
    come(12, MEETING_REFUSED);
    scene_pass(TIME_MIN);
    for (unsigned i = 0; i < 8; i++)
        come(12, MEETING_TAKEN);
    come(12, MEETING_REFUSED);
    /* Of many it may be a quarter. */
    for (unsigned i = 0; i < 40; i++)
        come(i % 10, MEETING_TAKEN);
    come(12, MEETING_TAKEN);
    assert_int_equal(counted(INTRODUCTION_REFUSED), 102);
    scene_finish();
}

static void test_gate_few_relays_are_always_crowded(void **state)
{
    const struct service_options o = {.hops = 3};
    struct service_config config = scene_config();

    (void)state;
    config.testing_network = true;
    begin_with(&config, &o);
    for (unsigned i = 0; i < 100; i++)
        come(12, MEETING_TAKEN);
    scene_finish();
}

static void test_gate_probe(void **state)
{
    struct caller c;

    (void)state;
    begin();
    c = caller_of(12);
    c.i.flags = INVITATION_PROBE;
    assert_int_equal(caller_come(&c, service).status, MEETING_TAKEN);
    assert_int_equal(counted(INTRODUCTION_PROBE), 1);
    scene_stems(1);
    scene_tick();
    assert_int_equal(on_the_way() + gate_queued(service->gate), 0);
    scene_finish();
}

/* The cheaper check comes first, and says the least. */
static void test_gate_order_of_checks(void **state)
{
    const uint8_t wrong[32] = {1};
    const struct point *p;
    struct caller c;

    (void)state;
    begin();
    p = scene_point(service, 0);
    ((struct effort *)(uintptr_t)gate_effort(service->gate))->asked = 1024;
    for (unsigned i = 0; i < 4; i++) {
        static const enum introduction_result expected[] = {
            INTRODUCTION_FORGED, INTRODUCTION_STRANGE, INTRODUCTION_REFUSED,
            INTRODUCTION_BAD_WORK};

        c = caller_of(12);
        c.i.greeting = i < 2 ? 1 : c.i.greeting;
        if (i < 3)
            memset(c.i.rendezvous.identity, SCENE_OWN, 32);
        c.has_work = true;
        c.work.effort = UINT32_MAX;
        work_hint(gate_effort(service->gate)->seed[0], p->keys.auth_id,
                  c.work.hint);
        caller_seal(&c, p->keys.service_key,
                    i < 1 ? wrong : service->credential);
        caller_ask(&c, service, p);
        assert_int_equal(counted(expected[i]), 1);
    }
    scene_finish();
}

/* ---- Room ---------------------------------------------------------------- */

static void test_gate_full_of_peers(void **state)
{
    const struct service_options o = {.hops = 3, .max_peers = 2};
    const struct service_config config = scene_config();
    struct caller a, b, c;
    struct circuit *circuit;
    struct gate_answer answer;

    (void)state;
    begin_with(&config, &o);
    a = caller_of(12);
    caller_connect(&a, service);
    b = caller_of(13);
    caller_connect(&b, service);
    c = caller_of(14);
    answer = caller_come(&c, service);
    assert_int_equal(answer.status, MEETING_BUSY);
    assert_int_equal(counted(INTRODUCTION_FULL), 1);
    /* It was refused who had done all that was asked for: nothing. */
    assert_int_equal(answer.effort, 0);
    scene_pass(EFFORT_TURN_FIRST);
    assert_int_equal(gate_effort(service->gate)->asked, EFFORT_FIRST);
    c = caller_of(14);
    assert_int_equal(caller_come(&c, service).effort, EFFORT_FIRST);
    /* One goes: there is room. */
    circuit = scene_to(12, CIRCUIT_READY);
    if (circuit != NULL)
        scene_end(circuit, REASON_LINK_LOST, 4);
    scene_pass(2 * CHANNEL_GRACE);
    assert_true(scene.gone > 0);
    c = caller_of(14);
    assert_int_equal(caller_come(&c, service).status, MEETING_TAKEN);
    scene_finish();
}

/* 50 want in at once, and more each second: of all services together no more
 * are met than join_rate says. */
static void test_gate_join_rate(void **state)
{
    const struct service_options o = {.hops = 3};
    struct service_config config = scene_config();

    (void)state;
    config.join_rate = 4;
    begin_with(&config, &o);
    scene_stems(100);
    for (unsigned i = 0; i < 80; i++)
        come(i % 12, MEETING_TAKEN);
    assert_int_equal(on_the_way(), 4);
    assert_int_equal(gate_queued(service->gate), 76);
    scene_pass(TIME_S);
    assert_in_range(on_the_way(), 7, 8);
    scene_pass(VISIT_WAIT);
    assert_int_equal(gate_queued(service->gate), 0);
    assert_in_range(scene.s->stats.joins_failed, 34, 38);
    scene_finish();
}

static void test_gate_queue_is_bounded(void **state)
{
    const struct service_options o = {.hops = 3};
    struct service_config config = scene_config();

    (void)state;
    config.max_queue = 10;
    begin_with(&config, &o);
    for (unsigned i = 0; i < 50; i++)
        come(i % 12, i < 10 ? MEETING_TAKEN : MEETING_BUSY);
    assert_int_equal(gate_queued(service->gate), 10);
    assert_int_equal(counted(INTRODUCTION_FULL), 40);
    scene_pass(VISIT_WAIT);
    assert_int_equal(gate_queued(service->gate), 0);
    come(12, MEETING_TAKEN);
    scene_finish();
}

/* ---- Work ---------------------------------------------------------------- */

static struct effort *effort(void)
{
    return (struct effort *)(uintptr_t)gate_effort(service->gate);
}

static void work(struct caller *c, const struct point *p, uint32_t claims)
{
    struct work_task task = {.effort = claims};
    struct work_proof proof;
    uint64_t nonce = 1;

    caller_seal(c, p->keys.service_key, service->credential);
    memcpy(task.seed, effort()->seed[0], sizeof(task.seed));
    memcpy(task.auth_id, p->keys.auth_id, sizeof(task.auth_id));
    memcpy(task.e, c->noise1, sizeof(task.e));
    assert_int_equal(work_solve(&task, &nonce, 1000000, &proof), OK);
    c->has_work = true;
    c->work.effort = claims;
    work_hint(task.seed, task.auth_id, c->work.hint);
    bytes_put_number(c->work.nonce, sizeof(c->work.nonce), proof.nonce);
    memcpy(c->work.digest, proof.digest, sizeof(c->work.digest));
}

/* The queue is full of those who did nothing: who worked is let in before. */
static void test_gate_work_goes_first(void **state)
{
    const struct service_options o = {.hops = 3};
    struct service_config config = scene_config();
    struct caller c;

    (void)state;
    config.max_queue = 10;
    begin_with(&config, &o);
    effort()->asked = 4;
    for (unsigned i = 0; i < 20; i++)
        come(i % 10, i < 10 ? MEETING_TAKEN : MEETING_BUSY);
    c = caller_of(12);
    work(&c, scene_point(service, 0), 4);
    assert_int_equal(caller_ask(&c, service, scene_point(service, 0)).status,
                     MEETING_TAKEN);
    scene_stems(1);
    scene_tick();
    assert_non_null(scene_to(12, CIRCUIT_BUILDING));
    assert_int_equal(gate_queued(service->gate), 9);
    scene_finish();
}

/* It is of this handshake, this point and this claim. */
static void test_gate_false_work(void **state)
{
    const struct point *p;
    struct caller good, c;

    (void)state;
    begin();
    p = scene_point(service, 0);
    effort()->asked = 64;
    good = caller_of(12);
    work(&good, p, 64);
    for (unsigned i = 0; i < 4; i++) {
        c = caller_of(12);
        c.has_work = true;
        c.work = good.work;
        if (i == 1)
            c.work.effort = UINT32_MAX;
        if (i == 2)
            c.work.nonce[7] ^= 1;
        if (i == 3)
            c.work.digest[0] ^= 1;
        caller_seal(&c, p->keys.service_key, service->credential);
        assert_int_equal(caller_ask(&c, service, p).status, MEETING_REFUSED);
    }
    assert_int_equal(counted(INTRODUCTION_BAD_WORK), 4);
    assert_int_equal(gate_queued(service->gate), 0);
    assert_int_equal(caller_ask(&good, service, p).status, MEETING_TAKEN);
    scene_finish();
}

/* Claims of 2^32-1 by the thousand do not make it dearer for others. */
static void test_gate_claims_do_not_move_the_effort(void **state)
{
    const struct point *p;
    struct caller c;

    (void)state;
    begin();
    p = scene_point(service, 0);
    effort()->asked = EFFORT_FIRST;
    for (unsigned i = 0; i < 1000; i++) {
        c = caller_of(i % 12);
        c.has_work = true;
        c.work.effort = UINT32_MAX;
        work_hint(effort()->seed[0], p->keys.auth_id, c.work.hint);
        caller_seal(&c, p->keys.service_key, service->credential);
        caller_ask(&c, service, p);
    }
    assert_int_equal(counted(INTRODUCTION_BAD_WORK), 1000);
    scene_pass(EFFORT_TURN);
    assert_int_equal(gate_effort(service->gate)->asked, EFFORT_FIRST);
    scene_pass(EFFORT_TURN);
    assert_int_equal(gate_effort(service->gate)->asked, 0);
    scene_finish();
}

/* Who worked and was not met in time counts as refused; who did not work while
 * it was asked for does not. */
static void test_gate_missed_work_raises_the_effort(void **state)
{
    struct caller c;

    (void)state;
    begin();
    effort()->asked = 1500;
    for (unsigned i = 0; i < 5; i++)
        come(i, MEETING_TAKEN);
    scene_pass(EFFORT_TURN);
    assert_true(effort()->asked < 1500);
    effort()->asked = 4;
    c = caller_of(12);
    work(&c, scene_point(service, 0), 4);
    caller_ask(&c, service, scene_point(service, 0));
    scene_pass(VISIT_WAIT);
    assert_int_equal(effort()->refused, 1);
    effort()->asked = 2000;
    scene_pass(EFFORT_TURN);
    assert_int_equal(effort()->asked, 4000);
    scene_finish();
}

/* ---- Members ------------------------------------------------------------- */

static const uint8_t registration[32] = {'m'};

static void join(unsigned max_peers)
{
    const struct service_options o = {.hops = 3, .max_peers = max_peers};
    uint32_t id;

    scene_begin();
    assert_int_equal(service_join(scene.s, bytes_of_text("a string"),
                                  registration, &o, NULL, scene.now, &id),
                     OK);
    service = scene_service(id);
    scene_tick();
}

static struct gate_answer say_as_member(struct caller *c)
{
    const uint8_t auth_id[AUTH_ID_BYTES] = {1};
    struct gate_key key = {.auth_id = auth_id};
    struct meeting_message m = {.type = MEETING_INTRODUCED, .auth_id = auth_id};

    swarm_member_key(service->swarm, &key.secret, &key.key);
    caller_seal(c, key.key, service->credential);
    m.noise = bytes_of(c->noise1, sizeof(c->noise1));
    return gate_invited(service->gate, &key, &m, scene.now);
}

/* As member `n`; `proof_of` is who has made the proof. */
static struct gate_answer member_comes(struct caller *c, uint8_t n,
                                       uint8_t proof_of)
{
    uint8_t secret[32], own[32], e[32];
    const uint8_t *our_secret, *our_key;

    swarm_member_key(service->swarm, &our_secret, &our_key);
    memset(secret, 8 * n, sizeof(secret));
    noise_public_key(secret, c->i.member);
    c->i.has_member = true;
    memset(secret, 8 * proof_of, sizeof(secret));
    noise_public_key(secret, own);
    noise_public_key(c->ephemeral, e);
    assert_int_equal(member_prove(secret, own, our_key, e, c->i.mac), OK);
    return say_as_member(c);
}

static void test_gate_members_prove_who_they_are(void **state)
{
    uint8_t stolen[MEMBER_MAC_BYTES], stolen_from[32];
    struct caller c;

    (void)state;
    join(8);
    c = caller_of(12);
    assert_int_equal(member_comes(&c, 1, 1).status, MEETING_TAKEN);
    memcpy(stolen, c.i.mac, sizeof(stolen));
    memcpy(stolen_from, c.i.member, sizeof(stolen_from));
    c = caller_of(12);
    assert_int_equal(member_comes(&c, 1, 2).status, MEETING_REFUSED);
    /* A proof that was made for another handshake. */
    c = caller_of(12);
    memcpy(c.i.mac, stolen, sizeof(stolen));
    memcpy(c.i.member, stolen_from, sizeof(stolen_from));
    c.i.has_member = true;
    assert_int_equal(say_as_member(&c).status, MEETING_REFUSED);
    c = caller_of(12); /* anonymous */
    assert_int_equal(say_as_member(&c).status, MEETING_REFUSED);
    assert_int_equal(counted(INTRODUCTION_FORGED), 3);
    assert_int_equal(counted(INTRODUCTION_ACCEPTED), 1);
    scene_finish();
}

static void member_joins(uint8_t n)
{
    struct caller c = caller_of(n % 12);
    struct circuit *circuit;

    assert_int_equal(member_comes(&c, n, n).status, MEETING_TAKEN);
    scene_stems(1);
    scene_tick();
    circuit = scene_to(n % 12u, CIRCUIT_BUILDING);
    assert_non_null(circuit);
    scene_reached(circuit);
    assert_true(caller_met(&c, circuit));
    caller_hello(&c, circuit);
    scene_tell();
}

/* Whoever comes may be anybody: a quarter of the places is for those whom we
 * choose, and we still choose when the others are taken. */
static void test_gate_keeps_a_quarter_for_our_choice(void **state)
{
    struct caller c;

    (void)state;
    join(8);
    for (uint8_t n = 1; n <= 6; n++)
        member_joins(n);
    assert_int_equal(scene.there, 6);
    assert_true(scene.last_has_key);
    for (uint8_t n = 7; n < 20; n++) {
        c = caller_of(n % 12);
        assert_int_equal(member_comes(&c, n, n).status, MEETING_BUSY);
    }
    assert_int_equal(counted(INTRODUCTION_FULL), 13);
    assert_true(peer_may_come(service));
    scene_finish();
}

/* ---- MOVE, and what goes on ---------------------------------------------- */

static void say_move(struct caller *c, struct circuit *over,
                     struct caller *next, const uint8_t credential[32])
{
    struct end_message move = {.type = END_MOVE, .cookie = next->i.cookie};
    const struct service_peer *peer = peer_find(scene.s, scene.last_peer);

    assert_non_null(peer);
    caller_seal(next, peer->own, credential);
    move.noise1 = bytes_of(next->noise1, sizeof(next->noise1));
    scene_cell(over, &c->out, &move);
}

static void assert_same_hops(const struct circuit *a, const struct circuit *b)
{
    for (unsigned i = 0; i < 3; i++)
        assert_memory_equal(a->hop[i].target.identity,
                            b->hop[i].target.identity, 32);
}

/* It takes no stem, and its hops are those that the peer has had. */
static void test_gate_move_goes_over_the_same_hops(void **state)
{
    struct caller c, next;
    struct circuit *first, *second;

    (void)state;
    begin();
    c = caller_of(15);
    first = caller_connect(&c, service);
    for (unsigned i = 0; i < 3; i++) {
        scene_pass(2 * TIME_S);
        next = caller_of(14 - i);
        say_move(&c, first, &next, service->credential);
        second = scene_to(14 - i, CIRCUIT_BUILDING);
        assert_non_null(second);
        assert_same_hops(first, second);
        assert_int_equal(second->chosen, 3);
        scene_reached(second);
        assert_true(caller_met(&next, second));
        assert_true(next.resumed);
        caller_hello(&next, second);
        c = next;
        first = second;
    }
    assert_int_equal(scene.there, 1);
    assert_int_equal(scene.gone, 0);
    assert_int_equal(scene.s->peer_count, 1);
    scene_finish();
}

/* Whose MOVE names a member, and who says CLOSE before we are there, is not met
 * as that member: nothing has proven it. */
static void test_gate_move_as_somebody_else(void **state)
{
    const struct end_message close = {.type = END_CLOSE};
    struct caller c, next;
    struct circuit *first, *second;

    (void)state;
    begin();
    c = caller_of(15);
    first = caller_connect(&c, service);
    scene_pass(2 * TIME_S);
    next = caller_of(14);
    next.i.has_member = true;
    memset(next.i.member, 7, sizeof(next.i.member));
    say_move(&c, first, &next, service->credential);
    second = scene_to(14, CIRCUIT_BUILDING);
    assert_non_null(second);
    scene_cell(first, &c.out, &close);
    assert_int_equal(scene.s->peer_count, 0);
    scene_reached(second);
    assert_true(caller_met(&next, second));
    assert_int_equal(scene.s->peer_count, 1);
    assert_false(scene.s->peers[0]->has_key);
    scene_finish();
}

static void test_gate_move_to_nowhere(void **state)
{
    struct caller c, next;
    struct circuit *first;
    const uint8_t wrong[32] = {1};
    const struct end_message data = {
        .type = END_DATA, .port = 9, .payload = bytes_of_text("still")};
    unsigned before;

    (void)state;
    begin();
    c = caller_of(15);
    first = caller_connect(&c, service);
    before = scene.circuits.count;
    scene_pass(2 * TIME_S);
    next = caller_of(14);
    memset(next.i.rendezvous.identity, SCENE_OWN, 32);
    say_move(&c, first, &next, service->credential);
    assert_int_equal(scene.circuits.count, before);
    scene_pass(2 * TIME_S);
    next = caller_of(14);
    say_move(&c, first, &next, wrong);
    assert_int_equal(scene.circuits.count, before);
    scene_cell(first, &c.out, &data); /* the channel lives on */
    assert_int_equal(scene.data, 1);
    assert_int_equal(scene.last_port, 9);
    scene_finish();
}

/* RESUME: through the point, and a peer that is known goes on. */
static void test_gate_resume(void **state)
{
    struct caller c, next;
    struct circuit *circuit;

    (void)state;
    begin();
    c = caller_of(15);
    circuit = caller_connect(&c, service);
    scene_end(circuit, REASON_LINK_LOST, 4);
    next = caller_of(14);
    next.i.resume = true;
    memcpy(next.i.resume_id, c.keys.resume, sizeof(next.i.resume_id));
    caller_connect(&next, service);
    assert_true(next.resumed);
    assert_int_equal(scene.there, 1);
    assert_int_equal(scene.s->peer_count, 1);
    /* By a name that nobody has: somebody new. */
    next = caller_of(13);
    next.i.resume = true;
    memset(next.i.resume_id, 9, sizeof(next.i.resume_id));
    caller_connect(&next, service);
    assert_false(next.resumed);
    assert_int_equal(scene.there, 2);
    scene_finish();
}

/* ---- What is remembered -------------------------------------------------- */

/* 16,384 are known again, and no more memory is taken by more. Who is not
 * known again any more is not taken twice: he is told to say it anew. Honest
 * ones are served all the while. */
static void test_gate_seen_at_its_cap(void **state)
{
    struct caller first, c;
    struct gate_answer a;
    unsigned served = 0;

    (void)state;
    begin();
    first = caller_of(12);
    assert_int_equal(caller_come(&first, service).status, MEETING_TAKEN);
    for (unsigned i = 0; i < 16384; i++) {
        c = caller_of(11);
        memset(c.i.rendezvous.identity, SCENE_OWN, 32);
        assert_int_equal(caller_come(&c, service).status, MEETING_REFUSED);
        if (i % 4096 != 0)
            continue;
        scene_pass(TIME_S);
        c = caller_of(i / 4096);
        assert_int_equal(caller_come(&c, service).status, MEETING_TAKEN);
        served++;
    }
    assert_int_equal(served, 4);
    a = caller_ask(&first, service, scene_point(service, 0));
    assert_int_equal(a.status, MEETING_AGAIN);
    assert_int_equal(counted(INTRODUCTION_ACCEPTED), 1 + served);
    /* One who has our first descriptor needs one round more. */
    c = caller_of(9);
    c.i.greeting = (uint32_t)SCENE_WALL;
    a = caller_come(&c, service);
    assert_int_equal(a.status, MEETING_AGAIN);
    c = caller_of(9);
    c.i.greeting = a.effort;
    assert_int_equal(caller_come(&c, service).status, MEETING_TAKEN);
    scene_finish();
}

/* Without memory nobody is taken twice, and all goes on after. */
static void test_gate_without_memory(void **state)
{
    (void)state;
    for (unsigned n = 1;; n++) {
        struct gate_answer a, b;
        struct caller c;
        bool failed;

        begin();
        c = caller_of(12);
        caller_seal(&c, scene_point(service, 0)->keys.service_key,
                    service->credential);
        scene_stems(2);
        fail_alloc_at(n);
        a = caller_ask(&c, service, scene_point(service, 0));
        failed = fail_alloc_end();
        b = caller_ask(&c, service, scene_point(service, 0));
        assert_true(counted(INTRODUCTION_ACCEPTED) <= 1);
        if (a.status == MEETING_TAKEN)
            assert_int_equal(b.status, MEETING_TAKEN);
        c = caller_of(13);
        assert_int_equal(caller_come(&c, service).status, MEETING_TAKEN);
        scene_finish();
        if (!failed)
            break;
        assert_true(n < 20);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gate_accepts),
        cmocka_unit_test(test_gate_replay_gets_the_same_answer),
        cmocka_unit_test(test_gate_forged),
        cmocka_unit_test(test_gate_strange_is_told_what_to_say),
        cmocka_unit_test(test_gate_greeting_of_the_future),
        cmocka_unit_test(test_gate_refuses_to_come_to_itself),
        cmocka_unit_test(test_gate_private_rendezvous),
        cmocka_unit_test(test_gate_crowded_rendezvous),
        cmocka_unit_test(test_gate_few_relays_are_always_crowded),
        cmocka_unit_test(test_gate_probe),
        cmocka_unit_test(test_gate_order_of_checks),
        cmocka_unit_test(test_gate_full_of_peers),
        cmocka_unit_test(test_gate_join_rate),
        cmocka_unit_test(test_gate_queue_is_bounded),
        cmocka_unit_test(test_gate_work_goes_first),
        cmocka_unit_test(test_gate_false_work),
        cmocka_unit_test(test_gate_claims_do_not_move_the_effort),
        cmocka_unit_test(test_gate_missed_work_raises_the_effort),
        cmocka_unit_test(test_gate_members_prove_who_they_are),
        cmocka_unit_test(test_gate_keeps_a_quarter_for_our_choice),
        cmocka_unit_test(test_gate_move_goes_over_the_same_hops),
        cmocka_unit_test(test_gate_move_to_nowhere),
        cmocka_unit_test(test_gate_move_as_somebody_else),
        cmocka_unit_test(test_gate_resume),
        cmocka_unit_test(test_gate_seen_at_its_cap),
        cmocka_unit_test(test_gate_without_memory),
    };

    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
