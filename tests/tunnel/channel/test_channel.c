/* SPDX-License-Identifier: MIT
 *
 * Two channels on a leg that stays: live, data, cells, questions, closing.
 */
#include "channel/channel_world.h"
#include "fail_alloc.h"
#include "tunnel/channel/end_message.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct world w;

static void assert_all_came(unsigned to)
{
    const struct world_side *s = &w.side[to];

    assert_int_equal(s->received, w.side[!to].sent);
    assert_int_equal(s->twice, 0);
    assert_int_equal(s->strange, 0);
}

static void test_channel_is_live_once(void **state)
{
    (void)state;
    world_init(&w, 1);
    assert_false(channel_is_live(w.side[OPENER].ch));
    assert_true(channel_in_gap(w.side[OPENER].ch));
    world_connect(&w);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(channel_is_live(w.side[i].ch));
        assert_false(channel_in_gap(w.side[i].ch));
        assert_int_equal(channel_is_opener(w.side[i].ch), i == OPENER);
    }
    assert_in_range(channel_rtt(w.side[OPENER].ch), 10 * TIME_MS, 11 * TIME_MS);
    assert_int_equal(w.side[OPENER].cells[0], 1);
    assert_int_equal(w.side[RESPONDER].cells[0], 1);
    world_deinit(&w);
}

static void test_channel_responder_is_silent_until_a_cell_comes(void **state)
{
    (void)state;
    world_init(&w, 1);
    world_attach(&w, &world_joint(&w)->end[RESPONDER]);
    assert_int_equal(world_say(&w, RESPONDER, 4), OK);
    world_run(&w, TIME_S);
    assert_int_equal(w.side[RESPONDER].cells[0], 0);
    world_attach(&w, &w.joint[0].end[OPENER]);
    world_run(&w, TIME_S);
    assert_all_came(OPENER);
    world_deinit(&w);
}

/* Data that overtakes a lost HELLO is not lost. */
static void test_channel_data_makes_it_live_too(void **state)
{
    struct joint *j;

    (void)state;
    world_init(&w, 1);
    j = world_joint(&w);
    world_attach(&w, &j->end[RESPONDER]);
    w.loss = 1000;
    world_attach(&w, &j->end[OPENER]);
    w.loss = 0;
    assert_int_equal(world_say(&w, OPENER, 10), OK);
    world_run(&w, 6 * TIME_MS);
    assert_int_equal(w.side[RESPONDER].live, 1);
    assert_all_came(RESPONDER);
    world_run(&w, TIME_S);
    assert_int_equal(w.side[OPENER].live, 1);
    assert_int_equal(w.side[RESPONDER].live, 1);
    world_deinit(&w);
}

/* Either way, to either side of streams; in a gap they are lost. */
static void test_channel_carries_packets_of_streams(void **state)
{
    static const uint8_t packet[END_PACKET_MAX];

    (void)state;
    world_init(&w, 1);
    channel_packet(w.side[OPENER].ch, true, bytes_of(packet, 9), w.now);
    world_connect(&w);
    channel_packet(w.side[OPENER].ch, true, bytes_of(packet, 1), w.now);
    channel_packet(w.side[OPENER].ch, false, bytes_of(packet, 2), w.now);
    channel_packet(w.side[RESPONDER].ch, false,
                   bytes_of(packet, sizeof(packet)), w.now);
    world_run(&w, TIME_S);
    assert_int_equal(w.side[RESPONDER].packets[true], 1);
    assert_int_equal(w.side[RESPONDER].packets[false], 1);
    assert_int_equal(w.side[RESPONDER].packet_bytes, 3);
    assert_int_equal(w.side[OPENER].packets[true], 0);
    assert_int_equal(w.side[OPENER].packets[false], 1);
    assert_int_equal(w.side[OPENER].packet_bytes, sizeof(packet));
    assert_int_equal(w.side[OPENER].received + w.side[RESPONDER].received, 0);
    channel_close(w.side[OPENER].ch, REASON_REQUESTED, w.now);
    channel_packet(w.side[OPENER].ch, true, bytes_of(packet, 1), w.now);
    world_run(&w, TIME_S);
    assert_int_equal(w.side[RESPONDER].packets[true], 1);
    world_deinit(&w);
}

static void test_channel_chooses_the_cell_by_length(void **state)
{
    static const struct {
        size_t len;
        unsigned small, large;
    } cases[] = {{4, 1, 0},
                 {208, 1, 0},
                 {211, 1, 0},
                 {212, 0, 1},
                 {1232, 0, 1},
                 {1233, 1, 1},
                 {1415, 1, 1},
                 {1430, 0, 2},
                 {2 * PIECE_BYTES - 6, 0, 2},
                 {CHANNEL_PAYLOAD_MAX, 0, 8}};

    (void)state;
    world_init(&w, 1);
    world_connect(&w);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint32_t small = w.side[OPENER].cells[0];
        uint32_t large = w.side[OPENER].cells[1];

        assert_int_equal(world_say(&w, OPENER, cases[i].len), OK);
        assert_int_equal(w.side[OPENER].cells[0] - small, cases[i].small);
        assert_int_equal(w.side[OPENER].cells[1] - large, cases[i].large);
        world_run(&w, 10 * TIME_MS);
    }
    assert_all_came(RESPONDER);
    assert_int_equal(world_say(&w, OPENER, CHANNEL_PAYLOAD_MAX + 1),
                     ERR_TOO_LARGE);
    world_deinit(&w);
}

static void test_channel_counts_datagrams(void **state)
{
    const struct channel_stats *sent, *got;

    (void)state;
    world_init(&w, 1);
    world_connect(&w);
    world_say(&w, OPENER, 100);
    world_say(&w, OPENER, 5000);
    world_run(&w, 50 * TIME_MS);
    sent = channel_stats(w.side[OPENER].ch);
    got = channel_stats(w.side[RESPONDER].ch);
    assert_int_equal(sent->sent, 2);
    assert_int_equal(sent->bytes_sent, 5100);
    assert_int_equal(got->received, 2);
    assert_int_equal(got->bytes_received, 5100);
    assert_int_equal(sent->sent + got->sent, 2);
    world_deinit(&w);
}

static void talk(unsigned datagrams, size_t longest)
{
    for (unsigned i = 0; i < datagrams; i++) {
        for (unsigned side = 0; side < 2; side++)
            world_say(&w, side,
                      4 + test_random_below(&w.random, (uint32_t)longest));
        world_run(&w, 2 * TIME_MS);
    }
    world_run(&w, 2 * TIME_S);
}

static void test_channel_survives_a_bad_network(void **state)
{
    (void)state;
    world_init(&w, 2);
    world_connect(&w);
    w.loss = 100;
    w.twice = w.flip = w.replay = 50;
    w.jitter = 40 * TIME_MS;
    talk(3000, 1000);
    for (unsigned i = 0; i < 2; i++) {
        const struct channel_stats *st = channel_stats(w.side[i].ch);

        assert_int_equal(w.side[i].live, 1);
        assert_int_equal(w.side[i].twice, 0);
        assert_int_equal(w.side[i].strange, 0);
        assert_in_range(w.side[i].received, 2400, 2700);
        assert_in_range(st->dropped_layer, 200, 1000);
        assert_int_equal(st->dropped_message, 0);
        assert_int_equal(st->gaps, 0);
    }
    world_deinit(&w);
}

/* With no loss nothing is lost, whatever comes twice, late or out of order. */
static void test_channel_loses_nothing_that_the_network_does_not(void **state)
{
    (void)state;
    world_init(&w, 3);
    world_connect(&w);
    w.twice = w.replay = 100;
    w.jitter = 60 * TIME_MS;
    talk(3000, 1200);
    w.jitter = 6 * TIME_MS; /* at most 4 long ones at a time */
    talk(500, 9000);
    assert_all_came(OPENER);
    assert_all_came(RESPONDER);
    world_deinit(&w);
}

static void test_channel_needs_no_memory_to_talk(void **state)
{
    (void)state;
    world_init(&w, 4);
    world_connect(&w);
    fail_alloc_at(1);
    talk(300, 1200);
    assert_false(fail_alloc_end());
    assert_all_came(RESPONDER);
    world_deinit(&w);
}

/* ---- Questions ---------------------------------------------------------- */

static void test_channel_keeps_circuits_from_being_idle(void **state)
{
    (void)state;
    world_init(&w, 5);
    world_connect(&w);
    world_run(&w, 30 * TIME_MIN);
    for (unsigned i = 0; i < 2; i++) {
        assert_in_range(w.side[i].quiet, 45 * TIME_S, 76 * TIME_S);
        assert_in_range(w.side[i].cells[0], 24, 42);
        assert_int_equal(channel_stats(w.side[i].ch)->gaps, 0);
    }
    world_deinit(&w);
}

/* Nobody answers datagrams that want no answer, but that they come is known. */
static void test_channel_asks_when_nothing_comes_back(void **state)
{
    (void)state;
    world_init(&w, 6);
    world_connect(&w);
    for (unsigned i = 0; i < 1000; i++) {
        world_say(&w, OPENER, 4);
        world_run(&w, 10 * TIME_MS);
    }
    assert_all_came(RESPONDER);
    assert_in_range(w.side[RESPONDER].cells[0], 290, 340); /* each 30 ms */
    assert_int_equal(channel_stats(w.side[OPENER].ch)->gaps, 0);
    world_deinit(&w);
}

static void test_channel_gives_up_a_silent_leg(void **state)
{
    uint64_t from;

    (void)state;
    world_init(&w, 7);
    w.resumes = w.tells = false;
    world_connect(&w);
    world_cut(&w, &w.joint[0], false);
    from = w.now;
    world_say(&w, OPENER, 4);
    while (w.side[OPENER].gaps == 0 && w.now < from + TIME_MIN)
        world_run(&w, 100 * TIME_MS);
    assert_in_range(w.now - from, 4 * TIME_S, 6 * TIME_S);
    assert_int_equal(w.side[OPENER].legs_over, 1);
    assert_null(channel_circuit(w.side[OPENER].ch));
    /* The responder sent nothing, and finds out by its keepalive. */
    world_run(&w, 90 * TIME_S);
    assert_int_equal(w.side[RESPONDER].gaps, 1);
    world_deinit(&w);
}

/* A leg whose relay died without a word: the opener does not wait until it is
 * dead. The round trip is 10 ms. */
static void test_channel_doubts_a_silent_leg(void **state)
{
    uint64_t from;

    (void)state;
    world_init(&w, 7);
    w.tells = false;
    w.resumes_in_doubt = true;
    world_connect(&w);
    world_cut(&w, &w.joint[0], false);
    from = w.now;
    while (w.side[OPENER].doubts == 0 && w.now < from + TIME_MIN) {
        world_say(&w, OPENER, 4);
        world_run(&w, 10 * TIME_MS);
    }
    assert_in_range(w.now - from, 120 * TIME_MS, 300 * TIME_MS);
    assert_true(channel_in_doubt(w.side[OPENER].ch));
    assert_non_null(channel_circuit(w.side[OPENER].ch));
    world_run(&w, 100 * TIME_MS);
    assert_ptr_equal(world_used(&w, OPENER), &w.joint[1]);
    assert_ptr_equal(world_used(&w, RESPONDER), &w.joint[1]);
    assert_false(channel_in_doubt(w.side[OPENER].ch));
    world_run(&w, TIME_MIN);
    assert_int_equal(w.side[OPENER].doubts, 1);
    assert_int_equal(w.side[RESPONDER].doubts, 0);
    assert_int_equal(channel_stats(w.side[OPENER].ch)->gaps, 0);
    world_deinit(&w);
}

/* An answer ends it, and the leg stays. */
static void test_channel_doubts_and_is_answered(void **state)
{
    (void)state;
    world_init(&w, 7);
    world_connect(&w);
    w.loss = 1000;
    world_say(&w, OPENER, 4);
    world_run(&w, 400 * TIME_MS);
    assert_int_equal(w.side[OPENER].doubts, 1);
    assert_true(channel_in_doubt(w.side[OPENER].ch));
    w.loss = 0;
    world_run(&w, 200 * TIME_MS);
    assert_false(channel_in_doubt(w.side[OPENER].ch));
    assert_ptr_equal(world_used(&w, OPENER), &w.joint[0]);
    assert_int_equal(w.joints, 1);
    world_deinit(&w);
}

/* A network that loses much for ten minutes has no storm of resumes. */
static void test_channel_doubts_seldom(void **state)
{
    unsigned early;

    (void)state;
    world_init(&w, 9);
    world_connect(&w);
    w.loss = 600;
    for (unsigned i = 0; i < 600; i++) {
        world_say(&w, OPENER, 4);
        world_run(&w, TIME_S);
        if (i == 60)
            early = w.side[OPENER].doubts;
    }
    assert_in_range(early, 2, 6);
    assert_in_range(w.side[OPENER].doubts, 8, 15);
    /* Then all is well for a while: the next one is told at once. */
    w.loss = 0;
    world_run(&w, 5 * TIME_MIN);
    early = w.side[OPENER].doubts;
    for (unsigned i = 0; i < 2; i++) {
        w.loss = 1000;
        world_say(&w, OPENER, 4);
        world_run(&w, TIME_S);
        w.loss = 0;
        world_run(&w, 1500 * TIME_MS);
    }
    assert_int_equal(w.side[OPENER].doubts, early + 2);
    world_deinit(&w);
}

/* Round trips of seconds are no silence. */
static void test_channel_learns_the_round_trip(void **state)
{
    (void)state;
    world_init(&w, 8);
    w.latency = 900 * TIME_MS;
    world_join(&w, world_joint(&w));
    world_run(&w, 5 * TIME_S);
    for (unsigned i = 0; i < 100; i++) {
        world_say(&w, OPENER, 4);
        world_run(&w, TIME_S);
    }
    assert_int_equal(channel_stats(w.side[OPENER].ch)->gaps, 0);
    assert_in_range(channel_rtt(w.side[OPENER].ch), 1800 * TIME_MS,
                    1801 * TIME_MS);
    world_deinit(&w);
}

/* A minute of bad loss is no silence either. */
static void test_channel_keeps_a_leg_that_loses_much(void **state)
{
    (void)state;
    world_init(&w, 9);
    world_connect(&w);
    w.loss = 150;
    for (unsigned i = 0; i < 600; i++) {
        world_say(&w, OPENER, 4);
        world_run(&w, TIME_S);
    }
    assert_int_equal(channel_stats(w.side[OPENER].ch)->gaps, 0);
    world_deinit(&w);
}

static void
test_channel_responder_waits_for_a_first_cell_only_so_long(void **state)
{
    (void)state;
    world_init(&w, 10);
    world_attach(&w, &world_joint(&w)->end[RESPONDER]);
    world_run(&w, 9 * TIME_S);
    assert_int_equal(w.side[RESPONDER].closed, 0);
    world_run(&w, 2 * TIME_S);
    assert_int_equal(w.side[RESPONDER].closed, 1);
    assert_int_equal(w.side[RESPONDER].why, REASON_TIMEOUT);
    assert_int_equal(w.side[RESPONDER].legs_over, 1);
    assert_int_equal(w.side[RESPONDER].live, 0);
    world_deinit(&w);
}

/* ---- Closing ------------------------------------------------------------ */

static void test_channel_closes_on_both_sides(void **state)
{
    (void)state;
    for (unsigned by = 0; by < 2; by++) {
        world_init(&w, 11);
        w.tells = false;
        world_connect(&w);
        channel_close(w.side[by].ch, REASON_SHUTDOWN, w.now);
        channel_close(w.side[by].ch, REASON_IDLE, w.now);
        assert_int_equal(world_say(&w, by, 4), ERR_NOT_FOUND);
        world_run(&w, 50 * TIME_MS);
        for (unsigned i = 0; i < 2; i++) {
            assert_int_equal(w.side[i].closed, 1);
            assert_int_equal(w.side[i].why, REASON_SHUTDOWN);
            assert_int_equal(w.side[i].legs_over, 1);
            assert_int_equal(w.side[i].gaps, 0);
        }
        world_deinit(&w);
    }
}

static void refuse(struct world_side *s)
{
    channel_close(s->ch, REASON_POLICY, s->w->now);
}

/* A holder that does not want the other end closes when it is live. */
static void test_channel_refuses_who_is_not_wanted(void **state)
{
    struct joint *j;

    (void)state;
    world_init(&w, 11);
    w.side[RESPONDER].hook = refuse;
    j = world_joint(&w);
    world_attach(&w, &j->end[RESPONDER]);
    w.loss = 1000; /* HELLO */
    world_attach(&w, &j->end[OPENER]);
    w.loss = 0;
    world_say(&w, OPENER, 4);
    world_run(&w, TIME_S);
    assert_int_equal(w.side[RESPONDER].received, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(w.side[i].closed, 1);
        assert_int_equal(w.side[i].why, REASON_POLICY);
    }
    world_deinit(&w);
}

static void test_channel_says_close_again(void **state)
{
    (void)state;
    world_init(&w, 12);
    w.tells = false;
    world_connect(&w);
    w.loss = 1000;
    channel_close(w.side[OPENER].ch, REASON_SHUTDOWN, w.now);
    w.loss = 0;
    world_run(&w, TIME_S);
    assert_int_equal(w.side[RESPONDER].closed, 0);
    world_say(&w, RESPONDER, 4);
    world_run(&w, 50 * TIME_MS);
    assert_int_equal(w.side[RESPONDER].closed, 1);
    assert_int_equal(w.side[OPENER].closed, 1);
    assert_int_equal(w.side[OPENER].received, 0);
    world_deinit(&w);
}

static void test_channel_closes_alone(void **state)
{
    (void)state;
    world_init(&w, 13);
    w.tells = false;
    world_connect(&w);
    w.loss = 1000;
    channel_close(w.side[OPENER].ch, REASON_SHUTDOWN, w.now);
    world_run(&w, CHANNEL_CLOSE_TIME - TIME_MS);
    assert_int_equal(w.side[OPENER].closed, 0);
    world_run(&w, 2 * TIME_MS);
    assert_int_equal(w.side[OPENER].closed, 1);
    world_deinit(&w);

    world_init(&w, 14); /* without any leg there is nothing to wait for */
    channel_close(w.side[OPENER].ch, REASON_SHUTDOWN, w.now);
    world_run(&w, TIME_MS);
    assert_int_equal(w.side[OPENER].closed, 1);
    world_deinit(&w);
}

static void test_channel_that_is_closed_does_nothing(void **state)
{
    struct world_side *s = &w.side[OPENER];
    struct joint *j;
    uint32_t cells;

    (void)state;
    world_init(&w, 15);
    s->keeps = true;
    world_connect(&w);
    channel_close(w.side[RESPONDER].ch, REASON_SHUTDOWN, w.now);
    world_run(&w, 50 * TIME_MS);
    assert_int_equal(s->closed, 1);
    cells = s->cells[0];
    j = world_joint(&w);
    world_attach(&w, &j->end[OPENER]);
    assert_int_equal(s->legs_over, 2);
    world_detach(&w, &j->end[OPENER]);
    channel_close(s->ch, REASON_IDLE, w.now);
    channel_tick(s->ch, w.now + TIME_HOUR);
    assert_int_equal(channel_next_deadline(s->ch), TIME_NEVER);
    assert_int_equal(world_say(&w, OPENER, 4), ERR_NOT_FOUND);
    assert_int_equal(s->cells[0], cells);
    assert_int_equal(s->closed, 1);
    world_deinit(&w);
}

/* ---- Freeing from within ------------------------------------------------- */

static unsigned calls_left;

static void free_in_callback(struct world_side *s)
{
    if (calls_left-- != 1)
        return;
    channel_free(s->ch);
    s->ch = NULL;
}

static void test_channel_can_be_freed_in_any_callback(void **state)
{
    (void)state;
    for (unsigned side = 0; side < 2; side++) {
        for (unsigned n = 1; n <= 60; n++) {
            world_init(&w, 16);
            w.life = TIME_S;
            w.side[side].hook = free_in_callback;
            calls_left = n;
            world_join(&w, world_joint(&w));
            for (unsigned i = 0; i < 100; i++) {
                for (unsigned k = 0; k < 2; k++) {
                    if (w.side[k].ch != NULL)
                        world_say(&w, k, i % 10 == 0 ? 3000 : 4);
                }
                if (i % 30 == 29 && world_used(&w, OPENER) != NULL)
                    world_cut(&w, world_used(&w, OPENER), true);
                world_run(&w, 200 * TIME_MS);
            }
            world_run(&w, TIME_MIN);
            assert_null(w.side[side].ch);
            world_deinit(&w);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channel_is_live_once),
        cmocka_unit_test(test_channel_responder_is_silent_until_a_cell_comes),
        cmocka_unit_test(test_channel_data_makes_it_live_too),
        cmocka_unit_test(test_channel_carries_packets_of_streams),
        cmocka_unit_test(test_channel_chooses_the_cell_by_length),
        cmocka_unit_test(test_channel_counts_datagrams),
        cmocka_unit_test(test_channel_survives_a_bad_network),
        cmocka_unit_test(test_channel_loses_nothing_that_the_network_does_not),
        cmocka_unit_test(test_channel_needs_no_memory_to_talk),
        cmocka_unit_test(test_channel_keeps_circuits_from_being_idle),
        cmocka_unit_test(test_channel_asks_when_nothing_comes_back),
        cmocka_unit_test(test_channel_gives_up_a_silent_leg),
        cmocka_unit_test(test_channel_doubts_a_silent_leg),
        cmocka_unit_test(test_channel_doubts_and_is_answered),
        cmocka_unit_test(test_channel_doubts_seldom),
        cmocka_unit_test(test_channel_learns_the_round_trip),
        cmocka_unit_test(test_channel_keeps_a_leg_that_loses_much),
        cmocka_unit_test(
            test_channel_responder_waits_for_a_first_cell_only_so_long),
        cmocka_unit_test(test_channel_closes_on_both_sides),
        cmocka_unit_test(test_channel_refuses_who_is_not_wanted),
        cmocka_unit_test(test_channel_says_close_again),
        cmocka_unit_test(test_channel_closes_alone),
        cmocka_unit_test(test_channel_that_is_closed_does_nothing),
        cmocka_unit_test(test_channel_can_be_freed_in_any_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
