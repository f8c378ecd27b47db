/* SPDX-License-Identifier: MIT
 *
 * A keyed table of names; the order of use is that in which they expire.
 */
#include "tunnel/exit/exit_pace.h"

#include <stdlib.h>
#include <string.h>

struct pace {
    struct keyed_entry entry; /* must be first */
    uint64_t took, expires_at;
    uint8_t len;
    char text[]; /* `len` bytes */
};

static struct pace *pace_of(struct keyed_entry *e)
{
    return (struct pace *)(void *)e;
}

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct pace *it = (const void *)e;

    return bytes_of(it->text, it->len);
}

void exit_pace_init(struct exit_pace *p, unsigned max,
                    const struct random_source *random)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    random->fill(random->ctx, secret, sizeof(secret));
    /* one more: the oldest goes when the new one is in */
    keyed_table_init(&p->table, (size_t)max + 1, key_of, secret);
    p->sweep_at = TIME_NEVER;
}

static void drop_oldest(struct exit_pace *p)
{
    struct pace *it = pace_of(p->table.oldest);

    keyed_table_remove(&p->table, &it->entry);
    free(it);
    p->sweep_at = p->table.oldest == NULL
                      ? TIME_NEVER
                      : pace_of(p->table.oldest)->expires_at;
}

void exit_pace_deinit(struct exit_pace *p)
{
    while (p->table.oldest != NULL)
        drop_oldest(p);
}

static struct pace *add(struct exit_pace *p, const struct name *name,
                        uint64_t took)
{
    struct pace *it = malloc(sizeof(*it) + name->len);

    if (it == NULL)
        return NULL;
    it->took = time_min(took, EXIT_PACE_MAX);
    it->expires_at = 0;
    it->len = name->len;
    memcpy(it->text, name->text, name->len);
    if (keyed_table_add(&p->table, &it->entry) != OK) {
        free(it);
        return NULL;
    }
    if (p->table.count == p->table.max)
        drop_oldest(p);
    return it;
}

uint64_t exit_pace_of(struct exit_pace *p, const struct name *name,
                      uint64_t took, uint64_t now)
{
    struct pace *it =
        pace_of(keyed_table_find(&p->table, bytes_of(name->text, name->len)));

    if (it != NULL && it->expires_at <= now)
        it->took = time_min(took, EXIT_PACE_MAX);
    if (it != NULL)
        keyed_table_touch(&p->table, &it->entry);
    else
        it = add(p, name, took);
    if (it == NULL)
        return took;
    it->expires_at = time_after(now, EXIT_PACE_KEPT);
    if (p->sweep_at == TIME_NEVER)
        p->sweep_at = it->expires_at;
    return it->took;
}

void exit_pace_tick(struct exit_pace *p, uint64_t now)
{
    while (p->table.oldest != NULL &&
           pace_of(p->table.oldest)->expires_at <= now)
        drop_oldest(p);
    if (p->table.oldest != NULL)
        p->sweep_at = pace_of(p->table.oldest)->expires_at;
}
