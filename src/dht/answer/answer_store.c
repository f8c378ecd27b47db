/* SPDX-License-Identifier: MIT
 *
 * The queries that write: announce_peer (BEP 5, 33) and put (BEP 44). What
 * costs little is checked first, the signature last.
 */
#include "dht/answer/answer.h"

#include "dht/world/world.h"

#include <string.h>

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

static bool has_token(struct dht_service *s, const struct endpoint *from,
                      const struct id *target, struct bytes token)
{
    token_tick(&s->tokens, &s->w->random, s->w->now);
    return token_check(&s->tokens, from, target, token);
}

bool answer_has_token(struct dht_service *s, const struct endpoint *from,
                      const struct dht_message *query)
{
    struct id target = query->target;

    if (query->token.len != DHT_TOKEN_BYTES)
        return false;
    if (query->method == DHT_PUT) {
        const struct dht_item item = item_of(query);

        dht_item_target(&item, &target);
    }
    return has_token(s, from, &target, query->token);
}

static enum error refuse_token(struct dht_service *s, struct answer *a)
{
    return answer_error(s, a, DHT_ERROR_PROTOCOL, "bad token", ERR_TOKEN);
}

enum error answer_announce(struct dht_service *s, struct answer *a,
                           const struct dht_message *query)
{
    struct endpoint peer = *a->to;
    uint64_t evicted = s->peers.evicted;
    enum error err;

    if (!has_token(s, a->to, &query->target, query->token))
        return refuse_token(s, a);
    if (!query->implied_port)
        peer.port = query->port;
    if (peer.port == 0)
        return answer_error(s, a, DHT_ERROR_PROTOCOL, "bad port", ERR_RANGE);
    err = peer_store_put(&s->peers, &query->target, &peer, query->seed,
                         s->w->now);
    if (err != OK)
        return answer_error(s, a, DHT_ERROR_SERVER, "full", err);
    service_stored(s);
    s->w->stats.peers_stored++;
    s->w->stats.peers_evicted += s->peers.evicted - evicted;
    answer_send(s, a);
    return OK;
}

/* ---- Items --------------------------------------------------------------- */

static enum error refuse_item(struct dht_service *s, struct answer *a,
                              enum error err)
{
    if (err == ERR_CAS)
        return answer_error(s, a, DHT_ERROR_CAS, "cas mismatch", err);
    if (err == ERR_SEQ)
        return answer_error(s, a, DHT_ERROR_SEQ, "seq too low", err);
    if (err == ERR_SIGNATURE)
        return answer_error(s, a, DHT_ERROR_SIGNATURE, "bad signature", err);
    if (err == ERR_TOO_LARGE)
        return answer_error(s, a, DHT_ERROR_TOO_LARGE, "too large", err);
    return answer_error(s, a, DHT_ERROR_SERVER, "full", err);
}

enum error answer_put(struct dht_service *s, struct answer *a,
                      const struct dht_message *query)
{
    const struct dht_item item = item_of(query);
    const int64_t *cas = query->has & DHT_HAS_CAS ? &query->cas : NULL;
    uint64_t evicted = s->items.evicted;
    struct id target;
    enum error err;

    dht_item_target(&item, &target);
    if (!has_token(s, a->to, &target, query->token))
        return refuse_token(s, a);
    err = item_store_check(&s->items, &target, &item, cas, a->to, s->w->now);
    if (err == OK)
        err = dht_item_verify(&item);
    if (err == OK)
        err = item_store_put(&s->items, &target, &item, cas, a->to, s->w->now);
    if (err != OK)
        return refuse_item(s, a, err);
    service_stored(s);
    s->w->stats.items_stored++;
    s->w->stats.items_evicted += s->items.evicted - evicted;
    answer_send(s, a);
    return OK;
}
