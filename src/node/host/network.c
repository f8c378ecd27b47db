/* SPDX-License-Identifier: MIT
 *
 * look() asks the kernel and compares with what was seen before; act() tells
 * the engines. Both are cheap and run whenever netwatch says that something
 * has changed, which on a busy machine mostly changes nothing for us.
 *
 * A view can be wrong, where routes depend on rules that it does not ask for:
 * a family that something comes through is usable whatever it says.
 */
#include "node/host/network.h"

#include "base/timestamp.h"
#include "dht/dht.h"
#include "node/host/dht_host.h"
#include "node/host/own_address.h"
#include "node/host/tunnel_host.h"
#include "node/net/deadline.h"
#include "node/os/clock.h"
#include "node/reach/netwatch.h"
#include "node/reach/silence.h"
#include "node/reach/view.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Default routes may come and go often; acting upon each costs lookups. */
#define ROUTE_PAUSE (30 * TIME_S)
#define LOOK_EVERY  (30 * TIME_S) /* where the kernel tells nothing */
#define BELIEVE_IN  (5 * TIME_S)  /* what is on its way when a family is cut */
/* Silence that was so long that the others have forgotten us. */
#define LONG_SILENCE TIME_MIN

struct network {
    struct network_world world;
    struct netwatch *watch;
    struct deadline timer; /* of the next question */
    struct view view;
    struct network_family family[FAMILIES];
    struct silence silence[FAMILIES];
    struct udp_traffic before[FAMILIES]; /* at the last tick */
    bool believed[FAMILIES];             /* usable, though the view denies it */
    bool seen;                           /* `view` is one */
    uint64_t looked_at, routed_at;
};

const char *network_family_name(enum family f)
{
    return f == FAMILY_IPV4 ? "IPv4" : "IPv6";
}

/* ---- Looking ------------------------------------------------------------ */

static void name(struct view_question *q, const struct endpoint *ep)
{
    if (q->named_count < VIEW_ENDPOINTS_MAX)
        q->named[q->named_count++] = *ep;
}

static void name_hosts(struct view_question *q, const struct config_hosts *list)
{
    for (unsigned i = 0; i < list->count; i++) {
        struct endpoint ep;

        if (endpoint_parse_addr(list->at[i].host, &ep) != OK)
            continue;
        ep.port = list->at[i].port;
        name(q, &ep);
    }
}

static void fill_question(const struct network *n, struct view_question *q)
{
    const struct config *c = n->world.config;

    q->testing_network = c->dht.testing_network;
    q->bound_count = q->named_count = 0;
    for (unsigned i = 0; i < udp_socket_count(n->world.udp) &&
                         q->bound_count < VIEW_ENDPOINTS_MAX;
         i++)
        q->bound[q->bound_count++] = udp_local(n->world.udp, i);
    name_hosts(q, &c->bootstrap);
    if (c->mainline_enabled)
        name_hosts(q, &c->mainline_bootstrap);
    for (unsigned i = 0; i < c->tunnel_relays.count; i++)
        name(q, &c->tunnel_relays.at[i]);
}

/* ---- Acting ------------------------------------------------------------- */

static void set_usable(struct network *n, enum family f, bool usable,
                       uint64_t now)
{
    struct network_family *s = &n->family[f];
    bool first = !n->seen;

    if (!s->listening || (s->usable == usable && !first))
        return;
    s->usable = usable;
    s->was_usable = s->was_usable || usable;
    s->cut_since = usable ? TIME_NEVER : now;
    if (!usable && s->was_usable)
        log_warn(n->world.log, "%s has no way out of this machine any more",
                 network_family_name(f));
    else if (!usable)
        log_info(n->world.log,
                 "%s has no way out of this machine: it is not counted on",
                 network_family_name(f));
    else if (!first)
        log_info(n->world.log, "%s has a way out of this machine again",
                 network_family_name(f));
}

static void tell_own_addresses(struct network *n, uint64_t now)
{
    for (int f = 0; f < FAMILIES; f++) {
        struct endpoint ep;
        bool certain =
            own_address_certain(n->world.udp, &n->view, (enum family)f, &ep);

        for (int d = 0; d < STORE_DHTS; d++)
            if (n->world.dhts[d] != NULL)
                dht_set_address(dht_host_engine(n->world.dhts[d]),
                                (enum family)f, certain ? &ep : NULL, now);
    }
}

static void act(struct network *n, const bool moved[FAMILIES], uint64_t now)
{
    bool usable[FAMILIES], any = false;

    for (int f = 0; f < FAMILIES; f++) {
        usable[f] = n->family[f].usable;
        any = any || usable[f];
    }
    udp_addresses_changed(n->world.udp);
    tell_own_addresses(n, now);
    for (int d = 0; d < STORE_DHTS; d++)
        if (n->world.dhts[d] != NULL)
            dht_host_network_changed(n->world.dhts[d], usable, moved, now);
    /* With nothing left there is nothing to choose: what is tried fails. */
    for (int f = 0; f < FAMILIES; f++)
        usable[f] = any ? usable[f] : n->family[f].listening;
    tunnel_host_network_changed(n->world.tunnels, usable, &n->view, now);
}

static void look(struct network *n, bool route, uint64_t now)
{
    struct view_question q;
    struct view view;
    bool moved[FAMILIES], changed = !n->seen;

    fill_question(n, &q);
    view_look(&q, &view);
    n->looked_at = now;
    for (int f = 0; f < FAMILIES; f++) {
        moved[f] = n->seen && view.has_source[f] &&
                   (!n->view.has_source[f] ||
                    !endpoint_equal(&n->view.source[f], &view.source[f]));
        if (view.print != n->view.print)
            n->believed[f] = false;
        changed = changed || moved[f] ||
                  (view.usable[f] || n->believed[f]) != n->family[f].usable;
    }
    if (route && !changed && time_since(n->routed_at, now) >= ROUTE_PAUSE) {
        n->routed_at = now;
        changed = true;
    }
    for (int f = 0; f < FAMILIES; f++)
        set_usable(n, (enum family)f, view.usable[f] || n->believed[f], now);
    n->view = view;
    n->seen = true;
    if (changed)
        act(n, moved, now);
}

static void on_changed(void *arg, bool route)
{
    struct network *n = arg;
    uint64_t now = clock_now();

    look(n, route, now);
    tunnel_host_interfaces_changed(n->world.tunnels, now);
}

/* ---- Watching ----------------------------------------------------------- */

/* Nodes of a family chosen by chance, in one walk. */
struct choice {
    enum family family;
    unsigned wanted, seen, count;
    struct endpoint at[SILENCE_SEVERAL];
};

static void choose(void *ctx, const struct dht_node_info *node)
{
    struct choice *c = ctx;
    unsigned place;

    if (node->ep.family != c->family)
        return;
    c->seen++;
    place = c->count < c->wanted ? c->count++ : randombytes_uniform(c->seen);
    if (place < c->wanted)
        c->at[place] = node->ep;
}

static void ask_some(struct dht_host *host, enum family f, unsigned count,
                     uint64_t now)
{
    struct dht *dht = dht_host_engine(host);
    struct choice c = {.family = f, .wanted = count};

    dht_nodes(dht, now, choose, &c);
    for (unsigned i = 0; i < c.count; i++)
        dht_ping(dht, &c.at[i], NULL, now, NULL);
    dht_host_rearm(host);
}

static bool has_joined(const struct network *n, int dht, enum family f)
{
    return n->world.dhts[dht] != NULL &&
           dht_host_has_joined(n->world.dhts[dht], f);
}

static void watch_silence(struct network *n, enum family f, uint64_t now)
{
    static const bool moved[FAMILIES];
    const struct udp_traffic *t = udp_traffic(n->world.udp, f);
    struct network_family *s = &n->family[f];
    bool alone = !s->usable || (!has_joined(n, STORE_DHT, f) &&
                                !has_joined(n, STORE_MAINLINE, f));
    unsigned asks =
        silence_look(&n->silence[f], t->received, t->sent, alone, now);
    uint64_t lasted;

    /* Those of one DHT may be gone for good. */
    for (int d = 0; d < STORE_DHTS && asks > 0; d++)
        if (has_joined(n, d, f))
            ask_some(n->world.dhts[d], f, asks, now);
    if (n->silence[f].silent == (s->silent_since != TIME_NEVER))
        return;
    if (n->silence[f].silent) {
        s->silent_since = n->silence[f].since;
        log_warn(n->world.log,
                 "over %s nothing has come from any other node for %" PRIu64
                 " s, though some were asked",
                 network_family_name(f),
                 time_since(s->silent_since, now) / TIME_S);
        return;
    }
    lasted = time_since(s->silent_since, now);
    s->silent_since = TIME_NEVER;
    if (alone)
        return;
    log_info(n->world.log, "over %s others answer again",
             network_family_name(f));
    if (lasted >= LONG_SILENCE)
        act(n, moved, now);
}

/* Begins and ends `refused_since`. Where the sockets have just said in the log
 * why (struct udp_traffic) it is not said again. */
static void watch_refusals(struct network *n, enum family f, uint64_t now)
{
    const struct udp_traffic *t = udp_traffic(n->world.udp, f);
    struct network_family *s = &n->family[f];

    if (t->sent != n->before[f].sent) {
        s->refused_since = TIME_NEVER;
    } else if (t->refused != n->before[f].refused) {
        if (s->refused_since == TIME_NEVER && t->said_at <= t->sent_at)
            log_warn(n->world.log, "nothing can be sent over %s: %s",
                     network_family_name(f), strerror(t->refusal));
        s->refused_since = time_min(s->refused_since, now);
        s->refusal = t->refusal;
    }
}

static void watch_view(struct network *n, enum family f, uint64_t now)
{
    static const bool moved[FAMILIES];
    const struct udp_traffic *t = udp_traffic(n->world.udp, f);
    struct network_family *s = &n->family[f];

    if (s->usable || !s->listening || t->received == n->before[f].received ||
        time_since(s->cut_since, now) < BELIEVE_IN)
        return;
    n->believed[f] = true;
    set_usable(n, f, true, now);
    act(n, moved, now);
}

static void rearm(struct network *n)
{
    uint64_t at = TIME_NEVER;

    for (int f = 0; f < FAMILIES; f++)
        if (n->family[f].listening)
            at = time_min(at, n->silence[f].next);
    deadline_arm(&n->timer, at);
}

static void listen_for_silence(struct network *n, uint64_t now)
{
    for (int f = 0; f < FAMILIES; f++)
        if (n->family[f].listening)
            watch_silence(n, (enum family)f, now);
    rearm(n);
}

static void on_due(void *arg)
{
    listen_for_silence(arg, clock_now());
}

void network_tick(struct network *n, uint64_t now)
{
    netwatch_tick(n->watch);
    if (!netwatch_listens(n->watch) &&
        time_since(n->looked_at, now) >= LOOK_EVERY)
        look(n, false, now);
    for (int f = 0; f < FAMILIES; f++) {
        if (!n->family[f].listening)
            continue;
        watch_view(n, (enum family)f, now);
        watch_refusals(n, (enum family)f, now);
        n->before[f] = *udp_traffic(n->world.udp, (enum family)f);
    }
    listen_for_silence(n, now);
}

const struct network_family *network_family(const struct network *n,
                                            enum family f)
{
    return &n->family[f];
}

/* ---- Life --------------------------------------------------------------- */

enum error network_new(const struct network_world *world, uint64_t now,
                       struct network **out)
{
    struct network *n = calloc(1, sizeof(*n));
    struct netwatch_handler handler = {.arg = n, .changed = on_changed};
    enum error err;

    if (n == NULL)
        return ERR_NO_MEMORY;
    n->world = *world;
    for (int f = 0; f < FAMILIES; f++) {
        n->family[f] = (struct network_family){.cut_since = TIME_NEVER,
                                               .refused_since = TIME_NEVER,
                                               .silent_since = TIME_NEVER};
        silence_init(&n->silence[f], now);
    }
    for (unsigned i = 0; i < udp_socket_count(world->udp); i++)
        n->family[udp_local(world->udp, i).family].listening = true;
    err = deadline_init(&n->timer, world->base, n, on_due);
    if (err == OK)
        err = netwatch_new(world->base, &handler, world->log, &n->watch);
    if (err != OK) {
        network_free(n);
        return err;
    }
    look(n, false, now);
    rearm(n);
    *out = n;
    return OK;
}

void network_free(struct network *n)
{
    if (n == NULL)
        return;
    netwatch_free(n->watch);
    deadline_deinit(&n->timer);
    free(n);
}
