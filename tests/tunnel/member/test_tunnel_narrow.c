/* SPDX-License-Identifier: MIT
 *
 * Circuits over links whose paths lose long datagrams, and say nothing.
 */
#include "tunnel_net.h"

#include "tunnel/link/part.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Over IPv4, through a tunnel such as WireGuard. */
#define LONGEST (1420 - 28)

static unsigned narrow_at; /* the link behind this node; NET_NODES: all */

static bool narrow(struct net *net, struct net_packet *p)
{
    const struct endpoint *near = &net->node[narrow_at % NET_NODES].ep;
    const struct endpoint *far = &net->node[(narrow_at + 1) % NET_NODES].ep;
    bool here =
        narrow_at == NET_NODES ||
        (endpoint_equal(&p->from, near) && endpoint_equal(&p->to, far)) ||
        (endpoint_equal(&p->from, far) && endpoint_equal(&p->to, near));

    return !here || p->len <= LONGEST;
}

/* Whether a long datagram comes back from the last hop, which echoes. */
static bool answered(struct net *net, struct circuit *c)
{
    unsigned before = net->node[0].data_in;
    char text[1001] = {0};

    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(net_send_data(net, c, text), OK);
    net_run(net, 3 * TIME_S);
    return net->node[0].data_in == before + 1;
}

/* At whichever hop the path is narrow: both ends of that link find out. */
static void test_narrow_paths_of_circuits(void **state)
{
    static const unsigned where[] = {0, 1, 2, NET_NODES};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(where); i++) {
        struct net *net = net_new(400 + i);
        struct circuit *c;
        unsigned tries = 0;

        narrow_at = where[i];
        net->tap = narrow;
        c = net_build(net, (unsigned[]){1, 2, 3, 0});
        net_run(net, TIME_S);
        assert_int_equal(net->node[0].ready, 1);
        while (!answered(net, c))
            assert_true(++tries < 6);
        assert_true(tries > 0);
        for (int k = 0; k < 20; k++)
            assert_true(answered(net, c));
        assert_int_equal(net->node[0].closed, 0);
        net_free(net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_narrow_paths_of_circuits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
