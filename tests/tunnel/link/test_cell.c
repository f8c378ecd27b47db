/* SPDX-License-Identifier: MIT */
#include "tunnel/circuit/onion.h"
#include "tunnel/link/cell.h"
#include "wire/msgpack/mp_reader.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>

static const size_t sizes[] = {CELL_LARGE, CELL_SMALL};
static const uint8_t secret[NOISE_KEY_BYTES] = {1, 2, 3};

static struct cell_keys make(uint8_t *datagram, size_t len)
{
    struct cell_head head = {.circuit = 0xa1b2c3d4, .type = CELL_PING};
    struct cell_keys keys;

    cell_keys_init(&keys, secret);
    memset(datagram, 0, len);
    memcpy(datagram + CELL_BODY_OFFSET, "some text", 9);
    cell_seal_body(&keys, 77, datagram, len);
    cell_seal(&keys, 0x01020304, 77, &head, datagram, len);
    return keys;
}

static void test_cell_round_trip(void **state)
{
    uint8_t d[CELL_MAX];
    struct cell_head head;
    struct cell_keys keys;
    uint32_t session;
    uint64_t counter;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        keys = make(d, sizes[i]);
        assert_int_equal(cell_peek(bytes_of(d, sizes[i]), &session, &counter),
                         OK);
        assert_int_equal(session, 0x01020304);
        assert_int_equal(counter, 77);
        assert_int_equal(
            cell_open(&keys, counter, bytes_of(d, sizes[i]), &head), OK);
        assert_int_equal(head.circuit, 0xa1b2c3d4);
        assert_int_equal(head.type, CELL_PING);
        assert_int_equal(cell_open_body(&keys, counter, d, sizes[i]), OK);
        assert_memory_equal(d + CELL_BODY_OFFSET, "some text", 9);
    }
}

/* The constant offsets are those of a real msgpack object. */
static void test_cell_is_msgpack(void **state)
{
    struct mp_token tokens[8];
    struct mp_tape tape = {.tokens = tokens, .cap = COUNT_OF(tokens)};
    struct mp_reader r;
    uint8_t d[CELL_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        make(d, sizes[i]);
        assert_int_equal(mp_parse(&tape, bytes_of(d, sizes[i])), OK);
        mp_reader_init(&r, &tape);
        assert_int_equal(mp_read_array(&r, 9), 5);
        assert_int_equal(mp_read_uint(&r, 9), CELL_KIND);
        assert_int_equal(mp_read_uint(&r, UINT32_MAX), 0x01020304);
        assert_int_equal(mp_read_uint(&r, UINT64_MAX), 77);
        assert_ptr_equal(mp_read_bytes(&r, 21, 21).p, d + CELL_HEAD_OFFSET);
        assert_ptr_equal(mp_read_bytes(&r, 0, CELL_MAX).p,
                         d + CELL_BODY_OFFSET);
        assert_int_equal(r.err, OK);
    }
}

/* Whatever bit is flipped, the cell is refused, or it names another session
 * (whose key is another) or another counter (another nonce). */
static void test_cell_every_flipped_bit_is_noticed(void **state)
{
    uint8_t d[CELL_SMALL];
    struct cell_keys keys = make(d, sizeof(d));
    struct cell_head head;
    uint32_t session;
    uint64_t counter;

    (void)state;
    for (size_t bit = 0; bit < 8 * sizeof(d); bit++) {
        d[bit / 8] ^= (uint8_t)(1 << bit % 8);
        if (cell_peek(bytes_of(d, sizeof(d)), &session, &counter) == OK &&
            session == 0x01020304)
            assert_int_equal(
                cell_open(&keys, counter, bytes_of(d, sizeof(d)), &head),
                ERR_SIGNATURE);
        d[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(cell_open(&keys, 77, bytes_of(d, sizeof(d)), &head), OK);
}

static void test_cell_other_sizes_are_refused(void **state)
{
    uint8_t d[CELL_MAX + 1];
    uint32_t session;
    uint64_t counter;

    (void)state;
    make(d, CELL_LARGE);
    for (size_t len = 0; len <= sizeof(d); len++) {
        enum error want =
            len == CELL_LARGE ? OK
            /* of the right size, but the body's length says otherwise */
            : len == CELL_SMALL ? ERR_NOT_MSGPACK
                                : ERR_WRONG_LENGTH;

        assert_int_equal(cell_peek(bytes_of(d, len), &session, &counter), want);
    }
}

static void test_cell_body_key_is_another(void **state)
{
    struct cell_keys keys;

    (void)state;
    cell_keys_init(&keys, secret);
    assert_memory_equal(keys.head, secret, sizeof(secret));
    assert_memory_not_equal(keys.head, keys.body, sizeof(keys.head));
}

static void test_cell_mask_covers_the_counter_at_each_depth(void **state)
{
    uint8_t d[CELL_SMALL] = {0}, other[CELL_SMALL] = {0};
    static const uint8_t zeros[CELL_SMALL];
    struct cell_keys keys;

    (void)state;
    cell_keys_init(&keys, secret);
    cell_mask(&keys, 7, d, sizeof(d));
    cell_mask(&keys, 8, other, sizeof(other));
    for (unsigned depth = 1; depth <= ONION_HOPS_MAX; depth++) {
        size_t at = CELL_BODY_OFFSET + onion_text_len(CELL_SMALL_BODY, depth) +
                    NOISE_TAG_BYTES;

        assert_memory_not_equal(d + at, zeros, ONION_COUNTER_BYTES);
        assert_memory_not_equal(d + at, other + at, ONION_COUNTER_BYTES);
        memset(other + at, 0, ONION_COUNTER_BYTES);
    }
    assert_memory_equal(other, zeros, sizeof(other));
    cell_mask(&keys, 7, d, sizeof(d));
    assert_memory_equal(d, zeros, sizeof(d));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cell_round_trip),
        cmocka_unit_test(test_cell_is_msgpack),
        cmocka_unit_test(test_cell_every_flipped_bit_is_noticed),
        cmocka_unit_test(test_cell_other_sizes_are_refused),
        cmocka_unit_test(test_cell_body_key_is_another),
        cmocka_unit_test(test_cell_mask_covers_the_counter_at_each_depth),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
