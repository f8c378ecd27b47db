/* SPDX-License-Identifier: MIT
 *
 * Joining, staying joined, and how little an idle node sends.
 */
#include "dht_harness.h"

#include "sim/dht_net.h"

#define RTT (20 * TIME_MS)

struct fixture {
    struct harness h;
    struct peers p;
    struct test_random random;
};

static struct fixture *start(size_t peers)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    f->random = test_seed(13);
    harness_init(&f->h);
    harness_start(&f->h);
    peers_make(&f->p, peers, &f->random);
    return f;
}

static void end(struct fixture *f)
{
    harness_end(&f->h);
    free(f);
}

static struct dht_status status(struct fixture *f)
{
    struct dht_status s;

    dht_status(f->h.d, f->h.now, &s);
    return s;
}

static void test_dht_join_nothing_known(void **state)
{
    struct fixture *f = start(1);

    (void)state;
    assert_true(dht_next_deadline(f->h.d) == TIME_NEVER);
    assert_true(status(f).memory < 8192);
    end(f);
}

static void test_dht_join_through_bootstrap(void **state)
{
    struct fixture *f = start(50);
    const struct peer *near[DHT_K];
    uint64_t begun = f->h.now;

    (void)state;
    peers_closest(&f->p, &f->h.config.id[FAMILY_IPV4], near, DHT_K);
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[0].ep, f->h.now), OK);
    assert_true(dht_next_deadline(f->h.d) <= f->h.now);
    peers_run(&f->p, &f->h, 5 * TIME_S, RTT);
    assert_int_equal(harness_events(&f->h, DHT_EVENT_JOINED), 1);
    assert_true(status(f).nodes[FAMILY_IPV4] >= 12);
    for (size_t i = 0; i < DHT_K; i++)
        assert_true(near[i]->asked > 0);
    assert_int_equal(harness_events(&f->h, DHT_EVENT_NODE),
                     status(f).nodes[FAMILY_IPV4]);
    assert_true(f->h.sent[0]->m.method == DHT_FIND_NODE);
    assert_true(f->h.now - begun == 5 * TIME_S);
    end(f);
}

static void test_dht_join_bootstrap_list(void **state)
{
    struct fixture *f = start(40);
    struct endpoint v6 = test_ep("[fd00::1]:5");
    size_t n = 0;

    (void)state;
    for (; n < 32; n++)
        assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[n].ep, f->h.now),
                         OK);
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[0].ep, f->h.now), OK);
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[n].ep, f->h.now),
                     ERR_FULL);
    assert_int_equal(dht_bootstrap_add(f->h.d, &v6, f->h.now), ERR_ADDRESS);
    dht_bootstrap_clear(f->h.d);
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[n].ep, f->h.now), OK);
    end(f);
}

/* A bootstrap node that is down is asked again, less and less often. */
static void test_dht_join_backs_off(void **state)
{
    struct fixture *f = start(3);
    uint64_t hours;

    (void)state;
    f->p.peer[0].silent = true;
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[0].ep, f->h.now), OK);
    peers_run(&f->p, &f->h, 60 * TIME_S, RTT);
    assert_in_range(f->p.peer[0].asked, 4, 10);
    f->p.peer[0].asked = 0;
    for (hours = 0; hours < 10; hours++)
        peers_run(&f->p, &f->h, TIME_HOUR, RTT);
    assert_in_range(f->p.peer[0].asked, 100, 170);
    /* It is back. */
    f->p.peer[0].silent = false;
    peers_run(&f->p, &f->h, 7 * TIME_MIN, RTT);
    assert_int_equal(harness_events(&f->h, DHT_EVENT_JOINED), 1);
    end(f);
}

/* With a warm store nobody asks the bootstrap node for the way. */
static void test_dht_join_from_store(void **state)
{
    struct fixture *f = start(60);
    struct peer *bootstrap = &f->p.peer[59];

    (void)state;
    bootstrap->ep.port = 77;
    for (size_t i = 0; i < 20; i++) {
        f->p.peer[i].silent = i % 2 == 0; /* half of them have gone */
        dht_node_add(f->h.d, &f->p.peer[i].id, &f->p.peer[i].ep, f->h.now);
    }
    assert_int_equal(dht_bootstrap_add(f->h.d, &bootstrap->ep, f->h.now), OK);
    f->p.count = 59; /* it is not even there */
    peers_run(&f->p, &f->h, TIME_S, RTT);
    assert_int_equal(harness_events(&f->h, DHT_EVENT_JOINED), 1);
    peers_run(&f->p, &f->h, 5 * TIME_S, RTT);
    assert_true(status(f).nodes[FAMILY_IPV4] >= 20);
    for (size_t i = 0; i < f->h.sent_count; i++)
        assert_false(endpoint_equal(&f->h.sent[i]->to, &bootstrap->ep));
    end(f);
}

static void test_dht_join_store_is_stale(void **state)
{
    struct fixture *f = start(40);

    (void)state;
    for (size_t i = 0; i < 20; i++) {
        f->p.peer[i].silent = true;
        dht_node_add(f->h.d, &f->p.peer[i].id, &f->p.peer[i].ep, f->h.now);
    }
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[39].ep, f->h.now),
                     OK);
    peers_run(&f->p, &f->h, 10 * TIME_S, RTT);
    assert_int_equal(harness_events(&f->h, DHT_EVENT_JOINED), 1);
    assert_true(status(f).nodes[FAMILY_IPV4] >= 12);
    end(f);
}

/* The network goes away and comes back. */
static void test_dht_join_after_an_outage(void **state)
{
    struct fixture *f = start(20);

    (void)state;
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[0].ep, f->h.now), OK);
    peers_run(&f->p, &f->h, 10 * TIME_S, RTT);
    for (size_t i = 0; i < f->p.count; i++)
        f->p.peer[i].silent = true;
    peers_run(&f->p, &f->h, 3 * TIME_HOUR, RTT);
    assert_int_equal(harness_events(&f->h, DHT_EVENT_JOINED), 2);
    assert_false(f->h.events[f->h.event_count - 1].joined);
    for (size_t i = 0; i < f->p.count; i++)
        f->p.peer[i].silent = false;
    peers_run(&f->p, &f->h, 10 * TIME_MIN, RTT);
    assert_int_equal(harness_events(&f->h, DHT_EVENT_JOINED), 3);
    assert_true(status(f).nodes[FAMILY_IPV4] >= 12);
    end(f);
}

/* A host that slept for a night finds its way without haste. */
static void test_dht_join_after_a_jump(void **state)
{
    struct fixture *f = start(50);
    size_t before;

    (void)state;
    assert_int_equal(dht_bootstrap_add(f->h.d, &f->p.peer[0].ep, f->h.now), OK);
    peers_run(&f->p, &f->h, 10 * TIME_S, RTT);
    before = f->h.sent_count;
    f->h.now += 12 * TIME_HOUR;
    dht_tick(f->h.d, f->h.now);
    assert_true(f->h.sent_count - before <= 20);
    peers_run(&f->p, &f->h, TIME_MIN, RTT);
    assert_true(f->h.sent_count - before <= 60);
    assert_true(status(f).good[FAMILY_IPV4] >= DHT_K);
    end(f);
}

/* ---- Whole networks ------------------------------------------------------ */

struct ids {
    size_t count;
    struct id id[64];
};

static void collect(void *ctx, const struct dht_node_info *node)
{
    struct ids *ids = ctx;

    assert_true(ids->count < COUNT_OF(ids->id));
    ids->id[ids->count++] = node->id;
}

static bool has(const struct ids *ids, const struct id *id)
{
    for (size_t i = 0; i < ids->count; i++) {
        if (id_equal(&ids->id[i], id))
            return true;
    }
    return false;
}

/* The node knows its DHT_K/2 nearest of all members: enough to be found, and
 * to find, whatever buckets they happen to fall into. */
static bool is_complete(struct sim *s, const struct sim_dht_net *net,
                        uint32_t member)
{
    struct sim_dht *own = sim_dht_of(s, member);
    struct ids table = {.count = 0};
    struct dht_status status;
    struct peers all = {.count = 0};
    const struct peer *near[DHT_K / 2 + 1];
    size_t n;

    dht_nodes(own->dht, sim_now(s), collect, &table);
    for (uint32_t i = 0; i < net->count; i++) {
        sim_dht_status(s, net->members[i], &status);
        all.peer[all.count++].id = status.id[FAMILY_IPV4];
    }
    sim_dht_status(s, member, &status);
    n = peers_closest(&all, &status.id[FAMILY_IPV4], near, COUNT_OF(near));
    for (size_t i = 1; i < n; i++) {
        if (!has(&table, &near[i]->id))
            return false;
    }
    return true;
}

static void fifty_join(enum sim_addressing addressing)
{
    struct sim_dht_net net;
    struct sim_config config;
    unsigned complete = 0;
    uint64_t sent;
    struct sim *s;

    sim_config_init(&config);
    config.addressing = addressing;
    assert_int_equal(sim_new(&config, &s), OK);
    sim_dht_net_init(&net, s);
    assert_int_equal(sim_dht_net_grow(&net, 50, 0), OK);
    sim_run_for(s, 3 * TIME_S);
    for (uint32_t i = 0; i < net.count; i++)
        complete += is_complete(s, &net, net.members[i]);
    print_message("  %u of 50 complete after 3 s, %.0f datagrams each\n",
                  complete, (double)sim_dht_net_sent(&net) / net.count);
    /* Nearly all: in one run of four a few are still about it. */
    assert_in_range(complete, 46, 50);
    assert_true(sim_dht_net_sent(&net) < 50 * 300);

    /* And then it is quiet, while everybody stays known. */
    sim_run_for(s, TIME_HOUR);
    sent = sim_dht_net_sent(&net);
    sim_run_for(s, 2 * TIME_HOUR);
    sent = sim_dht_net_sent(&net) - sent;
    print_message("  idle: %.3f datagrams a second and node\n",
                  (double)sent / net.count / 7200);
    assert_true(sent < (uint64_t)(0.2 * 7200) * net.count);
    for (uint32_t i = 0; i < net.count; i++) {
        struct dht_status status;

        sim_dht_status(s, net.members[i], &status);
        assert_true(status.good[FAMILY_IPV4] * 10 >=
                    status.nodes[FAMILY_IPV4] * 9);
    }
    sim_free(s);
    sim_dht_net_deinit(&net);
}

static void test_dht_join_fifty_at_once(void **state)
{
    (void)state;
    fifty_join(SIM_ADDRESS_PRIVATE);
}

/* The same under the rules of the Internet: all have to learn their address
 * and change their ids first (BEP 42). */
static void test_dht_join_fifty_on_global_addresses(void **state)
{
    (void)state;
    fifty_join(SIM_ADDRESS_GLOBAL);
}

/* A network begins with two nodes, neither of which knows its address. */
static void test_dht_join_two_found_a_network(void **state)
{
    (void)state;
    for (uint32_t count = 2; count <= 4; count++) {
        struct sim_dht_net net;
        struct sim_config config;
        struct sim *s;

        sim_config_init(&config);
        config.addressing = SIM_ADDRESS_GLOBAL;
        assert_int_equal(sim_new(&config, &s), OK);
        sim_dht_net_init(&net, s);
        assert_int_equal(sim_dht_net_grow(&net, count, TIME_S), OK);
        sim_run_for(s, 10 * TIME_S);
        for (uint32_t i = 0; i < count; i++) {
            struct dht_status status;

            sim_dht_status(s, net.members[i], &status);
            assert_int_equal(status.nodes[FAMILY_IPV4], count - 1);
            assert_in_range(sim_dht_of(s, net.members[i])->id_changes, 1, 3);
        }
        sim_free(s);
        sim_dht_net_deinit(&net);
    }
}

/* No node of a larger idle network sends more than its share, and the host is
 * not woken for nothing. */
static void test_dht_join_idle_budget(void **state)
{
    struct sim_dht_net net;
    struct sim_config config;
    struct sim_stats before, after;
    uint64_t most = 0, sum = 0;
    uint64_t sent[300];
    struct sim *s;

    (void)state;
    sim_config_init(&config);
    assert_int_equal(sim_new(&config, &s), OK);
    sim_dht_net_init(&net, s);
    assert_int_equal(sim_dht_net_grow(&net, 300, 100 * TIME_MS), OK);
    sim_run_for(s, TIME_HOUR);
    sim_stats(s, &before);
    for (uint32_t i = 0; i < 300; i++)
        sent[i] = sim_node_sent(s, net.members[i]);
    sim_run_for(s, TIME_HOUR);
    sim_stats(s, &after);
    for (uint32_t i = 0; i < 300; i++) {
        uint64_t n = sim_node_sent(s, net.members[i]) - sent[i];

        sum += n;
        most = n > most ? n : most;
    }
    print_message("  idle: %.3f datagrams a second on average, %.3f at most; "
                  "%.3f wake-ups\n",
                  (double)sum / 300 / 3600, (double)most / 3600,
                  (double)(after.ticks - before.ticks) / 300 / 3600);
    assert_true(sum < 300 * 3600 / 5);
    assert_true(most < 2 * 3600 / 5);
    assert_true(after.ticks - before.ticks < 300 * 3600 / 4);
    sim_free(s);
    sim_dht_net_deinit(&net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_join_nothing_known),
        cmocka_unit_test(test_dht_join_through_bootstrap),
        cmocka_unit_test(test_dht_join_bootstrap_list),
        cmocka_unit_test(test_dht_join_backs_off),
        cmocka_unit_test(test_dht_join_from_store),
        cmocka_unit_test(test_dht_join_store_is_stale),
        cmocka_unit_test(test_dht_join_after_an_outage),
        cmocka_unit_test(test_dht_join_after_a_jump),
        cmocka_unit_test(test_dht_join_fifty_at_once),
        cmocka_unit_test(test_dht_join_fifty_on_global_addresses),
        cmocka_unit_test(test_dht_join_two_found_a_network),
        cmocka_unit_test(test_dht_join_idle_budget),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
