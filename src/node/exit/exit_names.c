/* SPDX-License-Identifier: MIT
 *
 * Questions of circuits go to the servers as they come (exit_names_ask); one of
 * our own, the probe, tells how the servers do, of whom it is believed that
 *
 *     nothing is known   at the start, and when a circuit's question fails:
 *                        the probe is sent at once
 *     they answer        to whomever; the probe is sent when nobody has asked
 *                        anything for PROBE_LATER
 *     they fail          the probe did, and is sent again after PROBE_SOON
 *
 * libevent calls back about a question even after it was cancelled, from the
 * loop: a question therefore lives until all of its callbacks have come, and
 * may have lost its owner.
 */
#include "node/exit/exit_names.h"

#include "base/timestamp.h"
#include "node/net/dns_result.h"
#include "node/os/clock.h"
#include "node/os/sockaddr.h"

#include <event2/dns.h>
#include <event2/event.h>

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct question {
    LIST_ENTRY(question) link;
    struct exit_names *owner; /* NULL: nobody waits any more */
    uint32_t cookie;
    unsigned waiting; /* callbacks to come */
    struct evdns_request *request[FAMILIES];
    uint32_t ttl; /* s, the shortest */
    size_t count;
    struct endpoint addrs[EXIT_NAMES_ADDRESSES];
};

struct exit_names {
    struct event_base *base;
    struct exit_names_handler handler;
    struct log *log;
    struct evdns_base *dns;
    bool assumed; /* nobody has named a server: one on this machine */
    bool family[FAMILIES];
    LIST_HEAD(, question) running;
    struct probe *probe;             /* that runs */
    uint64_t answered_at, failed_at; /* 0: never */
    uint64_t failing_since;          /* TIME_NEVER: they are not */
    int error;                       /* of the last failure */
};

/* A question of our own; as for those of others, it may lose its owner. */
struct probe {
    struct exit_names *owner;
    uint64_t asked_at;
};

/* ---- How the servers do ------------------------------------------------- */

/* Asked now and then: it is reserved, so every server that works says that
 * there is no such name, most of them by themselves. */
#define PROBE_NAME  "invalid"
#define PROBE_LATER (10 * TIME_MIN) /* while all is well and nobody asks */
#define PROBE_SOON  (20 * TIME_S)   /* while they fail */

/* That a name does not exist is an answer too. */
static bool is_answer(int result)
{
    return result == DNS_ERR_NONE || result == DNS_ERR_NOTEXIST ||
           result == DNS_ERR_NODATA;
}

/* One name may be broken where it is kept, so it takes our own question, too,
 * to call the servers bad; silence and refusals are theirs alone. */
static bool is_their_fault(int result, bool ours)
{
    if (result == DNS_ERR_SERVERFAILED)
        return ours;
    return result == DNS_ERR_TIMEOUT || result == DNS_ERR_REFUSED ||
           result == DNS_ERR_NOTIMPL || result == DNS_ERR_FORMAT;
}

static void note(struct exit_names *n, int result, bool ours)
{
    uint64_t now = clock_now();

    if (is_answer(result)) {
        if (n->failing_since != TIME_NEVER)
            log_info(n->log, "names of the exit are resolved again");
        n->answered_at = now;
        n->failing_since = TIME_NEVER;
        return;
    }
    n->failed_at = now;
    if (!is_their_fault(result, ours))
        return;
    /* A question of others fails for slow names as well: ours decides. */
    if (!ours) {
        n->answered_at = 0;
        return;
    }
    n->error = result;
    if (n->failing_since == TIME_NEVER) {
        n->failing_since = now;
        log_warn(n->log, "the exit resolves no names: %s",
                 dns_result_text(result));
    }
}

static void on_probe(int result, char type, int count, int ttl, void *addresses,
                     void *arg)
{
    struct probe *p = arg;

    (void)type;
    (void)count;
    (void)ttl;
    (void)addresses;
    result = dns_result_of(result, time_since(p->asked_at, clock_now()));
    if (p->owner != NULL) {
        p->owner->probe = NULL;
        note(p->owner, result, true);
    }
    free(p);
}

static void probe(struct exit_names *n)
{
    struct probe *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return;
    p->owner = n;
    p->asked_at = clock_now();
    n->probe = p;
    if (evdns_base_resolve_ipv4(n->dns, PROBE_NAME, DNS_QUERY_NO_SEARCH,
                                on_probe, p) == NULL) {
        n->probe = NULL;
        free(p);
    }
}

static void forget_probe(struct exit_names *n)
{
    if (n->probe != NULL)
        n->probe->owner = NULL;
    n->probe = NULL;
}

void exit_names_tick(struct exit_names *n, uint64_t now)
{
    uint64_t last = n->answered_at > n->failed_at ? n->answered_at
                                                  : n->failed_at;
    uint64_t wait = n->failing_since == TIME_NEVER ? PROBE_LATER : PROBE_SOON;

    if (n->probe != NULL || exit_names_servers(n) == 0)
        return;
    if (n->answered_at == 0 && n->failing_since == TIME_NEVER)
        wait = 0;
    if (time_since(last, now) >= wait)
        probe(n);
}

void exit_names_state(const struct exit_names *n, struct exit_names_state *out)
{
    *out = (struct exit_names_state){.assumed = n->assumed,
                                     .failing = n->failing_since != TIME_NEVER,
                                     .since = n->failing_since,
                                     .why = dns_result_text(n->error)};
}

/* ---- Answers ----------------------------------------------------------- */

static void take(struct question *q, char type, int count, int ttl,
                 const void *addresses)
{
    enum family family = type == DNS_IPv6_AAAA ? FAMILY_IPV6 : FAMILY_IPV4;
    size_t size = family == FAMILY_IPV6 ? 16 : 4;

    if (type != DNS_IPv4_A && type != DNS_IPv6_AAAA)
        return;
    if (ttl >= 0 && (uint32_t)ttl < q->ttl)
        q->ttl = (uint32_t)ttl;
    for (int i = 0; i < count && q->count < EXIT_NAMES_ADDRESSES; i++) {
        struct endpoint *ep = &q->addrs[q->count++];

        *ep = (struct endpoint){.family = family};
        memcpy(ep->addr, (const uint8_t *)addresses + size * (size_t)i, size);
    }
}

static void lose(struct question *q)
{
    LIST_REMOVE(q, link);
    q->owner = NULL;
}

static void on_answer(int result, char type, int count, int ttl,
                      void *addresses, void *arg)
{
    struct question *q = arg;
    struct exit_names *n = q->owner;

    q->waiting--;
    if (n != NULL)
        note(n, result, false);
    if (result == DNS_ERR_NONE && n != NULL)
        take(q, type, count, ttl, addresses);
    if (q->waiting > 0)
        return;
    if (n != NULL) {
        lose(q);
        n->handler.resolved(n->handler.arg, q->cookie, q->addrs, q->count,
                            q->count == 0 ? 0 : q->ttl * TIME_S);
    }
    free(q);
}

/* ---- Questions --------------------------------------------------------- */

static void ask_family(struct exit_names *n, struct question *q,
                       enum family family, const char *name)
{
    if (!n->family[family])
        return;
    q->waiting++;
    q->request[family] =
        family == FAMILY_IPV6
            ? evdns_base_resolve_ipv6(n->dns, name, DNS_QUERY_NO_SEARCH,
                                      on_answer, q)
            : evdns_base_resolve_ipv4(n->dns, name, DNS_QUERY_NO_SEARCH,
                                      on_answer, q);
    if (q->request[family] == NULL)
        q->waiting--;
}

enum error exit_names_ask(struct exit_names *n, const char *name,
                          uint32_t cookie)
{
    struct question *q;

    if (exit_names_servers(n) == 0)
        return ERR_IO;
    q = calloc(1, sizeof(*q));
    if (q == NULL)
        return ERR_NO_MEMORY;
    q->owner = n;
    q->cookie = cookie;
    q->ttl = UINT32_MAX;
    for (int f = 0; f < FAMILIES; f++)
        ask_family(n, q, (enum family)f, name);
    if (q->waiting == 0) {
        free(q);
        return ERR_IO;
    }
    LIST_INSERT_HEAD(&n->running, q, link);
    return OK;
}

void exit_names_cancel(struct exit_names *n, uint32_t cookie)
{
    struct question *q;

    LIST_FOREACH(q, &n->running, link)
    {
        if (q->cookie == cookie) {
            lose(q);
            return;
        }
    }
}

/* ---- Servers ----------------------------------------------------------- */

static void add_server(struct exit_names *n, const struct endpoint *ep)
{
    struct sockaddr_storage sa;
    socklen_t len = sockaddr_from_endpoint(ep, &sa);

    evdns_base_nameserver_sockaddr_add(n->dns, (struct sockaddr *)&sa, len, 0);
}

unsigned exit_names_servers(const struct exit_names *n)
{
    return n->dns == NULL ? 0u : (unsigned)evdns_base_count_nameservers(n->dns);
}

void exit_names_configure(struct exit_names *n,
                          const struct config_endpoints *servers,
                          const bool families[FAMILIES])
{
    forget_probe(n);
    n->answered_at = n->failed_at = 0;
    n->failing_since = TIME_NEVER;
    if (n->dns != NULL)
        evdns_base_free(n->dns, 1);
    memcpy(n->family, families, sizeof(n->family));
    n->dns = evdns_base_new(n->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (n->dns == NULL) {
        log_warn(n->log, "names cannot be resolved: out of memory");
        return;
    }
    /* Asking a dead server for long costs more than it brings: the exit gives
     * a name up before. */
    dns_set_timeout(n->dns);
    evdns_base_set_option(n->dns, "attempts", "2");
    for (unsigned i = 0; i < servers->count; i++)
        add_server(n, &servers->at[i]);
    /* It takes 127.0.0.1 where the file names none, as all resolvers do. */
    n->assumed = servers->count == 0 &&
                 evdns_base_resolv_conf_parse(n->dns, DNS_OPTION_NAMESERVERS,
                                              "/etc/resolv.conf") != 0;
}

struct exit_names *exit_names_new(struct event_base *base,
                                  const struct exit_names_handler *handler,
                                  struct log *log)
{
    struct exit_names *n = calloc(1, sizeof(*n));

    if (n == NULL)
        return NULL;
    n->base = base;
    n->handler = *handler;
    n->log = log;
    n->failing_since = TIME_NEVER;
    LIST_INIT(&n->running);
    return n;
}

void exit_names_free(struct exit_names *n)
{
    if (n == NULL)
        return;
    while (!LIST_EMPTY(&n->running))
        lose(LIST_FIRST(&n->running));
    forget_probe(n);
    if (n->dns != NULL)
        evdns_base_free(n->dns, 1);
    free(n);
}
