/* SPDX-License-Identifier: MIT
 *
 * Circuits through real engines: building, data, and what a hop that dies or
 * lies brings about.
 */
#include "fail_alloc.h"
#include "tunnel_net.h"

#include <sodium.h>

static const unsigned path4[] = {1, 2, 3, 4};

static void test_circuit_of_each_length(void **state)
{
    (void)state;
    for (unsigned length = 1; length <= ONION_HOPS_MAX; length++) {
        unsigned hops[ONION_HOPS_MAX + 1] = {0};
        struct net *net = net_new(length);
        struct net_node *client = &net->node[0];
        struct circuit *c;

        memcpy(hops, path4, length * sizeof(hops[0]));
        c = net_build(net, hops);
        net_run(net, TIME_S);
        assert_int_equal(client->ready, 1);
        assert_int_equal(c->state, CIRCUIT_READY);
        /* A link and a hop each take a round trip over all before them. */
        assert_true(c->build_time <= 2 * length * (length + 1) * NET_DELAY);
        assert_int_equal(net_send_data(net, c, "hello"), OK);
        net_run(net, TIME_S);
        assert_int_equal(client->data_in, 1);
        assert_string_equal((char *)client->data, "hello");
        assert_int_equal(client->data_from.port, 53);
        for (unsigned hop = 1; hop <= length; hop++) {
            assert_int_equal(
                circuit_ping(client->engine.circuits, c, hop, net->now), OK);
            net_run(net, TIME_S);
            assert_int_equal(client->answered, hop);
            assert_int_equal(client->answered_hop, hop);
            assert_int_equal(c->hop[hop - 1].rtt, 2 * hop * NET_DELAY);
        }
        for (unsigned i = 1; i <= length; i++)
            assert_int_equal(transits_count(net->node[i].engine.transits), 1);
        circuit_close(client->engine.circuits, c, REASON_REQUESTED, net->now);
        net_run(net, TIME_S);
        for (unsigned i = 1; i <= length; i++)
            assert_int_equal(transits_count(net->node[i].engine.transits), 0);
        net_free(net);
    }
}

/* Nothing but two sizes of cells once the links are there. */
static bool sizes_tap(struct net *net, struct net_packet *p)
{
    unsigned *cells = net->tap_ctx;

    if (p->bytes[1] == CELL_KIND) {
        assert_true(p->len == CELL_LARGE || p->len == CELL_SMALL);
        (*cells)++;
    }
    return true;
}

static void test_circuit_sends_two_sizes_only(void **state)
{
    struct net *net = net_new(1);
    unsigned cells = 0;
    char text[1201];
    struct circuit *c;

    (void)state;
    net->tap = sizes_tap;
    net->tap_ctx = &cells;
    c = net_build(net, (unsigned[]){1, 2, 3, 4});
    net_run(net, TIME_S);
    memset(text, 'x', sizeof(text) - 1);
    text[1200] = '\0';
    assert_int_equal(net_send_data(net, c, text), OK);
    assert_int_equal(net_send_data(net, c, "x"), OK);
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].data_in, 2);
    assert_true(cells > 20);
    net_free(net);
}

/* The counters of layers are consecutive: if they could be read, they would
 * tell the circuits of a link apart, and how deep each is. */
static bool counters_tap(struct net *net, struct net_packet *p)
{
    static struct net_packet last[256]; /* by the ends of a link, one size */
    unsigned *compared = net->tap_ctx;
    struct net_packet *before =
        &last[(p->from.addr[3] & 15) * 16 + (p->to.addr[3] & 15)];

    if (p->len != CELL_SMALL || p->bytes[1] != CELL_KIND)
        return true;
    for (unsigned depth = 1; depth <= ONION_HOPS_MAX; depth++) {
        size_t at = CELL_SMALL + ONION_LAYER_BYTES - ONION_COUNTER_BYTES -
                    ONION_LAYER_BYTES * depth;

        if (before->len == 0)
            continue;
        assert_memory_not_equal(p->bytes + at, before->bytes + at, 4);
        (*compared)++;
    }
    *before = *p;
    return true;
}

static void test_circuit_cells_show_no_counters(void **state)
{
    struct net *net = net_new(11);
    unsigned compared = 0;
    struct circuit *c;

    (void)state;
    net->tap = counters_tap;
    net->tap_ctx = &compared;
    c = net_build(net, (unsigned[]){1, 2, 3, 4});
    net_run(net, TIME_S);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(net_send_data(net, c, "x"), OK);
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].data_in, 10);
    assert_true(compared > 8 * 10 * 4);
    net_free(net);
}

static void test_circuit_dead_middle_hop_is_replaced(void **state)
{
    struct net *net = net_new(2);
    struct net_node *client = &net->node[0];
    struct circuit *c = net_build(net, (unsigned[]){1, 2, 3, 0});
    uint32_t id = c->id;

    (void)state;
    client->spare = 5;
    net_run(net, TIME_S);
    assert_int_equal(client->ready, 1);
    net->node[2].dead = true;
    net_send_data(net, c, "lost");
    net_run(net, 20 * TIME_S);
    assert_int_equal(client->closed, 0);
    assert_int_equal(client->ready, 2);
    assert_ptr_equal(circuit_find(client->engine.circuits, id), c);
    assert_memory_equal(c->hop[1].target.identity, net->node[5].identity, 32);
    net_send_data(net, c, "again");
    net_run(net, TIME_S);
    assert_string_equal((char *)client->data, "again");
    net_free(net);
}

static void test_circuit_hop_that_is_never_there_is_replaced(void **state)
{
    struct net *net = net_new(3);
    struct net_node *client = &net->node[0];

    (void)state;
    client->spare = 5;
    net->node[3].dead = true;
    net_build(net, (unsigned[]){1, 2, 3, 0});
    net_run(net, 30 * TIME_S);
    assert_int_equal(client->ready, 1);
    net_free(net);
}

static void test_circuit_without_a_replacement_ends_with_a_reason(void **state)
{
    struct net *net = net_new(4);
    struct net_node *client = &net->node[0];

    (void)state;
    net->node[2].dead = true;
    net_build(net, (unsigned[]){1, 2, 3, 0});
    net_run(net, 30 * TIME_S);
    assert_int_equal(client->closed, 1);
    assert_int_equal(client->why_hop, 2);
    assert_true(client->why == REASON_TIMEOUT ||
                client->why == REASON_UNREACHABLE);
    assert_int_equal(transits_count(net->node[1].engine.transits), 0);
    net_free(net);
}

static void test_circuit_first_hop_lost(void **state)
{
    struct net *net = net_new(5);
    struct net_node *client = &net->node[0];

    (void)state;
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    net->node[1].dead = true;
    net_run(net, TIME_MIN);
    assert_int_equal(client->closed, 1);
    assert_int_equal(client->why, REASON_LINK_LOST);
    /* The next hop notices too. */
    assert_int_equal(transits_count(net->node[2].engine.transits), 0);
    net_free(net);
}

static void test_circuit_relay_refuses_more_than_its_share(void **state)
{
    struct net *net = net_new(6);
    struct net_node *client = &net->node[0];
    struct router_config c = net_config(&net->node[1]);

    (void)state;
    c.transit.max_relays_or_exits = 2;
    router_deinit(&net->node[1].engine);
    net_start(&net->node[1], &c);
    for (int i = 0; i < 3; i++)
        net_build(net, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    assert_int_equal(client->ready, 2);
    assert_int_equal(client->closed, 1);
    assert_int_equal(client->why, REASON_FULL);
    net_free(net);
}

/* A node that relayed nothing may be told to relay much while it runs. */
static void test_circuit_relay_takes_more_when_told_to(void **state)
{
    struct net *net = net_new(7);
    struct net_node *client = &net->node[0], *relay = &net->node[1];
    struct router_config c = net_config(client);

    (void)state;
    c.circuit.max_circuits = 24;
    router_deinit(&client->engine);
    net_start(client, &c);
    c = net_config(relay);
    c.transit.max_relays_or_exits = 0;
    router_deinit(&relay->engine);
    net_start(relay, &c);
    c.transit.max_relays_or_exits = 1000000; /* the most that a node is told */
    transits_configure(relay->engine.transits, &c.transit);
    for (int i = 0; i < 24; i++)
        net_build(net, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    assert_int_equal(client->ready, 24);
    router_deinit(&relay->engine);
    net_start(relay, &c);
    net_free(net);
}

static void test_circuit_hop_that_is_no_exit_says_so(void **state)
{
    struct net *net = net_new(7);
    struct net_node *client = &net->node[0];
    struct circuit *c = net_build(net, (unsigned[]){1, 2, 0});

    (void)state;
    net->node[2].exit = false;
    net_run(net, TIME_S);
    net_send_data(net, c, "x");
    net_run(net, TIME_S);
    assert_int_equal(client->refused, 1);
    assert_int_equal(client->why, REASON_NO_EXIT);
    assert_int_equal(c->state, CIRCUIT_READY);
    net_free(net);
}

static void test_relay_limits_end_circuits(void **state)
{
    static const struct {
        uint64_t max_time, max_idle, max_traffic;
        enum reason want;
    } rows[] = {
        {20 * TIME_S, TIME_HOUR, UINT64_MAX, REASON_AGE},
        {TIME_HOUR, 20 * TIME_S, UINT64_MAX, REASON_IDLE},
        {TIME_HOUR, TIME_HOUR, 20 * CELL_LARGE, REASON_TRAFFIC},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct net *net = net_new(10);
        struct net_node *relay = &net->node[1];
        struct router_config config = net_config(relay);
        struct circuit *c;

        config.transit.max_time = rows[i].max_time;
        config.transit.max_time_inactive = rows[i].max_idle;
        config.transit.max_traffic = rows[i].max_traffic;
        router_deinit(&relay->engine);
        net_start(relay, &config);
        c = net_build(net, (unsigned[]){1, 0});
        net_run(net, TIME_S);
        for (int k = 0; k < 30 && rows[i].want == REASON_TRAFFIC; k++) {
            char text[1000];

            memset(text, 'x', sizeof(text) - 1);
            text[sizeof(text) - 1] = '\0';
            net_send_data(net, c, text);
        }
        net_run(net, 25 * TIME_S);
        assert_int_equal(
            transits_stats(relay->engine.transits)->ended[rows[i].want], 1);
        assert_int_equal(net->node[0].closed, 1);
        assert_int_equal(net->node[0].why, rows[i].want);
        net_free(net);
    }
}

/* Every datagram of a session again: no data twice, no new circuit. */
static struct net_packet *recorded[512];
static size_t recorded_count;

static bool record_tap(struct net *net, struct net_packet *p)
{
    (void)net;
    if (recorded_count < COUNT_OF(recorded)) {
        recorded[recorded_count] = malloc(sizeof(*p));
        *recorded[recorded_count++] = *p;
    }
    return true;
}

static void test_circuit_replayed_session_changes_nothing(void **state)
{
    struct net *net = net_new(12);
    struct net_node *client = &net->node[0];
    struct circuit *c;
    uint64_t created = 0;

    (void)state;
    recorded_count = 0;
    net->tap = record_tap;
    c = net_build(net, (unsigned[]){1, 2, 3, 0});
    net_run(net, TIME_S);
    net_send_data(net, c, "once");
    net_run(net, TIME_S);
    net->tap = NULL;
    for (int i = 0; i < NET_NODES; i++)
        created += transits_stats(net->node[i].engine.transits)->created;
    for (size_t i = 0; i < recorded_count; i++) {
        struct net_node *to = net_at(net, &recorded[i]->to);

        router_receive(&to->engine, &recorded[i]->from, recorded[i]->bytes,
                       recorded[i]->len, net->now);
        free(recorded[i]);
    }
    net_run(net, TIME_S);
    assert_int_equal(client->data_in, 1);
    for (int i = 0; i < NET_NODES; i++)
        created -= transits_stats(net->node[i].engine.transits)->created;
    assert_int_equal(created, 0);
    net_send_data(net, c, "twice");
    net_run(net, TIME_S);
    assert_int_equal(client->data_in, 2);
    net_free(net);
}

/* 5 % of the datagrams are lost and a tenth overtake others. */
static bool lossy_tap(struct net *net, struct net_packet *p)
{
    if (test_random_below(&net->random, 100) < 5)
        return false;
    if (test_random_below(&net->random, 10) == 0 && net->count > 1) {
        struct net_packet *last = net->queue[net->count - 1], t = *last;

        t.at = p->at;
        p->at = last->at;
        *last = *p;
        *p = t;
        last->at = p->at < last->at ? p->at : last->at;
        p->at = last->at;
    }
    return true;
}

static void test_circuit_under_loss_and_reordering(void **state)
{
    struct net *net = net_new(13);
    struct net_node *client = &net->node[0];
    struct circuit *c;
    unsigned sent = 0;

    (void)state;
    client->spare = 5;
    net->tap = lossy_tap;
    for (int i = 0; i < 5 && client->ready == 0; i++) {
        net_build(net, (unsigned[]){1, 2, 3, 0});
        net_run(net, 30 * TIME_S);
    }
    assert_true(client->ready > 0);
    for (int i = 0; i < 1000; i++) {
        c = circuits_at(client->engine.circuits, 0);
        sent += net_send_data(net, c, "x") == OK;
        net_run(net, 10 * TIME_MS);
    }
    net_run(net, TIME_S);
    /* Six crossings of a link, each with 5 % loss: three quarters arrive. */
    assert_in_range(client->data_in, sent * 65 / 100, sent * 85 / 100);
    net_free(net);
}

/* Keeps what is sent to the middle hop. */
struct kept {
    unsigned count;
    struct net_packet packets[20];
};

static bool keep_tap(struct net *net, struct net_packet *p)
{
    struct kept *k = net->tap_ctx;

    if (p->to.addr[1] != 2 || k->count == COUNT_OF(k->packets))
        return true;
    k->packets[k->count++] = *p;
    return false;
}

static void test_relay_allocates_nothing_for_a_cell(void **state)
{
    struct net *net = net_new(14);
    struct router *middle = &net->node[2].engine;
    static struct kept kept;
    struct circuit *c = net_build(net, (unsigned[]){1, 2, 3, 0});
    uint64_t before, bytes;

    (void)state;
    kept.count = 0;
    net_run(net, TIME_S);
    net->tap = keep_tap;
    net->tap_ctx = &kept;
    for (unsigned i = 0; i < COUNT_OF(kept.packets); i++)
        assert_int_equal(net_send_data(net, c, "cell"), OK);
    net_run(net, 2 * NET_DELAY);
    assert_int_equal(kept.count, COUNT_OF(kept.packets));
    before = transits_stats(middle->transits)->cells_forward;
    bytes = transits_stats(middle->transits)->bytes;
    net->sink = true;
    for (unsigned i = 0; i < kept.count; i++) {
        struct net_packet *p = &kept.packets[i];

        fail_alloc_at(1);
        router_receive(middle, &p->from, p->bytes, p->len, net->now);
        assert_false(fail_alloc_end());
    }
    assert_int_equal(transits_stats(middle->transits)->cells_forward - before,
                     kept.count);
    bytes = transits_stats(middle->transits)->bytes - bytes;
    assert_int_equal(bytes, kept.count * kept.packets[0].len);
    assert_in_range(transits_rate(middle->transits, net->now), bytes / 5,
                    bytes);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_circuit_of_each_length),
        cmocka_unit_test(test_circuit_sends_two_sizes_only),
        cmocka_unit_test(test_circuit_cells_show_no_counters),
        cmocka_unit_test(test_circuit_dead_middle_hop_is_replaced),
        cmocka_unit_test(test_circuit_hop_that_is_never_there_is_replaced),
        cmocka_unit_test(test_circuit_without_a_replacement_ends_with_a_reason),
        cmocka_unit_test(test_circuit_first_hop_lost),
        cmocka_unit_test(test_circuit_relay_refuses_more_than_its_share),
        cmocka_unit_test(test_circuit_relay_takes_more_when_told_to),
        cmocka_unit_test(test_circuit_hop_that_is_no_exit_says_so),
        cmocka_unit_test(test_relay_limits_end_circuits),
        cmocka_unit_test(test_circuit_replayed_session_changes_nothing),
        cmocka_unit_test(test_circuit_under_loss_and_reordering),
        cmocka_unit_test(test_relay_allocates_nothing_for_a_cell),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
