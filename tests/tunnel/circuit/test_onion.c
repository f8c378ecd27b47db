/* SPDX-License-Identifier: MIT */
#include "tunnel/circuit/onion.h"
#include "tunnel/crypto/keystream.h"
#include "tunnel/link/cell.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <sodium.h>

static const size_t bodies[] = {CELL_LARGE_BODY, CELL_SMALL_BODY};

/* A client and its hops, with the keys that their handshakes gave. */
struct path {
    struct onion_sender client_out[ONION_HOPS_MAX + 1];
    struct onion_receiver client_in[ONION_HOPS_MAX + 1];
    struct onion_receiver hop_in[ONION_HOPS_MAX + 1];
    struct onion_sender hop_out[ONION_HOPS_MAX + 1];
    struct keystream fill;
};

static void path_init(struct path *p)
{
    for (unsigned i = 1; i <= ONION_HOPS_MAX; i++) {
        uint8_t forward[32] = {(uint8_t)i}, backward[32] = {(uint8_t)(i + 9)};

        onion_sender_init(&p->client_out[i], forward);
        onion_receiver_init(&p->hop_in[i], forward);
        onion_sender_init(&p->hop_out[i], backward);
        onion_receiver_init(&p->client_in[i], backward);
    }
    keystream_init(&p->fill, (uint8_t[32]){42});
}

/* The client wraps `text` for hop `depth`. */
static void wrap(struct path *p, uint8_t *body, size_t body_len, unsigned depth,
                 const char *text)
{
    memcpy(body, text, strlen(text));
    onion_message(body, body_len, depth, strlen(text));
    for (unsigned i = depth; i >= 1; i--)
        onion_add(&p->client_out[i], body, body_len, i);
}

static enum error hop_forward(struct path *p, uint8_t *body, size_t body_len,
                              unsigned i, bool *is_message)
{
    size_t from = onion_fill_forward(body_len, i);
    enum error e;

    e = onion_remove(&p->hop_in[i], body, body_len, i, is_message);
    if (e == OK)
        keystream_fill(&p->fill, body + from, body_len - from);
    return e;
}

static void hop_backward(struct path *p, uint8_t *body, size_t body_len,
                         unsigned i)
{
    size_t from = onion_fill_backward(body_len, i);

    onion_add(&p->hop_out[i], body, body_len, i);
    keystream_fill(&p->fill, body + from, body_len - from);
}

static void test_onion_reaches_each_hop_and_no_other(void **state)
{
    uint8_t body[CELL_LARGE_BODY];
    bool is_message;
    struct path p;

    (void)state;
    path_init(&p);
    for (size_t b = 0; b < COUNT_OF(bodies); b++) {
        for (unsigned depth = 1; depth <= ONION_HOPS_MAX; depth++) {
            wrap(&p, body, bodies[b], depth, "hello");
            for (unsigned i = 1; i <= depth; i++) {
                assert_int_equal(
                    hop_forward(&p, body, bodies[b], i, &is_message), OK);
                assert_int_equal(is_message, i == depth);
            }
            assert_memory_equal(body, "hello\0\0\0", 8);
        }
    }
}

static void test_onion_comes_back_from_each_hop(void **state)
{
    uint8_t body[CELL_LARGE_BODY];
    bool is_message;
    struct path p;

    (void)state;
    path_init(&p);
    for (size_t b = 0; b < COUNT_OF(bodies); b++) {
        for (unsigned depth = 1; depth <= ONION_HOPS_MAX; depth++) {
            memcpy(body, "answer", 6);
            onion_message(body, bodies[b], depth, 6);
            for (unsigned i = depth; i >= 1; i--)
                hop_backward(&p, body, bodies[b], i);
            for (unsigned i = 1; i <= depth; i++) {
                assert_int_equal(onion_remove(&p.client_in[i], body, bodies[b],
                                              i, &is_message),
                                 OK);
                assert_int_equal(is_message, i == depth);
            }
            assert_memory_equal(body, "answer\0\0", 8);
        }
    }
}

/* A 1,200 byte datagram to an IPv6 address, with what DATA puts around it,
 * and one layer more end to end, over the longest circuit. */
static void test_onion_message_carries_a_quic_datagram(void **state)
{
    const size_t data_message = 1 + 1 + (2 + 18) + (3 + 1200);

    (void)state;
    assert_true(onion_message_len(CELL_LARGE_BODY) >= data_message);
    assert_int_equal(onion_text_len(CELL_LARGE_BODY, 1) % 64, 0);
    assert_int_equal(onion_text_len(CELL_SMALL_BODY, 1) % 64, 0);
}

/* Two clients, of one key for each way between them. */
struct ends {
    struct onion_sender out;
    struct onion_receiver in;
};

static void ends_init(struct ends *e)
{
    onion_sender_init(&e->out, (uint8_t[32]){77});
    onion_receiver_init(&e->in, (uint8_t[32]){77});
}

/* From one client, whose path is `from`, to the relay in which it ends, and on
 * to the client of `to`. */
static void join(struct path *from, unsigned d, struct path *to, unsigned e,
                 uint8_t *body, size_t len)
{
    bool is_message;
    size_t fill;

    onion_mark_end(body, len, d, &from->fill);
    for (unsigned i = d; i >= 1; i--)
        onion_add(&from->client_out[i], body, len, i);
    for (unsigned i = 1; i <= d; i++) {
        assert_int_equal(hop_forward(from, body, len, i, &is_message), OK);
        assert_false(is_message);
    }
    onion_mark_end(body, len, e, &to->fill);
    for (unsigned i = e; i >= 1; i--)
        hop_backward(to, body, len, i);
    fill = onion_fill_forward(len, e);
    for (unsigned i = 1; i <= e; i++) {
        assert_int_equal(
            onion_remove(&to->client_in[i], body, len, i, &is_message), OK);
        assert_false(is_message);
    }
    assert_true(fill >= onion_end_len(len) + ONION_COUNTER_BYTES);
}

static void test_onion_end_layer_at_each_depth(void **state)
{
    uint8_t body[CELL_LARGE_BODY], text[CELL_LARGE_BODY];
    struct path from, to;
    struct ends ends;

    (void)state;
    path_init(&from);
    path_init(&to);
    ends_init(&ends);
    memset(text, 't', sizeof(text));
    for (size_t b = 0; b < COUNT_OF(bodies); b++) {
        size_t len = bodies[b];

        assert_int_equal(onion_end_len(len), len - 104);
        assert_int_equal(onion_end_text_len(len), len - 128);
        for (unsigned i = 0; i < ONION_HOPS_MAX * ONION_HOPS_MAX; i++) {
            memcpy(body, text, onion_end_text_len(len));
            onion_end_add(&ends.out, body, len);
            join(&from, 1 + i / 4, &to, 1 + i % 4, body, len);
            assert_int_equal(onion_end_remove(&ends.in, body, len), OK);
            assert_memory_equal(body, text, onion_end_text_len(len));
        }
    }
}

static void test_onion_end_layer_is_its_sender_s(void **state)
{
    uint8_t sent[CELL_SMALL_BODY], body[CELL_SMALL_BODY];
    const size_t len = CELL_SMALL_BODY;
    struct ends ends;

    (void)state;
    ends_init(&ends);
    memset(sent, 0, len);
    onion_end_add(&ends.out, sent, len);
    for (size_t bit = 0; bit < 8 * onion_end_len(len); bit++) {
        memcpy(body, sent, len);
        body[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(onion_end_remove(&ends.in, body, len), OK);
    }
    memcpy(body, sent, len);
    assert_int_equal(onion_end_remove(&ends.in, body, len), OK);
    assert_int_equal(onion_end_remove(&ends.in, sent, len), ERR_UNEXPECTED);
}

/* Nothing of what was there before stays, and it is no message, even when the
 * filler is nothing but zeros. */
static void test_onion_mark_end_is_no_message(void **state)
{
    struct keystream zeros = {.used = 0};

    (void)state;
    for (unsigned depth = 1; depth <= ONION_HOPS_MAX; depth++) {
        uint8_t body[CELL_SMALL_BODY], end[CELL_SMALL_BODY];
        size_t from = onion_end_len(sizeof(body));

        memset(body, 'x', sizeof(body));
        memcpy(end, body, from);
        zeros.used = 0;
        onion_mark_end(body, sizeof(body), depth, &zeros);
        assert_false(onion_is_message(body, sizeof(body), depth));
        assert_memory_equal(body, end, from);
        for (size_t i = from; i < onion_text_len(sizeof(body), depth); i++)
            assert_int_not_equal(body[i], 'x');
    }
}

static void test_onion_flipped_bits_are_noticed_at_each_hop(void **state)
{
    uint8_t sent[CELL_SMALL_BODY], body[CELL_SMALL_BODY];
    const size_t len = CELL_SMALL_BODY;
    bool is_message;
    struct path p;

    (void)state;
    path_init(&p);
    wrap(&p, sent, len, 3, "hello");
    for (unsigned i = 1; i <= 3; i++) {
        size_t layer = onion_text_len(len, i) + ONION_LAYER_BYTES;

        for (size_t bit = 0; bit < 8 * layer; bit++) {
            memcpy(body, sent, len);
            body[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(
                onion_remove(&p.hop_in[i], body, len, i, &is_message), OK);
        }
        assert_int_equal(hop_forward(&p, sent, len, i, &is_message), OK);
    }
    assert_true(is_message);
}

static void test_onion_replayed_and_reordered(void **state)
{
    uint8_t first[CELL_SMALL_BODY], second[CELL_SMALL_BODY];
    uint8_t copy[CELL_SMALL_BODY];
    const size_t len = CELL_SMALL_BODY;
    bool is_message;
    struct path p;

    (void)state;
    path_init(&p);
    wrap(&p, first, len, 1, "one");
    wrap(&p, second, len, 1, "two");
    memcpy(copy, second, len);
    assert_int_equal(hop_forward(&p, second, len, 1, &is_message), OK);
    assert_int_equal(hop_forward(&p, copy, len, 1, &is_message),
                     ERR_UNEXPECTED);
    assert_int_equal(hop_forward(&p, first, len, 1, &is_message), OK);
    assert_memory_equal(first, "one", 4);
}

/* A hop that gets the layer of another, or is told another depth. */
static void test_onion_layer_of_another_hop(void **state)
{
    uint8_t sent[CELL_SMALL_BODY], body[CELL_SMALL_BODY];
    const size_t len = CELL_SMALL_BODY;
    bool is_message;
    struct path p;

    (void)state;
    path_init(&p);
    wrap(&p, sent, len, 2, "hello");
    memcpy(body, sent, len);
    assert_int_not_equal(onion_remove(&p.hop_in[2], body, len, 1, &is_message),
                         OK);
    memcpy(body, sent, len);
    assert_int_not_equal(onion_remove(&p.hop_in[1], body, len, 2, &is_message),
                         OK);
    assert_int_equal(onion_remove(&p.hop_in[1], sent, len, 1, &is_message), OK);
}

static void test_onion_counters_start_hidden(void **state)
{
    struct onion_sender a, b;

    (void)state;
    onion_sender_init(&a, (uint8_t[32]){1});
    onion_sender_init(&b, (uint8_t[32]){2});
    assert_true(a.counter != b.counter);
    assert_true(a.counter >= 1 && a.counter <= UINT64_C(1) << 48);
}

/* Asked for in pieces or at once, the stream is the same and does not
 * repeat. */
static void test_keystream_pieces(void **state)
{
    uint8_t whole[3 * KEYSTREAM_BLOCK], part[3 * KEYSTREAM_BLOCK];
    struct keystream a, b;
    size_t done = 0;

    (void)state;
    keystream_init(&a, (uint8_t[32]){7});
    keystream_init(&b, (uint8_t[32]){7});
    keystream_fill(&a, whole, sizeof(whole));
    for (size_t n = 1; done < sizeof(part); done += n, n = n * 3 % 701) {
        if (n > sizeof(part) - done)
            n = sizeof(part) - done;
        keystream_fill(&b, part + done, n);
    }
    assert_memory_equal(whole, part, sizeof(whole));
    assert_memory_not_equal(whole, whole + KEYSTREAM_BLOCK, KEYSTREAM_BLOCK);
    keystream_deinit(&a);
    keystream_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_onion_reaches_each_hop_and_no_other),
        cmocka_unit_test(test_onion_comes_back_from_each_hop),
        cmocka_unit_test(test_onion_message_carries_a_quic_datagram),
        cmocka_unit_test(test_onion_end_layer_at_each_depth),
        cmocka_unit_test(test_onion_end_layer_is_its_sender_s),
        cmocka_unit_test(test_onion_mark_end_is_no_message),
        cmocka_unit_test(test_onion_flipped_bits_are_noticed_at_each_hop),
        cmocka_unit_test(test_onion_replayed_and_reordered),
        cmocka_unit_test(test_onion_layer_of_another_hop),
        cmocka_unit_test(test_onion_counters_start_hidden),
        cmocka_unit_test(test_keystream_pieces),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
