/* SPDX-License-Identifier: MIT
 *
 * Whose links there are, and which of them makes way when there is no place
 * left: see link.h. Until a link is up its source is the word of a datagram, so
 * HALF_OPEN ones are counted apart, and take no place from others.
 */
#include "tunnel/link/link_table.h"

#include "base/timestamp.h"

/* ---- Links that are up, or that we open --------------------------------- */

enum error link_count(struct links *l, struct link *link)
{
    enum error e;

    if (!endpoint_is_usable(&link->holder))
        return OK;
    e = shares_add(&l->shares, &link->holder);
    link->counted = e == OK;
    return e;
}

void link_uncount(struct links *l, struct link *link)
{
    if (link->counted)
        shares_remove(&l->shares, &link->holder);
    link->counted = false;
}

void link_adopt(struct links *l, struct link *link)
{
    /* It may have waited for him to ask again: the next tick tries it. */
    if (link->counted && link->state == LINK_OPENING && !link->proven)
        link_set_deadline(
            l, link,
            time_after(link->sent_at, LINK_INIT_TIMEOUT << (link->tries - 1)));
    link_uncount(l, link);
    link->holder = (struct endpoint){0};
}

void link_join(struct links *l, struct link *link, const struct endpoint *asker)
{
    if (!link->counted || source_same(&link->holder, asker, SOURCE_HOST) ||
        shares_weight(&l->shares, asker, 1) >=
            shares_weight(&l->shares, &link->holder, 0))
        return;
    link_uncount(l, link);
    link->holder = *asker;
    link_count(l, link);
}

static bool tell_unused(const void *table, size_t place, struct holding *out)
{
    const struct links *l = table;
    const struct link *link = l->links[place];

    *out = (struct holding){.source = link->holder, .used_at = link->used_at};
    return link->counted && !link->closing && link->users == 0;
}

/* Links with circuits, of which none is idle: the one with the fewest counts as
 * the one that was not used for longest. */
static bool tell(const void *table, size_t place, struct holding *out)
{
    const struct links *l = table;
    const struct link *link = l->links[place];

    *out = (struct holding){.source = link->holder, .used_at = link->users};
    return link->counted && !link->closing;
}

/* Those of them that we opened because somebody asked us to. */
static bool tell_opened(const void *table, size_t place, struct holding *out)
{
    const struct links *l = table;

    return l->links[place]->initiator && tell(table, place, out);
}

static bool is_full(const struct links *l)
{
    return l->count - l->half_open >= l->config.max_links;
}

bool link_make_room(struct links *l, const struct endpoint *holder,
                    bool of_strangers, uint64_t now)
{
    bool own = !endpoint_is_usable(holder);
    struct link *link;
    size_t place;

    if (!is_full(l))
        return true;
    place = shares_make_way(&l->shares, holder, l->count, tell_unused, l,
                            own ? 0 : LINK_UNUSED_LIFE, now);
    if (place == SIZE_MAX)
        place = shares_make_way(&l->shares, holder, l->count,
                                of_strangers ? tell : tell_opened, l,
                                TIME_NEVER, now);
    if (place == SIZE_MAX)
        return false;
    link = l->links[place];
    l->stats.made_way++;
    link_send(l, link, CELL_CLOSE, 0, bytes_of(NULL, 0), now);
    link_fail(l, link, REASON_FULL, now);
    return !is_full(l); /* a callback may have been quicker */
}

/* ---- Knocking because of somebody --------------------------------------- */

#define WAITING_MAX 2 /* links of one site that wait for one host */

/* His links that wait for this host. One who has us knock at a door with a
 * wrong name must not use up what others may. */
static unsigned waiting(const struct links *l, const struct endpoint *target,
                        const struct endpoint *holder)
{
    unsigned n = 0;

    for (size_t i = 0; i < l->count; i++) {
        const struct link *link = l->links[i];

        n += link->state == LINK_OPENING && link->counted &&
             source_same(&link->opened, target, SOURCE_HOST) &&
             source_same(&link->holder, holder, SOURCE_SITE);
    }
    return n;
}

bool link_may_knock(struct links *l, const struct endpoint *target,
                    const struct endpoint *holder, uint64_t now)
{
    bool own = holder != NULL && !endpoint_is_usable(holder);

    /* In a testing network all may have one address. */
    if (own || !endpoint_is_global(target))
        return true;
    return (holder == NULL || waiting(l, target, holder) < WAITING_MAX) &&
           limiter_allow(&l->targets, target, now);
}

/* ---- Half-open links ---------------------------------------------------- */

enum error link_count_half(struct links *l, struct link *link)
{
    enum error e = shares_add(&l->half_shares, &link->holder);

    if (e != OK)
        return e;
    link->half_slot = l->half_open;
    l->half[l->half_open++] = link;
    return OK;
}

void link_uncount_half(struct links *l, struct link *link)
{
    shares_remove(&l->half_shares, &link->holder);
    l->half[link->half_slot] = l->half[--l->half_open];
    l->half[link->half_slot]->half_slot = link->half_slot;
}

static bool tell_half(const void *table, size_t place, struct holding *out)
{
    const struct links *l = table;

    *out = (struct holding){.source = l->half[place]->holder,
                            .used_at = l->half[place]->heard_at};
    return true;
}

static bool tell_unproven(const void *table, size_t place, struct holding *out)
{
    const struct links *l = table;

    return !l->half[place]->proven && tell_half(table, place, out);
}

bool link_make_room_half(struct links *l, const struct endpoint *from,
                         bool proven, uint64_t now)
{
    size_t place;

    if (l->half_open < l->config.max_half_open)
        return true;
    place = shares_make_way(&l->half_shares, from, l->half_open, tell_unproven,
                            l, 0, now);
    if (place == SIZE_MAX && proven)
        place = shares_make_way(&l->half_shares, from, l->half_open, tell_half,
                                l, 0, now);
    if (place == SIZE_MAX)
        return false;
    l->stats.half_open_evicted++;
    link_free(l, l->half[place]);
    return true;
}
