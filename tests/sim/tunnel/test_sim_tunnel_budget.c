/* SPDX-License-Identifier: MIT
 *
 * What it costs in messages that clients find relays through the DHT: how
 * long the first circuit takes, what is sent until then, and how quiet it is
 * when the pool is full. All on virtual time.
 */
#include "sim/tunnel_node.h"

#include "../sim_dht_test.h"

#include <sodium.h>

/* ---- A network with one client ------------------------------------------ */

struct party {
    struct world *w;
    uint32_t relays; /* the first members; then comes the client */
    struct sim_tunnel *client;
    uint64_t sent, relays_sent; /* when last looked at */
    uint64_t at;
};

static void add_member(struct party *p, uint32_t node, bool relay, bool exit)
{
    struct member_config c;

    member_config_init(&c);
    c.become_exitnode = exit;
    if (!relay)
        c.max_relays_or_exits = 0;
    assert_int_equal(sim_tunnel_add(p->w->sim, node, &c, 0), OK);
    sim_wake(p->w->sim, node);
}

static void add_relays(struct party *p, uint32_t exits)
{
    for (uint32_t i = 0; i < p->relays; i++)
        add_member(p, p->w->net.members[i], true, i < exits);
}

/* A node that relays nothing and is in the DHT, but knows no relay yet. */
static void add_client(struct party *p)
{
    uint32_t node = p->w->net.members[p->relays];

    add_member(p, node, false, false);
    p->client = sim_tunnel_of(p->w->sim, node);
}

static void prepare(struct party *p, uint32_t relays)
{
    *p = (struct party){.w = &world, .relays = relays};
    world_init(p->w);
    p->w->config.addressing = SIM_ADDRESS_GLOBAL;
}

static void start(struct party *p)
{
    world_start(p->w);
    world_grow(p->w, p->relays + 1, 200 * TIME_MS);
    sim_run_for(p->w->sim, 2 * TIME_MIN);
}

static void look(struct party *p)
{
    p->at = sim_now(p->w->sim);
    p->sent = sim_node_sent(p->w->sim, p->client->node);
    p->relays_sent = 0;
    for (uint32_t i = 0; i < p->relays; i++)
        p->relays_sent += sim_node_sent(p->w->sim, p->w->net.members[i]);
}

/* Relays that are there for long, and a client that begins to want circuits
 * of 3 hops. */
static void begin_prepared(struct party *p, uint32_t exits)
{
    start(p);
    add_relays(p, exits);
    sim_run_for(p->w->sim, 5 * TIME_MIN);
    add_client(p);
    look(p);
    sim_tunnel_build(p->w->sim, p->client->node, 3);
}

static void begin(struct party *p, uint32_t relays, uint32_t exits)
{
    prepare(p, relays);
    begin_prepared(p, exits);
}

/* Time until the first circuit is ready, at most `limit`. */
static uint64_t first_circuit(struct party *p, uint64_t limit)
{
    uint64_t begun = sim_now(p->w->sim);

    while (p->client->ready == 0 && sim_now(p->w->sim) - begun < limit)
        sim_run_for(p->w->sim, 10 * TIME_MS);
    return sim_now(p->w->sim) - begun;
}

static struct directory_status known(const struct party *p)
{
    struct directory_status st;
    uint64_t now = sim_now(p->w->sim);

    directory_status(member_directory(p->client->member),
                     SIM_WALL + now / TIME_S, now, &st);
    return st;
}

/* Runs, and asserts that client and relays sent at most so much. */
static void spend(struct party *p, uint64_t duration, double client,
                  double relay)
{
    struct party before = *p;
    double seconds, mine, theirs;

    sim_run_for(p->w->sim, duration);
    look(p);
    seconds = (double)(p->at - before.at) / TIME_S;
    mine = (double)(p->sent - before.sent);
    theirs = (double)(p->relays_sent - before.relays_sent) / p->relays;
    print_message("  %u relays, %.0f s: client %.0f datagrams, %.3f a second; "
                  "a relay %.3f; %u known, %u exits\n",
                  p->relays, seconds, mine, mine / seconds, theirs / seconds,
                  known(p).usable, known(p).exits);
    assert_true(mine / seconds <= client);
    assert_true(theirs / seconds <= relay);
}

/* ---- Budgets ------------------------------------------------------------ */

/* The first circuit, what was spent a minute later, and the hours after. */
static void small_network(uint32_t relays, uint32_t exits, unsigned at_first,
                          double later)
{
    struct party p;
    uint64_t first;

    begin(&p, relays, exits);
    first = first_circuit(&p, TIME_MIN);
    print_message("  first circuit after %.2f s\n", (double)first / TIME_S);
    assert_in_range(first, 0, 5 * TIME_S);
    spend(&p, TIME_MIN - first, at_first / 60.0, 0.5);
    assert_at_least(known(&p).usable, relays < 45 ? relays : 45);
    assert_at_least(known(&p).exits, exits < 4 ? exits : 4);
    /* In which guards are drawn again, and their links opened. */
    spend(&p, 4 * TIME_MIN, 0.4, 0.2);
    /* Links are kept, and asked once a minute, after their last circuit. */
    spend(&p, 2 * TIME_HOUR, later, 0.22);
    assert_true(member_ready(p.client->member) >= 1.0);
    world_end(p.w);
}

static void test_sim_tunnel_budget_of_ten_relays(void **state)
{
    (void)state;
    small_network(10, 2, 230, 0.23);
}

static void test_sim_tunnel_budget_of_fifty_relays(void **state)
{
    (void)state;
    small_network(50, 6, 450, 0.27);
}

static void test_sim_tunnel_budget_of_three_hundred_relays(void **state)
{
    struct party p;

    (void)state;
    begin(&p, 300, 30);
    assert_in_range(first_circuit(&p, TIME_MIN), 0, 5 * TIME_S);
    spend(&p, TIME_MIN, 8, 0.1);
    assert_in_range(known(&p).usable, 48, 200);
    assert_in_range(known(&p).exits, 4, 30);
    spend(&p, 4 * TIME_MIN, 0.3, 0.2);
    spend(&p, TIME_HOUR, 0.3, 0.25);
    world_end(p.w);
}

/* On one machine or in one house, the first circuit is there at once. */
static void test_sim_tunnel_first_circuit_at_home(void **state)
{
    struct party p;
    uint64_t first;

    (void)state;
    prepare(&p, 10);
    p.w->config.latency = (struct sim_latency){.base = 100 * TIME_US};
    begin_prepared(&p, 2);
    first = first_circuit(&p, TIME_MIN);
    print_message("  first circuit after %.2f s\n", (double)first / TIME_S);
    assert_in_range(first, 0, TIME_S / 2);
    world_end(p.w);
}

/* No circuit can be built, ever; the client looks for exits in vain. */
static void test_sim_tunnel_budget_without_an_exit(void **state)
{
    struct party p;
    uint32_t node;

    (void)state;
    begin(&p, 10, 0);
    spend(&p, TIME_MIN, 220 / 60.0, 0.5);
    spend(&p, TIME_HOUR, 0.3, 0.2);
    /* One that comes then is found within minutes, although its node did not
     * answer as a relay when it was met first. */
    assert_int_equal(sim_dht_net_join(&p.w->net, &node), OK);
    sim_run_for(p.w->sim, 10 * TIME_S);
    add_member(&p, node, true, true);
    assert_in_range(first_circuit(&p, TIME_HOUR), 0, 4 * TIME_MIN);
    world_end(p.w);
}

/* Rare exits are looked for, but not by all keys at once. */
static void test_sim_tunnel_budget_with_rare_exits(void **state)
{
    struct party p;

    (void)state;
    begin(&p, 300, 3);
    spend(&p, TIME_MIN, 35, 0.15);
    spend(&p, TIME_HOUR, 0.6, 0.25);
    assert_at_least(known(&p).usable, 110);
    world_end(p.w);
}

/* Nodes of the DHT that did not answer as relays a little ago may be some
 * now: they are asked again after about as long as they had been silent. */
static void test_sim_tunnel_finds_relays_that_come_later(void **state)
{
    static const unsigned late[] = {1, 4, 16, 64, 256, 1024};

    (void)state;
    for (size_t i = 0; i < sizeof(late) / sizeof(late[0]); i++) {
        struct party p;
        uint64_t first;

        prepare(&p, 10);
        start(&p);
        add_client(&p);
        sim_tunnel_build(p.w->sim, p.client->node, 3);
        sim_run_for(p.w->sim, late[i] * TIME_S);
        add_relays(&p, 2);
        first = first_circuit(&p, TIME_HOUR);
        print_message("  relays %u s late: first circuit after %.0f s\n",
                      late[i], (double)first / TIME_S);
        assert_in_range(first, 0, (late[i] < 64 ? 60 : 4 * 60) * TIME_S);
        world_end(p.w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_tunnel_budget_of_ten_relays),
        cmocka_unit_test(test_sim_tunnel_budget_of_fifty_relays),
        cmocka_unit_test(test_sim_tunnel_budget_of_three_hundred_relays),
        cmocka_unit_test(test_sim_tunnel_first_circuit_at_home),
        cmocka_unit_test(test_sim_tunnel_budget_without_an_exit),
        cmocka_unit_test(test_sim_tunnel_budget_with_rare_exits),
        cmocka_unit_test(test_sim_tunnel_finds_relays_that_come_later),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
