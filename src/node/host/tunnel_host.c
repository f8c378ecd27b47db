/* SPDX-License-Identifier: MIT
 *
 * As dht_host.c for the tunnels: the member's sends, timer and events here, its
 * DHT through one of ours, both or a program's, its exit through exit_host,
 * its keys through tunnel_keys, its memory through tunnel_restore. Deliveries
 * (tunnel/traffic/delivery.h) share the timer and hear of events first.
 *
 * What the member cannot know it is told: our addresses, looked at every
 * ADDRESS_LATER, more often while there are none, and at once when the
 * machine's network changes; what an exit must not send to; settings that were
 * read again.
 */
#include "node/host/tunnel_host.h"

#include "base/limiter.h"
#include "base/timestamp.h"
#include "node/exit/exit_host.h"
#include "node/exit/exit_tcp.h"
#include "node/host/dht_host.h"
#include "node/host/own_address.h"
#include "node/host/tunnel_events.h"
#include "node/host/tunnel_keys.h"
#include "node/net/deadline.h"
#include "node/os/clock.h"
#include "node/reach/view.h"
#include "node/service/service_host.h"
#include "node/traffic/traffic_host.h"
#include "provider/both_provider.h"
#include "provider/builtin_provider.h"
#include "tunnel/member/member.h"
#include "tunnel/traffic/claims.h"
#include "tunnel/traffic/delivery.h"

#include <event2/event.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Relays that were found in the mainline DHT are pinged in our own. */
static const struct token_rate ping_rate = {.interval = 30 * TIME_S,
                                            .depth = 15 * (30 * TIME_S)};

/* Our addresses are looked at this often: until they are known, and then. */
#define ADDRESS_SOON  TIME_S
#define ADDRESS_LATER TIME_MIN

struct tunnel_host {
    struct tunnel_host_world world;
    const struct config *config; /* the node's */
    struct member *member;
    struct claims claims; /* of circuits, by who sends over them */
    struct deliveries *deliveries;
    struct traffic_host *traffic;
    struct builtin_provider builtin, mainline; /* without a DHT: not there */
    struct both_provider both;
    struct token_bucket pings;        /* of relays, as nodes of our own DHT */
    struct exit_host *exit;           /* NULL when this is no exit, */
    struct exit_tcp *tcp;             /* or none of streams */
    struct policy policy, tcp_policy; /* of datagrams, of streams */
    bool holds[ONION_HOPS_MAX + 1];   /* pools that the configuration keeps */
    struct deadline timer, address_timer;
    struct config_endpoints addresses; /* as told to the member */
    unsigned unproven;                 /* which of them, as told to it */
    struct view view;
    bool seen;               /* `view` is one */
    uint64_t handshake_made; /* wall seconds, as its file says */
    struct tunnel_events events;
    struct tunnel_host_counters counters;
    uint64_t exit_now; /* of what the exit's sockets receive */
};

/* ---- Environment of the member ----------------------------------------- */

static void host_random(void *ctx, void *buf, size_t len)
{
    (void)ctx;
    randombytes_buf(buf, len);
}

static void host_send(void *ctx, const struct endpoint *to,
                      struct bytes datagram)
{
    struct tunnel_host *h = ctx;

    udp_send(h->world.udp, to, datagram);
}

static void host_send_alone(void *ctx, const struct endpoint *to,
                            struct bytes datagram)
{
    struct tunnel_host *h = ctx;

    udp_send_alone(h->world.udp, to, datagram);
}

static void host_event(void *ctx, const struct member_event *event)
{
    struct tunnel_host *h = ctx;

    if (event->kind == MEMBER_CIRCUIT_READY)
        log_debug(h->world.log, "circuit %u of %u hop%s is ready",
                  event->circuit, event->length, text_plural(event->length));
    if (event->kind == MEMBER_CIRCUIT_CLOSED)
        log_debug(h->world.log, "circuit %u of %u hop%s ended at hop %u: %s",
                  event->circuit, event->length, text_plural(event->length),
                  event->hop, reason_text(event->why));
    if (h->deliveries != NULL)
        deliveries_event(h->deliveries, event, clock_now());
    if (h->traffic != NULL)
        traffic_host_event(h->traffic, event, clock_now());
    tunnel_events_tell(&h->events, event);
}

/* Who has joined may have done so with a few others alone. */
static void join_through(struct tunnel_host *h, const struct endpoint *ep)
{
    struct dht *dht = dht_host_engine(h->world.dht);

    if (!h->config->dht.family[ep->family])
        return;
    if (dht_host_joined(h->world.dht)) {
        if (token_bucket_take(&h->pings, &ping_rate, clock_now()))
            dht_ping(dht, ep, NULL, clock_now(), NULL);
        return;
    }
    if (dht_bootstrap_add(dht, ep, clock_now()) == ERR_FULL) {
        dht_bootstrap_clear(dht); /* those of long ago */
        dht_bootstrap_add(dht, ep, clock_now());
    }
}

/* A relay is a node of this network's DHT too, at the same address. Who finds
 * relays in the mainline DHT needs no bootstrap node of this one. */
static void introduce(struct tunnel_host *h, const struct stored_relay *relay)
{
    struct descriptor d;

    if (h->config->tunnel_dht == MEET_IN_BUILTIN ||
        descriptor_read(relay->text, h->config->dht.network, &d) != OK)
        return;
    for (unsigned i = 0; i < d.address_count; i++)
        join_through(h, &d.addresses[i]);
    dht_host_rearm(h->world.dht);
}

static void host_remember(void *ctx, const struct stored_relay *relay)
{
    struct tunnel_host *h = ctx;

    introduce(h, relay);
    if (tunnel_restore_keep(h->world.store, relay) != OK)
        h->counters.not_remembered++;
}

static void host_forget(void *ctx, const uint8_t identity[32])
{
    struct tunnel_host *h = ctx;

    store_remove_relay(h->world.store, identity);
}

static void host_rotated(void *ctx, const uint8_t secret[NOISE_KEY_BYTES],
                         const uint8_t previous[NOISE_KEY_BYTES], uint64_t wall)
{
    struct tunnel_host *h = ctx;
    struct text why;

    h->handshake_made = wall;
    text_init(&why, 1024);
    if (tunnel_keys_renew(h->config->data_dir, secret, previous, wall, &why) !=
        OK)
        log_warn(h->world.log, "a handshake key is lost at the next start: %s",
                 text_get(&why));
    text_deinit(&why);
}

static void host_retired(void *ctx)
{
    struct tunnel_host *h = ctx;
    struct text why;

    text_init(&why, 1024);
    if (tunnel_keys_retire(h->config->data_dir, &why) != OK)
        log_warn(h->world.log, "an old handshake key stays on disk: %s",
                 text_get(&why));
    text_deinit(&why);
}

void tunnel_host_clock_is_right(struct tunnel_host *h)
{
    struct text why;

    if (h->handshake_made <= clock_wall() + DESCRIPTOR_SKEW)
        return;
    text_init(&why, 1024);
    if (tunnel_keys_date(h->config->data_dir, clock_wall(), &why) == OK) {
        log_info(h->world.log, "the handshake key was made when the clock was "
                               "ahead; it counts as made now");
        h->handshake_made = clock_wall();
    } else {
        log_warn(h->world.log, "the handshake key keeps a wrong date: %s",
                 text_get(&why));
    }
    text_deinit(&why);
}

/* ---- What comes from the world ------------------------------------------ */

static void on_exit_batch(void *arg, uint64_t now)
{
    struct tunnel_host *h = arg;

    h->exit_now = now;
}

static void on_exit_received(void *arg, uint32_t cookie,
                             const struct endpoint *from, struct bytes payload)
{
    struct tunnel_host *h = arg;

    member_exit_receive(h->member, cookie, from, payload, h->exit_now);
}

static void on_exit_resolved(void *arg, uint32_t cookie,
                             const struct exit_answer *answer)
{
    struct tunnel_host *h = arg;

    member_exit_resolved(h->member, cookie, answer, clock_now());
    tunnel_host_rearm(h);
}

static void rearm(void *arg)
{
    tunnel_host_rearm(arg);
}

static uint64_t provider_now(void *ctx)
{
    (void)ctx;
    return clock_now();
}

static void on_dht_changed(void *ctx)
{
    struct tunnel_host *h = ctx;

    dht_host_rearm(h->world.dht);
    if (h->world.mainline != NULL)
        dht_host_rearm(h->world.mainline);
    tunnel_host_rearm(h);
}

static void on_met(void *arg, const struct endpoint *node)
{
    struct tunnel_host *h = arg;

    if (h->member != NULL)
        member_meet(h->member, node, clock_now());
}

static void on_due(void *arg)
{
    struct tunnel_host *h = arg;
    uint64_t now = clock_now();

    member_tick(h->member, now, clock_wall());
    deliveries_tick(h->deliveries, now);
    traffic_host_tick(h->traffic, now);
    tunnel_host_rearm(h);
}

void tunnel_host_rearm(struct tunnel_host *h)
{
    /* Answers of the DHT may come while the member is being made. */
    uint64_t at;

    if (h->member == NULL || h->deliveries == NULL || h->traffic == NULL)
        return;
    at = time_min(member_next_deadline(h->member),
                  deliveries_next_deadline(h->deliveries));
    deadline_arm(&h->timer,
                 time_min(at, traffic_host_next_deadline(h->traffic)));
}

void tunnel_host_batch_begin(struct tunnel_host *h, uint64_t now)
{
    member_batch_begin(h->member, now);
    traffic_host_batch_begin(h->traffic, now);
}

void tunnel_host_batch_end(struct tunnel_host *h)
{
    traffic_host_batch_end(h->traffic);
    member_batch_end(h->member);
    tunnel_host_rearm(h);
}

enum error tunnel_host_receive(struct tunnel_host *h,
                               const struct endpoint *from, uint8_t *datagram,
                               size_t len, uint64_t now, uint64_t wall)
{
    return member_receive(h->member, from, datagram, len, now, wall);
}

/* ---- Our addresses ------------------------------------------------------ */

static void refuse_own(struct tunnel_host *h, uint64_t now)
{
    const struct own_witnesses witnesses = {h->world.dht, h->world.mainline};
    struct config_endpoints known = h->addresses;

    own_address_add_external(&witnesses, now, &known);
    own_address_refuse(&h->policy, &known, h->world.udp, h->world.log);
    own_address_refuse(&h->tcp_policy, &known, h->world.udp, h->world.log);
}

static bool same_endpoints(const struct config_endpoints *a,
                           const struct config_endpoints *b)
{
    if (a->count != b->count)
        return false;
    for (unsigned i = 0; i < a->count; i++)
        if (!endpoint_equal(&a->at[i], &b->at[i]))
            return false;
    return true;
}

/* Now, and again when the address timer goes off. The member is told when they
 * are others than before, and when its settings are (`anew`): what it says of
 * itself is made of both. The exit's policy is told each time: it has those of
 * interfaces, too, that nobody is told of. */
static void look_at_addresses(struct tunnel_host *h, bool anew, uint64_t now)
{
    const struct own_witnesses witnesses = {h->world.dht, h->world.mainline};
    struct config_endpoints found;
    unsigned unproven;

    own_address_reachable(h->config, h->world.udp, &witnesses,
                          h->seen ? &h->view : NULL, now, &found, &unproven);
    if (anew || unproven != h->unproven ||
        !same_endpoints(&found, &h->addresses)) {
        h->addresses = found;
        h->unproven = unproven;
        member_set_addresses(h->member, found.at, found.count, unproven, now);
        tunnel_host_rearm(h);
    }
    refuse_own(h, now);
    deadline_arm(
        &h->address_timer,
        time_after(now, found.count == 0 ? ADDRESS_SOON : ADDRESS_LATER));
}

void tunnel_host_interfaces_changed(struct tunnel_host *h, uint64_t now)
{
    refuse_own(h, now);
}

static void on_address_due(void *arg)
{
    look_at_addresses(arg, false, clock_now());
}

void tunnel_host_network_changed(struct tunnel_host *h,
                                 const bool usable[FAMILIES],
                                 const struct view *view, uint64_t now)
{
    h->view = *view;
    h->seen = true;
    member_network_changed(h->member, usable, now);
    look_at_addresses(h, false, now);
    tunnel_host_rearm(h);
}

void tunnel_host_unreachable(struct tunnel_host *h, const struct endpoint *ep,
                             uint64_t now)
{
    member_unreachable(h->member, ep, now);
    tunnel_host_rearm(h);
}

/* ---- Settings ----------------------------------------------------------- */

/* The configuration's hold, beside those of whoever else wants this pool. */
static void hold(struct tunnel_host *h, unsigned hops, bool wanted,
                 uint64_t now)
{
    if (wanted && !h->holds[hops])
        member_hold(h->member, hops, now);
    else if (!wanted && h->holds[hops])
        member_release(h->member, hops);
    h->holds[hops] = wanted;
}

static void keep_pools(struct tunnel_host *h, const struct config *config,
                       uint64_t now)
{
    for (unsigned hops = 1; hops <= ONION_HOPS_MAX; hops++)
        hold(h, hops, config->tunnel_build[hops], now);
}

enum error tunnel_host_stop(struct tunnel_host *h, unsigned hops)
{
    enum error e = member_stop(h->member, hops);

    if (e == OK)
        hold(h, hops, false, clock_now());
    return e;
}

static void ask_relays(struct tunnel_host *h, const struct config *config,
                       uint64_t now)
{
    for (unsigned i = 0; i < config->tunnel_relays.count; i++)
        member_ask(h->member, &config->tunnel_relays.at[i], now);
}

static void set_policies(struct tunnel_host *h, const struct config *config)
{
    policy_set_lines(&h->policy, config->exit_policy.lines,
                     config->exit_policy.count);
    policy_set_lines(&h->tcp_policy, config->exit_tcp_lines.lines,
                     config->exit_tcp_lines.count);
}

void tunnel_host_reconfigure(struct tunnel_host *h, const struct config *config,
                             struct text *report)
{
    uint64_t now = clock_now();
    enum error err = member_reconfigure(h->member, &config->tunnel, now);

    if (err != OK)
        text_addf(report, "the tunnels keep their old settings: %s\n",
                  error_text(err));
    keep_pools(h, config, now);
    ask_relays(h, config, now);
    set_policies(h, config);
    if (h->exit != NULL)
        exit_host_configure(h->exit, config);
    traffic_host_reconfigure(h->traffic, config);
    h->config = config;
    look_at_addresses(h, true, now);
}

/* ---- Streams that leave here -------------------------------------------- */

static void on_connected(void *arg, uint64_t id, enum error e)
{
    struct tunnel_host *h = arg;

    member_outlet_connected(h->member, id, e, clock_now());
}

static void on_parted(void *arg, uint64_t id)
{
    struct tunnel_host *h = arg;

    member_outlet_parted(h->member, id);
}

static const struct endpoint *on_from(void *arg, enum family family)
{
    struct tunnel_host *h = arg;

    return exit_host_from(h->exit, family);
}

static enum error make_exit(struct tunnel_host *h, const struct config *config)
{
    struct exit_host_handler handler = {.arg = h,
                                        .batch_begin = on_exit_batch,
                                        .received = on_exit_received,
                                        .batch_end = rearm,
                                        .resolved = on_exit_resolved};
    struct exit_tcp_handler tcp = {.arg = h,
                                   .connected = on_connected,
                                   .parted = on_parted,
                                   .from = on_from,
                                   .rearm = rearm};
    enum error err =
        exit_host_new(h->world.base, &handler, config, h->world.log, &h->exit);

    if (err != OK || !config->tunnel.exit_tcp)
        return err;
    return exit_tcp_new(h->world.base, &tcp, &h->tcp);
}

/* ---- Life --------------------------------------------------------------- */

/* Nodes of the mainline DHT are no relays: none is met there. And beside it our
 * own DHT may be of a few who have just found each other: that these are met
 * again and again does not show that there are no others. */
static void make_providers(struct tunnel_host *h)
{
    builtin_provider_init(&h->builtin, dht_host_engine(h->world.dht),
                          provider_now, h);
    h->builtin.changed = on_dht_changed;
    if (h->config->tunnel_dht == MEET_IN_BUILTIN)
        h->builtin.met = on_met;
    if (h->world.mainline == NULL)
        return;
    builtin_provider_init(&h->mainline, dht_host_engine(h->world.mainline),
                          provider_now, h);
    h->mainline.changed = on_dht_changed;
    both_provider_init(&h->both, &h->builtin.provider, &h->mainline.provider);
}

static const struct dht_provider *provider_of(const struct tunnel_host *h)
{
    if (h->world.provider != NULL)
        return h->world.provider;
    switch (h->config->tunnel_dht) {
    case MEET_IN_MAINLINE:
        return &h->mainline.provider;
    case MEET_IN_BOTH:
        return &h->both.provider;
    case MEET_IN_BUILTIN:
        break;
    }
    return &h->builtin.provider;
}

const char *tunnel_host_provider_name(const struct tunnel_host *h)
{
    if (h->world.provider != NULL)
        return "program";
    switch (h->config->tunnel_dht) {
    case MEET_IN_MAINLINE:
        return "mainline";
    case MEET_IN_BOTH:
        return "both";
    case MEET_IN_BUILTIN:
        break;
    }
    return "builtin";
}

static enum error make_world(struct tunnel_host *h, const struct config *config)
{
    enum error err = deadline_init(&h->timer, h->world.base, h, on_due);

    if (err == OK)
        err =
            deadline_init(&h->address_timer, h->world.base, h, on_address_due);
    if (err != OK)
        return err;
    policy_init(&h->policy, false, config->dht.testing_network);
    policy_init(&h->tcp_policy, false, config->dht.testing_network);
    set_policies(h, config);
    make_providers(h);
    if (!config->tunnel.become_exitnode)
        return OK;
    return make_exit(h, config);
}

static enum error make_member(struct tunnel_host *h,
                              const struct member_config *config, uint64_t now)
{
    struct member_env env = {
        .ctx = h,
        .random = {.fill = host_random},
        .send = host_send,
        .send_alone = host_send_alone,
        .event = host_event,
        .exit = {.ctx = h->exit,
                 .open = exit_host_open,
                 .send = exit_host_send,
                 .close = exit_host_close,
                 .resolve = exit_host_resolve,
                 .reverse = exit_host_reverse,
                 .resolve_cancel = exit_host_resolve_cancel},
        .remember = host_remember,
        .forget = host_forget,
        .rotated = host_rotated,
        .retired = host_retired,
        .dht = provider_of(h),
    };
    service_host_env(h->world.services, &env.service);
    if (h->tcp != NULL) {
        exit_tcp_world(h->tcp, &env.outlet);
        env.tcp_policy = &h->tcp_policy;
    }
    enum error err =
        member_new(config, &env, &h->policy, now, clock_wall(), &h->member);

    return err != OK ? err
                     : deliveries_new(h->member, &h->claims, &env.random,
                                      &h->deliveries);
}

static enum error make_traffic(struct tunnel_host *h,
                               const struct config *config, struct text *why)
{
    struct traffic_host_world world = {.base = h->world.base,
                                       .log = h->world.log,
                                       .member = h->member,
                                       .claims = &h->claims,
                                       .services = h->world.services,
                                       .random = {.fill = host_random},
                                       .arg = h,
                                       .rearm = rearm};

    return traffic_host_new(&world, config, &h->traffic, why);
}

static void start(struct tunnel_host *h, const struct config *config,
                  uint64_t now)
{
    tunnel_restore_all(h->member, h->world.store,
                       config->tunnel.max_known_relays, now,
                       &h->counters.restored);
    h->config = config;
    service_host_start(h->world.services, member_services(h->member), now);
    ask_relays(h, config, now);
    keep_pools(h, config, now);
    look_at_addresses(h, false, now);
    tunnel_host_rearm(h);
}

enum error tunnel_host_new(const struct tunnel_host_world *world,
                           const struct config *config, uint64_t now,
                           struct tunnel_host **out, struct text *why)
{
    struct tunnel_host *h = calloc(1, sizeof(*h));
    struct member_config keyed = config->tunnel;
    enum error err = ERR_NO_MEMORY;
    size_t before = why->len;

    if (h == NULL)
        goto out;
    h->world = *world;
    h->config = config;
    service_host_layer2(h->world.services, &keyed.layer2);
    err = tunnel_keys_load(config->data_dir, clock_wall(), &keyed, why);
    if (err == OK)
        err = make_world(h, config);
    if (err == OK)
        err = make_member(h, &keyed, now);
    if (err == OK)
        err = make_traffic(h, config, why);
    if (err != OK)
        goto out;
    h->handshake_made = keyed.handshake_made;
    start(h, config, now);
    *out = h;
out:
    sodium_memzero(&keyed, sizeof(keyed));
    if (err != OK) {
        if (why->len == before)
            text_addf(why, "the tunnels cannot start: %s", error_text(err));
        tunnel_host_free(h);
    }
    return err;
}

void tunnel_host_free(struct tunnel_host *h)
{
    if (h == NULL)
        return;
    traffic_host_free(h->traffic);
    h->traffic = NULL;
    deliveries_free(h->deliveries);
    h->deliveries = NULL;
    claims_deinit(&h->claims);
    member_free(h->member, clock_now());
    exit_tcp_free(h->tcp);
    exit_host_free(h->exit);
    both_provider_deinit(&h->both);
    builtin_provider_deinit(&h->mainline);
    builtin_provider_deinit(&h->builtin);
    deadline_deinit(&h->timer);
    deadline_deinit(&h->address_timer);
    free(h);
}

struct member *tunnel_host_member(const struct tunnel_host *h)
{
    return h->member;
}

struct deliveries *tunnel_host_deliveries(const struct tunnel_host *h)
{
    return h->deliveries;
}

struct traffic_host *tunnel_host_traffic(const struct tunnel_host *h)
{
    return h->traffic;
}

const struct policy *tunnel_host_policy(const struct tunnel_host *h)
{
    return &h->policy;
}

const struct policy *tunnel_host_tcp_policy(const struct tunnel_host *h)
{
    return &h->tcp_policy;
}

const struct config_endpoints *
tunnel_host_addresses(const struct tunnel_host *h)
{
    return &h->addresses;
}

const struct tunnel_host_counters *
tunnel_host_counters(const struct tunnel_host *h)
{
    return &h->counters;
}

uint64_t tunnel_host_exit_dropped(const struct tunnel_host *h)
{
    return h->exit == NULL ? 0 : exit_host_dropped(h->exit);
}

uint64_t tunnel_host_exit_lost(const struct tunnel_host *h,
                               enum exit_lost reason)
{
    return h->exit == NULL ? 0 : exit_host_lost(h->exit)[reason];
}

void tunnel_host_watch(struct tunnel_host *h, uint64_t now)
{
    if (h->exit != NULL)
        exit_host_tick(h->exit, now);
}

bool tunnel_host_names(const struct tunnel_host *h,
                       struct exit_names_state *out)
{
    if (h->exit != NULL)
        exit_host_names(h->exit, out);
    return h->exit != NULL;
}

unsigned tunnel_host_nameservers(const struct tunnel_host *h)
{
    return h->exit == NULL ? 0 : exit_host_nameservers(h->exit);
}

void tunnel_host_listen(struct tunnel_host *h, struct tunnel_listener *l)
{
    tunnel_events_listen(&h->events, l);
}

void tunnel_host_unlisten(struct tunnel_host *h, struct tunnel_listener *l)
{
    tunnel_events_unlisten(&h->events, l);
}
