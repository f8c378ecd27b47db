/* SPDX-License-Identifier: MIT */
#include "tunnel/exit/exit_source.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static struct exit_source *source_of(struct keyed_entry *e)
{
    return (struct exit_source *)(void *)e;
}

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct exit_source *s = (const void *)e;

    return bytes_of(s->key, sizeof(s->key));
}

void exit_sources_init(struct exit_sources *s,
                       const struct random_source *random)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    random->fill(random->ctx, secret, sizeof(secret));
    /* There are no more of them than circuits, which are capped. */
    keyed_table_init(&s->table, SIZE_MAX, key_of, secret);
    s->last_number = 0;
}

static void make_key(uint8_t key[1 + EXIT_SOURCE_BITS_IPV6 / 8],
                     const struct endpoint *ep)
{
    size_t len = ep->family == FAMILY_IPV6 ? EXIT_SOURCE_BITS_IPV6 / 8 : 4;

    memset(key, 0, 1 + EXIT_SOURCE_BITS_IPV6 / 8);
    key[0] = ep->family;
    memcpy(key + 1, ep->addr, len);
}

struct exit_source *exit_source_join(struct exit_sources *s,
                                     const struct endpoint *neighbour)
{
    uint8_t key[1 + EXIT_SOURCE_BITS_IPV6 / 8];
    struct exit_source *it;

    make_key(key, neighbour);
    it = source_of(keyed_table_find(&s->table, bytes_of(key, sizeof(key))));
    if (it == NULL) {
        it = calloc(1, sizeof(*it));
        if (it == NULL)
            return NULL;
        memcpy(it->key, key, sizeof(key));
        it->number = ++s->last_number;
        if (keyed_table_add(&s->table, &it->entry) != OK) {
            free(it);
            return NULL;
        }
    }
    it->circuits++;
    return it;
}

void exit_source_leave(struct exit_sources *s, struct exit_source *source)
{
    assert(source->circuits > 0);
    if (--source->circuits > 0)
        return;
    assert(source->waiting == 0 && source->sockets == 0);
    keyed_table_remove(&s->table, &source->entry);
    free(source);
}
