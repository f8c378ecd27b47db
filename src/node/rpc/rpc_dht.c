/* SPDX-License-Identifier: MIT
 *
 * The methods of the DHT: each starts a request of the engine for a dht_call,
 * which collects what the engine tells and answers when it is done.
 */
#include "base/timestamp.h"
#include "node/os/clock.h"
#include "node/rpc/dht_call.h"

#include <string.h>

static struct dht *engine(const struct dht_call *c)
{
    return dht_host_engine(c->dht);
}

/* ---- Answers ----------------------------------------------------------- */

#define EFFORT_PAIRS 5

static void write_effort(struct mp_writer *w, const struct dht_call *c,
                         const struct dht_result *r)
{
    rpc_write_id(w, "target", &c->target);
    rpc_write_uint(w, "asked", r->asked);
    rpc_write_uint(w, "answered", r->answered);
    rpc_write_uint(w, "hops", r->hops);
    rpc_write_ms(w, "duration", r->duration);
}

static void write_closest(struct mp_writer *w, const struct dht_result *r)
{
    mp_write_text(w, "nodes");
    mp_write_array(w, (uint32_t)r->closest_count);
    for (size_t i = 0; i < r->closest_count; i++) {
        mp_write_map(w, 2);
        rpc_write_id(w, "id", &r->closest[i].id);
        rpc_write_endpoint(w, "address", &r->closest[i].ep);
    }
}

static uint32_t lookup_pairs(const struct dht_call *c,
                             const struct dht_result *r)
{
    (void)c;
    (void)r;
    return EFFORT_PAIRS + 1;
}

static uint32_t stored_pairs(const struct dht_call *c,
                             const struct dht_result *r)
{
    (void)c;
    (void)r;
    return EFFORT_PAIRS + 2;
}

static void answer_nodes(const struct dht_call *c, const struct dht_result *r,
                         struct mp_writer *w)
{
    write_effort(w, c, r);
    write_closest(w, r);
}

static void answer_peers(const struct dht_call *c, const struct dht_result *r,
                         struct mp_writer *w)
{
    write_effort(w, c, r);
    dht_call_write_list(w, "peers", &c->peers);
}

static void answer_stored(const struct dht_call *c, const struct dht_result *r,
                          struct mp_writer *w)
{
    write_effort(w, c, r);
    rpc_write_uint(w, "stored", r->stored);
    rpc_write_bool(w, "kept", dht_host_keeps(c->dht, c->has_item, &c->target));
}

static uint32_t get_pairs(const struct dht_call *c, const struct dht_result *r)
{
    int64_t seq;

    (void)r;
    return EFFORT_PAIRS + 1 +
           (dht_host_own_seq(c->dht, &c->target, &seq) == OK);
}

/* `own_seq` tells who writes the next version which numbers are taken. */
static void answer_item(const struct dht_call *c, const struct dht_result *r,
                        struct mp_writer *w)
{
    int64_t seq;

    write_effort(w, c, r);
    mp_write_text(w, "item");
    if (c->has_item)
        dht_call_write_item(w, &c->item, c->item_hop);
    else
        mp_write_nil(w);
    if (dht_host_own_seq(c->dht, &c->target, &seq) == OK)
        rpc_write_int(w, "own_seq", seq);
}

static uint32_t ping_pairs(const struct dht_call *c, const struct dht_result *r)
{
    (void)c;
    return r->closest_count > 0 ? 3 : 1;
}

static void answer_ping(const struct dht_call *c, const struct dht_result *r,
                        struct mp_writer *w)
{
    (void)c;
    rpc_write_ms(w, "rtt", r->duration);
    if (r->closest_count == 0)
        return;
    rpc_write_id(w, "id", &r->closest[0].id);
    rpc_write_endpoint(w, "address", &r->closest[0].ep);
}

static uint32_t sample_pairs(const struct dht_call *c,
                             const struct dht_result *r)
{
    (void)c;
    (void)r;
    return 4;
}

static void answer_sample(const struct dht_call *c, const struct dht_result *r,
                          struct mp_writer *w)
{
    rpc_write_ms(w, "rtt", r->duration);
    rpc_write_uint(w, "interval", c->sampled.interval);
    rpc_write_uint(w, "num", c->sampled.num);
    if (c->has_samples) {
        dht_call_write_list(w, "samples", &c->samples);
    } else { /* it knows nothing of BEP 51 */
        mp_write_text(w, "samples");
        mp_write_nil(w);
    }
}

static struct dht_call *
begin(struct rpc *rpc, struct control_call *call,
      const struct rpc_params *params,
      uint32_t (*pairs)(const struct dht_call *, const struct dht_result *),
      void (*answer)(const struct dht_call *, const struct dht_result *,
                     struct mp_writer *))
{
    struct dht_call *c = dht_call_new(rpc, call, params);

    if (c == NULL)
        return NULL;
    c->pairs = pairs;
    c->answer = answer;
    return c;
}

/* ---- One node ---------------------------------------------------------- */

void rpc_dht_ping(struct rpc *rpc, struct control_call *call,
                  const struct rpc_params *params)
{
    struct dht_call *c = begin(rpc, call, params, ping_pairs, answer_ping);

    if (c != NULL)
        dht_call_started(c, dht_ping(engine(c), &params->address, &c->handler,
                                     clock_now(), &c->under_way.id));
}

void rpc_dht_sample(struct rpc *rpc, struct control_call *call,
                    const struct rpc_params *params)
{
    struct dht_call *c = begin(rpc, call, params, sample_pairs, answer_sample);
    struct dht_status status;

    if (c == NULL)
        return;
    if ((params->has & RPC_TARGET) == 0) {
        dht_status(engine(c), clock_now(), &status);
        c->target = status.id[params->address.family];
    }
    dht_call_started(c, dht_sample(engine(c), &params->address, &c->target,
                                   dht_call_on_samples, &c->handler,
                                   clock_now(), &c->under_way.id));
}

static uint32_t ask_pairs(const struct dht_call *c, const struct dht_result *r)
{
    (void)c;
    (void)r;
    return 5;
}

/* Without a version: nil. */
static void answer_ask(const struct dht_call *c, const struct dht_result *r,
                       struct mp_writer *w)
{
    rpc_write_ms(w, "rtt", r->duration);
    rpc_write_id(w, "id", &r->closest[0].id);
    rpc_write_endpoint(w, "address", &r->closest[0].ep);
    mp_write_text(w, "version");
    if (c->version_len > 0)
        mp_write_bin(w, bytes_of(c->version, c->version_len));
    else
        mp_write_nil(w);
    dht_call_write_list(w, "nodes", &c->nodes);
}

void rpc_dht_ask(struct rpc *rpc, struct control_call *call,
                 const struct rpc_params *params)
{
    struct dht_call *c = begin(rpc, call, params, ask_pairs, answer_ask);

    if (c == NULL)
        return;
    c->asks = true;
    dht_call_started(c, dht_ask(engine(c), &params->address, &params->target,
                                dht_call_on_answer, &c->handler, clock_now(),
                                &c->under_way.id));
}

/* ---- Lookups ----------------------------------------------------------- */

void rpc_dht_find_node(struct rpc *rpc, struct control_call *call,
                       const struct rpc_params *params)
{
    struct dht_call *c = begin(rpc, call, params, lookup_pairs, answer_nodes);

    if (c != NULL)
        dht_call_started(c,
                         dht_find_node(engine(c), &params->target, &c->handler,
                                       clock_now(), &c->under_way.id));
}

void rpc_dht_get_peers(struct rpc *rpc, struct control_call *call,
                       const struct rpc_params *params)
{
    struct dht_call *c = begin(rpc, call, params, lookup_pairs, answer_peers);

    if (c == NULL)
        return;
    dht_call_started(
        c, params->no_seeds
               ? dht_get_downloaders(engine(c), &params->target, &c->handler,
                                     clock_now(), &c->under_way.id)
               : dht_get_peers(engine(c), &params->target, &c->handler,
                               clock_now(), &c->under_way.id));
}

static uint32_t scrape_pairs(const struct dht_call *c,
                             const struct dht_result *r)
{
    (void)c;
    (void)r;
    return EFFORT_PAIRS + 4;
}

static void answer_scrape(const struct dht_call *c, const struct dht_result *r,
                          struct mp_writer *w)
{
    write_effort(w, c, r);
    rpc_write_uint(w, "scraped", r->scraped);
    mp_write_text(w, "seeds");
    mp_write_double(w, r->seeds);
    mp_write_text(w, "downloaders");
    mp_write_double(w, r->downloaders);
    dht_call_write_list(w, "peers", &c->peers);
}

void rpc_dht_scrape(struct rpc *rpc, struct control_call *call,
                    const struct rpc_params *params)
{
    struct dht_call *c = begin(rpc, call, params, scrape_pairs, answer_scrape);

    if (c != NULL)
        dht_call_started(c, dht_scrape(engine(c), &params->target, &c->handler,
                                       clock_now(), &c->under_way.id));
}

void rpc_dht_get(struct rpc *rpc, struct control_call *call,
                 const struct rpc_params *params)
{
    struct dht_call *c = begin(rpc, call, params, get_pairs, answer_item);

    if (c != NULL)
        dht_call_started(c, dht_get_item(engine(c), &params->target,
                                         params->salt, &c->handler, clock_now(),
                                         &c->under_way.id));
}

/* ---- Publications ------------------------------------------------------ */

void rpc_dht_announce(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    struct dht_call *c = begin(rpc, call, params, stored_pairs, answer_stored);
    bool implied = (params->has & RPC_PORT) == 0;
    enum error (*start)(struct dht_host *, const struct id *, uint16_t, bool,
                        const struct dht_handler *, dht_request *) =
        params->seed ? dht_host_announce_seed : dht_host_announce;

    if (c == NULL)
        return;
    c->outlives_client = true;
    dht_call_started(c,
                     start(c->dht, &params->target, implied ? 0 : params->port,
                           implied, &c->handler, &c->under_way.id));
}

void rpc_dht_withdraw(struct rpc *rpc, struct control_call *call,
                      const struct rpc_params *params)
{
    struct dht_host *dht = rpc_dht_of(rpc, call, params);
    struct mp_writer *w;
    enum error err;

    if (dht == NULL)
        return;
    err = dht_host_withdraw(dht, &params->target);
    if (err != OK) {
        control_fail(call, err, "this node publishes nothing under that key");
        return;
    }
    w = control_reply(call);
    mp_write_map(w, 2);
    rpc_write_id(w, "target", &params->target);
    rpc_write_bool(w, "kept", dht_host_comes_back(dht, &params->target));
    control_finish(call);
}

/* An item that lost against a newer one is not tried again at each start. One
 * whose condition did not hold leaves what was kept before as it is. */
static void put_ended(struct dht_call *c, const struct dht_result *r)
{
    if (r->error == ERR_SEQ)
        dht_host_withdraw(c->dht, &c->target);
    else if (r->error != ERR_CAS && r->error != ERR_CANCELLED)
        dht_host_keep_item(c->dht, &c->item);
}

#define MUTABLE (RPC_KEY | RPC_SIGNATURE | RPC_SEQ)

static enum error item_of(const struct rpc_params *p, struct dht_item *out)
{
    struct dht_item item = {.mutable_item = (p->has & MUTABLE) == MUTABLE,
                            .seq = p->seq,
                            .salt = p->salt,
                            .value = &p->value};

    if (!item.mutable_item && (p->has & (MUTABLE | RPC_SALT | RPC_CAS)) != 0)
        return ERR_MISSING;
    if (item.mutable_item) {
        memcpy(item.key, p->key, sizeof(item.key));
        memcpy(item.signature, p->signature, sizeof(item.signature));
    } else {
        item.seq = 0;
    }
    *out = item;
    return OK;
}

void rpc_dht_put(struct rpc *rpc, struct control_call *call,
                 const struct rpc_params *params)
{
    struct dht_item item;
    struct dht_call *c;

    if (item_of(params, &item) != OK) {
        control_fail(call, ERR_MISSING,
                     "key, signature and seq belong together; salt and cas "
                     "need them");
        return;
    }
    c = begin(rpc, call, params, stored_pairs, answer_stored);
    if (c == NULL)
        return;
    c->outlives_client = true;
    dht_call_keep_item(c, &item);
    dht_item_target(&item, &c->target);
    c->ended = put_ended;
    dht_call_started(
        c, dht_host_put(c->dht, &c->item,
                        (params->has & RPC_CAS) != 0 ? &params->cas : NULL,
                        &c->handler, &c->under_way.id));
}
