/* SPDX-License-Identifier: MIT */
#include "fail_alloc.h"
#include "testing.h"

#include "tunnel/circuit/onion.h"
#include "tunnel/circuit/piece.h"
#include "tunnel/link/cell.h"
#include "wire/msgpack/mp_writer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define NOW (1000 * TIME_S)

static uint8_t message[PIECE_MESSAGE_MAX + 1];

static void fill(void *ctx, void *buf, size_t len)
{
    test_random_fill(ctx, buf, len);
}

struct fixture {
    struct pieces pieces;
    struct piece_budget budget;
};

static struct fixture fixture(void)
{
    struct test_random r = test_seed(1);
    const struct random_source random = {.ctx = &r, .fill = fill};
    struct fixture f = {0};

    piece_budget_init(&f.budget, 1 << 20, &random);
    test_random_fill(&r, message, sizeof(message));
    return f;
}

static enum error give(struct fixture *f, size_t len, uint16_t id,
                       unsigned index, uint64_t now, struct bytes *whole)
{
    struct piece piece = piece_cut(bytes_of(message, len), id, index);
    uint8_t *copy = test_exact_copy(piece.bytes);
    enum error e;

    piece.bytes.p = copy;
    e = pieces_receive(&f->pieces, &f->budget, &piece, now, whole);
    free(copy);
    return e;
}

static void end(struct fixture *f)
{
    pieces_deinit(&f->pieces, &f->budget);
    assert_null(f->budget.oldest);
    assert_null(f->budget.newest);
    piece_budget_deinit(&f->budget);
    assert_int_equal(f->budget.used, 0);
}

static void test_piece_counts(void **state)
{
    static const struct {
        size_t len;
        unsigned count;
    } cases[] = {{0, 1},
                 {1, 1},
                 {PIECE_BYTES, 1},
                 {PIECE_BYTES + 1, 2},
                 {2 * PIECE_BYTES, 2},
                 {2 * PIECE_BYTES + 1, 3},
                 {PIECE_MESSAGE_MAX, PIECE_COUNT_MAX},
                 {PIECE_MESSAGE_MAX + 1, 0}};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(piece_count(cases[i].len), cases[i].count);
}

/* The longest encoding of a full piece, and the message of a large cell. */
static void test_piece_fits_into_a_cell(void **state)
{
    struct mp_writer w;
    uint8_t buf[CELL_MAX];

    (void)state;
    mp_writer_init(&w, buf, sizeof(buf));
    mp_write_array(&w, 5);
    mp_write_uint(&w, 5);
    mp_write_uint(&w, UINT16_MAX);
    mp_write_uint(&w, PIECE_COUNT_MAX - 1);
    mp_write_uint(&w, PIECE_COUNT_MAX);
    mp_write_bin(&w, bytes_of(message, PIECE_BYTES));
    assert_int_equal(w.err, OK);
    assert_int_equal(w.len, PIECE_BYTES + PIECE_OVERHEAD);
    assert_true(w.len <= onion_message_len(CELL_LARGE_BODY));
}

static void shuffle(struct test_random *r, unsigned *order, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    for (unsigned i = n; i > 1; i--) {
        unsigned j = test_random_below(r, i);
        unsigned swap = order[i - 1];

        order[i - 1] = order[j];
        order[j] = swap;
    }
}

static void test_piece_puts_together_in_any_order(void **state)
{
    static const size_t extra[] = {0, 1, PIECE_BYTES - 1};
    struct fixture f = fixture();
    struct test_random r = test_seed(2);
    uint16_t id = 65530;

    (void)state;
    for (int i = 0; i < 400; i++) {
        size_t len =
            (1 + test_random_below(&r, PIECE_COUNT_MAX - 1)) * PIECE_BYTES + 1 +
            extra[test_random_below(&r, 3)];
        unsigned order[PIECE_COUNT_MAX], n;
        struct bytes whole = bytes_of("x", 1);

        if (len > PIECE_MESSAGE_MAX)
            len = PIECE_MESSAGE_MAX;
        n = piece_count(len);
        shuffle(&r, order, n);
        for (unsigned k = 0; k < n; k++) {
            assert_int_equal(give(&f, len, id, order[k], NOW, &whole), OK);
            assert_int_equal(whole.len, k + 1 < n ? 0 : len);
        }
        assert_memory_equal(whole.p, message, len);
        id++;
    }
    assert_int_equal(f.budget.given_up, 0);
    end(&f);
}

static void test_piece_keeps_messages_apart(void **state)
{
    struct fixture f = fixture();
    struct bytes whole;

    (void)state;
    for (unsigned index = 0; index < 3; index++) {
        for (uint16_t id = 0; id < PIECE_MESSAGES_MAX; id++) {
            size_t len = 2 * PIECE_BYTES + 1 + id;

            assert_int_equal(give(&f, len, id, index, NOW, &whole), OK);
            assert_int_equal(whole.len, index < 2 ? 0 : len);
        }
    }
    assert_memory_equal(whole.p, message, whole.len);
    end(&f);
}

static void test_piece_refuses_what_cannot_be(void **state)
{
    static const struct {
        uint8_t index, count;
        size_t len;
        enum error e;
    } cases[] = {
        {0, 0, 1, ERR_RANGE},
        {0, 1, 1, ERR_RANGE},
        {2, 2, 1, ERR_RANGE},
        {255, 2, 1, ERR_RANGE},
        {0, PIECE_COUNT_MAX + 1, PIECE_BYTES, ERR_RANGE},
        {0, 255, PIECE_BYTES, ERR_RANGE},
        {0, 2, 0, ERR_WRONG_LENGTH},
        {0, 2, PIECE_BYTES - 1, ERR_WRONG_LENGTH},
        {0, 2, PIECE_BYTES + 1, ERR_WRONG_LENGTH},
        {1, 2, 0, ERR_WRONG_LENGTH},
        {1, 2, PIECE_BYTES + 1, ERR_WRONG_LENGTH},
    };
    struct fixture f = fixture();
    struct bytes whole = bytes_of("x", 1);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct piece piece = {.index = cases[i].index,
                              .count = cases[i].count,
                              .bytes = bytes_of(message, cases[i].len)};

        assert_int_equal(
            pieces_receive(&f.pieces, &f.budget, &piece, NOW, &whole),
            cases[i].e);
        assert_int_equal(f.budget.used, 0);
        assert_int_equal(whole.len, 1);
    }
    end(&f);
}

static void test_piece_refuses_duplicates_and_other_counts(void **state)
{
    struct fixture f = fixture();
    size_t len = 3 * PIECE_BYTES;
    struct bytes whole;

    (void)state;
    assert_int_equal(give(&f, len, 7, 1, NOW, &whole), OK);
    assert_int_equal(give(&f, len, 7, 1, NOW, &whole), ERR_UNEXPECTED);
    assert_int_equal(give(&f, len + 1, 7, 0, NOW, &whole), ERR_UNEXPECTED);
    assert_int_equal(give(&f, len - PIECE_BYTES, 7, 0, NOW, &whole),
                     ERR_UNEXPECTED);
    /* Neither harmed the message. */
    assert_int_equal(give(&f, len, 7, 2, NOW, &whole), OK);
    assert_int_equal(give(&f, len, 7, 0, NOW, &whole), OK);
    assert_int_equal(whole.len, len);
    assert_memory_equal(whole.p, message, len);
    end(&f);
}

static void test_piece_oldest_message_makes_room(void **state)
{
    struct fixture f = fixture();
    size_t len = PIECE_BYTES + 1;
    struct bytes whole;

    (void)state;
    for (uint16_t id = 0; id <= PIECE_MESSAGES_MAX; id++)
        assert_int_equal(give(&f, len, id, 0, NOW + id, &whole), OK);
    assert_int_equal(f.budget.given_up, 1);
    assert_int_equal(f.budget.used, PIECE_MESSAGES_MAX * 2 * PIECE_BYTES);
    for (uint16_t id = 1; id <= PIECE_MESSAGES_MAX; id++) {
        assert_int_equal(give(&f, len, id, 1, NOW + 9, &whole), OK);
        assert_int_equal(whole.len, len);
    }
    assert_int_equal(give(&f, len, 0, 1, NOW + 9, &whole), OK);
    assert_int_equal(whole.len, 0);
    end(&f);
}

static void test_piece_gives_up_after_its_lifetime(void **state)
{
    struct fixture f = fixture();
    size_t len = PIECE_BYTES + 1;
    struct bytes whole;

    (void)state;
    assert_int_equal(pieces_next_deadline(&f.pieces), TIME_NEVER);
    assert_int_equal(give(&f, len, 1, 0, NOW, &whole), OK);
    assert_int_equal(give(&f, len, 2, 0, NOW + 1, &whole), OK);
    assert_int_equal(pieces_next_deadline(&f.pieces), NOW + PIECE_LIFETIME);
    pieces_tick(&f.pieces, &f.budget, NOW + PIECE_LIFETIME - 1);
    assert_int_equal(f.budget.given_up, 0);
    pieces_tick(&f.pieces, &f.budget, NOW + PIECE_LIFETIME);
    assert_int_equal(f.budget.given_up, 1);
    assert_int_equal(give(&f, len, 2, 1, NOW + PIECE_LIFETIME, &whole), OK);
    assert_int_equal(whole.len, len);
    pieces_tick(&f.pieces, &f.budget, NOW + 2 * PIECE_LIFETIME);
    piece_budget_rest(&f.budget);
    assert_int_equal(f.budget.used, 0);
    assert_int_equal(pieces_next_deadline(&f.pieces), TIME_NEVER);
    end(&f);
}

static void test_piece_keeps_to_the_budget_of_all(void **state)
{
    struct fixture f = fixture();
    struct pieces other = {0};
    struct piece piece = piece_cut(bytes_of(message, PIECE_BYTES + 1), 1, 0);
    struct bytes whole;

    (void)state;
    f.budget.max = 3 * PIECE_BYTES;
    assert_int_equal(give(&f, PIECE_MESSAGE_MAX, 2, 0, NOW, &whole), ERR_FULL);
    assert_int_equal(give(&f, PIECE_BYTES + 1, 1, 0, NOW, &whole), OK);
    assert_int_equal(f.budget.used, 2 * PIECE_BYTES);
    assert_int_equal(pieces_receive(&other, &f.budget, &piece, NOW, &whole),
                     OK);
    assert_int_equal(f.budget.used, 2 * PIECE_BYTES);
    assert_int_equal(f.budget.given_up, 1);
    pieces_deinit(&other, &f.budget);
    end(&f);
}

#define FLOODERS 100

/* Of one neighbour, with a small cell for each message every few seconds. */
static void test_piece_flood_of_circuits_leaves_room_for_others(void **state)
{
    static struct pieces flooder[FLOODERS];
    struct fixture f = fixture();
    struct bytes whole;

    (void)state;
    for (unsigned i = 0; i < FLOODERS * PIECE_MESSAGES_MAX; i++) {
        unsigned last = PIECE_COUNT_MAX - 1;
        struct piece piece =
            piece_cut(bytes_of(message, last * PIECE_BYTES + 1),
                      (uint16_t)(i / FLOODERS), last);

        assert_int_equal(pieces_receive(&flooder[i % FLOODERS], &f.budget,
                                        &piece, NOW, &whole),
                         OK);
        assert_in_range(f.budget.used, 0, f.budget.max);
    }
    for (unsigned i = 0; i < PIECE_COUNT_MAX; i++)
        assert_int_equal(give(&f, PIECE_MESSAGE_MAX, 7, i, NOW, &whole), OK);
    assert_true(bytes_equal(whole, bytes_of(message, PIECE_MESSAGE_MAX)));
    for (unsigned i = 0; i < FLOODERS; i++)
        pieces_deinit(&flooder[i], &f.budget);
    end(&f);
}

/* Those of one site bring a whole budget of messages, of any number of
 * circuits, between every two pieces of another's. */
static void test_piece_flood_of_a_site_leaves_others_theirs(void **state)
{
    static struct pieces flooder[FLOODERS];
    struct fixture f = fixture();
    struct bytes whole;

    (void)state;
    f.pieces.source = (struct endpoint){.addr = {20, 1, 1, 1}, .port = 1};
    for (unsigned i = 0; i < FLOODERS; i++)
        flooder[i].source =
            (struct endpoint){.addr = {66, 6, 6, (uint8_t)i}, .port = 1};
    for (unsigned i = 0; i < 2 * PIECE_COUNT_MAX; i++) {
        assert_int_equal(give(&f, PIECE_MESSAGE_MAX,
                              (uint16_t)(i / PIECE_COUNT_MAX),
                              i % PIECE_COUNT_MAX, NOW, &whole),
                         OK);
        for (unsigned n = 0; n < 4 * FLOODERS; n++) {
            unsigned last = PIECE_COUNT_MAX - 1;
            struct piece piece =
                piece_cut(bytes_of(message, last * PIECE_BYTES + 1),
                          (uint16_t)(4 * i + n / FLOODERS), last);
            struct bytes none;

            assert_int_equal(pieces_receive(&flooder[n % FLOODERS], &f.budget,
                                            &piece, NOW, &none),
                             OK);
            assert_in_range(f.budget.used, 0, f.budget.max);
        }
        if (i % PIECE_COUNT_MAX == PIECE_COUNT_MAX - 1)
            assert_int_equal(whole.len, PIECE_MESSAGE_MAX);
    }
    for (unsigned i = 0; i < FLOODERS; i++)
        pieces_deinit(&flooder[i], &f.budget);
    end(&f);
}

static void test_piece_survives_any_input(void **state)
{
    struct fixture f = fixture();
    struct test_random r = test_seed(5);
    uint64_t now = NOW;

    (void)state;
    f.budget.max = 20 * PIECE_BYTES;
    for (int i = 0; i < 50000; i++) {
        struct piece piece = {.id = (uint16_t)test_random_below(&r, 6),
                              .index = (uint8_t)test_random_below(&r, 9),
                              .count = (uint8_t)test_random_below(&r, 10)};
        struct bytes whole = bytes_of(NULL, 0);

        piece.bytes = bytes_of(message, test_random_below(&r, 4) == 0
                                            ? test_random_below(&r, 1400)
                                            : PIECE_BYTES);
        now += test_random_below(&r, 2 * TIME_S);
        if (pieces_receive(&f.pieces, &f.budget, &piece, now, &whole) == OK)
            assert_in_range(whole.len, 0, PIECE_MESSAGE_MAX);
        assert_true(f.budget.used <= f.budget.max);
    }
    end(&f);
}

/* Neither for the message nor to count it. */
static void test_piece_works_without_memory(void **state)
{
    (void)state;
    for (unsigned n = 2; n <= 3; n++) { /* the first is the test's own */
        struct fixture f = fixture();
        struct bytes whole;
        enum error e;

        fail_alloc_at(n);
        e = give(&f, 2 * PIECE_BYTES, 1, 0, NOW, &whole);
        assert_true(fail_alloc_end());
        assert_int_equal(e, ERR_NO_MEMORY);
        assert_int_equal(f.budget.used, 0);
        assert_int_equal(give(&f, 2 * PIECE_BYTES, 1, 0, NOW, &whole), OK);
        end(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_piece_counts),
        cmocka_unit_test(test_piece_fits_into_a_cell),
        cmocka_unit_test(test_piece_puts_together_in_any_order),
        cmocka_unit_test(test_piece_keeps_messages_apart),
        cmocka_unit_test(test_piece_refuses_what_cannot_be),
        cmocka_unit_test(test_piece_refuses_duplicates_and_other_counts),
        cmocka_unit_test(test_piece_oldest_message_makes_room),
        cmocka_unit_test(test_piece_gives_up_after_its_lifetime),
        cmocka_unit_test(test_piece_keeps_to_the_budget_of_all),
        cmocka_unit_test(test_piece_flood_of_circuits_leaves_room_for_others),
        cmocka_unit_test(test_piece_flood_of_a_site_leaves_others_theirs),
        cmocka_unit_test(test_piece_survives_any_input),
        cmocka_unit_test(test_piece_works_without_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
