/* SPDX-License-Identifier: MIT
 */
#include "node/rpc/rpc_params.h"
#include "testing.h"
#include "wire/msgpack/mp_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define TOKENS 64
#define ALL    UINT64_MAX

struct request {
    uint8_t buf[512];
    struct mp_writer w;
    struct mp_token tokens[TOKENS];
    struct text why;
};

static struct mp_writer *begin(struct request *r, uint32_t pairs)
{
    text_init(&r->why, 512);
    mp_writer_init(&r->w, r->buf, sizeof(r->buf));
    mp_write_map(&r->w, pairs);
    return &r->w;
}

static enum error end(struct request *r, uint64_t required, uint64_t allowed,
                      struct rpc_params *out)
{
    struct mp_tape tape = {.tokens = r->tokens, .cap = TOKENS};
    struct mp_reader reader;

    assert_int_equal(mp_parse(&tape, mp_writer_bytes(&r->w)), OK);
    mp_reader_init(&reader, &tape);
    return rpc_params_read(&reader, required, allowed, out, &r->why);
}

static void test_rpc_params_tunnel(void **state)
{
    struct request r;
    struct rpc_params p;
    struct mp_writer *w = begin(&r, 7);

    (void)state;
    mp_write_text(w, "hops");
    mp_write_uint(w, 4);
    mp_write_text(w, "count");
    mp_write_uint(w, 1024);
    mp_write_text(w, "circuit");
    mp_write_uint(w, UINT32_MAX);
    mp_write_text(w, "to");
    mp_write_text(w, "example.org:53");
    mp_write_text(w, "data");
    mp_write_bin(w, bytes_of("\0x", 2));
    mp_write_text(w, "timeout");
    mp_write_uint(w, 86400 * 1000);
    mp_write_text(w, "duration");
    mp_write_uint(w, 1);
    assert_int_equal(end(&r, 0, ALL, &p), OK);
    assert_int_equal(p.hops, 4);
    assert_int_equal(p.count, 1024);
    assert_true(p.circuit == UINT32_MAX);
    assert_true(bytes_equal(p.to, bytes_of_text("example.org:53")));
    assert_true(bytes_equal(p.data, bytes_of("\0x", 2)));
    assert_true(p.timeout == 24 * TIME_HOUR);
    assert_true(p.duration == TIME_MS);
}

static void test_rpc_params_defaults(void **state)
{
    struct request r;
    struct rpc_params p;

    (void)state;
    begin(&r, 0);
    assert_int_equal(end(&r, 0, ALL, &p), OK);
    assert_int_equal(p.has, 0);
    assert_int_equal(p.count, 0);
    assert_int_equal(p.data.len, 0);
    assert_true(p.timeout == RPC_TIMEOUT_DEFAULT);
    assert_true(p.duration == RPC_DURATION_DEFAULT);
}

static void test_rpc_params_ranges(void **state)
{
    static const struct {
        const char *name;
        uint64_t value;
        const char *said;
    } rows[] = {
        {"hops", 0, "hops must be a number from 1 to 4"},
        {"hops", 5, "hops must be a number from 1 to 4"},
        {"count", 0, "count must be a number from 1 to 1024"},
        {"count", 1025, "count must be a number from 1 to 1024"},
        {"circuit", 0, "circuit must be the number of a circuit"},
        {"circuit", (uint64_t)UINT32_MAX + 1,
         "circuit must be the number of a circuit"},
        {"timeout", 0, "timeout must be milliseconds, from 1 to a day"},
        {"timeout", 86400001, "timeout must be milliseconds, from 1 to a day"},
        {"duration", 0, "duration must be milliseconds, from 1 to a day"},
        {"credit", (uint64_t)UINT32_MAX + 1,
         "credit must be bytes, at most 2^32 - 1"},
        {"call", (uint64_t)UINT32_MAX + 1,
         "call must be the msgid of a request that runs"},
        {"kinds", 1,
         "kinds must be names with commas between: circuits, data, peers, "
         "services, streams"},
        {"to", 1, "to must be \"HOST:PORT\""},
        {"data", 1, "data must be bytes"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct request r;
        struct rpc_params p;
        struct mp_writer *w = begin(&r, 1);

        mp_write_text(w, rows[i].name);
        mp_write_uint(w, rows[i].value);
        assert_int_equal(end(&r, 0, ALL, &p), ERR_SYNTAX);
        assert_string_equal(text_get(&r.why), rows[i].said);
        text_deinit(&r.why);
    }
}

static void test_rpc_params_required(void **state)
{
    struct request r;
    struct rpc_params p;

    (void)state;
    begin(&r, 0);
    assert_int_equal(end(&r, RPC_HOPS, RPC_TIMEOUT, &p), ERR_SYNTAX);
    assert_string_equal(text_get(&r.why),
                        "the parameter hops is missing: a number from 1 to 4");
    text_deinit(&r.why);
    struct mp_writer *w = begin(&r, 1);
    mp_write_text(w, "circuit");
    mp_write_uint(w, 1);
    assert_int_equal(end(&r, RPC_HOPS, RPC_TIMEOUT, &p), ERR_SYNTAX);
    assert_string_equal(text_get(&r.why),
                        "there is no parameter \"circuit\"; this method "
                        "takes: hops, timeout");
    text_deinit(&r.why);
}

static uint64_t isolation_of(const char *text)
{
    struct request r;
    struct rpc_params p;
    struct mp_writer *w = begin(&r, 1);

    mp_write_text(w, "isolation");
    mp_write_text(w, text);
    assert_int_equal(end(&r, 0, ALL, &p), OK);
    return p.isolation;
}

/* A text is one key, whoever says it; numbers are what they are. */
static void test_rpc_params_isolation(void **state)
{
    static char long_text[257];
    struct request r;
    struct rpc_params p;
    struct mp_writer *w = begin(&r, 1);

    (void)state;
    mp_write_text(w, "isolation");
    mp_write_uint(w, UINT64_MAX);
    assert_int_equal(end(&r, 0, ALL, &p), OK);
    assert_true(p.isolation == UINT64_MAX);
    assert_true(isolation_of("a") == isolation_of("a"));
    assert_true(isolation_of("a") != isolation_of("b"));
    assert_true(isolation_of("a") != 0);
    memset(long_text, 'x', sizeof(long_text) - 1);
    w = begin(&r, 1);
    mp_write_text(w, "isolation");
    mp_write_text(w, long_text);
    assert_int_equal(end(&r, 0, ALL, &p), ERR_SYNTAX);
    assert_string_equal(text_get(&r.why),
                        "isolation must be a number from 0 to 2^64 - 1, or a "
                        "text of 1 to 255 bytes");
    text_deinit(&r.why);
}

/* An id is 40 digits; an info-hash may be a magnet link. */
static void test_rpc_params_target(void **state)
{
    static const char digits[] = "0123456789abcdef0123456789abcdef01234567";
    static const char link[] = "magnet:?dn=a&xt=urn:btih:"
                               "0123456789abcdef0123456789abcdef01234567";
    static const struct {
        const char *text;
        uint64_t as;
        const char *said; /* NULL: it is right */
    } rows[] = {
        {digits, RPC_TARGET, NULL},
        {digits, RPC_HASH, NULL},
        {link, RPC_HASH, NULL},
        {link, RPC_TARGET, "target must be exactly 40 hex digits"},
        {"magnet:?dn=a", RPC_HASH,
         "target must be exactly 40 hex digits, or a magnet link with "
         "xt=urn:btih:"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool right = rows[i].said == NULL;
        char hex[ID_TEXT_SIZE];
        struct request r;
        struct rpc_params p;
        struct mp_writer *w = begin(&r, 1);

        mp_write_text(w, "target");
        mp_write_text(w, rows[i].text);
        assert_int_equal(end(&r, rows[i].as, 0, &p), right ? OK : ERR_SYNTAX);
        assert_string_equal(text_get(&r.why), right ? "" : rows[i].said);
        if (right)
            assert_string_equal(id_print(&p.target, hex), digits);
        text_deinit(&r.why);
    }
}

static void test_rpc_params_dht(void **state)
{
    static const char *const names[] = {"mainline", "seed", "no_seeds"};
    struct request r;
    struct rpc_params p;
    struct mp_writer *w = begin(&r, COUNT_OF(names));

    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        mp_write_text(w, names[i]);
        mp_write_bool(w, true);
    }
    assert_int_equal(end(&r, 0, ALL, &p), OK);
    assert_true(p.mainline && p.seed && p.no_seeds);
    assert_true(p.has == (RPC_MAINLINE | RPC_SEED | RPC_NO_SEEDS));
    begin(&r, 0);
    assert_int_equal(end(&r, 0, ALL, &p), OK);
    assert_false(p.mainline || p.seed || p.no_seeds);
    w = begin(&r, 1);
    mp_write_text(w, "mainline");
    mp_write_uint(w, 1);
    assert_int_equal(end(&r, 0, RPC_MAINLINE, &p), ERR_SYNTAX);
    assert_string_equal(text_get(&r.why), "mainline must be true or false");
    text_deinit(&r.why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rpc_params_tunnel),
        cmocka_unit_test(test_rpc_params_defaults),
        cmocka_unit_test(test_rpc_params_ranges),
        cmocka_unit_test(test_rpc_params_required),
        cmocka_unit_test(test_rpc_params_isolation),
        cmocka_unit_test(test_rpc_params_target),
        cmocka_unit_test(test_rpc_params_dht),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
