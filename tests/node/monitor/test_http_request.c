/* SPDX-License-Identifier: MIT */
#include "node/monitor/http_request.h"

#include "testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static char head[1024];

static bool read_head(const char *text, size_t len, struct http_request *out)
{
    assert_true(len < sizeof(head));
    memcpy(head, text, len);
    return http_request_read(head, len, out);
}

static void test_http_request_fields(void **state)
{
    static const char *const same[] = {
        "GET /health?a=b#c HTTP/1.1\r\nHost: node:80\r\n\r\n",
        "GET /health HTTP/1.1\nhOsT:\t node:80 \t\n\n",
        "GET /health# HTTP/1.1\r\nA: b\r\nHost:node:80\r\nC: \r\n\r\n",
        "GET /health HTTP/1.0\r\nHost: node:80\r\n\r\nHost: other\r\n\r\n"};
    struct http_request r;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(same); i++) {
        assert_true(read_head(same[i], strlen(same[i]), &r));
        assert_string_equal(r.method, "GET");
        assert_string_equal(r.target, "/health");
        assert_string_equal(r.host, "node:80");
    }
    assert_true(read_head("GET / HTTP/1.0\r\n\r\n", 18, &r));
    assert_null(r.host);
    assert_true(read_head("GET / HTTP/1.1\r\nHost:\r\n\r\n", 25, &r));
    assert_string_equal(r.host, "");
}

static void test_http_request_that_is_none(void **state)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n\r\n", /* for whom? */
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n goes: on\r\n\r\n",
        "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n",
        "GET / HTTP/1.1\r\n: a\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/2\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        "GET /\r\nHost: a\r\n\r\n",
        "\r\n\r\n",
        "",
    };
    struct http_request r = {.method = "as before"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(read_head(bad[i], strlen(bad[i]), &r));
    assert_false(read_head("GET / HTTP/1.0\r\nA: \0\r\n\r\n", 24, &r));
    assert_string_equal(r.method, "as before");
}

static void test_http_host_is_ours(void **state)
{
    static const struct http_names names = {
        2, {"node.example.org", "prometheus-target"}};
    static const struct http_names none = {0};
    static const char *const ours[] = {
        "127.0.0.1",  "127.0.0.1:7882",  "192.0.2.7:80",      "[::1]",
        "[::1]:7882", "[2001:db8::1]:1", "localhost",         "LocalHost:7882",
        "localhost.", "localhost.:7882", "[::ffff:7f00:1]:1", "127.0.0.1:"};
    static const char *const known[] = {
        "node.example.org", "Node.Example.Org.:7882", "prometheus-target:80"};
    static const char *const foreign[] = {"",
                                          ":7882",
                                          "evil.example",
                                          "evil.example:7882",
                                          "x",
                                          "localhost.evil.example",
                                          "127.0.0.1.evil.example",
                                          "::1",
                                          "::1:7882",
                                          "[::1",
                                          "[::1]x",
                                          "[::1].x",
                                          "[127.0.0.1]",
                                          "127.0.0.1:x",
                                          "localhost:7882:1",
                                          "127.1",
                                          "0x7f.0.0.1",
                                          "127.0.0.1 ",
                                          "a@127.0.0.1",
                                          ".",
                                          "node.example.orgx",
                                          "[node.example.org]"};

    (void)state;
    assert_true(http_host_is_ours(NULL, &none));
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        assert_true(http_host_is_ours(ours[i], &none));
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        assert_true(http_host_is_ours(known[i], &names));
        assert_false(http_host_is_ours(known[i], &none));
    }
    for (size_t i = 0; i < COUNT_OF(foreign); i++)
        assert_false(http_host_is_ours(foreign[i], &names));
}

static void test_http_host_that_is_long(void **state)
{
    static const struct http_names none = {0};
    char host[600];

    (void)state;
    for (size_t len = 250; len < sizeof(host); len++) {
        memset(host, 'a', len);
        host[len] = '\0';
        assert_false(http_host_is_ours(host, &none));
    }
}

static void test_http_request_random_bytes(void **state)
{
    static const char bytes[] = "GET / HTTP1.0\r\n:Host \t\\\0]x";
    struct test_random random = test_seed(7);
    struct http_request r;
    char text[64];

    (void)state;
    for (int round = 0; round < 100000; round++) {
        size_t len = test_random_below(&random, sizeof(text));

        for (size_t i = 0; i < len; i++)
            text[i] = bytes[test_random_below(&random, sizeof(bytes))];
        read_head(text, len, &r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http_request_fields),
        cmocka_unit_test(test_http_request_that_is_none),
        cmocka_unit_test(test_http_host_is_ours),
        cmocka_unit_test(test_http_host_that_is_long),
        cmocka_unit_test(test_http_request_random_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
