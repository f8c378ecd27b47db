/* SPDX-License-Identifier: MIT
 *
 * A channel against those who do not play by the rules: the other end, with the
 * keys of a leg, and the relay, without.
 */
#include "channel/channel_world.h"
#include "memory_in_use.h"
#include "tunnel/channel/end_message.h"
#include "tunnel/circuit/onion.h"
#include "wire/msgpack/mp_writer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct world w;

/* Who says what it likes to a channel, on one leg. */
struct script {
    struct onion_sender out;
    struct joint_end *to;
};

static struct script script_on(struct joint *j, unsigned victim)
{
    struct script s = {.to = &j->end[victim]};

    onion_sender_init(&s.out, j->end[!victim].keys.out);
    return s;
}

static void give(struct script *s, uint8_t *body, size_t body_len)
{
    channel_receive(w.side[s->to->side].ch, world_circuit(s->to), body,
                    body_len, w.now);
}

static void say_text(struct script *s, struct bytes text, size_t body_len)
{
    uint8_t body[CELL_LARGE_BODY] = {0};

    if (text.len > 0)
        memcpy(body, text.p, text.len);
    onion_end_add(&s->out, body, body_len);
    give(s, body, body_len);
}

static void say(struct script *s, const struct end_message *m)
{
    uint8_t text[CELL_LARGE_BODY];
    size_t len;

    assert_int_equal(
        end_message_write(m, text, onion_end_text_len(CELL_LARGE_BODY), &len),
        OK);
    say_text(s, bytes_of(text, len), CELL_LARGE_BODY);
}

/* A channel, and a script at the other end. */
static struct script scripted(unsigned victim)
{
    struct joint *j;

    world_init(&w, 1);
    w.resumes = false;
    j = world_joint(&w);
    world_attach(&w, &j->end[victim]);
    return script_on(j, victim);
}

static uint32_t cells(unsigned side)
{
    return w.side[side].cells[0] + w.side[side].cells[1];
}

static uint64_t dropped(unsigned side)
{
    return channel_stats(w.side[side].ch)->dropped_message;
}

/* One message of each type; the payload is one that the world knows. */
static struct end_message example(enum end_message_type type)
{
    static const uint8_t b[MEETING_NOISE1_BYTES];
    static uint8_t payload[20];
    struct end_message m = {.type = type,
                            .nonce = 1,
                            .cookie = b,
                            .payload = bytes_of(payload, sizeof(payload)),
                            .piece = {1, 1, 2, {b, 1}},
                            .noise1 = bytes_of(b, sizeof(b))};

    world_payload(payload, sizeof(payload), 0);
    return m;
}

/* What each type causes: cells on this leg, and whether it is dropped. */
static void test_channel_answers_each_type_with_a_cell_at_most(void **state)
{
    static const struct {
        enum end_message_type type;
        unsigned cells[2]; /* of an opener, of a responder */
        bool dropped[2];
    } cases[] = {
        {END_HELLO, {0, 1}, {true, false}},
        {END_DATA, {0, 0}, {false, false}},
        {END_PIECE, {0, 0}, {false, false}},
        {END_PING, {1, 1}, {false, false}},
        {END_PONG, {0, 0}, {false, false}},
        {END_MOVE, {0, 0}, {true, false}},
        {END_MOVED, {0, 0}, {true, true}},
        {END_CLOSE, {1, 1}, {false, false}},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (unsigned victim = 0; victim < 2; victim++) {
            struct script s = scripted(victim);
            struct end_message m = example(cases[i].type);
            uint32_t before = cells(victim);

            w.mute = w.side[victim].keeps = true;
            say(&s, &m);
            assert_int_equal(cells(victim) - before, cases[i].cells[victim]);
            assert_int_equal(dropped(victim), cases[i].dropped[victim]);
            assert_int_equal(w.side[victim].live, 1);
            assert_int_equal(w.side[victim].closed, cases[i].type == END_CLOSE);
            world_deinit(&w);
        }
    }
}

/* Messages of all other planes, streams among them: dropped, and counted. */
static void test_channel_drops_messages_of_other_planes(void **state)
{
    (void)state;
    for (unsigned victim = 0; victim < 2; victim++) {
        struct script s = scripted(victim);
        uint32_t before = cells(victim);
        unsigned n = 0;

        for (unsigned type = 0; type < 256; type++) {
            uint8_t text[64];
            struct mp_writer out;

            if (type >= END_HELLO && type <= END_CLOSE)
                continue;
            mp_writer_init(&out, text, sizeof(text));
            mp_write_array(&out, 3);
            mp_write_uint(&out, type);
            mp_write_uint(&out, 1);
            mp_write_bin(&out, bytes_of("0123456789abcdef", 16));
            say_text(&s, mp_writer_bytes(&out), CELL_SMALL_BODY);
            n++;
        }
        assert_int_equal(dropped(victim), n);
        assert_int_equal(cells(victim), before);
        assert_int_equal(w.side[victim].received, 0);
        world_deinit(&w);
    }
}

static void test_channel_survives_any_text(void **state)
{
    struct test_random r = test_seed(2);
    struct script s = scripted(RESPONDER);
    uint32_t before = cells(RESPONDER);

    (void)state;
    w.side[RESPONDER].keeps = w.mute = true;
    for (unsigned i = 0; i < 20000; i++) {
        uint8_t text[CELL_LARGE_BODY - 128];
        struct end_message m = example(1 + test_random_below(&r, 7));
        size_t len;

        assert_int_equal(end_message_write(&m, text, sizeof(text), &len), OK);
        for (unsigned k = test_random_below(&r, 5); k > 0; k--)
            text[test_random_below(&r, (uint32_t)len)] =
                (uint8_t)test_random_next(&r);
        if (text[1] != END_CLOSE)
            say_text(&s, bytes_of(text, len), CELL_LARGE_BODY);
        if (i % 100 == 0)
            world_run(&w, 100 * TIME_MS);
    }
    assert_int_equal(w.side[RESPONDER].closed, 0);
    assert_in_range(cells(RESPONDER) - before, 0, 20000);
    assert_in_range(w.budget.used, 0, w.budget.max);
    world_deinit(&w);
}

/* Each byte of an end layer matters. */
static void test_channel_drops_what_a_relay_changes(void **state)
{
    struct script s = scripted(RESPONDER), copy;
    struct end_message m = example(END_DATA);
    uint8_t body[CELL_SMALL_BODY], text[300];
    size_t len, end = onion_end_len(CELL_SMALL_BODY);

    (void)state;
    assert_int_equal(end_message_write(&m, text, sizeof(text), &len), OK);
    for (size_t i = 0; i < end; i++) {
        copy = s;
        memset(body, 0, sizeof(body));
        memcpy(body, text, len);
        onion_end_add(&copy.out, body, sizeof(body));
        body[i] ^= (uint8_t)(1u << (i % 8));
        give(&s, body, sizeof(body));
        assert_int_equal(w.side[RESPONDER].received, 0);
    }
    assert_int_equal(channel_stats(w.side[RESPONDER].ch)->dropped_layer, end);
    assert_int_equal(w.side[RESPONDER].live, 0);
    for (size_t cut = 0; cut < sizeof(body); cut++)
        give(&s, body, cut);
    say(&s, &m);
    assert_int_equal(w.side[RESPONDER].received, 1);
    world_deinit(&w);
}

static void test_channel_drops_what_a_relay_repeats_or_makes_up(void **state)
{
    struct test_random r = test_seed(3);
    struct script s = scripted(RESPONDER);
    uint8_t body[CELL_LARGE_BODY] = {0}, cell[CELL_LARGE_BODY];
    struct end_message m = example(END_DATA);
    size_t len;

    (void)state;
    assert_int_equal(end_message_write(&m, body, 1240, &len), OK);
    onion_end_add(&s.out, body, sizeof(body));
    for (unsigned i = 0; i < 100; i++) {
        memcpy(cell, body, sizeof(cell));
        give(&s, cell, sizeof(cell));
        test_random_fill(&r, cell, sizeof(cell));
        give(&s, cell, i % 2 ? CELL_LARGE_BODY : CELL_SMALL_BODY);
    }
    assert_int_equal(w.side[RESPONDER].received, 1);
    assert_int_equal(channel_stats(w.side[RESPONDER].ch)->dropped_layer, 199);
    assert_int_equal(cells(RESPONDER), 0);
    world_deinit(&w);
}

/* A cell of one leg that comes on another, of the same channel or not. */
static void test_channel_drops_cells_of_another_leg(void **state)
{
    struct script s = scripted(RESPONDER), other;
    struct joint *j = world_joint(&w);
    struct end_message m = example(END_DATA);

    (void)state;
    world_attach(&w, &j->end[RESPONDER]);
    other = script_on(j, RESPONDER);
    other.to = s.to;
    say(&other, &m);
    other.to = &world_joint(&w)->end[RESPONDER]; /* attached to nobody */
    say(&other, &m);
    assert_int_equal(channel_stats(w.side[RESPONDER].ch)->dropped_layer, 2);
    assert_int_equal(w.side[RESPONDER].received, 0);
    say(&s, &m);
    assert_int_equal(w.side[RESPONDER].received, 1);
    world_deinit(&w);
}

/* DATA only is put together from pieces. */
static void test_channel_takes_nothing_else_in_pieces(void **state)
{
    static uint8_t text[PIECE_BYTES + 1]; /* zeros behind it */
    struct script s = scripted(RESPONDER);
    struct end_message m = example(END_MOVE);
    size_t len;

    (void)state;
    assert_int_equal(end_message_write(&m, text, sizeof(text), &len), OK);
    for (unsigned i = 0; i < 2; i++) {
        struct end_message piece = {
            .type = END_PIECE,
            .piece = piece_cut(bytes_of(text, sizeof(text)), 7, i)};

        say(&s, &piece);
    }
    assert_int_equal(w.side[RESPONDER].moves, 0);
    assert_int_equal(dropped(RESPONDER), 1);
    world_deinit(&w);
}

/* ---- Memory ------------------------------------------------------------- */

#define HOSTILE 40

/* Many channels that finish no message leave room for one that does. */
static void test_channel_bounds_unfinished_pieces(void **state)
{
    static struct world_side side[HOSTILE];
    struct channel_env env = world_env(&w);
    struct script s[HOSTILE];

    (void)state;
    world_init(&w, 5);
    w.budget.max = 100 * PIECE_BYTES;
    world_connect(&w);
    for (unsigned i = 0; i < HOSTILE; i++) {
        struct joint *j = world_joint(&w);

        side[i] = (struct world_side){.w = &w, .index = RESPONDER};
        assert_int_equal(
            channel_new(&env, &side[i], false, &w.budget, &side[i].ch), OK);
        j->end[RESPONDER].state = END_ATTACHED;
        channel_attach(side[i].ch, world_circuit(&j->end[RESPONDER]),
                       &j->end[RESPONDER].keys, TIME_NEVER, w.now);
        s[i] = script_on(j, RESPONDER);
    }
    for (unsigned round = 0; round < 50; round++) {
        struct channel *honest = w.side[RESPONDER].ch;

        for (unsigned i = 0; i < HOSTILE; i++) {
            struct end_message m = example(END_PIECE);

            m.piece.id = (uint16_t)round;
            m.piece.index = PIECE_COUNT_MAX - 1;
            m.piece.count = PIECE_COUNT_MAX;
            w.side[RESPONDER].ch = side[i].ch;
            say(&s[i], &m);
            w.side[RESPONDER].ch = honest;
            assert_in_range(w.budget.used, 0, w.budget.max);
        }
        assert_int_equal(world_say(&w, OPENER, 9000), OK);
        world_run(&w, 20 * TIME_MS);
    }
    assert_int_equal(w.side[RESPONDER].received, w.side[OPENER].sent);
    for (unsigned i = 0; i < HOSTILE; i++)
        channel_free(side[i].ch);
    world_deinit(&w);
}

/* An hour of junk ends with the memory that it began with. */
static void test_channel_memory_is_as_before(void **state)
{
    struct script s = scripted(RESPONDER);
    size_t before = 0;

    (void)state;
    w.mute = true;
    for (unsigned i = 0; i < 3600; i++) {
        struct end_message m = example(1 + i % 7);

        m.piece.id = (uint16_t)i;
        m.nonce = i;
        m.cookie = s.out.key + i % 16;
        say(&s, &m);
        say_text(&s, bytes_of("junk", 4), CELL_SMALL_BODY);
        world_run(&w, TIME_S);
        if (i == 60)
            before = memory_in_use();
    }
    assert_in_range(memory_in_use(), before - memory_jitter(),
                    before + memory_jitter());
    assert_int_equal(w.side[RESPONDER].closed, 0);
    world_deinit(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channel_answers_each_type_with_a_cell_at_most),
        cmocka_unit_test(test_channel_drops_messages_of_other_planes),
        cmocka_unit_test(test_channel_survives_any_text),
        cmocka_unit_test(test_channel_drops_what_a_relay_changes),
        cmocka_unit_test(test_channel_drops_what_a_relay_repeats_or_makes_up),
        cmocka_unit_test(test_channel_drops_cells_of_another_leg),
        cmocka_unit_test(test_channel_takes_nothing_else_in_pieces),
        cmocka_unit_test(test_channel_bounds_unfinished_pieces),
        cmocka_unit_test(test_channel_memory_is_as_before),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
