/* SPDX-License-Identifier: MIT
 *
 * The list of publications: what adds to it and takes off it, and when rounds
 * begin. No more than half of the lookups may be rounds; those that wait for a
 * place begin when a round ends, or when one that runs is withdrawn: `at` is
 * then set to now, and the tick looks at all of them.
 */
#include "dht/publish/publish.h"

#include "dht/contacts/contacts.h"
#include "dht/publish/publication.h"
#include "dht/world/world.h"

#include <stdlib.h>
#include <string.h>

void publish_init(struct publications *all)
{
    all->at = TIME_NEVER;
}

static void free_publication(struct publication *p)
{
    free(p->round);
    free(p->value);
    free(p);
}

void publish_deinit(struct publications *all)
{
    while (all->first != NULL) {
        struct publication *p = all->first;

        all->first = p->next;
        free_publication(p);
    }
}

void publish_sweep(struct publications *all)
{
    struct publication **at = &all->first;

    while (*at != NULL) {
        struct publication *p = *at;

        if (p->dead) {
            *at = p->next;
            free_publication(p);
        } else {
            at = &p->next;
        }
    }
}

size_t publish_memory(const struct publications *all)
{
    size_t sum = 0;

    for (const struct publication *p = all->first; p != NULL; p = p->next) {
        sum += sizeof(*p);
        sum += p->value != NULL ? sizeof(*p->value) : 0;
        sum += p->round != NULL ? sizeof(*p->round) : 0;
    }
    return sum;
}

/* ---- When ---------------------------------------------------------------- */

/* Rounds at a time: the other half of the lookups is for requests. */
static unsigned max_rounds(const struct publications *all)
{
    return (all->w->config.max_lookups + 1) / 2;
}

static unsigned count_rounds(const struct publications *all)
{
    unsigned rounds = 0;

    for (const struct publication *p = all->first; p != NULL; p = p->next)
        rounds += publication_is_busy(p);
    return rounds;
}

/* Who knows many nodes asks each of them less often. */
static uint64_t pace(const struct publications *all)
{
    unsigned known = all->contacts->table[FAMILY_IPV4].live +
                     all->contacts->table[FAMILY_IPV6].live;

    return known > 2 * DHT_K ? 2 * DHT_K * PUBLISH_PACE / known : PUBLISH_PACE;
}

/* When the next round may begin (GCRA: ITU-T I.371, annex A): some at once,
 * the others one after the other. */
static uint64_t paced_at(const struct publications *all)
{
    uint64_t burst = (PUBLISH_BURST - 1) * pace(all);

    return all->pace > burst ? all->pace - burst : 0;
}

static void begin_round(struct publications *all, struct publication *p)
{
    uint64_t now = all->w->now;

    enum error err = publication_start_round(p);

    p->at = err == OK ? TIME_NEVER : time_after(now, PUBLISH_RETRY_MIN);
    if (err != OK && p->once)
        publication_take_off(p, err);
    all->pace = time_after(all->pace > now ? all->pace : now, pace(all));
}

/* Somebody here waits for it. */
static bool is_waited_for(const struct publication *p)
{
    return !p->once && p->caller.handler.done != NULL;
}

/* Then who is due the longest: the list has the newest first. */
static bool goes_first(const struct publication *p, const struct publication *o)
{
    if (is_waited_for(p) != is_waited_for(o))
        return is_waited_for(p);
    return p->at <= o->at;
}

static struct publication *next_due(const struct publications *all)
{
    struct publication *first = NULL;

    for (struct publication *p = all->first; p != NULL; p = p->next) {
        if (!p->dead && !publication_is_busy(p) && p->at <= all->w->now &&
            (first == NULL || goes_first(p, first)))
            first = p;
    }
    return first;
}

void publish_tick(struct publications *all)
{
    uint64_t now = all->w->now;
    struct publication *due;
    unsigned rounds;

    if (all->at > now)
        return;
    rounds = count_rounds(all);
    all->at = TIME_NEVER;
    while ((due = next_due(all)) != NULL && rounds < max_rounds(all) &&
           paced_at(all) <= now) {
        begin_round(all, due);
        rounds++;
    }
    /* What is due and has to wait for a place is not looked for by time: the
     * end of a round sets `at`. */
    if (due != NULL && rounds < max_rounds(all))
        all->at = time_min(all->at, paced_at(all));
    for (const struct publication *p = all->first; p != NULL; p = p->next) {
        if (!p->dead && !publication_is_busy(p) && p->at > now)
            all->at = time_min(all->at, p->at);
    }
}

/* ---- Sooner than it was to be -------------------------------------------- */

static void round_by(struct publication *p, uint64_t at)
{
    struct publications *all = p->all;

    if (p->dead || p->beaten || publication_is_busy(p))
        return;
    p->at = time_min(p->at, at);
    all->at = time_min(all->at, p->at);
}

void publish_hurry(struct publications *all)
{
    uint64_t at = time_after(all->w->now, TIME_S);

    for (struct publication *p = all->first; p != NULL; p = p->next) {
        if (p->is_item)
            continue;
        p->hurried = publication_is_busy(p);
        round_by(p, at);
    }
}

void publish_met(struct publications *all, enum family f, const struct id *id)
{
    uint64_t soon = time_after(all->w->now, TIME_S);

    for (struct publication *p = all->first; p != NULL; p = p->next) {
        /* What is nowhere waits for nothing but the end of a crowd. */
        uint64_t again = time_after(p->ended_at, p->failed > 0 ? PUBLISH_CROWD
                                                               : PUBLISH_AGAIN);

        if (p->failed > 0 || publication_lacks(p, f, id))
            round_by(p, again > soon ? again : soon);
    }
}

uint64_t publish_next_deadline(const struct publications *all)
{
    return all->at;
}

/* ---- The list ------------------------------------------------------------ */

/* The newest of its kind under the target. An item that was put on a
 * condition leaves the one before it alone until the condition has held. */
static struct publication *find(const struct publications *all, bool is_item,
                                const struct id *target)
{
    for (struct publication *p = all->first; p != NULL; p = p->next) {
        if (!p->dead && !p->once && p->is_item == is_item &&
            id_equal(&p->target, target))
            return p;
    }
    return NULL;
}

/* Its first round is due, once it is added. ERR_NO_MEMORY. */
static enum error new_publication(struct publications *all, bool is_item,
                                  const struct id *target,
                                  const struct dht_handler *handler,
                                  struct publication **out)
{
    struct publication *p = calloc(1, sizeof(*p));
    enum error err = ERR_NO_MEMORY;

    if (p != NULL)
        err = world_new_caller(all->w, handler, &p->caller);
    if (err != OK) {
        free(p);
        return err;
    }
    p->all = all;
    p->is_item = is_item;
    p->target = *target;
    p->since = p->at = all->w->now;
    p->checked_at = TIME_NEVER;
    *out = p;
    return OK;
}

/* The request is known from now on. */
static void add(struct publication *p, dht_request *out)
{
    struct publications *all = p->all;

    p->next = all->first;
    all->first = p;
    all->count++;
    all->at = all->w->now;
    if (out != NULL)
        *out = p->caller.request;
}

void publication_take_off(struct publication *p, enum error why)
{
    const struct dht_result result = {.error = why};
    struct publications *all = p->all;

    p->dead = true;
    all->count--;
    all->at = all->w->now; /* another may have its place */
    publication_stop_round(p);
    callbacks_done(&all->w->callbacks, &p->caller, &result);
}

void publication_remove_others(const struct publication *p)
{
    for (struct publication *o = p->all->first; o != NULL; o = o->next) {
        if (o != p && !o->dead && !o->once && o->is_item == p->is_item &&
            id_equal(&o->target, &p->target))
            publication_take_off(o, ERR_CANCELLED);
    }
}

/* ---- Requests ------------------------------------------------------------ */

static bool is_full(const struct publications *all)
{
    return all->count >= all->w->config.max_publications;
}

/* An eighth is not for others. */
static bool is_full_for_others(const struct publications *all)
{
    unsigned max = all->w->config.max_publications;

    return all->count >= max - max / 8;
}

enum error publish_announce(struct publications *all,
                            const struct publish_peer *peer,
                            const struct dht_handler *handler, dht_request *out)
{
    const struct publication *old = find(all, false, peer->info_hash);
    struct publication *p;
    enum error err;

    if (old == NULL && is_full(all))
        return ERR_FULL;
    err = new_publication(all, false, peer->info_hash, handler, &p);
    if (err != OK)
        return err;
    p->port = peer->port;
    p->implied_port = peer->implied_port;
    p->seed = peer->seed;
    add(p, out);
    publication_remove_others(p);
    return OK;
}

/* Whether `old` goes on until it is known whether the new item's condition
 * holds: so there are two at most. */
static bool stays_for_now(const struct publication *old, const int64_t *cas)
{
    return old != NULL && cas != NULL && !old->has_cas;
}

static enum error check_put(const struct publications *all,
                            const struct dht_item *item, const int64_t *cas,
                            const struct publication *old)
{
    enum error err = dht_item_verify(item);

    if (err != OK)
        return err;
    if ((old == NULL || stays_for_now(old, cas)) && is_full(all))
        return ERR_FULL;
    if (old == NULL || !item->mutable_item)
        return OK;
    if (item->seq < old->item.seq ||
        (item->seq == old->item.seq &&
         !bytes_equal(value_bytes(item->value), value_bytes(old->value))))
        return ERR_SEQ;
    return OK;
}

static void copy_item(struct publication *p, const struct dht_item *item,
                      struct value *value)
{
    *value = *item->value;
    p->value = value;
    p->item = *item;
    p->item.value = value;
    if (item->salt.len > 0)
        memcpy(p->salt, item->salt.p, item->salt.len);
    p->item.salt = bytes_of(p->salt, item->salt.len);
}

static enum error new_item(struct publications *all,
                           const struct dht_item *item, const struct id *target,
                           const struct dht_handler *handler,
                           struct publication **out)
{
    struct value *value = malloc(sizeof(*value));
    enum error err;

    if (value == NULL)
        return ERR_NO_MEMORY;
    err = new_publication(all, true, target, handler, out);
    if (err != OK) {
        free(value);
        return err;
    }
    copy_item(*out, item, value);
    return OK;
}

enum error publish_put_once(struct publications *all,
                            const struct dht_item *item,
                            const struct dht_handler *handler, dht_request *out)
{
    struct publication *p;
    struct id target;
    enum error err = dht_item_verify(item);

    if (err == OK && is_full_for_others(all))
        err = ERR_FULL;
    if (err != OK)
        return err;
    dht_item_target(item, &target);
    err = new_item(all, item, &target, handler, &p);
    if (err != OK)
        return err;
    p->once = true;
    add(p, out);
    return OK;
}

enum error publish_put(struct publications *all, const struct dht_item *item,
                       const int64_t *cas, const struct dht_handler *handler,
                       dht_request *out)
{
    struct publication *old, *p;
    struct id target;
    enum error err;

    dht_item_target(item, &target);
    old = find(all, true, &target);
    err = check_put(all, item, cas, old);
    if (err == OK)
        err = new_item(all, item, &target, handler, &p);
    if (err != OK)
        return err;
    p->has_cas = cas != NULL;
    p->cas = cas != NULL ? *cas : 0;
    add(p, out);
    if (cas == NULL)
        publication_remove_others(p);
    else if (old != NULL && old->has_cas)
        publication_take_off(old, ERR_CANCELLED);
    return OK;
}

enum error publish_withdraw(struct publications *all, bool is_item,
                            const struct id *target)
{
    struct publication *p = find(all, is_item, target);

    if (p == NULL)
        return ERR_NOT_FOUND;
    for (; p != NULL; p = find(all, is_item, target))
        publication_take_off(p, ERR_CANCELLED);
    return OK;
}

void publish_cancel(struct publications *all, dht_request request)
{
    for (struct publication *p = all->first; p != NULL; p = p->next) {
        if (p->dead || p->caller.request != request)
            continue;
        callbacks_forget(&all->w->callbacks, &p->caller);
        if (p->once && !publication_is_busy(p))
            publication_take_off(p, ERR_CANCELLED);
    }
}
