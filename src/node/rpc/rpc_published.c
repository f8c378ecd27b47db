/* SPDX-License-Identifier: MIT
 *
 * What this node publishes in the DHT: what it was asked to, and what it says
 * of itself as a relay, which is on no disk and made anew at each start.
 */
#include "base/timestamp.h"
#include "node/os/clock.h"
#include "node/rpc/rpc_internal.h"

/* More would not fit a frame. */
#define PUBLISHED_MAX 1000

/* In the first minute nobody may have been there yet to store anything. */
#define FIRST_ROUNDS TIME_MIN

struct published {
    struct rpc *rpc;
    struct dht_host *dht;
    struct mp_writer *w;
    uint64_t now;
    uint32_t count;
};

static void count_one(void *ctx, const struct dht_publication_info *info)
{
    struct published *p = ctx;

    (void)info;
    p->count++;
}

static const char *kind_of(const struct dht_publication_info *info)
{
    if (!info->is_item)
        return "peer";
    return info->key != NULL ? "mutable" : "item";
}

/* That nobody took it in the first minute is not a failure yet. */
static const char *state_of(const struct published *p,
                            const struct dht_publication_info *info)
{
    uint64_t begun = info->since > p->rpc->node->started_at
                         ? info->since
                         : p->rpc->node->started_at;
    bool first = time_since(begun, p->now) < FIRST_ROUNDS;

    return dht_published_name(info->state == DHT_PUBLISHED_FAILING && first
                                  ? DHT_PUBLISHED_STARTING
                                  : info->state);
}

static void write_port(struct mp_writer *w,
                       const struct dht_publication_info *info)
{
    mp_write_text(w, "port");
    if (info->is_item || info->port == 0)
        mp_write_nil(w);
    else
        mp_write_uint(w, info->port);
}

static void write_version(struct mp_writer *w,
                          const struct dht_publication_info *info)
{
    if (info->key == NULL)
        return;
    rpc_write_hex(w, "key", bytes_of(info->key, 32));
    rpc_write_int(w, "seq", info->seq);
    mp_write_text(w, "salt");
    mp_write_bin(w, info->salt);
}

static void write_one(void *ctx, const struct dht_publication_info *info)
{
    struct published *p = ctx;
    struct mp_writer *w = p->w;

    if (p->count == 0)
        return;
    p->count--;
    mp_write_map(w, info->key != NULL ? 13 : 10);
    rpc_write_id(w, "target", &info->target);
    rpc_write_text(w, "kind", kind_of(info));
    write_port(w, info);
    rpc_write_bool(w, "seed", info->seed);
    rpc_write_text(w, "state", state_of(p, info));
    rpc_write_uint(w, "stored", info->stored);
    rpc_write_bool(w, "kept",
                   dht_host_keeps(p->dht, info->is_item, &info->target));
    rpc_write_uint(w, "since", time_since(info->since, p->now) / TIME_S);
    mp_write_text(w, "checked");
    if (info->checked == TIME_NEVER)
        mp_write_nil(w);
    else
        mp_write_uint(w, time_since(info->checked, p->now) / TIME_S);
    mp_write_text(w, "next");
    if (info->next == TIME_NEVER)
        mp_write_nil(w);
    else
        mp_write_uint(w, time_since(p->now, info->next) / TIME_S);
    write_version(w, info);
}

void rpc_dht_published(struct rpc *rpc, struct control_call *call,
                       const struct rpc_params *params)
{
    struct published p = {
        .rpc = rpc, .dht = rpc_dht_of(rpc, call, params), .now = clock_now()};
    const struct dht *dht;

    if (p.dht == NULL)
        return;
    dht = dht_host_engine(p.dht);
    p.w = control_reply(call);
    dht_publications(dht, count_one, &p);
    mp_write_map(p.w, 2);
    rpc_write_uint(p.w, "count", p.count);
    if (p.count > PUBLISHED_MAX)
        p.count = PUBLISHED_MAX;
    mp_write_text(p.w, "published");
    mp_write_array(p.w, p.count);
    dht_publications(dht, write_one, &p);
    control_finish(call);
}
