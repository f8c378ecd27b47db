/* SPDX-License-Identifier: MIT
 *
 * One table for both levels. An entry whose bucket is full and that has not
 * answered lately is worth nothing; a sweep each minute drops those.
 */
#include "tunnel/exit/exit_silence.h"

#include "base/timestamp.h"

#include <stdlib.h>
#include <string.h>

#define SWEEP_EVERY  TIME_MIN
#define NETWORK_IPV4 3 /* bytes of an address that tell its network */
#define NETWORK_IPV6 8

struct silence_key {
    uint8_t level, family;
    uint8_t addr[16];
};

struct silence {
    struct keyed_entry entry; /* must be first */
    struct token_bucket bucket;
    uint64_t answered_at;
    uint64_t source; /* that took the last */
    bool has_answered;
    struct silence_key key;
};

static struct silence *silence_of(struct keyed_entry *e)
{
    return (struct silence *)(void *)e;
}

static struct bytes key_of(const struct keyed_entry *e)
{
    const struct silence *it = (const void *)e;

    return bytes_of(&it->key, sizeof(it->key));
}

static struct silence_key make_key(const struct endpoint *ep,
                                   enum exit_silence_level level)
{
    struct silence_key key = {.level = (uint8_t)level, .family = ep->family};
    size_t len = endpoint_addr_len(ep);

    if (level == EXIT_SILENCE_NETWORK)
        len = ep->family == FAMILY_IPV6 ? NETWORK_IPV6 : NETWORK_IPV4;
    memcpy(key.addr, ep->addr, len);
    return key;
}

void exit_silence_init(struct exit_silence *s, size_t max, unsigned rate,
                       unsigned burst, uint64_t answer_counts,
                       const struct random_source *random)
{
    uint8_t secret[KEYED_TABLE_SECRET];

    random->fill(random->ctx, secret, sizeof(secret));
    /* one more: the oldest goes when the new one is in */
    keyed_table_init(&s->table, max + 1, key_of, secret);
    s->answer_counts = answer_counts;
    s->own = token_rate_of(rate, burst);
    s->reserve = token_rate_of(rate, burst + 1);
    s->network = token_rate_of(EXIT_SILENCE_NETWORK_TIMES * rate,
                               EXIT_SILENCE_NETWORK_TIMES * burst);
    s->sweep_at = TIME_NEVER;
}

static void drop(struct exit_silence *s, struct silence *it)
{
    keyed_table_remove(&s->table, &it->entry);
    free(it);
    if (s->table.count == 0)
        s->sweep_at = TIME_NEVER;
}

void exit_silence_deinit(struct exit_silence *s)
{
    while (s->table.oldest != NULL)
        drop(s, silence_of(s->table.oldest));
}

static struct silence *find(const struct exit_silence *s,
                            const struct endpoint *ep,
                            enum exit_silence_level level)
{
    struct silence_key key = make_key(ep, level);

    return silence_of(keyed_table_find(&s->table, bytes_of(&key, sizeof(key))));
}

static struct silence *find_or_add(struct exit_silence *s,
                                   const struct endpoint *ep,
                                   enum exit_silence_level level, uint64_t now)
{
    struct silence *it = find(s, ep, level);

    if (it != NULL) {
        keyed_table_touch(&s->table, &it->entry);
        return it;
    }
    it = calloc(1, sizeof(*it));
    if (it == NULL)
        return NULL;
    it->key = make_key(ep, level);
    if (keyed_table_add(&s->table, &it->entry) != OK) {
        free(it);
        return NULL;
    }
    if (s->table.count == s->table.max)
        drop(s, silence_of(s->table.oldest));
    if (s->sweep_at == TIME_NEVER)
        s->sweep_at = time_after(now, SWEEP_EVERY);
    return it;
}

static bool answers(const struct exit_silence *s, const struct silence *it,
                    uint64_t now)
{
    return it->has_answered &&
           time_since(it->answered_at, now) < s->answer_counts;
}

bool exit_silence_take(struct exit_silence *s, const struct endpoint *to,
                       uint64_t source, uint64_t now)
{
    struct silence *address = find_or_add(s, to, EXIT_SILENCE_ADDRESS, now);
    struct silence *network;
    const struct token_rate *rate;

    if (address == NULL)
        return false;
    if (answers(s, address, now))
        return true;
    rate = address->source == source ? &s->own : &s->reserve;
    if (!token_bucket_has(&address->bucket, rate, now))
        return false;
    network = find_or_add(s, to, EXIT_SILENCE_NETWORK, now);
    if (network == NULL)
        return false;
    if (!answers(s, network, now) &&
        !token_bucket_take(&network->bucket, &s->network, now))
        return false;
    address->source = source;
    return token_bucket_take(&address->bucket, rate, now);
}

static void note_answer(struct silence *it, uint64_t now)
{
    if (it == NULL)
        return;
    it->answered_at = now;
    it->has_answered = true;
    it->bucket = (struct token_bucket){0};
}

void exit_silence_answered(struct exit_silence *s, const struct endpoint *from,
                           uint64_t now)
{
    note_answer(find(s, from, EXIT_SILENCE_ADDRESS), now);
    note_answer(find(s, from, EXIT_SILENCE_NETWORK), now);
}

void exit_silence_tick(struct exit_silence *s, uint64_t now)
{
    struct keyed_entry *e = s->table.oldest, *next;

    if (now < s->sweep_at)
        return;
    s->sweep_at = time_after(now, SWEEP_EVERY);
    for (; e != NULL; e = next) {
        struct silence *it = silence_of(e);

        next = e->newer;
        if (it->bucket.full_at <= now && !answers(s, it, now))
            drop(s, it);
    }
}
