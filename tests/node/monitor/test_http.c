/* SPDX-License-Identifier: MIT */
#include "node/monitor/http.h"

#include "fail_alloc.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"
#include "testing.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define HOST "Host: 127.0.0.1\r\n"

static struct event_base *base;
static struct http *http;
static struct text why;
static bool healthy;
static size_t page_size;
static unsigned asked;

static void metrics_page(void *arg, struct metrics *m)
{
    (void)arg;
    asked++;
    metrics_gauge(m, "warren_nodes", "Nodes.", 7);
    for (size_t i = 0; i < page_size; i += 100)
        text_addf(m->out, "# %97d\n", 0);
}

static bool health_page(void *arg, struct text *reason)
{
    (void)arg;
    if (!healthy)
        text_add(reason, "no \"peers\"");
    return healthy;
}

static const struct http_pages pages = {NULL, metrics_page, health_page};

static int start(uint64_t deadline)
{
    struct http_config config = {.deadline = deadline,
                                 .connections = HTTP_CONNECTIONS_MAX,
                                 .names = {1, {"known.example"}}};

    text_init(&why, 1024);
    healthy = true;
    page_size = 0;
    asked = 0;
    base = event_base_new();
    if (base == NULL || endpoint_parse("127.0.0.1:0", &config.listen) != OK)
        return -1;
    return http_new(base, &config, &pages, NULL, &http, &why) == OK ? 0 : -1;
}

static int setup(void **state)
{
    (void)state;
    return start(20 * TIME_S);
}

static int setup_brief(void **state)
{
    (void)state;
    return start(TIME_S);
}

static int setup_hasty(void **state)
{
    (void)state;
    return start(100 * TIME_MS);
}

static int teardown(void **state)
{
    (void)state;
    http_free(http);
    event_base_free(base);
    text_deinit(&why);
    return 0;
}

static int dial_from(const char *addr)
{
    struct sockaddr_storage sa;
    struct endpoint at = http_local(http), from;
    socklen_t len;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(endpoint_parse_addr(addr, &from), OK);
    len = sockaddr_from_endpoint(&from, &sa);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    len = sockaddr_from_endpoint(&at, &sa);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
    return fd;
}

static int dial(void)
{
    return dial_from("127.0.0.1");
}

static void turn(int times)
{
    for (int i = 0; i < times; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        usleep(1000);
    }
}

static void put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* All that comes until the other side ends it, or five seconds are over. */
static size_t get_all(int fd, char *buf, size_t size)
{
    uint64_t end = clock_now() + 5 * TIME_S;
    size_t len = 0;

    while (clock_now() < end && len < size - 1) {
        ssize_t r = recv(fd, buf + len, size - 1 - len, MSG_DONTWAIT);

        if (r > 0)
            len += (size_t)r;
        else if (r == 0 || errno != EAGAIN)
            break;
        else
            turn(1);
    }
    buf[len] = '\0';
    return len;
}

static const char *ask(const char *request)
{
    static char buf[1 << 20];
    int fd = dial();

    put(fd, request);
    get_all(fd, buf, sizeof(buf));
    close(fd);
    turn(3);
    return buf;
}

static void assert_starts(const char *text, const char *start_of)
{
    if (strncmp(text, start_of, strlen(start_of)) != 0)
        assert_string_equal(text, start_of);
}

static void test_http_metrics_page(void **state)
{
    (void)state;
    assert_string_equal(
        ask("GET /metrics HTTP/1.1\r\n" HOST "\r\n"),
        "HTTP/1.1 200 OK\r\n"
        "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"
        "Content-Length: 68\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
        "# HELP warren_nodes Nodes.\n# TYPE warren_nodes gauge\n"
        "warren_nodes 7\n");
    assert_int_equal(http_connections(http), 0);
}

static void test_http_health_page(void **state)
{
    const char *page = ask("GET /health HTTP/1.0\n\n");

    (void)state;
    assert_starts(page, "HTTP/1.1 200 OK\r\nContent-Type: application/json");
    assert_non_null(strstr(page, "\r\n\r\n{\"healthy\":true}\n"));
    healthy = false;
    page = ask("GET /health?verbose HTTP/1.1\r\n" HOST "\r\n");
    assert_starts(page, "HTTP/1.1 503 Service Unavailable\r\n");
    assert_non_null(strstr(page, "\r\n\r\n{\"healthy\":false,\"reason\":"
                                 "\"no \\\"peers\\\"\"}\n"));
}

static void test_http_head_has_no_body(void **state)
{
    const char *page = ask("HEAD /health HTTP/1.1\r\n" HOST "\r\n");

    (void)state;
    assert_starts(page, "HTTP/1.1 200 OK\r\n");
    assert_non_null(strstr(page, "Content-Length: 17\r\n"));
    assert_string_equal(page + strlen(page) - 4, "\r\n\r\n");
}

static void test_http_refuses_bad_requests(void **state)
{
    static const struct {
        const char *request, *status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 404 Not Found\r\n"},
        {"GET /metricsx HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 404 Not Found\r\n"},
        {"GET /metrics/ HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 404 Not Found\r\n"},
        {"GET /../metrics HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 404 Not Found\r\n"},
        {"POST /metrics HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nabc",
         "HTTP/1.1 405 Method Not Allowed\r\n"},
        {"DELETE /health HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 405 Method Not Allowed\r\n"},
        {"get /metrics HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 405 Method Not Allowed\r\n"},
        {"GET /metrics\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"GET /metrics HTTP/2\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"GET http://x/metrics HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 400 Bad Request\r\n"},
        {"GET  /metrics HTTP/1.1\r\n" HOST "\r\n",
         "HTTP/1.1 400 Bad Request\r\n"},
        {" /metrics HTTP/1.1\r\n" HOST "\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
        {"\x16\x03\x01 tls\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_starts(ask(cases[i].request), cases[i].status);
    assert_non_null(strstr(ask("PUT /metrics HTTP/1.1\r\n" HOST "\r\n"),
                           "\r\nAllow: GET, HEAD\r\n"));
    assert_int_equal(asked, 0);
    assert_int_equal(http_connections(http), 0);
}

static void test_http_requests_have_a_size_limit(void **state)
{
    static char request[2 * HTTP_REQUEST_MAX];

    (void)state;
    memset(request, 'x', HTTP_REQUEST_MAX);
    assert_starts(ask(request),
                  "HTTP/1.1 431 Request Header Fields Too Large\r\n");
    /* The longest that is taken. */
    memcpy(request, "GET /health HTTP/1.0\r\nX: ", 25);
    strcpy(request + HTTP_REQUEST_MAX - 5, "\r\n\r\n");
    assert_starts(ask(request), "HTTP/1.1 200 OK\r\n");
}

static void test_http_request_may_come_in_pieces(void **state)
{
    static const char request[] = "GET /health HTTP/1.1\r\n" HOST "\r\n";
    char buf[512];
    int fd = dial();

    (void)state;
    for (size_t i = 0; i + 1 < sizeof(request); i++) {
        put(fd, (char[]){request[i], '\0'});
        turn(1);
    }
    get_all(fd, buf, sizeof(buf));
    assert_starts(buf, "HTTP/1.1 200 OK\r\n");
    close(fd);
}

static void test_http_half_closed_client_gets_its_answer(void **state)
{
    static char buf[1 << 20];
    int fd = dial();

    (void)state;
    page_size = 500000;
    put(fd, "GET /metrics HTTP/1.1\r\n" HOST "\r\n");
    shutdown(fd, SHUT_WR);
    assert_true(get_all(fd, buf, sizeof(buf)) > 500000);
    turn(3);
    assert_int_equal(http_connections(http), 0);
    close(fd);
}

static void test_http_page_too_large_is_an_error_not_half_a_page(void **state)
{
    (void)state;
    page_size = HTTP_PAGE_MAX;
    assert_starts(ask("GET /metrics HTTP/1.1\r\n" HOST "\r\n"),
                  "HTTP/1.1 500 Internal Server Error\r\n");
}

static bool is_open(int fd)
{
    char c;

    return recv(fd, &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

static void test_http_oldest_unfinished_makes_way(void **state)
{
    int slow[HTTP_CONNECTIONS_MAX + 3];
    uint64_t begin;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(slow); i++) {
        slow[i] = dial();
        put(slow[i], "GET /health HTTP/1.1\r\n");
    }
    turn(100);
    assert_int_equal(http_connections(http), HTTP_CONNECTIONS_MAX);
    for (size_t i = 0; i < COUNT_OF(slow); i++)
        assert_int_equal(is_open(slow[i]), i >= 3);
    /* As often as one likes, and each at once. */
    begin = clock_now();
    for (int i = 0; i < 10; i++)
        assert_starts(ask("GET /health HTTP/1.0\r\n\r\n"), "HTTP/1.1 200 OK");
    assert_true(clock_now() - begin < 2 * TIME_S);
    for (size_t i = 0; i < COUNT_OF(slow); i++) {
        assert_int_equal(is_open(slow[i]), i >= 4);
        close(slow[i]);
    }
    turn(20);
    assert_int_equal(http_connections(http), 0);
}

/* However many come at the same moment as somebody who asks. */
static void test_http_quick_one_is_served_in_a_crowd(void **state)
{
    int slow[3 * HTTP_CONNECTIONS_MAX];
    char buf[512];
    int quick;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(slow) / 2; i++)
        slow[i] = dial();
    quick = dial();
    put(quick, "GET /health HTTP/1.0\r\n\r\n");
    for (size_t i = COUNT_OF(slow) / 2; i < COUNT_OF(slow); i++)
        slow[i] = dial();
    get_all(quick, buf, sizeof(buf));
    assert_starts(buf, "HTTP/1.1 200 OK\r\n");
    close(quick);
    for (size_t i = 0; i < COUNT_OF(slow); i++)
        close(slow[i]);
}

/* One that has its answer and lingers holds nobody's place. */
static void test_http_finished_one_makes_way_first(void **state)
{
    int fds[HTTP_CONNECTIONS_MAX + 1];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = dial();
        if (i == COUNT_OF(fds) - 2)
            put(fds[i], "GET /health HTTP/1.0\r\n\r\n");
        turn(5);
    }
    assert_int_equal(http_connections(http), HTTP_CONNECTIONS_MAX);
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        assert_int_equal(is_open(fds[i]), i != COUNT_OF(fds) - 2);
        close(fds[i]);
    }
}

static void test_http_makes_room_at_the_source_that_holds_most(void **state)
{
    int slow[3 * HTTP_CONNECTIONS_MAX], patient = dial();
    char buf[512];

    (void)state;
    put(patient, "GET /health HTTP/1.0\r\n");
    for (size_t i = 0; i < COUNT_OF(slow); i++) {
        slow[i] = dial_from("127.0.0.2");
        turn(5);
    }
    turn(100);
    assert_int_equal(http_connections(http), HTTP_CONNECTIONS_MAX);
    put(patient, "\r\n");
    get_all(patient, buf, sizeof(buf));
    assert_starts(buf, "HTTP/1.1 200 OK\r\n");
    close(patient);
    for (size_t i = 0; i < COUNT_OF(slow); i++)
        close(slow[i]);
}

static void test_http_names_of_strangers_are_refused(void **state)
{
    const char *page = ask("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n"
                           "\r\n");

    (void)state;
    assert_starts(page, "HTTP/1.1 421 Misdirected Request\r\n");
    assert_non_null(strstr(page, "hosts in [http]"));
    assert_starts(ask("HEAD / HTTP/1.0\r\nHost: evil.example:80\r\n\r\n"),
                  "HTTP/1.1 421 ");
    assert_starts(ask("GET /health HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 ");
    assert_int_equal(asked, 0);
    assert_starts(ask("GET /metrics HTTP/1.1\r\nHost: known.example:1\r\n\r\n"),
                  "HTTP/1.1 200 ");
    assert_starts(ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"),
                  "HTTP/1.1 200 ");
}

static void test_http_slow_requests_are_cut_off(void **state)
{
    int fd = dial();
    uint64_t begin = clock_now();

    (void)state;
    turn(5);
    assert_int_equal(http_connections(http), 1);
    /* A byte now and then does not prolong it. */
    while (http_connections(http) > 0 && clock_now() < begin + 5 * TIME_S) {
        send(fd, "x", 1, MSG_NOSIGNAL);
        turn(5);
    }
    assert_int_equal(http_connections(http), 0);
    assert_true(clock_now() - begin >= 90 * TIME_MS);
    close(fd);
}

static void test_http_free_closes_what_is_open(void **state)
{
    struct http_config config = {.listen = http_local(http),
                                 .connections = HTTP_CONNECTIONS_MAX,
                                 .deadline = TIME_S};
    struct http *second = NULL;
    int fd = dial();
    char c;

    (void)state;
    turn(5);
    assert_int_equal(http_new(base, &config, &pages, NULL, &second, &why),
                     ERR_IN_USE);
    assert_null(second);
    assert_non_null(strstr(text_get(&why), "choose another with --http"));
    http_free(http);
    turn(1); /* libevent closes on its next turn */
    assert_int_equal(recv(fd, &c, 1, MSG_DONTWAIT), 0);
    close(fd);
    assert_int_equal(http_new(base, &config, &pages, NULL, &http, &why), OK);
    http_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static void test_http_answers_once(void **state)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\n" HOST "\r\n";
    static char buf[1 << 16];
    int fd = dial();

    (void)state;
    put(fd, request);
    turn(3);
    put(fd, request);
    put(fd, request);
    turn(3);
    get_all(fd, buf, sizeof(buf));
    assert_int_equal(asked, 1);
    assert_null(strstr(buf + 1, "HTTP/1.1"));
    close(fd);
    turn(3);
}

/* The end of its headers is there, but after too much. */
static void test_http_whole_requests_have_a_size_limit(void **state)
{
    static char request[HTTP_REQUEST_MAX + 64], buf[1 << 16];

    (void)state;
    for (size_t more = 0; more < 2; more++) {
        size_t len = HTTP_REQUEST_MAX + more;
        int fd = dial();

        snprintf(request, sizeof(request), "GET /health HTTP/1.0\r\nX: %*s",
                 (int)(len - 25), "\r\n\r\n");
        assert_int_equal(strlen(request), len);
        for (size_t at = 0; at < len; at += 4000) {
            size_t n = len - at < 4000 ? len - at : 4000;

            assert_int_equal(send(fd, request + at, n, MSG_NOSIGNAL), n);
            if (at == 0)
                turn(3);
        }
        turn(3);
        get_all(fd, buf, sizeof(buf));
        assert_starts(buf, more == 0 ? "HTTP/1.1 200" : "HTTP/1.1 431");
        close(fd);
        turn(3);
    }
}

static unsigned open_descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* One connection from accept to its end while the Nth allocation fails, ours
 * or one of libevent's: it is answered in full or ends, and leaves nothing.
 * At the latest its deadline ends it: libevent does not look at each of its own
 * allocations. */
static bool survives(unsigned n, const char *request, const char *whole)
{
    static char buf[1 << 16];
    uint64_t end = clock_now() + 5 * TIME_S;
    int fd = dial();
    bool failed;
    size_t len;

    put(fd, request);
    fail_alloc_at(n);
    for (int i = 0; i < 10; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
    failed = fail_alloc_end();
    len = get_all(fd, buf, sizeof(buf));
    /* nothing, or an error that is whole, or all of it */
    if (len > 0 && strncmp(buf, "HTTP/1.1 500", 12) != 0)
        assert_string_equal(buf, whole);
    close(fd);
    while (http_connections(http) > 0 && clock_now() < end)
        turn(1);
    turn(3);
    assert_int_equal(http_connections(http), 0);
    return failed;
}

static void test_http_works_without_memory(void **state)
{
    static const char *const requests[] = {
        "GET /metrics HTTP/1.1\r\n" HOST "\r\n",
        "GET /health HTTP/1.1\r\n" HOST "\r\n",
        "GET /nothing HTTP/1.1\r\n" HOST "\r\n",
        "POST / HTTP/1.1\r\n" HOST "\r\n"};
    static char whole[1 << 16];
    unsigned before;

    (void)state;
    healthy = false;
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        snprintf(whole, sizeof(whole), "%s", ask(requests[i]));
        before = open_descriptors();
        for (unsigned n = 1; survives(n, requests[i], whole); n++)
            assert_int_equal(open_descriptors(), before);
        assert_string_equal(ask(requests[i]), whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_http_metrics_page),
        TEST(test_http_health_page),
        TEST(test_http_head_has_no_body),
        TEST(test_http_refuses_bad_requests),
        TEST(test_http_requests_have_a_size_limit),
        TEST(test_http_whole_requests_have_a_size_limit),
        TEST(test_http_answers_once),
        TEST(test_http_request_may_come_in_pieces),
        TEST(test_http_half_closed_client_gets_its_answer),
        TEST(test_http_page_too_large_is_an_error_not_half_a_page),
        TEST(test_http_oldest_unfinished_makes_way),
        TEST(test_http_quick_one_is_served_in_a_crowd),
        TEST(test_http_finished_one_makes_way_first),
        TEST(test_http_makes_room_at_the_source_that_holds_most),
        TEST(test_http_names_of_strangers_are_refused),
        cmocka_unit_test_setup_teardown(test_http_slow_requests_are_cut_off,
                                        setup_hasty, teardown),
        TEST(test_http_free_closes_what_is_open),
        cmocka_unit_test_setup_teardown(test_http_works_without_memory,
                                        setup_brief, teardown),
    };

    /* libevent's allocations fail too when one is to fail */
    event_set_mem_functions(malloc, realloc, free);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
