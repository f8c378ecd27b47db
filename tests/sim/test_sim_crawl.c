/* SPDX-License-Identifier: MIT
 *
 * A walk through a simulated network, by way of one of its nodes: everybody is
 * found and the size told within its interval, also with loss, with liars in
 * it, and by a walk that is broken off and goes on from its record.
 */
#include "dht/crawl/crawl_cluster.h"
#include "dht/crawl/crawl_report.h"
#include "dht/types/node_id.h"
#include "sim/hostile.h"
#include "sim_dht_test.h"

#include <string.h>

#define HONEST 300

/* What came back, to be told once more to another walk. */
struct event {
    struct endpoint to;
    enum error error; /* OK: the answer below */
    struct dht_answer answer;
    uint8_t nodes[DHT_NODES_MAX * COMPACT_NODE4];
};

#define EVENTS_MAX 4096

struct walk {
    struct crawl_config config;
    struct crawl *c;
    size_t count;
    struct event events[EVENTS_MAX];
};

static struct walk walk;

/* ---- Driving ------------------------------------------------------------- */

struct question {
    struct walk *walk;
    struct endpoint to;
    bool answered;
};

static void on_answer(void *ctx, const struct dht_answer *answer)
{
    struct question *q = ctx;
    struct event *e = &q->walk->events[q->walk->count++];

    assert_true(q->walk->count < EVENTS_MAX);
    q->answered = true;
    *e = (struct event){.to = q->to, .answer = *answer};
    memcpy(e->nodes, answer->nodes[FAMILY_IPV4].p,
           answer->nodes[FAMILY_IPV4].len);
    crawl_answered(q->walk->c, &q->to, answer, sim_now(world.sim));
}

static void on_done(void *ctx, const struct dht_result *result)
{
    struct question *q = ctx;

    if (!q->answered) {
        struct event *e = &q->walk->events[q->walk->count++];

        assert_true(q->walk->count < EVENTS_MAX);
        *e = (struct event){.to = q->to, .error = result->error};
        crawl_failed(q->walk->c, &q->to, result->error, sim_now(world.sim));
    }
    free(q);
}

static void ask(struct walk *k, uint32_t node, const struct crawl_question *q)
{
    struct question *mine = calloc(1, sizeof(*mine));
    struct dht_handler handler = {.ctx = mine, .done = on_done};
    struct sim_dht *by = sim_dht_of(world.sim, node);

    assert_non_null(mine);
    *mine = (struct question){.walk = k, .to = q->to};
    assert_int_equal(dht_ask(by->dht, &q->to, &q->target, on_answer, &handler,
                             sim_now(world.sim), NULL),
                     OK);
    sim_wake(world.sim, node);
}

static void seed_one(void *ctx, const struct dht_node_info *info)
{
    crawl_add(ctx, &info->id, &info->ep);
}

static void random_fill(void *ctx, void *buf, size_t len)
{
    sim_rng_fill(ctx, buf, len);
}

static void begin(struct walk *k, uint32_t node)
{
    struct dht_status status;

    sim_dht_status(world.sim, node, &status);
    k->count = 0;
    crawl_config_init(&k->config);
    k->config.rate = 100;
    k->config.has_self[FAMILY_IPV4] = true;
    k->config.self[FAMILY_IPV4] = status.id[FAMILY_IPV4];
    k->config.random = (struct random_source){sim_rng(world.sim), random_fill};
    assert_int_equal(crawl_new(&k->config, sim_now(world.sim), &k->c), OK);
    dht_nodes(sim_dht_of(world.sim, node)->dht, sim_now(world.sim), seed_one,
              k->c);
}

/* Until it is over, or so many questions were asked. */
static void go_on(struct walk *k, uint32_t node, unsigned questions)
{
    struct crawl_question q;

    while (!crawl_is_over(k->c) && questions > 0) {
        while (questions > 0 && crawl_next(k->c, sim_now(world.sim), &q)) {
            ask(k, node, &q);
            questions--;
        }
        sim_run_for(world.sim, 5 * TIME_MS);
    }
}

static void end(struct walk *k)
{
    crawl_free(k->c);
    k->c = NULL;
    world_end(&world);
}

static void start_network(uint32_t n, double loss)
{
    world_init(&world);
    world.config.addressing = SIM_ADDRESS_GLOBAL;
    world.config.loss = loss;
    world_start(&world);
    world_grow(&world, n, 100 * TIME_MS);
    sim_run_for(world.sim, 30 * TIME_MIN);
}

/* ---- What is found ------------------------------------------------------- */

static struct crawl_report report(const struct walk *k)
{
    struct crawl_report r;

    assert_int_equal(crawl_report(k->c, FAMILY_IPV4, &r), OK);
    print_message("  %u asked; %u seen, %u silent of %u named; density %.0f "
                  "(%.0f to %.0f), recapture %.1f (%.1f to %.1f); %.0f ms\n",
                  (unsigned)k->count, (unsigned)r.states[CRAWL_ANSWERED],
                  (unsigned)r.states[CRAWL_SILENT], (unsigned)r.named,
                  r.density.nodes, r.density.low, r.density.high,
                  r.recapture.nodes, r.recapture.low, r.recapture.high,
                  r.rtt_ms[2]);
    return r;
}

/* An interval of 95 % misses one network in twenty by a little: a tenth is
 * granted to the density, and two nodes to the recapture. */
static bool is_inside(const struct crawl_size *s, double truth)
{
    double slack = s->high - s->low > truth / 10 ? truth / 10 : 2;

    return s->known && s->low - slack <= truth && truth <= s->high + slack;
}

/* Members that were seen at their addresses. */
static unsigned members_seen(const struct walk *k)
{
    unsigned seen = 0;

    for (uint32_t i = 0; i < crawl_node_count(k->c); i++) {
        const struct crawl_node *n = crawl_node_at(k->c, i);
        uint32_t node = sim_node_at(world.sim, &n->ep);

        seen += n->state == CRAWL_ANSWERED && node < world.net.count;
    }
    return seen;
}

/* A clump of neighbours that no table outside of it has may be missed: by the
 * seeds 1 to 8 it found all 299 six times, 298, and 295; 294 with another. */
static void test_sim_crawl_finds_all(void **state)
{
    struct crawl_counts counts;
    struct crawl_report r;

    (void)state;
    start_network(HONEST, 0);
    begin(&walk, 5);
    go_on(&walk, 5, UINT32_MAX);
    r = report(&walk);
    assert_in_range(members_seen(&walk), HONEST - 8, HONEST - 1);
    assert_true(is_inside(&r.size, HONEST - 1));
    assert_true(is_inside(&r.density, HONEST - 1));
    assert_int_equal(r.liars, 0);
    assert_int_equal(r.id_at_odds, 0);
    assert_true(r.rtt_ms[0] > 20 && r.rtt_ms[4] < 600);
    crawl_counts(walk.c, &counts);
    /* Nobody was asked twice: nobody was silent. */
    assert_int_equal(counts.queries, crawl_node_count(walk.c));
    end(&walk);
}

static void test_sim_crawl_through_loss(void **state)
{
    struct crawl_report r;

    (void)state;
    start_network(HONEST, 0.05);
    begin(&walk, 5);
    go_on(&walk, 5, UINT32_MAX);
    r = report(&walk);
    /* Two of a hundred are silent twice: (1 - 0.95^2)^2 is 1 %. */
    assert_at_least(members_seen(&walk), HONEST * 96 / 100);
    assert_true(r.density.known && r.density.nodes < 1.3 * HONEST);
    end(&walk);
}

/* A walk that ends early tells the size by density alone. */
static void test_sim_crawl_a_part(void **state)
{
    struct crawl_report r;

    (void)state;
    start_network(2 * HONEST, 0);
    begin(&walk, 5);
    walk.config.max_queries = HONEST * 3 / 2;
    assert_int_equal(crawl_reconfigure(walk.c, &walk.config), OK);
    go_on(&walk, 5, UINT32_MAX);
    r = report(&walk);
    assert_int_equal(walk.count, HONEST * 3 / 2);
    assert_false(r.recapture.known);
    assert_true(is_inside(&r.size, 2 * HONEST - 1));
    end(&walk);
}

/* ---- Liars --------------------------------------------------------------- */

static void add_liars(uint32_t n, enum sim_hostile_mode mode)
{
    struct random_source random = {sim_rng(world.sim), random_fill};

    for (uint32_t i = 0; i < n; i++) {
        struct sim_hostile_config c = {.mode = mode,
                                       .interval = 10 * TIME_S,
                                       .victims = world.net.members,
                                       .victim_count = world.net.count};
        struct endpoint ep;
        uint32_t node;

        sim_address_make(SIM_ADDRESS_GLOBAL, FAMILY_IPV4, sim_nodes(world.sim),
                         &ep);
        node_id_generate(&ep, (uint8_t)i, &random, &c.id);
        assert_int_equal(
            sim_hostile_add(world.sim, &world.net.place, &c, &node), OK);
    }
    sim_run_for(world.sim, 20 * TIME_MIN);
}

/* One liar to ten, each of whom names sixteen that do not exist: all who are
 * honest are found, what does not exist is named and not seen, the size is
 * that of those who answer, and who names them is counted. */
static void test_sim_crawl_among_liars(void **state)
{
    const uint32_t liars = HONEST / 10;
    struct crawl_report r;

    (void)state;
    start_network(HONEST, 0);
    add_liars(liars, SIM_HOSTILE_MADE_UP);
    begin(&walk, 5);
    go_on(&walk, 5, UINT32_MAX);
    r = report(&walk);
    print_message("  %u liars, %u lies\n", r.liars, r.lies);
    assert_in_range(members_seen(&walk), HONEST - 5, HONEST - 1);
    assert_at_most(r.states[CRAWL_ANSWERED], HONEST + liars);
    assert_at_least(r.named, HONEST + 8 * r.liars);
    assert_true(is_inside(&r.size, HONEST - 1 + liars));
    assert_true(r.size.nodes < HONEST + liars + 5);
    assert_true(r.density.nodes < 1.35 * (HONEST + liars));
    assert_at_least(r.liars, liars / 2);
    assert_at_most(r.liars, liars + 1);
    end(&walk);
}

/* ---- Going on ------------------------------------------------------------ */

/* A walk that is broken off with queries in flight, and told to another one,
 * asks nobody again but those, and finds all the same. */
static void test_sim_crawl_goes_on(void **state)
{
    static struct walk second;
    struct crawl_counts before, after;
    struct crawl_report r;
    size_t told;

    (void)state;
    start_network(HONEST, 0);
    begin(&walk, 5);
    go_on(&walk, 5, 120);
    told = walk.count;
    assert_in_range(told, 1, 119);
    begin(&second, 5);
    for (uint32_t i = 0; i < crawl_node_count(walk.c); i++) {
        const struct crawl_node *n = crawl_node_at(walk.c, i);

        crawl_add(second.c, &n->id, &n->ep);
        if (n->state != CRAWL_NAMED)
            crawl_asked(second.c, &n->ep, sim_now(world.sim));
    }
    for (size_t i = 0; i < told; i++) {
        struct event *e = &walk.events[i];

        e->answer.nodes[FAMILY_IPV4].p = e->nodes;
        if (e->error == OK)
            crawl_answered(second.c, &e->to, &e->answer, sim_now(world.sim));
    }
    crawl_interrupted(second.c, sim_now(world.sim));
    crawl_counts(second.c, &before);
    assert_int_equal(before.in_flight, 0);
    assert_int_equal(before.states[FAMILY_IPV4][CRAWL_ANSWERED], told);
    /* What the first one still waits for is not to be told to it any more. */
    sim_run_for(world.sim, 20 * TIME_S);
    go_on(&second, 5, UINT32_MAX);
    r = report(&second);
    crawl_counts(second.c, &after);
    assert_in_range(members_seen(&second), HONEST - 5, HONEST - 1);
    assert_true(is_inside(&r.size, HONEST - 1));
    assert_int_equal(after.queries, crawl_node_count(second.c) + 120 - told);
    crawl_free(second.c);
    end(&walk);
}

static int cleanup(void **state)
{
    crawl_free(walk.c);
    walk.c = NULL;
    return world_cleanup(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_crawl_finds_all),
        cmocka_unit_test(test_sim_crawl_through_loss),
        cmocka_unit_test(test_sim_crawl_a_part),
        cmocka_unit_test(test_sim_crawl_among_liars),
        cmocka_unit_test(test_sim_crawl_goes_on),
    };

    return cmocka_run_group_tests(tests, NULL, cleanup);
}
