/* SPDX-License-Identifier: MIT
 *
 * A community that meets in the mainline DHT, among nodes that know nothing of
 * it, and what it costs them (docs/operating.md, "What it costs the mainline
 * DHT").
 */
#include "../sim_service_test.h"

#include <sodium.h>

#define STRANGERS 150
#define RELAYS_   15
#define CLIENTS   3
#define SERVES    (STRANGERS + RELAYS_) /* index among the members */
#define MEMBERS   (RELAYS_ + 1 + CLIENTS)

static const uint8_t seed[32] = {9};

static void grow(struct world *w, bool both)
{
    struct dht_config own;

    world_init(w);
    w->config.addressing = SIM_ADDRESS_GLOBAL;
    w->config.dht = SIM_PLANE_MAINLINE;
    world_start(w);
    w->net.config.dialect = DHT_DIALECT_MAINLINE;
    own = w->net.config;
    own.dialect = DHT_DIALECT_WARREN;
    world_grow(w, STRANGERS + MEMBERS, 100 * TIME_MS);
    for (uint32_t i = STRANGERS; both && i < STRANGERS + MEMBERS; i++) {
        uint32_t node = w->net.members[i];

        assert_int_equal(sim_dht_revive(w->sim, node, &own), OK);
        sim_dht_bootstrap(w->sim, node, w->net.members[STRANGERS]);
    }
    sim_run_for(w->sim, 5 * TIME_MIN);
}

static struct hearer *join(struct world *w, uint32_t i, bool relays)
{
    uint32_t node = w->net.members[i];
    struct member_config c;

    member_config_init(&c);
    if (!relays)
        c.max_relays_or_exits = 0;
    assert_int_equal(sim_tunnel_add(w->sim, node, &c, 0), OK);
    sim_wake(w->sim, node);
    return listen_to(w, node);
}

/* What the members `first`.. have asked the mainline DHT, each, in an hour:
 * all queries, and without those for the upkeep of a node's table. */
struct cost {
    double all, ours;
};

static uint64_t asked(const struct world *w, uint32_t i, bool all)
{
    const struct sim_dht *n =
        sim_dht_on(w->sim, w->net.members[i], DHT_DIALECT_MAINLINE);
    const struct dht_stats *s = dht_stats(n->dht);
    uint64_t sum = 0;

    for (int m = 0; m < DHT_METHODS; m++)
        if (all || (m != DHT_PING && m != DHT_FIND_NODE))
            sum += s->queries_out[m];
    return sum;
}

static double asked_by(const struct world *w, uint32_t first, uint32_t count,
                       bool all)
{
    double sum = 0;

    for (uint32_t i = first; i < first + count; i++)
        sum += (double)asked(w, i, all);
    return sum / count;
}

struct costs {
    struct cost stranger, relay, service, client;
};

static struct cost cost_of(const struct world *w, uint32_t first,
                           uint32_t count)
{
    return (struct cost){asked_by(w, first, count, true),
                         asked_by(w, first, count, false)};
}

static struct costs costs_of(const struct world *w)
{
    return (struct costs){cost_of(w, 1, STRANGERS - 1),
                          cost_of(w, STRANGERS, RELAYS_), cost_of(w, SERVES, 1),
                          cost_of(w, SERVES + 1, CLIENTS)};
}

static struct cost since(struct cost now, struct cost then)
{
    return (struct cost){now.all - then.all, now.ours - then.ours};
}

static void print(const char *who, struct cost c)
{
    print_message("  %-9s %6.0f queries, %6.0f of them not for its table\n",
                  who, c.all, c.ours);
}

/* Until an hour has passed since `then`, which was at `from`. */
static struct costs hour(struct world *w, struct costs then, uint64_t from,
                         const char *what)
{
    struct costs now;

    sim_run_until(w->sim, from + TIME_HOUR);
    now = costs_of(w);
    now.stranger = since(now.stranger, then.stranger);
    now.relay = since(now.relay, then.relay);
    now.service = since(now.service, then.service);
    now.client = since(now.client, then.client);
    print_message("%s:\n", what);
    print("stranger", now.stranger);
    print("relay", now.relay);
    print("service", now.service);
    print("client", now.client);
    return now;
}

static struct hearer *host, *clients[CLIENTS];

/* Whoever knows no relay yet fails, and tries again. */
static void say_again(void)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (clients[i]->data == 0)
            say(clients[i], "hello");
}

static bool are_answered(void)
{
    for (unsigned i = 0; i < CLIENTS; i++)
        if (clients[i]->data == 0)
            return false;
    return true;
}

static void start(struct world *w)
{
    const struct service_options options = {.hops = 3};
    hearer_count = 0;
    for (uint32_t i = 0; i < RELAYS_; i++)
        join(w, STRANGERS + i, true);
    sim_run_for(w->sim, 2 * TIME_MIN);
    host = join(w, SERVES, false);
    host->answers = true;
    serve(host, seed, &options, NULL);
    sim_run_for(w->sim, 5 * TIME_MIN);
    assert_true(status_of(host).verified);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = join(w, SERVES + 1 + i, false);
        reach(clients[i], status_of(host).key, 3);
    }
    for (unsigned i = 0; i < 5 && !are_answered(); i++) {
        say_again();
        run_until(w, are_answered, 2 * TIME_MIN);
    }
    assert_true(are_answered());
}

static void test_sim_service_is_found_in_the_mainline_dht(void **state)
{
    struct world *w = &world;
    struct costs first, later;
    uint64_t from;

    (void)state;
    grow(w, false);
    from = sim_now(w->sim);
    first = costs_of(w);
    start(w);
    first = hour(w, first, from, "the first hour");
    later = hour(w, costs_of(w), sim_now(w->sim), "an hour later");
    /* Each well-known key is looked up once, and some twenty an hour. */
    assert_true(first.relay.ours < 1000);
    assert_true(first.service.ours < 6000);
    assert_true(first.client.ours < 6000);
    assert_true(later.relay.ours < 1000);
    assert_true(later.service.ours < 500);
    assert_true(later.client.ours < 1000);
    world_end(w);
}

static void test_sim_service_is_found_in_both(void **state)
{
    struct world *w = &world;

    (void)state;
    grow(w, true);
    start(w);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_is_found_in_the_mainline_dht),
        cmocka_unit_test(test_sim_service_is_found_in_both),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
