/* SPDX-License-Identifier: MIT */
#include "tunnel/meeting/meeting_message.h"

#include "meeting/meeting_message_check.h"
#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint8_t b[MEETING_VALUE_BYTES]; /* any bytes */

#define V4                               \
    {                                    \
        .addr = {8, 8, 4, 4}, .port = 53 \
    }
#define V6                                                   \
    {                                                        \
        .family = FAMILY_IPV6, .addr = {0x20, 1, 0xd, 0xb8}, \
        .port = UINT16_MAX                                   \
    }
#define WORK                                                                  \
    {                                                                         \
        .hint = {1, 2, 3, 4}, .effort = UINT32_MAX, .nonce = {5}, .digest = { \
            6                                                                 \
        }                                                                     \
    }
#define TARGET                                                      \
    {                                                               \
        .identity = {1}, .handshake_key = {2}, .endpoint_count = 2, \
        .endpoints = {                                              \
            V4,                                                     \
            V6                                                      \
        }                                                           \
    }
#define MEMBER   \
    {            \
        b, b + 1 \
    }

/* The smallest and the largest of each type, and the bytes that they take. */
static const struct {
    struct meeting_message m;
    size_t len;
} examples[] = {
    {{.type = MEETING_INTRO_ESTABLISH, .auth_key = b, .signature = b}, 108},
    {{.type = MEETING_INTRO_ESTABLISH,
      .auth_key = b,
      .rate = UINT16_MAX,
      .burst = UINT16_MAX,
      .topic = b + 1,
      .entry = b + 2,
      .signature = b + 3},
     225},
    {{.type = MEETING_INTRO_ESTABLISHED, .status = MEETING_REPLACED}, 3},
    {{.type = MEETING_INTRODUCE,
      .auth_id = b,
      .noise = {b, MEETING_NOISE1_BYTES}},
     472},
    {{.type = MEETING_INTRODUCE,
      .auth_id = b,
      .has_work = true,
      .work = WORK,
      .noise = {b, MEETING_NOISE1_BYTES}},
     511},
    {{.type = MEETING_INTRODUCE_ACK, .status = MEETING_UNKNOWN}, 4},
    {{.type = MEETING_INTRODUCE_ACK,
      .status = MEETING_BUSY,
      .effort = UINT32_MAX},
     8},
    {{.type = MEETING_INTRODUCED,
      .handle = UINT32_MAX,
      .auth_id = b,
      .has_work = true,
      .work = WORK,
      .noise = {b, MEETING_NOISE1_BYTES}},
     516},
    {{.type = MEETING_INTRO_RESULT,
      .handle = UINT32_MAX,
      .status = MEETING_REFUSED,
      .effort = UINT32_MAX},
     13},
    {{.type = MEETING_RENDEZVOUS, .cookie = b}, 20},
    {{.type = MEETING_READY, .cookie = b}, 20},
    {{.type = MEETING_JOIN, .cookie = b, .noise = {b, MEETING_NOISE2_BYTES}},
     86},
    {{.type = MEETING_JOINED, .noise = {b, MEETING_NOISE2_BYTES}}, 68},
    {{.type = MEETING_JOINED}, 4},
    {{.type = MEETING_MEMBERS_ASK, .topic = b}, 36},
    {{.type = MEETING_MEMBERS}, 5},
    {{.type = MEETING_MEMBERS,
      .total = UINT32_MAX,
      .member_count = 8,
      .members = {MEMBER, MEMBER, MEMBER, MEMBER, MEMBER, MEMBER, MEMBER,
                  MEMBER},
      .target_count = 4,
      .targets = {TARGET, TARGET, TARGET, TARGET}},
     1217},
    {{.type = MEETING_DHT_GET, .id = 1, .key = {b, 20}}, 27},
    {{.type = MEETING_DHT_GET,
      .id = UINT32_MAX,
      .key = {b, 32},
      .salt = {b, MEETING_SALT_MAX}},
     107},
    {{.type = MEETING_DHT_PEERS, .id = 1}, 4},
    {{.type = MEETING_DHT_PEERS,
      .id = UINT32_MAX,
      .peer_count = 32,
      .peers = {V6, V6, V6, V6, V6, V6, V6, V6, V6, V6, V6,
                V6, V6, V6, V6, V6, V6, V6, V6, V6, V6, V6,
                V6, V6, V6, V6, V6, V6, V6, V6, V6, V6}},
     650},
    {{.type = MEETING_DHT_ITEM,
      .id = UINT32_MAX,
      .seq = INT64_MIN,
      .signature = b,
      .value = b},
     1081},
    {{.type = MEETING_DHT_PUT,
      .id = UINT32_MAX,
      .key = {b, 32},
      .salt = {b, MEETING_SALT_MAX},
      .seq = INT64_MAX,
      .signature = b,
      .value = b},
     1181},
    {{.type = MEETING_DHT_DONE,
      .id = UINT32_MAX,
      .reason = REASON_TIMEOUT,
      .asked = UINT32_MAX,
      .answered = UINT32_MAX,
      .stored = UINT32_MAX},
     23},
    {{.type = MEETING_RELAY_ASK, .id = 0, .ep = V4}, 11},
    {{.type = MEETING_RELAY_ASK, .id = UINT32_MAX, .ep = V6}, 27},
    {{.type = MEETING_RELAY_TOLD, .id = 1}, 5},
    {{.type = MEETING_RELAY_TOLD,
      .id = UINT32_MAX,
      .descriptor = {b, MEETING_DESCRIPTOR_MAX}},
     522},
};

static int fill_bytes(void **state)
{
    struct test_random r = test_seed(9);

    (void)state;
    test_random_fill(&r, b, sizeof(b));
    return 0;
}

static void test_meeting_message_round_trips(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        const struct meeting_message *m = &examples[i].m;
        uint8_t text[CELL_MAX], again[CELL_MAX];
        struct meeting_message out;
        size_t cap = meeting_text(m, text), len;

        assert_int_equal(meeting_message_write(m, again, cap, &len), OK);
        if (len != examples[i].len)
            fail_msg("example %zu takes %zu", i, len);
        assert_int_equal(meeting_message_read(bytes_of(text, cap), &out), OK);
        assert_true(meeting_message_equal(m, &out));
        assert_int_equal(meeting_message_write(m, again, len - 1, &len),
                         ERR_NO_SPACE);
    }
}

/* What was read is where it was, for a type with each of the fields. */
static void test_meeting_message_fields(void **state)
{
    const struct meeting_message *last = &examples[COUNT_OF(examples) - 1].m;
    uint8_t text[CELL_MAX];
    struct meeting_message m;
    size_t cap;

    (void)state;
    cap = meeting_text(&examples[1].m, text);
    assert_int_equal(meeting_message_read(bytes_of(text, cap), &m), OK);
    assert_memory_equal(m.auth_key, b, 32);
    assert_memory_equal(m.topic, b + 1, 32);
    assert_memory_equal(m.entry, b + 2, MEETING_ENTRY_BYTES);
    assert_memory_equal(m.signature, b + 3, 64);
    assert_int_equal(m.rate, UINT16_MAX);
    cap = meeting_text(&examples[0].m, text);
    assert_int_equal(meeting_message_read(bytes_of(text, cap), &m), OK);
    assert_null(m.topic);
    assert_null(m.entry);
    cap = meeting_text(last, text);
    assert_int_equal(meeting_message_read(bytes_of(text, cap), &m), OK);
    assert_true(bytes_equal(m.descriptor, last->descriptor));
}

static void test_meeting_message_truncated_or_trailing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        uint8_t text[CELL_MAX], *copy;
        struct meeting_message m = {.id = 77};
        size_t cap = meeting_text(&examples[i].m, text);

        for (size_t n = 0; n < cap; n++) {
            copy = test_exact_copy(bytes_of(text, n));
            assert_int_not_equal(meeting_message_read(bytes_of(copy, n), &m),
                                 OK);
            free(copy);
        }
        assert_int_equal(m.id, 77);
        for (size_t n = examples[i].len; n < cap; n++) {
            text[n] = 1;
            assert_int_equal(meeting_message_read(bytes_of(text, cap), &m),
                             ERR_TRAILING);
            text[n] = 0;
        }
    }
}

/* A message in the other cell would tell what it is by its size. */
static void test_meeting_message_in_the_other_cell(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        uint8_t text[CELL_MAX];
        struct meeting_message m;
        size_t small = meeting_text_len(CELL_SMALL);
        size_t large = meeting_text_len(CELL_LARGE);
        size_t cap = meeting_text(&examples[i].m, text);
        size_t other = cap == small ? large : small;

        if (examples[i].len <= other)
            assert_int_equal(meeting_message_read(bytes_of(text, other), &m),
                             ERR_WRONG_LENGTH);
    }
}

static void test_meeting_message_more_or_fewer_elements(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        uint8_t text[CELL_MAX];
        struct meeting_message m;
        size_t cap = meeting_text(&examples[i].m, text);

        text[0]++; /* the padding's first byte is a 0 */
        assert_int_equal(meeting_message_read(bytes_of(text, cap), &m),
                         ERR_MISSING);
        text[0] -= 2;
        assert_int_not_equal(meeting_message_read(bytes_of(text, cap), &m), OK);
    }
}

static struct bytes padded(const char *hex, size_t cell)
{
    static uint8_t text[CELL_MAX];

    memset(text, 0, sizeof(text));
    test_unhex(hex, text, sizeof(text));
    return bytes_of(text, meeting_text_len(cell));
}

static void test_meeting_message_that_is_none(void **state)
{
    static const char *bad[] = {
        "90",
        "91 10",
        "10",
        "92 0f 00",
        "92 23 00",
        "92 ce 00 01 00 11 00",
        "92 11 ff",                                   /* a negative status */
        "92 16 c4 0f 000000000000000000000000000000", /* cookie of 15 bytes */
        "92 16 c0",                                   /* none */
        "92 19 c4 01 00",                             /* noise2 of one byte */
        "93 13 01 cf 0000000100000000",               /* effort 2^32 */
        "93 21 01 c4 05 0808080800",     /* an endpoint of 5 bytes */
        "93 21 01 c4 07 08080808000000", /* 7 */
    };
    static const char *bad_large[] = {
        "93 1d 01 dc 0021",        /* 33 peers */
        "94 1c 01 c4 01 00 c4 00", /* a key of one byte */
        "94 1c 01 c4 15 000000000000000000000000000000000000000000 c4 00",
        /* peers have no salt */
        "94 1c 01 c4 14 0000000000000000000000000000000000000000 c4 01 01",
        "94 1b 00 99 90",       /* 9 members */
        "94 1b 00 90 95",       /* 5 targets */
        "94 1b 00 91 91 c0 90", /* a member with one element */
        "93 22 01 c5 0201",     /* a descriptor of 513 bytes */
    };
    struct meeting_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (meeting_message_read(padded(bad[i], CELL_SMALL), &m) == OK)
            fail_msg("taken: %s", bad[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad_large); i++) {
        if (meeting_message_read(padded(bad_large[i], CELL_LARGE), &m) == OK)
            fail_msg("taken: %s", bad_large[i]);
    }
}

static void test_meeting_message_topic_without_entry(void **state)
{
    struct meeting_message m = examples[1].m;
    uint8_t text[CELL_MAX];
    size_t cap;

    (void)state;
    m.entry = NULL;
    cap = meeting_text(&m, text);
    assert_int_equal(meeting_message_read(bytes_of(text, cap), &m),
                     ERR_MISSING);
}

/* What is wrong with a target is wrong with the message. */
static void test_meeting_message_bad_target(void **state)
{
    struct meeting_message m = {
        .type = MEETING_MEMBERS, .target_count = 1, .targets = {TARGET}};
    uint8_t text[CELL_MAX];
    size_t cap = meeting_text(&m, text);

    (void)state;
    assert_int_equal(meeting_message_read(bytes_of(text, cap), &m), OK);
    text[5 + 70]--; /* one endpoint, and then something else */
    assert_int_not_equal(meeting_message_read(bytes_of(text, cap), &m), OK);
}

static void test_meeting_message_unknown_status_and_reason(void **state)
{
    struct meeting_message m;

    (void)state;
    assert_int_equal(meeting_message_read(
                         padded("92 11 cf ffffffffffffffff", CELL_SMALL), &m),
                     OK);
    assert_int_equal(m.status, MEETING_REFUSED);
    assert_int_equal(meeting_message_read(
                         padded("96 20 01 cd ffff 00 00 00", CELL_LARGE), &m),
                     OK);
    assert_int_equal(m.reason, REASON_UNKNOWN);
    for (int s = 0; s < MEETING_STATUS_END_; s++)
        assert_non_null(meeting_status_name((enum meeting_status)s));
}

/* Each is said by one side. */
static void test_meeting_message_sides(void **state)
{
    static const enum meeting_message_type client[] = {
        MEETING_INTRO_ESTABLISH, MEETING_INTRODUCE, MEETING_INTRO_RESULT,
        MEETING_RENDEZVOUS,      MEETING_JOIN,      MEETING_MEMBERS_ASK,
        MEETING_DHT_GET,         MEETING_DHT_PUT,   MEETING_RELAY_ASK};
    unsigned count = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(client); i++)
        assert_true(meeting_client_says(client[i]));
    for (int t = MEETING_INTRO_ESTABLISH; t <= MEETING_RELAY_TOLD; t++) {
        enum meeting_message_type type = (enum meeting_message_type)t;

        assert_true(meeting_client_says(type) != meeting_relay_says(type));
        count += meeting_client_says(type) ? 1 : 0;
    }
    assert_int_equal(count, COUNT_OF(client));
}

/* Every field and the transcript are covered; the signature is not. */
static void test_meeting_message_signed_bytes(void **state)
{
    struct meeting_message m = examples[1].m;
    uint8_t transcript[MEETING_TRANSCRIPT_BYTES] = {1};
    uint8_t first[MEETING_SIGNED_MAX], other[MEETING_SIGNED_MAX];
    size_t len = meeting_signed_bytes(&m, transcript, first);

    (void)state;
    assert_int_equal(len, MEETING_SIGNED_MAX);
    assert_memory_equal(first, "warren establish\0\1", 18);
    assert_int_equal(first[17 + MEETING_TRANSCRIPT_BYTES], 0x96);
    m.signature = b + 9;
    assert_int_equal(meeting_signed_bytes(&m, transcript, other), len);
    assert_memory_equal(first, other, len);
    for (int i = 0; i < 6; i++) {
        m = examples[1].m;
        m.auth_key += i == 0 ? 1 : 0;
        m.rate = i == 1 ? 1 : m.rate;
        m.burst = i == 2 ? 1 : m.burst;
        m.topic += i == 3 ? 1 : 0;
        m.entry = i == 4 ? NULL : m.entry;
        transcript[0] = i == 5 ? 2 : 1;
        len = meeting_signed_bytes(&m, transcript, other);
        assert_true(len != MEETING_SIGNED_MAX ||
                    memcmp(first, other, len) != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meeting_message_round_trips),
        cmocka_unit_test(test_meeting_message_fields),
        cmocka_unit_test(test_meeting_message_truncated_or_trailing),
        cmocka_unit_test(test_meeting_message_in_the_other_cell),
        cmocka_unit_test(test_meeting_message_more_or_fewer_elements),
        cmocka_unit_test(test_meeting_message_that_is_none),
        cmocka_unit_test(test_meeting_message_topic_without_entry),
        cmocka_unit_test(test_meeting_message_bad_target),
        cmocka_unit_test(test_meeting_message_unknown_status_and_reason),
        cmocka_unit_test(test_meeting_message_sides),
        cmocka_unit_test(test_meeting_message_signed_bytes),
    };

    return cmocka_run_group_tests(tests, fill_bytes, NULL);
}
