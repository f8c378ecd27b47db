/* SPDX-License-Identifier: MIT
 *
 * Messages in bencode: those of the BEPs byte for byte, what real programs
 * send, and each example from msgpack and back.
 */
#include "dht_message_examples.h"
#include "dht_message_same.h"
#include "testing.h"

#include "wire/krpc/dht_message.h"

#define A "20:abcdefghij0123456789"
#define B "20:mnopqrstuvwxyz123456"
#define K "32:kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"
#define S                                 \
    "64:ssssssssssssssssssssssssssssssss" \
    "ssssssssssssssssssssssssssssssss"
#define NODE4 "26:mnopqrstuvwxyz123456axje.u"
#define NODE6 "38:mnopqrstuvwxyz123456fedcba9876543210hi"
#define BLOOM64                        \
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb" \
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define BLOOM "256:" BLOOM64 BLOOM64 BLOOM64 BLOOM64

static enum error read_text(const char *text, struct dht_message *m)
{
    return dht_message_read(DHT_DIALECT_MAINLINE, bytes_of_text(text), m);
}

static void expect_written(enum dht_dialect dialect,
                           const struct dht_message *m, struct bytes want)
{
    uint8_t buf[DHT_MESSAGE_MAX];
    size_t len;

    assert_int_equal(dht_message_write(dialect, m, buf, sizeof(buf), &len), OK);
    if (!bytes_equal(bytes_of(buf, len), want))
        fail_msg("%.*s", (int)len, (const char *)buf);
}

/* Read and written without a change. */
static void test_dht_message_bencode_of_the_beps(void **state)
{
    static const char *const texts[] = {
        /* BEP 5: its nodes are abbreviated to "9:def456...", which is no
         * multiple of 26 */
        "d1:ad2:id" A "e1:q4:ping1:t2:aa1:y1:qe",
        "d1:rd2:id" B "e1:t2:aa1:y1:re",
        "d1:ad2:id" A "6:target" B "e1:q9:find_node1:t2:aa1:y1:qe",
        "d1:rd2:id20:0123456789abcdefghij5:nodes" NODE4 "e1:t2:aa1:y1:re",
        "d1:ad2:id" A "9:info_hash" B "e1:q9:get_peers1:t2:aa1:y1:qe",
        "d1:rd2:id" A "5:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee"
        "1:t2:aa1:y1:re",
        "d1:rd2:id" A "5:nodes" NODE4 "5:token8:aoeusnthe1:t2:aa1:y1:re",
        "d1:ad2:id" A "12:implied_porti1e9:info_hash" B
        "4:porti6881e5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
        "d1:rd2:id" B "e1:t2:aa1:y1:re",
        "d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee",
        /* BEP 32 */
        "d1:ad2:id" A "6:target" B "4:wantl2:n42:n6ee"
        "1:q9:find_node1:t2:aa1:y1:qe",
        "d1:rd2:id" B "5:nodes" NODE4 "6:nodes6" NODE6 "e1:t2:aa1:y1:re",
        "d1:rd2:id" B "5:token8:aoeusnth6:valuesl18:fedcba9876543210hiee"
        "1:t2:aa1:y1:re",
        /* BEP 33 */
        "d1:ad2:id" A "9:info_hash" B "6:noseedi1e6:scrapei1ee"
        "1:q9:get_peers1:t2:aa1:y1:qe",
        "d1:rd4:BFpe" BLOOM "4:BFsd" BLOOM "2:id" B "e1:t2:aa1:y1:re",
        "d1:ad2:id" A "9:info_hash" B "4:porti6881e4:seedi1e"
        "5:token8:aoeusnthe1:q13:announce_peer1:t2:aa1:y1:qe",
        /* BEP 42, of both families */
        "d2:ip6:axje.u1:rd2:id" B "e1:t2:aa1:y1:re",
        "d2:ip18:fedcba9876543210hi1:rd2:id" B "e1:t2:aa1:y1:re",
        "d1:eli203e9:bad tokene2:ip6:axje.u1:t2:aa1:y1:ee",
        /* BEP 43 */
        "d1:ad2:id" A "e1:q4:ping2:roi1e1:t2:aa1:v4:WR011:y1:qe",
        /* BEP 44 */
        "d1:ad2:id" A "3:seqi4e6:target" B "e1:q3:get1:t2:aa1:y1:qe",
        "d1:ad2:id" A "5:token8:aoeusnth1:v12:Hello World!e"
        "1:q3:put1:t2:aa1:y1:qe",
        "d1:ad3:casi299e2:id" A "1:k" K "4:salt6:foobar3:seqi300e3:sig" S
        "5:token8:aoeusnth1:vd1:ali1ei-2ee1:b1:cee1:q3:put1:t2:aa1:y1:qe",
        "d1:rd2:id" B "1:k" K "5:nodes" NODE4 "3:seqi300e3:sig" S
        "5:token8:aoeusnth1:v12:Hello World!e1:t2:aa1:y1:re",
        "d1:rd2:id" B "3:seqi-9223372036854775808e5:token8:aoeusnth"
        "1:vi18446744073709551615ee1:t2:aa1:y1:re",
        "d1:eli301e12:cas mismatche1:t2:aa1:y1:ee",
        /* BEP 51 */
        "d1:ad2:id" A "6:target" B "e1:q17:sample_infohashes1:t2:aa1:y1:qe",
        "d1:rd2:id" B "8:intervali21600e5:nodes" NODE4 "3:numi4294967295e"
        "7:samples40:abcdefghij0123456789mnopqrstuvwxyz123456e1:t2:aa1:y1:re",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct dht_message m;

        if (read_text(texts[i], &m) != OK)
            fail_msg("%s", texts[i]);
        expect_written(DHT_DIALECT_MAINLINE, &m, bytes_of_text(texts[i]));
    }
}

static void test_dht_message_bencode_says_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        struct dht_message m;

        print_message("%s\n", examples[i].name);
        assert_int_equal(read_text(examples[i].bencode, &m), OK);
        expect_same_message(&m, &examples[i].m);
        expect_written(DHT_DIALECT_WARREN, &m, bytes_of_text(examples[i].wire));
        assert_int_equal(dht_message_read(DHT_DIALECT_WARREN,
                                          bytes_of_text(examples[i].wire), &m),
                         OK);
        expect_written(DHT_DIALECT_MAINLINE, &m,
                       bytes_of_text(examples[i].bencode));
    }
}

static void test_dht_message_bencode_scrape(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text("d1:ad2:id" A "9:info_hash" B
                               "6:noseedi0e6:scrapei2ee"
                               "1:q9:get_peers1:t2:aa1:y1:qe",
                               &m),
                     OK);
    assert_true(m.scrape && !m.no_seed && !m.seed);
    assert_int_equal(
        read_text("d1:rd4:BFpe" BLOOM "2:id" B "e1:t2:aa1:y1:re", &m), OK);
    assert_int_equal(m.has, DHT_HAS_ID | DHT_HAS_PEER_BLOOM);
    assert_memory_equal(m.peer_bloom, BLOOM64, 64);
    assert_int_equal(read_text("d1:rd4:BFsd3:abc2:id" B "e1:t2:aa1:y1:re", &m),
                     ERR_WRONG_LENGTH);
}

/* ---- What real programs send ---------------------------------------------*/

/* A crawler whose keys are in no order (rakshasa/libtorrent, issue 88). */
static void test_dht_message_bencode_any_order(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text("d1:y1:q1:q9:find_node1:t2:aa1:ad2:id" A
                               "6:target" B "ee",
                               &m),
                     OK);
    assert_int_equal(m.method, DHT_FIND_NODE);
    assert_memory_equal(m.target.b, B + 3, ID_BYTES);
    expect_same_bytes(m.transaction, TEST_BYTES("aa"));
    assert_int_equal(
        read_text("d1:y1:r1:t2:aa1:rd6:valuesl6:axje.ue5:token1:t2:id" B "ee",
                  &m),
        OK);
    assert_int_equal(m.value_count, 1);
}

/* libtorrent's port in `r` and the torrent's name in `a`; uTorrent's method
 * and name; keys of none of the BEPs, also twice, in `a`, `r` and around. */
static void test_dht_message_bencode_unknown(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text("d2:ip6:axje.u1:rd2:id" B "1:pi6881ee1:t2:aa"
                               "1:v4:LT\1\2"
                               "1:y1:re",
                               &m),
                     OK);
    expect_same_bytes(m.version, TEST_BYTES("LT\1\2"));
    assert_int_equal(read_text("d1:ad2:id" A "12:implied_porti1e9:info_hash" B
                               "1:n3:iso4:porti0e4:seedi1e5:token4:abcde"
                               "1:q13:announce_peer1:t2:aa1:v4:LT\1\2"
                               "1:y1:qe",
                               &m),
                     OK);
    assert_true(m.seed && m.implied_port);
    assert_int_equal(m.network.len, 0);
    assert_int_equal(read_text("d1:ad2:id" A "4:name3:iso6:target" B
                               "5:token4:abcd4:votei3ee"
                               "1:q4:vote1:t4:abcd1:v4:UT\261\2"
                               "1:y1:qe",
                               &m),
                     OK);
    assert_int_equal(m.method, DHT_UNKNOWN_METHOD);
    assert_int_equal(read_text("d0:le0:de1:ad0:i1e0:i2e2:id" A
                               "1:zld1:ali-1eeeee1:q4:ping1:t2:aa1:y1:q"
                               "1:zi1e1:zi2e2:zzld0:d0:leeeee",
                               &m),
                     OK);
    assert_int_equal(m.has, DHT_HAS_ID);
}

static void test_dht_message_bencode_long_version(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text("d1:ad2:id" A
                               "e1:q4:ping1:t2:aa1:v12:crawler 1.001:y1:qe",
                               &m),
                     OK);
    expect_same_bytes(m.version, TEST_BYTES("crawler "));
    assert_int_equal(
        read_text("d1:ad2:id" A "e1:q4:ping1:t2:aa1:v0:1:y1:qe", &m), OK);
    assert_int_equal(m.version.len, 0);
    expect_written(DHT_DIALECT_MAINLINE, &m,
                   TEST_BYTES("d1:ad2:id" A "e1:q4:ping1:t2:aa1:y1:qe"));
}

/* An address without a port, or nothing; the response counts. */
static void test_dht_message_bencode_odd_ip(void **state)
{
    static const char *const texts[] = {
        "d2:ip4:axje1:rd2:id" B "e1:t2:aa1:y1:re",
        "d2:ip16:fedcba98765432101:rd2:id" B "e1:t2:aa1:y1:re",
        "d2:ip0:1:rd2:id" B "e1:t2:aa1:y1:re",
        "d2:ip9:127.0.0.11:rd2:id" B "e1:t2:aa1:y1:re",
    };
    struct dht_message m;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(read_text(texts[i], &m), OK);
        assert_int_equal(m.has, DHT_HAS_ID);
    }
}

static void test_dht_message_bencode_odd_errors(void **state)
{
    static const struct {
        const char *text;
        uint32_t code;
        const char *says;
    } cases[] = {
        {"d1:eli203e3:bade1:t2:aa1:y1:ee", 203, "bad"},
        {"d1:e3:bad1:t2:aa1:y1:ee", 201, "bad"},   /* met by mldht */
        {"d1:el3:bade1:t2:aa1:y1:ee", 201, "bad"}, /* k-rpc-socket */
        {"d1:eli203ee1:t2:aa1:y1:ee", 203, ""},
        {"d1:ele1:t2:aa1:y1:ee", 201, ""},
        {"d1:ede1:t2:aa1:y1:ee", 201, ""},
        {"d1:ei203e1:t2:aa1:y1:ee", 203, ""},
        {"d1:eli-1e3:bade1:t2:aa1:y1:ee", 201, "bad"},
        {"d1:eli4294967296e3:bade1:t2:aa1:y1:ee", 201, "bad"},
        {"d1:eli203e3:badle1:xdee1:t2:aa1:y1:ee", 203, "x"},
        {"d1:y1:e1:t2:aa1:eli204e1:xee", 204, "x"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dht_message m;

        if (read_text(cases[i].text, &m) != OK)
            fail_msg("%s", cases[i].text);
        assert_int_equal(m.kind, DHT_ERROR);
        assert_int_equal(m.error_code, cases[i].code);
        assert_true(bytes_is_text(m.error_text, cases[i].says));
    }
}

static void test_dht_message_bencode_odd_values(void **state)
{
    struct dht_message m;

    (void)state;
    assert_int_equal(read_text("d1:rd2:id" B
                               "6:valuesl6:aaaaaai5e5:aaaaa0:le6:bbbbbb"
                               "18:ccccccccccccccccccd1:xi1eee"
                               "e1:t2:aa1:y1:re",
                               &m),
                     OK);
    assert_int_equal(m.value_count, 3);
    assert_int_equal(
        read_text("d1:rd2:id" B "6:values6:axje.ue1:t2:aa1:y1:re", &m), OK);
    assert_int_equal(m.has, DHT_HAS_ID);
}

/* ---- Values ---------------------------------------------------------------*/

#define PUT(value)                             \
    "d1:ad2:id" A "5:token1:t1:v" value "e1:q" \
    "3:put1:t2:aa1:y1:qe"

/* What is in order is canonical, and goes either way. */
static void test_dht_message_bencode_sorted_values(void **state)
{
    static const char *const texts[] = {
        PUT("i0e"),
        PUT("i-9223372036854775808e"),
        PUT("0:"),
        PUT("le"),
        PUT("de"),
        PUT("llld1:ali1eeeeee"),
        PUT("d0:i1e1:a0:2:aale1:bdee"),
        PUT("d1:d1:l1:l1:de"),
        PUT("1:d"),
        PUT("1:l"),
        PUT("i100e"),
    };
    uint8_t mp[DHT_MESSAGE_MAX];
    struct dht_message m;
    size_t len;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(read_text(texts[i], &m), OK);
        assert_false(value_is_raw(&m.value));
        assert_int_equal(
            dht_message_write(DHT_DIALECT_WARREN, &m, mp, sizeof(mp), &len),
            OK);
        assert_int_equal(
            dht_message_read(DHT_DIALECT_WARREN, bytes_of(mp, len), &m), OK);
        expect_written(DHT_DIALECT_MAINLINE, &m, bytes_of_text(texts[i]));
    }
}

/* What is not stays as it came. */
static void test_dht_message_bencode_raw_values(void **state)
{
    static const char *const values[] = {
        "d1:b0:1:a0:e",     "d1:a0:1:a0:e",
        "ld1:bi1e1:ai2eee", "d1:ad2:bb0:1:blee1:c0:e",
        "d1:b0:0:0:e",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        uint8_t bencoded[VALUE_BENCODED_MAX];
        struct dht_message m;
        char text[256];

        snprintf(text, sizeof(text), PUT("%s"), values[i]);
        assert_int_equal(read_text(text, &m), OK);
        assert_true(value_is_raw(&m.value));
        expect_same_bytes(value_bytes(&m.value), bytes_of_text(values[i]));
        assert_int_equal(value_bencode(&m.value, bencoded), strlen(values[i]));
        assert_memory_equal(bencoded, values[i], strlen(values[i]));
        expect_written(DHT_DIALECT_MAINLINE, &m, bytes_of_text(text));
        /* wherever it stands in its message */
        snprintf(text, sizeof(text),
                 "d1:rd1:v%s2:id" B "5:token1:te1:t2:aa1:y1:re", values[i]);
        assert_int_equal(read_text(text, &m), OK);
        expect_same_bytes(value_bytes(&m.value), bytes_of_text(values[i]));
    }
}

/* The longest value, raw or not. */
static void test_dht_message_bencode_value_sizes(void **state)
{
    (void)state;
    for (int raw = 0; raw < 2; raw++) {
        for (int len = 970; len < 999; len++) {
            char text[2048];
            struct dht_message m;
            bool fits;

            snprintf(text, sizeof(text), PUT("d1:b%d:%0*d%se"), len, len, 0,
                     raw ? "1:a0:" : "1:c0:");
            fits = strlen(text) - strlen(PUT("")) <= VALUE_BENCODED_MAX;
            assert_int_equal(read_text(text, &m), fits ? OK : ERR_TOO_LARGE);
            if (fits)
                expect_written(DHT_DIALECT_MAINLINE, &m, bytes_of_text(text));
            if (fits)
                assert_int_equal(value_is_raw(&m.value), raw);
        }
    }
}

/* ---- Writing --------------------------------------------------------------*/

static void test_dht_message_bencode_minds_its_buffer(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        size_t whole = strlen(examples[i].bencode);

        for (size_t cap = 0; cap <= whole; cap++) {
            uint8_t *buf = malloc(cap + 1);
            size_t len = 4711;

            assert_non_null(buf);
            assert_int_equal(dht_message_write(DHT_DIALECT_MAINLINE,
                                               &examples[i].m, buf, cap, &len),
                             cap < whole ? ERR_NO_SPACE : OK);
            assert_int_equal(len, cap < whole ? 4711 : whole);
            free(buf);
        }
    }
}

/* What has to fit: a put with all that a put may have, and the answer that has
 * the longest mutable item. */
static void test_dht_message_bencode_largest_fit(void **state)
{
    static const uint8_t bytes[1000];
    uint8_t buf[DHT_PUT_MAX];
    struct dht_message m;
    size_t len;

    (void)state;
    assert_int_equal(read_text("d1:ad2:id" A "1:k" K "3:seqi1e3:sig" S
                               "5:token1:t1:v0:e1:q3:put2:roi1e1:t2:aa1:y1:qe",
                               &m),
                     OK);
    assert_int_equal(value_from_bytes(bytes_of(bytes, 996), &m.value), OK);
    m.transaction = bytes_of(bytes, 8);
    m.version = bytes_of(bytes, 4);
    m.token = bytes_of(bytes, DHT_TOKEN_MAX);
    m.salt = bytes_of(bytes, DHT_SALT_MAX);
    m.seq = m.cas = INT64_MIN;
    m.has |= DHT_HAS_SALT | DHT_HAS_CAS;
    assert_int_equal(
        dht_message_write(DHT_DIALECT_MAINLINE, &m, buf, DHT_PUT_MAX, &len),
        OK);

    m.kind = DHT_RESPONSE;
    m.transaction = bytes_of(bytes, DHT_TRANSACTION_MAX);
    m.token = bytes_of(bytes, DHT_TOKEN_BYTES);
    m.ip = (struct endpoint){.family = FAMILY_IPV6, .port = 1};
    m.has = DHT_HAS_ID | DHT_HAS_IP | DHT_HAS_TOKEN | DHT_HAS_KEY |
            DHT_HAS_SIGNATURE | DHT_HAS_SEQ | DHT_HAS_VALUE;
    assert_int_equal(
        dht_message_write(DHT_DIALECT_MAINLINE, &m, buf, DHT_MESSAGE_MAX, &len),
        OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_message_bencode_of_the_beps),
        cmocka_unit_test(test_dht_message_bencode_says_the_same),
        cmocka_unit_test(test_dht_message_bencode_scrape),
        cmocka_unit_test(test_dht_message_bencode_any_order),
        cmocka_unit_test(test_dht_message_bencode_unknown),
        cmocka_unit_test(test_dht_message_bencode_long_version),
        cmocka_unit_test(test_dht_message_bencode_odd_ip),
        cmocka_unit_test(test_dht_message_bencode_odd_errors),
        cmocka_unit_test(test_dht_message_bencode_odd_values),
        cmocka_unit_test(test_dht_message_bencode_sorted_values),
        cmocka_unit_test(test_dht_message_bencode_raw_values),
        cmocka_unit_test(test_dht_message_bencode_value_sizes),
        cmocka_unit_test(test_dht_message_bencode_minds_its_buffer),
        cmocka_unit_test(test_dht_message_bencode_largest_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
