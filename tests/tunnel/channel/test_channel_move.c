/* SPDX-License-Identifier: MIT
 *
 * Two channels whose legs change: renewed in time, moved under loss, resumed
 * after a relay died, and all of it at random.
 */
#include "channel/channel_world.h"
#include "fail_alloc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct world w;

static const struct channel_stats *stats(unsigned side)
{
    return channel_stats(w.side[side].ch);
}

static void assert_all_came(unsigned to)
{
    const struct world_side *s = &w.side[to];

    assert_int_equal(s->received, w.side[!to].sent);
    assert_int_equal(s->twice, 0);
    assert_int_equal(s->strange, 0);
}

/* Both talk for so long, a datagram each few ms. */
static void talk(uint64_t time, uint64_t pause)
{
    uint64_t until = w.now + time;

    while (w.now < until) {
        for (unsigned side = 0; side < 2; side++)
            world_say(&w, side, 4 + test_random_below(&w.random, 1200));
        world_run(&w, pause);
    }
}

static unsigned attached(unsigned side)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w.joints; i++)
        n += w.joint[i].end[side].state == END_ATTACHED;
    return n;
}

/* ---- Moves -------------------------------------------------------------- */

/* 50 moves, and not one datagram of those that the network did not lose. */
static void test_channel_moves_without_losing_one(void **state)
{
    (void)state;
    world_init(&w, 1);
    w.life = 2 * TIME_S;
    w.jitter = 30 * TIME_MS;
    world_connect(&w);
    while (stats(OPENER)->moves < 50) {
        talk(TIME_S, 10 * TIME_MS);
        assert_in_range(w.now, 0, WORLD_START + 200 * TIME_S);
    }
    w.life = TIME_NEVER;
    world_run(&w, 10 * TIME_S);
    for (unsigned i = 0; i < 2; i++) {
        assert_all_came(i);
        assert_int_equal(w.side[i].live, 1);
        assert_in_range(stats(i)->moves, 50, 52);
        assert_int_equal(stats(i)->gaps, 0);
        assert_in_range(attached(i), 1, 2);
    }
    assert_in_range(w.side[OPENER].sent, 9000, WORLD_SEQ);
    assert_int_equal(w.side[OPENER].refused, 0);
    assert_int_equal(w.side[RESPONDER].moves, stats(RESPONDER)->moves);
    world_deinit(&w);
}

static void test_channel_moves_under_loss(void **state)
{
    (void)state;
    world_init(&w, 2);
    w.life = 2 * TIME_S;
    w.loss = 100;
    w.jitter = 30 * TIME_MS;
    w.twice = 50;
    world_join(&w, world_joint(&w));
    while (stats(OPENER)->moves < 50) {
        talk(TIME_S, 10 * TIME_MS);
        assert_in_range(w.now, 0, WORLD_START + 300 * TIME_S);
    }
    w.life = TIME_NEVER;
    world_run(&w, 10 * TIME_S);
    for (unsigned i = 0; i < 2; i++) {
        const struct world_side *s = &w.side[i];

        assert_int_equal(s->live, 1);
        assert_int_equal(s->closed, 0);
        assert_int_equal(s->twice + s->strange, 0);
        assert_true(s->received >= w.side[!i].sent * 87 / 100);
        assert_int_equal(stats(i)->gaps, 0);
    }
    world_deinit(&w);
}

/* Both ends keep sending on the old leg until a cell comes on the new one. */
static void test_channel_uses_the_new_leg_after_a_cell(void **state)
{
    struct joint *old, *new;

    (void)state;
    world_init(&w, 3);
    world_connect(&w);
    old = &w.joint[0];
    new = world_joint(&w);
    new->cut = true;
    world_attach(&w, &new->end[RESPONDER]);
    world_attach(&w, &new->end[OPENER]);
    talk(TIME_S, 10 * TIME_MS);
    assert_ptr_equal(world_used(&w, OPENER), old);
    assert_ptr_equal(world_used(&w, RESPONDER), old);
    new->cut = false;
    world_run(&w, TIME_S);
    assert_ptr_equal(world_used(&w, OPENER), new);
    assert_ptr_equal(world_used(&w, RESPONDER), new);
    assert_all_came(OPENER);
    assert_all_came(RESPONDER);
    world_deinit(&w);
}

/* What is still under way on the old leg is taken for 5 s. */
static void test_channel_takes_cells_of_an_old_leg(void **state)
{
    struct joint *new;

    (void)state;
    world_init(&w, 4);
    w.tells = false;
    world_connect(&w);
    w.latency = 4 * TIME_S;
    world_say(&w, OPENER, 10);
    w.latency = TIME_MS;
    new = world_joint(&w);
    world_attach(&w, &new->end[RESPONDER]);
    world_attach(&w, &new->end[OPENER]);
    world_run(&w, TIME_S);
    assert_ptr_equal(world_used(&w, RESPONDER), new);
    world_run(&w, 3500 * TIME_MS);
    assert_all_came(RESPONDER);
    assert_int_equal(w.side[RESPONDER].legs_over, 0);
    world_run(&w, TIME_S);
    assert_int_equal(w.side[RESPONDER].legs_over, 1);
    assert_int_equal(w.side[OPENER].legs_over, 1);
    assert_ptr_equal(world_used(&w, OPENER), new);
    world_deinit(&w);
}

/* A new leg on which nothing comes is given up; the old one stays. */
static void test_channel_gives_up_a_leg_that_never_worked(void **state)
{
    struct joint *new;

    (void)state;
    world_init(&w, 5);
    world_connect(&w);
    new = world_joint(&w);
    new->cut = true;
    world_attach(&w, &new->end[RESPONDER]);
    world_attach(&w, &new->end[OPENER]);
    talk(15 * TIME_S, 10 * TIME_MS);
    for (unsigned i = 0; i < 2; i++) {
        assert_ptr_equal(world_used(&w, i), &w.joint[0]);
        assert_int_equal(new->end[i].state, END_GONE);
        assert_int_equal(stats(i)->gaps, 0);
    }
    world_run(&w, TIME_S);
    assert_all_came(RESPONDER);
    world_deinit(&w);
}

/* The old relay dies in the middle of a move: the opener goes on at once. */
static void test_channel_goes_on_with_the_new_leg(void **state)
{
    struct joint *new;

    (void)state;
    world_init(&w, 6);
    world_connect(&w);
    new = world_joint(&w);
    world_attach(&w, &new->end[RESPONDER]);
    world_attach(&w, &new->end[OPENER]);
    world_cut(&w, &w.joint[0], true);
    assert_int_equal(world_say(&w, OPENER, 4), OK);
    assert_int_equal(world_say(&w, RESPONDER, 4), OK); /* waits */
    world_run(&w, 50 * TIME_MS);
    assert_int_equal(w.side[OPENER].gaps, 0);
    assert_int_equal(w.side[RESPONDER].gaps, 1);
    assert_all_came(OPENER);
    assert_all_came(RESPONDER);
    world_deinit(&w);
}

/* The new relay dies at once: the old leg is still there. */
static void test_channel_goes_back_to_the_old_leg(void **state)
{
    struct joint *new;

    (void)state;
    world_init(&w, 6);
    world_connect(&w);
    for (unsigned i = 0; i < 3; i++) {
        new = world_joint(&w);
        world_join(&w, new);
        talk(2 * TIME_S, 10 * TIME_MS);
        assert_ptr_equal(world_used(&w, OPENER), new);
        world_run(&w, 10 * TIME_MS);
        world_cut(&w, new, true);
        assert_ptr_equal(world_used(&w, OPENER), &w.joint[0]);
        assert_ptr_equal(world_used(&w, RESPONDER), &w.joint[0]);
        talk(6 * TIME_S, 10 * TIME_MS);
    }
    world_run(&w, TIME_S);
    for (unsigned i = 0; i < 2; i++) {
        assert_all_came(i);
        assert_int_equal(stats(i)->gaps, 0);
        assert_int_equal(w.side[i].legs_over, 0);
    }
    world_deinit(&w);
}

/* A leg that was left goes before one that may work soon. */
static void test_channel_makes_room_of_old_legs_first(void **state)
{
    struct joint *new[3];

    (void)state;
    world_init(&w, 6);
    w.tells = false;
    world_connect(&w);
    for (unsigned i = 0; i < 3; i++) {
        new[i] = world_joint(&w);
        new[i]->cut = i > 0;
        world_attach(&w, &new[i]->end[RESPONDER]);
        world_attach(&w, &new[i]->end[OPENER]);
        world_run(&w, 100 * TIME_MS);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(w.joint[0].end[i].state, END_GONE);
        assert_int_equal(attached(i), 3);
        assert_ptr_equal(world_used(&w, i), new[0]);
    }
    world_deinit(&w);
}

static void test_channel_refuses_a_move(void **state)
{
    (void)state;
    world_init(&w, 7);
    w.answer = REASON_FULL;
    world_connect(&w);
    world_move(&w);
    world_run(&w, TIME_S);
    assert_int_equal(w.side[RESPONDER].moves, 1);
    assert_int_equal(w.side[OPENER].refused, 1);
    assert_int_equal(w.side[OPENER].refused_why, REASON_FULL);
    assert_ptr_equal(world_used(&w, OPENER), &w.joint[0]);
    world_deinit(&w);
}

/* MOVE is repeated, asked once, and given up in the end. */
static void test_channel_repeats_a_move(void **state)
{
    uint32_t large;

    (void)state;
    world_init(&w, 8);
    w.mute = true;
    world_connect(&w);
    world_move(&w);
    world_run(&w, CHANNEL_MOVE_TIME - TIME_MS);
    assert_int_equal(w.side[RESPONDER].moves, 1);
    large = w.side[OPENER].cells[1] + w.side[OPENER].cells[0];
    assert_in_range(large, 50, 80);
    assert_int_equal(w.side[OPENER].refused, 0);
    world_run(&w, 2 * TIME_MS);
    assert_int_equal(w.side[OPENER].refused, 1);
    assert_int_equal(w.side[OPENER].refused_why, REASON_TIMEOUT);
    assert_int_equal(stats(OPENER)->gaps, 0);
    world_deinit(&w);
}

/* MOVE is not said again once the responder comes. */
static void test_channel_repeats_no_answered_move(void **state)
{
    (void)state;
    world_init(&w, 8);
    world_connect(&w);
    world_move(&w);
    world_run(&w, 5500 * TIME_US);
    w.events = 0; /* but it does not */
    world_run(&w, CHANNEL_MOVE_TIME);
    assert_int_equal(w.side[OPENER].cells[0] + w.side[OPENER].cells[1], 2);
    assert_int_equal(w.side[OPENER].refused, 1);
    assert_int_equal(w.side[OPENER].refused_why, REASON_TIMEOUT);
    world_deinit(&w);
}

/* An answer that is lost is given again, without asking twice. */
static void test_channel_answers_a_move_again(void **state)
{
    (void)state;
    world_init(&w, 9);
    world_connect(&w);
    world_move(&w);
    world_run(&w, 5500 * TIME_US); /* MOVE is there, MOVED under way */
    assert_int_equal(w.side[RESPONDER].moves, 1);
    w.packets = 0;
    w.events = 0; /* nor does anybody come */
    world_run(&w, TIME_S);
    assert_int_equal(w.side[RESPONDER].moves, 1);
    assert_in_range(w.side[OPENER].cells[0] + w.side[OPENER].cells[1], 2, 4);
    world_deinit(&w);
}

static void test_channel_asks_to_renew_until_it_is_begun(void **state)
{
    (void)state;
    world_init(&w, 10);
    w.answer = REASON_FULL;
    w.life = 20 * TIME_S;
    world_connect(&w);
    world_run(&w, 19 * TIME_S);
    assert_int_equal(w.side[OPENER].renews, 0);
    world_run(&w, 12 * TIME_S);
    assert_int_equal(w.side[OPENER].renews, 3);
    assert_int_equal(w.side[OPENER].refused, 3);
    w.answer = REASON_UNKNOWN;
    world_run(&w, 6 * TIME_S);
    assert_int_equal(stats(OPENER)->moves, 1);
    assert_int_equal(w.side[RESPONDER].renews, 0);
    world_deinit(&w);
}

/* A client that wants to be met elsewhere all the time. */
static void test_channel_bounds_the_moves_of_an_opener(void **state)
{
    (void)state;
    world_init(&w, 11);
    w.mute = true;
    world_connect(&w);
    for (unsigned i = 0; i < 1000; i++) {
        world_move(&w);
        world_run(&w, 10 * TIME_MS);
    }
    assert_in_range(w.side[RESPONDER].moves, 9, 11);
    assert_int_equal(
        stats(RESPONDER)->dropped_message + w.side[RESPONDER].moves, 1000);
    world_deinit(&w);
}

static void test_channel_makes_room_for_the_newest_legs(void **state)
{
    (void)state;
    world_init(&w, 12);
    w.resumes = w.tells = false;
    world_connect(&w);
    for (unsigned i = 0; i < 100; i++) {
        world_attach(&w, &world_joint(&w)->end[RESPONDER]);
        assert_in_range(attached(RESPONDER), 1, CHANNEL_LEGS);
    }
    assert_int_equal(w.side[RESPONDER].legs_over, 98);
    assert_int_equal(w.joint[0].end[RESPONDER].state, END_ATTACHED);
    assert_int_equal(w.joint[100].end[RESPONDER].state, END_ATTACHED);
    world_run(&w, 11 * TIME_S);
    assert_int_equal(attached(RESPONDER), 1);
    assert_int_equal(w.side[RESPONDER].closed, 0);
    world_deinit(&w);
}

/* ---- Gaps --------------------------------------------------------------- */

static void test_channel_resumes_when_the_relay_dies(void **state)
{
    (void)state;
    world_init(&w, 20);
    world_connect(&w);
    for (unsigned i = 1; i <= 20; i++) {
        talk(TIME_S, 10 * TIME_MS);
        world_run(&w, 20 * TIME_MS); /* nothing is under way */
        world_cut(&w, world_used(&w, OPENER), true);
        assert_int_equal(w.side[OPENER].gaps, i);
        assert_int_equal(w.side[RESPONDER].gaps, i);
    }
    talk(TIME_S, 10 * TIME_MS);
    world_run(&w, TIME_S);
    for (unsigned i = 0; i < 2; i++) {
        assert_all_came(i);
        assert_int_equal(w.side[i].live, 1);
        assert_int_equal(stats(i)->gaps, 20);
        assert_in_range(stats(i)->longest_gap, 5 * TIME_MS, 30 * TIME_MS);
    }
    world_deinit(&w);
}

static void test_channel_queues_in_a_gap(void **state)
{
    (void)state;
    world_init(&w, 21);
    w.resumes = false;
    world_connect(&w);
    world_cut(&w, &w.joint[0], true);
    for (unsigned side = 0; side < 2; side++) {
        assert_true(channel_in_gap(w.side[side].ch));
        for (unsigned i = 0; i < CHANNEL_QUEUE; i++)
            assert_int_equal(world_say(&w, side, 100), OK);
        assert_int_equal(world_say(&w, side, 4), ERR_FULL);
        assert_int_equal(stats(side)->dropped_queue, 1);
        assert_int_equal(stats(side)->sent, 0);
    }
    world_run(&w, 30 * TIME_S);
    world_join(&w, world_joint(&w));
    world_run(&w, TIME_S);
    for (unsigned side = 0; side < 2; side++) {
        assert_all_came(side);
        assert_true(w.side[side].in_order);
        assert_in_range(stats(side)->longest_gap, 30 * TIME_S, 31 * TIME_S);
    }
    assert_int_equal(world_say(&w, OPENER, 4), OK);
    assert_int_equal(world_say(&w, RESPONDER, 4), OK);
    world_deinit(&w);
}

static void test_channel_bounds_the_bytes_of_a_gap(void **state)
{
    (void)state;
    world_init(&w, 22);
    w.resumes = false;
    world_connect(&w);
    world_cut(&w, &w.joint[0], true);
    for (unsigned i = 0; i < 6; i++)
        assert_int_equal(world_say(&w, OPENER, CHANNEL_PAYLOAD_MAX), OK);
    assert_int_equal(world_say(&w, OPENER, CHANNEL_PAYLOAD_MAX), ERR_FULL);
    assert_int_equal(
        world_say(&w, OPENER, CHANNEL_QUEUE_BYTES - 6 * CHANNEL_PAYLOAD_MAX),
        OK);
    assert_int_equal(world_say(&w, OPENER, 4), ERR_FULL);
    world_join(&w, world_joint(&w));
    world_run(&w, TIME_S);
    assert_all_came(RESPONDER);
    world_deinit(&w);
}

static void test_channel_ends_after_a_long_gap(void **state)
{
    (void)state;
    world_init(&w, 23);
    w.resumes = false;
    world_connect(&w);
    world_cut(&w, &w.joint[0], true);
    world_say(&w, OPENER, 4);
    world_run(&w, CHANNEL_GRACE - TIME_MS);
    assert_int_equal(w.side[OPENER].closed + w.side[RESPONDER].closed, 0);
    world_run(&w, 2 * TIME_MS);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(w.side[i].closed, 1);
        assert_int_equal(w.side[i].why, REASON_TIMEOUT);
    }
    world_deinit(&w);
}

/* Legs that come and never work do not make a gap shorter. */
static void test_channel_measures_a_gap_to_the_first_cell(void **state)
{
    (void)state;
    world_init(&w, 24);
    w.resumes = false;
    world_connect(&w);
    world_cut(&w, &w.joint[0], true);
    for (unsigned i = 0; i < 6 && w.side[OPENER].ch != NULL; i++) {
        struct joint *j = world_joint(&w);

        j->cut = true;
        world_join(&w, j);
        world_run(&w, 10 * TIME_S + TIME_MS);
    }
    assert_int_equal(w.side[OPENER].closed, 1);
    assert_int_equal(w.side[RESPONDER].closed, 1);
    world_deinit(&w);
}

/* ---- Names -------------------------------------------------------------- */

static bool knows(const struct joint *j)
{
    return channel_resumes(w.side[RESPONDER].ch, j->end[RESPONDER].keys.resume);
}

static void test_channel_has_a_name_for_a_resume(void **state)
{
    uint8_t id[CHANNEL_RESUME_BYTES];
    struct joint *j, *k;

    (void)state;
    world_init(&w, 25);
    assert_false(channel_resume_id(w.side[OPENER].ch, id));
    assert_false(channel_resumes(w.side[RESPONDER].ch, id));
    world_connect(&w);
    assert_true(channel_resume_id(w.side[OPENER].ch, id));
    assert_memory_equal(id, w.joint[0].end[RESPONDER].keys.resume, sizeof(id));
    assert_true(knows(&w.joint[0]));

    /* The responder is there, the opener never hears of it. */
    for (unsigned i = 0; i < 5; i++) {
        j = world_joint(&w);
        world_attach(&w, &j->end[RESPONDER]);
        world_detach(&w, &j->end[RESPONDER]);
        assert_true(knows(&w.joint[0]));
        assert_true(knows(j));
    }
    /* The opener is there, and the responder never hears a cell. */
    k = world_joint(&w);
    k->cut = true;
    world_attach(&w, &k->end[RESPONDER]);
    world_attach(&w, &k->end[OPENER]);
    world_cut(&w, k, true);
    channel_resume_id(w.side[OPENER].ch, id);
    assert_true(channel_resumes(w.side[RESPONDER].ch, id));

    /* The opener alone has one: that is no name for it. */
    k = world_joint(&w);
    k->cut = true;
    world_attach(&w, &k->end[OPENER]);
    channel_resume_id(w.side[OPENER].ch, id);
    assert_true(channel_resumes(w.side[RESPONDER].ch, id));
    assert_false(knows(k));
    world_cut(&w, k, true);

    /* Eight names are known, and that of the leg in use. */
    world_join(&w, world_joint(&w));
    world_run(&w, TIME_S);
    assert_true(knows(&w.joint[0]));
    world_attach(&w, &world_joint(&w)->end[RESPONDER]);
    assert_false(knows(&w.joint[0]));
    assert_true(knows(&w.joint[1]));
    channel_resume_id(w.side[OPENER].ch, id);
    assert_memory_equal(id, w.joint[w.joints - 2].end[OPENER].keys.resume,
                        sizeof(id));
    assert_true(channel_resumes(w.side[RESPONDER].ch, id));
    world_deinit(&w);
}

/* As docs/protocol-services.md says. */
static void test_channel_keys_are_those_of_the_handshake(void **state)
{
    struct channel_keys o, r;
    struct noise_keys keys;

    (void)state;
    memset(&keys, 1, sizeof(keys));
    memset(keys.to_initiator, 2, sizeof(keys.to_initiator));
    channel_keys_of(&keys, true, &o);
    channel_keys_of(&keys, false, &r);
    assert_memory_equal(o.out, keys.to_responder, NOISE_KEY_BYTES);
    assert_memory_equal(o.in, keys.to_initiator, NOISE_KEY_BYTES);
    assert_memory_equal(r.in, keys.to_responder, NOISE_KEY_BYTES);
    assert_memory_equal(r.out, keys.to_initiator, NOISE_KEY_BYTES);
    assert_memory_equal(o.resume, r.resume, CHANNEL_RESUME_BYTES);
    assert_memory_equal(o.resume,
                        test_hex("320f0cd78c8927c60312f845f46561fe").p,
                        CHANNEL_RESUME_BYTES);
}

/* ---- Everything at random ------------------------------------------------ */

static bool quiet_network; /* loses nothing, and no relay dies */

static void act(void)
{
    struct joint *j;
    unsigned side = test_random_below(&w.random, 2);

    switch (test_random_below(&w.random, quiet_network ? 24 : 26)) {
    case 0:
        world_move(&w);
        break;
    case 1:
        world_run(&w, test_random_next(&w.random) % (3 * TIME_S));
        break;
    case 2:
        world_say(&w, side,
                  4 + test_random_below(&w.random, CHANNEL_PAYLOAD_MAX - 3));
        world_run(&w, 20 * TIME_MS);
        break;
    case 24:
        j = world_used(&w, side);
        if (j != NULL)
            world_cut(&w, j, test_random_below(&w.random, 2) == 0);
        break;
    case 25:
        w.loss = test_random_below(&w.random, 300);
        w.swap = test_random_below(&w.random, 30);
        w.flip = test_random_below(&w.random, 30);
        break;
    default:
        world_say(&w, side, 4 + test_random_below(&w.random, 1200));
        world_run(&w, test_random_next(&w.random) % (20 * TIME_MS));
        break;
    }
}

/* The model: what came was sent, as it was, and once; with a good network all
 * of it came. Both end with the legs that they use, and no other. */
static void random_schedule(bool quiet)
{
    quiet_network = quiet;
    w.jitter = 20 * TIME_MS;
    w.twice = w.replay = 30;
    w.life = TIME_MIN;
    world_connect(&w);
    for (unsigned i = 0;
         i < 1500 && w.side[OPENER].ch != NULL && w.side[RESPONDER].ch != NULL;
         i++) {
        act();
        assert_in_range(attached(OPENER), 0, CHANNEL_LEGS);
        assert_in_range(attached(RESPONDER), 0, CHANNEL_LEGS);
        assert_in_range(w.budget.used, 0, w.budget.max);
    }
    w.loss = w.swap = w.flip = 0;
    w.life = TIME_NEVER;
    world_run(&w, 30 * TIME_S);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(w.side[i].live, 1);
        assert_int_equal(w.side[i].twice + w.side[i].strange, 0);
        assert_in_range(w.side[i].received, 0, w.side[!i].sent);
        if (quiet)
            assert_all_came(i);
        if (w.side[i].ch != NULL)
            assert_int_equal(attached(i), world_used(&w, i) != NULL);
    }
}

static void test_channel_random_schedules_without_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        world_init(&w, 100 + seed);
        random_schedule(true);
        assert_int_equal(stats(OPENER)->gaps + stats(RESPONDER)->gaps, 0);
        world_deinit(&w);
    }
}

static void test_channel_random_schedules(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        world_init(&w, 200 + seed);
        random_schedule(false);
        assert_non_null(w.side[OPENER].ch);
        assert_false(channel_in_gap(w.side[OPENER].ch));
        world_deinit(&w);
    }
}

/* ---- Memory ------------------------------------------------------------- */

static void test_channel_works_without_memory(void **state)
{
    struct channel_env env = world_env(&w);
    struct channel *ch;

    (void)state;
    fail_alloc_at(1);
    assert_int_equal(channel_new(&env, NULL, true, &w.budget, &ch),
                     ERR_NO_MEMORY);
    assert_true(fail_alloc_end());
    for (unsigned n = 1;; n++) {
        world_init(&w, 40);
        world_connect(&w);
        fail_alloc_at(n);
        world_say(&w, OPENER, 5000);
        world_move(&w);
        world_run(&w, TIME_S);
        world_cut(&w, world_used(&w, OPENER), true);
        for (unsigned i = 0; i < 3; i++)
            world_say(&w, RESPONDER, 4);
        world_run(&w, TIME_S);
        assert_int_equal(w.side[OPENER].received, w.side[RESPONDER].sent);
        assert_in_range(w.side[RESPONDER].received, w.side[OPENER].sent - 1,
                        w.side[OPENER].sent);
        assert_false(channel_in_gap(w.side[OPENER].ch));
        world_deinit(&w);
        if (!fail_alloc_end())
            break;
        assert_in_range(n, 1, 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channel_moves_without_losing_one),
        cmocka_unit_test(test_channel_moves_under_loss),
        cmocka_unit_test(test_channel_uses_the_new_leg_after_a_cell),
        cmocka_unit_test(test_channel_takes_cells_of_an_old_leg),
        cmocka_unit_test(test_channel_gives_up_a_leg_that_never_worked),
        cmocka_unit_test(test_channel_goes_on_with_the_new_leg),
        cmocka_unit_test(test_channel_goes_back_to_the_old_leg),
        cmocka_unit_test(test_channel_makes_room_of_old_legs_first),
        cmocka_unit_test(test_channel_refuses_a_move),
        cmocka_unit_test(test_channel_repeats_a_move),
        cmocka_unit_test(test_channel_repeats_no_answered_move),
        cmocka_unit_test(test_channel_answers_a_move_again),
        cmocka_unit_test(test_channel_asks_to_renew_until_it_is_begun),
        cmocka_unit_test(test_channel_bounds_the_moves_of_an_opener),
        cmocka_unit_test(test_channel_makes_room_for_the_newest_legs),
        cmocka_unit_test(test_channel_resumes_when_the_relay_dies),
        cmocka_unit_test(test_channel_queues_in_a_gap),
        cmocka_unit_test(test_channel_bounds_the_bytes_of_a_gap),
        cmocka_unit_test(test_channel_ends_after_a_long_gap),
        cmocka_unit_test(test_channel_measures_a_gap_to_the_first_cell),
        cmocka_unit_test(test_channel_has_a_name_for_a_resume),
        cmocka_unit_test(test_channel_keys_are_those_of_the_handshake),
        cmocka_unit_test(test_channel_random_schedules_without_loss),
        cmocka_unit_test(test_channel_random_schedules),
        cmocka_unit_test(test_channel_works_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
