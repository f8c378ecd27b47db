/* SPDX-License-Identifier: MIT
 *
 * Datagrams of an exit that leave many to a system call.
 */
#include "node/exit/exit_host.h"

#include "node/net/udp_queue.h"
#include "node/os/sockaddr.h"
#include "testing.h"
#include "tunnel/exit/exit.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY (2 * UDP_QUEUE + 10)

struct server {
    int fd;
    struct endpoint at;
};

static struct event_base *base;
static struct exit_host *x;
static struct server server[2];

static void on_received(void *arg, uint32_t cookie, const struct endpoint *from,
                        struct bytes payload)
{
    (void)arg, (void)cookie, (void)from, (void)payload;
}

static void on_batch_end(void *arg)
{
    (void)arg;
}

static void open_server(struct server *s)
{
    struct endpoint any;
    struct sockaddr_storage sa;
    socklen_t len;
    int size = 1 << 22;

    assert_int_equal(endpoint_parse("127.0.0.1:1", &any), OK);
    any.port = 0;
    len = sockaddr_from_endpoint(&any, &sa);
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&sa, len), 0);
    setsockopt(s->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    len = sizeof(sa);
    getsockname(s->fd, (struct sockaddr *)&sa, &len);
    assert_int_equal(sockaddr_to_endpoint((struct sockaddr *)&sa, &s->at), OK);
}

static int setup(void **state)
{
    struct exit_host_handler handler = {.received = on_received,
                                        .batch_end = on_batch_end};
    struct config *config = calloc(1, sizeof(*config));

    (void)state;
    base = event_base_new();
    assert_non_null(config);
    config->exit_nameservers.count = 1;
    assert_int_equal(
        endpoint_parse("127.0.0.1:53", &config->exit_nameservers.at[0]), OK);
    assert_int_equal(exit_host_new(base, &handler, config, NULL, &x), OK);
    free(config);
    open_server(&server[0]);
    open_server(&server[1]);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    exit_host_free(x);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_free(base);
    close(server[0].fd);
    close(server[1].fd);
    return 0;
}

static void *open_exit(void)
{
    void *handle;

    assert_int_equal(exit_host_open(x, FAMILY_IPV4, 1, &handle), OK);
    return handle;
}

static void send_number(void *handle, const struct server *to, uint32_t number)
{
    assert_int_equal(
        exit_host_send(x, handle, &to->at,
                       bytes_of((uint8_t *)&number, sizeof(number))),
        OK);
}

/* How many numbers lie there, which must be those from `first` on. */
static uint32_t take_numbers(const struct server *s, uint32_t first)
{
    uint32_t number, count = 0;
    ssize_t r;

    while ((r = recv(s->fd, &number, sizeof(number), 0)) > 0) {
        assert_int_equal(r, sizeof(number));
        assert_int_equal(number, first + count);
        count++;
    }
    return count;
}

static void test_exit_train_first_leaves_at_once(void **state)
{
    void *s = open_exit();

    (void)state;
    send_number(s, &server[0], 0);
    assert_int_equal(take_numbers(&server[0], 0), 1);
    send_number(s, &server[1], 0);
    assert_int_equal(take_numbers(&server[1], 0), 1);
    exit_host_close(x, s);
}

static void test_exit_train_sends_many_in_order(void **state)
{
    void *s = open_exit();

    (void)state;
    for (uint32_t i = 0; i < MANY; i++)
        send_number(s, &server[0], i);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(take_numbers(&server[0], 0), MANY);
    exit_host_close(x, s);
}

/* Two sockets and two servers take turns; each server sees one order. */
static void test_exit_train_keeps_flows_apart(void **state)
{
    void *s[2] = {open_exit(), open_exit()};

    (void)state;
    for (uint32_t i = 0; i < 60; i++)
        send_number(s[i / 3 % 2], &server[i / 5 % 2], i);
    event_base_loop(base, EVLOOP_NONBLOCK);
    for (uint32_t first = 0; first < 60; first += 5) {
        const struct server *at = &server[first / 5 % 2];
        uint32_t number;

        for (uint32_t i = first; i < first + 5; i++) {
            assert_int_equal(recv(at->fd, &number, sizeof(number), 0),
                             sizeof(number));
            assert_int_equal(number, i);
        }
    }
    exit_host_close(x, s[0]);
    exit_host_close(x, s[1]);
}

static void test_exit_train_close_sends_what_waits(void **state)
{
    void *s = open_exit();

    (void)state;
    for (uint32_t i = 0; i < 10; i++)
        send_number(s, &server[0], i);
    exit_host_close(x, s);
    assert_int_equal(take_numbers(&server[0], 0), 10);
    event_base_loop(base, EVLOOP_NONBLOCK);
}

static void test_exit_train_tells_of_failures(void **state)
{
    static uint8_t big[EXIT_PAYLOAD_MAX];
    struct endpoint nowhere = server[0].at;
    void *s = open_exit();

    (void)state;
    nowhere.port = 0; /* nothing can be sent there */
    assert_int_equal(exit_host_send(x, s, &nowhere, bytes_of(big, 1)), ERR_IO);
    assert_int_equal(exit_host_send(x, s, &nowhere, bytes_of(big, 1)), ERR_IO);
    send_number(s, &server[0], 0);
    send_number(s, &server[0], 1);
    assert_int_equal(exit_host_send(x, s, &nowhere, bytes_of(big, 1)), ERR_IO);
    assert_int_equal(take_numbers(&server[0], 0), 2);
    exit_host_close(x, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_exit_train_first_leaves_at_once,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_exit_train_sends_many_in_order,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_exit_train_keeps_flows_apart,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_exit_train_close_sends_what_waits,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(test_exit_train_tells_of_failures,
                                        setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
