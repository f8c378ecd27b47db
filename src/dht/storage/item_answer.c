/* SPDX-License-Identifier: MIT
 *
 * The item store's answer to `get`.
 */
#include "dht/storage/item_store.h"

#include <string.h>

void item_store_answer(const struct item_store *s,
                       const struct dht_message *query, uint64_t now,
                       struct dht_message *m)
{
    struct item_view item;

    if (!item_store_get(s, &query->target, now, &item))
        return;
    if (item.mutable_item) {
        m->seq = item.seq;
        m->has |= DHT_HAS_SEQ;
        /* The asker has this one, or a newer one. */
        if ((query->has & DHT_HAS_SEQ) && item.seq <= query->seq)
            return;
        m->key = item.key;
        m->signature = item.signature;
        m->has |= DHT_HAS_KEY | DHT_HAS_SIGNATURE;
    }
    memcpy(m->value.mp, item.value.p, item.value.len);
    m->value.len = (uint16_t)item.value.len;
    m->has |= DHT_HAS_VALUE;
}
