/* SPDX-License-Identifier: MIT */
#include "node/net/udp_batch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LONG (40 * 1024) /* a datagram as long as a train */

static unsigned pages_resident(const struct udp_batch *b)
{
    enum { PAGES = 512 }; /* 2 MiB: all buffers but the last pages */
    unsigned char in_core[PAGES];
    unsigned n = 0;

    assert_int_equal(mincore(b->buffers, (size_t)PAGES * 4096, in_core), 0);
    for (unsigned i = 0; i < PAGES; i++)
        n += in_core[i] & 1;
    return n;
}

/* A socket that sends to itself. */
static int open_socket(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(sa);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, len), 0);
    return fd;
}

static void pass(struct udp_batch *b, int fd, size_t len)
{
    static const uint8_t bytes[LONG];
    struct udp_message m;
    enum udp_drop why;

    assert_int_equal(send(fd, bytes, len, 0), (ssize_t)len);
    assert_true(udp_batch_receive(b, fd, UDP_BATCH));
    assert_int_equal(b->count, 1);
    assert_true(udp_batch_message(b, 0, &m, &why));
    assert_int_equal(m.len, len);
    udp_batch_end(b, 1);
}

static void test_udp_batch_rests_when_no_trains_come(void **state)
{
    struct udp_batch b = {0};
    int fd = open_socket();

    (void)state;
    assert_int_equal(udp_batch_init(&b), OK);
    for (int round = 0; round < 2; round++) {
        pass(&b, fd, LONG);
        assert_false(udp_batch_rest(&b));
        assert_true(pages_resident(&b) >= LONG / 4096);
        pass(&b, fd, 100); /* is no train */
        assert_true(udp_batch_rest(&b));
        assert_int_equal(pages_resident(&b), 0);
    }
    close(fd);
    udp_batch_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_udp_batch_rests_when_no_trains_come),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
