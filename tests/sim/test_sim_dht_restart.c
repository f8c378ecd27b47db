/* SPDX-License-Identifier: MIT
 *
 * All nodes of a network restarted at once, each with what it keeps on disk:
 * its id, nodes that it knew, what it announces. Nobody has a stored peer left,
 * and nobody's table is filled when all announce at the same time.
 */
#include "sim_dht_test.h"

#define NODES 12
#define EACH  150 /* hashes that a node announces */

/* What is on the disk of a node. */
struct disk {
    struct dht_config config;
    struct id known_ids[NODES];
    struct endpoint known[NODES];
    unsigned known_count;
    struct id hashes[EACH];
};

static struct disk disks[NODES];

static struct dht *engine(struct world *w, uint32_t i)
{
    return sim_dht_of(w->sim, w->net.members[i])->dht;
}

static void announce_all(struct world *w, uint32_t i)
{
    for (unsigned k = 0; k < EACH; k++)
        assert_int_equal(dht_announce(engine(w, i), &disks[i].hashes[k],
                                      (uint16_t)(2000 + k), false, NULL,
                                      sim_now(w->sim), NULL),
                         OK);
    sim_wake(w->sim, w->net.members[i]);
}

static void keep_node(void *ctx, const struct dht_node_info *info)
{
    struct disk *d = ctx;

    if (d->known_count == NODES)
        return;
    d->known_ids[d->known_count] = info->id;
    d->known[d->known_count++] = info->ep;
}

static void save(struct world *w, uint32_t i)
{
    struct disk *d = &disks[i];
    struct dht_status status;

    sim_dht_status(w->sim, w->net.members[i], &status);
    d->config = w->net.config;
    for (int f = 0; f < FAMILIES; f++) {
        d->config.has_id[f] = true;
        d->config.id[f] = status.id[f];
    }
    d->known_count = 0;
    dht_nodes(engine(w, i), sim_now(w->sim), keep_node, d);
}

static void restart(struct world *w)
{
    for (uint32_t i = 0; i < NODES; i++)
        save(w, i);
    for (uint32_t i = 0; i < NODES; i++)
        sim_kill(w->sim, w->net.members[i]);
    sim_run_for(w->sim, 5 * TIME_S);
    for (uint32_t i = 0; i < NODES; i++) {
        struct disk *d = &disks[i];

        assert_int_equal(sim_dht_revive(w->sim, w->net.members[i], &d->config),
                         OK);
        for (unsigned k = 0; k < d->known_count; k++)
            dht_node_add(engine(w, i), &d->known_ids[k], &d->known[k],
                         sim_now(w->sim));
        announce_all(w, i);
    }
}

/* Of the hashes of all, how many another node finds. */
static unsigned findable(struct world *w)
{
    unsigned found = 0;

    for (uint32_t i = 0; i < NODES; i++) {
        for (unsigned k = 0; k < EACH; k += 5) {
            uint32_t asker = w->net.members[(i + 1 + k / 5) % NODES];
            struct sim_request r;
            struct endpoint peer;

            if (asker == w->net.members[i])
                asker = w->net.members[(i + 1) % NODES];
            assert_true(
                sim_endpoint(w->sim, w->net.members[i], FAMILY_IPV4, &peer));
            peer.port = (uint16_t)(2000 + k);
            assert_int_equal(
                sim_dht_get_peers(w->sim, asker, &disks[i].hashes[k], &r), OK);
            assert_true(
                sim_request_wait(w->sim, &r, sim_now(w->sim) + TIME_MIN));
            found += sim_request_has_peer(&r, &peer);
        }
    }
    return found;
}

/* Of the publications of all, how many are in this state. */
static unsigned in_state(struct world *w, enum dht_published state)
{
    unsigned sum = 0;

    for (uint32_t i = 0; i < NODES; i++) {
        struct dht_status s;

        sim_dht_status(w->sim, w->net.members[i], &s);
        sum += s.published[state];
    }
    return sum;
}

static uint64_t rate_limited(struct world *w)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < NODES; i++)
        sum += dht_stats(engine(w, i))->dropped[ERR_RATE_LIMITED];
    return sum;
}

/* All is stored within half a minute or so, and looked up within the next,
 * without asking anybody more than he answers. */
static void test_sim_dht_all_restarted_at_once(void **state)
{
    struct world *w = &world;

    (void)state;
    world_init(w);
    world_start(w);
    world_grow(w, NODES, 50 * TIME_MS);
    for (uint32_t i = 0; i < NODES; i++) {
        for (unsigned k = 0; k < EACH; k++)
            world_random_id(w, &disks[i].hashes[k]);
        announce_all(w, i);
    }
    sim_run_for(w->sim, 10 * TIME_MIN);
    restart(w);
    sim_run_for(w->sim, 35 * TIME_S);
    assert_int_equal(in_state(w, DHT_PUBLISHED_STORED) +
                         in_state(w, DHT_PUBLISHED_FOUND),
                     NODES * EACH);
    sim_run_for(w->sim, 45 * TIME_S);
    assert_int_equal(in_state(w, DHT_PUBLISHED_FOUND), NODES * EACH);
    assert_int_equal(findable(w), NODES * EACH / 5);
    assert_int_equal(rate_limited(w), 0);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sim_dht_all_restarted_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, world_cleanup);
}
