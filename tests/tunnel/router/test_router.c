/* SPDX-License-Identifier: MIT
 *
 * What the engine drops: each datagram is counted once, by one reason, in
 * whichever plane it ends.
 */
#include "tunnel_net.h"

enum counter {
    AT_ENGINE, /* by the row's reason */
    RELAY_LAYER,
    RELAY_MESSAGE,
    RELAY_NO_NEXT,
    CLIENT_LAYER,
    CLIENT_MESSAGE
};

/* All that says "dropped", and the one that is expected to. */
static uint64_t all_drops(const struct router *e)
{
    const struct transit_stats *r = transits_stats(e->transits);
    const struct circuit_stats *c = circuits_stats(e->circuits);
    uint64_t sum = r->dropped_layer + r->dropped_message + r->dropped_no_next +
                   transits_queue(e->transits)->stats.dropped +
                   c->dropped_layer + c->dropped_message;

    for (int i = 0; i < ERR_END_; i++)
        sum += e->dropped[i];
    return sum;
}

static uint64_t value_of(const struct router *e, enum counter counter,
                         enum error reason)
{
    const struct transit_stats *r = transits_stats(e->transits);
    const struct circuit_stats *c = circuits_stats(e->circuits);

    switch (counter) {
    case AT_ENGINE:
        return e->dropped[reason];
    case RELAY_LAYER:
        return r->dropped_layer;
    case RELAY_MESSAGE:
        return r->dropped_message;
    case RELAY_NO_NEXT:
        return r->dropped_no_next;
    case CLIENT_LAYER:
        return c->dropped_layer;
    case CLIENT_MESSAGE:
        return c->dropped_message;
    }
    return 0;
}

/* ---- Strangers ---------------------------------------------------------- */

/* The last datagram of each kind on its way to node 1. */
static struct net_packet seen[LINK_CELL + 1];

static bool see(struct net *net, struct net_packet *p)
{
    if (endpoint_equal(&p->to, &net->node[1].ep) && p->bytes[1] <= LINK_CELL)
        seen[p->bytes[1]] = *p;
    return true;
}

struct stranger {
    const char *what;
    enum link_kind kind; /* as recorded, but for the byte at `offset` */
    size_t len;          /* 0: as it is */
    size_t offset;
    uint8_t value;
    enum error why;
};

static const struct stranger strangers[] = {
    {"a cell that was received", LINK_CELL, 0, 1, 4, ERR_UNEXPECTED},
    {"a cell of a wrong length", LINK_CELL, 80, 1, 4, ERR_NOT_MSGPACK},
    {"a cell of a wrong shape", LINK_CELL, 0, 0, 0x94, ERR_NOT_MSGPACK},
    {"an index of nobody", LINK_CELL, 0, 3, 0x7f, ERR_NOT_FOUND},
    {"a changed counter", LINK_CELL, 0, 9, 0x7f, ERR_SIGNATURE},
    {"nothing", LINK_INIT, SIZE_MAX, 0, 0, ERR_NOT_MSGPACK},
    {"a kind of nothing", LINK_INIT, 0, 1, 11, ERR_UNKNOWN_KIND},
    {"an INIT cut short", LINK_INIT, 100, 1, LINK_INIT, ERR_NOT_MSGPACK},
    {"an INIT of a later version", LINK_INIT, 0, 2, 2, ERR_UNSUPPORTED},
    {"an INIT for somebody else", LINK_INIT, 0, 40, 0, ERR_SIGNATURE},
    {"an ACCEPT of nothing", LINK_ACCEPT, 0, 1, LINK_ACCEPT, ERR_UNEXPECTED},
};

static void test_router_counts_what_strangers_send_once(void **state)
{
    struct net *net = net_new(101);
    struct router *e = &net->node[1].engine;
    struct endpoint nowhere = {.addr = {11, 7, 0, 1}};
    uint8_t poke[] = {0x91, LINK_POKE};
    uint64_t sent = 0;

    (void)state;
    net->tap = see;
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 1);
    assert_int_equal(all_drops(e), 0);
    for (size_t i = 0; i < COUNT_OF(strangers); i++, sent++) {
        const struct stranger *s = &strangers[i];
        struct net_packet p = seen[s->kind];
        uint64_t before = e->dropped[s->why];

        p.len = s->len == 0 ? p.len : s->len == SIZE_MAX ? 0 : s->len;
        p.bytes[s->offset] = s->value;
        print_message("%s\n", s->what);
        assert_int_equal(router_receive(e, &p.from, p.bytes, p.len, net->now),
                         s->why);
        assert_int_equal(e->dropped[s->why], before + 1);
        assert_int_equal(all_drops(e), sent + 1);
    }
    assert_int_equal(router_receive(e, &nowhere, seen[LINK_CELL].bytes,
                                    CELL_SMALL, net->now),
                     ERR_ADDRESS);
    /* What is not about links goes up, and comes back to be counted. */
    assert_int_equal(router_receive(e, &net->node[0].ep, poke, 2, net->now),
                     ERR_UNKNOWN_KIND);
    assert_int_equal(all_drops(e), sent + 2);
    net_free(net);
}

/* ---- Neighbours and hops ------------------------------------------------ */

static struct link *link_of(struct net *net, unsigned from)
{
    struct router *e = &net->node[from].engine;

    return from == 0 ? circuits_at(e->circuits, 0)->end.link
                     : transits_at(e->transits, 0)->prev.link;
}

/* The circuit's index at the other side. */
static uint32_t remote_of(struct net *net, unsigned from)
{
    struct router *e = &net->node[from].engine;

    return from == 0 ? circuits_at(e->circuits, 0)->end.remote
                     : transits_at(e->transits, 0)->prev.remote;
}

static void send_junk(struct net *net, unsigned from, uint32_t circuit)
{
    uint8_t datagram[CELL_MAX] = {0};

    link_send_relay(net->node[from].engine.shared.links, link_of(net, from),
                    circuit, datagram, CELL_SMALL, net->now);
}

static void say(struct net *net, unsigned from, enum circuit_message_type type)
{
    struct router *e = &net->node[from].engine;
    struct circuit_message m = {.type = type, .nonce = 1, .attempt = 99};
    const uint8_t text[] = {0x91, (uint8_t)type};

    if (type >= CIRCUIT_SERVICE_FIRST && from == 0)
        circuit_send_text(e->circuits, circuits_at(e->circuits, 0), 1,
                          bytes_of(text, 2), CELL_SMALL, net->now);
    else if (type >= CIRCUIT_SERVICE_FIRST)
        transit_answer_text(e->transits, transits_at(e->transits, 0),
                            bytes_of(text, 2), CELL_SMALL, net->now);
    else if (from == 0)
        assert_int_equal(circuit_send(e->circuits, circuits_at(e->circuits, 0),
                                      1, &m, net->now),
                         OK);
    else
        assert_int_equal(transit_answer(e->transits,
                                        transits_at(e->transits, 0), &m,
                                        net->now),
                         OK);
}

struct insider {
    const char *what;
    unsigned from; /* 0, the client, to relay 1, or back */
    enum cell_type type;
    bool unknown;                      /* of no circuit */
    enum circuit_message_type message; /* in a RELAY; 0: junk */
    enum counter counter;
    enum error why;
};

#define UNKNOWN_TYPE ((enum cell_type)0x77)
#define OF_A_SERVICE ((enum circuit_message_type)22)
#define OF_NOBODY    ((enum circuit_message_type)64)

static const struct insider insiders[] = {
    {"a type of nothing", 0, UNKNOWN_TYPE, .why = ERR_UNKNOWN_KIND},
    {"a cell of no circuit", 0, CELL_RELAY, true, .why = ERR_NOT_FOUND},
    {"a CREATE that says nothing", 0, CELL_CREATE, .why = ERR_WRONG_TYPE},
    {"a DESTROY that says nothing", 0, CELL_DESTROY, .why = ERR_WRONG_TYPE},
    {"a DESTROY of nothing", 1, CELL_DESTROY, true, .why = ERR_NOT_FOUND},
    {"a CREATED to a relay", 0, CELL_CREATED, .why = ERR_UNEXPECTED},
    {"a second CREATED", 1, CELL_CREATED, .why = ERR_UNEXPECTED},
    {"a CREATED of nothing", 1, CELL_CREATED, true, .why = ERR_NOT_FOUND},
    {"a REKEY that says nothing", 0, CELL_REKEY, .why = ERR_WRONG_TYPE},
    {"a REKEY to who began", 1, CELL_REKEY, .why = ERR_UNEXPECTED},
    {"a SAMPLE unasked for", 1, CELL_SAMPLE, .why = ERR_UNKNOWN_KIND},
    {"no layer of ours", 0, CELL_RELAY, .counter = RELAY_LAYER},
    {"no layer of any hop", 1, CELL_RELAY, .counter = CLIENT_LAYER},
    {"a PONG of a client", 0, CELL_RELAY, false, CIRCUIT_PONG, RELAY_MESSAGE,
     OK},
    {"a PING of a hop", 1, CELL_RELAY, false, CIRCUIT_PING, CLIENT_MESSAGE, OK},
    {"a PONG unasked for", 1, CELL_RELAY, false, CIRCUIT_PONG, CLIENT_MESSAGE,
     OK},
    {"a FAILED of no attempt", 1, CELL_RELAY, false, CIRCUIT_FAILED,
     CLIENT_MESSAGE, OK},
    {"a service's message, and nobody serves", 0, CELL_RELAY, false,
     OF_A_SERVICE, RELAY_MESSAGE, OK},
    {"a service's message on a circuit for data", 1, CELL_RELAY, false,
     OF_A_SERVICE, CLIENT_MESSAGE, OK},
    {"a message of no type", 0, CELL_RELAY, false, OF_NOBODY, RELAY_MESSAGE,
     OK},
};

static void send_bad(struct net *net, const struct insider *s)
{
    uint32_t circuit = s->unknown ? 12345 : remote_of(net, s->from);

    if (s->type != CELL_RELAY)
        link_send(net->node[s->from].engine.shared.links, link_of(net, s->from),
                  s->type, circuit, bytes_of(NULL, 0), net->now);
    else if (s->message != 0)
        say(net, s->from, s->message);
    else
        send_junk(net, s->from, circuit);
}

static void test_router_counts_what_insiders_send_once(void **state)
{
    struct net *net = net_new(102);

    (void)state;
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 1);
    net->node[1].deny = REASON_PROTOCOL;
    for (size_t i = 0; i < COUNT_OF(insiders); i++) {
        const struct insider *s = &insiders[i];
        struct router *to = &net->node[1 - s->from].engine;
        uint64_t before = value_of(to, s->counter, s->why);
        uint64_t all = all_drops(to);

        print_message("%s\n", s->what);
        send_bad(net, s);
        net_run(net, 2 * NET_DELAY);
        assert_int_equal(value_of(to, s->counter, s->why), before + 1);
        assert_int_equal(all_drops(to), all + 1);
    }
    assert_int_equal(net->node[0].closed, 0);
    net_free(net);
}

/* A cell for a next hop that has gone, before the client hears of it; and one
 * from a next hop that has not answered yet. */
static unsigned mute;

static bool unless_mute(struct net *net, struct net_packet *p)
{
    return !endpoint_equal(&p->from, &net->node[mute].ep);
}

static void test_router_counts_cells_without_a_next_hop_once(void **state)
{
    struct net *net = net_new(103);
    struct router *e = &net->node[1].engine;
    struct transits *last = net->node[2].engine.transits;
    struct circuit *c = net_build(net, (unsigned[]){1, 2, 0});

    (void)state;
    net_run(net, TIME_S);
    net->tap = unless_mute;
    mute = 1;
    transit_close(last, transits_at(last, 0), REASON_SHUTDOWN, net->now);
    net_run(net, 2 * NET_DELAY);
    assert_int_equal(all_drops(e), 0);
    assert_int_equal(net_send_data(net, c, "nobody"), OK);
    net_run(net, 2 * NET_DELAY);
    assert_int_equal(transits_stats(e->transits)->dropped_no_next, 1);
    circuit_close(net->node[0].engine.circuits, c, REASON_REQUESTED, net->now);
    net_run(net, 2 * NET_DELAY);

    mute = 2;
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, 6 * NET_DELAY);
    net->tap = NULL;
    assert_int_equal(transits_count(last), 1);
    send_junk(net, 2, remote_of(net, 2));
    net_run(net, 2 * NET_DELAY);
    assert_int_equal(transits_stats(e->transits)->dropped_no_next, 2);
    assert_int_equal(all_drops(e), 2);
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_router_counts_what_strangers_send_once),
        cmocka_unit_test(test_router_counts_what_insiders_send_once),
        cmocka_unit_test(test_router_counts_cells_without_a_next_hop_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
