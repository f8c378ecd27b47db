/* SPDX-License-Identifier: MIT
 *
 * Which error (BEP 5, BEP 44) a query gets that is refused or cannot be read,
 * in both dialects, and what gets none.
 */
#include "answer_fixture.h"

#include "transcode.h"

#include <sodium.h>

#define ID20  "20:abcdefghij0123456789"
#define KEY32 "32:0123456789abcdef0123456789abcdef"
#define SIG64 \
    "64:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TOKEN8 "5:token8:12345678"

/* A query of this method with these arguments, in the order of keys. */
#define QUERY(method, arguments) \
    "d1:ad2:id" ID20 arguments "e1:q" method "1:t2:aa1:y1:qe"

struct given {
    const char *text; /* bencode */
    enum error dropped;
    uint32_t code; /* 0: no answer */
    const char *reason;
};

static void set_dialect(struct fixture *f, enum dht_dialect dialect)
{
    init(f);
    f->h.config.dialect = dialect;
}

/* What it is answered with; NULL: nothing. */
static struct sent *give(struct fixture *f, const char *text, enum error *err)
{
    uint8_t bytes[4 * DHT_MESSAGE_MAX];
    size_t len = strlen(text);

    if (f->h.config.dialect == DHT_DIALECT_WARREN)
        len = bencode_to_msgpack(text, bytes);
    else
        memcpy(bytes, text, len);
    harness_forget(&f->h);
    *err = harness_give_bytes(&f->h, &f->ep, bytes_of(bytes, len));
    return harness_next(&f->h);
}

static void expect(struct fixture *f, const struct given *g)
{
    uint64_t before = dht_stats(f->h.d)->dropped[g->dropped];
    uint64_t errors = dht_stats(f->h.d)->errors_out;
    enum error err;
    struct sent *s = give(f, g->text, &err);

    if (err != g->dropped || (s != NULL) != (g->code != 0))
        print_message("%s: %s\n", g->text, error_name(err));
    assert_int_equal(err, g->dropped);
    assert_int_equal(dht_stats(f->h.d)->dropped[g->dropped], before + 1);
    assert_int_equal(dht_stats(f->h.d)->errors_out - errors, g->code != 0);
    assert_int_equal(harness_waiting(&f->h), 0);
    if (g->code == 0) {
        assert_null(s);
        return;
    }
    assert_error(s, g->code);
    assert_true(endpoint_equal(&s->to, &f->ep));
    assert_true(bytes_is_text(s->m.transaction, "aa"));
    assert_true(bytes_is_text(s->m.error_text, g->reason));
    assert_true(endpoint_equal(&s->m.ip, &f->ep));
    assert_int_equal(s->m.version.len, 4);
}

static void expect_all(const struct given *given, size_t count)
{
    for (int dialect = 0; dialect < 2; dialect++) {
        for (size_t i = 0; i < count; i++) {
            struct fixture f;

            set_dialect(&f, (enum dht_dialect)dialect);
            harness_start(&f.h);
            expect(&f, &given[i]);
            harness_end(&f.h);
        }
    }
}

static void test_dht_errors_malformed(void **state)
{
    static const struct given given[] = {
        /* A missing argument. */
        {"d1:ade1:q4:ping1:t2:aa1:y1:qe", ERR_MISSING, 203, "argument missing"},
        {"d1:q4:ping1:t2:aa1:y1:qe", ERR_MISSING, 203, "argument missing"},
        {QUERY("9:find_node", ""), ERR_MISSING, 203, "argument missing"},
        {QUERY("9:get_peers", ""), ERR_MISSING, 203, "argument missing"},
        {QUERY("3:get", ""), ERR_MISSING, 203, "argument missing"},
        {QUERY("17:sample_infohashes", ""), ERR_MISSING, 203,
         "argument missing"},
        {QUERY("13:announce_peer", "9:info_hash" ID20 "4:porti1e"), ERR_MISSING,
         203, "argument missing"},
        {QUERY("13:announce_peer", "9:info_hash" ID20 TOKEN8), ERR_MISSING, 203,
         "argument missing"},
        {QUERY("3:put", "1:vi1e"), ERR_MISSING, 203, "argument missing"},
        {QUERY("3:put", TOKEN8), ERR_MISSING, 203, "argument missing"},
        {QUERY("3:put", "1:k" KEY32 "3:seqi1e" TOKEN8 "1:vi1e"), ERR_MISSING,
         203, "argument missing"},
        /* Of another type, length or range. */
        {"d1:ad2:idi1ee1:q4:ping1:t2:aa1:y1:qe", ERR_WRONG_TYPE, 203,
         "malformed"},
        {"d1:ad2:id2:abe1:q4:ping1:t2:aa1:y1:qe", ERR_WRONG_LENGTH, 203,
         "malformed"},
        {QUERY("9:find_node", "6:target2:ab"), ERR_WRONG_LENGTH, 203,
         "malformed"},
        {QUERY("13:announce_peer", "9:info_hash" ID20 "4:porti65536e" TOKEN8),
         ERR_RANGE, 203, "malformed"},
        {QUERY("3:put", "1:k2:ab3:seqi1e3:sig" SIG64 TOKEN8 "1:vi1e"),
         ERR_WRONG_LENGTH, 203, "malformed"},
    };

    (void)state;
    expect_all(given, COUNT_OF(given));
}

static void test_dht_errors_unknown_method(void **state)
{
    static const struct given given[] = {
        {QUERY("4:vote", ""), ERR_UNKNOWN_KIND, 204, "method unknown"},
        {"d1:ade1:q4:vote1:t2:aa1:y1:qe", ERR_MISSING, 204, "method unknown"},
    };

    (void)state;
    expect_all(given, COUNT_OF(given));
}

/* BEP 44's own. */
static void test_dht_errors_of_items(void **state)
{
    char value[1200], salt[300];
    const struct given large = {value, ERR_TOO_LARGE, 205, "v too large"};
    const struct given salted = {salt, ERR_SALT, 207, "salt too long"};

    (void)state;
    snprintf(value, sizeof(value), QUERY("3:put", TOKEN8 "1:v1001:%01001d"), 0);
    expect_all(&large, 1);
    snprintf(salt, sizeof(salt),
             QUERY("3:put", "1:k" KEY32 "4:salt65:%065d"
                            "3:seqi1e3:sig" SIG64 TOKEN8 "1:vi1e"),
             0);
    expect_all(&salted, 1);
}

/* A token for the fixture's target. */
static void get_token(struct fixture *f, enum dht_method method,
                      uint8_t token[DHT_TOKEN_BYTES])
{
    struct sent *s = ask(f, method);

    assert_response(f, s);
    assert_int_equal(s->m.token.len, DHT_TOKEN_BYTES);
    memcpy(token, s->m.token.p, DHT_TOKEN_BYTES);
}

static struct sent *announce(struct fixture *f, struct bytes token,
                             uint16_t port)
{
    struct dht_message m;

    harness_query(&m, DHT_ANNOUNCE_PEER, &f->id, &f->target);
    m.token = token;
    m.port = port;
    m.has |= DHT_HAS_TOKEN | DHT_HAS_PORT;
    return harness_ask(&f->h, &f->ep, &m);
}

/* What can be read but not done: a port, a token, a store that is full. */
static void test_dht_errors_refused(void **state)
{
    (void)state;
    for (int dialect = 0; dialect < 2; dialect++) {
        uint8_t first[DHT_TOKEN_BYTES], second[DHT_TOKEN_BYTES];
        struct fixture f;

        set_dialect(&f, (enum dht_dialect)dialect);
        f.h.config.max_hashes = 1;
        harness_start(&f.h);
        get_token(&f, DHT_GET_PEERS, first);
        assert_error(announce(&f, bytes_of(first, 8), 0), 203);
        assert_error(announce(&f, bytes_of(first, 7), 1), 203);
        f.target.b[0] ^= 1;
        get_token(&f, DHT_GET_PEERS, second);
        assert_error(announce(&f, bytes_of(first, 8), 1), 203);
        assert_response(&f, announce(&f, bytes_of(second, 8), 1));
        f.target.b[0] ^= 1;
        assert_error(announce(&f, bytes_of(first, 8), 1), 202);
        harness_end(&f.h);
    }
}

static struct sent *put(struct fixture *f, const struct dht_item *item,
                        const int64_t *cas)
{
    uint8_t token[DHT_TOKEN_BYTES];
    struct dht_message m;

    dht_item_target(item, &f->target);
    get_token(f, DHT_GET, token);
    harness_query(&m, DHT_PUT, &f->id, NULL);
    m.token = bytes_of(token, sizeof(token));
    m.value = *item->value;
    m.key = item->key;
    m.signature = item->signature;
    m.seq = item->seq;
    m.has |= DHT_HAS_TOKEN | DHT_HAS_VALUE | DHT_HAS_KEY | DHT_HAS_SIGNATURE |
             DHT_HAS_SEQ;
    if (cas != NULL) {
        m.cas = *cas;
        m.has |= DHT_HAS_CAS;
    }
    return harness_ask(&f->h, &f->ep, &m);
}

static void test_dht_errors_of_puts(void **state)
{
    static const int64_t wrong = 7;
    const uint8_t seed[32] = {7};
    uint8_t key[32], secret[64];

    (void)state;
    crypto_sign_seed_keypair(key, secret, seed);
    for (int dialect = 0; dialect < 2; dialect++) {
        struct value value;
        struct dht_item item = {.value = &value, .seq = 5};
        struct fixture f;

        assert_int_equal(value_from_bytes(TEST_BYTES("v"), &value), OK);
        dht_item_sign(&item, secret);
        set_dialect(&f, (enum dht_dialect)dialect);
        harness_start(&f.h);
        item.signature[9] ^= 1;
        assert_error(put(&f, &item, NULL), 206);
        item.signature[9] ^= 1;
        assert_response(&f, put(&f, &item, NULL));
        assert_error(put(&f, &item, &wrong), 301);
        item.seq = 4;
        dht_item_sign(&item, secret);
        assert_error(put(&f, &item, NULL), 302);
        harness_end(&f.h);
    }
}

/* An error that answered an error, or an answer, would go to and fro. */
static void test_dht_errors_only_of_queries(void **state)
{
    static const struct given given[] = {
        {"d1:rde1:t2:aa1:y1:re", ERR_MISSING, 0, NULL},
        {"d1:rd2:id2:abe1:t2:aa1:y1:re", ERR_WRONG_LENGTH, 0, NULL},
        {"d1:eli201e2:noe1:t2:aa1:y1:ee", ERR_UNEXPECTED, 0, NULL},
        {"d1:t2:aa1:y1:ee", ERR_MISSING, 0, NULL},
        {"d1:t2:aa1:y1:xe", ERR_UNKNOWN_KIND, 0, NULL},
        /* Nothing to answer to. */
        {"d1:ade1:q4:ping1:y1:qe", ERR_MISSING, 0, NULL},
        {"d1:ade1:q4:ping1:t17:aaaaaaaaaaaaaaaaa1:y1:qe", ERR_WRONG_LENGTH, 0,
         NULL},
        /* Of another network. */
        {"d1:ade1:n5:other1:q4:ping1:t2:aa1:y1:qe", ERR_MISSING, 0, NULL},
    };

    (void)state;
    expect_all(given, COUNT_OF(given));
}

static void test_dht_errors_not_of_read_only(void **state)
{
    static const struct given g = {QUERY("9:find_node", ""), ERR_MISSING, 0,
                                   NULL};

    (void)state;
    for (int dialect = 0; dialect < 2; dialect++) {
        struct fixture f;

        set_dialect(&f, (enum dht_dialect)dialect);
        f.h.config.read_only = true;
        harness_start(&f.h);
        expect(&f, &g);
        harness_end(&f.h);
    }
}

/* They come out of the rate of their source, as answers do. */
static void test_dht_errors_have_a_rate(void **state)
{
    static const char *const text = QUERY("9:find_node", "");

    (void)state;
    for (int dialect = 0; dialect < 2; dialect++) {
        struct fixture f;
        unsigned answered = 0;

        set_dialect(&f, (enum dht_dialect)dialect);
        f.h.config.source_rate = 1;
        f.h.config.source_burst = 5;
        harness_start(&f.h);
        for (int i = 0; i < 50; i++) {
            enum error err;

            answered += give(&f, text, &err) != NULL;
            assert_int_equal(err, ERR_MISSING);
        }
        assert_int_equal(answered, 5);
        /* And so is a good query of the same source left unanswered. */
        assert_null(ask(&f, DHT_PING));
        harness_end(&f.h);
    }
}

/* No more than three times the query, where nodes pad their queries. */
static void test_dht_errors_are_short(void **state)
{
    struct fixture f;
    enum error err;
    struct sent *s;

    (void)state;
    set_dialect(&f, DHT_DIALECT_WARREN);
    harness_start(&f.h);
    s = give(&f, "d1:q0:1:t1:a1:y1:qe", &err);
    assert_non_null(s);
    assert_in_range(s->len, 1, 3 * (20 + 28) - 28);
    harness_end(&f.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_errors_malformed),
        cmocka_unit_test(test_dht_errors_unknown_method),
        cmocka_unit_test(test_dht_errors_of_items),
        cmocka_unit_test(test_dht_errors_refused),
        cmocka_unit_test(test_dht_errors_of_puts),
        cmocka_unit_test(test_dht_errors_only_of_queries),
        cmocka_unit_test(test_dht_errors_not_of_read_only),
        cmocka_unit_test(test_dht_errors_have_a_rate),
        cmocka_unit_test(test_dht_errors_are_short),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
