/* SPDX-License-Identifier: MIT
 *
 * What a client in the simulated network learns of relays by using them, and
 * whom it chooses then.
 */
#include "sim_tunnel_test.h"

#include <sodium.h>

#define HOPS   3
#define TESTS  60
#define ROUNDS 60

/* ---- Circuits of the client -------------------------------------------- */

struct tally {
    const struct world *w;
    const bool *marked; /* members */
    unsigned circuits;
    unsigned middles, marked_middles;
    unsigned exits, marked_exits;
};

static bool is_marked(const struct tally *t, const struct link_target *hop)
{
    for (uint32_t i = 0; i < CLIENT; i++) {
        struct endpoint ep;

        if (sim_endpoint(t->w->sim, t->w->net.members[i], FAMILY_IPV4, &ep) &&
            endpoint_equal(&ep, &hop->ep))
            return t->marked[i];
    }
    fail_msg("a hop that is none of us");
    return false;
}

static void count_hops(void *ctx, const struct circuit *c)
{
    struct tally *t = ctx;

    if (c->state != CIRCUIT_READY)
        return;
    t->circuits++;
    for (unsigned i = 1; i + 1 < c->length; i++) {
        t->middles++;
        t->marked_middles += is_marked(t, &c->hop[i].target);
    }
    t->exits++;
    t->marked_exits += is_marked(t, &c->hop[c->length - 1].target);
}

/* Throws the circuits away, and waits for others. */
static void renew(struct world *w, uint64_t wait)
{
    struct sim_tunnel *client = client_of(w);
    uint32_t ids[16];
    unsigned n = tunnel_active(client->tunnel, HOPS, ids, 16);

    for (unsigned i = 0; i < n && i < 16; i++)
        tunnel_close(client->tunnel, ids[i], sim_now(w->sim));
    sim_wake(w->sim, client->node);
    sim_run_for(w->sim, wait);
}

/* Who is in the next circuits. */
static struct tally tally(struct world *w, const bool *marked, unsigned rounds)
{
    struct tally t = {.w = w, .marked = marked};

    for (unsigned i = 0; i < rounds; i++) {
        renew(w, 5 * TIME_S);
        tunnel_circuits(client_of(w)->tunnel, count_hops, &t);
    }
    return t;
}

/* ---- Speed tests -------------------------------------------------------- */

static bool is_guard(const struct world *w, uint32_t member)
{
    const struct directory *d = tunnel_directory(client_of(w)->tunnel);
    struct endpoint ep;

    assert_true(sim_endpoint(w->sim, w->net.members[member], FAMILY_IPV4, &ep));
    for (unsigned i = 0; i < directory_count(d); i++) {
        const struct known_relay *k = directory_at(d, i);

        if (k->guard_since != 0 && endpoint_equal(&k->d.addresses[0], &ep))
            return true;
    }
    return false;
}

/* Every second relay that is no guard carries 40 kB/s, and has said nothing
 * of it. */
static void throttle(struct world *w, bool *slow)
{
    struct tunnel_config c;

    tunnel_config_init(&c);
    c.queue.bandwidth = 40000;
    c.queue.bandwidth_burst = 16384;
    for (uint32_t i = 0; i < RELAYS; i += 2) {
        if (is_guard(w, i))
            continue;
        slow[i] = true;
        assert_int_equal(
            tunnel_reconfigure(member_of(w, i)->tunnel, &c, sim_now(w->sim)),
            OK);
    }
}

static void test_one(struct world *w)
{
    struct sim_tunnel *client = client_of(w);
    uint32_t id;

    if (tunnel_active(client->tunnel, HOPS, &id, 1) == 0)
        return;
    assert_int_equal(
        tunnel_speedtest(client->tunnel, id, 4 * TIME_S, sim_now(w->sim)), OK);
    sim_wake(w->sim, client->node);
    sim_run_for(w->sim, 10 * TIME_S);
}

static unsigned count_measured(const struct tunnel *t)
{
    const struct directory *d = tunnel_directory(t);
    unsigned n = 0;

    for (unsigned i = 0; i < directory_count(d); i++)
        n += directory_at(d, i)->capacity != 0;
    return n;
}

static void test_sim_tunnel_paths_prefer_what_was_fast(void **state)
{
    struct world *w = &world;
    bool slow[CLIENT] = {false};
    struct tally before, after;

    (void)state;
    world_global(w);
    world_start(w);
    community(w, 0);
    sim_tunnel_build(w->sim, client_of(w)->node, HOPS);
    sim_run_for(w->sim, 2 * TIME_MIN);
    throttle(w, slow);
    before = tally(w, slow, ROUNDS);
    for (unsigned i = 0; i < TESTS; i++) {
        test_one(w);
        renew(w, 5 * TIME_S);
    }
    after = tally(w, slow, ROUNDS);
    print_message("  slow ones in the middle: %u of %u, then %u of %u; %u are "
                  "measured\n",
                  before.marked_middles, before.middles, after.marked_middles,
                  after.middles, count_measured(client_of(w)->tunnel));
    assert_true(before.middles >= ROUNDS && after.middles >= ROUNDS);
    assert_true(after.marked_middles * 2 <= before.marked_middles);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_tunnel_paths_prefer_what_was_fast),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
