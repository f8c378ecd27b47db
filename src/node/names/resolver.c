/* SPDX-License-Identifier: MIT
 *
 * A resolution has a few names to try, of each the servers in turn, in two
 * rounds: ask_on asks the next, on_answer hears how it went. `done` is called
 * from the loop only: what is known at once waits for the timer `later`.
 */
#include "node/names/resolver.h"

#include "node/os/clock.h"

#include <event2/event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define ROUNDS    2
#define NAMES_MAX (RESOLV_DOMAINS_MAX + 1)

struct server {
    struct dns_place place;
    uint64_t answered_at; /* 0: never */
    uint64_t bad_at;      /* silent, or refused; 0: it is well */
};

struct resolver {
    struct event_base *base;
    LIST_HEAD(, resolution) running;
    unsigned server_count;
    struct server servers[RESOLVER_SERVERS_MAX];
};

struct resolution {
    LIST_ENTRY(resolution) link;
    struct resolver *owner;
    dns_query_fn *done;
    void *arg;
    bool families[FAMILIES];
    bool reverse; /* it is the name of `address` that is asked for */
    struct endpoint address;
    struct event *later;
    struct dns_query *query; /* under way, to order[place] since asked_at */
    uint64_t asked_at;
    unsigned round, place;
    uint8_t order[RESOLVER_SERVERS_MAX];
    bool heard[RESOLVER_SERVERS_MAX]; /* by place: it has said something */
    struct dns_answer answer;         /* the last, or what is told later */
    unsigned name, name_count;
    char names[][DNS_NAME_SIZE];
};

/* ---- Servers ------------------------------------------------------------ */

static void note_server(struct server *s, enum dns_result result,
                        uint64_t asked_at)
{
    uint64_t now = clock_now();

    if (result == DNS_SILENT || result == DNS_REFUSED) {
        if (result == DNS_REFUSED || s->answered_at < asked_at)
            s->bad_at = now;
        return;
    }
    s->answered_at = now;
    s->bad_at = 0;
}

/* Those that are well, or are due to be tried, come first. */
static void set_order(struct resolution *x)
{
    struct resolver *r = x->owner;
    uint64_t now = clock_now();
    bool first[RESOLVER_SERVERS_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < r->server_count; i++) {
        struct server *s = &r->servers[i];

        first[i] = s->bad_at == 0 ||
                   time_since(s->bad_at, now) >= RESOLVER_RETRY;
        if (!first[i])
            continue;
        if (s->bad_at != 0)
            s->bad_at = now; /* this one finds out for all others */
        x->order[count++] = (uint8_t)i;
    }
    for (unsigned i = 0; i < r->server_count; i++)
        if (!first[i])
            x->order[count++] = (uint8_t)i;
}

/* ---- A resolution ------------------------------------------------------- */

static void drop(struct resolution *x)
{
    LIST_REMOVE(x, link);
    dns_query_free(x->query);
    if (x->later != NULL)
        event_free(x->later);
    free(x);
}

static void tell(struct resolution *x)
{
    struct dns_answer answer = x->answer;
    dns_query_fn *done = x->done;
    void *arg = x->arg;

    drop(x);
    done(arg, &answer);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tell(arg);
}

static void begin_name(struct resolution *x)
{
    x->round = 0;
    x->place = 0;
    memset(x->heard, 0, sizeof(x->heard));
    x->answer = (struct dns_answer){.result = DNS_SILENT};
    set_order(x);
}

static void on_answer(void *arg, const struct dns_answer *answer);

static bool ask_server(struct resolution *x)
{
    const struct server *s = &x->owner->servers[x->order[x->place]];
    struct event_base *base = x->owner->base;
    uint64_t timeout = RESOLVER_TIMEOUT << x->round;

    x->asked_at = clock_now();
    x->query = x->reverse ? dns_query_reverse(base, &s->place, &x->address,
                                              timeout, on_answer, x)
                          : dns_query_new(base, &s->place, x->names[x->name],
                                          x->families, timeout, on_answer, x);
    return x->query != NULL;
}

/* False when nobody is left to ask. */
static bool ask_on(struct resolution *x)
{
    for (; x->round < ROUNDS; x->round++, x->place = 0)
        for (; x->place < x->owner->server_count; x->place++)
            if (!x->heard[x->place] && ask_server(x))
                return true;
    return false;
}

static void on_answer(void *arg, const struct dns_answer *answer)
{
    struct resolution *x = arg;
    struct server *s = &x->owner->servers[x->order[x->place]];

    x->query = NULL; /* it has freed itself */
    note_server(s, answer->result, x->asked_at);
    if (answer->result != DNS_SILENT) {
        x->answer = *answer;
        x->heard[x->place] = true;
    }
    if (!dns_result_is_answer(answer->result)) {
        x->place++;
        if (!ask_on(x))
            tell(x);
        return;
    }
    if (answer->result == DNS_FOUND || ++x->name == x->name_count) {
        tell(x);
        return;
    }
    begin_name(x);
    if (!ask_on(x))
        tell(x);
}

static struct resolution *resolution_new(struct resolver *r, unsigned names,
                                         const bool families[FAMILIES],
                                         dns_query_fn *done, void *arg)
{
    struct resolution *x = calloc(1, sizeof(*x) + names * DNS_NAME_SIZE);

    if (x == NULL)
        return NULL;
    x->owner = r;
    x->done = done;
    x->arg = arg;
    memcpy(x->families, families, sizeof(x->families));
    LIST_INSERT_HEAD(&r->running, x, link);
    x->later = evtimer_new(r->base, on_later, x);
    if (x->later != NULL)
        return x;
    drop(x);
    return NULL;
}

static void start(struct resolution *x)
{
    begin_name(x);
    if (!ask_on(x))
        event_active(x->later, EV_TIMEOUT, 0);
}

struct resolution *resolver_ask(struct resolver *r, const char *name,
                                const bool families[FAMILIES],
                                dns_query_fn *done, void *arg)
{
    struct resolution *x = resolution_new(r, 1, families, done, arg);

    if (x == NULL)
        return NULL;
    snprintf(x->names[x->name_count++], DNS_NAME_SIZE, "%s", name);
    start(x);
    return x;
}

struct resolution *resolver_ask_reverse(struct resolver *r,
                                        const struct endpoint *address,
                                        dns_query_fn *done, void *arg)
{
    static const bool none[FAMILIES];
    struct resolution *x = resolution_new(r, 1, none, done, arg);

    if (x == NULL)
        return NULL;
    x->reverse = true;
    x->address = *address;
    x->name_count = 1;
    start(x);
    return x;
}

void resolver_cancel(struct resolution *x)
{
    drop(x);
}

/* ---- As programs of this machine look names up -------------------------- */

static void add_name(struct resolution *x, const char *name, const char *domain)
{
    int len = domain == NULL
                  ? snprintf(x->names[x->name_count], DNS_NAME_SIZE, "%s", name)
                  : snprintf(x->names[x->name_count], DNS_NAME_SIZE, "%s.%s",
                             name, domain);

    if (len < DNS_NAME_SIZE)
        x->name_count++;
}

/* With a dot at its end a name is absolute; with `ndots` in it, it is most
 * likely to be. */
static void add_names(struct resolution *x, const struct resolv_conf *conf,
                      const char *name)
{
    size_t len = strlen(name);
    unsigned dots = 0;

    for (const char *c = name; *c != '\0'; c++)
        dots += *c == '.';
    if (len > 0 && name[len - 1] == '.') {
        add_name(x, name, NULL);
        x->names[0][len - 1] = '\0';
        return;
    }
    if (dots >= conf->ndots)
        add_name(x, name, NULL);
    for (unsigned i = 0; i < conf->domain_count; i++)
        add_name(x, name, conf->domains[i]);
    if (dots < conf->ndots)
        add_name(x, name, NULL);
}

struct resolution *resolver_ask_as_local(struct resolver *r,
                                         const struct resolv_conf *conf,
                                         const char *name,
                                         const bool families[FAMILIES],
                                         dns_query_fn *done, void *arg)
{
    struct resolution *x = resolution_new(r, NAMES_MAX, families, done, arg);

    if (x == NULL)
        return NULL;
    dns_look_in_hosts(name, families, &x->answer);
    if (x->answer.result != DNS_FOUND)
        add_names(x, conf, name);
    if (x->name_count == 0)
        event_active(x->later, EV_TIMEOUT, 0);
    else
        start(x);
    return x;
}

/* ---- Life --------------------------------------------------------------- */

void resolver_set_servers(struct resolver *r, const struct dns_place *servers,
                          unsigned count)
{
    struct resolution *x;

    r->server_count = count < RESOLVER_SERVERS_MAX ? count
                                                   : RESOLVER_SERVERS_MAX;
    for (unsigned i = 0; i < r->server_count; i++)
        r->servers[i] = (struct server){.place = servers[i]};
    LIST_FOREACH(x, &r->running, link)
    {
        if (x->query == NULL)
            continue;
        dns_query_free(x->query);
        x->query = NULL;
        start(x);
    }
}

unsigned resolver_server_count(const struct resolver *r)
{
    return r->server_count;
}

struct resolver *resolver_new(struct event_base *base)
{
    struct resolver *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return NULL;
    r->base = base;
    LIST_INIT(&r->running);
    return r;
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    while (!LIST_EMPTY(&r->running))
        drop(LIST_FIRST(&r->running));
    free(r);
}
