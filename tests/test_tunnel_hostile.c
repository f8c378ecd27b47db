/* SPDX-License-Identifier: MIT
 *
 * Relays and neighbours that lie: what they say about hops that are not
 * theirs, what they do to cells that pass them, and what comes of it.
 */
#include "tunnel_net.h"

#include <sodium.h>

static struct relay *relay_at(struct net *net, unsigned node)
{
    assert_true(relays_count(net->node[node].engine.relays) > 0);
    return relays_at(net->node[node].engine.relays, 0);
}

/* Hop 2 puts a message where hop 1's layer would begin, in the hope that hop 1
 * passes it on as its own. */
static void test_hostile_hop_cannot_speak_for_the_one_before(void **state)
{
    struct net *net = net_new(21);
    struct net_node *client = &net->node[0];
    struct circuit_message m = {.type = CIRCUIT_TESTED, .nonce = 7};
    uint8_t d[CELL_MAX] = {0};
    struct relay *forger;
    size_t used;

    (void)state;
    net_build(net, (unsigned[]){1, 2, 3, 0});
    net_run(net, TIME_S);
    assert_int_equal(client->ready, 1);
    forger = relay_at(net, 2);
    assert_int_equal(
        circuit_message_write(&m, d + CELL_BODY_OFFSET, 300, &used), OK);
    link_send_relay(net->node[2].engine.core.links, forger->prev.link,
                    forger->prev.remote, d, CELL_SMALL, net->now);
    net_run(net, TIME_S);
    assert_int_equal(client->answered, 0);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile_hop_cannot_speak_for_the_one_before),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
