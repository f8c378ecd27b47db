/* SPDX-License-Identifier: MIT */
#include "base/endpoint.h"
#include "socks_example.h"
#include "testing.h"

#define FAILED "\x00\x5b\0\0\0\0\0\0"

#define ASKED(sent, protocol, command, to)                         \
    {                                                              \
        BYTES(sent), SOCKS_ASKED, BYTES(""), protocol, command, to \
    }
#define OVER(sent, said)                                 \
    {                                                    \
        BYTES(sent), SOCKS_OVER, BYTES(said), 0, 0, NULL \
    }

static const struct socks_example examples[] = {
    ASKED("\x04\x01\x00\x50\xc0\x00\x02\x01\x00", SOCKS_V4, SOCKS_CONNECT,
          "192.0.2.1:80"),
    ASKED("\x04\x01\x00\x50\xc0\x00\x02\x01"
          "fred\x00",
          SOCKS_V4, SOCKS_CONNECT, "192.0.2.1:80"),
    ASKED("\x04\x01\x00\x50\x00\x00\x00\x00\x00", SOCKS_V4, SOCKS_CONNECT,
          "0.0.0.0:80"),
    ASKED("\x04\x01\x00\x50\x00\x00\x01\x01\x00", SOCKS_V4, SOCKS_CONNECT,
          "0.0.1.1:80"),
    ASKED("\x04\x01\x00\x50\x00\x00\x00\x01\x00"
          "example.org\x00",
          SOCKS_V4A, SOCKS_CONNECT, "example.org:80"),
    ASKED("\x04\x01\x00\x50\x00\x00\x00\xff"
          "fred\x00"
          "x.warren\x00",
          SOCKS_V4A, SOCKS_CONNECT, "x.warren:80"),
    ASKED("\x04\x01\x00\x50\x00\x00\x00\x01\x00"
          "192.0.2.1\x00",
          SOCKS_V4A, SOCKS_CONNECT, "192.0.2.1:80"),
    ASKED("\x04\x01\x00\x50\x00\x00\x00\x01\x00"
          "2001:db8::1\x00",
          SOCKS_V4A, SOCKS_CONNECT, "[2001:db8::1]:80"),
    ASKED("\x04\xf0\x00\x00\x00\x00\x00\x01\x00"
          "example.org\x00",
          SOCKS_V4A, SOCKS_RESOLVE, "example.org:0"),
    OVER("\x04\xf0\x00\x50\xc0\x00\x02\x01\x00",
         "\x00\x5a\x00\x00\xc0\x00\x02\x01"),
    OVER("\x04\xf0\x00\x50\x00\x00\x00\x01\x00"
         "::1\x00",
         FAILED),
    OVER("\x04\x02", FAILED), /* BIND */
    OVER("\x04\x00", FAILED),
    OVER("\x04\xf1", FAILED),
    OVER("\x04\x01\x00\x00\xc0\x00\x02\x01\x00", FAILED),
    OVER("\x04\x01\x00\x50\x00\x00\x00\x01\x00\x00", FAILED),
    OVER("\x04\x01\x00\x50\x00\x00\x00\x01\x00"
         "a b\x00",
         FAILED),
    OVER("\x04\x01\x00\x50\x00\x00\x00\x01\x00"
         "a\x07\x00",
         FAILED),
};

static void test_socks4_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++)
        check_example(&examples[i]);
}

/* 255 bytes of user and of name, and not one more of either. */
static void test_socks4_longest(void **state)
{
    uint8_t sent[8 + 256 + 256] = {4, 1, 0, 80, 0, 0, 0, 1};
    char to[SOCKS_NAME_MAX + 4];
    struct socks_example e = {.state = SOCKS_ASKED,
                              .sent = {sent, sizeof(sent)},
                              .protocol = SOCKS_V4A,
                              .command = SOCKS_CONNECT,
                              .said = BYTES(""),
                              .to = to};

    (void)state;
    memset(sent + 8, 'u', 255);
    memset(sent + 8 + 256, 'n', 255);
    memset(to, 'n', SOCKS_NAME_MAX);
    memcpy(to + SOCKS_NAME_MAX, ":80", 4);
    check_example(&e);
    e.said = (struct bytes)BYTES(FAILED);
    e.state = SOCKS_OVER;
    sent[sizeof(sent) - 1] = 'n';
    check_example(&e);
    sent[8 + 255] = 'u';
    e.sent.len = 8 + 256;
    check_example(&e);
}

/* ---- Answers ---- */

static const struct bytes to_connect =
    BYTES("\x04\x01\x00\x50\xc0\x00\x02\x01\x00");
static const struct bytes to_resolve =
    BYTES("\x04\xf0\x00\x00\x00\x00\x00\x01\x00"
          "example.org\x00");

static void check_done(struct bytes sent, const char *at,
                       enum socks_state after, struct bytes said)
{
    struct socks_handshake h;
    struct endpoint ep;

    have_asked(&h, sent);
    if (at != NULL)
        assert_int_equal(endpoint_parse(at, &ep), OK);
    socks_handshake_done(&h, at == NULL ? NULL : &ep);
    assert_int_equal(h.state, after);
    check_said(&h, said);
}

static void test_socks4_done(void **state)
{
    const struct bytes v4 = BYTES("\x00\x5a\x10\x00\xc6\x33\x64\x07");
    const struct bytes v4_only = BYTES("\x00\x5a\x00\x00\xc6\x33\x64\x07");
    const struct bytes nowhere = BYTES("\x00\x5a\0\0\0\0\0\0");
    const struct bytes failed = BYTES(FAILED);

    (void)state;
    check_done(to_connect, "198.51.100.7:4096", SOCKS_OPEN, v4);
    check_done(to_connect, NULL, SOCKS_OPEN, nowhere);
    check_done(to_connect, "[2001:db8::1]:53", SOCKS_OPEN, nowhere);
    check_done(to_resolve, "198.51.100.7:4096", SOCKS_OVER, v4_only);
    check_done(to_resolve, "[2001:db8::1]:0", SOCKS_OVER, failed);
}

static void test_socks4_refused(void **state)
{
    const struct bytes failed = BYTES(FAILED);

    (void)state;
    for (int r = 0; r < REASON_END_; r++) {
        struct socks_handshake h;

        have_asked(&h, r % 2 == 0 ? to_connect : to_resolve);
        socks_handshake_refuse(&h, (enum reason)r);
        assert_int_equal(h.state, SOCKS_OVER);
        check_said(&h, failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socks4_examples),
        cmocka_unit_test(test_socks4_longest),
        cmocka_unit_test(test_socks4_done),
        cmocka_unit_test(test_socks4_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
