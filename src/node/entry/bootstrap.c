/* SPDX-License-Identifier: MIT
 *
 * A name is looked up as programs of this machine do: in /etc/hosts, then at
 * the servers of /etc/resolv.conf with its search domains, for addresses of
 * both families. Both files are read anew at each attempt.
 */
#include "node/entry/bootstrap.h"
#include "node/names/resolver.h"
#include "node/os/clock.h"

#include <event2/event.h>
#include <sodium.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

/* A name that is being looked up. */
struct waiting_host {
    LIST_ENTRY(waiting_host) link;
    struct bootstrap *owner;
    struct resolution *resolution;
    struct config_host host;
    char waiting[CONFIG_HOST_SIZE + 64]; /* for people */
};

struct bootstrap {
    struct event_base *base;
    struct bootstrap_handler handler;
    struct log *log;
    struct event *timer;
    struct resolver *resolver;
    struct resolv_conf conf; /* as it was when this attempt began */
    LIST_HEAD(, waiting_host) running;
    struct config_hosts hosts;
    struct saved_table saved; /* in an order of chance */
    size_t next_saved;        /* the one whose turn it is */
    bool all_asked;           /* each saved one has had a turn */
    bool active;
    uint64_t retry;                 /* from the running attempt to the next */
    unsigned found[BOOTSTRAP_USES]; /* addresses, in the running attempt */
    char trouble[CONFIG_HOST_SIZE + 192];
};

static void arm(struct bootstrap *b, uint64_t delay)
{
    struct timeval tv = clock_timeval(delay);

    evtimer_add(b->timer, &tv);
}

/* ---- Addresses ---------------------------------------------------------- */

static enum bootstrap_use use(struct bootstrap *b, const struct endpoint *ep)
{
    enum bootstrap_use how = b->handler.found(b->handler.arg, ep);

    b->found[how]++;
    return how;
}

static void say_other_family(struct bootstrap *b, const char *host,
                             enum family family)
{
    const char *have = family == FAMILY_IPV6 ? "IPv6" : "IPv4";

    snprintf(b->trouble, sizeof(b->trouble),
             "the bootstrap node %s has %s addresses only, and over %s this "
             "node reaches nobody",
             host, have, have);
    log_warn(b->log, "%s", b->trouble);
}

/* ---- Names ------------------------------------------------------------- */

static void cannot_resolve(struct bootstrap *b, const char *host,
                           const char *reason)
{
    snprintf(b->trouble, sizeof(b->trouble),
             "the bootstrap name %s cannot be resolved: %s", host, reason);
    log_warn(b->log, "%s; trying again in %llu s", b->trouble,
             (unsigned long long)(b->retry / TIME_S));
}

static void use_all(struct bootstrap *b, const struct config_host *host,
                    const struct dns_answer *answer)
{
    struct endpoint ep = {.family = FAMILY_IPV4};
    unsigned other = 0;

    for (size_t i = 0; i < answer->count; i++) {
        ep = answer->addrs[i];
        ep.port = host->port;
        other += use(b, &ep) == BOOTSTRAP_OTHER_FAMILY;
    }
    if (answer->count > 0 && other == answer->count)
        say_other_family(b, host->host, ep.family);
}

static void on_resolved(void *arg, const struct dns_answer *answer)
{
    struct waiting_host *w = arg;
    struct bootstrap *b = w->owner;
    struct config_host host = w->host;

    LIST_REMOVE(w, link);
    free(w);
    if (answer->result == DNS_FOUND)
        use_all(b, &host, answer);
    else
        cannot_resolve(b, host.host,
                       b->conf.assumed && answer->result == DNS_SILENT
                           ? resolv_conf_why_assumed(&b->conf)
                           : dns_result_text(answer->result));
}

static void resolve(struct bootstrap *b, const struct config_host *host)
{
    static const bool both[FAMILIES] = {true, true};
    struct waiting_host *w = calloc(1, sizeof(*w));

    if (w != NULL) {
        w->owner = b;
        w->host = *host;
        snprintf(w->waiting, sizeof(w->waiting),
                 "the bootstrap name %s is still being looked up", host->host);
        w->resolution = resolver_ask_as_local(b->resolver, &b->conf, host->host,
                                              both, on_resolved, w);
    }
    if (w == NULL || w->resolution == NULL) {
        free(w);
        cannot_resolve(b, host->host, "out of memory");
        return;
    }
    LIST_INSERT_HEAD(&b->running, w, link);
}

static void forget_names(struct bootstrap *b)
{
    struct waiting_host *w;

    while ((w = LIST_FIRST(&b->running)) != NULL) {
        LIST_REMOVE(w, link);
        resolver_cancel(w->resolution);
        free(w);
    }
}

/* The name servers may have changed. */
static void read_conf(struct bootstrap *b)
{
    forget_names(b);
    resolv_conf_read(RESOLV_CONF_PATH, &b->conf);
    resolver_set_servers(b->resolver, b->conf.servers, b->conf.server_count);
}

/* ---- Attempts ---------------------------------------------------------- */

static void try_host(struct bootstrap *b, const struct config_host *host)
{
    struct endpoint ep;

    if (endpoint_parse_addr(host->host, &ep) != OK) {
        resolve(b, host);
        return;
    }
    ep.port = host->port;
    if (use(b, &ep) == BOOTSTRAP_OTHER_FAMILY)
        say_other_family(b, host->host, ep.family);
}

static void use_saved(struct bootstrap *b)
{
    const struct saved_table *t = &b->saved;

    for (size_t i = 0; i < t->count && i < BOOTSTRAP_SAVED; i++) {
        use(b, &t->at[b->next_saved++]);
        if (b->next_saved < t->count)
            continue;
        b->next_saved = 0;
        b->all_asked = true;
    }
}

static uint64_t next_retry(const struct bootstrap *b)
{
    if (b->retry == 0 || (b->saved.count > 0 && !b->all_asked))
        return BOOTSTRAP_RETRY_MIN;
    return time_min(2 * b->retry, BOOTSTRAP_RETRY_MAX);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct bootstrap *b = arg;

    (void)fd;
    (void)what;
    b->retry = next_retry(b);
    if (b->saved.count > 0)
        b->handler.forget(b->handler.arg);
    /* Slow name servers get their time. */
    if (LIST_EMPTY(&b->running)) {
        read_conf(b);
        b->trouble[0] = '\0';
        memset(b->found, 0, sizeof(b->found));
        for (unsigned i = 0; i < b->hosts.count; i++)
            try_host(b, &b->hosts.at[i]);
    }
    use_saved(b);
    arm(b, b->retry);
}

void bootstrap_start(struct bootstrap *b, uint64_t delay)
{
    b->active = true;
    b->retry = 0;
    if (b->hosts.count + b->saved.count > 0)
        arm(b, delay);
}

void bootstrap_hurry(struct bootstrap *b)
{
    if (!b->active || b->retry == 0)
        return;
    forget_names(b);
    bootstrap_start(b, 0);
}

void bootstrap_stop(struct bootstrap *b)
{
    b->active = false;
    b->trouble[0] = '\0';
    evtimer_del(b->timer);
    forget_names(b);
}

/* Whoever made the file had an order in mind, which is not ours. */
static void shuffle(struct saved_table *t)
{
    for (size_t i = t->count; i > 1; i--) {
        size_t j = randombytes_uniform((uint32_t)i);
        struct endpoint swapped = t->at[j];

        t->at[j] = t->at[i - 1];
        t->at[i - 1] = swapped;
    }
}

enum error bootstrap_configure(struct bootstrap *b,
                               const struct config_hosts *hosts,
                               const struct saved_table *saved)
{
    bool active = b->active;
    enum error err = OK;

    bootstrap_stop(b);
    b->hosts = *hosts;
    if (saved != NULL) {
        saved_table_deinit(&b->saved);
        err = saved_table_copy(saved, &b->saved);
        shuffle(&b->saved);
    }
    b->next_saved = 0;
    b->all_asked = false;
    if (active)
        bootstrap_start(b, 0);
    return err;
}

size_t bootstrap_saved(const struct bootstrap *b)
{
    return b->saved.count;
}

const char *bootstrap_trouble(const struct bootstrap *b)
{
    const struct waiting_host *w = LIST_FIRST(&b->running);

    if (b->trouble[0] != '\0')
        return b->trouble;
    return w == NULL ? NULL : w->waiting;
}

bool bootstrap_is_self(const struct bootstrap *b)
{
    return b->found[BOOTSTRAP_SELF] > 0 && b->found[BOOTSTRAP_TAKEN] == 0 &&
           bootstrap_trouble(b) == NULL;
}

/* ---- Life -------------------------------------------------------------- */

enum error bootstrap_new(struct event_base *base,
                         const struct bootstrap_handler *handler,
                         struct log *log, struct bootstrap **out)
{
    struct bootstrap *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return ERR_NO_MEMORY;
    b->base = base;
    b->handler = *handler;
    b->log = log;
    LIST_INIT(&b->running);
    b->timer = evtimer_new(base, on_timer, b);
    b->resolver = resolver_new(base);
    if (b->timer == NULL || b->resolver == NULL) {
        bootstrap_free(b);
        return ERR_NO_MEMORY;
    }
    *out = b;
    return OK;
}

void bootstrap_free(struct bootstrap *b)
{
    if (b == NULL)
        return;
    forget_names(b);
    if (b->timer != NULL)
        event_free(b->timer);
    resolver_free(b->resolver);
    saved_table_deinit(&b->saved);
    free(b);
}
