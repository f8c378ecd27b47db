/* SPDX-License-Identifier: MIT
 *
 * Start, signals and stop of the daemon. What it needs of the machine is held
 * from the outside in: the data directory, the node with its sockets, the
 * control socket, the pages; and given back in the opposite order.
 */
#include "node/daemon/daemon.h"

#include "node/config/files_plan.h"
#include "node/control/control_server.h"
#include "node/host/health.h"
#include "node/host/node.h"
#include "node/monitor/http.h"
#include "node/monitor/node_metrics.h"
#include "node/os/bind.h"
#include "node/os/clock.h"
#include "node/os/datadir.h"
#include "node/os/files.h"
#include "node/rpc/rpc.h"

#include <event2/event.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

_Static_assert(CONFIG_NAMES_MAX <= HTTP_NAMES_MAX, "all names are known");

static const int signals[] = {SIGTERM, SIGINT, SIGHUP};
#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

struct daemon {
    const struct config_input *input;
    struct config config;
    struct log *log;
    struct datadir dir;
    bool dir_open;
    bool running; /* it had started */
    struct event_base *base;
    struct event *signals[SIGNALS];
    struct node *node;
    struct files_plan files; /* what the system grants */
    struct rpc *rpc;
    struct control_server *control;
    struct http *http;
};

/* ---- Files ------------------------------------------------------------- */

/* What the system grants, before any of it is used. */
static enum error plan_files(struct daemon *d, struct text *why)
{
    const struct config *c = &d->config;
    struct files_plan wanted;
    unsigned limit;
    struct text said;

    files_plan(c, c->max_control_clients, c->http.on ? HTTP_CONNECTIONS_MAX : 0,
               &wanted);
    limit = files_raise(files_plan_sum(&wanted));
    d->files = wanted;
    if (!files_plan_fit(&d->files, limit)) {
        text_addf(why,
                  "this process may have %u files open, which is too few: a "
                  "node needs %u, better %u; raise the hard limit (`ulimit "
                  "-Hn`, LimitNOFILE= of a unit, --ulimit nofile= of docker)",
                  limit, wanted.own + 4, files_plan_sum(&wanted));
        return ERR_IO;
    }
    text_init(&said, CONFIG_ERRORS_MAX);
    files_plan_explain(&wanted, &d->files, limit, &said);
    if (said.len > 0)
        log_warn(d->log, "%s", text_get(&said));
    text_deinit(&said);
    return OK;
}

/* ---- Signals ----------------------------------------------------------- */

static void log_lines(struct log *log, enum log_level level, struct text *lines)
{
    char *rest = NULL;

    if (lines->buf == NULL)
        return;
    for (char *line = strtok_r(lines->buf, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest))
        log_line(log, level, "configuration: %s", line);
}

static void reload(struct daemon *d)
{
    struct config fresh;
    struct text report;

    text_init(&report, CONFIG_ERRORS_MAX);
    if (config_load(d->input, &fresh, &report) != OK) {
        log_error(d->log, "the configuration has mistakes: nothing changes");
        log_lines(d->log, LEVEL_ERROR, &report);
    } else {
        files_plan_keep(&d->files, &fresh);
        node_reload(d->node, &fresh, &report);
        log_lines(d->log, LEVEL_WARN, &report);
        log_info(d->log, "configuration loaded again");
    }
    text_deinit(&report);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct daemon *d = arg;

    (void)what;
    if (number == SIGHUP) {
        reload(d);
        return;
    }
    log_info(d->log, "stopping on SIG%s", sigabbrev_np((int)number));
    event_base_loopbreak(d->base);
}

static enum error catch_signals(struct daemon *d)
{
    /* Both are errors of a write, which is where they are handled. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    for (size_t i = 0; i < SIGNALS; i++) {
        d->signals[i] = evsignal_new(d->base, signals[i], on_signal, d);
        if (d->signals[i] == NULL || evsignal_add(d->signals[i], NULL) != 0)
            return ERR_NO_MEMORY;
    }
    return OK;
}

/* ---- HTTP pages -------------------------------------------------------- */

static void page_metrics(void *arg, struct metrics *m)
{
    struct daemon *d = arg;

    node_metrics(d->node, d->control, d->http, clock_now(), m);
}

static bool page_health(void *arg, struct text *reason)
{
    struct daemon *d = arg;
    struct health health;

    health_check(d->node, clock_now(), &health);
    return health_is_ok(&health, reason);
}

/* Pages that nobody has asked for do not keep a node from starting: so the
 * second one on a machine needs a port of its own for UDP only. */
static enum error start_http(struct daemon *d, struct text *why)
{
    size_t before = why->len;
    enum error err;
    struct http_config config = {.listen = d->config.http.listen,
                                 .connections = d->files.pages,
                                 .deadline = HTTP_DEADLINE};
    struct http_pages pages = {
        .arg = d, .metrics = page_metrics, .health = page_health};

    if (!d->config.http.on)
        return OK;
    config.names.count = d->config.http_hosts.count;
    for (unsigned i = 0; i < config.names.count; i++)
        config.names.at[i] = d->config.http_hosts.at[i];
    err = http_new(d->base, &config, &pages, d->log, &d->http, why);
    if (err == OK || err == ERR_NO_MEMORY || !d->config.http_is_default)
        return err;
    log_warn(d->log, "%s; going on without /metrics and /health",
             text_get(why) + before);
    text_cut(why, before);
    return OK;
}

/* ---- Start and stop ---------------------------------------------------- */

static enum error start_control(struct daemon *d, struct text *why)
{
    struct control_handler handler = {.call = rpc_call};
    enum error err = rpc_new(d->node, &d->rpc);

    if (err != OK) {
        text_add(why, error_text(err));
        return err;
    }
    handler.arg = d->rpc;
    return control_server_new(d->base, d->config.control,
                              d->config.max_control_clients, &handler, d->log,
                              &d->control, why);
}

/* libevent has one place for its messages in a process; so has the daemon. */
static struct log *libevent_log;

static void on_libevent_message(int severity, const char *message)
{
    log_line(libevent_log, severity >= EVENT_LOG_WARN ? LEVEL_WARN : LEVEL_INFO,
             "libevent: %s", message);
}

static enum error make_base(struct daemon *d, struct text *why)
{
    enum error err = ERR_NO_MEMORY;

    d->log = log_new(&d->config.log, NULL, NULL);
    libevent_log = d->log;
    event_set_log_callback(on_libevent_message);
    d->base = event_base_new();
    if (d->log != NULL && d->base != NULL)
        err = catch_signals(d);
    if (err != OK)
        text_add(why, error_text(err));
    return err;
}

/* A line in `why` for each address that cannot be had. */
static enum error try_address(int type, const struct endpoint *at,
                              const char *flag, struct text *why)
{
    size_t before = why->len, after;
    enum error err;

    if (before > 0)
        text_add(why, "\n");
    after = why->len;
    err = bind_try(type, at, flag, why);
    /* Without IPv6 a node goes on with IPv4: the node knows when. */
    if (err == ERR_UNSUPPORTED)
        err = OK;
    if (err == OK || why->len == after)
        text_cut(why, before);
    return err;
}

/* All that stands in the way at once, and not one thing after the other. */
static enum error take_place(struct daemon *d, struct text *why)
{
    const struct config *c = &d->config;
    enum error err = datadir_init(&d->dir, c->data_dir, why), e;

    d->dir_open = err == OK;
    for (unsigned i = 0; i < c->listen.count; i++) {
        e = try_address(SOCK_DGRAM, &c->listen.at[i], "--listen", why);
        err = err == OK ? e : err;
    }
    if (c->http.on && !c->http_is_default) {
        e = try_address(SOCK_STREAM, &c->http.listen, "--http", why);
        err = err == OK ? e : err;
    }
    return err;
}

static enum error start(struct daemon *d, struct text *why)
{
    enum error err = make_base(d, why);

    if (err == OK)
        err = plan_files(d, why);
    if (err == OK) {
        files_plan_keep(&d->files, &d->config);
        err = take_place(d, why);
    }
    if (err == OK)
        err = node_new(d->base, &d->config, d->log, NULL, &d->node, why);
    if (err == OK)
        err = start_control(d, why);
    if (err == OK)
        err = start_http(d, why);
    return err;
}

static void say_ready(struct daemon *d)
{
    char at[ENDPOINT_TEXT_SIZE];

    for (unsigned i = 0; i < udp_socket_count(d->node->udp); i++) {
        struct endpoint ep = udp_local(d->node->udp, i);

        log_info(d->log, "listening on UDP %s", endpoint_print(&ep, at));
    }
    if (d->http != NULL) {
        struct endpoint ep = http_local(d->http);

        log_info(d->log, "metrics and health on http://%s",
                 endpoint_print(&ep, at));
    }
    log_info(d->log, "warren " WARREN_VERSION " runs in %s, network %s",
             d->config.data_dir, d->config.dht.network);
}

static void stop(struct daemon *d)
{
    http_free(d->http);
    control_server_free(d->control);
    rpc_free(d->rpc);
    node_free(d->node);
    for (size_t i = 0; i < SIGNALS; i++) {
        if (d->signals[i] != NULL)
            event_free(d->signals[i]);
    }
    if (d->base != NULL) {
        /* What libevent put off: names that were still being resolved. */
        event_base_loop(d->base, EVLOOP_NONBLOCK);
        event_base_free(d->base);
    }
    if (d->dir_open)
        datadir_deinit(&d->dir);
    if (d->running)
        log_info(d->log, "stopped");
    libevent_log = NULL;
    log_free(d->log);
}

enum error daemon_run(const struct config_input *input, struct text *why)
{
    struct daemon *d = calloc(1, sizeof(*d));
    enum error err;

    if (d == NULL)
        return ERR_NO_MEMORY;
    d->input = input;
    err = config_load(input, &d->config, why);
    if (err == OK) {
        err = start(d, why);
        if (err == OK) {
            d->running = true;
            say_ready(d);
            event_base_dispatch(d->base);
        }
        stop(d);
    }
    free(d);
    return err;
}
