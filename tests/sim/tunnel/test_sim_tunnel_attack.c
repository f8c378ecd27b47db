/* SPDX-License-Identifier: MIT
 *
 * Whole nodes, DHT and tunnels, under an attack of an hour: garbage, what was
 * recorded, changed or not and from any address, clients that take all that
 * they get, go away and come back. Honest circuits carry data meanwhile, and
 * afterwards every node has the memory that it had before.
 */
#include "memory_in_use.h"
#include "sim/tunnel_node.h"

#include "../sim_dht_test.h"

#include <sodium.h>

#define RELAYS   8 /* the last two of them exits */
#define EXITS    2
#define CLIENT   RELAYS
#define RUDE     (CLIENT + 1) /* clients of the attacker */
#define RUDES    2
#define MEMBERS  (RUDE + RUDES)
#define RECORDED 512

struct recorded {
    struct endpoint from, to;
    size_t len;
    uint8_t bytes[SIM_DATAGRAM_MAX];
};

static struct attacker {
    struct sim *sim;
    uint32_t node; /* without an engine */
    struct sim_rng *rng;
    struct recorded ring[RECORDED];
    size_t seen;
    bool active;
    unsigned sent, answered; /* by the honest client */
} attacker;

static void record(void *ctx, enum sim_fate fate, uint32_t from_node,
                   uint32_t to_node, const struct endpoint *from,
                   const struct endpoint *to, struct bytes datagram,
                   uint64_t now)
{
    struct attacker *a = ctx;
    struct recorded *r = &a->ring[a->seen % RECORDED];

    (void)to_node, (void)now;
    if (fate != SIM_DELIVERED || from_node == a->node)
        return;
    r->from = *from;
    r->to = *to;
    r->len = datagram.len;
    memcpy(r->bytes, datagram.p, datagram.len);
    a->seen++;
}

static void send_garbage(struct attacker *a, const struct endpoint *to)
{
    struct endpoint from = {.addr = {98}, .port = 7};
    uint8_t d[SIM_DATAGRAM_MAX];
    size_t len = 1 + sim_rng_below(a->rng, sizeof(d) - 1);

    sim_rng_fill(a->rng, from.addr + 1, 3);
    sim_rng_fill(a->rng, d, len);
    d[0] = sim_rng_below(a->rng, 2) ? 0x93 : 0x84;
    sim_send_as(a->sim, a->node, &from, to, bytes_of(d, len));
}

/* As it was, with a bit changed, or from somewhere else; at the one whom it
 * was for, or at another. */
static void send_recorded(struct attacker *a)
{
    size_t n = a->seen < RECORDED ? a->seen : RECORDED;
    struct recorded r = a->ring[sim_rng_below(a->rng, (uint32_t)n)];
    uint32_t how = sim_rng_below(a->rng, 4);

    if (how == 1)
        r.bytes[sim_rng_below(a->rng, (uint32_t)r.len)] ^= 4;
    if (how == 2)
        sim_rng_fill(a->rng, r.from.addr + 1, 3);
    if (how == 3)
        sim_endpoint(a->sim, sim_rng_below(a->rng, RELAYS), FAMILY_IPV4, &r.to);
    sim_send_as(a->sim, a->node, &r.from, &r.to, bytes_of(r.bytes, r.len));
}

static void strike(struct attacker *a)
{
    for (int i = 0; i < 4; i++) {
        struct endpoint to;

        sim_endpoint(a->sim, sim_rng_below(a->rng, CLIENT + 1), FAMILY_IPV4,
                     &to);
        send_garbage(a, &to);
        send_recorded(a);
    }
}

static void start_member(struct world *w, uint32_t i)
{
    struct member_config c;

    member_config_init(&c);
    c.become_exitnode = i >= RELAYS - EXITS && i < RELAYS;
    if (i >= CLIENT)
        c.max_relays_or_exits = 0;
    if (i >= RUDE)
        c.min_circuits = c.max_circuits;
    assert_int_equal(sim_tunnel_add(w->sim, w->net.members[i], &c, 0), OK);
    sim_wake(w->sim, w->net.members[i]);
    if (i == CLIENT)
        sim_tunnel_build(w->sim, w->net.members[i], 3);
    for (unsigned hops = 1; i >= RUDE && hops <= ONION_HOPS_MAX; hops++)
        sim_tunnel_build(w->sim, w->net.members[i], hops);
}

/* Sends to everywhere, the forbidden included, over all circuits. */
static void be_rude(struct world *w, uint32_t i)
{
    struct sim_rng *rng = sim_rng(w->sim);
    uint32_t node = w->net.members[i];

    for (unsigned k = 0; k < 8; k++) {
        struct endpoint to = {.port = 53};

        sim_rng_fill(rng, to.addr, 4);
        if (k == 0)
            memcpy(to.addr, (uint8_t[]){127, 0, 0, 1}, 4);
        sim_tunnel_data(w->sim, node, 1 + k % ONION_HOPS_MAX, &to,
                        bytes_of_text("rude"));
    }
}

static void leave(struct world *w, uint32_t i)
{
    sim_kill(w->sim, w->net.members[i]);
}

static void come_back(struct world *w, uint32_t i)
{
    uint32_t node = w->net.members[i];

    assert_int_equal(sim_dht_revive(w->sim, node, &w->net.config), OK);
    sim_dht_bootstrap(w->sim, node, w->net.members[0]);
    start_member(w, i);
}

/* One second of it. */
static void second(struct world *w, unsigned number)
{
    static struct endpoint destination = {.addr = {8, 8, 8, 8}, .port = 53};

    for (int i = 0; i < 4; i++) {
        strike(&attacker);
        sim_run_for(w->sim, TIME_S / 4);
    }
    for (uint32_t i = RUDE; i < RUDE + RUDES; i++)
        be_rude(w, i);
    if (number % 60 == 59) {
        leave(w, RUDE + number / 60 % RUDES);
        come_back(w, RUDE + number / 60 % RUDES);
    }
    attacker.sent += sim_tunnel_data(w->sim, w->net.members[CLIENT], 3,
                                     &destination,
                                     bytes_of_text("are you there?")) == OK;
}

static void attack(struct world *w, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++)
        second(w, i);
}

/* The attacker goes; what it left behind has the time to expire. */
static void quiet_down(struct world *w)
{
    for (uint32_t i = RUDE; i < RUDE + RUDES; i++)
        leave(w, i);
    sim_run_for(w->sim, 40 * TIME_MIN);
}

static void start(struct world *w)
{
    struct sim_place place = {.family = {true, false}};
    struct sim_tap tap = {.ctx = &attacker, .see = record};

    world_init(w);
    w->config.addressing = SIM_ADDRESS_GLOBAL;
    world_start(w);
    world_grow(w, MEMBERS, 200 * TIME_MS);
    for (uint32_t i = 0; i < MEMBERS; i++)
        start_member(w, i);
    attacker = (struct attacker){.sim = w->sim, .rng = sim_rng(w->sim)};
    assert_int_equal(sim_node_add(w->sim, &place, &attacker.node), OK);
    sim_set_tap(w->sim, &tap);
    sim_run_for(w->sim, 2 * TIME_MIN);
    assert_true(attacker.seen > RECORDED);
}

static void test_sim_tunnel_hour_under_attack(void **state)
{
    struct world *w = &world;
    struct sim_tunnel *client;
    size_t before, after;

    (void)state;
    start(w);
    client = sim_tunnel_of(w->sim, w->net.members[CLIENT]);
    /* Some of it first, so that tables have their size. */
    attack(w, 1800);
    quiet_down(w);
    before = memory_in_use();
    for (uint32_t i = RUDE; i < RUDE + RUDES; i++)
        come_back(w, i);
    attacker.sent = client->data = 0;
    attack(w, 3600);
    print_message("  %u of %u answers under attack\n", client->data,
                  attacker.sent);
    assert_true(attacker.sent > 3400);
    assert_true(client->data > attacker.sent * 9 / 10);
    quiet_down(w);
    after = memory_in_use();
    print_message("  %zu bytes before, %zu after\n", before, after);
    assert_in_range(after, 1, before + before / 25);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_tunnel_hour_under_attack),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
