/* SPDX-License-Identifier: MIT */
#include "node/socks/socks_handshake.h"

#include "socks_example.h"
#include "testing.h"

#include <stdlib.h>

#define REQUEST5 "\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50"

static void test_socks_handshake_first_byte(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        uint8_t first = (uint8_t)byte;
        bool known = byte == 4 || byte == 5 || (byte >= 'A' && byte <= 'Z');
        struct socks_handshake h;

        have_example(&h, bytes_of(&first, 1));
        assert_int_equal(h.state, known ? SOCKS_READING : SOCKS_OVER);
        assert_int_equal(socks_handshake_output(&h).len, 0);
        assert_int_equal(h.request.protocol != SOCKS_UNTOLD, known);
    }
}

/* Nothing is nothing. */
static void test_socks_handshake_empty(void **state)
{
    struct socks_handshake h;
    struct bytes none = bytes_of(NULL, 0);

    (void)state;
    socks_handshake_init(&h, socks_example_key);
    assert_int_equal(socks_handshake_receive(&h, &none), SOCKS_READING);
    assert_int_equal(socks_handshake_output(&h).len, 0);
}

/* What comes while the request is under way and after it was done is the
 * application's, after it was refused nobody's. */
static void test_socks_handshake_after_request(void **state)
{
    const struct bytes sent = BYTES("\x05\x01\x00" REQUEST5);
    struct socks_handshake h;
    struct bytes more = bytes_of_text("more");

    (void)state;
    have_asked(&h, sent);
    assert_int_equal(socks_handshake_receive(&h, &more), SOCKS_ASKED);
    assert_int_equal(more.len, 4);
    socks_handshake_done(&h, NULL);
    assert_int_equal(socks_handshake_receive(&h, &more), SOCKS_OPEN);
    assert_int_equal(more.len, 4);
    have_asked(&h, sent);
    socks_handshake_refuse(&h, REASON_TIMEOUT);
    assert_int_equal(socks_handshake_receive(&h, &more), SOCKS_OVER);
    assert_int_equal(more.len, 0);
}

/* A client that writes all at once and reads nothing yet, and one to which
 * little can be written at a time. */
static void test_socks_handshake_output_waits(void **state)
{
    const struct bytes sent = BYTES("\x05\x02\x00\x02\x01\x01u\x01p"
                                    "\x05\xf1\x00\x01\xc0\x00\x02"
                                    "\x01\x00\x00");
    const struct bytes said = BYTES("\x05\x02\x01\x00\x05\0\0\x03\x01"
                                    "n\0\0");
    struct socks_handshake h;

    (void)state;
    have_example(&h, sent);
    socks_handshake_named(&h, bytes_of_text("n"));
    for (size_t i = 0; i < said.len; i++) {
        check_said(&h, bytes_of(said.p + i, said.len - i));
        socks_handshake_sent(&h, 1);
    }
    assert_int_equal(socks_handshake_output(&h).len, 0);
}

/* ---- Isolation ---- */

static const struct {
    struct bytes sent;
    int whose; /* the same number: the same circuits; 0: nobody's own */
} isolation[] = {
    {BYTES("\x05\x01\x00" REQUEST5), 0},
    {BYTES("\x05\x01\x02\x01\x00\x00" REQUEST5), 0},
    {BYTES("\x04\x01\x00\x50\xc0\x00\x02\x01\x00"), 0},
    {BYTES("CONNECT a:80 HTTP/1.1\r\n\r\n"), 0},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic Og==\r\n"
           "\r\n"),
     0}, /* ":" */
    {BYTES("\x05\x01\x02\x01\x01u\x01p" REQUEST5), 1},
    {BYTES("\x05\x02\x02\x00\x01\x01u\x01p"
           "\x05\x01\x00\x03\x01"
           "n\x00\x50"),
     1},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic dTpw\r\n\r\n"),
     1}, /* "u:p" */
    {BYTES("CONNECT b:1 HTTP/1.1\r\nA: b\r\nProxy-authorization:basic dTpw\r\n"
           "B: c\r\n\r\n"),
     1},
    {BYTES("\x05\x01\x02\x01\x02up\x00" REQUEST5), 2},
    {BYTES("\x04\x01\x00\x50\xc0\x00\x02\x01"
           "up\x00"),
     2},
    {BYTES("\x04\x01\x00\x50\x00\x00\x00\x01"
           "up\x00"
           "a\x00"),
     2},
    {BYTES("\x05\x01\x02\x01\x00\x02up" REQUEST5), 3},
    {BYTES("\x05\x01\x02\x01\x01p\x01u" REQUEST5), 4},
    {BYTES("\x05\x01\x02\x01\x01u\x01P" REQUEST5), 5},
    {BYTES("\x05\x01\x02\x01\x02u\0\x01p" REQUEST5), 6},
    {BYTES("\x05\x01\x02\x01\x09<torS0X>0\x01p" REQUEST5), 7},
    {BYTES("\x05\x01\x02\x01\x09<torS0X>0\x01q" REQUEST5), 8},
    /* "u:p:q": the first colon ends the user. */
    {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic dTpwOnE=\r\n"
           "\r\n"),
     9},
    {BYTES("\x05\x01\x02\x01\x01u\x03p:q" REQUEST5), 9},
};

static void test_socks_handshake_isolation(void **state)
{
    static const uint8_t zero[SOCKS_ISOLATION_BYTES];
    struct socks_handshake a, b;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(isolation); i++) {
        have_asked(&a, isolation[i].sent);
        assert_int_equal(memcmp(a.request.isolation, zero, sizeof(zero)) == 0,
                         isolation[i].whose == 0);
        for (size_t j = 0; j < COUNT_OF(isolation); j++) {
            have_asked(&b, isolation[j].sent);
            assert_int_equal(memcmp(a.request.isolation, b.request.isolation,
                                    SOCKS_ISOLATION_BYTES) == 0,
                             isolation[i].whose == isolation[j].whose);
        }
    }
}

static void test_socks_handshake_isolation_has_key(void **state)
{
    static const uint8_t other[SOCKS_KEY_BYTES] = {1, 2, 4};
    struct socks_handshake a, b;
    struct bytes sent = BYTES("\x05\x01\x02\x01\x01u\x01p" REQUEST5);

    (void)state;
    have_asked(&a, sent);
    socks_handshake_init(&b, other);
    socks_handshake_receive(&b, &sent);
    assert_memory_not_equal(a.request.isolation, b.request.isolation,
                            SOCKS_ISOLATION_BYTES);
}

static bool has(const struct socks_handshake *h, const char *text)
{
    return memmem(h, sizeof(*h), text, strlen(text)) != NULL;
}

/* No password stays, whether its message was right, wrong, or the last. */
static void test_socks_handshake_wipes(void **state)
{
    static const struct {
        struct bytes sent;
        const char *secret;
    } with[] = {
        {BYTES("\x05\x01\x02\x01\x06user-1\x06secret" REQUEST5), "secret"},
        {BYTES("\x05\x01\x02\x01\x06user-1\x06secret"), "user-1"},
        {BYTES("\x05\x01\x02\x01\x0f<torS0X>secret.\x06secret"), "secret"},
        {BYTES("\x04\x01\x00\x50\xc0\x00\x02\x01secret\x00"), "secret"},
        {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic "
               "dTpzZWNyZXQ=\r\n\r\n"),
         "secret"},
        {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic "
               "dTpzZWNyZXQ=\r\n"),
         "dTpzZWNyZXQ"},
        {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic "
               "dTpzZWNyZXQ=x\r\n"),
         "ZWNyZXQ"},
        {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Digest "
               "secret\r\n"),
         "secret"},
    };
    static const uint8_t zero[sizeof(struct socks_handshake)];
    struct socks_handshake h;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(with); i++) {
        have_example(&h, with[i].sent);
        assert_false(has(&h, with[i].secret));
        assert_false(has(&h, "user-1"));
        socks_handshake_deinit(&h);
        assert_memory_equal(&h, zero, sizeof(h));
    }
    have_example(&h, bytes_of_text("\x05\x01\x02\x01\x06user-1\x07secret"));
    assert_true(has(&h, "secret")); /* one byte is missing */
    socks_handshake_deinit(&h);
    assert_memory_equal(&h, zero, sizeof(h));
}

/* ---- Anything ---- */

static const struct bytes seeds[] = {
    BYTES("\x05\x02\x00\x02\x01\x04user\x08password"
          "\x05\x01\x00\x03\x0b"
          "example.org\x00\x50"),
    BYTES("\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"),
    BYTES("\x05\x01\x00\x05\xf1\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0"
          "\x01\x00\x00"),
    BYTES("\x04\x01\x00\x50\x00\x00\x00\x01user\x00"
          "example.org\x00"),
    BYTES("\x04\xf0\x00\x50\xc0\x00\x02\x01user\x00"),
    BYTES("CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: a\r\n"
          "Proxy-Authorization: Basic dXNlcjpwYXNzd29yZA==\r\n\r\n"),
    BYTES("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
};

static void answer(struct test_random *r, struct socks_handshake *h)
{
    struct endpoint at = {.family = test_random_below(r, 2) == 0 ? FAMILY_IPV4
                                                                 : FAMILY_IPV6};

    assert_true(h->request.command != SOCKS_CONNECT ||
                h->request.to.ep.port != 0);
    if (test_random_below(r, 4) == 0)
        socks_handshake_refuse(h,
                               (enum reason)test_random_below(r, REASON_END_));
    else if (h->request.command == SOCKS_REVERSE)
        socks_handshake_named(h, bytes_of_text("example.org"));
    else
        socks_handshake_done(h, &at);
}

static void mutate(struct test_random *r, uint8_t *data, size_t len)
{
    for (uint32_t n = test_random_below(r, 4); n > 0; n--)
        data[test_random_below(r, (uint32_t)len)] =
            (uint8_t)test_random_next(r);
}

static void check_same(const struct socks_handshake *a,
                       const struct socks_handshake *b)
{
    const struct socks_request *q = &a->request, *r = &b->request;

    assert_int_equal(a->state, b->state);
    assert_int_equal(q->protocol, r->protocol);
    assert_int_equal(q->command, r->command);
    assert_true(endpoint_equal(&q->to.ep, &r->to.ep));
    assert_string_equal(q->to.name, r->to.name);
    assert_memory_equal(q->isolation, r->isolation, SOCKS_ISOLATION_BYTES);
    check_said(a, socks_handshake_output(b));
}

/* The same bytes come to the same end in any pieces. */
static void run(struct test_random *r, const uint8_t *data, size_t len)
{
    struct socks_handshake whole, pieces;
    struct bytes left = bytes_of(data, len);
    size_t at = 0;

    socks_handshake_init(&whole, socks_example_key);
    socks_handshake_init(&pieces, socks_example_key);
    socks_handshake_receive(&whole, &left);
    while (at < len) {
        size_t n = 1 + test_random_below(r, 40);
        struct bytes piece = bytes_of(data + at, n > len - at ? len - at : n);

        at += piece.len;
        if (socks_handshake_receive(&pieces, &piece) == SOCKS_ASKED) {
            assert_int_equal(piece.len + (len - at), left.len);
            break;
        }
    }
    check_same(&whole, &pieces);
    if (whole.state == SOCKS_ASKED)
        answer(r, &whole);
    socks_handshake_sent(&whole, socks_handshake_output(&whole).len);
    socks_handshake_deinit(&whole);
}

static void test_socks_handshake_mutations(void **state)
{
    struct test_random r = test_seed(7);

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct bytes seed = seeds[test_random_below(&r, COUNT_OF(seeds))];
        size_t tail = test_random_below(&r, 16);
        uint8_t *data = malloc(seed.len + tail);

        assert_non_null(data);
        memcpy(data, seed.p, seed.len);
        test_random_fill(&r, data + seed.len, tail);
        mutate(&r, data, seed.len);
        run(&r, data, seed.len + tail);
        free(data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socks_handshake_first_byte),
        cmocka_unit_test(test_socks_handshake_empty),
        cmocka_unit_test(test_socks_handshake_after_request),
        cmocka_unit_test(test_socks_handshake_output_waits),
        cmocka_unit_test(test_socks_handshake_isolation),
        cmocka_unit_test(test_socks_handshake_isolation_has_key),
        cmocka_unit_test(test_socks_handshake_wipes),
        cmocka_unit_test(test_socks_handshake_mutations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
