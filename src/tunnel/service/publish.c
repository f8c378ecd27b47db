/* SPDX-License-Identifier: MIT
 *
 * One publication for each blinded key. Each has one request under way at
 * most for each replica, and one for the lookup that follows.
 */
#include "tunnel/service/publish.h"

#include "tunnel/service/gate.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define SETTLE      (10 * TIME_MIN)
#define RETRY_FIRST (1 * TIME_S)
#define RETRY_MAX   (5 * TIME_MIN)
#define AGAIN       (1 * TIME_S) /* after more points came */
#define VERIFY_MIN  (5 * TIME_S) /* after the puts, at random up to */
#define VERIFY_SPAN (40 * TIME_S)

struct replica {
    struct service_item item;
    uint64_t request; /* 0: none is under way */
    unsigned stored;  /* nodes, of the last round */
};

struct publication {
    TAILQ_ENTRY(publication) link;
    struct publications *all;
    uint32_t period;
    unsigned access; /* 0: none; else place in the options + 1 */
    struct blinded_key key;
    struct service_view view;
    int64_t seq;
    bool due;  /* what is stored is wrong */
    bool ever; /* it was stored on both replicas */
    bool verified;
    unsigned failures; /* in a row */
    uint64_t put_at;   /* the next round */
    uint64_t stored_at, verified_at, verify_at;
    uint64_t lookup; /* 0: none is under way */
    struct replica replicas[SERVICE_REPLICAS];
};

struct publications {
    struct service *service;
    const struct service_secret *secret;
    publish_describe_fn *describe;
    void *holder;
    TAILQ_HEAD(, publication) list;
    struct service_seq_row *seqs; /* the last ones, of an earlier life too */
    unsigned seq_count;
    uint32_t lead, lead_in; /* and the period that it was drawn in */
    uint64_t settle_at;     /* the periods change, or a clock may have */
    bool changed;           /* options: keys are to be made anew */
};

/* ---- Life --------------------------------------------------------------- */

enum error publications_new(struct service *service,
                            const struct service_secret *secret,
                            const struct service_memory *memory,
                            publish_describe_fn *describe, void *holder,
                            uint64_t now, struct publications **out)
{
    struct publications *p = calloc(1, sizeof(*p));
    unsigned count = memory != NULL ? memory->seq_count : 0;

    (void)now;
    if (p == NULL)
        return ERR_NO_MEMORY;
    p->seqs = calloc(count + 1, sizeof(*p->seqs));
    if (p->seqs == NULL) {
        free(p);
        return ERR_NO_MEMORY;
    }
    if (count > 0)
        memcpy(p->seqs, memory->seqs, count * sizeof(*p->seqs));
    p->seq_count = count;
    p->service = service;
    p->secret = secret;
    p->describe = describe;
    p->holder = holder;
    p->lead = period_draw_lead(&service->all->env.random);
    p->lead_in = period_of(service->all->wall);
    TAILQ_INIT(&p->list);
    *out = p;
    return OK;
}

static void cancel(struct publication *p, uint64_t now)
{
    struct finder *f = p->all->service->all->finder;

    for (unsigned i = 0; i < SERVICE_REPLICAS; i++) {
        if (p->replicas[i].request != 0)
            finder_cancel(f, p->replicas[i].request, now);
        p->replicas[i].request = 0;
    }
    if (p->lookup != 0)
        finder_cancel(f, p->lookup, now);
    p->lookup = 0;
}

static void remove_one(struct publication *p, uint64_t now)
{
    cancel(p, now);
    TAILQ_REMOVE(&p->all->list, p, link);
    sodium_memzero(p, sizeof(*p));
    free(p);
}

void publications_free(struct publications *p, uint64_t now)
{
    struct publication *one;

    if (p == NULL)
        return;
    while ((one = TAILQ_FIRST(&p->list)) != NULL)
        remove_one(one, now);
    free(p->seqs);
    free(p);
}

/* ---- Which there are ---------------------------------------------------- */

static int64_t last_seq(const struct publications *p, uint32_t period,
                        unsigned access)
{
    for (unsigned i = 0; i < p->seq_count; i++)
        if (p->seqs[i].period == period && p->seqs[i].access == access)
            return p->seqs[i].seq;
    return 0;
}

static bool make_keys(struct publication *one)
{
    const struct publications *p = one->all;
    const struct services *s = p->service->all;
    struct service_name name = {.has_access = one->access > 0};
    uint8_t factor[32];
    enum error e;

    memcpy(name.key, p->secret->key, sizeof(name.key));
    if (name.has_access)
        memcpy(name.access, p->service->options.access[one->access - 1],
               sizeof(name.access));
    blind_factor(s->config.network, &name, one->period, factor);
    blind_secret(p->secret, factor, &one->key);
    e = service_view_init(s->config.network, &name, one->period,
                          s->config.testing_network, &one->view);
    sodium_memzero(factor, sizeof(factor));
    sodium_memzero(&name, sizeof(name));
    return e == OK;
}

static struct publication *find(struct publications *p, uint32_t period,
                                unsigned access)
{
    struct publication *one;

    TAILQ_FOREACH(one, &p->list, link)
    if (one->period == period && one->access == access)
        return one;
    return NULL;
}

static void add(struct publications *p, uint32_t period, unsigned access,
                uint64_t now)
{
    struct publication *one = calloc(1, sizeof(*one));

    if (one == NULL)
        return; /* with the next change of periods or points */
    one->all = p;
    one->period = period;
    one->access = access;
    one->seq = last_seq(p, period, access);
    one->put_at = now;
    one->verify_at = TIME_NEVER;
    if (!make_keys(one)) {
        sodium_memzero(one, sizeof(*one));
        free(one);
        return;
    }
    TAILQ_INSERT_TAIL(&p->list, one, link);
}

static void settle(struct publications *p, uint64_t now)
{
    const struct services *s = p->service->all;
    unsigned count = p->service->options.access_count;
    struct publication *one, *next;
    struct periods periods;

    if (p->lead_in != period_of(s->wall)) {
        p->lead = period_draw_lead(&s->env.random);
        p->lead_in = period_of(s->wall);
    }
    period_published(s->wall, p->lead, &periods);
    p->settle_at = time_after(
        now, time_min(SETTLE, time_since(s->wall, periods.change_at) * TIME_S));
    for (one = TAILQ_FIRST(&p->list); one != NULL; one = next) {
        next = TAILQ_NEXT(one, link);
        if (p->changed || !period_is_among(&periods, one->period))
            remove_one(one, now);
    }
    p->changed = false;
    for (unsigned i = 0; i < periods.count; i++)
        for (unsigned a = count > 0 ? 1 : 0; a <= count; a++)
            if (find(p, periods.at[i], a) == NULL)
                add(p, periods.at[i], a, now);
}

/* ---- Looked up ---------------------------------------------------------- */

static struct publication *of_lookup(struct publications *p, uint64_t request)
{
    struct publication *one;

    TAILQ_FOREACH(one, &p->list, link)
    if (one->lookup == request)
        return one;
    return NULL;
}

/* Somebody with our key has published a higher one: ours has to be above it,
 * whoever that was (our own database may be older than it). */
static bool on_item(void *ctx, uint64_t request, const struct finder_item *item,
                    uint64_t now)
{
    struct publication *one = of_lookup(ctx, request);

    if (one == NULL)
        return false;
    if (item->seq == INT64_MAX)
        return false; /* nothing goes above that */
    if (item->seq > one->seq) {
        one->seq = item->seq;
        one->put_at = now;
    } else if (item->seq == one->seq) {
        one->verified = true;
        one->verified_at = now;
    }
    return item->seq >= one->seq;
}

static uint64_t next_try(struct publication *one, uint64_t now)
{
    unsigned doubled = one->failures < 16 ? one->failures : 16;

    one->failures++;
    return time_after(now, time_min(RETRY_MAX, RETRY_FIRST << doubled));
}

static void looked_up(void *ctx, uint64_t request, enum finder_end end,
                      unsigned stored, uint64_t now)
{
    struct publication *one = of_lookup(ctx, request);

    (void)stored;
    if (one == NULL)
        return;
    one->lookup = 0;
    if (end == FINDER_FOUND && one->verified) {
        one->failures = 0;
        return;
    }
    one->put_at = time_min(one->put_at, next_try(one, now));
}

static void verify(struct publication *one, uint64_t now)
{
    struct publications *p = one->all;
    struct finder_handler handler = {
        .ctx = p, .item = on_item, .done = looked_up};

    one->verify_at = TIME_NEVER;
    one->verified = false;
    if (finder_get(p->service->all->finder, p->service->kit, one->key.key,
                   &handler, now, &one->lookup) != OK)
        one->verify_at = time_after(now, VERIFY_MIN);
}

/* ---- Put ---------------------------------------------------------------- */

static uint64_t next_round(const struct publications *p, uint64_t now)
{
    uint64_t fifth = PUBLISH_EACH / 5 / 1024 *
                     random_below(&p->service->all->env.random, 1024);

    return time_after(now, PUBLISH_EACH - fifth);
}

/* On fewer nodes than there should be it is published, and tried again. */
static void round_over(struct publication *one, uint64_t now)
{
    struct random_source *random = &one->all->service->all->env.random;
    unsigned least = PUBLISH_NODES;

    for (unsigned i = 0; i < SERVICE_REPLICAS; i++) {
        if (one->replicas[i].request != 0)
            return;
        if (one->replicas[i].stored < least)
            least = one->replicas[i].stored;
    }
    if (least > 0) {
        one->due = one->put_at != TIME_NEVER; /* changed meanwhile */
        one->ever = true;
        one->stored_at = now;
        one->verify_at = time_after(
            now, VERIFY_MIN + VERIFY_SPAN / 1024 * random_below(random, 1024));
    }
    if (least == PUBLISH_NODES) {
        one->failures = 0;
        one->put_at = time_min(one->put_at, next_round(one->all, now));
    } else {
        one->put_at = time_min(one->put_at, next_try(one, now));
    }
}

static void put_done(void *ctx, uint64_t request, enum finder_end end,
                     unsigned stored, uint64_t now)
{
    struct publications *p = ctx;
    struct services_stats *stats = &p->service->all->stats;
    struct publication *one;

    TAILQ_FOREACH(one, &p->list, link)
    {
        for (unsigned i = 0; i < SERVICE_REPLICAS; i++) {
            struct replica *r = &one->replicas[i];

            if (r->request != request)
                continue;
            r->request = 0;
            r->stored = end == FINDER_FOUND ? stored : 0;
            stats->puts_failed += r->stored == 0;
            if (end == FINDER_NEWER) /* ours goes above what is there */
                one->verify_at = now;
            round_over(one, now);
            return;
        }
    }
}

static bool is_busy(const struct publication *one)
{
    return one->lookup != 0 || one->replicas[0].request != 0 ||
           one->replicas[1].request != 0;
}

static bool seal(struct publication *one)
{
    struct publications *p = one->all;
    struct services *s = p->service->all;
    struct service_item items[SERVICE_REPLICAS];
    struct service_descriptor d = {.period = one->period};
    uint8_t nonce[SERVICE_NONCE_BYTES];

    if (!p->describe(p->holder, &d))
        return false;
    d.issued = gate_issued(p->service->gate);
    s->env.random.fill(s->env.random.ctx, nonce, sizeof(nonce));
    if (service_descriptor_seal(&one->view, &one->key, &d, one->seq + 1, nonce,
                                items) != OK)
        return false;
    one->seq++;
    for (unsigned i = 0; i < SERVICE_REPLICAS; i++)
        one->replicas[i].item = items[i];
    return true;
}

/* A publication that is made anew goes on from there. */
static void note_seq(struct publications *p, const struct service_seq_row *row)
{
    struct service_seq_row *seqs;
    unsigned kept = 0;

    for (unsigned i = 0; i < p->seq_count; i++) {
        const struct service_seq_row *old = &p->seqs[i];

        if (old->period + 1 >= row->period &&
            (old->period != row->period || old->access != row->access))
            p->seqs[kept++] = *old;
    }
    p->seq_count = kept;
    seqs = realloc(p->seqs, (kept + 1) * sizeof(*seqs));
    if (seqs == NULL)
        return; /* nodes of the DHT will tell */
    p->seqs = seqs;
    seqs[p->seq_count++] = *row;
}

/* Before anybody can have seen it. */
static void remember_seq(const struct publication *one)
{
    struct service *service = one->all->service;
    struct service_seq_row row = {
        .period = one->period, .access = one->access, .seq = one->seq};

    note_seq(one->all, &row);
    if (service->all->env.world.remember_seq != NULL)
        service->all->env.world.remember_seq(service->all->env.world.ctx,
                                             service->id, &row);
}

/* What is behind the head of a msgpack byte string. */
static struct bytes sealed_bytes(const struct service_item *item)
{
    return bytes_of(item->value.mp + item->value.len - SERVICE_DESCRIPTOR_BYTES,
                    SERVICE_DESCRIPTOR_BYTES);
}

static void put(struct publication *one, uint64_t now)
{
    struct publications *p = one->all;
    struct services *s = p->service->all;
    struct finder_handler handler = {.ctx = p, .done = put_done};

    one->put_at = TIME_NEVER;
    if (!seal(one))
        return; /* publications_changed */
    remember_seq(one);
    for (unsigned i = 0; i < SERVICE_REPLICAS; i++) {
        struct replica *r = &one->replicas[i];
        struct finder_item item = {.salt = service_replica_salt(i),
                                   .seq = r->item.seq,
                                   .value = sealed_bytes(&r->item)};

        memcpy(item.key, one->key.key, sizeof(item.key));
        memcpy(item.signature, r->item.signature, sizeof(item.signature));
        r->stored = 0;
        s->stats.puts++;
        if (finder_put(s->finder, p->service->kit, &item, &handler, now,
                       &r->request) != OK)
            r->request = 0;
    }
    round_over(one, now);
}

/* ---- Told and driven ---------------------------------------------------- */

void publications_changed(struct publications *p, uint64_t now)
{
    struct publication *one;

    p->changed = p->changed || p->service->access_changed;
    p->service->access_changed = false;
    TAILQ_FOREACH(one, &p->list, link)
    {
        one->due = true;
        one->put_at =
            time_min(one->put_at, one->ever ? time_after(now, AGAIN) : now);
    }
    if (p->changed)
        p->settle_at = now;
}

bool publications_are_put(const struct publications *p)
{
    const struct publication *one;

    TAILQ_FOREACH(one, &p->list, link)
    if (one->due)
        return false;
    return true;
}

void publications_status(const struct publications *p,
                         struct publications_status *out)
{
    uint32_t period = period_of(p->service->all->wall);
    const struct publication *one;

    *out = (struct publications_status){0};
    TAILQ_FOREACH(one, &p->list, link)
    {
        if (one->period != period || one->access > 1)
            continue;
        out->published = one->ever;
        out->verified = one->verified_at != 0;
        out->published_at = one->stored_at;
        out->verified_at = one->verified_at;
        out->failing = one->failures > 0;
    }
}

void publications_tick(struct publications *p, uint64_t now)
{
    struct publication *one;

    if (now >= p->settle_at)
        settle(p, now);
    TAILQ_FOREACH(one, &p->list, link)
    {
        if (now >= one->put_at && !is_busy(one))
            put(one, now);
        if (now >= one->verify_at && !is_busy(one))
            verify(one, now);
    }
}

uint64_t publications_deadline(const struct publications *p)
{
    const struct publication *one;
    uint64_t at = p->settle_at;

    TAILQ_FOREACH(one, &p->list, link)
    if (!is_busy(one))
        at = time_min(at, time_min(one->put_at, one->verify_at));
    return at;
}
