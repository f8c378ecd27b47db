/* SPDX-License-Identifier: MIT
 *
 * A short array without an order.
 */
#include "node/service/reached.h"

#include <stddef.h>
#include <stdlib.h>

#define REACHED_MAX 1024

static struct reached *find(const struct reached_list *l, uint32_t id)
{
    for (unsigned i = 0; i < l->count; i++)
        if (l->list[i].id == id)
            return &l->list[i];
    return NULL;
}

static enum error grow(struct reached_list *l)
{
    unsigned room = l->room == 0 ? 4 : 2 * l->room;
    struct reached *grown;

    if (room > REACHED_MAX)
        return ERR_FULL;
    grown = realloc(l->list, room * sizeof(*grown));
    if (grown == NULL)
        return ERR_NO_MEMORY;
    l->list = grown;
    l->room = room;
    return OK;
}

enum error reached_hold(struct reached_list *l, uint32_t id)
{
    struct reached *r = find(l, id);
    enum error err = OK;

    if (r == NULL && l->count == l->room)
        err = grow(l);
    if (err != OK)
        return err;
    if (r == NULL) {
        r = &l->list[l->count++];
        *r = (struct reached){.id = id};
    }
    r->holds++;
    return OK;
}

void reached_release(struct reached_list *l, uint32_t id, uint64_t now)
{
    struct reached *r = find(l, id);

    if (r == NULL)
        return;
    r->holds--;
    r->idle_since = now;
}

bool reached_take_idle(struct reached_list *l, uint64_t before, uint32_t *id)
{
    struct reached *found = NULL;

    for (unsigned i = 0; i < l->count; i++) {
        struct reached *r = &l->list[i];

        if (r->holds == 0 && r->idle_since <= before &&
            (found == NULL || r->idle_since < found->idle_since))
            found = r;
    }
    if (found == NULL)
        return false;
    *id = found->id;
    *found = l->list[--l->count];
    return true;
}

void reached_deinit(struct reached_list *l)
{
    free(l->list);
}
