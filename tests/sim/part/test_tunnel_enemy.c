/* SPDX-License-Identifier: MIT
 *
 * Hostile relays among a few members: what they see and break is known.
 */
#include "tunnel_lab.h"

static void network(struct lab *l, enum scenario_behaviour behaviour)
{
    lab_init(l);
    l->scenario.tunnels.relays = 9;
    l->scenario.tunnels.exits = 3;
    l->scenario.tunnels.clients = 2;
    l->scenario.tunnels.hops[2] = true;
    l->scenario.adversary.share = 0.5; /* there is one; whom it has is below */
    l->scenario.adversary.does[behaviour] = true;
}

static void all_are_hostile(struct lab *l)
{
    l->hostile_relays = l->scenario.tunnels.relays;
    l->hostile_exits = l->scenario.tunnels.exits;
}

/* ---- What is seen -------------------------------------------------------- */

static void test_tunnel_enemy_is_everywhere(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;

    (void)state;
    network(l, BEHAVE_OBSERVE);
    l->scenario.services.keys = 1;
    all_are_hostile(l);
    lab_start(l);
    lab_run(l, 181);
    lab_print(l, "first", M_CIRCUIT_FIRST);
    lab_print(l, "both ends", M_CIRCUIT_BOTH_ENDS);
    assert_all(l, M_CIRCUIT_FIRST);
    assert_all(l, M_CIRCUIT_BOTH_ENDS);
    assert_all(l, M_VIEW_HOSTILE);
    assert_all(l, M_CIRCUIT_BUILT); /* it does as it should */
    assert_int_equal(m->curve_of[M_GUARD_HOSTILE][0], 2);
    assert_int_equal(m->curve_of[M_GUARD_HOSTILE][3], 2);
    assert_int_equal(m->curve_hits[M_GUARD_HOSTILE][3], 2);
    assert_int_equal(m->curve_of[M_GUARD_HOSTILE][4], 0);
    assert_int_equal(m->curve_of[M_SECOND_KNOWN][3], 1);
    assert_int_equal(m->curve_hits[M_SECOND_KNOWN][3], 1);
    assert_int_equal(m->curve_hits[M_THIRD_KNOWN][3], 1);
    lab_end(l);
}

static void test_tunnel_enemy_is_nowhere(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;

    (void)state;
    network(l, BEHAVE_OBSERVE);
    l->scenario.services.keys = 1;
    lab_start(l);
    lab_run(l, 181);
    assert_at_least(m->of[M_CIRCUIT_FIRST], 4);
    assert_int_equal(m->hits[M_CIRCUIT_FIRST], 0);
    assert_int_equal(m->hits[M_CIRCUIT_BOTH_ENDS], 0);
    assert_int_equal(m->hits[M_VIEW_HOSTILE], 0);
    assert_int_equal(m->curve_of[M_GUARD_HOSTILE][3], 2);
    assert_int_equal(m->curve_hits[M_GUARD_HOSTILE][3], 0);
    assert_int_equal(m->curve_of[M_SECOND_KNOWN][3], 1);
    assert_int_equal(m->curve_hits[M_SECOND_KNOWN][3], 0);
    assert_int_equal(m->curve_hits[M_THIRD_KNOWN][3], 0);
    lab_end(l);
}

/* The exits alone are hostile: never a first hop, as there are others. */
static void test_tunnel_enemy_is_at_one_end(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;

    (void)state;
    network(l, BEHAVE_OBSERVE);
    l->hostile_exits = l->scenario.tunnels.exits;
    lab_start(l);
    lab_run(l, 60);
    assert_at_least(m->of[M_CIRCUIT_FIRST], 4);
    assert_int_equal(m->hits[M_CIRCUIT_FIRST], 0);
    assert_int_equal(m->hits[M_CIRCUIT_BOTH_ENDS], 0);
    assert_int_equal(m->of[M_VIEW_HOSTILE], 2 * 12);
    assert_int_equal(m->hits[M_VIEW_HOSTILE], 2 * 3);
    lab_end(l);
}

/* Until it begins it is none. */
static void test_tunnel_enemy_begins_later(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;

    (void)state;
    network(l, BEHAVE_OBSERVE);
    l->scenario.adversary.start = 90 * TIME_S;
    all_are_hostile(l);
    lab_start(l);
    lab_run(l, 80);
    assert_int_equal(m->of[M_CIRCUIT_FIRST], 0);
    assert_int_equal(m->of[M_VIEW_HOSTILE], 0);
    assert_int_equal(m->curve_of[M_GUARD_HOSTILE][0], 0);
    lab_run(l, 80);
    assert_all(l, M_VIEW_HOSTILE);
    assert_int_equal(m->curve_of[M_GUARD_HOSTILE][0], 2);
    assert_int_equal(m->curve_hits[M_GUARD_HOSTILE][1], 2);
    lab_end(l);
}

/* ---- What is broken ------------------------------------------------------ */

static uint64_t failures(const struct lab *l)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < MEASURE_REASONS_MAX; i++) {
        if (l->measures.reasons[i] > 0)
            print_message("  failed: %s %" PRIu64 "\n",
                          reason_name((enum reason)i), l->measures.reasons[i]);
        all += l->measures.reasons[i];
    }
    return all;
}

/* No exit is an accomplice: no circuit gets beyond the first hop. */
static void test_tunnel_enemy_refuses(void **state)
{
    struct lab *l = &lab;

    (void)state;
    network(l, BEHAVE_REFUSE);
    l->hostile_relays = l->scenario.tunnels.relays;
    lab_start(l);
    lab_run(l, 120);
    lab_print(l, "built", M_CIRCUIT_BUILT);
    assert_int_equal(l->measures.hits[M_CIRCUIT_BUILT], 0);
    assert_at_least(l->measures.of[M_CIRCUIT_BUILT], 4);
    assert_at_least(failures(l), 10);
    assert_int_equal(failures(l), l->measures.reasons[REASON_TIMEOUT] +
                                      l->measures.reasons[REASON_UNREACHABLE]);
    lab_end(l);
}

static void test_tunnel_enemy_extends_to_accomplices(void **state)
{
    struct lab *l = &lab;

    (void)state;
    network(l, BEHAVE_REFUSE);
    all_are_hostile(l);
    lab_start(l);
    lab_run(l, 120);
    assert_all(l, M_CIRCUIT_BUILT);
    assert_int_equal(failures(l), 0);
    lab_end(l);
}

static void test_tunnel_enemy_drops(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;

    (void)state;
    network(l, BEHAVE_DROP);
    l->scenario.tunnels.rate = 1;
    l->scenario.adversary.start = TIME_MIN;
    l->hostile_relays = l->scenario.tunnels.relays;
    lab_start(l);
    lab_run(l, 60);
    lab_print(l, "answered", M_DATAGRAM_ANSWERED);
    assert_all(l, M_DATAGRAM_ANSWERED);
    l->measures = (struct measures){.hits = {0}};
    lab_run(l, 120);
    lab_print(l, "answered", M_DATAGRAM_ANSWERED);
    lab_print(l, "built", M_CIRCUIT_BUILT);
    failures(l);
    assert_at_least(m->of[M_DATAGRAM_ANSWERED], 50);
    assert_at_most(m->hits[M_DATAGRAM_ANSWERED],
                   m->of[M_DATAGRAM_ANSWERED] / 4);
    lab_end(l);
}

/* An exit that lets nothing out. */
static void test_tunnel_enemy_swallows(void **state)
{
    struct lab *l = &lab;
    const struct measures *m = &l->measures;

    (void)state;
    network(l, BEHAVE_DROP);
    l->scenario.tunnels.rate = 1;
    l->hostile_exits = l->scenario.tunnels.exits;
    lab_start(l);
    lab_run(l, 90);
    assert_at_least(m->of[M_DATAGRAM_ANSWERED], 50);
    assert_int_equal(m->hits[M_DATAGRAM_ANSWERED], 0);
    lab_end(l);
}

/* Peers of member 12 to whom there is a way now. */
static unsigned peers_at_hand(const struct lab *l)
{
    const struct sim_tunnel *n =
        sim_tunnel_of(l->w->sim, l->population.members[12].node);
    struct service_peer_status list[8];
    unsigned count = service_peers(member_services(n->member), 1, list, 8),
             at_hand = 0;

    for (unsigned i = 0; i < count && i < 8; i++)
        at_hand += !list[i].gap;
    return at_hand;
}

/* Channels that have been there for long are lost, too. */
static void test_tunnel_enemy_drops_between_joined(void **state)
{
    struct lab *l = &lab;

    (void)state;
    network(l, BEHAVE_DROP);
    l->scenario.tunnels.clients = 0;
    l->scenario.services.strings = 1;
    l->scenario.services.members = 2;
    l->scenario.adversary.start = 100 * TIME_S;
    all_are_hostile(l);
    lab_start(l);
    lab_run(l, 95);
    assert_all(l, M_MEMBERS_FOUND);
    assert_at_least(peers_at_hand(l), 1);
    lab_run(l, 120);
    assert_int_equal(peers_at_hand(l), 0);
    lab_end(l);
}

/* ---- How it is met ------------------------------------------------------- */

static unsigned known_bandwidth(const struct lab *l, unsigned member,
                                unsigned of)
{
    const struct sim_tunnel *client =
        sim_tunnel_of(l->w->sim, l->population.members[member].node);
    const struct sim_tunnel *relay =
        sim_tunnel_of(l->w->sim, l->population.members[of].node);
    const struct known_relay *k = directory_find(
        member_directory(client->member), sim_tunnel_identity(relay));

    assert_non_null(k);
    return k->d.bandwidth;
}

static void test_tunnel_enemy_boasts(void **state)
{
    static struct sim_request r;
    struct lab *l = &lab;
    struct id key;
    struct endpoint ep;
    unsigned found = 0;

    (void)state;
    network(l, BEHAVE_RELAY);
    l->scenario.adversary.weight = 4;
    l->hostile_relays = 1;
    lab_start(l);
    lab_run(l, 60);
    assert_int_equal(known_bandwidth(l, 12, 0), 4 * 256);
    assert_int_equal(known_bandwidth(l, 12, 1), 0); /* no limit */
    /* It is found under keys that are not its own. */
    assert_true(sim_endpoint(l->w->sim, l->population.members[0].node,
                             FAMILY_IPV4, &ep));
    for (unsigned i = 0; i < 10; i++) {
        directory_key(l->scenario.engines[0].tunnel.network, 20 * i, &key);
        assert_int_equal(
            sim_dht_get_peers(l->w->sim, l->w->net.members[5], &key, &r), OK);
        sim_request_wait(l->w->sim, &r, sim_now(l->w->sim) + TIME_MIN);
        found += sim_request_has_peer(&r, &ep);
    }
    print_message("  found under %u of 10 keys\n", found);
    assert_at_least(found, 9);
    lab_end(l);
}

/* ---- The same again ------------------------------------------------------ */

static void run_all(struct lab *l, uint64_t seed, struct sim_stats *stats)
{
    network(l, BEHAVE_OBSERVE);
    l->scenario.run.seed = l->w->config.seed = seed;
    l->scenario.adversary.does[BEHAVE_REFUSE] = true;
    l->scenario.adversary.does[BEHAVE_DROP] = true;
    l->scenario.adversary.weight = 3;
    l->scenario.tunnels.rate = 1;
    l->scenario.services.keys = 1;
    l->scenario.services.rate = 600;
    l->hostile_relays = 3;
    l->hostile_exits = 1;
    lab_start(l);
    lab_run(l, 240);
    sim_stats(l->w->sim, stats);
    lab_end(l);
}

static void test_tunnel_enemy_follows_from_the_seed(void **state)
{
    static struct measures first;
    struct sim_stats a, b;
    uint64_t seed = test_seed();

    (void)state;
    run_all(&lab, seed, &a);
    first = lab.measures;
    run_all(&lab, seed, &b);
    assert_memory_equal(&first, &lab.measures, sizeof(first));
    assert_int_equal(a.digest, b.digest);
    assert_at_least(first.of[M_CIRCUIT_FIRST], 2);
    assert_at_least(first.of[M_DATAGRAM_ANSWERED], 50);
    assert_at_least(first.of[M_SERVICE_CONNECTED], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tunnel_enemy_is_everywhere),
        cmocka_unit_test(test_tunnel_enemy_is_nowhere),
        cmocka_unit_test(test_tunnel_enemy_is_at_one_end),
        cmocka_unit_test(test_tunnel_enemy_begins_later),
        cmocka_unit_test(test_tunnel_enemy_refuses),
        cmocka_unit_test(test_tunnel_enemy_extends_to_accomplices),
        cmocka_unit_test(test_tunnel_enemy_drops),
        cmocka_unit_test(test_tunnel_enemy_swallows),
        cmocka_unit_test(test_tunnel_enemy_drops_between_joined),
        cmocka_unit_test(test_tunnel_enemy_boasts),
        cmocka_unit_test(test_tunnel_enemy_follows_from_the_seed),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, lab_cleanup);
}
