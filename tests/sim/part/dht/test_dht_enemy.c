/* SPDX-License-Identifier: MIT
 *
 * Hostile nodes among 80 honest ones: each behaviour, and what it does to
 * lookups.
 */
#include "dht/types/node_id.h"
#include "fail_alloc.h"
#include "lab.h"
#include "sim/part/dht/crowd.h"
#include "sim/part/dht/demand.h"

#define M(what) lab.measures.of[what]
#define HONEST  80

static const struct population_member hostile = {.hostile = true};

static void start(uint32_t count)
{
    lab.scenario.adversary.count = count;
    lab_start(&lab);
    lab_add(&lab, &dht_enemy);
    lab_add(&lab, &dht_work);
    lab_grow(&lab, HONEST);
    for (uint32_t i = 0; i < count; i++)
        lab_join(&lab, hostile);
    lab_run(&lab, lab.rooms.begins - sim_now(lab.rooms.sim));
}

static void with_work(void)
{
    lab_init(&lab);
    lab.scenario.run.warmup = 15 * TIME_MIN;
    lab.scenario.lookups.rate = 12;
    lab.scenario.lookups.keys = 20;
    lab.scenario.lookups.traced = 1000;
}

static unsigned success(void)
{
    assert_at_least(M(M_LOOKUP_SUCCESS).of, 100);
    return (unsigned)(M(M_LOOKUP_SUCCESS).hits * 100 / M(M_LOOKUP_SUCCESS).of);
}

/* Steps of lookups, by whether they went to hostile nodes and how they ended.
 */
static unsigned steps_of(bool of_hostile, enum trace_outcome outcome)
{
    unsigned n = 0;

    for (size_t i = 0; i < lab.traces.count; i++)
        n += lab.traces.steps[i].hostile == of_hostile &&
             lab.traces.steps[i].outcome == outcome;
    return n;
}

static void test_dht_enemy_nobody(void **state)
{
    void *part;

    (void)state;
    lab_init(&lab);
    lab_start(&lab);
    assert_int_equal(dht_enemy.make(&lab.rooms, &part), OK);
    assert_null(part);
    lab_end(&lab);
}

/* They are like others until they begin; then nobody hears of them. */
static void test_dht_enemy_drops(void **state)
{
    (void)state;
    with_work();
    lab.scenario.adversary.does[BEHAVE_DROP] = true;
    lab.scenario.adversary.start = 20 * TIME_MIN;
    start(HONEST / 2);
    lab_run(&lab, 19 * TIME_MIN);
    assert_at_least(
        steps_of(true, TRACE_ANSWERED) + steps_of(true, TRACE_VALUES), 100);
    assert_at_least(success(), 98);
    lab_run(&lab, 2 * TIME_MIN);
    lab.traces.count = 0;
    lab_run(&lab, 10 * TIME_MIN);
    assert_int_equal(steps_of(true, TRACE_ANSWERED), 0);
    assert_int_equal(steps_of(true, TRACE_VALUES), 0);
    assert_at_least(steps_of(true, TRACE_TIMEOUT), 20);
    lab_end(&lab);
}

/* Who observes does what it should: as if it were one of the others. */
static void test_dht_enemy_observes(void **state)
{
    (void)state;
    with_work();
    lab.scenario.adversary.does[BEHAVE_OBSERVE] = true;
    start(HONEST / 2);
    lab_run(&lab, 20 * TIME_MIN);
    assert_at_least(success(), 98);
    assert_at_least(steps_of(true, TRACE_VALUES), 50);
    /* A third of all nodes: of some twelve that a lookup asks one is theirs. */
    assert_int_equal(M(M_LOOKUP_SEEN).of, M(M_LOOKUP_SUCCESS).of);
    assert_at_least(M(M_LOOKUP_SEEN).hits * 100, M(M_LOOKUP_SEEN).of * 90);
    lab_end(&lab);
}

static void lookups_against(enum scenario_behaviour what,
                            enum sim_addressing addressing)
{
    with_work();
    lab.config.addressing = addressing;
    lab.scenario.adversary.does[what] = true;
    start(HONEST / 2);
    lab_run(&lab, 15 * TIME_MIN);
    print_message(
        "  %u %% found, closest %u %%\n", success(),
        (unsigned)(M(M_CLOSEST_FOUND).hits * 100 / M(M_CLOSEST_FOUND).of));
    /* They answer, and never with what was announced. */
    assert_at_least(
        steps_of(true, TRACE_ANSWERED) + steps_of(true, TRACE_DISTRUSTED), 50);
    assert_int_equal(steps_of(true, TRACE_VALUES), 0);
    lab_end(&lab);
}

static void test_dht_enemy_colludes(void **state)
{
    (void)state;
    lookups_against(BEHAVE_COLLUDE, SIM_ADDRESS_PRIVATE);
    lookups_against(BEHAVE_COLLUDE, SIM_ADDRESS_GLOBAL);
}

static void test_dht_enemy_makes_up(void **state)
{
    (void)state;
    lookups_against(BEHAVE_MADE_UP, SIM_ADDRESS_PRIVATE);
    lookups_against(BEHAVE_MADE_UP, SIM_ADDRESS_GLOBAL);
}

/* Sixteen right at the first of four keys, where addresses bind nobody: that
 * one is lost, and the other three are not touched. */
static void test_dht_enemy_crowds(void **state)
{
    (void)state;
    with_work();
    lab.scenario.lookups.keys = 4;
    lab.scenario.adversary.does[BEHAVE_CROWD] = true;
    start(CROWD_A_KEY);
    lab_run(&lab, 15 * TIME_MIN);
    assert_in_range(success(), 70, 80);
    for (size_t i = 0; i < lab.traces.count; i++) {
        struct id key;

        demand_key(lab.scenario.run.seed, 0, &key);
        if (lab.traces.steps[i].outcome == TRACE_VALUES)
            assert_false(id_equal(&key, &lab.traces.steps[i].target));
    }
    lab_end(&lab);
}

/* ---- Under BEP 42 -------------------------------------------------------- */

static void one_network(uint8_t a, uint8_t b, uint8_t c, unsigned bits)
{
    lab.scenario.adversary.networks.count = 1;
    lab.scenario.adversary.networks.at[0] = (struct scenario_prefix){
        .ep = {.family = FAMILY_IPV4, .addr = {a, b, c}}, .bits = bits};
}

/* Somewhere on the Internet a crowd of sixteen comes near to nothing; with the
 * best addresses of a /16 it is nearer than all others. */
static void test_dht_enemy_crowds_with_addresses(void **state)
{
    unsigned anywhere, chosen;

    (void)state;
    with_work();
    lab.config.addressing = SIM_ADDRESS_GLOBAL;
    lab.scenario.lookups.keys = 1;
    lab.scenario.adversary.does[BEHAVE_CROWD] = true;
    start(CROWD_A_KEY);
    lab_run(&lab, 15 * TIME_MIN);
    anywhere = success();

    with_work();
    lab.config.addressing = SIM_ADDRESS_GLOBAL;
    lab.scenario.lookups.keys = 1;
    lab.scenario.adversary.does[BEHAVE_CROWD] = true;
    one_network(91, 7, 0, 16);
    start(CROWD_A_KEY);
    lab_run(&lab, 15 * TIME_MIN);
    chosen = success();
    print_message("  %u %% found, of those with addresses %u %%\n", anywhere,
                  chosen);
    assert_at_least(anywhere, 70);
    assert_at_most(chosen, 50);
    lab_end(&lab);
}

static int best_of(const struct scenario_prefix *prefix, uint32_t addresses,
                   const struct id *key)
{
    int best = -1;

    for (uint32_t i = 0; i < addresses; i++) {
        struct endpoint ep = prefix->ep;
        struct id id;

        ep.addr[3] = (uint8_t)(ep.addr[3] + i);
        ep.addr[2] = (uint8_t)(ep.addr[2] + i / 256);
        crowd_id(lab.rooms.sim, &lab.scenario, 0, &ep, &id);
        assert_true(node_id_matches(&id, &ep));
        if (id_common_bits(&id, key) > best)
            best = id_common_bits(&id, key);
    }
    return best;
}

static void check_places(unsigned bits, size_t subnets)
{
    struct crowd_place places[CROWD_A_KEY];
    struct id key;
    size_t n;

    one_network(91, 7, 16, bits);
    crowd_key(&lab.scenario, 0, &key);
    n = crowd_places(lab.rooms.sim, &lab.scenario, 0, CROWD_A_KEY, places);
    assert_int_equal(n, subnets < CROWD_A_KEY ? subnets : CROWD_A_KEY);
    assert_int_equal(places[0].bits,
                     best_of(&lab.scenario.adversary.networks.at[0],
                             1u << (32 - bits), &key));
    for (size_t i = 0; i < n; i++) {
        assert_memory_equal(places[i].ep.addr, ((uint8_t[]){91, 7}), 2);
        assert_in_range(places[i].ep.addr[2], 16, 16 + subnets - 1);
        assert_true(i == 0 || places[i].bits <= places[i - 1].bits);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(places[i].ep.addr[2], places[j].ep.addr[2]);
    }
}

static void test_dht_enemy_places(void **state)
{
    (void)state;
    lab_init(&lab);
    lab.scenario.lookups.keys = 1;
    lab_start(&lab);
    check_places(20, 16);
    check_places(23, 2);
    check_places(24, 1);
    check_places(30, 1);
    check_places(32, 1);
    lab_end(&lab);
}

/* Of a /52 sixteen /56s, each by its best /64; ids follow from those. */
static void test_dht_enemy_places_ipv6(void **state)
{
    struct crowd_place places[CROWD_A_KEY + 1];
    struct id key, id;

    (void)state;
    lab_init(&lab);
    lab.scenario.lookups.keys = 1;
    lab_start(&lab);
    crowd_key(&lab.scenario, 0, &key);
    lab.scenario.adversary.networks.count = 1;
    lab.scenario.adversary.networks.at[0] = (struct scenario_prefix){
        .ep = {.family = FAMILY_IPV6,
               .addr = {0x2a, 1, 0, 7, 0, 0, 0x50, 0, [15] = 1}},
        .bits = 52};
    assert_int_equal(
        crowd_places(lab.rooms.sim, &lab.scenario, 0, CROWD_A_KEY + 1, places),
        16);
    for (size_t i = 0; i < 16; i++) {
        const uint8_t *addr = places[i].ep.addr;

        assert_memory_equal(addr, ((uint8_t[]){0x2a, 1, 0, 7, 0, 0}), 6);
        assert_int_equal(addr[6] & 0xf0, 0x50);
        assert_int_equal(addr[15], 1);
        crowd_id(lab.rooms.sim, &lab.scenario, 0, &places[i].ep, &id);
        assert_true(node_id_matches(&id, &places[i].ep));
        assert_int_equal(id_common_bits(&id, &key) < 21
                             ? id_common_bits(&id, &key)
                             : places[i].bits,
                         places[i].bits);
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(addr[6], places[j].ep.addr[6]);
    }
    /* Of 2^12 ids the best has, but for one time in a thousand, nine bits. */
    assert_at_least(places[0].bits, 9);
    lab_end(&lab);
}

static void test_dht_enemy_keys(void **state)
{
    struct id a, b;

    (void)state;
    lab_init(&lab);
    lab.scenario.lookups.keys = 2;
    crowd_key(&lab.scenario, CROWD_A_KEY - 1, &a);
    crowd_key(&lab.scenario, 0, &b);
    assert_true(id_equal(&a, &b));
    crowd_key(&lab.scenario, CROWD_A_KEY, &a);
    assert_false(id_equal(&a, &b));
    crowd_key(&lab.scenario, 2 * CROWD_A_KEY, &a);
    assert_true(id_equal(&a, &b));
}

/* ---- Together ------------------------------------------------------------ */

static uint64_t run_all(uint64_t seed, unsigned threads)
{
    struct sim_stats stats;

    with_work();
    lab.scenario.run.seed = seed;
    lab.config.threads = threads;
    for (int i = 0; i < BEHAVIOURS; i++)
        lab.scenario.adversary.does[i] = true;
    start(HONEST / 4);
    lab_run(&lab, 5 * TIME_MIN);
    /* Of three ways each does one. */
    assert_at_least(steps_of(true, TRACE_ANSWERED), 10);
    assert_at_least(steps_of(true, TRACE_TIMEOUT), 10);
    sim_stats(lab.rooms.sim, &stats);
    lab_end(&lab);
    return stats.digest;
}

static void test_dht_enemy_all_of_it(void **state)
{
    uint64_t digest = run_all(1, 1);

    (void)state;
    assert_true(run_all(1, 3) == digest);
    assert_true(run_all(2, 1) != digest);
}

/* ---- Without memory ------------------------------------------------------ */

/* Tries with the first allocations failing, up to `most` of them. */
static void make_without_memory(const struct part_kind *kind, unsigned most)
{
    unsigned failed = 0;

    for (unsigned n = 1; n <= most; n++) {
        void *part = NULL;
        enum error err;

        fail_alloc_at(n);
        err = kind->make(&lab.rooms, &part);
        if (!fail_alloc_end()) {
            assert_int_equal(err, OK);
            kind->free(part);
            break;
        }
        assert_int_equal(err, ERR_NO_MEMORY);
        assert_null(part);
        failed++;
    }
    assert_at_least(failed, 1);
}

static void test_dht_enemy_no_memory(void **state)
{
    (void)state;
    with_work();
    lab.scenario.lookups.popularity = POPULAR_ZIPF;
    lab.scenario.items.count = 3;
    lab.scenario.adversary.count = 3;
    lab.scenario.adversary.does[BEHAVE_MADE_UP] = true;
    lab_start(&lab);
    make_without_memory(&dht_work, 100);
    make_without_memory(&dht_probe, 100);
    make_without_memory(&dht_enemy, 12); /* of some thousand */
    lab_end(&lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dht_enemy_nobody),
        cmocka_unit_test(test_dht_enemy_drops),
        cmocka_unit_test(test_dht_enemy_observes),
        cmocka_unit_test(test_dht_enemy_colludes),
        cmocka_unit_test(test_dht_enemy_makes_up),
        cmocka_unit_test(test_dht_enemy_crowds),
        cmocka_unit_test(test_dht_enemy_crowds_with_addresses),
        cmocka_unit_test(test_dht_enemy_places),
        cmocka_unit_test(test_dht_enemy_places_ipv6),
        cmocka_unit_test(test_dht_enemy_keys),
        cmocka_unit_test(test_dht_enemy_all_of_it),
        cmocka_unit_test(test_dht_enemy_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, lab_cleanup);
}
