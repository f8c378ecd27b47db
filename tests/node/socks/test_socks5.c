/* SPDX-License-Identifier: MIT */
#include "base/endpoint.h"
#include "node/socks/socks_code.h"
#include "socks_example.h"
#include "testing.h"

#define HELLO   "\x05\x01\x00"
#define WELCOME "\x05\x00"
#define TO_V4   "\x01\xc0\x00\x02\x01\x00\x50" /* 192.0.2.1:80 */
#define TO_V6   "\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xbb"
#define TO_NAME   \
    "\x03\x0b"    \
    "example.org" \
    "\x00\x50"
#define REFUSED(code) WELCOME "\x05" code "\x00\x01\0\0\0\0\0\0"

#define ASKED(sent, command, to)                                              \
    {                                                                         \
        BYTES(HELLO sent), SOCKS_ASKED, BYTES(WELCOME), SOCKS_V5, command, to \
    }
#define OVER(sent, said)                                 \
    {                                                    \
        BYTES(sent), SOCKS_OVER, BYTES(said), 0, 0, NULL \
    }

static const struct socks_example examples[] = {
    ASKED("\x05\x01\x00" TO_V4, SOCKS_CONNECT, "192.0.2.1:80"),
    ASKED("\x05\x01\x00" TO_V6, SOCKS_CONNECT, "[2001:db8::1]:443"),
    ASKED("\x05\x01\x00" TO_NAME, SOCKS_CONNECT, "example.org:80"),
    ASKED("\x05\x01\x00\x03\x0f"
          "abcd1234.warren"
          "\x00\x35",
          SOCKS_CONNECT, "abcd1234.warren:53"),
    ASKED("\x05\x01\x00\x03\x01"
          "A"
          "\xff\xff",
          SOCKS_CONNECT, "A:65535"),
    /* Bytes of names are the exit's to judge, but for those that nobody may
     * have: 0xe4 is one of ISO 8859-1. */
    ASKED("\x05\x01\x00\x03\x02"
          "\xe4!"
          "\x00\x50",
          SOCKS_CONNECT, "\xe4!:80"),
    /* An address that is written as a name, or as one of the other family. */
    ASKED("\x05\x01\x00\x03\x09"
          "192.0.2.1"
          "\x00\x50",
          SOCKS_CONNECT, "192.0.2.1:80"),
    ASKED("\x05\x01\x00\x03\x0b"
          "2001:db8::1"
          "\x00\x50",
          SOCKS_CONNECT, "[2001:db8::1]:80"),
    ASKED("\x05\x01\x00\x03\x0d"
          "[2001:db8::1]"
          "\x00\x50",
          SOCKS_CONNECT, "[2001:db8::1]:80"),
    ASKED("\x05\x01\x00\x04\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x01\x00"
          "\x50",
          SOCKS_CONNECT, "192.0.2.1:80"),
    ASKED("\x05\x03\x00\x01\0\0\0\0\0\0", SOCKS_ASSOCIATE, "0.0.0.0:0"),
    ASKED("\x05\x03\x00" TO_V4, SOCKS_ASSOCIATE, "192.0.2.1:80"),
    ASKED("\x05\x03\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x12\x34",
          SOCKS_ASSOCIATE, "[::]:4660"),
    /* Nobody looks up where the client says that it is. */
    ASKED("\x05\x03\x00" TO_NAME, SOCKS_ASSOCIATE, "0.0.0.0:80"),
    ASKED("\x05\xf0\x00\x03\x0b"
          "example.org"
          "\x00\x00",
          SOCKS_RESOLVE, "example.org:0"),
    ASKED("\x05\xf1\x00" TO_V4, SOCKS_REVERSE, "192.0.2.1:80"),
    ASKED("\x05\xf1\x00\x03\x09"
          "192.0.2.1"
          "\x00\x00",
          SOCKS_REVERSE, "192.0.2.1:0"),
    ASKED("\x05\xf1\x00" TO_V6, SOCKS_REVERSE, "[2001:db8::1]:443"),

    /* Methods: a password before nothing. */
    {BYTES("\x05\x03\x01\x80\x00"
           "\x05\x01\x00" TO_V4),
     SOCKS_ASKED, BYTES("\x05\x00"), SOCKS_V5, SOCKS_CONNECT, "192.0.2.1:80"},
    {BYTES("\x05\x02\x00\x02"
           "\x01\x01u\x01p"
           "\x05\x01\x00" TO_V4),
     SOCKS_ASKED, BYTES("\x05\x02\x01\x00"), SOCKS_V5, SOCKS_CONNECT,
     "192.0.2.1:80"},
    {BYTES("\x05\x01\x02"
           "\x01\x00\x00"
           "\x05\x01\x00" TO_V4),
     SOCKS_ASKED, BYTES("\x05\x02\x01\x00"), SOCKS_V5, SOCKS_CONNECT,
     "192.0.2.1:80"},
    {BYTES("\x05\x02\x02\x00"
           "\x01\x09<torS0X>0\x01p"
           "\x05\x01\x00" TO_V4),
     SOCKS_ASKED, BYTES("\x05\x02\x01\x00"), SOCKS_V5, SOCKS_CONNECT,
     "192.0.2.1:80"},
    OVER("\x05\x00", "\x05\xff"),
    OVER("\x05\x02\x01\x80", "\x05\xff"),
    OVER("\x05\x01\x02"
         "\x05",
         "\x05\x02\x01\x01"),
    OVER("\x05\x01\x02"
         "\x01\x08<torS0X>\x01p",
         "\x05\x02\x01\x01"),
    OVER("\x05\x01\x02"
         "\x01\x09<torS0X>1\x00",
         "\x05\x02\x01\x01"),
    OVER("\x05\x01\x02"
         "\x01\x0a<torS0X>0x\x01p",
         "\x05\x02\x01\x01"),

    /* Requests that cannot be. */
    OVER(HELLO "\x04\x01\x00\x01", REFUSED("\x01")),
    OVER(HELLO "\x05\x01\x01\x01", REFUSED("\x01")),
    OVER(HELLO "\x05\x00\x00\x01", REFUSED("\x07")),
    OVER(HELLO "\x05\x02\x00\x01", REFUSED("\x07")),
    OVER(HELLO "\x05\xf2\x00\x01", REFUSED("\x07")),
    OVER(HELLO "\x05\x01\x00\x02", REFUSED("\x08")),
    OVER(HELLO "\x05\x01\x00\x05", REFUSED("\x08")),
    OVER(HELLO "\x05\x01\x00\x00", REFUSED("\x08")),
    OVER(HELLO "\x05\x01\x00\x01\x01\x02\x03\x04\x00\x00", REFUSED("\x01")),
    OVER(HELLO "\x05\x01\x00\x03\x01"
               "a"
               "\x00\x00",
         REFUSED("\x01")),
    OVER(HELLO "\x05\x01\x00\x03\x00\x00\x50", REFUSED("\x01")),
    OVER(HELLO "\x05\x01\x00\x03\x03"
               "a\0b"
               "\x00\x50",
         REFUSED("\x01")),
    OVER(HELLO "\x05\x01\x00\x03\x03"
               "a\nb"
               "\x00\x50",
         REFUSED("\x01")),
    OVER(HELLO "\x05\x01\x00\x03\x03"
               "a b"
               "\x00\x50",
         REFUSED("\x01")),
    OVER(HELLO "\x05\x01\x00\x03\x03"
               "a\x7f"
               "b"
               "\x00\x50",
         REFUSED("\x01")),
    OVER(HELLO "\x05\x01\x00\x03\x04"
               "a:80"
               "\x00\x50",
         REFUSED("\x01")),
    OVER(HELLO "\x05\x01\x00\x03\x03"
               "[a]"
               "\x00\x50",
         REFUSED("\x01")),
    OVER(HELLO "\x05\x01\x00\x03\x0c"
               "fe80::1%eth0"
               "\x00\x50",
         REFUSED("\x01")),
    OVER(HELLO "\x05\xf1\x00" TO_NAME, REFUSED("\x08")),
    /* The address of an address is known. */
    OVER(HELLO "\x05\xf0\x00" TO_V4,
         WELCOME "\x05\x00\x00\x01\xc0\x00\x02\x01\x00\x00"),
    OVER(HELLO "\x05\xf0\x00\x03\x03"
               "::1"
               "\x00\x50",
         WELCOME "\x05\x00\x00\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x00\x00"),
};

static void test_socks5_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++)
        check_example(&examples[i]);
}

static void test_socks5_longest(void **state)
{
    uint8_t sent[2 + 255 + 1 + 2 * 256 + 5 + 255 + 2] = {5, 255};
    char to[SOCKS_NAME_MAX + 4];
    size_t n = 2;
    struct socks_example e = {.state = SOCKS_ASKED,
                              .said = BYTES("\x05\x02\x01\x00"),
                              .protocol = SOCKS_V5,
                              .command = SOCKS_CONNECT,
                              .to = to};

    (void)state;
    memset(sent + n, 0x80, 254);
    sent[n + 254] = 2;
    n += 255;
    sent[n++] = 1;
    for (int i = 0; i < 2; i++) {
        sent[n] = 255;
        memset(sent + n + 1, 'u', 255);
        n += 256;
    }
    memcpy(sent + n, "\x05\x01\x00\x03\xff", 5);
    memset(sent + n + 5, 'n', 255);
    memcpy(sent + n + 5 + 255, "\x00\x50", 2);
    assert_int_equal(n + 5 + 255 + 2, sizeof(sent));
    memset(to, 'n', SOCKS_NAME_MAX);
    memcpy(to + SOCKS_NAME_MAX, ":80", 4);
    e.sent = bytes_of(sent, sizeof(sent));
    check_example(&e);
}

/* ---- Answers ---- */

static const struct bytes to_connect = BYTES(HELLO "\x05\x01\x00" TO_NAME);
static const struct bytes to_associate =
    BYTES(HELLO "\x05\x03\x00\x01\0\0\0\0\0\0");
static const struct bytes to_resolve = BYTES(HELLO "\x05\xf0\x00" TO_NAME);
static const struct bytes to_reverse = BYTES(HELLO "\x05\xf1\x00" TO_V4);

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

static void test_socks5_done(void **state)
{
    const struct bytes v4 = BYTES("\x05\0\0\x01\xc6\x33\x64\x07\x10\x00");
    const struct bytes v4_only = BYTES("\x05\0\0\x01\xc6\x33\x64\x07\x00\x00");
    const struct bytes v6 =
        BYTES("\x05\0\0\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x35");
    const struct bytes nowhere = BYTES("\x05\0\0\x01\0\0\0\0\0\0");

    (void)state;
    check_done(to_connect, "198.51.100.7:4096", SOCKS_OPEN, v4);
    check_done(to_connect, "[2001:db8::1]:53", SOCKS_OPEN, v6);
    check_done(to_connect, NULL, SOCKS_OPEN, nowhere);
    check_done(to_associate, "198.51.100.7:4096", SOCKS_OPEN, v4);
    check_done(to_resolve, "198.51.100.7:0", SOCKS_OVER, v4_only);
    check_done(to_resolve, "198.51.100.7:4096", SOCKS_OVER, v4_only);
}

static void test_socks5_named(void **state)
{
    const struct bytes said = BYTES("\x05\0\0\x03\x04"
                                    "a.bc"
                                    "\0\0");
    uint8_t longest[SOCKS_NAME_MAX];
    struct socks_handshake h;

    (void)state;
    have_asked(&h, to_reverse);
    socks_handshake_named(&h, bytes_of_text("a.bc"));
    assert_int_equal(h.state, SOCKS_OVER);
    check_said(&h, said);
    memset(longest, 'a', sizeof(longest));
    have_asked(&h, to_reverse);
    socks_handshake_named(&h, bytes_of(longest, sizeof(longest)));
    assert_int_equal(socks_handshake_output(&h).len, 5 + 255 + 2);
}

static void test_socks5_refused(void **state)
{
    const struct bytes all[] = {to_connect, to_associate, to_resolve,
                                to_reverse};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        for (int r = 0; r < REASON_END_; r++) {
            uint8_t said[10] = {5, 0, 0, 1};
            struct socks_handshake h;

            said[1] = (uint8_t)socks5_code_of((enum reason)r);
            have_asked(&h, all[i]);
            socks_handshake_refuse(&h, (enum reason)r);
            assert_int_equal(h.state, SOCKS_OVER);
            check_said(&h, bytes_of(said, sizeof(said)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_socks5_examples),
        cmocka_unit_test(test_socks5_longest),
        cmocka_unit_test(test_socks5_done),
        cmocka_unit_test(test_socks5_named),
        cmocka_unit_test(test_socks5_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
