/* SPDX-License-Identifier: MIT
 *
 * Answers to sample_infohashes (BEP 51). One set of hashes is drawn, and given
 * to whoever asks until its interval is over: asking more often, or from many
 * addresses, brings nothing. The interval that is named is what is left of it.
 * A set that has all hashes of a small store is drawn anew sooner.
 */
#include "dht/answer/answer.h"

#include "base/timestamp.h"
#include "dht/world/world.h"

#include <stdlib.h>

#define INTERVAL          TIME_MIN
#define INTERVAL_MAINLINE (DHT_INTERVAL_MAX * TIME_S)
#define INTERVAL_ALL      (10 * TIME_MIN)

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
