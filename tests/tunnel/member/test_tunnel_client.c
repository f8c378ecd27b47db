/* SPDX-License-Identifier: MIT
 *
 * A whole client among relays that lie: its pools, speed tests and long
 * datagrams live on, and no cell makes it send elsewhere (tunnel_world.h
 * looks).
 */
#include "tunnel_world.h"

#include "circuit_lies.h"

#include <sodium.h>

/* One of the relays, in one of the circuits that it is in. */
static void lie(struct world *w)
{
    unsigned i = 1 + test_random_below(&w->random, MEMBERS - 1);
    const struct router *e = member_router(w->member[i].tunnel);
    unsigned count = transits_count(e->transits);
    static struct lie lie;
    struct transit *relay;

    if (count == 0)
        return;
    relay = transits_at(e->transits, test_random_below(&w->random, count));
    lie_make(&lie, &w->random, relay, test_random_below(&w->random, 64));
    lie_send(&lie, &w->random, e, relay, w->now);
}

static void use(struct world *w)
{
    struct resident *client = &w->member[0];
    static const uint8_t text[3000];
    struct endpoint to;
    uint32_t ids[8];
    unsigned n = member_active(client->tunnel, 0, ids, 8);
    uint32_t id;

    if (n == 0)
        return;
    id = ids[test_random_below(&w->random, n < 8 ? n : 8)];
    endpoint_parse("8.8.8.8:53", &to);
    member_ping(client->tunnel, id, w->now);
    member_data(client->tunnel, id, &to, bytes_of(text, sizeof(text)), w->now);
    member_speedtest(client->tunnel, id, 2 * TIME_MS, w->now);
}

static void test_tunnel_client_sends_nowhere_else(void **state)
{
    struct world *w = world_new(9);
    struct resident *client = &w->member[0];

    (void)state;
    for (unsigned hops = 1; hops <= 3; hops++)
        member_build(client->tunnel, hops, w->now);
    run(w, 5 * TIME_S);
    for (unsigned i = 0; i < 3000; i++) {
        if (i % 20 == 0)
            use(w);
        lie(w);
        run(w, test_random_below(&w->random, 40) * TIME_MS);
    }
    assert_true(client->data > 50);
    assert_true(client->refused > 5);
    assert_true(client->reports > 30);
    assert_true(client->closed > 2);
    assert_true(client->pongs > 50);
    /* With honest relays again all is well. */
    run(w, 2 * TIME_MIN);
    assert_true(member_ready(client->tunnel) >= 1.0);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel_client_sends_nowhere_else),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
