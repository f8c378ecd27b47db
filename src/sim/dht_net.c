/* SPDX-License-Identifier: MIT
 *
 * Members are node indexes in one array: first the bootstrap nodes and keepers,
 * which stay, then those that churn replaces in place. Lookups run in batches,
 * and each is waited for in turn.
 */
#include "sim/dht_net.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define LOOKUPS_AT_A_TIME 16

void sim_dht_net_init(struct sim_dht_net *net, struct sim *s)
{
    *net = (struct sim_dht_net){
        .sim = s, .place = {.family = {true, false}}, .bootstraps = 1};
    dht_config_init(&net->config);
}

void sim_dht_net_deinit(struct sim_dht_net *net)
{
    free(net->members);
    net->members = NULL;
    net->count = net->cap = 0;
}

/* ---- Coming and going -------------------------------------------------- */

static enum error reserve(struct sim_dht_net *net)
{
    uint32_t cap = net->cap == 0 ? 64 : 2 * net->cap;
    uint32_t *members;

    if (net->count < net->cap)
        return OK;
    members = realloc(net->members, cap * sizeof(*members));
    if (members == NULL)
        return ERR_NO_MEMORY;
    net->members = members;
    net->cap = cap;
    return OK;
}

static enum error newcomer(struct sim_dht_net *net, uint32_t *out)
{
    uint32_t node;
    enum error err = sim_dht_add(net->sim, &net->place, &net->config, &node);

    if (err != OK)
        return err;
    for (uint32_t i = 0; i < net->bootstraps && i < net->count; i++)
        sim_dht_bootstrap(net->sim, node, net->members[i]);
    *out = node;
    return OK;
}

enum error sim_dht_net_join(struct sim_dht_net *net, uint32_t *out)
{
    uint32_t node;
    enum error err = reserve(net);

    if (err == OK)
        err = newcomer(net, &node);
    if (err != OK)
        return err;
    net->members[net->count++] = node;
    *out = node;
    return OK;
}

enum error sim_dht_net_grow(struct sim_dht_net *net, uint32_t n,
                            uint64_t interval)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t node;
        enum error err = sim_dht_net_join(net, &node);

        if (err != OK)
            return err;
        sim_run_for(net->sim, interval);
    }
    return OK;
}

/* Place of a member that need not stay. */
static uint32_t any_place(struct sim_dht_net *net)
{
    uint32_t stay = net->bootstraps + net->keepers;

    assert(net->count > stay);
    return stay + sim_rng_below(sim_rng(net->sim), net->count - stay);
}

uint32_t sim_dht_net_any(struct sim_dht_net *net)
{
    return net->members[any_place(net)];
}

/* One member, none of those that stay, dies; a newcomer takes its place. */
static enum error replace_one(struct sim_dht_net *net)
{
    uint32_t place = any_place(net), node;
    enum error err = newcomer(net, &node);

    if (err != OK)
        return err;
    sim_kill(net->sim, net->members[place]);
    net->members[place] = node;
    net->replaced++;
    return OK;
}

static void churn(void *ctx, uint64_t now)
{
    struct sim_dht_net *net = ctx;
    enum error err;

    if (net->churn_interval == 0)
        return;
    err = replace_one(net);
    if (err == OK)
        err = sim_at(net->sim, now + net->churn_interval, churn, net);
    if (net->error == OK)
        net->error = err;
}

enum error sim_dht_net_churn(struct sim_dht_net *net, double per_hour)
{
    bool ran = net->churn_interval != 0;

    net->churn_interval =
        per_hour <= 0 ? 0
                      : (uint64_t)((double)TIME_HOUR / (per_hour * net->count));
    if (ran || net->churn_interval == 0)
        return OK;
    return sim_at(net->sim, sim_now(net->sim) + net->churn_interval, churn,
                  net);
}

/* ---- Counting ---------------------------------------------------------- */

static void count_lookup(const struct sim_request *r,
                         const struct endpoint *peer, struct sim_score *score)
{
    unsigned hops = r->result.hops < 16 ? r->result.hops : 15;
    bool found = sim_request_has_peer(r, peer);

    score->tried++;
    score->asked += r->result.asked;
    score->timeouts += r->timeouts;
    score->duration += r->result.duration;
    score->found += found;
    score->hops[hops] += found;
}

struct batch {
    struct sim_request requests[LOOKUPS_AT_A_TIME];
    uint32_t key[LOOKUPS_AT_A_TIME];
};

static void start_batch(struct sim_dht_net *net, struct batch *b, unsigned n,
                        const struct id *hashes, uint32_t hash_count)
{
    for (unsigned i = 0; i < n; i++) {
        enum error err;

        b->key[i] = sim_rng_below(sim_rng(net->sim), hash_count);
        err = sim_dht_get_peers(net->sim, sim_dht_net_any(net),
                                &hashes[b->key[i]], &b->requests[i]);
        if (err != OK) { /* refused: counts as not found */
            b->requests[i].done = true;
            b->requests[i].result.error = err;
        }
    }
}

void sim_dht_net_lookups(struct sim_dht_net *net, const struct id *hashes,
                         const struct endpoint *peers, uint32_t hash_count,
                         unsigned n, struct sim_score *score)
{
    struct batch *b = malloc(sizeof(*b));

    assert(b != NULL && hash_count > 0);
    while (n > 0) {
        unsigned some = n < LOOKUPS_AT_A_TIME ? n : LOOKUPS_AT_A_TIME;
        uint64_t limit = sim_now(net->sim) + 2 * TIME_MIN;

        start_batch(net, b, some, hashes, hash_count);
        for (unsigned i = 0; i < some; i++) {
            struct sim_request *r = &b->requests[i];

            /* A lookup that hangs counts as one that found nothing; one
             * whose node has died is left out. */
            if (sim_request_wait(net->sim, r, limit) ||
                sim_alive(net->sim, r->node))
                count_lookup(r, &peers[b->key[i]], score);
            sim_request_cancel(net->sim, r);
        }
        n -= some;
    }
    free(b);
}

unsigned sim_score_median_hops(const struct sim_score *score)
{
    unsigned below = 0;

    for (unsigned h = 0; h < 16; h++) {
        below += score->hops[h];
        if (2 * below >= score->found && score->found > 0)
            return h;
    }
    return 0;
}

uint64_t sim_dht_net_sent(const struct sim_dht_net *net)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < sim_nodes(net->sim); i++)
        sum += sim_node_sent(net->sim, i);
    return sum;
}
