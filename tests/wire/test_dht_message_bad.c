/* SPDX-License-Identifier: MIT
 *
 * Messages that are refused, cut, or noise.
 */
#include "dht_message_examples.h"
#include "testing.h"
#include "transcode.h"

#include "wire/krpc/dht_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define A "20:abcdefghij0123456789"
#define B "20:mnopqrstuvwxyz123456"
#define K "32:kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define S                                 \
    "64:ssssssssssssssssssssssssssssssss" \
    "ssssssssssssssssssssssssssssssss"
#define QUERY(arguments, method) \
    "d1:ad" arguments "e1:q" method "1:t2:aa1:y1:qe"
#define RESPONSE(results) "d1:rd" results "e1:t2:aa1:y1:re"

static enum error read_text(const char *bencode, struct dht_message *m)
{
    static uint8_t wire[64 * 1024];
    size_t len;

    assert_true(strlen(bencode) < sizeof(wire) / 8);
    len = bencode_to_msgpack(bencode, wire);
    return dht_message_read(DHT_DIALECT_WARREN, bytes_of(wire, len), m);
}

static void test_dht_message_bad_missing(void **state)
{
    static const struct {
        const char *text;
        enum error want;
    } cases[] = {
        {"de", ERR_MISSING},
        {"d1:t2:aae", ERR_MISSING},
        {"d1:y1:qe", ERR_MISSING},
        {"d1:ad2:id" A "e1:q4:ping1:t2:aae", ERR_MISSING},
        {"d1:ad2:id" A "e1:q4:ping1:y1:qe", ERR_MISSING},
        {"d1:ad2:id" A "e1:t2:aa1:y1:qe", ERR_MISSING},
        {"d1:q4:ping1:t2:aa1:y1:qe", ERR_MISSING},
        {"d1:q4:ping1:rd2:id" A "e1:t2:aa1:y1:qe", ERR_MISSING},
        {"d1:t2:aa1:y1:re", ERR_MISSING},
        {"d1:ad2:id" A "e1:t2:aa1:y1:re", ERR_MISSING},
        {"d1:t2:aa1:y1:ee", ERR_MISSING},
        {"d1:ele1:t2:aa1:y1:ee", ERR_MISSING},
        {"d1:eli201ee1:t2:aa1:y1:ee", ERR_MISSING},
        {"d1:ad2:id" A "e1:q4:ping1:t2:aa1:y1:xe", ERR_UNKNOWN_KIND},
        {"d1:ad2:id" A "e1:q4:ping1:t2:aa1:y0:e", ERR_UNKNOWN_KIND},
        {"d1:ad2:id" A "e1:q4:ping1:t2:aa1:y2:qqe", ERR_UNKNOWN_KIND},
        {RESPONSE(""), ERR_MISSING},
        {RESPONSE("2:id" A), OK},
        {QUERY("", "4:ping"), ERR_MISSING},
        {QUERY("2:id" A, "4:ping"), OK},
        {QUERY("2:id" A, "9:find_node"), ERR_MISSING},
        {QUERY("6:target" B, "9:find_node"), ERR_MISSING},
        {QUERY("2:id" A "6:target" B, "9:find_node"), OK},
        {QUERY("2:id" A, "9:get_peers"), ERR_MISSING},
        {QUERY("9:info_hash" B, "9:get_peers"), ERR_MISSING},
        {QUERY("2:id" A "9:info_hash" B, "9:get_peers"), OK},
        {QUERY("2:id" A "4:porti1e5:token1:t", "13:announce_peer"),
         ERR_MISSING},
        {QUERY("2:id" A "9:info_hash" B "5:token1:t", "13:announce_peer"),
         ERR_MISSING},
        {QUERY("2:id" A "9:info_hash" B "4:porti1e", "13:announce_peer"),
         ERR_MISSING},
        {QUERY("9:info_hash" B "4:porti1e5:token1:t", "13:announce_peer"),
         ERR_MISSING},
        {QUERY("2:id" A "12:implied_porti0e9:info_hash" B "5:token1:t",
               "13:announce_peer"),
         ERR_MISSING},
        {QUERY("2:id" A "12:implied_porti1e9:info_hash" B "5:token1:t",
               "13:announce_peer"),
         OK},
        {QUERY("2:id" A "9:info_hash" B "4:porti1e5:token1:t",
               "13:announce_peer"),
         OK},
        {QUERY("2:id" A, "3:get"), ERR_MISSING},
        {QUERY("2:id" A "6:target" B, "3:get"), OK},
        {QUERY("2:id" A "5:token1:t", "3:put"), ERR_MISSING},
        {QUERY("2:id" A "1:vi1e", "3:put"), ERR_MISSING},
        {QUERY("5:token1:t1:vi1e", "3:put"), ERR_MISSING},
        {QUERY("2:id" A "5:token1:t1:vi1e", "3:put"), OK},
        {QUERY("2:id" A "1:k" K "3:seqi1e5:token1:t1:vi1e", "3:put"),
         ERR_MISSING},
        {QUERY("2:id" A "1:k" K "3:sig" S "5:token1:t1:vi1e", "3:put"),
         ERR_MISSING},
        {QUERY("2:id" A "1:k" K "3:seqi1e3:sig" S "5:token1:t1:vi1e", "3:put"),
         OK},
        {QUERY("2:id" A, "17:sample_infohashes"), ERR_MISSING},
        {QUERY("2:id" A "6:target" B, "17:sample_infohashes"), OK},
        {QUERY("6:target" B, "4:vote"), ERR_MISSING},
        {QUERY("2:id" A, "4:vote"), ERR_UNKNOWN_KIND},
        {QUERY("", "4:vote"), ERR_MISSING},
    };
    struct dht_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (read_text(cases[i].text, &m) != cases[i].want)
            fail_msg("%s", cases[i].text);
    }
}

/* The text with its '@' replaced. */
static const char *fill(const char *text, const char *with)
{
    static char filled[8192];
    const char *at = strchr(text, '@');

    assert_non_null(at);
    snprintf(filled, sizeof(filled), "%.*s%s%s", (int)(at - text), text, with,
             at + 1);
    return filled;
}

#define FULL_RESPONSE(results) RESPONSE("2:id" A results)
#define FULL_QUERY(arguments)  QUERY("2:id" A arguments, "4:ping")

/* Each field with each type of msgpack. */
static void test_dht_message_bad_types(void **state)
{
    static const char *const objects[] = {"n",    "t",   "f",  "i1e",
                                          "i-1e", "1:x", "le", "de"};
    enum {
        NUMBER = 1 << 3 | 1 << 4, /* -1 is out of range for some */
        STRING = 1 << 5,
        LIST = 1 << 6,
        MAP = 1 << 7,
        ANY = 0xff
    };
    static const struct {
        const char *text;
        unsigned types; /* those that are not ERR_WRONG_TYPE */
    } cases[] = {
        {"@", MAP},
        {"d@i1ee", STRING},
        {"d1:ad@i1ee1:q4:ping1:t2:aa1:y1:qe", STRING},
        {"d1:a@1:q4:ping1:t2:aa1:y1:qe", MAP},
        {"d1:r@1:t2:aa1:y1:re", MAP},
        {"d1:e@1:t2:aa1:y1:ee", LIST},
        {"d1:el@1:xe1:t2:aa1:y1:ee", NUMBER},
        {"d1:eli1e@e1:t2:aa1:y1:ee", STRING},
        {"d2:ip@1:rd2:id" A "e1:t2:aa1:y1:re", STRING},
        {"d1:ad2:id" A "e1:n@1:q4:ping1:t2:aa1:y1:qe", STRING},
        {"d1:ad2:id" A "e1:q@1:t2:aa1:y1:qe", STRING},
        {"d1:ad2:id" A "e1:q4:ping2:ro@1:t2:aa1:y1:qe", NUMBER},
        {"d1:ad2:id" A "e1:q4:ping1:t@1:y1:qe", STRING},
        {"d1:ad2:id" A "e1:q4:ping1:t2:aa1:v@1:y1:qe", STRING},
        {"d1:ad2:id" A "e1:q4:ping1:t2:aa1:y@e", STRING},
        {QUERY("2:id@", "4:ping"), STRING},
        {RESPONSE("2:id@"), STRING},
        {QUERY("2:id" A "6:target@", "9:find_node"), STRING},
        {QUERY("2:id" A "9:info_hash@", "9:get_peers"), STRING},
        {FULL_QUERY("3:cas@"), NUMBER},
        {FULL_QUERY("12:implied_port@"), NUMBER},
        {FULL_QUERY("1:k@"), STRING},
        {FULL_QUERY("4:port@"), NUMBER},
        {FULL_QUERY("4:salt@"), STRING},
        {FULL_QUERY("3:seq@"), NUMBER},
        {FULL_QUERY("3:sig@"), STRING},
        {FULL_QUERY("5:token@"), STRING},
        {FULL_QUERY("1:v@"), NUMBER | STRING | LIST | MAP},
        {FULL_QUERY("4:want@"), LIST},
        {FULL_QUERY("4:wantl@e"), STRING},
        {FULL_RESPONSE("8:interval@"), NUMBER},
        {FULL_RESPONSE("5:nodes@"), STRING},
        {FULL_RESPONSE("6:nodes6@"), STRING},
        {FULL_RESPONSE("3:num@"), NUMBER},
        {FULL_RESPONSE("7:samples@"), STRING},
        {FULL_RESPONSE("6:values@"), ANY},
        {FULL_RESPONSE("6:valuesl@e"), ANY},
    };
    struct dht_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (unsigned t = 0; t < COUNT_OF(objects); t++) {
            const char *text = fill(cases[i].text, objects[t]);
            bool wrong = read_text(text, &m) == ERR_WRONG_TYPE;

            if (wrong != ((cases[i].types >> t & 1) == 0))
                fail_msg("%s", text);
        }
    }
}

static const char *string_of(size_t len)
{
    static char text[4096];
    int head = snprintf(text, sizeof(text), "%zu:", len);

    memset(text + head, 'x', len);
    text[(size_t)head + len] = '\0';
    return text;
}

static void test_dht_message_bad_lengths(void **state)
{
    enum { LONG = 3000 };
    static const struct {
        const char *text;
        size_t min, max, unit;
    } cases[] = {
        {"d1:ad2:id" A "e1:q4:ping1:t@1:y1:qe", 1, DHT_TRANSACTION_MAX, 1},
        {"d1:ad2:id" A "e1:q4:ping1:t2:aa1:v@1:y1:qe", 0, LONG, 1},
        {"d1:ad2:id" A "e1:n@1:q4:ping1:t2:aa1:y1:qe", 1, DHT_NETWORK_MAX, 1},
        {"d2:ip@1:rd2:id" A "e1:t2:aa1:y1:re", 6, 18, 12},
        {"d1:eli1e@e1:t2:aa1:y1:ee", 0, LONG, 1},
        {QUERY("2:id@", "4:ping"), 20, 20, 1},
        {QUERY("2:id" A "6:target@", "9:find_node"), 20, 20, 1},
        {QUERY("2:id" A "9:info_hash@", "9:get_peers"), 20, 20, 1},
        {FULL_QUERY("1:k@"), 32, 32, 1},
        {FULL_QUERY("3:sig@"), 64, 64, 1},
        {FULL_QUERY("5:token@"), 1, DHT_TOKEN_MAX, 1},
        {FULL_RESPONSE("5:nodes@"), 0, LONG, COMPACT_NODE4},
        {FULL_RESPONSE("6:nodes6@"), 0, LONG, COMPACT_NODE6},
        {FULL_RESPONSE("7:samples@"), 0, LONG, ID_BYTES},
    };
    struct dht_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        for (size_t len = 0; len < 1200; len++) {
            bool fits = len >= cases[i].min && len <= cases[i].max &&
                        (len - cases[i].min) % cases[i].unit == 0;
            const char *text = fill(cases[i].text, string_of(len));

            if (read_text(text, &m) != (fits ? OK : ERR_WRONG_LENGTH))
                fail_msg("%s", text);
        }
    }
}

/* Which is answered with an error of its own. */
static void test_dht_message_bad_salt(void **state)
{
    struct dht_message m;

    (void)state;
    for (size_t len = 0; len < 1200; len++) {
        const char *text = fill(FULL_QUERY("4:salt@"), string_of(len));

        assert_int_equal(read_text(text, &m),
                         len <= DHT_SALT_MAX ? OK : ERR_SALT);
        assert_true(bytes_equal(m.transaction, TEST_BYTES("aa")));
    }
}

static void test_dht_message_bad_numbers(void **state)
{
    static const struct {
        const char *text;
        const char *number;
        enum error want;
    } cases[] = {
        {FULL_QUERY("4:port@"), "i0e", OK},
        {FULL_QUERY("4:port@"), "i65535e", OK},
        {FULL_QUERY("4:port@"), "i65536e", ERR_RANGE},
        {FULL_QUERY("4:port@"), "i-1e", ERR_RANGE},
        {FULL_QUERY("12:implied_port@"), "i-1e", ERR_RANGE},
        {FULL_QUERY("12:implied_port@"), "i9223372036854775807e", OK},
        {FULL_QUERY("3:seq@"), "i9223372036854775807e", OK},
        {FULL_QUERY("3:seq@"), "i-9223372036854775808e", OK},
        {FULL_QUERY("3:cas@"), "i-9223372036854775808e", OK},
        {FULL_RESPONSE("8:interval@"), "i0e", OK},
        {FULL_RESPONSE("8:interval@"), "i21600e", OK},
        {FULL_RESPONSE("8:interval@"), "i21601e", ERR_RANGE},
        {FULL_RESPONSE("3:num@"), "i4294967295e", OK},
        {FULL_RESPONSE("3:num@"), "i4294967296e", ERR_RANGE},
        {FULL_RESPONSE("3:num@"), "i-1e", ERR_RANGE},
        {"d1:el@1:xe1:t2:aa1:y1:ee", "i4294967295e", OK},
        {"d1:el@1:xe1:t2:aa1:y1:ee", "i4294967296e", ERR_RANGE},
        {"d1:el@1:xe1:t2:aa1:y1:ee", "i-1e", ERR_RANGE},
    };
    struct dht_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const char *text = fill(cases[i].text, cases[i].number);

        if (read_text(text, &m) != cases[i].want)
            fail_msg("%s", text);
    }
}

static void test_dht_message_bad_values(void **state)
{
    static const char put[] = QUERY("2:id" A "5:token1:t1:v@", "3:put");
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text(fill(put, string_of(996)), &m), OK);
    assert_int_equal(read_text(fill(put, string_of(997)), &m), ERR_TOO_LARGE);
    /* the query can still be answered with an error */
    assert_int_equal(m.kind, DHT_QUERY);
    assert_int_equal(m.method, DHT_PUT);
    assert_true(bytes_equal(m.transaction, TEST_BYTES("aa")));
    assert_int_equal(read_text(fill(put, "d1:bi1e1:ai1ee"), &m), ERR_UNSORTED);
    /* fourteen levels are as many as a value may have */
    assert_int_equal(read_text(fill(put, "lllllllllllllleeeeeeeeeeeeee"), &m),
                     OK);
    assert_int_equal(read_text(fill(put, "llllllllllllllleeeeeeeeeeeeeee"), &m),
                     ERR_TOO_DEEP);
}

static void test_dht_message_bad_top_has_no_transaction(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(
        read_text("d1:ad2:id" A "e1:n0:1:q4:ping1:t2:aa1:y1:qe", &m),
        ERR_WRONG_LENGTH);
    assert_int_equal(m.transaction.len, 0);
    assert_int_equal(read_text("d1:ad2:id" A "e1:t2:aa1:y1:qe", &m),
                     ERR_MISSING);
    assert_int_equal(m.transaction.len, 0);
    assert_int_equal(
        dht_message_read(DHT_DIALECT_WARREN, TEST_BYTES("\xc1"), &m),
        ERR_NOT_MSGPACK);
    assert_int_equal(m.transaction.len, 0);
}

static void test_dht_message_cuts_at_limits(void **state)
{
    static char list[2048] = "l";
    struct dht_message m;

    (void)state;
    for (size_t n = DHT_NODES_MAX - 1; n <= DHT_NODES_MAX + 2; n++) {
        size_t want = n < DHT_NODES_MAX ? n : DHT_NODES_MAX;

        assert_int_equal(
            read_text(fill(FULL_RESPONSE("5:nodes@"), string_of(n * 26)), &m),
            OK);
        assert_int_equal(m.nodes.len, want * COMPACT_NODE4);
        assert_int_equal(
            read_text(fill(FULL_RESPONSE("6:nodes6@"), string_of(n * 38)), &m),
            OK);
        assert_int_equal(m.nodes6.len, want * COMPACT_NODE6);
    }
    assert_int_equal(
        read_text(fill(FULL_RESPONSE("7:samples@"), string_of(52 * 20)), &m),
        OK);
    assert_int_equal(m.samples.len, DHT_SAMPLES_MAX * ID_BYTES);
    assert_int_equal(
        read_text(fill("d1:eli1e@e1:t2:aa1:y1:ee", string_of(99)), &m), OK);
    assert_int_equal(m.error_text.len, DHT_ERROR_TEXT_MAX);
    assert_int_equal(
        read_text(fill("d1:rd2:id" A "e1:t2:aa1:v@1:y1:re", string_of(9)), &m),
        OK);
    assert_int_equal(m.version.len, DHT_VERSION_MAX);

    for (size_t n = 1; n <= DHT_VALUES_MAX + 3; n++) {
        snprintf(list + 8 * n - 7, sizeof(list) - 8 * n, "6:pee%03zue", n);
        assert_int_equal(read_text(fill(FULL_RESPONSE("6:values@"), list), &m),
                         OK);
        assert_int_equal(m.value_count,
                         n < DHT_VALUES_MAX ? n : DHT_VALUES_MAX);
    }
    assert_int_equal(m.values[DHT_VALUES_MAX - 1].port, '2' << 8 | '8');
}

static void test_dht_message_bounds_keys(void **state)
{
    static char keys[4096];
    struct dht_message m;

    (void)state;
    for (int extra = DHT_KEYS_MAX - 2; extra <= DHT_KEYS_MAX + 1; extra++) {
        size_t n = 0;

        for (int i = 0; i < extra; i++)
            n += (size_t)snprintf(keys + n, sizeof(keys) - n, "3:x%02di1e", i);
        assert_int_equal(read_text(fill(FULL_QUERY("@"), keys), &m),
                         extra + 1 <= DHT_KEYS_MAX ? OK : ERR_TOO_LARGE);
        assert_int_equal(read_text(fill("d1:ad2:id" A "e1:q4:ping1:t2:aa@"
                                        "1:y1:qe",
                                        keys),
                                   &m),
                         extra + 4 <= DHT_KEYS_MAX ? OK : ERR_TOO_LARGE);
    }
}

/* A key that is there twice, in the same form or another, whether or not the
 * kind of message has it. The last token of the tape, behind which the reader
 * stands then, has each type. */
static void test_dht_message_bad_repeated(void **state)
{
    static const char *const cases[] = {
        "d1:ad2:id" A "e1:ad2:id" A "e1:q4:ping1:t2:aa1:y1:qe",
        "d1:ad2:id" A "e1:q4:ping1:q4:ping1:t2:aa1:y1:qe",
        "d1:ad2:id" A "e1:q4:ping1:t2:aa1:y1:q1:t2:aae",
        "d1:ad2:id" A "e1:rle1:q4:ping1:t2:aa1:y1:q1:rlee",
        FULL_QUERY("2:id" A),
        FULL_QUERY("4:porti1e4:porti2e"),
        FULL_QUERY("5:nodes0:5:nodes0:"),
        FULL_QUERY("1:vi1e1:vi1e"),
        FULL_QUERY("1:vi1e3:seqi1e1:vd1:bi1e1:ai1ee"),
        "d1:q4:ping1:t2:aa1:y1:q1:ad2:id" A "1:vi1e1:vi4711eee",
        "d1:q4:ping1:t2:aa1:y1:q1:ad2:id" A "1:vi1e1:vi-4711eee",
        "d1:q4:ping1:t2:aa1:y1:q1:ad2:id" A "1:vi1e1:vleee",
        FULL_RESPONSE("1:vi1e1:vi1e"),
        FULL_RESPONSE("6:valuesle6:valuesle"),
    };
    struct dht_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        if (read_text(cases[i], &m) != ERR_REPEATED)
            fail_msg("%s", cases[i]);
    }
    assert_int_equal(read_text(FULL_QUERY("1:xi1e1:xi2e"), &m), OK);
}

static void test_dht_message_bad_truncation(void **state)
{
    struct dht_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct bytes whole = bytes_of_text(examples[i].wire);

        for (size_t len = 0; len < whole.len; len++) {
            uint8_t *exact = test_exact_copy(bytes_of(whole.p, len));

            assert_int_equal(
                dht_message_read(DHT_DIALECT_WARREN, bytes_of(exact, len), &m),
                ERR_NOT_MSGPACK);
            free(exact);
        }
        /* the NUL behind the literal is an object, too */
        assert_int_equal(dht_message_read(DHT_DIALECT_WARREN,
                                          bytes_of(whole.p, whole.len + 1), &m),
                         ERR_TRAILING);
    }
}

/* What is accepted can be written, and reads back as what was written. */
static bool read_and_write(struct bytes in)
{
    static uint8_t once[4096];
    static uint8_t twice[4096];
    uint8_t *exact = test_exact_copy(in);
    struct dht_message m;
    size_t len;
    size_t again;
    bool accepted =
        dht_message_read(DHT_DIALECT_WARREN, bytes_of(exact, in.len), &m) == OK;

    if (accepted) {
        assert_int_equal(
            dht_message_write(DHT_DIALECT_WARREN, &m, once, sizeof(once), &len),
            OK);
        assert_int_equal(
            dht_message_read(DHT_DIALECT_WARREN, bytes_of(once, len), &m), OK);
        assert_int_equal(dht_message_write(DHT_DIALECT_WARREN, &m, twice,
                                           sizeof(twice), &again),
                         OK);
        assert_true(bytes_equal(bytes_of(once, len), bytes_of(twice, again)));
    }
    free(exact);
    return accepted;
}

static void test_dht_message_survives_mutation(void **state)
{
    struct test_random rnd = test_seed(1234);
    uint8_t wire[DHT_MESSAGE_MAX];
    int accepted = 0;

    (void)state;
    for (int round = 0; round < 100000; round++) {
        uint32_t i = test_random_below(&rnd, COUNT_OF(examples));
        uint32_t len = (uint32_t)strlen(examples[i].wire);

        memcpy(wire, examples[i].wire, len);
        for (uint32_t n = test_random_below(&rnd, 4); n > 0; n--)
            wire[test_random_below(&rnd, len)] =
                (uint8_t)test_random_next(&rnd);
        if (test_random_below(&rnd, 8) == 0)
            len = test_random_below(&rnd, len + 1);
        accepted += read_and_write(bytes_of(wire, len));
    }
    assert_in_range(accepted, 10000, 90000);
}

static void test_dht_message_survives_noise(void **state)
{
    struct test_random rnd = test_seed(4321);
    uint8_t noise[64];
    int accepted = 0;

    (void)state;
    for (int round = 0; round < 100000; round++) {
        size_t len = test_random_below(&rnd, sizeof(noise));

        test_random_fill(&rnd, noise, len);
        if (len > 0)
            noise[0] = (uint8_t)(0x80 | (noise[0] & 15));
        accepted += read_and_write(bytes_of(noise, len));
    }
    assert_int_equal(accepted, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_message_bad_missing),
        cmocka_unit_test(test_dht_message_bad_types),
        cmocka_unit_test(test_dht_message_bad_lengths),
        cmocka_unit_test(test_dht_message_bad_salt),
        cmocka_unit_test(test_dht_message_bad_numbers),
        cmocka_unit_test(test_dht_message_bad_values),
        cmocka_unit_test(test_dht_message_bad_top_has_no_transaction),
        cmocka_unit_test(test_dht_message_cuts_at_limits),
        cmocka_unit_test(test_dht_message_bounds_keys),
        cmocka_unit_test(test_dht_message_bad_repeated),
        cmocka_unit_test(test_dht_message_bad_truncation),
        cmocka_unit_test(test_dht_message_survives_mutation),
        cmocka_unit_test(test_dht_message_survives_noise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
