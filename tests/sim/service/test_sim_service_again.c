/* SPDX-License-Identifier: MIT
 *
 * A service that ends and begins again with what it has stored: it is at its
 * old points, and its descriptors go on. And what was said to it once, said
 * again by others: nobody comes a second time.
 */
#include "puppet.h"

#define RELAYING 24
#define SERVER   RELAYING

static const uint8_t seed[32] = {32, 1};
static const struct service_options options = {.hops = 3};

static struct sim_rows rows, before;
static struct hearer *host, *client, *newcomer;

static void begin(struct world *w)
{
    rows = (struct sim_rows){0};
    world_global(w);
    world_of(w, RELAYING, 4);
    host = listen_to(w, w->net.members[SERVER]);
    client = listen_to(w, w->net.members[SERVER + 1]);
    newcomer = listen_to(w, w->net.members[SERVER + 2]);
    host->answers = true;
    host->n->rows = &rows;
    serve(host, seed, &options, NULL);
    wait_until_verified(w, host);
    reach(client, status_of(host).key, 3);
    assert_answered(w, client, "the client", TIME_MIN);
    assert_int_equal(rows.point_count, 3);
    assert_at_least(rows.seq_count, 1);
}

static bool has_points(void)
{
    return status_of(host).points >= 3;
}

static bool is_published(void)
{
    return status_of(host).published;
}

static unsigned find_row(const struct sim_rows *r, const uint8_t relay[32])
{
    unsigned i = 0;

    while (i < r->point_count &&
           memcmp(r->points[i].relay.identity, relay, 32) != 0)
        i++;
    assert_in_range(i, 0, r->point_count - 1);
    return i;
}

/* The same relays, under the same names. */
static void check_same_points(void)
{
    assert_int_equal(rows.point_count, before.point_count);
    for (unsigned i = 0; i < rows.point_count; i++) {
        unsigned k = find_row(&before, rows.points[i].relay.identity);

        assert_memory_equal(rows.points[i].salt, before.points[k].salt, 16);
    }
}

static void check_seqs_go_on(void)
{
    for (unsigned i = 0; i < before.seq_count; i++)
        for (unsigned k = 0; k < rows.seq_count; k++)
            if (rows.seqs[k].period == before.seqs[i].period)
                assert_true(rows.seqs[k].seq > before.seqs[i].seq);
}

/* The client has said that it goes: it does not look for it meanwhile. */
static void leave(struct world *w)
{
    if (client->gone == 0) {
        service_peer_close(services_of(client), client->peer[0],
                           sim_now(w->sim));
        sim_wake(w->sim, client->n->node);
        sim_run_for(w->sim, 10 * TIME_S);
    }
    assert_int_equal(
        service_leave(services_of(host), host->service, false, sim_now(w->sim)),
        OK);
    sim_wake(w->sim, host->n->node);
}

static void start_again(void)
{
    struct service_memory memory = sim_memory_of(&before);

    rows.service = 0;
    serve(host, seed, &options, &memory);
}

static void test_sim_service_starts_again(void **state)
{
    struct world *w = &world;
    uint64_t at, lookups;

    (void)state;
    begin(w);
    before = rows;
    leave(w);
    sim_run_for(w->sim, 30 * TIME_S);
    assert_int_equal(client->gone, 1);
    at = sim_now(w->sim);
    start_again();
    assert_true(run_until(w, has_points, 20 * TIME_S));
    print_message("  at its points after %.2f s\n",
                  (double)(sim_now(w->sim) - at) / 1e9);
    lookups = services_stats(services_of(client))->lookups;
    assert_at_least(services_finder_stats(services_of(client))->requests,
                    lookups);
    assert_false(status_of(host).published);
    assert_answered(w, client, "with the old descriptor", 20 * TIME_S);
    assert_int_equal(services_stats(services_of(client))->lookups, lookups);
    check_same_points();
    reach(newcomer, status_of(host).key, 3);
    assert_answered(w, newcomer, "a newcomer", TIME_MIN);
    assert_true(run_until(w, is_published, TIME_MIN));
    check_seqs_go_on();
    world_end(w);
}

/* As after kill -9, on another day of the machine: nothing was said. */
static void test_sim_service_is_killed(void **state)
{
    struct world *w = &world;
    uint32_t node;
    struct member_config c;
    uint64_t at;

    (void)state;
    begin(w);
    before = rows;
    node = host->n->node;
    sim_kill(w->sim, node);
    sim_run_for(w->sim, 5 * TIME_S);
    assert_int_equal(sim_dht_revive(w->sim, node, &w->net.config), OK);
    sim_dht_bootstrap(w->sim, node, w->net.members[0]);
    member_config_init(&c);
    c.max_relays_or_exits = 0;
    c.layer2 = before.layer2;
    assert_int_equal(sim_tunnel_add(w->sim, node, &c, 0), OK);
    sim_wake(w->sim, node);
    sim_run_for(w->sim, TIME_MIN); /* until it has its view of the network */
    host->n = sim_tunnel_of(w->sim, node);
    host->n->on_service = hear;
    host->n->on_service_arg = host;
    host->n->rows = &rows;
    at = sim_now(w->sim);
    start_again();
    assert_true(run_until(w, has_points, 30 * TIME_S));
    print_message("  at its points after %.2f s\n",
                  (double)(sim_now(w->sim) - at) / 1e9);
    check_same_points();
    assert_answered(w, client, "the client", TIME_MIN);
    reach(newcomer, status_of(host).key, 3);
    assert_answered(w, newcomer, "a newcomer", TIME_MIN);
    assert_true(run_until(w, is_published, TIME_MIN));
    check_seqs_go_on();
    world_end(w);
}

/* Its database is lost: the DHT has a higher seq than it knows. */
static void test_sim_service_has_lost_its_seqs(void **state)
{
    struct world *w = &world;
    struct service_memory memory;

    (void)state;
    begin(w);
    for (unsigned i = 0; i < 5; i++) { /* several rounds: seq is above 2 */
        service_reconfigure(services_of(host), host->service, &options,
                            sim_now(w->sim));
        sim_wake(w->sim, host->n->node);
        sim_run_for(w->sim, 20 * TIME_S);
    }
    before = rows;
    assert_true(before.seqs[0].seq > 3);
    leave(w);
    memory = sim_memory_of(&before);
    memory.seq_count = memory.point_count = 0;
    rows = (struct sim_rows){0};
    serve(host, seed, &options, &memory);
    wait_until_verified(w, host);
    print_message("  seq %d after %d\n", (int)rows.seqs[0].seq,
                  (int)before.seqs[0].seq);
    check_seqs_go_on();
    reach(newcomer, status_of(host).key, 3);
    assert_answered(w, newcomer, "a newcomer", TIME_MIN);
    world_end(w);
}

/* ---- Said again --------------------------------------------------------- */

static uint64_t met(enum introduction_result r)
{
    return status_of(host).introductions[r];
}

static uint64_t circuits_begun(void)
{
    const struct services_stats *s = services_stats(services_of(host));

    return s->joins + s->joins_failed;
}

static void test_sim_service_invitations_replayed(void **state)
{
    struct world *w = &world;
    struct sim_tunnel *attacker;
    struct address_of first, second;
    struct relay_target rendezvous;
    struct puppet a, b, c, d;
    uint8_t noise1[MEETING_NOISE1_BYTES];
    uint64_t accepted, circuits;
    unsigned elsewhere = 0;

    (void)state;
    begin(w);
    attacker = sim_tunnel_of(w->sim, w->net.members[SERVER + 3]);
    learn_point(host, seed, &rows.points[0], &first);
    learn_point(host, seed, &rows.points[1], &second);
    while (elsewhere == first.member || elsewhere == second.member)
        elsewhere++;
    rendezvous_at(attacker, elsewhere, &rendezvous);
    invite(&first, attacker, &rendezvous, noise1);
    accepted = met(INTRODUCTION_ACCEPTED);

    puppet_at(w, &a, attacker, first.member);
    introduce(&a, &first, noise1, NULL);
    sim_run_for(w->sim, 15 * TIME_S);
    assert_int_equal(a.acks, 1);
    assert_int_equal(a.status, MEETING_TAKEN);
    assert_int_equal(met(INTRODUCTION_ACCEPTED), accepted + 1);
    circuits = circuits_begun();

    /* at the same point, on another circuit, and often */
    for (unsigned i = 0; i < 20; i++) {
        puppet_at(w, &b, attacker, first.member);
        introduce(&b, &first, noise1, NULL);
        sim_run_for(w->sim, 2 * TIME_S);
        assert_int_equal(b.status, MEETING_TAKEN); /* what it got */
        puppet_end_it(&b);
    }
    assert_int_equal(met(INTRODUCTION_REPLAYED), 20);
    /* At another point, for whose key it was not made. The answer is that to a
     * forged one, or two relays could see that they serve one service. */
    puppet_at(w, &c, attacker, second.member);
    introduce(&c, &second, noise1, NULL);
    sim_run_for(w->sim, 15 * TIME_S);
    assert_int_equal(c.status, MEETING_REFUSED);
    assert_int_equal(met(INTRODUCTION_REPLAYED), 21);
    assert_int_equal(circuits_begun(), circuits);
    assert_int_equal(met(INTRODUCTION_ACCEPTED), accepted + 1);

    /* after a restart at the same points: what was seen is forgotten */
    before = rows;
    leave(w);
    sim_run_for(w->sim, 30 * TIME_S);
    start_again();
    assert_true(run_until(w, has_points, 30 * TIME_S));
    circuits = circuits_begun();
    puppet_at(w, &d, attacker, first.member);
    introduce(&d, &first, noise1, NULL);
    sim_run_for(w->sim, 15 * TIME_S);
    assert_int_equal(d.status, MEETING_AGAIN);
    assert_int_equal(met(INTRODUCTION_STRANGE), 1);
    assert_int_equal(circuits_begun(), circuits);
    assert_answered(w, client, "the client", TIME_MIN);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_starts_again),
        cmocka_unit_test(test_sim_service_is_killed),
        cmocka_unit_test(test_sim_service_has_lost_its_seqs),
        cmocka_unit_test(test_sim_service_invitations_replayed),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
