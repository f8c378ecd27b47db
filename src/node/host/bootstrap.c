/* SPDX-License-Identifier: MIT
 *
 * A name is looked up by evdns_getaddrinfo, which knows /etc/hosts and search
 * domains and asks for both families. It tells only that it failed: why is
 * learned by one more question, whose answer is a sentence for the operator.
 *
 * The settings of evdns are such that a dead server costs two seconds and not
 * the name: the next one is asked then, and what one family's answer says is
 * kept until the other's is there (by default that waits 3 s for an answer
 * that takes 5 s from the second server, and so never comes).
 *
 * libevent calls back about a name even after it was cancelled, from the
 * loop: a resolution therefore lives on its own and may have lost its owner.
 */
#include "node/host/bootstrap.h"
#include "node/net/dns_result.h"
#include "node/os/clock.h"
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
    bool asking_why; /* it has failed; the last question runs */
    uint64_t asked_at;
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
    uint64_t retry;                 /* from the running attempt to the next */
    unsigned found[BOOTSTRAP_USES]; /* addresses, in the running attempt */
    char trouble[CONFIG_HOST_SIZE + 192];
};

static void arm(struct bootstrap *b, uint64_t delay)
{
    struct timeval tv = {.tv_sec = (time_t)(delay / TIME_S),
                         .tv_usec = (suseconds_t)(delay % TIME_S / TIME_US)};

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

static void resolution_failed(struct resolution *r, const char *reason)
{
    struct bootstrap *b = r->owner;

    snprintf(b->trouble, sizeof(b->trouble),
             "the bootstrap name %s cannot be resolved: %s", r->host.host,
             reason);
    log_warn(b->log, "%s; trying again in %llu s", b->trouble,
             (unsigned long long)(b->retry / TIME_S));
}

static void resolution_done(struct resolution *r,
                            const struct evutil_addrinfo *list)
{
    struct bootstrap *b = r->owner;
    unsigned other = 0, all = 0;
    struct endpoint ep, last = {.family = FAMILY_IPV4};

    for (const struct evutil_addrinfo *a = list; a != NULL; a = a->ai_next) {
        if (sockaddr_to_endpoint(a->ai_addr, &ep) != OK)
            continue;
        ep.port = r->host.port;
        last = ep;
        other += use(b, &ep) == BOOTSTRAP_OTHER_FAMILY;
        all++;
    }
    if (all > 0 && other == all)
        say_other_family(b, r->host.host, last.family);
}

static void end(struct resolution *r)
{
    if (r->owner != NULL)
        LIST_REMOVE(r, link);
    free(r);
}

static void on_reason(int result, char type, int count, int ttl,
                      void *addresses, void *arg)
{
    struct resolution *r = arg;
    uint64_t took = time_since(r->asked_at, clock_now());

    (void)type;
    (void)count;
    (void)ttl;
    (void)addresses;
    if (r->owner != NULL)
        resolution_failed(r,
                          result == DNS_ERR_NONE
                              ? "the name servers answer now and then only"
                              : dns_result_text(dns_result_of(result, took)));
    end(r);
}

/* False when it cannot be asked. */
static bool ask_why(struct resolution *r)
{
    r->asking_why = true;
    r->request = NULL;
    r->asked_at = clock_now();
    return evdns_base_resolve_ipv4(r->owner->dns, r->host.host, 0, on_reason,
                                   r) != NULL;
}

static void on_resolved(int error, struct evutil_addrinfo *list, void *arg)
{
    struct resolution *r = arg;

    if (r->owner != NULL && error == 0)
        resolution_done(r, list);
    if (list != NULL)
        evutil_freeaddrinfo(list);
    if (r->owner != NULL && error != 0) {
        if (ask_why(r))
            return;
        resolution_failed(r, evutil_gai_strerror(error));
    }
    end(r);
}

static struct evdns_base *dns_new(struct event_base *base)
{
    struct evdns_base *dns =
        evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                 EVDNS_BASE_DISABLE_WHEN_INACTIVE);

    if (dns == NULL)
        return NULL;
    dns_set_timeout(dns);
    evdns_base_set_option(dns, "attempts", "4");
    evdns_base_set_option(dns, "max-timeouts", "1");
    evdns_base_set_option(dns, "getaddrinfo-allow-skew", "20");
    return dns;
}

static void resolve(struct bootstrap *b, const struct config_host *host)
{
    struct evutil_addrinfo hints = {.ai_family = AF_UNSPEC,
                                    .ai_socktype = SOCK_DGRAM,
                                    .ai_protocol = IPPROTO_UDP};
    struct evdns_getaddrinfo_request *request;
    struct resolution *r;

    if (b->dns == NULL)
        b->dns = dns_new(b->base);
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
        if (!r->asking_why) /* else it ends when `dns` is freed */
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
    if (use(b, &ep) == BOOTSTRAP_OTHER_FAMILY)
        say_other_family(b, host->host, ep.family);
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
        memset(b->found, 0, sizeof(b->found));
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
