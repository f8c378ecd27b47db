/* SPDX-License-Identifier: MIT
 *
 * The life of a node: store first (the ids are in it), then sockets, then the
 * DHT and, if it is enabled, the mainline DHT, then the tunnels, which find
 * relays through it, then the watch over the machine's network, which tells
 * all. Freed in the opposite order.
 *
 * A datagram is told apart by its first byte (on_datagram), and when a batch is
 * through the engines are asked when they want to be woken (on_batch_end).
 *
 * One timer, every FLUSH_INTERVAL, does what is done now and then: it compares
 * the clock with those of others, watches network and names, and writes to the
 * store what has been queued.
 */
#include "node/host/node.h"
#include "base/timestamp.h"
#include "node/os/clock.h"
#include "node/service/service_host.h"
#include "wire/msgpack/plane.h"

#include <event2/event.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLUSH_INTERVAL 5               /* s: what kill -9 may lose */
#define CLOCK_INTERVAL (10 * TIME_MIN) /* between writes of the time alone */
#define CLOCK_SETTING  "clock.latest"
#define CLOCK_OFF      120 /* s: less is no trouble */
#define CLOCK_QUORUM   3   /* relays whose word counts more than ours */

const char *node_drop_name(enum node_drop reason)
{
    static const char *const names[NODE_DROPS] = {
        [NODE_DROP_EMPTY] = "empty", [NODE_DROP_FOREIGN] = "foreign"};

    return names[reason];
}

/* ---- Datagrams ---------------------------------------------------------- */

/* Relayed cells come by the hundred thousand: the clocks are read for all of
 * a batch, and the load now and then. */
static void on_batch_begin(void *arg, uint64_t now)
{
    struct node *n = arg;

    n->batch_now = now;
    n->batch_wall = clock_wall();
    tunnel_host_batch_begin(n->tunnels, now);
    if (load_look(&n->load, now)) {
        dht_set_load(dht_host_engine(n->dht), n->load.average);
        if (n->mainline != NULL)
            dht_set_load(dht_host_engine(n->mainline), n->load.average);
        member_set_load(tunnel_host_member(n->tunnels), n->load.average);
    }
}

static void on_datagram(void *arg, const struct endpoint *from,
                        uint8_t *datagram, size_t len, unsigned socket)
{
    struct node *n = arg;
    enum plane plane = plane_of(bytes_of(datagram, len));

    (void)socket;
    if (plane == PLANE_MAINLINE && n->mainline == NULL)
        plane = PLANE_FOREIGN;
    switch (plane) {
    case PLANE_DHT:
        dht_host_receive(n->dht, from, bytes_of(datagram, len), n->batch_now);
        break;
    case PLANE_TUNNEL:
        tunnel_host_receive(n->tunnels, from, datagram, len, n->batch_now,
                            n->batch_wall);
        break;
    case PLANE_MAINLINE:
        dht_host_receive(n->mainline, from, bytes_of(datagram, len),
                         n->batch_now);
        break;
    case PLANE_EMPTY:
        n->dropped[NODE_DROP_EMPTY]++;
        break;
    case PLANE_FOREIGN:
        n->dropped[NODE_DROP_FOREIGN]++;
        break;
    }
}

/* The tunnels have time-outs of their own, and shorter ones. */
static void on_refused(void *arg, const struct endpoint *to, enum error why)
{
    struct node *n = arg;

    dht_host_send_failed(n->dht, to, why);
    if (n->mainline != NULL)
        dht_host_send_failed(n->mainline, to, why);
}

static void on_gone(void *arg, const struct endpoint *to)
{
    struct node *n = arg;

    tunnel_host_unreachable(n->tunnels, to, clock_now());
}

static void on_batch_end(void *arg)
{
    struct node *n = arg;

    dht_host_rearm(n->dht);
    if (n->mainline != NULL)
        dht_host_rearm(n->mainline);
    tunnel_host_batch_end(n->tunnels);
}

/* ---- The clock ---------------------------------------------------------- */

/* The latest time, for the next start to compare with. */
static void keep_clock(struct node *n, uint64_t now)
{
    uint8_t b[8];

    bytes_put_number(b, sizeof(b), (uint64_t)n->clock.latest);
    store_put_setting(n->store, CLOCK_SETTING, bytes_of(b, sizeof(b)));
    n->clock_kept_at = now;
}

static int64_t kept_clock(struct store *store)
{
    uint8_t b[STORE_SETTING_BYTES];
    size_t len;

    if (store_get_setting(store, CLOCK_SETTING, b, sizeof(b), &len) != OK ||
        len != 8)
        return 0;
    return (int64_t)bytes_get_number(b, len);
}

/* What others say of the clock. When enough of them say that it is right, the
 * time that was seen before was the wrong one. */
static void compare_clock(struct node *n, uint64_t now)
{
    const struct member *t = tunnel_host_member(n->tunnels);
    int64_t off =
        member_clock_behind(t, now, clock_wall(), &n->clock_witnesses);
    bool right = off < CLOCK_OFF && off > -CLOCK_OFF;

    if (!right && n->clock_off == 0)
        log_error(n->log,
                  "the clock of this machine is %" PRId64 " s or more %s, as "
                  "the descriptors of %u relays say: set the time right (is "
                  "NTP running?)",
                  off > 0 ? off : -off, off > 0 ? "behind" : "ahead",
                  n->clock_witnesses);
    else if (right && n->clock_off != 0)
        log_info(n->log, "the clock agrees with those of others again");
    n->clock_off = right ? 0 : off;
    if (!right || n->clock_witnesses < CLOCK_QUORUM)
        return;
    clock_watch_believe(&n->clock, (int64_t)clock_wall());
    tunnel_host_clock_is_right(n->tunnels);
}

static void watch_clock(struct node *n, uint64_t now)
{
    int64_t behind = clock_watch_note(&n->clock, (int64_t)clock_wall(), now);

    if (behind > 0 && n->clock_behind == 0)
        log_warn(n->log,
                 "the clock went back by %" PRId64 " s: the node goes on, but "
                 "set the time right (is NTP running?)",
                 behind);
    else if (behind == 0 && n->clock_behind > 0)
        log_info(n->log, "the clock is taken for right again");
    n->clock_behind = behind;
}

/* ---- Now and then ------------------------------------------------------- */

static void flush(struct node *n)
{
    enum error err = store_flush(n->store, (int64_t)clock_wall());
    struct store_health health;

    if (err == OK && n->store_failing)
        log_info(n->log, "the store can be written again");
    if (err != OK && !n->store_failing) {
        store_get_health(n->store, &health);
        log_error(n->log,
                  "the store cannot be written, trying again every "
                  "%d s: %s",
                  FLUSH_INTERVAL, health.text);
    }
    n->store_failing = err != OK;
}

static void on_flush_timer(evutil_socket_t fd, short what, void *arg)
{
    struct node *n = arg;
    uint64_t now = clock_now();
    struct store_health health;

    (void)fd;
    (void)what;
    compare_clock(n, now);
    watch_clock(n, now);
    network_tick(n->network, now);
    dht_host_watch(n->dht, now);
    if (n->mainline != NULL)
        dht_host_watch(n->mainline, now);
    tunnel_host_watch(n->tunnels, now);
    service_host_tick(n->services, clock_wall(), now);
    store_get_health(n->store, &health);
    /* An idle node writes nothing but the time, and that rarely. */
    if (health.queued > 0 || time_since(n->clock_kept_at, now) > CLOCK_INTERVAL)
        keep_clock(n, now);
    flush(n);
}

/* ---- Life --------------------------------------------------------------- */

static struct store_options store_options(const struct config *config)
{
    return (struct store_options){
        .max_announcements = {config->dht.max_publications,
                              config->mainline.max_publications},
        .max_items = {config->dht.max_publications,
                      config->mainline.max_publications},
        /* Those that make room go later. */
        .max_relays = (size_t)2 * config->tunnel.max_known_relays,
        .wall = (int64_t)clock_wall()};
}

static enum error open_store(struct node *n, struct text *why)
{
    struct store_options options = store_options(&n->config);
    enum error err =
        store_open(n->config.data_dir, &options, &n->store, &n->store_report);

    if (err != OK) {
        text_add(why, n->store_report.text);
        return err;
    }
    if (n->store_report.how == STORE_REPLACED)
        log_warn(n->log, "%s", n->store_report.text);
    clock_watch_init(&n->clock, kept_clock(n->store));
    watch_clock(n, n->started_at);
    return OK;
}

static enum error open_sockets(struct node *n, struct text *why)
{
    struct udp_config config = {.receive_buffer = n->config.receive_buffer,
                                .send_buffer = n->config.send_buffer};
    struct udp_handlers handlers = {.arg = n,
                                    .batch_begin = on_batch_begin,
                                    .receive = on_datagram,
                                    .batch_end = on_batch_end,
                                    .refused = on_refused,
                                    .gone = on_gone};

    n->udp = udp_new(n->base, &config, &handlers, n->log);
    if (n->udp == NULL) {
        text_add(why, error_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    return udp_listen_all(n->udp, n->config.listen.at, n->config.listen.count,
                          why);
}

static void rearm_tunnels(void *arg)
{
    struct node *n = arg;

    if (n->tunnels != NULL)
        tunnel_host_rearm(n->tunnels);
}

/* They start with the tunnels. */
static enum error make_services(struct node *n, struct text *why)
{
    struct service_host_world world = {.base = n->base,
                                       .store = n->store,
                                       .log = n->log,
                                       .arg = n,
                                       .rearm = rearm_tunnels};
    enum error err;

    memcpy(world.data_dir, n->config.data_dir, sizeof(world.data_dir));
    err = service_host_new(&world, &n->config, &n->services);
    if (err != OK)
        text_add(why, error_text(err));
    return err;
}

/* ---- Both DHTs ---------------------------------------------------------- */

static struct dht_host_plan plan_dht(const struct config *config)
{
    static const struct saved_table none;

    return (struct dht_host_plan){.name = "DHT",
                                  .rows = STORE_DHT,
                                  .dht = &config->dht,
                                  .bootstrap = &config->bootstrap,
                                  .saved = &none};
}

static struct dht_host_plan plan_mainline(const struct config *config,
                                          const struct saved_table *saved)
{
    return (struct dht_host_plan){.name = "mainline DHT",
                                  .rows = STORE_MAINLINE,
                                  .dht = &config->mainline,
                                  .bootstrap = &config->mainline_bootstrap,
                                  .saved = saved};
}

static void keep_unread(struct node *n, const struct text *unread)
{
    snprintf(n->unread_files, sizeof(n->unread_files), "%s", text_get(unread));
}

/* A file that is missing stops nothing: others may be known. */
static enum error start_mainline(struct node *n,
                                 const struct dht_host_world *world,
                                 struct text *why)
{
    struct saved_table saved = {.count = 0};
    struct dht_host_plan plan = plan_mainline(&n->config, &saved);
    struct text unread;
    enum error err;

    text_init(&unread, CONFIG_ERRORS_MAX);
    err = saved_table_load_all(&saved, &n->config.mainline_files, &unread, why);
    if (err == OK) {
        err = dht_host_new(world, &plan, n->started_at, &n->mainline);
        if (err != OK)
            text_addf(why, "the mainline DHT cannot start: %s",
                      error_text(err));
    }
    if (unread.len > 0)
        log_warn(n->log, "%s", text_get(&unread));
    keep_unread(n, &unread);
    text_deinit(&unread);
    saved_table_deinit(&saved);
    return err;
}

static enum error start_dhts(struct node *n, struct text *why)
{
    struct dht_host_world world = {
        .base = n->base, .udp = n->udp, .store = n->store, .log = n->log};
    struct dht_host_plan plan = plan_dht(&n->config);
    enum error err = dht_host_new(&world, &plan, n->started_at, &n->dht);

    if (err != OK)
        text_addf(why, "the DHT cannot start: %s", error_text(err));
    else if (n->config.mainline_enabled)
        err = start_mainline(n, &world, why);
    return err;
}

/* Files that cannot be read any more leave those to ask that were there. */
static void reload_dhts(struct node *n, struct text *report)
{
    struct saved_table saved = {.count = 0};
    struct dht_host_plan dht = plan_dht(&n->config);
    struct dht_host_plan mainline = plan_mainline(&n->config, &saved);
    enum error err = dht_host_reconfigure(n->dht, &dht);
    struct text why;

    if (err != OK)
        text_addf(report, "the DHT keeps its old settings: %s\n",
                  error_text(err));
    if (n->mainline == NULL)
        return;
    text_init(&why, CONFIG_ERRORS_MAX);
    if (saved_table_load_all(&saved, &n->config.mainline_files, &why, &why) !=
            OK ||
        why.len > 0) {
        text_addf(report, "%s; the nodes of before are asked\n",
                  text_get(&why));
        mainline.saved = NULL;
    }
    keep_unread(n, &why);
    err = dht_host_reconfigure(n->mainline, &mainline);
    if (err != OK)
        text_addf(report, "the mainline DHT keeps its old settings: %s\n",
                  error_text(err));
    text_deinit(&why);
    saved_table_deinit(&saved);
}

static enum error start_engines(struct node *n,
                                const struct dht_provider *provider,
                                struct text *why)
{
    struct tunnel_host_world tunnel_world = {.base = n->base,
                                             .udp = n->udp,
                                             .store = n->store,
                                             .log = n->log,
                                             .provider = provider};
    enum error err = start_dhts(n, why);

    if (err == OK)
        err = make_services(n, why);
    if (err != OK)
        return err;
    tunnel_world.dht = n->dht;
    tunnel_world.mainline = n->mainline;
    tunnel_world.services = n->services;
    return tunnel_host_new(&tunnel_world, &n->config, n->started_at,
                           &n->tunnels, why);
}

static enum error watch_network(struct node *n, struct text *why)
{
    struct network_world world = {.base = n->base,
                                  .udp = n->udp,
                                  .log = n->log,
                                  .dhts = {n->dht, n->mainline},
                                  .tunnels = n->tunnels,
                                  .config = &n->config};
    enum error err = network_new(&world, n->started_at, &n->network);

    if (err != OK)
        text_add(why, error_text(err));
    return err;
}

static enum error start_flushing(struct node *n, struct text *why)
{
    struct timeval interval = {.tv_sec = FLUSH_INTERVAL};

    n->flush_timer = event_new(n->base, -1, EV_PERSIST, on_flush_timer, n);
    if (n->flush_timer == NULL || evtimer_add(n->flush_timer, &interval) != 0) {
        text_add(why, error_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    /* From here on the node keeps its identity, whatever happens. */
    keep_clock(n, n->started_at);
    flush(n);
    return OK;
}

enum error node_new(struct event_base *base, const struct config *config,
                    struct log *log, const struct dht_provider *provider,
                    struct node **out, struct text *why)
{
    struct node *n = calloc(1, sizeof(*n));
    enum error err;

    if (n == NULL) {
        text_add(why, error_text(ERR_NO_MEMORY));
        return ERR_NO_MEMORY;
    }
    n->base = base;
    n->log = log;
    n->config = *config;
    n->started_at = clock_now();
    load_init(&n->load, n->started_at);
    err = open_store(n, why);
    if (err == OK)
        err = open_sockets(n, why);
    if (err == OK)
        err = start_engines(n, provider, why);
    if (err == OK)
        err = watch_network(n, why);
    if (err == OK)
        err = start_flushing(n, why);
    if (err != OK) {
        node_free(n);
        return err;
    }
    *out = n;
    return OK;
}

void node_free(struct node *n)
{
    if (n == NULL)
        return;
    if (n->flush_timer != NULL)
        event_free(n->flush_timer);
    /* Who hears that circuits end may still ask how the node is. */
    tunnel_host_free(n->tunnels);
    service_host_free(n->services);
    network_free(n->network);
    if (n->dht != NULL) {
        keep_clock(n, clock_now());
        flush(n);
    }
    dht_host_free(n->mainline);
    dht_host_free(n->dht);
    udp_free(n->udp);
    store_close(n->store);
    load_deinit(&n->load);
    free(n);
}

void node_reload(struct node *n, const struct config *fresh,
                 struct text *report)
{
    struct store_options options;

    config_reload(&n->config, fresh, report);
    log_configure(n->log, &n->config.log);
    options = store_options(&n->config);
    store_configure(n->store, &options);
    reload_dhts(n, report);
    tunnel_host_reconfigure(n->tunnels, &n->config, report);
    service_host_reconfigure(n->services, &n->config, report, clock_now());
}
