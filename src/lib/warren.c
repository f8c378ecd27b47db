/* SPDX-License-Identifier: MIT
 *
 * A node for a program: made from settings, given back, and told of in words.
 * The DHT's part of the interface is in warren_dht.c, the tunnels' in
 * warren_tunnel.c, that of hidden services in warren_service.c.
 *
 * No function of the library calls the program back before it returns (but
 * warren_free does). Events of the tunnels come out of the loop by themselves
 * (member.h), and so do those of services; what the DHT says while the program
 * is inside of a function is kept, and told by the event `later`.
 */
#include "lib/warren_internal.h"
#include "node/config/config.h"
#include "node/config/files_plan.h"
#include "node/host/health.h"
#include "node/os/clock.h"
#include "node/os/files.h"
#include "tunnel/member/member.h"

#include <event2/event.h>

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

_Static_assert((int)WARREN_LOG_ERROR == (int)LEVEL_ERROR &&
                   (int)WARREN_LOG_WARN == (int)LEVEL_WARN &&
                   (int)WARREN_LOG_INFO == (int)LEVEL_INFO &&
                   (int)WARREN_LOG_DEBUG == (int)LEVEL_DEBUG,
               "levels go through as they are");

const char *warren_version(void)
{
    return WARREN_VERSION;
}

const char *warren_error_text(int error)
{
    return lib_error_text(error);
}

/* ---- Calling back ------------------------------------------------------- */

/* A timer, not event_active: the loop looks at its sockets between. */
static void tell_later(struct warren *w)
{
    static const struct timeval at_once;

    if (warren_requests_have_news(w) || warren_services_have_news(w) ||
        warren_streams_have_news(w))
        evtimer_add(w->later, &at_once);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct warren *w = arg;

    (void)fd;
    (void)what;
    warren_requests_tell(w);
    warren_services_tell(w);
    warren_streams_tell(w);
    tell_later(w);
}

void warren_enter(struct warren *w)
{
    w->inside++;
}

void warren_leave(struct warren *w)
{
    w->inside--;
    if (w->inside == 0 && !w->ending)
        tell_later(w);
}

/* ---- Creation ----------------------------------------------------------- */

static void on_log_line(void *arg, enum log_level level, const char *line)
{
    const struct warren *w = arg;

    w->options.log(w->options.arg, (enum warren_log_level)level, line);
}

static void on_provider_answered(void *arg)
{
    struct warren *w = arg;

    if (w->node != NULL)
        tunnel_host_rearm(w->node->tunnels);
}

static enum error load(const struct warren_options *options, struct config *out,
                       struct text *why)
{
    /* There is no control socket, so that its path may be anything. */
    static char no_control[] = "--node.control=none";
    char *const flags[] = {no_control};
    struct config_input input = {.file = options->config_file,
                                 .settings = options->settings,
                                 .setting_count = options->setting_count,
                                 .argc = 1,
                                 .argv = flags};

    return config_load(&input, out, why);
}

static enum error make_parts(struct warren *w, struct event_base *base,
                             const struct config *config, struct text *why)
{
    const struct warren_options *o = &w->options;

    w->log = log_new(&config->log, o->log == NULL ? NULL : on_log_line, w);
    if (o->dht_provider != NULL)
        w->provider =
            lib_provider_new(o->dht_provider, on_provider_answered, w);
    w->later = event_new(base, -1, 0, on_later, w);
    if (sodium_init() >= 0 && w->log != NULL && w->later != NULL &&
        (o->dht_provider == NULL || w->provider != NULL))
        return OK;
    text_add(why, error_text(ERR_NO_MEMORY));
    return ERR_NO_MEMORY;
}

/* The limit is the program's, and so is half of what it allows. */
static void keep_to_files(struct warren *w, struct config *config)
{
    unsigned limit = files_limit() / 2;
    struct files_plan wanted, plan;
    struct text said;

    files_plan(config, 0, 0, &wanted);
    plan = wanted;
    if (plan.sockets + plan.proxy == 0 || !files_plan_fit(&plan, limit))
        return;
    files_plan_keep(&plan, config);
    text_init(&said, CONFIG_ERRORS_MAX);
    files_plan_explain(&wanted, &plan, limit, &said);
    if (said.len > 0)
        log_warn(w->log, "%s", text_get(&said));
    text_deinit(&said);
}

static enum error start(struct warren *w, struct event_base *base,
                        struct config *config, struct text *why)
{
    enum error e = make_parts(w, base, config, why);

    if (e == OK)
        keep_to_files(w, config);
    if (e == OK)
        e = datadir_init(&w->dir, config->data_dir, why);
    w->dir_open = e == OK;
    if (e == OK)
        e = node_new(base, config, w->log,
                     w->provider == NULL ? NULL
                                         : lib_provider_table(w->provider),
                     &w->node, why);
    if (e != OK)
        return e;
    w->listener.arg = w;
    w->listener.event = warren_on_tunnel_event;
    tunnel_host_listen(w->node->tunnels, &w->listener);
    warren_streams_begin(w);
    return OK;
}

/* NULL, with the reason in `why`. */
static struct warren *make(struct event_base *base,
                           const struct warren_options *options,
                           struct text *why)
{
    struct config *config = calloc(1, sizeof(*config));
    struct warren *w = calloc(1, sizeof(*w));
    enum error e = ERR_NO_MEMORY;

    if (config == NULL || w == NULL) {
        text_add(why, error_text(e));
        goto out;
    }
    w->options = *options;
    w->options.config_file = NULL;
    w->options.settings = NULL;
    calls_init(&w->requests);
    calls_init(&w->sends);
    TAILQ_INIT(&w->services);
    TAILQ_INIT(&w->streams);
    TAILQ_INIT(&w->resumed);
    LIST_INIT(&w->listening);
    e = load(options, config, why);
    if (e == OK)
        e = start(w, base, config, why);
out:
    free(config);
    if (e == OK)
        return w;
    warren_free(w);
    return NULL;
}

struct warren *warren_new(struct event_base *base,
                          const struct warren_options *options, char *why,
                          size_t why_size)
{
    struct text reason;
    struct warren *w;

    text_init(&reason, CONFIG_ERRORS_MAX);
    w = make(base, options, &reason);
    if (reason.len > 0 && reason.buf[reason.len - 1] == '\n')
        text_cut(&reason, reason.len - 1);
    if (w == NULL && why_size > 0)
        snprintf(why, why_size, "%s", text_get(&reason));
    text_deinit(&reason);
    return w;
}

void warren_free(struct warren *w)
{
    if (w == NULL)
        return;
    w->ending = true;
    if (w->node != NULL) {
        warren_requests_end(w);
        warren_sends_end(w);
        warren_streams_end(w);
        warren_services_end(w);
    }
    node_free(w->node);
    lib_provider_free(w->provider);
    if (w->dir_open)
        datadir_deinit(&w->dir);
    if (w->later != NULL)
        event_free(w->later);
    log_free(w->log);
    free(w);
}

/* ---- Status ------------------------------------------------------------- */

static void say_health(const struct warren *w, uint64_t now, struct text *out)
{
    struct health health;

    health_check(w->node, now, &health);
    if (health.count == 0)
        text_add(out, "all is well\n");
    for (size_t i = 0; i < health.count; i++)
        text_addf(out, "%s: %s; %s\n",
                  health_level_name(health.problems[i].level),
                  health.problems[i].what, health.problems[i].remedy);
}

static void say_counts(const struct warren *w, uint64_t now, struct text *out)
{
    char a[TEXT_COUNT_SIZE], b[TEXT_COUNT_SIZE], c[TEXT_COUNT_SIZE];
    struct dht_status dht;
    struct member_status tunnel;

    dht_status(dht_host_engine(w->node->dht), now, &dht);
    member_status(tunnel_host_member(w->node->tunnels), now, clock_wall(),
                  &tunnel);
    text_addf(
        out, "DHT: %s in the routing table, %u published of our own\n",
        text_count(dht.nodes[FAMILY_IPV4] + dht.nodes[FAMILY_IPV6], "node", a),
        dht.publications);
    text_addf(out, "tunnels: %s, %u ready; %s known, %s\n",
              text_count(tunnel.circuits, "circuit", a), tunnel.ready,
              text_count(tunnel.known, "relay", b),
              text_count(tunnel.exits, "exit", c));
    text_addf(out, "for others: %s over %s\n",
              text_count(tunnel.relays, "circuit", a),
              text_count(tunnel.links, "link", b));
}

size_t warren_status(const struct warren *w, char *text, size_t size)
{
    struct text out;
    uint64_t now = clock_now();
    size_t len;

    text_init(&out, CONFIG_ERRORS_MAX);
    say_health(w, now, &out);
    say_counts(w, now, &out);
    if (size > 0)
        snprintf(text, size, "%s", text_get(&out));
    len = out.len;
    text_deinit(&out);
    return len;
}
