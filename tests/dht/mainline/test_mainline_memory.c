/* SPDX-License-Identifier: MIT
 *
 * What a second engine that is idle costs.
 */
#include "mainline_fixture.h"

#include "memory_in_use.h"

/* At birth; then as one that has joined, has a table as full as it gets in a
 * large network, and is asked now and then. */
static void test_mainline_idle_memory(void **state)
{
    struct dht_status status;
    struct dht_message m;
    struct fixture f;
    size_t before, born, idle;

    (void)state;
    init(&f);
    before = memory_in_use();
    harness_start(&f.h);
    born = memory_in_use() - before;
    for (unsigned i = 0; i < 4000; i++) {
        struct endpoint ep =
            test_ep4((uint8_t)(45 + i / 250), (uint8_t)(i % 250), 3, 4, 6881);
        struct id id =
            test_near_id(&f.random, &f.h.config.id[FAMILY_IPV4], (int)(i % 22));

        meet(&f, &ep, &id);
        harness_query(&m, DHT_GET_PEERS, &id, &id);
        harness_ask(&f.h, &ep, &m);
        m.method = DHT_SAMPLE_INFOHASHES;
        harness_ask(&f.h, &ep, &m);
        harness_drop(&f.h);
    }
    harness_run(&f.h, f.h.now + TIME_MIN);
    harness_drop(&f.h);
    idle = memory_in_use() - before;
    dht_status(f.h.d, f.h.now, &status);
    print_message("%zu bytes at birth, %zu with %u contacts\n", born, idle,
                  status.nodes[FAMILY_IPV4]);
    assert_in_range(status.nodes[FAMILY_IPV4], 150, 22 * DHT_K);
    assert_in_range(born, 1, 12 * 1024);
    assert_in_range(idle, born, 256 * 1024);
    /* And it knows: what it does not count is what malloc keeps. */
    assert_in_range(status.memory, idle * 9 / 10 - memory_jitter(),
                    idle + memory_jitter());
    harness_end(&f.h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mainline_idle_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
