/* SPDX-License-Identifier: MIT */
#include "node/dns/dns_cache.h"

#include <stdlib.h>
#include <string.h>

struct cached {
    struct keyed_entry entry;
    uint64_t until;
    struct dns_known known;
    size_t key_len;
    char key[DNS_TEXT_SIZE];
};

static struct cached *cached_of(struct keyed_entry *e)
{
    return (struct cached *)(void *)e;
}

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct cached *c = (const struct cached *)(const void *)e;

    return bytes_of((const uint8_t *)c->key, c->key_len);
}

bool dns_known_take(struct dns_known *out, const struct stream_answer *answer,
                    bool reverse, bool local_too)
{
    *out = (struct dns_known){.ttl = dns_ttl(answer->ttl)};
    if (reverse) {
        if (!dns_name_is_sound(answer->name))
            return false;
        memcpy(out->name, answer->name.p, answer->name.len);
        return true;
    }
    for (unsigned i = 0; i < answer->address_count; i++)
        if (out->count < DNS_ADDRS &&
            (local_too || endpoint_is_global(&answer->address[i])))
            out->addrs[out->count++] = answer->address[i];
    return out->count > 0;
}

void dns_cache_init(struct dns_cache *c, size_t max,
                    const struct random_source *random)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    random->fill(random->ctx, secret, sizeof(secret));
    keyed_table_init(&c->entries, max, key_of, secret);
}

static void drop(struct dns_cache *c, struct keyed_entry *e)
{
    keyed_table_remove(&c->entries, e);
    free(cached_of(e));
}

void dns_cache_deinit(struct dns_cache *c)
{
    while (c->entries.oldest != NULL)
        drop(c, c->entries.oldest);
}

/* Still good for a second at least. */
static struct cached *find(struct dns_cache *c, const char *key, uint64_t now)
{
    struct keyed_entry *e = keyed_table_find(&c->entries, bytes_of_text(key));

    if (e != NULL && cached_of(e)->until < time_after(now, TIME_S)) {
        drop(c, e);
        e = NULL;
    }
    return cached_of(e);
}

bool dns_cache_find(struct dns_cache *c, const char *key, uint64_t now,
                    struct dns_known *out)
{
    struct cached *found = find(c, key, now);

    if (found == NULL)
        return false;
    keyed_table_touch(&c->entries, &found->entry);
    *out = found->known;
    out->ttl = (uint32_t)((found->until - now) / TIME_S);
    return true;
}

uint32_t dns_ttl(uint32_t ttl)
{
    if (ttl < DNS_TTL_MIN)
        return DNS_TTL_MIN;
    return ttl > DNS_TTL_MAX ? DNS_TTL_MAX : ttl;
}

void dns_cache_add(struct dns_cache *c, const char *key,
                   const struct dns_known *known, uint64_t now)
{
    struct cached *old = find(c, key, now), *fresh;

    if (old != NULL)
        drop(c, &old->entry);
    if (c->entries.count == c->entries.max)
        drop(c, c->entries.oldest);
    fresh = calloc(1, sizeof(*fresh));
    if (fresh == NULL)
        return;
    fresh->known = *known;
    fresh->until = time_after(now, dns_ttl(known->ttl) * TIME_S);
    fresh->key_len = strlen(key);
    memcpy(fresh->key, key, fresh->key_len);
    if (keyed_table_add(&c->entries, &fresh->entry) != OK)
        free(fresh);
}
