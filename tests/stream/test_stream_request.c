/* SPDX-License-Identifier: MIT */
#include "stream/stream_request.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct endpoint endpoint(const char *text)
{
    struct endpoint ep;

    assert_int_equal(endpoint_parse(text, &ep), OK);
    return ep;
}

static struct stream_message message_of(struct bytes text)
{
    struct stream_message m = {.have = 0};

    assert_int_equal(stream_message_take(&m, &text), OK);
    assert_int_equal(text.len, 0);
    return m;
}

/* ---- Requests ----------------------------------------------------------- */

static const struct {
    const char *hex;
    struct stream_request q;
    const char *ep, *name;
} requests[] = {
    {"000a 92 01 c406 0808080801bb",
     {.kind = STREAM_CONNECT},
     "8.8.8.8:443",
     NULL},
    {"0016 92 01 c412 20010db8000000000000000000000001 0050",
     {.kind = STREAM_CONNECT},
     "[2001:db8::1]:80",
     NULL},
    {"0011 93 01 ab 6578616d706c652e636f6d cd01bb",
     {.kind = STREAM_CONNECT, .port = 443},
     NULL,
     "example.com"},
    {"000e 92 02 ab 6578616d706c652e636f6d",
     {.kind = STREAM_RESOLVE},
     NULL,
     "example.com"},
    {"0008 92 03 c404 08080808", {.kind = STREAM_REVERSE}, "8.8.8.8:0", NULL},
    {"0003 92 04 50", {.kind = STREAM_PORT, .port = 80}, NULL, NULL},
};

static void check_request(size_t i)
{
    struct stream_message m = message_of(test_hex(requests[i].hex));
    struct stream_request want = requests[i].q, q;
    uint8_t out[STREAM_MESSAGE_MAX];

    if (requests[i].ep != NULL)
        want.ep = endpoint(requests[i].ep);
    if (requests[i].name != NULL)
        want.name = bytes_of_text(requests[i].name);
    assert_int_equal(stream_request_read(&m, &q), OK);
    assert_int_equal(q.kind, want.kind);
    assert_true(bytes_equal(q.name, want.name));
    assert_true(endpoint_equal(&q.ep, &want.ep));
    assert_int_equal(q.port, want.port);
    assert_int_equal(stream_request_write(&want, out), m.have);
    assert_memory_equal(out, m.text, m.have);
}

static void test_stream_request_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(requests); i++)
        check_request(i);
}

static const struct {
    const char *hex;
    enum error err;
} bad_requests[] = {
    {"0001 01", ERR_WRONG_TYPE},
    {"0001 90", ERR_MISSING},
    {"0002 91 01", ERR_MISSING},
    {"0002 91 00", ERR_UNKNOWN_KIND},
    {"0003 92 05 01", ERR_UNKNOWN_KIND},
    {"0004 91 cd 0100", ERR_RANGE},
    {"0003 92 04 00", ERR_RANGE},                /* port 0 */
    {"0006 92 04 ce000100", ERR_NOT_MSGPACK},    /* cut */
    {"0007 92 04 ce00010000", ERR_RANGE},        /* port 65536 */
    {"0004 93 04 50 50", ERR_TRAILING},          /* one field more */
    {"0004 92 04 50 50", ERR_TRAILING},          /* a byte behind */
    {"000a 92 01 c406 080808080000", ERR_RANGE}, /* port 0 */
    {"0009 92 01 c405 0808080801", ERR_WRONG_LENGTH},
    {"0009 92 03 c405 0808080801", ERR_WRONG_LENGTH},
    {"0003 92 02 a0", ERR_WRONG_LENGTH}, /* no name */
    {"0003 92 02 01", ERR_WRONG_TYPE},
    {"0005 92 01 a2 6162", ERR_MISSING}, /* no port */
};

static void test_stream_request_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad_requests); i++) {
        struct stream_message m = message_of(test_hex(bad_requests[i].hex));
        struct stream_request q = {.port = 77};

        print_message("%s\n", bad_requests[i].hex);
        assert_int_equal(stream_request_read(&m, &q), bad_requests[i].err);
        assert_int_equal(q.port, 77);
    }
}

static void test_stream_request_longest_name(void **state)
{
    char name[STREAM_NAME_MAX + 1];
    struct stream_request q = {.kind = STREAM_RESOLVE}, back;
    uint8_t out[STREAM_MESSAGE_MAX];
    struct stream_message m;

    (void)state;
    memset(name, 'a', sizeof(name));
    q.name = bytes_of(name, STREAM_NAME_MAX);
    m = message_of(bytes_of(out, stream_request_write(&q, out)));
    assert_int_equal(stream_request_read(&m, &back), OK);
    assert_int_equal(back.name.len, STREAM_NAME_MAX);
}

/* ---- Answers ------------------------------------------------------------ */

static void check_answer(const char *hex, enum stream_request_kind to,
                         const struct stream_answer *want)
{
    struct stream_message m = message_of(test_hex(hex));
    struct stream_answer a;
    uint8_t out[STREAM_MESSAGE_MAX];

    assert_int_equal(stream_answer_read(&m, to, &a), OK);
    assert_int_equal(a.reason, want->reason);
    assert_int_equal(a.ttl, want->ttl);
    assert_int_equal(a.address_count, want->address_count);
    for (unsigned i = 0; i < a.address_count; i++)
        assert_true(endpoint_equal(&a.address[i], &want->address[i]));
    assert_true(bytes_equal(a.name, want->name));
    assert_int_equal(stream_answer_write(want, to, out), m.have);
    assert_memory_equal(out, m.text, m.have);
}

static void test_stream_answer_examples(void **state)
{
    struct stream_answer a = {.reason = 7};

    (void)state;
    check_answer("0002 91 07", STREAM_CONNECT, &a);
    check_answer("0002 91 07", STREAM_RESOLVE, &a);
    a.reason = 0;
    check_answer("0002 91 00", STREAM_PORT, &a);
    a.address[0] = endpoint("8.8.8.8:443");
    a.address_count = 1;
    check_answer("000a 92 00 c406 0808080801bb", STREAM_CONNECT, &a);
    a.ttl = 300;
    a.address[0].port = 0;
    a.address[1] = endpoint("[2001:db8::1]:0");
    a.address_count = 2;
    check_answer("001e 93 00 cd012c 92 c404 08080808"
                 " c410 20010db8000000000000000000000001",
                 STREAM_RESOLVE, &a);
    a = (struct stream_answer){.ttl = 60, .name = bytes_of_text("a.b")};
    check_answer("0007 93 00 3c a3 612e62", STREAM_REVERSE, &a);
}

static void test_stream_answer_most_addresses(void **state)
{
    struct stream_answer a = {.ttl = UINT32_MAX}, back;
    uint8_t out[STREAM_MESSAGE_MAX];
    struct stream_message m;

    (void)state;
    for (unsigned i = 0; i < STREAM_ADDRESSES_MAX; i++)
        a.address[i] = endpoint("[2001:db8::1]:0");
    a.address_count = STREAM_ADDRESSES_MAX;
    m = message_of(bytes_of(out, stream_answer_write(&a, STREAM_RESOLVE, out)));
    assert_int_equal(stream_answer_read(&m, STREAM_RESOLVE, &back), OK);
    assert_int_equal(back.address_count, STREAM_ADDRESSES_MAX);
}

static const struct {
    const char *hex;
    enum stream_request_kind to;
    enum error err;
} bad_answers[] = {
    {"0002 91 00", STREAM_CONNECT, ERR_MISSING},
    {"0003 92 07 00", STREAM_CONNECT, ERR_TRAILING},
    {"0003 92 00 00", STREAM_PORT, ERR_TRAILING},
    {"0004 93 00 00 90", STREAM_RESOLVE, ERR_MISSING},
    {"0009 93 00 00 91 c403 080808", STREAM_RESOLVE, ERR_WRONG_LENGTH},
    {"0004 93 00 00 a0", STREAM_REVERSE, ERR_WRONG_LENGTH},
    {"0017 93 00 00 dc0011 0000000000000000000000000000000000", STREAM_RESOLVE,
     ERR_TOO_LARGE},
};

static void test_stream_answer_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad_answers); i++) {
        struct stream_message m = message_of(test_hex(bad_answers[i].hex));
        struct stream_answer a = {.ttl = 77};

        print_message("%s\n", bad_answers[i].hex);
        assert_int_equal(stream_answer_read(&m, bad_answers[i].to, &a),
                         bad_answers[i].err);
        assert_int_equal(a.ttl, 77);
    }
}

/* ---- Pieces ------------------------------------------------------------- */

static void test_stream_message_in_pieces(void **state)
{
    struct bytes text = test_hex("0003 92 04 50 abcdef");

    (void)state;
    for (size_t cut = 0; cut <= text.len; cut++) {
        struct stream_message m = {.have = 0};
        struct bytes first = bytes_of(text.p, cut);
        struct bytes rest = bytes_of(text.p + cut, text.len - cut);

        if (cut < 5) {
            assert_int_equal(stream_message_take(&m, &first), ERR_MISSING);
            assert_int_equal(first.len, 0);
            assert_int_equal(stream_message_take(&m, &rest), OK);
            assert_int_equal(rest.len, 3);
        } else {
            assert_int_equal(stream_message_take(&m, &first), OK);
            assert_int_equal(first.len, cut - 5);
        }
        assert_int_equal(m.have, 5);
        assert_memory_equal(m.text, text.p, 5);
    }
}

static void test_stream_message_lengths(void **state)
{
    struct stream_message m = {.have = 0};
    struct bytes none = test_hex("0000"), long_one = test_hex("01ff 00");

    (void)state;
    assert_int_equal(stream_message_take(&m, &none), ERR_RANGE);
    m.have = 0;
    assert_int_equal(stream_message_take(&m, &long_one), ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_request_examples),
        cmocka_unit_test(test_stream_request_bad),
        cmocka_unit_test(test_stream_request_longest_name),
        cmocka_unit_test(test_stream_answer_examples),
        cmocka_unit_test(test_stream_answer_most_addresses),
        cmocka_unit_test(test_stream_answer_bad),
        cmocka_unit_test(test_stream_message_in_pieces),
        cmocka_unit_test(test_stream_message_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
