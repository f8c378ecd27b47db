/* SPDX-License-Identifier: MIT
 *
 * Questions to a provider that is anonymous by itself, in place of a circuit.
 */
#include "tunnel/stem/finder_internal.h"

#include <string.h>

/* A side is named by the request's number and its own. */
static struct side *find(const struct finder *f, uint64_t cookie)
{
    struct request *r;

    TAILQ_FOREACH(r, &f->requests, link)
    if (r->id == cookie / SIDES)
        return &r->sides[cookie % SIDES];
    return NULL;
}

static struct side *asking(const struct finder *f, uint64_t cookie)
{
    struct side *side = find(f, cookie);

    return side != NULL && side->state == SIDE_ASKING ? side : NULL;
}

static void heard_peer(void *ctx, uint64_t cookie, const struct endpoint *peer)
{
    struct side *side = asking(ctx, cookie);

    if (side != NULL)
        side_take_peer(side, peer);
}

/* Services put byte strings of one length and nothing else. */
static void heard_item(void *ctx, uint64_t cookie,
                       const struct dht_provider_item *item)
{
    static const uint8_t head[3] = {0xc5, MEETING_VALUE_BYTES >> 8,
                                    MEETING_VALUE_BYTES & 0xff};
    struct side *side = asking(ctx, cookie);
    struct bytes v = value_bytes(item->value);

    if (side != NULL && v.len == sizeof(head) + MEETING_VALUE_BYTES &&
        memcmp(v.p, head, sizeof(head)) == 0)
        side_take_item(side, item->seq, item->signature,
                       bytes_of(v.p + sizeof(head), MEETING_VALUE_BYTES));
}

static void heard_counts(void *ctx, uint64_t cookie,
                         const struct dht_provider_counts *counts)
{
    struct side *side = asking(ctx, cookie);

    if (side != NULL)
        side->stored = counts->stored;
}

/* What it answered is looked at in the next tick. */
static void heard_done(void *ctx, uint64_t cookie, enum error e)
{
    struct finder *f = ctx;
    struct side *side = asking(f, cookie);

    if (side == NULL)
        return;
    if (e == OK && side->request->kind == REQUEST_PUT && side->stored == 0)
        side->stored = 1; /* one that does not count */
    side->provided = 0;
    side->done = true;
    side->failed = e != OK;
    side->newer += e == ERR_SEQ;
    side->refused = side->refused || side->failed;
    side->end_at = 0;
    f->hurry = true;
}

static enum error put(struct side *side,
                      const struct dht_provider_handler *handler)
{
    const struct request *r = side->request;
    const struct dht_provider *dht = r->f->env.dht;
    struct dht_provider_item item = {.salt = bytes_of(r->salt, r->salt_len),
                                     .seq = side->seq};
    struct value value;
    enum error e =
        value_from_bytes(bytes_of(side->value, sizeof(side->value)), &value);

    if (e != OK || dht->put_once == NULL)
        return ERR_UNSUPPORTED;
    memcpy(item.key, r->key, sizeof(item.key));
    memcpy(item.signature, side->signature, sizeof(item.signature));
    item.value = &value;
    return dht->put_once(dht->ctx, &item, handler, &side->provided);
}

void provided_ask(struct side *side)
{
    const struct request *r = side->request;
    const struct dht_provider *dht = r->f->env.dht;
    unsigned replica = (side->number + side->questions) % 2;
    struct dht_provider_handler handler = {.ctx = r->f,
                                           .cookie =
                                               r->id * SIDES + side->number,
                                           .peer = heard_peer,
                                           .item = heard_item,
                                           .counted = heard_counts,
                                           .done = heard_done};
    enum error e = ERR_UNSUPPORTED;
    uint64_t request = 0;

    if (r->kind == REQUEST_PUT)
        e = put(side, &handler);
    else if (r->kind == REQUEST_GET)
        e = dht->get_item(dht->ctx, r->key, service_replica_salt(replica),
                          &handler, &request);
    else
        e = dht->get_peers(dht->ctx, &r->hashes[replica], &handler, &request);
    if (e != OK) {
        heard_done(r->f, handler.cookie, e);
        return;
    }
    if (r->kind != REQUEST_PUT && !side->done)
        side->provided = request;
    if (side->done)
        side->provided = 0;
}
