/* SPDX-License-Identifier: MIT
 *
 * The requests of the interface that publish and withdraw.
 */
#include "dht/engine.h"
#include "dht/lookup/lookup.h"
#include "dht/publish/publication.h"
#include "dht/publish/publish.h"

#include <stdlib.h>
#include <string.h>

/* The newest of its kind under the target. An item that was put on a
 * condition leaves the one before it alone until the condition has held. */
static struct publication *find(const struct dht *d, bool is_item,
                                const struct id *target)
{
    for (struct publication *p = d->publications; p != NULL; p = p->next) {
        if (!p->dead && p->is_item == is_item && id_equal(&p->target, target))
            return p;
    }
    return NULL;
}

/* Whoever waits for the first round hears that it will not come. */
static void end_first_round(struct dht *d, struct publication *p)
{
    struct dht_handler handler = p->handler;
    const struct dht_result result = {.error = ERR_CANCELLED};
    bool waits = p->request != 0;

    if (p->round != NULL)
        lookup_drop(d, p->round);
    p->round = NULL;
    p->request = 0;
    p->handler = (struct dht_handler){0};
    if (waits && handler.done != NULL)
        handler.done(handler.ctx, &result);
}

static struct publication *add(struct dht *d, bool is_item,
                               const struct id *target)
{
    struct publication *p = calloc(1, sizeof(*p));

    if (p == NULL)
        return NULL;
    p->is_item = is_item;
    p->target = *target;
    p->next = d->publications;
    d->publications = p;
    d->publication_count++;
    return p;
}

/* Whoever waits for its first round hears ERR_CANCELLED. */
static void take_off(struct dht *d, struct publication *p)
{
    p->dead = true;
    d->publication_count--;
    d->publish_at = d->now; /* another may have its place */
    end_first_round(d, p);
}

void publication_remove_others(struct dht *d, const struct publication *p)
{
    for (struct publication *o = d->publications; o != NULL; o = o->next) {
        if (o != p && !o->dead && o->is_item == p->is_item &&
            id_equal(&o->target, &p->target))
            take_off(d, o);
    }
}

/* Its first round is due; the request is known from now on. */
static void begin(struct dht *d, struct publication *p,
                  const struct dht_handler *handler, dht_request *out)
{
    p->request = ++d->next_request;
    if (handler != NULL)
        p->handler = *handler;
    p->failed = 0;
    p->beaten = false;
    p->at = d->now;
    d->publish_at = d->now;
    if (out != NULL)
        *out = p->request;
}

static enum error announce(struct dht *d, const struct id *info_hash,
                           uint16_t port, bool implied_port,
                           const struct dht_handler *handler, dht_request *out)
{
    struct publication *old = find(d, false, info_hash);
    struct publication *p;

    if (old == NULL && d->publication_count >= d->config.max_publications)
        return ERR_FULL;
    p = add(d, false, info_hash);
    if (p == NULL)
        return ERR_NO_MEMORY;
    p->port = port;
    p->implied_port = implied_port;
    begin(d, p, handler, out);
    publication_remove_others(d, p);
    return OK;
}

enum error dht_announce(struct dht *d, const struct id *info_hash,
                        uint16_t port, bool implied_port,
                        const struct dht_handler *handler, uint64_t now,
                        dht_request *out)
{
    enum error err;

    if (port == 0 && !implied_port)
        return ERR_RANGE;
    engine_enter(d, now);
    err = announce(d, info_hash, port, implied_port, handler, out);
    engine_leave(d);
    return err;
}

/* Whether `old` goes on until it is known whether the new item's condition
 * holds: so there are two at most. */
static bool stays_for_now(const struct publication *old, const int64_t *cas)
{
    return old != NULL && cas != NULL && !old->has_cas;
}

static enum error check_put(const struct dht *d, const struct dht_item *item,
                            const int64_t *cas, const struct publication *old)
{
    enum error err = dht_item_verify(item);

    if (err != OK)
        return err;
    if ((old == NULL || stays_for_now(old, cas)) &&
        d->publication_count >= d->config.max_publications)
        return ERR_FULL;
    if (old == NULL || !item->mutable_item)
        return OK;
    if (item->seq < old->item.seq ||
        (item->seq == old->item.seq &&
         !bytes_equal(value_bytes(item->value), value_bytes(old->value))))
        return ERR_SEQ;
    return OK;
}

static enum error put(struct dht *d, const struct dht_item *item,
                      const int64_t *cas, const struct dht_handler *handler,
                      dht_request *out)
{
    struct publication *old, *p;
    struct value *value;
    struct id target;
    enum error err;

    dht_item_target(item, &target);
    old = find(d, true, &target);
    err = check_put(d, item, cas, old);
    if (err != OK)
        return err;
    value = malloc(sizeof(*value));
    p = value != NULL ? add(d, true, &target) : NULL;
    if (p == NULL) {
        free(value);
        return ERR_NO_MEMORY;
    }
    *value = *item->value;
    p->value = value;
    p->item = *item;
    p->item.value = value;
    if (item->salt.len > 0)
        memcpy(p->salt, item->salt.p, item->salt.len);
    p->item.salt = bytes_of(p->salt, item->salt.len);
    p->has_cas = cas != NULL;
    p->cas = cas != NULL ? *cas : 0;
    begin(d, p, handler, out);
    if (cas == NULL)
        publication_remove_others(d, p);
    else if (old != NULL && old->has_cas)
        take_off(d, old);
    return OK;
}

enum error dht_put(struct dht *d, const struct dht_item *item,
                   const int64_t *cas, const struct dht_handler *handler,
                   uint64_t now, dht_request *out)
{
    enum error err;

    engine_enter(d, now);
    err = put(d, item, cas, handler, out);
    engine_leave(d);
    return err;
}

static enum error withdraw(struct dht *d, bool is_item, const struct id *target)
{
    struct publication *p = find(d, is_item, target);

    if (p == NULL)
        return ERR_NOT_FOUND;
    engine_enter(d, d->now);
    for (; p != NULL; p = find(d, is_item, target))
        take_off(d, p);
    engine_leave(d);
    return OK;
}

enum error dht_withdraw(struct dht *d, const struct id *info_hash)
{
    return withdraw(d, false, info_hash);
}

enum error dht_unput(struct dht *d, const struct id *target)
{
    return withdraw(d, true, target);
}

bool publish_cancel(struct dht *d, dht_request request)
{
    for (struct publication *p = d->publications; p != NULL; p = p->next) {
        if (p->dead || p->request != request)
            continue;
        p->handler = (struct dht_handler){0};
        if (p->round != NULL)
            p->round->handler = (struct dht_handler){0};
        return true;
    }
    return false;
}
