/* SPDX-License-Identifier: MIT
 *
 * A node remembers its ids as settings ("dht.id.ipv4", "dht.id.ipv6"; of the
 * mainline DHT "mainline.id.ipv4", "mainline.id.ipv6"), and
 * nodes, announcements and items as rows. All that is read back may be old or
 * damaged, so the engine checks it as if strangers had sent it; what it does
 * not take is counted.
 */
#include "node/host/dht_restore.h"
#include "node/os/clock.h"

#include <string.h>

static const char *const id_settings[STORE_DHTS][FAMILIES] = {
    [STORE_DHT] = {"dht.id.ipv4", "dht.id.ipv6"},
    [STORE_MAINLINE] = {"mainline.id.ipv4", "mainline.id.ipv6"}};

void dht_restore_ids(struct store *store, enum store_dht dht,
                     struct dht_config *config)
{
    for (int f = 0; f < FAMILIES; f++) {
        uint8_t buf[STORE_SETTING_BYTES];
        size_t len;

        if (store_get_setting(store, id_settings[dht][f], buf, sizeof(buf),
                              &len) != OK ||
            len != ID_BYTES)
            continue;
        memcpy(config->id[f].b, buf, ID_BYTES);
        config->has_id[f] = true;
    }
}

void dht_restore_keep_id(struct store *store, enum store_dht dht,
                         enum family family, const struct id *id)
{
    store_put_setting(store, id_settings[dht][family],
                      bytes_of(id->b, ID_BYTES));
}

void dht_restore_keep_node(struct store *store, enum store_dht dht,
                           const struct id *id, const struct endpoint *ep)
{
    struct store_node node = {
        .id = *id, .endpoint = *ep, .last_seen = (int64_t)clock_wall()};

    store_put_node(store, dht, &node);
}

void dht_restore_keep_item(struct store *store, enum store_dht dht,
                           const struct dht_item *item)
{
    struct store_item s = {.is_mutable = item->mutable_item,
                           .seq = item->seq,
                           .salt_len = (uint8_t)item->salt.len,
                           .since = (int64_t)clock_wall(),
                           .value = *item->value};

    dht_item_target(item, &s.target);
    memcpy(s.key, item->key, sizeof(s.key));
    memcpy(s.signature, item->signature, sizeof(s.signature));
    if (item->salt.len > 0)
        memcpy(s.salt, item->salt.p, item->salt.len);
    store_put_item(store, dht, &s);
}

/* ---- Back into the engine ---------------------------------------------- */

struct restoring {
    struct dht *dht;
    uint64_t now;
    struct dht_restored *counts;
};

static void count(struct restoring *r, unsigned *counter, enum error err)
{
    if (err == OK)
        (*counter)++;
    else
        r->counts->failures++;
}

static void restore_node(void *ctx, const struct store_node *n)
{
    struct restoring *r = ctx;

    dht_node_add(r->dht, &n->id, &n->endpoint, r->now);
    r->counts->nodes++;
}

static void restore_announcement(void *ctx, const struct store_announcement *a)
{
    static const struct dht_handler nobody = {0};
    struct restoring *r = ctx;
    dht_request request;

    count(r, &r->counts->announcements,
          a->seed
              ? dht_announce_seed(r->dht, &a->info_hash, a->port,
                                  a->implied_port, &nobody, r->now, &request)
              : dht_announce(r->dht, &a->info_hash, a->port, a->implied_port,
                             &nobody, r->now, &request));
}

static void restore_item(void *ctx, const struct store_item *s)
{
    static const struct dht_handler nobody = {0};
    struct restoring *r = ctx;
    struct value value;
    struct dht_item item = {.mutable_item = s->is_mutable,
                            .seq = s->seq,
                            .salt = bytes_of(s->salt, s->salt_len),
                            .value = &value};
    dht_request request;

    /* The store gives back any bytes; the engine takes values alone. */
    if (value_from_msgpack(value_bytes(&s->value), &value) != OK) {
        r->counts->failures++;
        return;
    }
    memcpy(item.key, s->key, sizeof(item.key));
    memcpy(item.signature, s->signature, sizeof(item.signature));
    count(r, &r->counts->items,
          dht_put(r->dht, &item, NULL, &nobody, r->now, &request));
}

void dht_restore_all(struct dht *engine, struct store *store,
                     enum store_dht dht, uint64_t now, struct dht_restored *out)
{
    struct restoring r = {.dht = engine, .now = now, .counts = out};
    struct dht_status status;

    *out = (struct dht_restored){0};
    dht_status(engine, now, &status);
    for (int f = 0; f < FAMILIES; f++)
        dht_restore_keep_id(store, dht, (enum family)f, &status.id[f]);
    if (store_each_node(store, dht, DHT_RESTORE_NODES, restore_node, &r) != OK)
        out->failures++;
    if (store_each_announcement(store, dht, restore_announcement, &r) != OK)
        out->failures++;
    if (store_each_item(store, dht, restore_item, &r) != OK)
        out->failures++;
}

/* ---- Looking up -------------------------------------------------------- */

struct seq_search {
    const struct id *target;
    int64_t seq;
    bool found;
};

static void match_seq(void *ctx, const struct store_item *s)
{
    struct seq_search *search = ctx;

    if (!s->is_mutable || !id_equal(&s->target, search->target))
        return;
    search->seq = s->seq;
    search->found = true;
}

enum error dht_restore_own_seq(struct store *store, enum store_dht dht,
                               const struct id *target, int64_t *out)
{
    struct seq_search search = {.target = target};
    enum error err = store_each_item(store, dht, match_seq, &search);

    if (err != OK)
        return err;
    if (!search.found)
        return ERR_NOT_FOUND;
    *out = search.seq;
    return OK;
}
