/* SPDX-License-Identifier: MIT
 *
 * An array of those that have not asked, and the shares of all.
 */
#include "node/socks/socks_clients.h"

#include "base/source.h"

#include <assert.h>
#include <stdlib.h>

void socks_clients_init(struct socks_clients *c, unsigned max,
                        unsigned max_per_source,
                        const struct random_source *random)
{
    *c = (struct socks_clients){.max = max, .max_per_source = max_per_source};
    shares_init(&c->shares, random);
}

void socks_clients_deinit(struct socks_clients *c)
{
    shares_deinit(&c->shares);
    free(c->unasked);
}

static bool source_is_full(const struct socks_clients *c,
                           const struct endpoint *from)
{
    for (int level = 0; level < SOURCE_LEVELS; level++) {
        if (source_counts(from, (enum source_level)level) &&
            shares_count(&c->shares, from, (enum source_level)level) >=
                source_allowance((enum source_level)level, c->max_per_source,
                                 c->max))
            return true;
    }
    return false;
}

static bool tell(const void *table, size_t place, struct holding *out)
{
    const struct socks_clients *c = table;
    const struct socks_client *client = c->unasked[place];

    *out = (struct holding){.source = client->from, .used_at = client->since};
    return true;
}

bool socks_clients_find(struct socks_clients *c, const struct endpoint *from,
                        uint64_t now, struct socks_client **victim)
{
    size_t at;

    *victim = NULL;
    if (source_is_full(c, from))
        return false;
    if (c->count < c->max)
        return true;
    at = shares_make_way(&c->shares, from, c->unasked_count, tell, c,
                         SOCKS_CLIENT_GRACE, now);
    if (at == SIZE_MAX)
        return false;
    *victim = c->unasked[at];
    return true;
}

static enum error grow(struct socks_clients *c)
{
    size_t cap = c->unasked_cap == 0 ? 8 : 2 * c->unasked_cap;
    struct socks_client **grown;

    if (c->unasked_count < c->unasked_cap)
        return OK;
    grown = realloc(c->unasked, cap * sizeof(struct socks_client *));
    if (grown == NULL)
        return ERR_NO_MEMORY;
    c->unasked = grown;
    c->unasked_cap = cap;
    return OK;
}

enum error socks_clients_add(struct socks_clients *c,
                             struct socks_client *client,
                             const struct endpoint *from, uint64_t now)
{
    enum error e = grow(c);

    assert(c->count < c->max);
    if (e == OK)
        e = shares_add(&c->shares, from);
    if (e != OK)
        return e;
    *client = (struct socks_client){
        .from = *from, .since = now, .at = c->unasked_count};
    c->unasked[c->unasked_count++] = client;
    c->count++;
    return OK;
}

void socks_clients_asked(struct socks_clients *c, struct socks_client *client)
{
    if (client->at == SIZE_MAX)
        return;
    c->unasked[client->at] = c->unasked[--c->unasked_count];
    c->unasked[client->at]->at = client->at;
    client->at = SIZE_MAX;
}

void socks_clients_remove(struct socks_clients *c, struct socks_client *client)
{
    socks_clients_asked(c, client);
    shares_remove(&c->shares, &client->from);
    c->count--;
}
