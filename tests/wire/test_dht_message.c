/* SPDX-License-Identifier: MIT
 *
 * Good messages: each kind, byte for byte. Bad ones are in
 * test_dht_message_bad.c.
 */
#include "dht_message_examples.h"
#include "dht_message_same.h"
#include "testing.h"
#include "transcode.h"

#include "wire/krpc/dht_message.h"

static void expect_written(const struct dht_message *m, struct bytes want)
{
    uint8_t buf[DHT_MESSAGE_MAX];
    size_t len;

    assert_int_equal(
        dht_message_write(DHT_DIALECT_WARREN, m, buf, sizeof(buf), &len), OK);
    expect_same_bytes(bytes_of(buf, len), want);
}

static void test_dht_message_writes_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        print_message("%s\n", examples[i].name);
        expect_written(&examples[i].m, bytes_of_text(examples[i].wire));
    }
}

static void test_dht_message_reads_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct dht_message m;

        print_message("%s\n", examples[i].name);
        assert_int_equal(dht_message_read(DHT_DIALECT_WARREN,
                                          bytes_of_text(examples[i].wire), &m),
                         OK);
        expect_same_message(&m, &examples[i].m);
    }
}

static void test_dht_message_is_canonical_bencode(void **state)
{
    uint8_t bencode[2 * DHT_MESSAGE_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        size_t len =
            msgpack_to_bencode(bytes_of_text(examples[i].wire), bencode);

        expect_same_bytes(bytes_of(bencode, len),
                          bytes_of_text(examples[i].bencode));
    }
}

/* From bencode, where it is not known what is text and what is bytes. */
static void test_dht_message_survives_bencode(void **state)
{
    uint8_t wire[4 * DHT_MESSAGE_MAX];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        size_t len = bencode_to_msgpack(examples[i].bencode, wire);
        struct dht_message m;

        assert_int_equal(
            dht_message_read(DHT_DIALECT_WARREN, bytes_of(wire, len), &m), OK);
        expect_same_message(&m, &examples[i].m);
        expect_written(&m, bytes_of_text(examples[i].wire));
    }
}

static void test_dht_message_minds_its_buffer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        size_t whole = strlen(examples[i].wire);

        for (size_t cap = 0; cap < whole; cap++) {
            uint8_t *buf = malloc(cap + 1);
            size_t len = 4711;

            assert_non_null(buf);
            assert_int_equal(dht_message_write(DHT_DIALECT_WARREN,
                                               &examples[i].m, buf, cap, &len),
                             ERR_NO_SPACE);
            assert_int_equal(len, 4711);
            free(buf);
        }
    }
}

static enum error read_text(const char *bencode, struct dht_message *m)
{
    static uint8_t wire[8 * DHT_MESSAGE_MAX];

    return dht_message_read(DHT_DIALECT_WARREN,
                            bytes_of(wire, bencode_to_msgpack(bencode, wire)),
                            m);
}

static void test_dht_message_order_does_not_matter(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text("d1:y1:q1:t2:aa1:ad"
                               "6:target20:mnopqrstuvwxyz123456"
                               "4:wantl2:n6e2:id20:abcdefghij0123456789e"
                               "1:q9:find_nodee",
                               &m),
                     OK);
    assert_int_equal(m.method, DHT_FIND_NODE);
    assert_int_equal(m.has, DHT_HAS_ID | DHT_HAS_TARGET | DHT_HAS_WANT);
    assert_true(m.want[FAMILY_IPV6]);
    assert_false(m.want[FAMILY_IPV4]);
    assert_memory_equal(m.id.b, "abcdefghij0123456789", ID_BYTES);
}

static void test_dht_message_skips_unknown_keys(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text("d0:i1e1:ad0:le1:bd1:xli1e1:yee"
                               "2:id20:abcdefghij01234567892:ien1:zte"
                               "1:bf1:q4:ping1:t2:aa1:y1:q2:yyldeee",
                               &m),
                     OK);
    assert_int_equal(m.method, DHT_PING);
    assert_int_equal(m.has, DHT_HAS_ID);
}

#define A "20:abcdefghij0123456789"
#define B "20:mnopqrstuvwxyz123456"
#define QUERY(arguments, method) \
    "d1:ad2:id" A arguments "e1:q" method "1:t2:aa1:y1:qe"
#define RESPONSE(results) "d1:rd2:id" A results "e1:t2:aa1:y1:re"

static void test_dht_message_unknown_method(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text(QUERY("6:target" B, "4:vote"), &m), OK);
    assert_int_equal(m.method, DHT_UNKNOWN_METHOD);
    assert_memory_equal(m.target.b, B + 3, ID_BYTES);
    assert_int_equal(read_text(QUERY("9:info_hash" B, "4:vote"), &m), OK);
    assert_int_equal(m.method, DHT_UNKNOWN_METHOD);
    assert_memory_equal(m.target.b, B + 3, ID_BYTES);
    assert_int_equal(read_text(QUERY("", "4:vote"), &m), ERR_UNKNOWN_KIND);
    assert_int_equal(m.method, DHT_UNKNOWN_METHOD);
    expect_same_bytes(m.transaction, TEST_BYTES("aa"));
    assert_int_equal(read_text(QUERY("", "0:"), &m), ERR_UNKNOWN_KIND);
    assert_int_equal(read_text(QUERY("6:target" B, "5:PING "), &m), OK);
    assert_int_equal(m.method, DHT_UNKNOWN_METHOD);
}

/* A query has one target, by the name that its method gives it. */
static void test_dht_message_target_by_method(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(
        read_text(QUERY("9:info_hash" A "6:target" B, "9:find_node"), &m), OK);
    assert_memory_equal(m.target.b, B + 3, ID_BYTES);
    assert_int_equal(
        read_text(QUERY("9:info_hash" A "6:target" B, "9:get_peers"), &m), OK);
    assert_memory_equal(m.target.b, A + 3, ID_BYTES);
    assert_int_equal(read_text(QUERY("9:info_hash" A, "9:find_node"), &m),
                     ERR_MISSING);
    assert_int_equal(read_text(QUERY("6:target" A, "9:get_peers"), &m),
                     ERR_MISSING);
}

static void test_dht_message_ignores_other_kinds(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(
        read_text(QUERY("5:nodesi1e5:token2:tt6:valuesle", "4:ping"), &m), OK);
    assert_int_equal(m.has, DHT_HAS_ID | DHT_HAS_TOKEN);
    assert_int_equal(read_text(RESPONSE("4:porti-1e4:wanti1e"), &m), OK);
    assert_int_equal(m.has, DHT_HAS_ID);
    assert_int_equal(read_text("d1:ai1e1:eli201e1:xe1:r0:1:t2:aa1:y1:ee", &m),
                     OK);
    assert_int_equal(m.has, 0);
}

static void test_dht_message_main_network(void **state)
{
    struct bytes bare = bytes_of_text(examples[0].wire);
    struct dht_message m = examples[0].m;

    (void)state;
    assert_int_equal(
        read_text("d1:ad2:id" A "e1:n4:main1:q4:ping1:t2:aa1:y1:qe", &m), OK);
    assert_int_equal(m.network.len, 0);
    expect_written(&m, bare);
    assert_int_equal(
        read_text("d1:ad2:id" A "e1:n5:main21:q4:ping1:t2:aa1:y1:qe", &m), OK);
    expect_same_bytes(m.network, TEST_BYTES("main2"));
}

static void test_dht_message_flags(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(
        read_text("d1:ad2:id" A "e1:q4:ping2:roi0e1:t2:aa1:y1:qe", &m), OK);
    assert_false(m.read_only);
    assert_int_equal(
        read_text("d1:ad2:id" A "e1:q4:ping2:roi2e1:t2:aa1:y1:qe", &m), OK);
    assert_true(m.read_only);
}

static void test_dht_message_want(void **state)
{
    static const struct {
        const char *list;
        bool n4, n6;
    } cases[] = {
        {QUERY("4:wantle", "4:ping"), false, false},
        {QUERY("4:wantl2:n4e", "4:ping"), true, false},
        {QUERY("4:wantl2:n6e", "4:ping"), false, true},
        {QUERY("4:wantl2:n6e", "4:ping"), false, true},
        {QUERY("4:wantl2:n62:n4e", "4:ping"), true, true},
        {QUERY("4:wantl2:n53:n440:2:N6e", "4:ping"), false, false},
    };
    struct dht_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(read_text(cases[i].list, &m), OK);
        assert_int_equal(m.has, DHT_HAS_ID | DHT_HAS_WANT);
        assert_int_equal(m.want[FAMILY_IPV4], cases[i].n4);
        assert_int_equal(m.want[FAMILY_IPV6], cases[i].n6);
    }
}

static void test_dht_message_skips_odd_values(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(
        read_text(RESPONSE("6:valuesl6:aaaaaai5e5:aaaaa0:le6:bbbbbbn"
                           "18:ccccccccccccccccccd1:xi1eee"),
                  &m),
        OK);
    assert_int_equal(m.value_count, 3);
    assert_int_equal(m.values[1].addr[0], 'b');
    assert_int_equal(m.values[2].family, FAMILY_IPV6);
    assert_int_equal(read_text(RESPONSE("6:values6:aaaaaa"), &m), OK);
    assert_int_equal(m.has & DHT_HAS_VALUES, 0);
    assert_int_equal(read_text(RESPONSE("6:valuesle"), &m), OK);
    assert_int_equal(m.has & DHT_HAS_VALUES, DHT_HAS_VALUES);
    assert_int_equal(m.value_count, 0);
}

/* `v` beside `y` is the version, inside `r` the value. */
static void test_dht_message_two_vs(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(
        read_text("d1:rd2:id" A "1:vi7ee1:t2:aa1:v4:WR011:y1:re", &m), OK);
    expect_same_bytes(m.version, TEST_BYTES("WR01"));
    expect_same_bytes(value_bytes(&m.value), TEST_BYTES("\x07"));
}

static void test_dht_message_error_extends(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text("d1:eli203e3:badle1:xe1:t2:aa1:y1:ee", &m), OK);
    assert_int_equal(m.error_code, DHT_ERROR_PROTOCOL);
    expect_same_bytes(m.error_text, TEST_BYTES("bad"));
}

static void test_dht_message_error_comes_last(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text("d1:t2:aa1:y1:e1:eli203e3:badee", &m), OK);
    assert_int_equal(m.error_code, DHT_ERROR_PROTOCOL);
}

static void test_dht_message_shortest_strings(void **state)
{
    struct dht_message m = examples[0].m;

    (void)state;
    m.version = m.network = m.transaction = TEST_BYTES("z");
    expect_written(&m, TEST_BYTES("\x86\xa1"
                                  "a\x81\xa2id\xc4\x14"
                                  "abcdefghij0123456789\xa1n\xa1z\xa1q\xa4ping"
                                  "\xa1t\xc4\x01z\xa1v\xc4\x01z\xa1y\xa1q"));
}

static void test_dht_message_init_clears(void **state)
{
    struct dht_message m;

    (void)state;
    memset(&m, 0xa5, sizeof(m));
    dht_message_init(&m, DHT_RESPONSE);
    assert_int_equal(m.kind, DHT_RESPONSE);
    assert_int_equal(m.has, 0);
    assert_int_equal(m.transaction.len, 0);
    assert_int_equal(m.value_count, 0);
    assert_int_equal(m.value.len, 0);
    assert_false(m.read_only || m.implied_port);
}

static void test_dht_message_method_names(void **state)
{
    (void)state;
    assert_string_equal(dht_method_name(DHT_PING), "ping");
    assert_string_equal(dht_method_name(DHT_SAMPLE_INFOHASHES),
                        "sample_infohashes");
    assert_string_equal(dht_method_name(DHT_UNKNOWN_METHOD), "unknown");
}

/* What has to fit: a mutable put of the longest value, and an answer with
 * nodes of both families and 50 peers. */
static void test_dht_message_largest_fit(void **state)
{
    static const uint8_t bytes[1000];
    uint8_t buf[DHT_MESSAGE_MAX];
    struct dht_message m = examples[19].m;
    size_t len;

    (void)state;
    assert_string_equal(examples[19].name, "put_mutable");
    assert_int_equal(value_from_bytes(bytes_of(bytes, 996), &m.value), OK);
    m.seq = m.cas = INT64_MAX;
    m.salt = bytes_of(bytes, DHT_SALT_MAX);
    assert_int_equal(
        dht_message_write(DHT_DIALECT_WARREN, &m, buf, sizeof(buf), &len), OK);

    dht_message_init(&m, DHT_RESPONSE);
    m.has = DHT_HAS_ID | DHT_HAS_NODES | DHT_HAS_NODES6 | DHT_HAS_VALUES |
            DHT_HAS_IP | DHT_HAS_TOKEN;
    m.transaction = bytes_of(bytes, DHT_TRANSACTION_MAX);
    m.token = bytes_of(bytes, DHT_TOKEN_BYTES);
    m.nodes = bytes_of(bytes, 8 * COMPACT_NODE4);
    m.nodes6 = bytes_of(bytes, 8 * COMPACT_NODE6);
    m.value_count = 50;
    memset(m.values, 0, sizeof(m.values));
    assert_int_equal(
        dht_message_write(DHT_DIALECT_WARREN, &m, buf, sizeof(buf), &len), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_message_writes_examples),
        cmocka_unit_test(test_dht_message_reads_examples),
        cmocka_unit_test(test_dht_message_is_canonical_bencode),
        cmocka_unit_test(test_dht_message_survives_bencode),
        cmocka_unit_test(test_dht_message_minds_its_buffer),
        cmocka_unit_test(test_dht_message_order_does_not_matter),
        cmocka_unit_test(test_dht_message_skips_unknown_keys),
        cmocka_unit_test(test_dht_message_unknown_method),
        cmocka_unit_test(test_dht_message_target_by_method),
        cmocka_unit_test(test_dht_message_ignores_other_kinds),
        cmocka_unit_test(test_dht_message_main_network),
        cmocka_unit_test(test_dht_message_flags),
        cmocka_unit_test(test_dht_message_want),
        cmocka_unit_test(test_dht_message_skips_odd_values),
        cmocka_unit_test(test_dht_message_two_vs),
        cmocka_unit_test(test_dht_message_error_extends),
        cmocka_unit_test(test_dht_message_error_comes_last),
        cmocka_unit_test(test_dht_message_shortest_strings),
        cmocka_unit_test(test_dht_message_init_clears),
        cmocka_unit_test(test_dht_message_method_names),
        cmocka_unit_test(test_dht_message_largest_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
