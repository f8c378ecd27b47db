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
 */
#include "node/exit/exit_names.h"

#include "base/timestamp.h"
#include "node/names/resolver.h"
#include "node/os/clock.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct question {
    LIST_ENTRY(question) link;
    struct exit_names *owner;
    uint32_t cookie;
    struct resolution *resolution;
};

struct exit_names {
    struct exit_names_handler handler;
    struct log *log;
    struct resolver *resolver;
    const char
        *assumed; /* why there is a server on this machine only, or NULL */
    bool family[FAMILIES];
    LIST_HEAD(, question) running;
    struct resolution *probe;        /* that runs */
    uint64_t answered_at, failed_at; /* 0: never */
    uint64_t failing_since;          /* TIME_NEVER: they are not */
    enum dns_result error;           /* of the last failure */
};

/* ---- How the servers do ------------------------------------------------- */

/* Asked now and then: it is reserved, so every server that works says that
 * there is no such name, most of them by themselves. */
#define PROBE_NAME  "invalid"
#define PROBE_LATER (10 * TIME_MIN) /* while all is well and nobody asks */
#define PROBE_SOON  (20 * TIME_S)   /* while they fail */

/* One name may be broken where it is kept, so it takes our own question, too,
 * to call the servers bad; silence and refusals are theirs alone. */
static bool is_their_fault(enum dns_result result, bool ours)
{
    return result != DNS_FAILED || ours;
}

static const char *reason(const struct exit_names *n)
{
    return n->assumed != NULL ? n->assumed : dns_result_text(n->error);
}

static void note(struct exit_names *n, enum dns_result result, bool ours)
{
    uint64_t now = clock_now();

    if (dns_result_is_answer(result)) {
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
        log_warn(n->log, "the exit resolves no names: %s", reason(n));
    }
}

static void on_probe(void *arg, const struct dns_answer *answer)
{
    struct exit_names *n = arg;

    n->probe = NULL;
    note(n, answer->result, true);
}

static void probe(struct exit_names *n)
{
    static const bool ipv4[FAMILIES] = {[FAMILY_IPV4] = true};

    n->probe = resolver_ask(n->resolver, PROBE_NAME, ipv4, on_probe, n);
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
    *out = (struct exit_names_state){.assumed = n->assumed != NULL,
                                     .failing = n->failing_since != TIME_NEVER,
                                     .since = n->failing_since,
                                     .why = reason(n)};
}

/* ---- Questions --------------------------------------------------------- */

static void drop(struct question *q)
{
    LIST_REMOVE(q, link);
    free(q);
}

static enum reason reason_of_result(enum dns_result result)
{
    switch (result) {
    case DNS_FOUND:
        break;
    case DNS_NO_NAME:
        return REASON_NO_NAME;
    case DNS_NO_ADDRESS:
        return REASON_RESOLVE;
    case DNS_SILENT:
        return REASON_TIMEOUT;
    case DNS_FAILED:
    case DNS_REFUSED:
    case DNS_USELESS:
        return REASON_DNS;
    }
    return EXIT_SENT;
}

static void on_answer(void *arg, const struct dns_answer *answer)
{
    struct question *q = arg;
    struct exit_names *n = q->owner;
    uint32_t cookie = q->cookie;
    const struct exit_answer told = {.why = reason_of_result(answer->result),
                                     .addrs = answer->addrs,
                                     .count = answer->count,
                                     .name = bytes_of_text(answer->name),
                                     .ttl = answer->ttl};

    drop(q);
    note(n, answer->result, false);
    n->handler.resolved(n->handler.arg, cookie, &told);
}

static enum error ask(struct exit_names *n, const char *name,
                      const struct endpoint *address, uint32_t cookie)
{
    struct question *q;

    if (exit_names_servers(n) == 0)
        return ERR_IO;
    q = calloc(1, sizeof(*q));
    if (q == NULL)
        return ERR_NO_MEMORY;
    q->owner = n;
    q->cookie = cookie;
    q->resolution =
        address != NULL
            ? resolver_ask_reverse(n->resolver, address, on_answer, q)
            : resolver_ask(n->resolver, name, n->family, on_answer, q);
    if (q->resolution == NULL) {
        free(q);
        return ERR_NO_MEMORY;
    }
    LIST_INSERT_HEAD(&n->running, q, link);
    return OK;
}

enum error exit_names_ask(struct exit_names *n, const char *name,
                          uint32_t cookie)
{
    return ask(n, name, NULL, cookie);
}

enum error exit_names_ask_reverse(struct exit_names *n,
                                  const struct endpoint *address,
                                  uint32_t cookie)
{
    return ask(n, NULL, address, cookie);
}

void exit_names_cancel(struct exit_names *n, uint32_t cookie)
{
    struct question *q;

    LIST_FOREACH(q, &n->running, link)
    {
        if (q->cookie == cookie) {
            resolver_cancel(q->resolution);
            drop(q);
            return;
        }
    }
}

/* ---- Servers ----------------------------------------------------------- */

unsigned exit_names_servers(const struct exit_names *n)
{
    return resolver_server_count(n->resolver);
}

void exit_names_configure(struct exit_names *n,
                          const struct config_endpoints *servers,
                          const bool families[FAMILIES])
{
    struct dns_place places[RESOLVER_SERVERS_MAX];
    struct resolv_conf conf;
    unsigned count = 0;

    if (n->probe != NULL)
        resolver_cancel(n->probe);
    n->probe = NULL;
    n->answered_at = n->failed_at = 0;
    n->failing_since = TIME_NEVER;
    n->assumed = NULL;
    memcpy(n->family, families, sizeof(n->family));
    if (servers->count > 0) {
        for (; count < servers->count && count < RESOLVER_SERVERS_MAX; count++)
            places[count] = (struct dns_place){.ep = servers->at[count]};
        resolver_set_servers(n->resolver, places, count);
        return;
    }
    resolv_conf_read(RESOLV_CONF_PATH, &conf);
    if (conf.assumed)
        n->assumed = resolv_conf_why_assumed(&conf);
    resolver_set_servers(n->resolver, conf.servers, conf.server_count);
}

struct exit_names *exit_names_new(struct event_base *base,
                                  const struct exit_names_handler *handler,
                                  struct log *log)
{
    struct exit_names *n = calloc(1, sizeof(*n));

    if (n == NULL)
        return NULL;
    n->handler = *handler;
    n->log = log;
    n->failing_since = TIME_NEVER;
    LIST_INIT(&n->running);
    n->resolver = resolver_new(base);
    if (n->resolver != NULL)
        return n;
    free(n);
    return NULL;
}

void exit_names_free(struct exit_names *n)
{
    if (n == NULL)
        return;
    while (!LIST_EMPTY(&n->running))
        drop(LIST_FIRST(&n->running));
    resolver_free(n->resolver);
    free(n);
}
