/* SPDX-License-Identifier: MIT
 *
 * Chains hold one thing each on average: their number doubles when there are
 * as many things. The list by use is also what the chains are made anew from.
 */
#include "base/table/keyed_table.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CHAINS 16

void keyed_table_init(struct keyed_table *t, size_t max, keyed_key_fn *key_of,
                      const uint8_t secret[KEYED_TABLE_SECRET])
{
    assert(max > 0);
    *t = (struct keyed_table){.key_of = key_of, .max = max};
    memcpy(t->secret, secret, sizeof(t->secret));
}

/* ---- Chains ------------------------------------------------------------ */

/* What points to the first thing with a key of that hash. */
static struct keyed_entry **chain_of(const struct keyed_table *t,
                                     struct bytes key)
{
    uint8_t out[crypto_shorthash_BYTES];
    uint64_t hash;

    crypto_shorthash(out, key.p, key.len, t->secret);
    memcpy(&hash, out, sizeof(hash));
    return &t->chains[hash & (t->chain_count - 1)];
}

static void chain_in(struct keyed_table *t, struct keyed_entry *e)
{
    struct keyed_entry **head = chain_of(t, t->key_of(e));

    e->chain = *head;
    *head = e;
}

static void chain_out(struct keyed_table *t, const struct keyed_entry *e)
{
    struct keyed_entry **at = chain_of(t, t->key_of(e));

    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
}

static enum error grow(struct keyed_table *t)
{
    size_t n = t->chain_count == 0 ? FIRST_CHAINS : 2 * t->chain_count;
    struct keyed_entry **chains;

    if (t->count < t->chain_count)
        return OK;
    chains = calloc(n, sizeof(struct keyed_entry *));
    if (chains == NULL)
        return t->chain_count > 0 ? OK : ERR_NO_MEMORY;
    free(t->chains);
    t->chains = chains;
    t->chain_count = n;
    for (struct keyed_entry *e = t->oldest; e != NULL; e = e->newer)
        chain_in(t, e);
    return OK;
}

struct keyed_entry *keyed_table_find(const struct keyed_table *t,
                                     struct bytes key)
{
    struct keyed_entry *e = t->count == 0 ? NULL : *chain_of(t, key);

    while (e != NULL && !bytes_equal(t->key_of(e), key))
        e = e->chain;
    return e;
}

size_t keyed_table_memory(const struct keyed_table *t)
{
    return t->chain_count * sizeof(struct keyed_entry *);
}

/* ---- The list by use --------------------------------------------------- */

static void list_in(struct keyed_table *t, struct keyed_entry *e)
{
    e->older = t->newest;
    e->newer = NULL;
    *(t->newest != NULL ? &t->newest->newer : &t->oldest) = e;
    t->newest = e;
}

static void list_out(struct keyed_table *t, const struct keyed_entry *e)
{
    *(e->older != NULL ? &e->older->newer : &t->oldest) = e->newer;
    *(e->newer != NULL ? &e->newer->older : &t->newest) = e->older;
}

void keyed_table_touch(struct keyed_table *t, struct keyed_entry *e)
{
    list_out(t, e);
    list_in(t, e);
}

/* ---- In and out -------------------------------------------------------- */

enum error keyed_table_add(struct keyed_table *t, struct keyed_entry *e)
{
    if (t->count >= t->max)
        return ERR_FULL;
    if (grow(t) != OK)
        return ERR_NO_MEMORY;
    chain_in(t, e);
    list_in(t, e);
    t->count++;
    return OK;
}

void keyed_table_remove(struct keyed_table *t, struct keyed_entry *e)
{
    assert(t->count > 0);
    chain_out(t, e);
    list_out(t, e);
    if (--t->count > 0)
        return;
    free(t->chains);
    t->chains = NULL;
    t->chain_count = 0;
}
