/* SPDX-License-Identifier: MIT
 *
 * Answers that tell of the whole peer store or of a whole hash. Of the first
 * kind is sample_infohashes (BEP 51). One set of hashes is drawn, and given
 * to whoever asks until its interval is over: asking more often, or from many
 * addresses, brings nothing. The interval that is named is what is left of it.
 * A set that has all hashes of a small store is drawn anew sooner.
 *
 * Of the second is a scrape (BEP 33), for which all peers of a hash are hashed:
 * a hundred times the work of another answer. No more filters are made than
 * SCRAPE_RATE a second; who asks above that gets peers alone.
 */
#include "dht/answer/answer.h"

#include "base/timestamp.h"
#include "dht/types/bloom.h"
#include "dht/world/world.h"

#include <stdlib.h>
#include <string.h>

#define INTERVAL          TIME_MIN
#define INTERVAL_MAINLINE (DHT_INTERVAL_MAX * TIME_S)
#define INTERVAL_ALL      (10 * TIME_MIN)

#define SCRAPE_RATE  200 /* a second */
#define SCRAPE_BURST 400

static uint64_t interval_of(const struct dht_service *s)
{
    if (s->w->config.dialect == DHT_DIALECT_WARREN)
        return INTERVAL;
    return s->samples.count < DHT_SAMPLES_MAX ? INTERVAL_ALL
                                              : INTERVAL_MAINLINE;
}

/* Memory is taken when somebody asks first; where there is none there are no
 * samples. */
static void draw(struct dht_service *s)
{
    struct sample_set *set = &s->samples;

    if (set->hashes == NULL)
        set->hashes = malloc(DHT_SAMPLES_MAX * ID_BYTES);
    if (set->hashes == NULL)
        return;
    set->count = (uint8_t)peer_store_sample_hashes(
        &s->peers, &s->w->random, set->hashes, DHT_SAMPLES_MAX, s->w->now);
    set->until = time_after(s->w->now, interval_of(s));
}

void answer_add_samples(struct dht_service *s, struct answer *a, size_t room)
{
    const struct sample_set *set = &s->samples;
    uint64_t now = s->w->now;

    if (set->until <= now)
        draw(s);
    a->m.samples = bytes_of(set->hashes,
                            ID_BYTES * (set->count < room ? set->count : room));
    a->m.interval =
        (uint32_t)(set->until > now ? (set->until - now) / TIME_S : 0);
    a->m.num = s->peers.hashes;
    a->m.has |= DHT_HAS_SAMPLES | DHT_HAS_INTERVAL | DHT_HAS_NUM;
}

/* ---- Scrapes ------------------------------------------------------------- */

static bool may_scrape(struct dht_service *s, const struct answer *a)
{
    const struct token_rate rate = token_rate_of(SCRAPE_RATE, SCRAPE_BURST);
    size_t frame = ANSWER_FRAME + a->m.transaction.len + a->m.network.len +
                   DHT_TOKEN_BYTES;

    return frame + BLOOM_PAIR_BYTES <= a->limit &&
           token_bucket_take(&s->scrapes, &rate, s->w->now);
}

void answer_add_filters(struct dht_service *s, struct answer *a,
                        const struct id *info_hash)
{
    if (!may_scrape(s, a))
        return;
    memset(a->seeds, 0, sizeof(a->seeds));
    memset(a->others, 0, sizeof(a->others));
    if (!peer_store_scrape(&s->peers, info_hash, a->seeds, a->others,
                           s->w->now))
        return;
    a->m.seed_bloom = a->seeds;
    a->m.peer_bloom = a->others;
    a->m.has |= DHT_HAS_SEED_BLOOM | DHT_HAS_PEER_BLOOM;
}
