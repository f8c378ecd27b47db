/* SPDX-License-Identifier: MIT
 *
 * The engine asks for three things (send, random bytes, events) and one timer.
 * Sends go to the sockets, the timer is a struct deadline that is armed anew
 * after whatever may have changed when the engine wants to be woken, and events
 * go to three places: the log, the store (an id, a node worth remembering) and
 * bootstrap, which tries while the node has joined over no family and rests
 * once it has. Publications are the engine's calls with the store beside them:
 * what is announced is on disk before the caller hears.
 */
#include "node/host/dht_host.h"
#include "base/timestamp.h"
#include "node/entry/bootstrap.h"
#include "node/host/dht_restore.h"
#include "node/host/own_address.h"
#include "node/net/deadline.h"
#include "node/os/clock.h"

#include <sodium.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Stored nodes get this long to answer before the bootstrap hosts are asked:
 * a node that finds its way alone leaves them alone. */
#define HEAD_START (2 * TIME_S)
#define SILENCE    (30 * TIME_S) /* that is said, after a start */

struct dht_host {
    struct dht_host_world world;
    const char *name;
    enum store_dht rows;
    struct dht *dht;
    struct bootstrap *bootstrap;
    struct deadline timer;
    bool joined[FAMILIES];
    bool spoken[FAMILIES];
    bool usable[FAMILIES]; /* and with a way out, unless none has */
    uint64_t lost_at;      /* TIME_NEVER while joined, or never joined */
    uint64_t joined_at;    /* TIME_NEVER while not joined */
    uint64_t waits_since;  /* TIME_NEVER: not for a first answer, or said */
    struct dht_restored restored;
    uint8_t random[256]; /* the last random_left of these are not used yet */
    size_t random_left;
};

/* ---- Environment of the engine ----------------------------------------- */

static void host_send(void *ctx, const struct endpoint *to,
                      struct bytes datagram)
{
    struct dht_host *h = ctx;

    udp_send(h->world.udp, to, datagram);
}

/* A few bytes are wanted for each answer with peers, and the kernel is asked
 * for many: a call costs as much as the rest of the answer. What was given out
 * is not kept. */
static void host_random(void *ctx, void *buf, size_t len)
{
    struct dht_host *h = ctx;
    uint8_t *from;

    if (len > sizeof(h->random)) {
        randombytes_buf(buf, len);
        return;
    }
    if (len > h->random_left) {
        randombytes_buf(h->random, sizeof(h->random));
        h->random_left = sizeof(h->random);
    }
    from = h->random + sizeof(h->random) - h->random_left;
    memcpy(buf, from, len);
    sodium_memzero(from, len);
    h->random_left -= len;
}

static void on_joined(struct dht_host *h, const struct dht_event *e)
{
    bool before = dht_host_joined(h);

    h->joined[e->family] = e->joined;
    h->waits_since = TIME_NEVER;
    if (before == dht_host_joined(h))
        return;
    h->lost_at = e->joined ? TIME_NEVER : clock_now();
    h->joined_at = e->joined ? clock_now() : TIME_NEVER;
    if (e->joined) {
        log_info(h->world.log, "joined the %s", h->name);
        bootstrap_stop(h->bootstrap);
    } else {
        log_warn(h->world.log, "no node of the %s answers any more", h->name);
        bootstrap_start(h->bootstrap, 0);
    }
}

static void on_id(struct dht_host *h, const struct dht_event *e)
{
    char id[ID_TEXT_SIZE], at[ENDPOINT_TEXT_SIZE];

    log_info(h->world.log,
             "seen as %s from outside: the node id in the %s is now %s",
             endpoint_print(&e->from, at), h->name, id_print(&e->id, id));
    dht_restore_keep_id(h->world.store, h->rows, e->family, &e->id);
}

static void on_published(struct dht_host *h, const struct dht_event *e)
{
    char id[ID_TEXT_SIZE], nodes[TEXT_COUNT_SIZE];

    if (e->error == OK)
        log_debug(h->world.log, "renewed %s on %s of the %s",
                  id_print(&e->id, id), text_count(e->stored, "node", nodes),
                  h->name);
    else if (e->error != ERR_NO_NODES) /* the first node of a network */
        log_info(h->world.log, "could not renew %s in the %s: %s",
                 id_print(&e->id, id), h->name, error_text(e->error));
}

static void on_node(struct dht_host *h, const struct dht_event *e)
{
    char id[ID_TEXT_SIZE], at[ENDPOINT_TEXT_SIZE];

    if (log_wants(h->world.log, LEVEL_DEBUG))
        log_debug(h->world.log,
                  "node %s at %s is in the routing table of the %s now",
                  id_print(&e->id, id),
                  log_endpoint(h->world.log, &e->from, at), h->name);
    dht_restore_keep_node(h->world.store, h->rows, &e->id, &e->from);
}

static void host_event(void *ctx, const struct dht_event *e)
{
    struct dht_host *h = ctx;

    switch (e->kind) {
    case DHT_EVENT_ID:
        on_id(h, e);
        break;
    case DHT_EVENT_NODE:
        on_node(h, e);
        break;
    case DHT_EVENT_JOINED:
        on_joined(h, e);
        break;
    case DHT_EVENT_PUBLISHED:
        on_published(h, e);
        break;
    }
}

static enum bootstrap_use on_bootstrap(void *arg, const struct endpoint *ep)
{
    struct dht_host *h = arg;
    uint64_t now = clock_now();

    if (own_address_is(h->world.udp, h, ep, now))
        return BOOTSTRAP_SELF;
    if (!h->spoken[ep->family])
        return BOOTSTRAP_OTHER_FAMILY;
    /* Names whose addresses change fill the list in time. */
    if (dht_bootstrap_add(h->dht, ep, now) == ERR_FULL) {
        dht_bootstrap_clear(h->dht);
        dht_bootstrap_add(h->dht, ep, now);
    }
    dht_host_rearm(h);
    /* It is there when the family has a way out. */
    return h->usable[ep->family] ? BOOTSTRAP_TAKEN : BOOTSTRAP_OTHER_FAMILY;
}

static void on_forget(void *arg)
{
    struct dht_host *h = arg;

    dht_bootstrap_clear(h->dht);
}

/* ---- Time -------------------------------------------------------------- */

static void on_due(void *arg)
{
    struct dht_host *h = arg;

    dht_tick(h->dht, clock_now());
    dht_host_rearm(h);
}

void dht_host_rearm(struct dht_host *h)
{
    deadline_arm(&h->timer, dht_next_deadline(h->dht));
}

enum error dht_host_receive(struct dht_host *h, const struct endpoint *from,
                            struct bytes datagram, uint64_t now)
{
    return dht_receive(h->dht, from, datagram, now);
}

void dht_host_send_failed(struct dht_host *h, const struct endpoint *to,
                          enum error why)
{
    dht_send_failed(h->dht, to, why, clock_now());
    dht_host_rearm(h);
}

void dht_host_watch(struct dht_host *h, uint64_t now)
{
    if (h->waits_since == TIME_NEVER ||
        time_since(h->waits_since, now) < SILENCE)
        return;
    h->waits_since = TIME_NEVER;
    /* A name that has no address was told of. */
    if (dht_host_trouble(h) == NULL && !dht_host_is_its_bootstrap(h))
        log_warn(h->world.log,
                 "no node of the %s has answered for %" PRIu64
                 " s: `warren status` says what to do",
                 h->name, SILENCE / TIME_S);
}

/* ---- Life -------------------------------------------------------------- */

static void add_way(struct text *to, size_t count, const char *noun,
                    const char *whose)
{
    char nodes[TEXT_COUNT_SIZE];

    if (count > 0)
        text_addf(to, "%s%s%s", to->len > 0 ? " and " : "",
                  text_count(count, noun, nodes), whose);
}

static void say_way_in(struct dht_host *h, const struct dht_host_plan *plan,
                       uint64_t now)
{
    struct text way;

    text_init(&way, 256);
    add_way(&way, plan->bootstrap->count, "bootstrap node", "");
    add_way(&way, dht_host_saved(h), "node", " of saved tables");
    add_way(&way, h->restored.nodes, "node", " of the last run");
    if (way.len > 0) {
        log_info(h->world.log, "looking for the %s through %s", h->name,
                 text_get(&way));
        h->waits_since = now;
    } else {
        log_info(h->world.log, "no node of the %s is known yet", h->name);
    }
    text_deinit(&way);
}

static enum error engine_start(struct dht_host *h,
                               const struct dht_config *config, uint64_t now)
{
    const struct dht_env env = {.ctx = h,
                                .send = host_send,
                                .random = host_random,
                                .event = host_event};
    struct dht_config dht_config = *config;
    enum error err;

    dht_restore_ids(h->world.store, h->rows, &dht_config);
    err = dht_new(&dht_config, &env, now, &h->dht);
    if (err != OK)
        return err;
    dht_restore_all(h->dht, h->world.store, h->rows, now, &h->restored);
    return OK;
}

enum error dht_host_new(const struct dht_host_world *world,
                        const struct dht_host_plan *plan, uint64_t now,
                        struct dht_host **out)
{
    struct dht_host *h = calloc(1, sizeof(*h));
    struct bootstrap_handler handler = {
        .arg = h, .found = on_bootstrap, .forget = on_forget};
    enum error err;

    if (h == NULL)
        return ERR_NO_MEMORY;
    h->world = *world;
    h->name = plan->name;
    h->rows = plan->rows;
    h->lost_at = h->joined_at = h->waits_since = TIME_NEVER;
    memcpy(h->spoken, plan->dht->family, sizeof(h->spoken));
    memcpy(h->usable, plan->dht->family, sizeof(h->usable));
    err = deadline_init(&h->timer, world->base, h, on_due);
    if (err != OK)
        goto fail;
    err = bootstrap_new(world->base, &handler, world->log, &h->bootstrap);
    if (err != OK)
        goto fail;
    err = engine_start(h, plan->dht, now);
    if (err == OK)
        err = bootstrap_configure(h->bootstrap, plan->bootstrap, plan->saved);
    if (err != OK)
        goto fail;
    say_way_in(h, plan, now);
    bootstrap_start(h->bootstrap, h->restored.nodes > 0 ? HEAD_START : 0);
    dht_host_rearm(h);
    *out = h;
    return OK;
fail:
    dht_host_free(h);
    return err;
}

void dht_host_free(struct dht_host *h)
{
    if (h == NULL)
        return;
    bootstrap_free(h->bootstrap);
    dht_free(h->dht);
    deadline_deinit(&h->timer);
    free(h);
}

enum error dht_host_reconfigure(struct dht_host *h,
                                const struct dht_host_plan *plan)
{
    enum error err = dht_reconfigure(h->dht, plan->dht);
    enum error saved;

    dht_bootstrap_clear(h->dht);
    saved = bootstrap_configure(h->bootstrap, plan->bootstrap, plan->saved);
    dht_host_rearm(h);
    return err == OK ? saved : err;
}

const char *dht_host_name(const struct dht_host *h)
{
    return h->name;
}

struct dht *dht_host_engine(const struct dht_host *h)
{
    return h->dht;
}

void dht_host_network_changed(struct dht_host *h, const bool usable[FAMILIES],
                              const bool moved[FAMILIES], uint64_t now)
{
    bool any = usable[FAMILY_IPV4] || usable[FAMILY_IPV6];

    for (int f = 0; f < FAMILIES; f++)
        h->usable[f] = h->spoken[f] && (usable[f] || !any);
    dht_network_changed(h->dht, usable, moved, now);
    if (!dht_host_joined(h))
        bootstrap_hurry(h->bootstrap);
    dht_host_rearm(h);
}

bool dht_host_has_joined(const struct dht_host *h, enum family f)
{
    return h->joined[f];
}

bool dht_host_joined(const struct dht_host *h)
{
    return h->joined[FAMILY_IPV4] || h->joined[FAMILY_IPV6];
}

uint64_t dht_host_joined_at(const struct dht_host *h)
{
    return h->joined_at;
}

uint64_t dht_host_lost_at(const struct dht_host *h)
{
    return h->lost_at;
}

unsigned dht_host_restored(const struct dht_host *h)
{
    return h->restored.nodes;
}

uint64_t dht_host_not_restored(const struct dht_host *h)
{
    return h->restored.failures;
}

size_t dht_host_saved(const struct dht_host *h)
{
    return bootstrap_saved(h->bootstrap);
}

const char *dht_host_trouble(const struct dht_host *h)
{
    return bootstrap_trouble(h->bootstrap);
}

bool dht_host_is_its_bootstrap(const struct dht_host *h)
{
    return bootstrap_is_self(h->bootstrap);
}

/* ---- Own publications -------------------------------------------------- */

static void after_change(struct dht_host *h)
{
    /* A failure stays queued, and the health says so. */
    store_flush(h->world.store, (int64_t)clock_wall());
    dht_host_rearm(h);
}

static enum error announce(struct dht_host *h,
                           const struct store_announcement *a,
                           const struct dht_handler *handler, dht_request *out)
{
    enum error err = (a->seed ? dht_announce_seed : dht_announce)(
        h->dht, &a->info_hash, a->port, a->implied_port, handler, clock_now(),
        out);

    if (err == OK)
        store_put_announcement(h->world.store, h->rows, a);
    after_change(h);
    return err;
}

enum error dht_host_announce(struct dht_host *h, const struct id *info_hash,
                             uint16_t port, bool implied_port,
                             const struct dht_handler *handler,
                             dht_request *out)
{
    const struct store_announcement a = {.info_hash = *info_hash,
                                         .port = implied_port ? 0 : port,
                                         .implied_port = implied_port,
                                         .since = (int64_t)clock_wall()};

    return announce(h, &a, handler, out);
}

enum error dht_host_announce_seed(struct dht_host *h,
                                  const struct id *info_hash, uint16_t port,
                                  bool implied_port,
                                  const struct dht_handler *handler,
                                  dht_request *out)
{
    const struct store_announcement a = {.info_hash = *info_hash,
                                         .port = implied_port ? 0 : port,
                                         .implied_port = implied_port,
                                         .since = (int64_t)clock_wall(),
                                         .seed = true};

    return announce(h, &a, handler, out);
}

enum error dht_host_withdraw(struct dht_host *h, const struct id *target)
{
    bool announced = dht_withdraw(h->dht, target) == OK;
    bool put = dht_unput(h->dht, target) == OK;
    /* Over the cap there is more on disk than is published. */
    bool kept = store_has_announcement(h->world.store, h->rows, target) ||
                store_has_item(h->world.store, h->rows, target);

    store_remove_announcement(h->world.store, h->rows, target);
    store_remove_item(h->world.store, h->rows, target);
    after_change(h);
    return announced || put || kept ? OK : ERR_NOT_FOUND;
}

enum error dht_host_put(struct dht_host *h, const struct dht_item *item,
                        const int64_t *cas, const struct dht_handler *handler,
                        dht_request *out)
{
    enum error err = dht_put(h->dht, item, cas, handler, clock_now(), out);

    dht_host_rearm(h);
    return err;
}

void dht_host_keep_item(struct dht_host *h, const struct dht_item *item)
{
    dht_restore_keep_item(h->world.store, h->rows, item);
    after_change(h);
}

enum error dht_host_own_seq(struct dht_host *h, const struct id *target,
                            int64_t *out)
{
    return dht_restore_own_seq(h->world.store, h->rows, target, out);
}

bool dht_host_keeps(const struct dht_host *h, bool is_item,
                    const struct id *target)
{
    struct store *s = h->world.store;

    return is_item ? store_has_item(s, h->rows, target) &&
                         !store_queues_item(s, h->rows, target)
                   : store_has_announcement(s, h->rows, target) &&
                         !store_queues_announcement(s, h->rows, target);
}

bool dht_host_comes_back(const struct dht_host *h, const struct id *target)
{
    return store_queues_announcement(h->world.store, h->rows, target) ||
           store_queues_item(h->world.store, h->rows, target);
}
