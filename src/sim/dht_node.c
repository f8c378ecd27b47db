/* SPDX-License-Identifier: MIT
 *
 * The upper half puts a DHT engine behind the four functions that the simulator
 * calls, and what the engine tells into counters. The lower half makes requests
 * and keeps their results, for tests that look at them when all is over.
 */
#include "sim/dht_node.h"

#include "sim/habit.h"

#include <stdlib.h>
#include <string.h>

/* ---- The engine in its world ------------------------------------------- */

static bool is_upkeep(enum dht_method method)
{
    return method == DHT_PING || method == DHT_FIND_NODE;
}

static bool asks_upkeep(const struct sim_dht *n, struct bytes datagram)
{
    struct dht_message m;

    return dht_message_read(n->dialect, datagram, &m) == OK &&
           m.kind == DHT_QUERY && is_upkeep(m.method);
}

/* An answer leaves while its query is being received, and so it is known what
 * it is for. */
static void count_upkeep(const struct sim_dht *n, struct bytes datagram)
{
    struct dht_message m;

    if (dht_message_read(n->dialect, datagram, &m) != OK ||
        !(m.kind == DHT_QUERY ? is_upkeep(m.method) : n->answers_upkeep))
        return;
    n->upkeep->datagrams++;
    n->upkeep->bytes += datagram.len;
}

static void env_send(void *ctx, const struct endpoint *to,
                     struct bytes datagram)
{
    struct sim_dht *n = ctx;

    uint8_t buf[DHT_MESSAGE_MAX];

    if (n->habits != 0)
        datagram = sim_habit_out(n->habits, datagram, buf);
    if (n->upkeep != NULL)
        count_upkeep(n, datagram);
    sim_send(n->sim, n->node, to, datagram);
}

static void env_random(void *ctx, void *buf, size_t len)
{
    struct sim_dht *n = ctx;

    sim_random(n->sim, n->node, buf, len);
}

static void env_event(void *ctx, const struct dht_event *event)
{
    struct sim_dht *n = ctx;

    switch (event->kind) {
    case DHT_EVENT_ID:
        n->id[event->family] = event->id;
        n->id_changes++;
        break;
    case DHT_EVENT_JOINED:
        if (event->joined && n->joined_at == TIME_NEVER)
            n->joined_at = sim_now(n->sim);
        break;
    case DHT_EVENT_PUBLISHED:
        if (event->error == OK)
            n->published++;
        else
            n->publish_failed++;
        break;
    case DHT_EVENT_NODE:
        break;
    }
}

static void engine_receive(void *engine, const struct endpoint *from,
                           struct bytes datagram, uint64_t now)
{
    uint8_t buf[DHT_MESSAGE_MAX];
    struct sim_dht *n = engine;
    struct bytes answer;

    if (n->takes != NULL && n->takes(n, from, datagram))
        return;
    if (n->habits != 0) {
        datagram = sim_habit_in(n->habits, datagram, buf, &answer);
        if (answer.len > 0)
            sim_send(n->sim, n->node, from, answer);
        if (datagram.len == 0)
            return;
    }
    n->answers_upkeep = n->upkeep != NULL && asks_upkeep(n, datagram);
    dht_receive(n->dht, from, datagram, now);
    n->answers_upkeep = false;
}

static void engine_tick(void *engine, uint64_t now)
{
    struct sim_dht *n = engine;

    dht_tick(n->dht, now);
}

static uint64_t engine_next_deadline(void *engine)
{
    struct sim_dht *n = engine;

    return dht_next_deadline(n->dht);
}

static void engine_prefetch(const void *engine, unsigned stage)
{
    const struct sim_dht *n = engine;

    if (stage == 0)
        __builtin_prefetch(n);
    else
        dht_prefetch(n->dht, stage);
}

static void engine_free(void *engine)
{
    struct sim_dht *n = engine;

    dht_free(n->dht);
    free(n);
}

static const struct sim_engine dht_engine = {.receive = engine_receive,
                                             .tick = engine_tick,
                                             .next_deadline =
                                                 engine_next_deadline,
                                             .free = engine_free,
                                             .prefetch = engine_prefetch};

/* Those that it begins with: of every other one it tells. */
static void take_ids(struct sim_dht *n)
{
    struct dht_status status;

    dht_status(n->dht, n->started_at, &status);
    memcpy(n->id, status.id, sizeof(n->id));
}

enum error sim_dht_revive(struct sim *s, uint32_t node,
                          const struct dht_config *config)
{
    struct sim_dht *n = malloc(sizeof(*n));
    struct dht_env env = {n, env_send, env_random, env_event};
    struct dht_config c = *config;
    struct endpoint ep;
    enum error err;

    if (n == NULL)
        return ERR_NO_MEMORY;
    *n = (struct sim_dht){.sim = s,
                          .node = node,
                          .dialect = config->dialect,
                          .started_at = sim_now(s),
                          .joined_at = TIME_NEVER};
    for (int f = 0; f < FAMILIES; f++) {
        c.family[f] = sim_endpoint(s, node, (enum family)f, &ep);
        if (c.family[f])
            c.testing_network = !endpoint_is_global(&ep);
    }
    err = dht_new(&c, &env, sim_now(s), &n->dht);
    if (err != OK) {
        free(n);
        return err;
    }
    take_ids(n);
    sim_attach(s, node, sim_plane_of(n->dialect), &dht_engine, n);
    return OK;
}

enum error sim_dht_add(struct sim *s, const struct sim_place *place,
                       const struct dht_config *config, uint32_t *out)
{
    uint32_t node;
    enum error err = sim_node_add(s, place, &node);

    if (err == OK)
        err = sim_dht_revive(s, node, config);
    if (err == OK)
        *out = node;
    return err;
}

struct sim_dht *sim_dht_of(const struct sim *s, uint32_t node)
{
    return sim_engine_of(s, node, sim_dht_plane(s));
}

struct sim_dht *sim_dht_on(const struct sim *s, uint32_t node,
                           enum dht_dialect dialect)
{
    return sim_engine_of(s, node, sim_plane_of(dialect));
}

/* One that is dead may have had an engine of this dialect, and may come back.
 */
static void bootstrap_one(struct sim *s, enum dht_dialect dialect,
                          uint32_t node, uint32_t through)
{
    struct sim_dht *n = sim_dht_on(s, node, dialect);
    struct endpoint mine, ep;

    if (n == NULL ||
        (sim_alive(s, through) && sim_dht_on(s, through, dialect) == NULL))
        return;
    for (int f = 0; f < FAMILIES; f++)
        if (sim_endpoint(s, node, (enum family)f, &mine) &&
            sim_endpoint(s, through, (enum family)f, &ep))
            dht_bootstrap_add(n->dht, &ep, sim_now(s));
    sim_wake(s, node);
}

void sim_dht_bootstrap(struct sim *s, uint32_t node, uint32_t through)
{
    bootstrap_one(s, DHT_DIALECT_WARREN, node, through);
    bootstrap_one(s, DHT_DIALECT_MAINLINE, node, through);
}

void sim_dht_status(const struct sim *s, uint32_t node, struct dht_status *out)
{
    const struct sim_dht *n = sim_dht_of(s, node);

    *out = (struct dht_status){0};
    if (n != NULL)
        dht_status(n->dht, sim_now(s), out);
}

/* ---- Requests ---------------------------------------------------------- */

static void see_first(struct sim_request *r, const struct dht_step *found_by)
{
    r->first = time_min(r->first, found_by->answered_at);
}

static void on_peer(void *ctx, const struct endpoint *peer,
                    const struct dht_step *found_by)
{
    struct sim_request *r = ctx;

    see_first(r, found_by);
    if (r->peer_count < SIM_REQUEST_PEERS)
        r->peers[r->peer_count++] = *peer;
}

static void on_item(void *ctx, const struct dht_item *item,
                    const struct dht_step *found_by)
{
    struct sim_request *r = ctx;

    see_first(r, found_by);
    r->items++;
    r->item_seq = item->seq;
    r->item = *item->value;
}

static void on_step(void *ctx, const struct dht_step *step)
{
    struct sim_request *r = ctx;

    r->steps++;
    r->timeouts += step->outcome == DHT_STEP_TIMEOUT && !step->early;
    r->distrusted += step->outcome == DHT_STEP_DISTRUST;
    if (r->on_step != NULL)
        r->on_step(r->on_step_arg, step);
}

static void on_done(void *ctx, const struct dht_result *result)
{
    struct sim_request *r = ctx;

    r->result = *result;
    r->done = true;
}

/* What every request begins with. NULL when the node is dead. */
static struct dht *begin(struct sim *s, uint32_t node, struct sim_request *r,
                         struct dht_handler *h)
{
    struct sim_dht *n = sim_dht_of(s, node);

    *h = (struct dht_handler){r, on_peer, on_item, on_step, on_done};
    memset(r, 0, sizeof(*r));
    r->node = node;
    r->began = sim_now(s);
    r->first = TIME_NEVER;
    return n != NULL ? n->dht : NULL;
}

static enum error end(struct sim *s, uint32_t node, enum error err)
{
    sim_wake(s, node);
    return err;
}

enum error sim_dht_find_node(struct sim *s, uint32_t node,
                             const struct id *target, struct sim_request *r)
{
    struct dht_handler h;
    struct dht *d = begin(s, node, r, &h);

    if (d == NULL)
        return ERR_NO_NODES;
    return end(s, node, dht_find_node(d, target, &h, sim_now(s), &r->id));
}

enum error sim_dht_get_peers(struct sim *s, uint32_t node,
                             const struct id *hash, struct sim_request *r)
{
    struct dht_handler h;
    struct dht *d = begin(s, node, r, &h);

    if (d == NULL)
        return ERR_NO_NODES;
    return end(s, node, dht_get_peers(d, hash, &h, sim_now(s), &r->id));
}

enum error sim_dht_announce(struct sim *s, uint32_t node, const struct id *hash,
                            uint16_t port, struct sim_request *r)
{
    struct dht_handler h;
    struct dht *d = begin(s, node, r, &h);

    if (d == NULL)
        return ERR_NO_NODES;
    return end(s, node,
               dht_announce(d, hash, port, false, &h, sim_now(s), &r->id));
}

enum error sim_dht_get_item(struct sim *s, uint32_t node,
                            const struct id *target, struct sim_request *r)
{
    struct dht_handler h;
    struct dht *d = begin(s, node, r, &h);

    if (d == NULL)
        return ERR_NO_NODES;
    return end(
        s, node,
        dht_get_item(d, target, bytes_of(NULL, 0), &h, sim_now(s), &r->id));
}

enum error sim_dht_put(struct sim *s, uint32_t node,
                       const struct dht_item *item, struct sim_request *r)
{
    struct dht_handler h;
    struct dht *d = begin(s, node, r, &h);

    if (d == NULL)
        return ERR_NO_NODES;
    return end(s, node, dht_put(d, item, NULL, &h, sim_now(s), &r->id));
}

void sim_request_cancel(struct sim *s, struct sim_request *r)
{
    struct sim_dht *n = sim_dht_of(s, r->node);

    if (!r->done && r->id != 0 && n != NULL)
        dht_cancel(n->dht, r->id);
}

/* Death is looked for once a second only: it sets no flag. */
bool sim_request_wait(struct sim *s, const struct sim_request *r,
                      uint64_t limit)
{
    while (!r->done && sim_alive(s, r->node) && sim_now(s) < limit)
        sim_run_until_set(s, &r->done, time_min(limit, sim_now(s) + TIME_S));
    return r->done;
}

bool sim_request_has_peer(const struct sim_request *r,
                          const struct endpoint *peer)
{
    for (size_t i = 0; i < r->peer_count; i++)
        if (endpoint_equal(&r->peers[i], peer))
            return true;
    return false;
}
