/* SPDX-License-Identifier: MIT
 *
 * Who asks in the names of many others has few long answers sent to them.
 */
#include "mainline_fixture.h"

#include "dht/types/answer_limit.h"

/* The parts of query_burst and query_rate. */
#define BURST 2000
#define RATE  1000

static void begin(struct fixture *f)
{
    init(f);
    f->h.config.testing_network = true;
    f->h.config.family[FAMILY_IPV6] = true;
    harness_start(&f->h);
    for (unsigned i = 0; i < 2 * 8; i++) {
        char text[ENDPOINT_TEXT_SIZE];
        struct endpoint ep;
        struct id id = test_random_id(&f->random);

        snprintf(text, sizeof(text), i % 2 ? "[fd00::%u]:9" : "127.0.7.%u:9",
                 i + 1);
        ep = test_ep(text);
        harness_befriend(&f->h, &ep, &id);
    }
    harness_drop(&f->h);
}

static size_t length_of(const struct dht_message *m)
{
    uint8_t buf[DHT_MESSAGE_MAX];
    size_t len;

    assert_int_equal(
        dht_message_write(DHT_DIALECT_MAINLINE, m, buf, sizeof(buf), &len), OK);
    return len;
}

/* How many of `count` sources get an answer of more than three times what they
 * sent. Each gets one. */
static unsigned long_answers(struct fixture *f, unsigned count)
{
    static uint8_t next;
    struct id asker = test_id("99"), target = test_id("0011aabb");
    struct dht_message m;
    unsigned longer = 0;
    size_t most;

    harness_query(&m, DHT_FIND_NODE, &asker, &target);
    m.read_only = true;
    m.want[FAMILY_IPV4] = m.want[FAMILY_IPV6] = true;
    m.has |= DHT_HAS_WANT;
    most = answer_limit(length_of(&m), FAMILY_IPV4);
    next++;
    for (unsigned i = 0; i < count; i++) {
        struct endpoint ep =
            test_ep4(127, next, (uint8_t)(i >> 8), (uint8_t)i, 7000);
        const struct sent *s = harness_ask(&f->h, &ep, &m);

        assert_non_null(s);
        assert_int_equal(s->m.kind, DHT_RESPONSE);
        assert_int_equal(s->m.nodes.len, 8 * COMPACT_NODE4);
        longer += s->len > most;
        harness_drop(&f->h);
    }
    return longer;
}

static void test_mainline_long_answers_are_few(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    assert_int_equal(long_answers(&f, 100), 100);
    assert_int_equal(long_answers(&f, 3000), BURST - 100);
    harness_run(&f.h, f.h.now + TIME_S);
    harness_drop(&f.h);
    assert_int_equal(long_answers(&f, 3000), RATE);
    harness_end(&f.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mainline_long_answers_are_few)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
