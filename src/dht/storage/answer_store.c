/* SPDX-License-Identifier: MIT
 *
 * announce_peer (BEP 5), and put and get of items (BEP 44). What costs little
 * is checked first, the signature last.
 */
#include "dht/answer.h"

#include "dht/engine.h"

#include <string.h>

static bool has_token(struct dht *d, const struct answer *a,
                      const struct id *target, struct bytes token)
{
    token_tick(&d->tokens, &d->random, d->now);
    return token_check(&d->tokens, a->to, target, token);
}

static enum error refuse_token(struct dht *d, struct answer *a)
{
    return answer_error(d, a, DHT_ERROR_PROTOCOL, "bad token", ERR_TOKEN);
}

enum error answer_announce(struct dht *d, struct answer *a,
                           const struct dht_message *query)
{
    struct endpoint peer = *a->to;
    uint64_t evicted = d->peers.evicted;
    enum error err;

    if (!has_token(d, a, &query->target, query->token))
        return refuse_token(d, a);
    if (!query->implied_port)
        peer.port = query->port;
    if (peer.port == 0)
        return answer_error(d, a, DHT_ERROR_PROTOCOL, "bad port", ERR_RANGE);
    err = peer_store_put(&d->peers, &query->target, &peer, d->now);
    if (err != OK)
        return answer_error(d, a, DHT_ERROR_SERVER, "full", err);
    d->stats.peers_stored++;
    d->stats.peers_evicted += d->peers.evicted - evicted;
    answer_send(d, a);
    return OK;
}

/* ---- Items --------------------------------------------------------------- */

static struct dht_item item_of(const struct dht_message *m)
{
    struct dht_item item = {.value = &m->value};

    if (m->has & DHT_HAS_KEY) {
        item.mutable_item = true;
        memcpy(item.key, m->key, sizeof(item.key));
        memcpy(item.signature, m->signature, sizeof(item.signature));
        item.seq = m->seq;
        item.salt = m->salt;
    }
    return item;
}

static enum error refuse_item(struct dht *d, struct answer *a, enum error err)
{
    if (err == ERR_CAS)
        return answer_error(d, a, DHT_ERROR_CAS, "cas mismatch", err);
    if (err == ERR_SEQ)
        return answer_error(d, a, DHT_ERROR_SEQ, "seq too low", err);
    if (err == ERR_SIGNATURE)
        return answer_error(d, a, DHT_ERROR_SIGNATURE, "bad signature", err);
    if (err == ERR_TOO_LARGE)
        return answer_error(d, a, DHT_ERROR_TOO_LARGE, "too large", err);
    return answer_error(d, a, DHT_ERROR_SERVER, "full", err);
}

enum error answer_put(struct dht *d, struct answer *a,
                      const struct dht_message *query)
{
    const struct dht_item item = item_of(query);
    const int64_t *cas = query->has & DHT_HAS_CAS ? &query->cas : NULL;
    uint64_t evicted = d->items.evicted;
    struct id target;
    enum error err;

    dht_item_target(&item, &target);
    if (!has_token(d, a, &target, query->token))
        return refuse_token(d, a);
    err = item_store_check(&d->items, &target, &item, cas, a->to, d->now);
    if (err == OK)
        err = dht_item_verify(&item);
    if (err == OK)
        err = item_store_put(&d->items, &target, &item, cas, a->to, d->now);
    if (err != OK)
        return refuse_item(d, a, err);
    d->stats.items_stored++;
    d->stats.items_evicted += d->items.evicted - evicted;
    answer_send(d, a);
    return OK;
}

void answer_add_item(struct dht *d, struct dht_message *m,
                     const struct dht_message *query)
{
    struct item_view item;

    if (!item_store_get(&d->items, &query->target, d->now, &item))
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
