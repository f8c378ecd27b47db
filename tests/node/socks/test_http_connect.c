/* SPDX-License-Identifier: MIT */
#include "base/endpoint.h"
#include "node/socks/socks_code.h"
#include "socks_example.h"
#include "testing.h"

#include <stdlib.h>

#define ASKED(sent, to)                                                    \
    {                                                                      \
        BYTES(sent), SOCKS_ASKED, BYTES(""), SOCKS_HTTP, SOCKS_CONNECT, to \
    }

static const struct socks_example examples[] = {
    ASKED("CONNECT example.org:443 HTTP/1.1\r\n\r\n", "example.org:443"),
    ASKED("CONNECT example.org:443 HTTP/1.0\n\n", "example.org:443"),
    ASKED("CONNECT example.org:443 HTTP/1.9\r\n\r\n", "example.org:443"),
    ASKED("CONNECT x.warren:80 HTTP/1.1\r\nHost: other:80\r\n\r\n",
          "x.warren:80"),
    ASKED("CONNECT 192.0.2.1:1 HTTP/1.1\r\nHost: 192.0.2.1:1\r\n"
          "Proxy-Connection: Keep-Alive\r\nEmpty:\r\n\n",
          "192.0.2.1:1"),
    ASKED("CONNECT [2001:db8::1]:65535 HTTP/1.1\r\n\r\n",
          "[2001:db8::1]:65535"),
    ASKED("CONNECT a:80 HTTP/1.1\r\nPrOxY-aUtHoRiZaTiOn: bAsIc  dTpw \r\n\r\n",
          "a:80"),
    ASKED("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization:Basic Og==\r\n\r\n",
          "a:80"),
    /* As RFC 9110 says of Content-Length in a CONNECT. */
    ASKED("CONNECT a:80 HTTP/1.1\r\nContent-Length: 5\r\n\r\n", "a:80"),
};

static void test_http_connect_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(examples); i++)
        check_example(&examples[i]);
}

/* ---- Errors ---- */

/* People read them in terminals. */
static void check_width(const char *lines)
{
    for (; *lines != '\0'; lines += strcspn(lines, "\n") + 1)
        assert_in_range(strcspn(lines, "\n"), 0, 80);
}

/* The output is one whole response; returns its body. */
static const char *read_response(const struct socks_handshake *h,
                                 const char *status,
                                 char text[SOCKS_OUT_MAX + 1])
{
    struct bytes said = socks_handshake_output(h);
    const char *body, *length;

    memcpy(text, said.p, said.len);
    text[said.len] = '\0';
    assert_int_equal(strlen(text), said.len);
    assert_memory_equal(text, "HTTP/1.1 ", 9);
    assert_memory_equal(text + 9, status, strlen(status));
    assert_non_null(strstr(text, "Connection: close\r\n"));
    length = strstr(text, "Content-Length: ");
    body = strstr(text, "\r\n\r\n");
    assert_non_null(length);
    assert_non_null(body);
    body += 4;
    assert_int_equal(strtoul(length + 16, NULL, 10), strlen(body));
    assert_int_equal(body[strlen(body) - 1], '\n');
    check_width(body);
    return body;
}

static void check_refused(struct bytes sent, const char *status,
                          const char *part)
{
    char text[SOCKS_OUT_MAX + 1];
    struct socks_handshake h;

    have_example(&h, sent);
    assert_int_equal(h.state, SOCKS_OVER);
    read_response(&h, status, text);
    assert_non_null(strstr(text, part));
}

/* Answered at the end of the line that is wrong, in whatever pieces it
 * comes. */
static void check_refused_line(struct bytes sent, const char *status,
                               const char *part)
{
    struct socks_handshake h;
    struct socks_example e = {.sent = sent, .state = SOCKS_OVER};

    check_refused(sent, status, part);
    have_example(&h, sent);
    e.said = socks_handshake_output(&h);
    check_example(&e);
}

static const struct {
    struct bytes sent;
    const char *status;
    const char *part;
} refused[] = {
    {BYTES("GET / HTTP/1.1\r\n"), "405 Method Not Allowed",
     "\r\nAllow: CONNECT\r\n"},
    {BYTES("POST http://192.0.2.1/ HTTP/1.1\r\n"), "405 Method Not Allowed",
     "SOCKS5"},
    {BYTES("CONNECTED a:80 HTTP/1.1\r\n"), "405 ", ""},
    {BYTES("Connect a:80 HTTP/1.1\r\n"), "405 ", ""},
    {BYTES("PRI * HTTP/2.0\r\n"), "405 ", ""},
    {BYTES("A\n"), "400 Bad Request", ""},
    {BYTES("CONNECT\r\n"), "400 ", ""},
    {BYTES("CONNECT a:80\r\n"), "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/2\r\n"), "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.\r\n"), "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.10\r\n"), "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.:\r\n"), "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/1./\r\n"), "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.1 \r\n"), "400 ", ""},
    {BYTES("CONNECT  a:80 HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT a HTTP/1.1\r\n"), "400 ", "HOST:PORT"},
    {BYTES("CONNECT :80 HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT a: HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT a:0 HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT a:65536 HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT a:000080 HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT a:+80 HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT a:8x HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT ::1:80 HTTP/1.1\r\n"), "400 ", "[ADDRESS]:PORT"},
    {BYTES("CONNECT [a]:80 HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT http://a:80 HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT a\0:80 HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT a\t:80 HTTP/1.1\r\n"), "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nHost : a\r\n"), "400 ", "no header"},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nA: b\r\n goes: on\r\n"), "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nnothing\r\n"), "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.1\r\n:\r\n"), "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nA: \0\r\n"), "400 ", "zero byte"},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Digest x\r\n"),
     "407 Proxy Authentication Required", "\r\nProxy-Authenticate: Basic "},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization:\r\n"), "407 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basics dTpw\r\n"),
     "407 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic  \r\n"), "400 ",
     "one user and password"},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic dTp\r\n"),
     "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic dT pw\r\n"),
     "400 ", ""},
    {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic dXVw\r\n"),
     "400 ", ""}, /* no colon */
    {BYTES("CONNECT a:80 HTTP/1.1\r\nProxy-Authorization: Basic dTpw\r\n"
           "proxy-authorization: Basic dTpw\r\n"),
     "400 ", ""},
};

static void test_http_connect_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(refused); i++)
        check_refused_line(refused[i].sent, refused[i].status, refused[i].part);
}

/* ---- Sizes ---- */

static size_t put(uint8_t *out, size_t at, const char *text)
{
    memcpy(out + at, text, strlen(text));
    return at + strlen(text);
}

static size_t put_many(uint8_t *out, size_t at, char c, size_t count)
{
    memset(out + at, c, count);
    return at + count;
}

/* Cookies and the like pass, as long as the head has its size. */
static void test_http_connect_head_size(void **state)
{
    uint8_t sent[SOCKS_HTTP_HEAD_MAX + 1];
    struct socks_example e = {.state = SOCKS_ASKED,
                              .sent = {sent, SOCKS_HTTP_HEAD_MAX},
                              .protocol = SOCKS_HTTP,
                              .command = SOCKS_CONNECT,
                              .said = BYTES(""),
                              .to = "a:80"};
    size_t n;

    (void)state;
    n = put(sent, 0, "CONNECT a:80 HTTP/1.1\r\nCookie: ");
    n = put_many(sent, n, 'c', SOCKS_HTTP_HEAD_MAX - n - 4);
    put(sent, n, "\r\n\r\n");
    check_pieces(&e, e.sent, 0, 1, 1);
    check_pieces(&e, e.sent, 0, sizeof(sent), 1);
    put(sent, n, "c\r\n\r\n");
    check_refused(bytes_of(sent, sizeof(sent)),
                  "431 Request Header Fields Too Large", "");
    memset(sent + n, 'c', 5);
    check_refused(bytes_of(sent, sizeof(sent)), "431 ", "");
}

/* A header that fills the buffer to the byte, with and without its end. */
static void test_http_connect_line_size(void **state)
{
    uint8_t sent[2 * SOCKS_IN_MAX + 64];
    struct socks_example e = {.state = SOCKS_ASKED,
                              .protocol = SOCKS_HTTP,
                              .command = SOCKS_CONNECT,
                              .said = BYTES(""),
                              .to = "a:80"};

    (void)state;
    for (size_t len = SOCKS_IN_MAX - 3; len < SOCKS_IN_MAX + 3; len++) {
        size_t n = put(sent, 0, "CONNECT a:80 HTTP/1.1\r\n");

        n = put(sent, n, "A:");
        n = put_many(sent, n, ':', len - 4);
        n = put(sent, n, "\r\n\r\n");
        e.sent = bytes_of(sent, n);
        check_example(&e);
        n = put(sent, 0, "CONNECT a:80 HTTP/1.1\r\n");
        n = put_many(sent, n, 'a', len - 2);
        n = put(sent, n, "\r\n");
        check_refused(bytes_of(sent, n), "400 ", "");
    }
}

static void test_http_connect_name_size(void **state)
{
    uint8_t sent[2 * SOCKS_IN_MAX];
    char to[SOCKS_NAME_MAX + 4];
    struct socks_example e = {.state = SOCKS_ASKED,
                              .protocol = SOCKS_HTTP,
                              .command = SOCKS_CONNECT,
                              .said = BYTES(""),
                              .to = to};
    size_t n = put(sent, 0, "CONNECT ");

    (void)state;
    n = put_many(sent, n, 'n', SOCKS_NAME_MAX);
    e.sent = bytes_of(sent, put(sent, n, ":80 HTTP/1.1\r\n\r\n"));
    memset(to, 'n', SOCKS_NAME_MAX);
    memcpy(to + SOCKS_NAME_MAX, ":80", 4);
    check_example(&e);
    n = put(sent, n, "n:80 HTTP/1.1\r\n");
    check_refused(bytes_of(sent, n), "400 ", "");
    put_many(sent, 8, 'n', SOCKS_IN_MAX);
    check_refused(bytes_of(sent, 8 + SOCKS_IN_MAX), "414 URI Too Long", "");
    memcpy(sent, "OPTIONS", 7);
    check_refused(bytes_of(sent, 8 + SOCKS_IN_MAX), "405 ", "");
}

/* Two of 255 bytes fit, as in SOCKS5; one that does not fit is not taken for
 * none. */
static void test_http_connect_password_size(void **state)
{
    uint8_t sent[2048];
    struct socks_handshake h;
    size_t n = put(sent, 0,
                   "CONNECT a:80 HTTP/1.1\r\n"
                   "Proxy-Authorization: Basic "),
           end;

    (void)state;
    end = put_many(sent, n, 'A', 340);
    end = put(sent, end, "Og==");
    have_asked(&h, bytes_of(sent, put(sent, end, "\r\n\r\n")));
    assert_int_not_equal(h.request.isolation[0], 0);
    end = put_many(sent, n, 'A', 1000);
    check_refused(bytes_of(sent, put(sent, end, "\r\n\r\n")), "431 ", "");
}

/* ---- Answers ---- */

static const struct bytes to_connect =
    BYTES("CONNECT example.org:443 HTTP/1.1\r\n\r\n");

static void test_http_connect_done(void **state)
{
    const struct bytes said =
        BYTES("HTTP/1.1 200 Connection established\r\n\r\n");
    const struct endpoint at = {{192, 0, 2, 1}, 80, FAMILY_IPV4};
    struct socks_handshake h;

    (void)state;
    have_asked(&h, to_connect);
    socks_handshake_done(&h, &at);
    assert_int_equal(h.state, SOCKS_OPEN);
    check_said(&h, said);
}

static void test_http_connect_refused(void **state)
{
    (void)state;
    for (int r = 0; r < REASON_END_; r++) {
        char text[SOCKS_OUT_MAX + 1];
        struct socks_handshake h;
        const char *body;

        have_asked(&h, to_connect);
        socks_handshake_refuse(&h, (enum reason)r);
        assert_int_equal(h.state, SOCKS_OVER);
        body = read_response(&h, http_status_of((enum reason)r), text);
        assert_non_null(strstr(body, reason_text((enum reason)r)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_connect_examples),
        cmocka_unit_test(test_http_connect_refuses),
        cmocka_unit_test(test_http_connect_head_size),
        cmocka_unit_test(test_http_connect_line_size),
        cmocka_unit_test(test_http_connect_name_size),
        cmocka_unit_test(test_http_connect_password_size),
        cmocka_unit_test(test_http_connect_done),
        cmocka_unit_test(test_http_connect_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
