/* SPDX-License-Identifier: MIT
 *
 * EXTEND: where a relay does not extend to, what it says of a hop that is not
 * there or not the right one, and how deep a client gets that lies.
 */
#include "tunnel/crypto/prologue.h"
#include "tunnel/link/link_text.h"
#include "tunnel_net.h"

#include <sodium.h>

static struct transit *relay_at(struct net *net, unsigned node)
{
    assert_true(transits_count(net->node[node].engine.transits) > 0);
    return transits_at(net->node[node].engine.transits, 0);
}

/* The client's first message to a hop, which may lie about the depth. */
static void first_message(struct net *net, struct link_target to, uint8_t depth,
                          struct noise *n, uint8_t noise1[HOP_NOISE1_BYTES])
{
    uint8_t payload[] = {0x91, depth}, ephemeral[NOISE_KEY_BYTES];

    prologue_init_noise(n, "hop", "test", to.identity, to.handshake_key);
    test_random_fill(&net->random, ephemeral, sizeof(ephemeral));
    assert_int_equal(noise_write_first(n, ephemeral,
                                       bytes_of(payload, sizeof(payload)),
                                       noise1),
                     OK);
}

/* ---- Where to ----------------------------------------------------------- */

/* EXTEND to these addresses must not make the relay send anything. */
static void expect_refusal(struct net *net, const struct link_target hops[2],
                           const char *what)
{
    struct net_node *client = &net->node[0];
    uint64_t sent = links_stats(net->node[1].engine.shared.links)->inits_out;
    unsigned closed = client->closed;
    struct circuit *c;

    assert_int_equal(
        circuit_new(client->engine.circuits, hops, 2, net->now, &c), OK);
    net_run(net, TIME_S);
    if (client->closed != closed + 1 || client->why != REASON_ADDRESS ||
        client->why_hop != 2)
        fail_msg("not refused: %s", what);
    assert_int_equal(links_stats(net->node[1].engine.shared.links)->inits_out,
                     sent);
}

static void test_transit_extend_not_to(void **state)
{
    static const char *bad[] = {
        "127.0.0.1:7881", /* may_extend says no */
        "11.1.0.1:7881",  /* its own */
        "11.0.0.1:7881",  /* back to the client */
        "11.0.0.1:9",     /* the client's address, another port */
        "0.0.0.0:1",      "224.0.0.1:7881", "11.2.0.1:0", "[::ffff:11.2.0.1]:0",
    };
    struct net *net = net_new(8);
    struct link_target hops[2] = {net_target(&net->node[1]),
                                  net_target(&net->node[2])};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        endpoint_parse(bad[i], &hops[1].ep);
        expect_refusal(net, hops, bad[i]);
    }
    hops[1] = net_target(&net->node[1]);
    hops[1].ep = net->node[2].ep;
    expect_refusal(net, hops, "its own identity elsewhere");
    net_free(net);
}

/* Whoever we have opened a link to may move. If it could have circuits of its
 * own over this link, it could name its old address, and we would extend them
 * back to where they come from. */
static void test_transit_extend_takes_circuits_from_those_who_ask(void **state)
{
    struct net *net = net_new(9);
    struct net_node *relay = &net->node[1], *next = &net->node[2];
    struct link_target to = net_target(relay);
    uint8_t noise1[HOP_NOISE1_BYTES], text[LINK_TEXT_SMALL];
    struct noise n;
    struct link *link;

    (void)state;
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    assert_int_equal(transits_count(relay->engine.transits), 1);
    link = relay_at(net, 2)->prev.link;
    first_message(net, to, 1, &n, noise1);
    link_send(next->engine.shared.links, link, CELL_CREATE, 0,
              bytes_of(text, link_text_write_create(
                                 text, 77, bytes_of(noise1, sizeof(noise1)))),
              net->now);
    net_run(net, TIME_S);
    assert_int_equal(transits_count(relay->engine.transits), 1);
    assert_int_equal(transits_stats(relay->engine.transits)->refused, 1);
    net_free(net);
}

/* An EXTEND may pair the identity of a relay with any address and key. What
 * it opens must not be in the way of those who have the right ones. */
static void test_transit_extend_does_not_poison_the_link_of_another(void **s)
{
    struct net *net = net_new(22);
    struct net_node *client = &net->node[0];
    struct link_target hops[2] = {net_target(&net->node[1]),
                                  net_target(&net->node[3])};
    struct circuit *c;

    (void)s;
    hops[1].ep = net->node[4].ep;
    assert_int_equal(
        circuit_new(client->engine.circuits, hops, 2, net->now, &c), OK);
    net_run(net, 100 * TIME_MS);
    hops[1] = net_target(&net->node[3]);
    hops[1].handshake_key[0] ^= 1;
    assert_int_equal(
        circuit_new(client->engine.circuits, hops, 2, net->now, &c), OK);
    net_run(net, 100 * TIME_MS);
    assert_int_equal(client->ready, 0);
    net_build(net, (unsigned[]){1, 3, 0});
    net_run(net, 200 * TIME_MS);
    assert_int_equal(client->ready, 1);
    net_free(net);
}

/* ---- What a relay says of the next hop ---------------------------------- */

static bool only_between_two(struct net *net, struct net_packet *p)
{
    (void)net;
    return p->from.addr[1] <= 1 && p->to.addr[1] <= 1;
}

static bool second_is_silent(struct net *net, struct net_packet *p)
{
    (void)net;
    return p->from.addr[1] != 2;
}

static void test_transit_extend_next_hop_is_silent(void **state)
{
    struct net *net = net_new(10);
    struct net_node *client = &net->node[0];

    (void)state;
    net->tap = second_is_silent;
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, 30 * TIME_S);
    assert_int_equal(client->closed, 1);
    assert_int_equal(client->ready, 0);
    net_free(net);
}

/* The relay is there, and does and says nothing: the client gives the hops
 * behind it up by itself, and the circuit when that does not help. */
static void test_transit_extend_never_answered(void **state)
{
    struct net *net = net_new(11);
    struct net_node *client = &net->node[0];

    (void)state;
    client->spare = 3;
    net_build(net, (unsigned[]){1, 2, 0});
    while (transits_count(net->node[1].engine.transits) == 0)
        net_run(net, TIME_MS);
    net_run(net, NET_DELAY);
    relay_at(net, 1)->prev.remote ^= 1; /* answers go nowhere */
    net_run(net, TIME_MIN);
    assert_int_equal(client->closed, 1);
    assert_int_equal(client->why, REASON_TIMEOUT);
    assert_int_equal(client->why_hop, 2);
    assert_int_equal(circuits_stats(client->engine.circuits)->hops_replaced, 3);
    net_free(net);
}

enum forgery {
    FORGED_AT_RANDOM,
    FORGED_WITH_OWN_KEY,     /* all that can be known, but for hop 2's secret */
    FORGED_BY_ANOTHER_HOP,   /* which was extended to in its place */
    FORGED_BY_THE_RIGHT_HOP, /* but in a handshake of the relay's own */
    NOT_FORGED, /* as with its own key, but this is hop 2's: a control */
};

/* The relay knows all that was said so far, and can do a Diffie-Hellman with
 * the client's ephemeral key, but not with the right secret. */
static void answer_as_far_as_known(struct net *net, const struct circuit *c,
                                   const uint8_t *secret, uint8_t *noise2)
{
    uint8_t noise1[HOP_NOISE1_BYTES] = {0}, ephemeral[NOISE_KEY_BYTES];
    struct link_target hop = net_target(&net->node[2]);
    uint8_t payload[HOP_PAYLOAD_BYTES];
    struct noise n;

    noise_public_key(c->handshake->e_secret, noise1);
    prologue_init_noise(&n, "hop", "test", hop.identity, hop.handshake_key);
    noise_read_first(&n, secret, bytes_of(noise1, sizeof(noise1)), payload);
    memcpy(n.h, c->handshake->h, sizeof(n.h));
    test_random_fill(&net->random, ephemeral, sizeof(ephemeral));
    assert_int_equal(
        noise_write_second(&n, ephemeral, bytes_of(NULL, 0), noise2), OK);
}

static void answer_of_hop(struct net *net, unsigned node, uint8_t *noise2)
{
    struct net_node *hop = &net->node[node];
    uint8_t noise1[HOP_NOISE1_BYTES], payload[HOP_PAYLOAD_BYTES];
    struct noise_keys keys;
    struct noise n;

    first_message(net, net_target(hop), 2, &n, noise1);
    assert_int_equal(responder_answer(&hop->engine.responder, "hop",
                                      bytes_of(noise1, sizeof(noise1)), payload,
                                      noise2, &keys),
                     OK);
}

static void forge(struct net *net, const struct circuit *c, enum forgery how,
                  uint8_t noise2[NOISE_OVERHEAD])
{
    switch (how) {
    case FORGED_AT_RANDOM:
        test_random_fill(&net->random, noise2, NOISE_OVERHEAD);
        noise_public_key(net->node[1].secret, noise2);
        break;
    case FORGED_WITH_OWN_KEY:
        answer_as_far_as_known(net, c, net->node[1].secret, noise2);
        break;
    case FORGED_BY_ANOTHER_HOP:
        answer_of_hop(net, 4, noise2);
        break;
    case FORGED_BY_THE_RIGHT_HOP:
        answer_of_hop(net, 2, noise2);
        break;
    case NOT_FORGED:
        answer_as_far_as_known(net, c, net->node[2].secret, noise2);
        break;
    }
}

/* The relay claims to have extended, and did not, or to somebody else. */
static void test_transit_extend_is_claimed(void **state)
{
    (void)state;
    for (enum forgery how = 0; how <= NOT_FORGED; how++) {
        struct net *net = net_new(28);
        struct net_node *client = &net->node[0];
        uint8_t noise2[NOISE_OVERHEAD];
        struct circuit_message m = {.type = CIRCUIT_EXTENDED,
                                    .noise = bytes_of(noise2, sizeof(noise2))};
        struct circuit *c;

        net->tap = only_between_two;
        c = net_build(net, (unsigned[]){1, 2, 0});
        net_run(net, 100 * TIME_MS);
        assert_int_equal(c->built, 1);
        forge(net, c, how, noise2);
        /* Of an attempt that there never was: nothing happens. */
        m.attempt = (uint8_t)(c->attempt + 1);
        transit_answer(net->node[1].engine.transits, relay_at(net, 1), &m,
                       net->now);
        net_run(net, 100 * TIME_MS);
        assert_int_equal(client->closed, 0);
        m.attempt = c->attempt;
        transit_answer(net->node[1].engine.transits, relay_at(net, 1), &m,
                       net->now);
        net_run(net, 100 * TIME_MS);
        assert_int_equal(client->ready, how == NOT_FORGED);
        assert_int_equal(client->closed, how != NOT_FORGED);
        if (how != NOT_FORGED) {
            assert_int_equal(client->why, REASON_HANDSHAKE);
            assert_int_equal(client->why_hop, 2);
        }
        net_free(net);
    }
}

static void send_created(struct net *net, unsigned node, struct link *link,
                         uint32_t index)
{
    uint8_t noise2[NOISE_OVERHEAD], text[LINK_TEXT_SMALL];
    size_t len;

    test_random_fill(&net->random, noise2, sizeof(noise2));
    len = link_text_write_created(text, 1, noise2);
    link_send(net->node[node].engine.shared.links, link, CELL_CREATED, index,
              bytes_of(text, len), net->now);
    net_run(net, 2 * NET_DELAY);
}

/* Answers count only from where the question went. */
static void test_transit_extend_answered_by_others(void **state)
{
    struct net *net = net_new(12);
    struct net_node *client = &net->node[0];
    uint8_t noise2[NOISE_OVERHEAD] = {1};
    struct circuit_message m = {.type = CIRCUIT_EXTENDED,
                                .noise = bytes_of(noise2, sizeof(noise2))};
    struct circuit *c;
    struct transit *relay;

    (void)state;
    net_build(net, (unsigned[]){1, 2, 3, 0});
    net_run(net, TIME_S);
    net->node[3].dead = true;
    c = net_build(net, (unsigned[]){1, 2, 3, 0});
    net_run(net, 100 * TIME_MS);
    assert_int_equal(c->built, 2);
    /* Hop 1, though the question went to hop 2: as a message, as CREATED. */
    relay = transits_at(net->node[1].engine.transits, 1);
    m.attempt = c->attempt;
    transit_answer(net->node[1].engine.transits, relay, &m, net->now);
    send_created(net, 1, relay->prev.link, relay->prev.remote);
    assert_int_equal(c->built, 2);
    assert_int_equal(client->closed, 0);
    assert_non_null(c->handshake);
    /* Hop 2, when it hears "CREATED" from the side of the client. */
    relay = transits_at(net->node[2].engine.transits, 1);
    assert_non_null(relay->step);
    send_created(net, 1,
                 transits_at(net->node[1].engine.transits, 1)->next.link,
                 relay->prev.local);
    assert_false(relay->extended);
    assert_non_null(relay->step);
    net_free(net);
}

/* Who has not agreed to be a hop sends nothing to the client. */
static void test_transit_extend_next_hop_speaks_too_early(void **state)
{
    struct net *net = net_new(13);
    const struct transit_stats *stats =
        transits_stats(net->node[1].engine.transits);
    uint8_t d[CELL_MAX] = {0};
    struct transit *relay;

    (void)state;
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, TIME_S);
    net_build(net, (unsigned[]){1, 2, 0});
    net_run(net, 3 * NET_DELAY);
    relay = transits_at(net->node[1].engine.transits, 1);
    assert_non_null(relay->next.link);
    assert_false(relay->extended);
    memset(d + CELL_BODY_OFFSET, 7, CELL_SMALL_BODY);
    link_send_relay(net->node[2].engine.shared.links,
                    relay_at(net, 2)->prev.link, relay->next.local, d,
                    CELL_SMALL, net->now);
    net_run(net, NET_DELAY);
    assert_int_equal(stats->cells_backward, 0);
    net_run(net, TIME_S);
    assert_int_equal(net->node[0].ready, 2);
    net_free(net);
}

/* The first hop has the client's link, but not the key that it should. */
static void test_transit_extend_first_hop_answers_with_other_keys(void **state)
{
    struct net *net = net_new(14);
    struct net_node *client = &net->node[0];
    struct circuit *c;

    (void)state;
    net_build(net, (unsigned[]){1, 0});
    net_run(net, TIME_S);
    c = net_build(net, (unsigned[]){1, 2, 0});
    send_created(net, 1, relay_at(net, 1)->prev.link, c->end.local);
    assert_int_equal(client->closed, 1);
    assert_int_equal(client->why, REASON_HANDSHAKE);
    assert_int_equal(client->why_hop, 1);
    net_free(net);
}

/* ---- How deep ----------------------------------------------------------- */

/* No fifth hop: neither by asking the fourth, nor by a depth that is none. */
static void test_transit_extend_not_beyond_the_fourth_hop(void **state)
{
    static const uint8_t depths[] = {0, 5, 255};
    struct net *net = net_new(31);
    struct net_node *client = &net->node[0];
    struct circuit *c = net_build(net, (unsigned[]){1, 2, 3, 4});
    uint8_t noise1[HOP_NOISE1_BYTES] = {1}, text[LINK_TEXT_SMALL];
    struct circuit_message m = {.type = CIRCUIT_EXTEND,
                                .attempt = 9,
                                .identity = net->node[5].identity,
                                .handshake_key = net->node[5].identity,
                                .ep = net->node[5].ep,
                                .noise = bytes_of(noise1, sizeof(noise1))};
    struct noise n;

    (void)state;
    net_run(net, TIME_S);
    assert_int_equal(circuit_send(client->engine.circuits, c, 4, &m, net->now),
                     OK);
    net_run(net, TIME_S);
    assert_int_equal(
        transits_stats(net->node[4].engine.transits)->failed[REASON_DEPTH], 1);
    assert_int_equal(links_count(net->node[5].engine.shared.links), 0);
    for (size_t i = 0; i < COUNT_OF(depths); i++) {
        first_message(net, net_target(&net->node[1]), depths[i], &n, noise1);
        link_send(
            client->engine.shared.links, c->end.link, CELL_CREATE, 0,
            bytes_of(text, link_text_write_create(
                               text, 77, bytes_of(noise1, sizeof(noise1)))),
            net->now);
        net_run(net, TIME_S);
        assert_int_equal(transits_count(net->node[1].engine.transits), 1);
        assert_int_equal(transits_stats(net->node[1].engine.transits)->refused,
                         i + 1);
    }
    net_free(net);
}

/* Adds node `node` to a circuit that is ready, as if it were at `depth`. */
static void add_hop(struct net *net, struct circuit *c, unsigned node,
                    uint8_t depth)
{
    struct link_target to = net_target(&net->node[node]);
    uint8_t noise1[HOP_NOISE1_BYTES];
    struct circuit_message m = {.type = CIRCUIT_EXTEND,
                                .identity = to.identity,
                                .handshake_key = to.handshake_key,
                                .ep = to.ep,
                                .noise = bytes_of(noise1, sizeof(noise1))};

    c->handshake = malloc(sizeof(*c->handshake));
    assert_non_null(c->handshake);
    first_message(net, to, depth, c->handshake, noise1);
    c->state = CIRCUIT_BUILDING;
    c->hop[c->length++].target = to;
    m.attempt = ++c->attempt;
    assert_int_equal(
        circuit_send(net->node[0].engine.circuits, c, c->built, &m, net->now),
        OK);
    net_run(net, TIME_S);
    assert_int_equal(c->state, CIRCUIT_READY);
}

/* Asks the last hop to extend to node 6, in a layer for this depth. */
static void ask_last_hop(struct net *net, struct circuit *c, unsigned depth,
                         size_t len)
{
    const struct net_node *to = &net->node[6];
    uint8_t noise1[HOP_NOISE1_BYTES] = {1}, d[CELL_MAX];
    struct circuit_message m = {.type = CIRCUIT_EXTEND,
                                .attempt = ++c->attempt,
                                .identity = to->identity,
                                .handshake_key = to->identity,
                                .ep = to->ep,
                                .noise = bytes_of(noise1, sizeof(noise1))};
    uint8_t *body = d + CELL_BODY_OFFSET;
    size_t body_len = len - CELL_BODY_OFFSET, used;

    /* What lies between the layers is noise, as it is on the wire. */
    test_random_fill(&net->random, d, sizeof(d));
    assert_int_equal(
        circuit_message_write(&m, body, onion_message_len(body_len), &used),
        OK);
    onion_message(body, body_len, depth, used);
    onion_add(&c->hop[c->length - 1].out, body, body_len, depth);
    for (unsigned i = c->length - 1; i >= 1; i--)
        onion_add(&c->hop[i - 1].out, body, body_len, i);
    link_send_relay(net->node[0].engine.shared.links, c->end.link,
                    c->end.remote, d, len, net->now);
    net_run(net, 100 * TIME_MS);
}

/* A hop that was told to be nearer than it is would extend further than it
 * may. But it never hears of it: the layer that it looks for is longer than
 * what the hop before it leaves of the cell. */
static void test_transit_extend_depth_lied_about(void **state)
{
    static const unsigned path[] = {1, 2, 3, 0};
    static const size_t sizes[] = {CELL_SMALL, CELL_LARGE};

    (void)state;
    for (unsigned place = 2; place <= ONION_HOPS_MAX; place++) {
        for (uint8_t told = 1; told <= ONION_HOPS_MAX; told++) {
            struct net *net = net_new(32);
            unsigned hops[ONION_HOPS_MAX] = {0};
            const struct transit_stats *stats;
            struct circuit *c;

            memcpy(hops, path, (place - 1) * sizeof(hops[0]));
            c = net_build(net, hops);
            net_run(net, TIME_S);
            add_hop(net, c, 5, told);
            stats = transits_stats(net->node[5].engine.transits);
            for (unsigned depth = 1; depth <= ONION_HOPS_MAX; depth++) {
                for (size_t i = 0; i < COUNT_OF(sizes); i++)
                    ask_last_hop(net, c, depth, sizes[i]);
            }
            /* In the right layer it is heard, when it is no lie that matters:
             * nearer to the end than it is. */
            assert_int_equal(relay_at(net, 5)->extends,
                             told >= place && told < ONION_HOPS_MAX ? 2 : 0);
            assert_int_equal(stats->failed[REASON_DEPTH],
                             told == ONION_HOPS_MAX ? 2 : 0);
            assert_int_equal(stats->dropped_layer, told >= place ? 6 : 8);
            assert_int_equal(
                links_stats(net->node[6].engine.shared.links)->inits_in > 0,
                told >= place && told < ONION_HOPS_MAX);
            net_free(net);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_transit_extend_not_to),
        cmocka_unit_test(test_transit_extend_takes_circuits_from_those_who_ask),
        cmocka_unit_test(
            test_transit_extend_does_not_poison_the_link_of_another),
        cmocka_unit_test(test_transit_extend_next_hop_is_silent),
        cmocka_unit_test(test_transit_extend_never_answered),
        cmocka_unit_test(test_transit_extend_is_claimed),
        cmocka_unit_test(test_transit_extend_answered_by_others),
        cmocka_unit_test(test_transit_extend_next_hop_speaks_too_early),
        cmocka_unit_test(test_transit_extend_first_hop_answers_with_other_keys),
        cmocka_unit_test(test_transit_extend_not_beyond_the_fourth_hop),
        cmocka_unit_test(test_transit_extend_depth_lied_about),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
