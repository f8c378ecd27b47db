/* SPDX-License-Identifier: MIT
 *
 * Messages in bencode that are refused, each for its reason, cut, or noise.
 */
#include "dht_message_examples.h"
#include "dht_message_same.h"
#include "testing.h"

#include "wire/krpc/dht_message.h"

#define A "20:abcdefghij0123456789"
#define B "20:mnopqrstuvwxyz123456"
#define QUERY(arguments, method) \
    "d1:ad2:id" A arguments "e1:q" method "1:t2:aa1:y1:qe"
#define PING(arguments)   QUERY(arguments, "4:ping")
#define RESPONSE(results) "d1:rd2:id" A results "e1:t2:aa1:y1:re"

static enum error read_text(const char *text, struct dht_message *m)
{
    struct bytes in = bytes_of_text(text);
    uint8_t *exact = test_exact_copy(in);
    enum error err =
        dht_message_read(DHT_DIALECT_MAINLINE, bytes_of(exact, in.len), m);

    free(exact);
    return err;
}

struct bad {
    const char *text;
    enum error want;
};

static void expect_errors(const struct bad *cases, size_t count)
{
    struct dht_message m;

    for (size_t i = 0; i < count; i++) {
        enum error err = read_text(cases[i].text, &m);

        if (err != cases[i].want)
            fail_msg("%s: %s", cases[i].text, error_text(err));
    }
}

static void test_dht_message_bencode_bad_form(void **state)
{
    static const struct bad cases[] = {
        {"", ERR_NOT_BENCODE},
        {"d", ERR_NOT_BENCODE},
        {"de", ERR_MISSING},
        {"le", ERR_WRONG_TYPE},
        {"i1e", ERR_WRONG_TYPE},
        {"1:a", ERR_WRONG_TYPE},
        {"\x84\xa1"
         "a",
         ERR_NOT_BENCODE},
        {PING("") "e", ERR_TRAILING},
        {PING("") "\n", ERR_TRAILING},
        {PING("") PING(""), ERR_TRAILING},
        {QUERY("", "04:ping"), ERR_NOT_BENCODE},
        {QUERY("", "5:ping"), ERR_NOT_BENCODE},
        {PING("4:porti01e"), ERR_NOT_BENCODE},
        {PING("4:porti-0e"), ERR_NOT_BENCODE},
        {PING("4:port"), ERR_NOT_BENCODE},
        {PING("i1ei1e"), ERR_NOT_BENCODE},
        {"d1:q4:ping1:t2:aa1:y1:q1:ad2:id" A "e", ERR_NOT_BENCODE},
        {PING("1:xi18446744073709551616e"), ERR_RANGE},
        {PING("1:vi-9223372036854775809e"), ERR_RANGE},
        {PING("1:xllllllllllllllleeeeeeeeeeeeeee"), ERR_TOO_DEEP},
        {PING("1:xlllllllllllllleeeeeeeeeeeeee"), OK},
        {PING("1:vllllllllllllllleeeeeeeeeeeeeee"), ERR_TOO_DEEP},
    };

    (void)state;
    expect_errors(cases, COUNT_OF(cases));
}

static void test_dht_message_bencode_bad_fields(void **state)
{
    static const struct bad cases[] = {
        {"d1:ade1:q4:ping1:t2:aa1:y1:qe", ERR_MISSING},
        {"d1:q4:ping1:t2:aa1:y1:qe", ERR_MISSING},
        {"d1:ad2:id" A "e1:q4:ping1:y1:qe", ERR_MISSING},
        {"d1:ad2:id" A "e1:q4:ping1:t2:aae", ERR_MISSING},
        {"d1:ad2:id" A "e1:t2:aa1:y1:qe", ERR_MISSING},
        {"d1:t2:aa1:y1:ee", ERR_MISSING},
        {"d1:rde1:t2:aa1:y1:re", ERR_MISSING},
        {"d1:t2:aa1:y1:re", ERR_MISSING},
        {QUERY("", "9:find_node"), ERR_MISSING},
        {QUERY("", "4:vote"), ERR_UNKNOWN_KIND},
        {"d1:ad2:id" A "e1:q4:ping1:t2:aa1:y1:xe", ERR_UNKNOWN_KIND},
        {"d1:ale1:q4:ping1:t2:aa1:y1:qe", ERR_WRONG_TYPE},
        {"d1:ad2:id" A "e1:q4:ping1:ti7e1:y1:qe", ERR_WRONG_TYPE},
        {"d1:ad2:id" A "e1:q4:ping1:t2:aa1:vi7e1:y1:qe", ERR_WRONG_TYPE},
        {"d2:ipi1e1:rd2:id" A "e1:t2:aa1:y1:re", ERR_WRONG_TYPE},
        {PING("4:port4:6881"), ERR_WRONG_TYPE},
        {PING("5:tokeni1e"), ERR_WRONG_TYPE},
        {PING("4:want2:n4"), ERR_WRONG_TYPE},
        {PING("4:wantli4ee"), ERR_WRONG_TYPE},
        {PING("3:cas20:aaaaaaaaaaaaaaaaaaaa"), ERR_WRONG_TYPE},
        {RESPONSE("5:nodesle"), ERR_WRONG_TYPE},
        {RESPONSE("5:nodes25:aaaaaaaaaaaaaaaaaaaaaaaaa"), ERR_WRONG_LENGTH},
        {RESPONSE("5:token0:"), ERR_WRONG_LENGTH},
        {"d1:ad2:id2:aae1:q4:ping1:t2:aa1:y1:qe", ERR_WRONG_LENGTH},
        {"d1:ad2:id" A "e1:q4:ping1:t0:1:y1:qe", ERR_WRONG_LENGTH},
        {"d1:ad2:id" A "e1:q4:ping1:t17:aaaaaaaaaaaaaaaaa1:y1:qe",
         ERR_WRONG_LENGTH},
        {PING("4:porti65536e"), ERR_RANGE},
        {PING("4:porti-1e"), ERR_RANGE},
        {PING("3:seqi9223372036854775808e"), ERR_RANGE},
        {RESPONSE("8:intervali21601e"), ERR_RANGE},
        {PING("4:salt65:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
              "aaaaaaaaaaaaa"),
         ERR_SALT},
    };

    (void)state;
    expect_errors(cases, COUNT_OF(cases));
}

/* A repeated key leaves the reader at the end of the tape, whose last token is
 * of each type here. */
static void test_dht_message_bencode_bad_repeated(void **state)
{
    static const struct bad cases[] = {
        {"d1:ad2:id" A "e1:ad2:id" A "e1:q4:ping1:t2:aa1:y1:qe", ERR_REPEATED},
        {"d1:ad2:id" A "e1:q4:ping1:t2:aa1:t2:aa1:y1:qe", ERR_REPEATED},
        {PING("2:id" A), ERR_REPEATED},
        {PING("1:vi1e1:vi1e"), ERR_REPEATED},
        {PING("1:vi1e1:vd1:bi1e1:ai1ee"), ERR_REPEATED},
        {RESPONSE("1:vle1:vle"), ERR_REPEATED},
        {"d1:q4:ping1:t2:aa1:y1:q1:ad2:id" A "1:vi1e1:vi4711eee", ERR_REPEATED},
        {"d1:q4:ping1:t2:aa1:y1:q1:ad2:id" A "1:vi1e1:vi-4711eee",
         ERR_REPEATED},
        {"d1:q4:ping1:t2:aa1:y1:q1:ad2:id" A "1:vi1e1:vleee", ERR_REPEATED},
        {"d1:q4:ping1:t2:aa1:y1:q1:ad2:id" A "1:vi1e1:v0:ee", ERR_REPEATED},
        {PING("1:xi1e1:xi1e"), OK},
    };

    (void)state;
    expect_errors(cases, COUNT_OF(cases));
}

static void test_dht_message_bencode_bounds_keys(void **state)
{
    static char keys[2048], text[4096];
    struct dht_message m;

    (void)state;
    for (int extra = DHT_KEYS_MAX - 2; extra <= DHT_KEYS_MAX + 1; extra++) {
        size_t n = 0;

        for (int i = 0; i < extra; i++)
            n += (size_t)snprintf(keys + n, sizeof(keys) - n, "3:x%02di1e", i);
        snprintf(text, sizeof(text), PING("%s"), keys);
        assert_int_equal(read_text(text, &m),
                         extra + 1 <= DHT_KEYS_MAX ? OK : ERR_TOO_LARGE);
    }
}

/* The kind, the method and the transaction are there for the answer, and what
 * had no good top level has no transaction. */
static void test_dht_message_bencode_bad_is_answered(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text(QUERY("4:porti-1e", "4:vote"), &m), ERR_RANGE);
    assert_int_equal(m.kind, DHT_QUERY);
    assert_int_equal(m.method, DHT_UNKNOWN_METHOD);
    assert_int_equal(m.transaction.len, 2);
    assert_int_equal(read_text("d1:ad2:id" A "e1:q4:ping1:t2:aa1:y1:xe", &m),
                     ERR_UNKNOWN_KIND);
    assert_int_equal(m.transaction.len, 0);
}

static void test_dht_message_bencode_bad_truncation(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        char *text = strdup(examples[i].bencode);
        struct dht_message m;

        assert_non_null(text);
        for (size_t len = strlen(text); len-- > 0;) {
            text[len] = '\0';
            assert_int_equal(read_text(text, &m), ERR_NOT_BENCODE);
        }
        free(text);
    }
}

/* ---- Noise ----------------------------------------------------------------*/

/* What is accepted can be written, and reads back as what was written. */
static bool read_and_write(struct bytes in)
{
    static uint8_t once[4096], twice[4096];
    uint8_t *exact = test_exact_copy(in);
    struct dht_message m, again;
    size_t len, len2;
    bool accepted = dht_message_read(DHT_DIALECT_MAINLINE,
                                     bytes_of(exact, in.len), &m) == OK;

    if (accepted) {
        assert_int_equal(dht_message_write(DHT_DIALECT_MAINLINE, &m, once,
                                           sizeof(once), &len),
                         OK);
        assert_int_equal(
            dht_message_read(DHT_DIALECT_MAINLINE, bytes_of(once, len), &again),
            OK);
        assert_int_equal(dht_message_write(DHT_DIALECT_MAINLINE, &again, twice,
                                           sizeof(twice), &len2),
                         OK);
        expect_same_bytes(bytes_of(once, len), bytes_of(twice, len2));
    }
    free(exact);
    return accepted;
}

/* Bytes changed, a piece left out or there twice: keys repeat and lose their
 * order. */
static size_t mutate(struct test_random *rnd, uint8_t *wire, size_t len)
{
    size_t at = test_random_below(rnd, (uint32_t)len);
    size_t piece = test_random_below(rnd, (uint32_t)(len - at));

    for (uint32_t n = test_random_below(rnd, 3); n > 0; n--)
        wire[test_random_below(rnd, (uint32_t)len)] =
            (uint8_t)(test_random_below(rnd, 3) == 0
                          ? test_random_next(rnd)
                          : (uint64_t) "ilde0123:"[test_random_below(rnd, 9)]);
    if (test_random_below(rnd, 8) == 0) {
        memmove(wire + at + piece, wire + at, len - at);
        return len + piece;
    }
    if (test_random_below(rnd, 8) == 0) {
        memmove(wire + at, wire + at + piece, len - at - piece);
        return len - piece;
    }
    return len;
}

static void test_dht_message_bencode_survives_mutation(void **state)
{
    struct test_random rnd = test_seed(2345);
    uint8_t wire[2 * DHT_MESSAGE_MAX];
    int accepted = 0;

    (void)state;
    for (int round = 0; round < 100000; round++) {
        uint32_t i = test_random_below(&rnd, COUNT_OF(examples));
        size_t len = strlen(examples[i].bencode);

        memcpy(wire, examples[i].bencode, len);
        len = mutate(&rnd, wire, len);
        accepted += read_and_write(bytes_of(wire, len));
    }
    assert_in_range(accepted, 10000, 90000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_message_bencode_bad_form),
        cmocka_unit_test(test_dht_message_bencode_bad_fields),
        cmocka_unit_test(test_dht_message_bencode_bad_repeated),
        cmocka_unit_test(test_dht_message_bencode_bounds_keys),
        cmocka_unit_test(test_dht_message_bencode_bad_is_answered),
        cmocka_unit_test(test_dht_message_bencode_bad_truncation),
        cmocka_unit_test(test_dht_message_bencode_survives_mutation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
