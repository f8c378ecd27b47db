/* SPDX-License-Identifier: MIT
 *
 * A relay whose process is killed, in a network whose hosts say that nobody is
 * at a port any more, and one where somebody else says so.
 */
#include "../sim_tunnel_test.h"

#include <sodium.h>

#define HINTS_MAX 4096

/* Who has sent to whom in vain; told a round trip later. */
struct hint {
    struct world *w;
    uint32_t node;
    struct endpoint gone;
};

static struct hint hints[HINTS_MAX];
static unsigned hint_count;

static void tell(void *ctx, uint64_t now)
{
    const struct hint *h = ctx;
    struct sim_tunnel *n = sim_tunnel_of(h->w->sim, h->node);

    if (n == NULL)
        return;
    member_unreachable(n->member, &h->gone, now);
    sim_wake(h->w->sim, h->node);
}

static void see(void *ctx, enum sim_fate fate, uint32_t from_node,
                uint32_t to_node, const struct endpoint *from,
                const struct endpoint *to, struct bytes datagram, uint64_t now)
{
    (void)from, (void)datagram;
    if (fate != SIM_UNREACHABLE || to_node == SIM_NODE_NONE ||
        hint_count == HINTS_MAX)
        return;
    hints[hint_count] = (struct hint){ctx, from_node, *to};
    assert_int_equal(sim_at(((struct world *)ctx)->sim, now + TIME_MS, tell,
                            &hints[hint_count++]),
                     OK);
}

static struct world *start(void)
{
    world_init(&world);
    world.config.latency = (struct sim_latency){.base = 500 * TIME_US};
    world_start(&world);
    community(&world, 0);
    assert_int_equal(
        sim_tunnel_build(world.sim, world.net.members[CLIENT], HOPS), OK);
    sim_run_for(world.sim, TIME_MIN);
    assert_at_least(member_active(client_of(&world)->member, HOPS, NULL, 0), 2);
    return &world;
}

/* ---- Killed ------------------------------------------------------------- */

struct victim {
    struct endpoint at;
    uint32_t circuit; /* that goes through it, */
    bool stands;      /* still, and is not mended */
};

static void choose(void *ctx, const struct circuit *c)
{
    struct victim *v = ctx;

    if (c->state == CIRCUIT_READY)
        *v = (struct victim){c->hop[1].target.ep, c->id, true};
}

static void look(void *ctx, const struct circuit *c)
{
    struct victim *v = ctx;

    v->stands |= c->id == v->circuit && c->state == CIRCUIT_READY &&
                 endpoint_equal(&c->hop[1].target.ep, &v->at);
}

static bool stands(const struct world *w, struct victim *v)
{
    v->stands = false;
    member_circuits(client_of(w)->member, look, v);
    return v->stands;
}

static void send_through(struct world *w, uint32_t circuit)
{
    struct endpoint to = {.addr = {198, 51, 100, 9}, .port = 53};
    struct sim_tunnel *client = client_of(w);

    member_data(client->member, circuit, &to, bytes_of_text("hello"),
                sim_now(w->sim));
    sim_wake(w->sim, client->node);
}

/* Kills a middle relay of a circuit with traffic: how long that stays. */
static uint64_t kill_one(struct world *w)
{
    struct victim v = {.stands = false};
    uint64_t begun;

    member_circuits(client_of(w)->member, choose, &v);
    assert_true(v.stands);
    sim_kill(w->sim, sim_node_at(w->sim, &v.at));
    begun = sim_now(w->sim);
    while (stands(w, &v) && sim_now(w->sim) < begun + TIME_MIN) {
        send_through(w, v.circuit);
        sim_run_for(w->sim, 2 * TIME_MS);
    }
    return sim_now(w->sim) - begun;
}

static void test_sim_tunnel_gone_relay_is_noticed_at_once(void **state)
{
    struct world *w = start();
    struct sim_tap tap = {.ctx = w, .see = see};
    uint64_t without, with;

    (void)state;
    without = kill_one(w);
    sim_run_for(w->sim, TIME_MIN);
    hint_count = 0;
    sim_set_tap(w->sim, &tap);
    with = kill_one(w);
    print_message("  noticed after %.1f ms, %.1f ms without a word\n",
                  (double)with / TIME_MS, (double)without / TIME_MS);
    assert_true(with <= 100 * TIME_MS);
    assert_true(without > TIME_S);
}

/* ---- Made up ------------------------------------------------------------ */

static uint32_t some_circuit(const struct world *w)
{
    struct victim v = {.stands = false};

    member_circuits(client_of(w)->member, choose, &v);
    return v.circuit;
}

/* Of every pair of members. */
static void forge(struct world *w)
{
    for (uint32_t i = 0; i <= CLIENT; i++) {
        struct sim_tunnel *n = resident_of(w, i);

        for (uint32_t k = 0; k <= CLIENT; k++) {
            struct endpoint ep;

            if (k != i &&
                sim_endpoint(w->sim, w->net.members[k], FAMILY_IPV4, &ep))
                member_unreachable(n->member, &ep, sim_now(w->sim));
        }
        sim_wake(w->sim, w->net.members[i]);
    }
}

static void test_sim_tunnel_gone_made_up_ends_nothing(void **state)
{
    struct world *w = start();
    unsigned closed = client_of(w)->closed;
    uint64_t doubts = 0;

    (void)state;
    for (int i = 0; i < 1000; i++) {
        forge(w);
        if (i % 10 == 0)
            send_through(w, some_circuit(w));
        sim_run_for(w->sim, 10 * TIME_MS);
    }
    assert_int_equal(client_of(w)->closed, closed);
    for (uint32_t i = 0; i <= CLIENT; i++) {
        const struct link_stats *s =
            links_stats(member_router(resident_of(w, i)->member)->shared.links);

        doubts += s->doubts;
        assert_at_least(s->doubts_wrong + 30, s->doubts);
    }
    assert_at_least(doubts, CLIENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_tunnel_gone_relay_is_noticed_at_once),
        cmocka_unit_test(test_sim_tunnel_gone_made_up_ends_nothing),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
