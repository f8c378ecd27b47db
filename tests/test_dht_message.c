/* SPDX-License-Identifier: MIT */
#include "testing.h"

#include "wire/dht_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct id id_of(char c)
{
    struct id id;

    memset(id.b, c, sizeof(id.b));
    return id;
}

static void expect_bytes(const struct dht_message *m, struct bytes want)
{
    uint8_t buf[DHT_MESSAGE_MAX];
    size_t len;

    assert_int_equal(dht_message_write(m, buf, sizeof(buf), &len), OK);
    assert_int_equal(len, want.len);
    assert_memory_equal(buf, want.p, want.len);
}

/* clang-format off: bytes are laid out as the protocol reads */
static void test_dht_message_ping(void **state)
{
    struct dht_message m;
    struct dht_message back;
    struct bytes wire = TEST_BYTES("\x84"
                                   "\xa1"
                                   "a"
                                   "\x81"
                                   "\xa2id"
                                   "\xc4\x14"
                                   "iiiiiiiiiiiiiiiiiiii"
                                   "\xa1q"
                                   "\xa4ping"
                                   "\xa1t"
                                   "\xc4\x02"
                                   "aa"
                                   "\xa1y"
                                   "\xa1q");

    (void)state;
    dht_message_init(&m, DHT_QUERY);
    m.transaction = TEST_BYTES("aa");
    m.method = DHT_PING;
    m.id = id_of('i');
    m.has = DHT_HAS_ID;
    expect_bytes(&m, wire);
    assert_int_equal(dht_message_read(wire, &back), OK);
    assert_int_equal(back.method, DHT_PING);
    assert_true(id_equal(&back.id, &m.id));
}

/* clang-format on */

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_message_ping),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
