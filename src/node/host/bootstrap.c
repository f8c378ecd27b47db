/* SPDX-License-Identifier: MIT
 *
 * libevent calls back about a name even after it was cancelled, from the
 * loop: a resolution therefore lives on its own and may have lost its owner.
 */
#include "node/host/bootstrap.h"
#include "node/os/sockaddr.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct resolution {
    LIST_ENTRY(resolution) link;
    struct bootstrap *owner; /* NULL: nobody waits any more */
    struct evdns_getaddrinfo_request *request;
    struct config_host host;
    char waiting[CONFIG_HOST_SIZE + 64]; /* for people */
};

struct bootstrap {
    struct event_base *base;
    struct bootstrap_handler handler;
    struct log *log;
    struct event *timer;
    struct evdns_base *dns; /* made when the first name is met */
    LIST_HEAD(, resolution) running;
    struct config_host hosts[CONFIG_BOOTSTRAP_MAX];
    unsigned host_count;
    bool active;
    uint64_t retry; /* from the running attempt to the next */
    char trouble[CONFIG_HOST_SIZE + 128];
};

static void arm(struct bootstrap *b, uint64_t delay)
{
    struct timeval tv = {.tv_sec = (time_t)(delay / TIME_S),
                         .tv_usec = (suseconds_t)(delay % TIME_S / TIME_US)};

    evtimer_add(b->timer, &tv);
}

/* ---- Names ------------------------------------------------------------- */

static void resolution_failed(struct resolution *r, int error)
{
    struct bootstrap *b = r->owner;

    snprintf(b->trouble, sizeof(b->trouble),
             "the bootstrap name %s cannot be resolved: %s", r->host.host,
             evutil_gai_strerror(error));
    log_warn(b->log, "%s; trying again in %llu s", b->trouble,
             (unsigned long long)(b->retry / TIME_S));
}

static void resolution_done(struct resolution *r,
                            const struct evutil_addrinfo *list)
{
    struct bootstrap *b = r->owner;

    for (const struct evutil_addrinfo *a = list; a != NULL; a = a->ai_next) {
        struct endpoint ep;

        if (sockaddr_to_endpoint(a->ai_addr, &ep) != OK)
            continue;
        ep.port = r->host.port;
        b->handler.found(b->handler.arg, &ep);
    }
}

static void on_resolved(int error, struct evutil_addrinfo *list, void *arg)
{
    struct resolution *r = arg;

    if (r->owner != NULL) {
        LIST_REMOVE(r, link);
        if (error != 0)
            resolution_failed(r, error);
        else
            resolution_done(r, list);
    }
    if (list != NULL)
        evutil_freeaddrinfo(list);
    free(r);
}

static void resolve(struct bootstrap *b, const struct config_host *host)
{
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_DGRAM,
                                    .ai_protocol = IPPROTO_UDP};
    struct evdns_getaddrinfo_request *request;
    struct resolution *r;

    if (b->dns == NULL)
        b->dns = evdns_base_new(b->base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                             EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    r = b->dns == NULL ? NULL : calloc(1, sizeof(*r));
    if (r == NULL) {
        snprintf(b->trouble, sizeof(b->trouble),
                 "names cannot be resolved: no usable /etc/resolv.conf");
        log_warn(b->log, "%s", b->trouble);
        return;
    }
    r->owner = b;
    r->host = *host;
    snprintf(r->waiting, sizeof(r->waiting),
             "the bootstrap name %s is still being looked up", host->host);
    LIST_INSERT_HEAD(&b->running, r, link);
    /* NULL: it was in /etc/hosts, or failed at once, and `r` is gone. */
    request =
        evdns_getaddrinfo(b->dns, host->host, NULL, &hints, on_resolved, r);
    if (request != NULL)
        r->request = request;
}

/* Forgets what runs, and the name servers, which may have changed. */
static void dns_drop(struct bootstrap *b)
{
    struct resolution *r;

    while ((r = LIST_FIRST(&b->running)) != NULL) {
        LIST_REMOVE(r, link);
        r->owner = NULL;
        evdns_getaddrinfo_cancel(r->request);
    }
    if (b->dns != NULL)
        evdns_base_free(b->dns, 1);
    b->dns = NULL;
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
    b->handler.found(b->handler.arg, &ep);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct bootstrap *b = arg;

    (void)fd;
    (void)what;
    b->retry = b->retry == 0 ? BOOTSTRAP_RETRY_MIN
                             : time_min(2 * b->retry, BOOTSTRAP_RETRY_MAX);
    /* Slow name servers get their time. */
    if (LIST_EMPTY(&b->running)) {
        dns_drop(b);
        b->trouble[0] = '\0';
        for (unsigned i = 0; i < b->host_count; i++)
            try_host(b, &b->hosts[i]);
    }
    arm(b, b->retry);
}

void bootstrap_start(struct bootstrap *b, uint64_t delay)
{
    b->active = true;
    b->retry = 0;
    if (b->host_count > 0)
        arm(b, delay);
}

void bootstrap_hurry(struct bootstrap *b)
{
    if (!b->active || b->retry == 0)
        return;
    dns_drop(b);
    bootstrap_start(b, 0);
}

void bootstrap_stop(struct bootstrap *b)
{
    b->active = false;
    b->trouble[0] = '\0';
    evtimer_del(b->timer);
    dns_drop(b);
}

void bootstrap_configure(struct bootstrap *b, const struct config *config)
{
    bool active = b->active;

    bootstrap_stop(b);
    memcpy(b->hosts, config->bootstrap.at, sizeof(b->hosts));
    b->host_count = config->bootstrap.count;
    if (active)
        bootstrap_start(b, 0);
}

const char *bootstrap_trouble(const struct bootstrap *b)
{
    const struct resolution *r = LIST_FIRST(&b->running);

    if (b->trouble[0] != '\0')
        return b->trouble;
    return r == NULL ? NULL : r->waiting;
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
    if (b->timer == NULL) {
        free(b);
        return ERR_NO_MEMORY;
    }
    *out = b;
    return OK;
}

void bootstrap_free(struct bootstrap *b)
{
    if (b == NULL)
        return;
    bootstrap_stop(b);
    event_free(b->timer);
    free(b);
}
