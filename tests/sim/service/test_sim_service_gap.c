/* SPDX-License-Identifier: MIT
 *
 * A channel with traffic on one machine, whose relays are killed one after the
 * other and started again, as tests/services/killing.py does it with real
 * processes: whichever it is, answers come again within GAP.
 */
#include "service_world.h"

#define RELAYING 20
#define SERVER   RELAYING
#define CLIENTS  1
#define EACH     (5 * TIME_MS)
#define GAP      (100 * TIME_MS)
#define ROUNDS   3
#define SEEDS    3

static const uint8_t service_seed[32] = {33, 1};

static struct hearer *host, *client;

/* ---- Relays that come back ---------------------------------------------- */

/* As the store of a real one has it: the same after it was killed. */
static int64_t shape(uint32_t i, struct member_config *c)
{
    uint8_t seed[crypto_sign_SEEDBYTES] = {34, (uint8_t)i};

    crypto_sign_seed_keypair(c->identity, c->identity_secret, seed);
    seed[2] = 1;
    crypto_hash_sha256(c->handshake_secret, seed, sizeof(seed));
    c->handshake_made = SIM_WALL;
    return 0;
}

static void start_again(struct world *w, unsigned member)
{
    uint32_t node = w->net.members[member];
    struct member_config c;

    assert_int_equal(sim_dht_revive(w->sim, node, &w->net.config), OK);
    sim_dht_bootstrap(w->sim, node, w->net.members[member == 0 ? 1 : 0]);
    member_config_init(&c);
    shape(member, &c);
    assert_int_equal(sim_tunnel_add(w->sim, node, &c, 0), OK);
    sim_wake(w->sim, node);
}

/* ---- Roles -------------------------------------------------------------- */

/* By its place among the hops of one end; the rendezvous point is the last of
 * both. */
static const struct role {
    const char *name;
    bool of_client;
    unsigned hop;
} roles[] = {
    {"rendezvous point", true, 2},   {"client's layer 2", true, 1},
    {"client's guard", true, 0},     {"service's third hop", false, 2},
    {"service's layer 2", false, 1}, {"service's guard", false, 0},
};
#define ROLES (sizeof(roles) / sizeof(*roles))

struct tally_of_gaps {
    unsigned kills, long_ones;
    uint64_t longest, sum;
};

static struct tally_of_gaps tallies[ROLES];

static bool is_settled(void)
{
    const struct circuit *a = circuit_to_peer(client);
    const struct circuit *b = circuit_to_peer(host);

    return a != NULL && b != NULL && last_hop_of(a) == last_hop_of(b);
}

static unsigned who_is(const struct role *role)
{
    const struct circuit *c = circuit_to_peer(role->of_client ? client : host);

    return member_of(c->hop[role->hop].target.identity);
}

static bool is_silent(const struct world *w)
{
    return sim_now(w->sim) - traffic.last_at >= GAP;
}

static void kill_one(struct world *w, unsigned role)
{
    struct tally_of_gaps *t = &tallies[role];
    unsigned relay;
    uint64_t gap;

    assert_true(run_until(w, is_settled, 10 * TIME_S));
    sim_run_for(w->sim, 500 * TIME_MS);
    assert_true(is_settled());
    relay = who_is(&roles[role]);
    traffic_gap();
    kill_member(w, relay);
    sim_run_for(w->sim, TIME_S);
    start_again(w, relay);
    for (unsigned i = 0; i < 60 && is_silent(w); i++)
        sim_run_for(w->sim, TIME_S);
    sim_run_for(w->sim, TIME_S);
    gap = traffic_gap();
    t->kills++;
    t->long_ones += gap >= GAP;
    t->sum += gap;
    t->longest = gap > t->longest ? gap : t->longest;
    print_message("  %s: %.1f ms\n", roles[role].name, (double)gap / 1e6);
}

/* ---- The world ---------------------------------------------------------- */

static void begin(struct world *w, uint64_t seed)
{
    const struct service_options options = {.hops = 3};

    world_init(w);
    w->config.seed += seed;
    w->config.refuses = true;
    w->config.latency = (struct sim_latency){
        .base = 100 * TIME_US, .access = 50 * TIME_US, .jitter = 100 * TIME_US};
    exitless_shape = shape;
    world_of(w, RELAYING, 1 + CLIENTS);
    host = listen_to(w, w->net.members[SERVER]);
    client = listen_to(w, w->net.members[SERVER + 1]);
    host->answers = true;
    serve(host, service_seed, &options, NULL);
    wait_until_verified(w, host);
    reach(client, status_of(host).key, 3);
    assert_answered(w, client, "the client", TIME_MIN);
    traffic_begin(client, host, EACH);
    sim_run_for(w->sim, 5 * TIME_S);
}

static void print_tallies(void)
{
    for (unsigned i = 0; i < ROLES; i++)
        print_message("%-20s %u kills, mean %.1f ms, longest %.1f ms, %u too "
                      "long\n",
                      roles[i].name, tallies[i].kills,
                      (double)tallies[i].sum / tallies[i].kills / 1e6,
                      (double)tallies[i].longest / 1e6, tallies[i].long_ones);
}

static void test_sim_service_gap(void **state)
{
    struct world *w = &world;

    (void)state;
    memset(tallies, 0, sizeof(tallies));
    for (unsigned seed = 0; seed < SEEDS; seed++) {
        begin(w, seed);
        for (unsigned round = 0; round < ROUNDS; round++)
            for (unsigned role = 0; role < ROLES; role++)
                kill_one(w, role);
        traffic_end(w);
        assert_int_equal(traffic.twice, 0);
        assert_int_equal(client->peers, 1);
        assert_int_equal(client->gone, 0);
        world_end(w);
    }
    print_tallies();
    for (unsigned i = 0; i < ROLES; i++)
        assert_int_equal(tallies[i].long_ones, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_gap),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
