/* SPDX-License-Identifier: MIT
 *
 * Clients name where they are to be met. What they name is a relay after the
 * other, relays that refuse, nobody, the service itself: that shows no more
 * hops of the service than a few that stay, changes nothing about them, and
 * harms no other client.
 */
#include "puppet.h"

#define RELAYING  40
#define SERVER    RELAYING
#define ATTACKERS 2
#define DRONES    128
#define LIFE      (3 * TIME_S) /* of a drone's circuit */

static const uint8_t seed[32] = {29, 1};
static const struct service_options options = {.hops = 3};

static struct hearer *host, *client;
static struct sim_rows rows;
static struct address_of points[3];

static bool is_for_good(const struct vanguard_set *set)
{
    for (unsigned i = 0; i < set->count; i++)
        if (set->list[i].provisional)
            return false;
    return set->count > 0;
}

/* What is drawn before the view of the network is complete is drawn anew. */
static bool has_drawn(void)
{
    return is_for_good(services_layer2(services_of(host))) &&
           is_for_good(&service_of(host)->third);
}

static void begin(struct world *w)
{
    world_global(w);
    rows = (struct sim_rows){0};
    world_of(w, RELAYING, 3 + ATTACKERS);
    host = listen_to(w, w->net.members[SERVER]);
    client = listen_to(w, w->net.members[SERVER + 1]);
    host->answers = true;
    host->n->rows = &rows;
    serve(host, seed, &options, NULL);
    assert_true(run_until(w, has_drawn, 20 * TIME_MIN));
    sim_run_for(w->sim, 12 * TIME_MIN); /* circuits over the first ones end */
    wait_until_verified(w, host);
    assert_int_equal(rows.point_count, 3);
    for (unsigned i = 0; i < 3; i++)
        learn_point(host, seed, &rows.points[i], &points[i]);
}

static uint64_t met(enum introduction_result r)
{
    return status_of(host).introductions[r];
}

/* ---- What is seen of the service ---------------------------------------- */

static struct {
    bool at[3][WORLD_MEMBERS]; /* who was its first, second, third hop */
    unsigned most;             /* circuits at once */
} seen;

static unsigned count_seen(unsigned place)
{
    unsigned count = 0;

    for (unsigned i = 0; i < WORLD_MEMBERS; i++)
        count += seen.at[place][i];
    return count;
}

static void look(void)
{
    struct circuits *cs = circuits_of_node(host->n);
    unsigned services = 0;

    for (unsigned i = 0; i < circuits_count(cs); i++) {
        const struct circuit *c = circuits_at(cs, i);

        if (c->use != CIRCUIT_FOR_SERVICE)
            continue;
        services++;
        for (unsigned k = 0; k < 3 && k < c->length; k++)
            seen.at[k][member_of(c->hop[k].target.identity)] = true;
    }
    seen.most = services > seen.most ? services : seen.most;
}

/* ---- Drones ------------------------------------------------------------- */

struct drone {
    struct puppet p;
    unsigned point;
    bool said;
    uint64_t until;
};

static struct {
    bool on;
    uint64_t each;
    unsigned next, said;
    unsigned acks[MEETING_STATUS_END_];
    /* The n-th one's rendezvous. */
    void (*name)(unsigned n, const struct sim_tunnel *by,
                 struct relay_target *out);
    struct drone drones[DRONES];
} swarm;

static void ask(struct drone *d)
{
    struct relay_target rendezvous;
    uint8_t noise1[MEETING_NOISE1_BYTES];

    swarm.name(swarm.said, d->p.n, &rendezvous);
    invite(&points[d->point], d->p.n, &rendezvous, noise1);
    introduce(&d->p, &points[d->point], noise1, NULL);
    d->said = true;
    swarm.said++;
}

static void fire(void *ctx, uint64_t now)
{
    struct world *w = ctx;
    struct drone *free_one = NULL;

    look();
    for (unsigned i = 0; i < DRONES; i++) {
        struct drone *d = &swarm.drones[i];

        if (d->p.c != NULL && d->p.ready && !d->said)
            ask(d);
        if (d->until != 0 && now >= d->until) {
            if (d->p.acks > 0)
                swarm.acks[d->p.status]++;
            puppet_end_it(&d->p);
            d->until = 0;
        }
        if (d->until == 0)
            free_one = d;
    }
    if (!swarm.on)
        return;
    if (free_one != NULL) {
        unsigned by = SERVER + 3 + swarm.next % ATTACKERS;

        *free_one =
            (struct drone){.point = swarm.next % 3, .until = now + LIFE};
        puppet_begin(&free_one->p, sim_tunnel_of(w->sim, w->net.members[by]),
                     &points[free_one->point].member, 1);
        swarm.next++;
    }
    assert_int_equal(sim_at(w->sim, now + swarm.each, fire, w), OK);
}

static void swarm_begin(struct world *w, unsigned a_second,
                        void (*name)(unsigned n, const struct sim_tunnel *by,
                                     struct relay_target *out))
{
    memset(&swarm, 0, sizeof(swarm));
    memset(&seen, 0, sizeof(seen));
    swarm.on = true;
    swarm.each = TIME_S / a_second;
    swarm.name = name;
    fire(w, sim_now(w->sim));
}

static void swarm_end(struct world *w)
{
    swarm.on = false;
    sim_run_for(w->sim, 5 * TIME_S);
    for (unsigned i = 0; i < DRONES; i++)
        if (swarm.drones[i].until != 0)
            puppet_end_it(&swarm.drones[i].p);
    print_message("  %u asked: taken %u, refused %u, busy %u; circuits at "
                  "most %u; hops seen %u, %u, %u\n",
                  swarm.said, swarm.acks[MEETING_TAKEN],
                  swarm.acks[MEETING_REFUSED], swarm.acks[MEETING_BUSY],
                  seen.most, count_seen(0), count_seen(1), count_seen(2));
}

/* ---- Whom they name ----------------------------------------------------- */

static void each_in_turn(unsigned n, const struct sim_tunnel *by,
                         struct relay_target *out)
{
    rendezvous_at(by, n % RELAYING, out);
}

/* Keys of nobody, at relays: they do not answer the handshake. */
static void nobody_at_relays(unsigned n, const struct sim_tunnel *by,
                             struct relay_target *out)
{
    rendezvous_at(by, n % RELAYING, out);
    randombytes_buf(out->identity, 32);
    randombytes_buf(out->handshake_key, 32);
}

static void nobody_at_all(unsigned n, const struct sim_tunnel *by,
                          struct relay_target *out)
{
    nobody_at_relays(n, by, out);
    out->endpoints[0].addr[0] = 9;
    out->endpoints[0].addr[3] = (uint8_t)n;
}

static void the_service_itself(unsigned n, const struct sim_tunnel *by,
                               struct relay_target *out)
{
    rendezvous_at(by, n % RELAYING, out);
    memcpy(out->identity, identities[SERVER], 32);
    sim_endpoint(by->sim, world.net.members[SERVER], FAMILY_IPV4,
                 &out->endpoints[0]);
}

static void private_addresses(unsigned n, const struct sim_tunnel *by,
                              struct relay_target *out)
{
    static const uint8_t addresses[3][4] = {
        {127, 0, 0, 1}, {10, 0, 0, 1}, {192, 168, 1, 1}};

    rendezvous_at(by, n % RELAYING, out);
    memcpy(out->endpoints[0].addr, addresses[n % 3], 4);
}

/* ---- Tests -------------------------------------------------------------- */

static void check_sets(const struct vanguard_set *layer2,
                       const struct vanguard_set *third)
{
    const struct vanguard_set *now2 = services_layer2(services_of(host));
    const struct vanguard_set *now3 = &service_of(host)->third;

    assert_int_equal(now2->count, layer2->count);
    assert_int_equal(now3->count, third->count);
    for (unsigned i = 0; i < layer2->count; i++)
        assert_memory_equal(now2->list[i].identity, layer2->list[i].identity,
                            32);
    for (unsigned i = 0; i < third->count; i++)
        assert_memory_equal(now3->list[i].identity, third->list[i].identity,
                            32);
}

/* Thousands, of whom nobody waits where he wants to be met. */
static void test_sim_service_guard_discovery(void **state)
{
    static void (*const names[])(unsigned n, const struct sim_tunnel *by,
                                 struct relay_target *out) = {
        each_in_turn, nobody_at_relays, nobody_at_all};
    struct world *w = &world;
    struct vanguard_set layer2, third;
    unsigned all = 0;

    (void)state;
    begin(w);
    layer2 = *services_layer2(services_of(host));
    third = service_of(host)->third;
    for (unsigned i = 0; i < 3; i++) {
        reach(client, status_of(host).key, 3);
        swarm_begin(w, 40, names[i]);
        sim_run_for(w->sim, 75 * TIME_S); /* until it asks for work */
        assert_answered(w, client, "an honest client", 40 * TIME_S);
        sim_run_for(w->sim, 25 * TIME_S);
        swarm_end(w);
        assert_at_most(count_seen(1), VANGUARD_LAYER2);
        assert_at_most(count_seen(2), VANGUARD_THIRD);
        assert_at_least(count_seen(2), VANGUARD_THIRD / 2);
        assert_at_most(seen.most, 64 + 16 + 32);
        check_sets(&layer2, &third);
        assert_int_equal(service_leave(services_of(client), client->service,
                                       false, sim_now(w->sim)),
                         OK);
        all += swarm.said;
    }
    print_message("  %u introductions\n", all);
    assert_at_least(all, 10000);
    world_end(w);
}

/* Refused before a circuit is built. */
static void test_sim_service_rendezvous_that_is_none(void **state)
{
    static void (*const names[])(unsigned n, const struct sim_tunnel *by,
                                 struct relay_target *out) = {
        the_service_itself, private_addresses};
    struct world *w = &world;
    uint64_t joins;

    (void)state;
    begin(w);
    for (unsigned i = 0; i < 2; i++) {
        joins = services_stats(services_of(host))->joins_failed;
        swarm_begin(w, 40, names[i]);
        sim_run_for(w->sim, 10 * TIME_S);
        swarm_end(w);
        assert_int_equal(swarm.acks[MEETING_TAKEN], 0);
        assert_at_least(swarm.acks[MEETING_REFUSED], 100);
        assert_int_equal(services_stats(services_of(host))->joins_failed,
                         joins);
    }
    assert_at_least(met(INTRODUCTION_REFUSED), 100);
    assert_at_least(met(INTRODUCTION_FORGED), 100);
    reach(client, status_of(host).key, 3);
    assert_answered(w, client, "an honest client", 30 * TIME_S);
    world_end(w);
}

/* A client that has itself met anew all the time: over the same hops. */
static int64_t short_lived(uint32_t i, struct member_config *c)
{
    (void)i;
    c->max_time = TIME_MIN;
    return 0;
}

static void test_sim_service_moves_show_no_more_hops(void **state)
{
    struct world *w = &world;
    uint8_t first[32];
    unsigned looks = 0, same = 0;

    (void)state;
    exitless_shape = short_lived;
    begin(w);
    reach(client, status_of(host).key, 3);
    assert_answered(w, client, "the client", 30 * TIME_S);
    memset(&seen, 0, sizeof(seen));
    for (unsigned i = 0; i < 900; i++) {
        const struct circuit *c;

        sim_run_for(w->sim, 2 * TIME_S);
        c = circuit_to_peer(host);
        if (c == NULL)
            continue;
        if (looks++ == 0)
            memcpy(first, c->hop[2].target.identity, 32);
        same += memcmp(first, c->hop[2].target.identity, 32) == 0;
        for (unsigned k = 0; k < 3; k++)
            seen.at[k][member_of(c->hop[k].target.identity)] = true;
    }
    print_message("  %u moves, hops seen %u, %u, %u; %u of %u looks the same\n",
                  (unsigned)services_stats(services_of(client))->moved,
                  count_seen(0), count_seen(1), count_seen(2), same, looks);
    assert_at_least(services_stats(services_of(client))->moved, 30);
    assert_at_most(count_seen(2), PEER_HOPS + 1);
    assert_at_least(same, looks * 2 / 3);
    assert_int_equal(client->gone, 0);
    exitless_shape = NULL;
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_service_guard_discovery),
        cmocka_unit_test(test_sim_service_rendezvous_that_is_none),
        cmocka_unit_test(test_sim_service_moves_show_no_more_hops),
    };

    if (sodium_init() < 0)
        return 1;
    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
