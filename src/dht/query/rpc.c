/* SPDX-License-Identifier: MIT */
#include "dht/query/rpc.h"

#include "dht/engine.h"
#include "dht/lookup/lookup.h"
#include "dht/publish/publish.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 8

void rpc_init(struct rpc *rpc)
{
    *rpc = (struct rpc){.next_at = TIME_NEVER};
}

void rpc_deinit(struct rpc *rpc)
{
    free(rpc->queries);
    rpc_init(rpc);
}

static uint64_t clamp_short(uint64_t timeout)
{
    if (timeout < RPC_SHORT_MIN)
        return RPC_SHORT_MIN;
    return timeout > RPC_SHORT_MAX ? RPC_SHORT_MAX : timeout;
}

uint64_t rpc_short_timeout(const struct rpc *rpc, uint32_t rtt)
{
    if (rtt != 0)
        return clamp_short(3 * TIME_US * rtt);
    if (rpc->srtt == 0)
        return RPC_SHORT_INITIAL;
    return clamp_short(rpc->srtt + 4 * rpc->rttvar);
}

static void measure(struct rpc *rpc, uint64_t rtt)
{
    uint64_t off = rtt > rpc->srtt ? rtt - rpc->srtt : rpc->srtt - rtt;

    if (rpc->srtt == 0) {
        rpc->srtt = rtt;
        rpc->rttvar = rtt / 2;
    } else {
        rpc->rttvar = rpc->rttvar - rpc->rttvar / 4 + off / 4;
        rpc->srtt = rpc->srtt - rpc->srtt / 8 + rtt / 8;
    }
    if (rpc->srtt == 0)
        rpc->srtt = 1;
}

/* ---- Slots --------------------------------------------------------------- */

static void find_next(struct rpc *rpc)
{
    rpc->next_at = TIME_NEVER;
    for (size_t i = 0; i < rpc->end; i++) {
        if (rpc->queries[i].sent_at != 0)
            rpc->next_at = time_min(rpc->next_at, rpc->queries[i].deadline);
    }
}

static void release(struct rpc *rpc, size_t slot)
{
    bool was_next = rpc->queries[slot].deadline <= rpc->next_at;

    rpc->queries[slot].sent_at = 0;
    rpc->used--;
    while (rpc->end > 0 && rpc->queries[rpc->end - 1].sent_at == 0)
        rpc->end--;
    if (was_next)
        find_next(rpc);
}

static void fail(struct dht *d, size_t slot);

/* Frees the slot of the query that has waited longest past its short timeout:
 * it has had its chance. */
static bool drop_slowest(struct dht *d)
{
    struct rpc *rpc = &d->rpc;
    size_t oldest = rpc->end;

    for (size_t i = 0; i < rpc->end; i++) {
        const struct query *q = &rpc->queries[i];

        if (q->sent_at != 0 && q->slow && q->owner == NULL &&
            (oldest == rpc->end || q->sent_at < rpc->queries[oldest].sent_at))
            oldest = i;
    }
    if (oldest == rpc->end)
        return false;
    fail(d, oldest);
    return true;
}

static enum error grow(struct rpc *rpc, size_t max)
{
    size_t cap = rpc->cap == 0 ? FIRST_SLOTS : 2 * rpc->cap;
    struct query *queries;

    if (cap > max)
        cap = max;
    queries = realloc(rpc->queries, cap * sizeof(*queries));
    if (queries == NULL)
        return ERR_NO_MEMORY;
    memset(queries + rpc->cap, 0, (cap - rpc->cap) * sizeof(*queries));
    rpc->queries = queries;
    rpc->cap = cap;
    return OK;
}

static enum error take_slot(struct dht *d, size_t *out)
{
    struct rpc *rpc = &d->rpc;
    size_t slot = 0;

    if (rpc->used >= d->config.max_pending && !drop_slowest(d))
        return ERR_FULL;
    if (rpc->used == rpc->cap && grow(rpc, d->config.max_pending) != OK)
        return ERR_FULL;
    while (slot < rpc->end && rpc->queries[slot].sent_at != 0)
        slot++;
    assert(slot < rpc->cap);
    *out = slot;
    return OK;
}

/* ---- Out ----------------------------------------------------------------- */

static void complete(struct dht *d, struct dht_message *m, enum family f,
                     const uint8_t *transaction)
{
    m->transaction = bytes_of(transaction, RPC_TRANSACTION_BYTES);
    m->version = bytes_of_text(ENGINE_VERSION);
    m->network = bytes_of_text(d->config.network);
    m->read_only = d->config.read_only;
    m->id = d->self[f];
    m->has |= DHT_HAS_ID;
}

static void write_transaction(uint8_t *out, size_t slot, const uint8_t *secret)
{
    out[0] = (uint8_t)(slot >> 8);
    out[1] = (uint8_t)slot;
    memcpy(out + 2, secret, RPC_SECRET_BYTES);
}

enum error rpc_send(struct dht *d, struct dht_message *m, struct query q)
{
    struct rpc *rpc = &d->rpc;
    uint8_t transaction[RPC_TRANSACTION_BYTES];
    uint8_t buf[DHT_MESSAGE_MAX];
    size_t slot, len;
    enum error err = take_slot(d, &slot);

    if (err != OK)
        return err;
    d->env.random(d->env.ctx, q.secret, sizeof(q.secret));
    write_transaction(transaction, slot, q.secret);
    complete(d, m, (enum family)q.to.family, transaction);
    err = dht_message_write(m, buf, sizeof(buf), &len);
    if (err != OK)
        return err;
    /* A node may be created at time 0, which marks a free slot. */
    q.sent_at = d->now == 0 ? 1 : d->now;
    q.deadline =
        time_after(q.sent_at, time_min(rpc_short_timeout(rpc, q.rtt_hint),
                                       d->config.query_timeout));
    q.slow = false;
    rpc->queries[slot] = q;
    rpc->used++;
    if (slot >= rpc->end)
        rpc->end = slot + 1;
    rpc->next_at = time_min(rpc->next_at, q.deadline);
    d->stats.queries_out[m->method]++;
    engine_send(d, &q.to, buf, len);
    return OK;
}

/* ---- Timeouts ------------------------------------------------------------ */

static void tell_slow(struct dht *d, const struct query *q)
{
    if (q->owner == NULL)
        return;
    if (q->purpose == QUERY_STORE)
        publish_store_ended(d, q->owner, q->candidate, ERR_TIMEOUT);
    else
        lookup_slow(d, q->owner, q->candidate);
}

static void tell_failed(struct dht *d, const struct query *q, enum error why)
{
    if (q->owner == NULL)
        return;
    if (q->purpose == QUERY_STORE)
        publish_store_ended(d, q->owner, q->candidate, why);
    else
        lookup_failed(d, q->owner, q->candidate);
}

/* Ends a query that stayed unanswered. */
static void fail(struct dht *d, size_t slot)
{
    struct query q = d->rpc.queries[slot];

    release(&d->rpc, slot);
    d->stats.timeouts++;
    if (q.id_known)
        engine_node_failed(d, &q.id, &q.to);
    tell_failed(d, &q, ERR_TIMEOUT);
}

static void expire(struct dht *d, size_t slot)
{
    struct query *q = &d->rpc.queries[slot];
    uint64_t end = time_after(q->sent_at, d->config.query_timeout);
    bool was_slow = q->slow;
    struct query copy;

    if (end <= d->now) {
        copy = *q;
        fail(d, slot);
    } else {
        q->slow = true;
        q->deadline = end;
        copy = *q;
    }
    if (!was_slow && end > d->now)
        tell_slow(d, &copy);
}

/* Owners may send while we walk: what they add lies in free slots, is due
 * later, and the array is indexed anew each time. */
void rpc_tick(struct dht *d)
{
    struct rpc *rpc = &d->rpc;

    if (rpc->next_at > d->now)
        return;
    for (size_t i = 0; i < rpc->end; i++) {
        if (rpc->queries[i].sent_at != 0 && rpc->queries[i].deadline <= d->now)
            expire(d, i);
    }
    find_next(rpc);
}

void rpc_detach(struct dht *d, const struct lookup *owner)
{
    for (size_t i = 0; i < d->rpc.end; i++) {
        if (d->rpc.queries[i].owner == owner)
            d->rpc.queries[i].owner = NULL;
    }
}

/* ---- In ------------------------------------------------------------------ */

static struct query *match(struct rpc *rpc, const struct endpoint *from,
                           struct bytes transaction)
{
    struct query *q;
    size_t slot;

    if (transaction.len != RPC_TRANSACTION_BYTES)
        return NULL;
    slot = (size_t)(transaction.p[0] << 8 | transaction.p[1]);
    if (slot >= rpc->end)
        return NULL;
    q = &rpc->queries[slot];
    if (q->sent_at == 0 || !endpoint_equal(&q->to, from) ||
        sodium_memcmp(q->secret, transaction.p + 2, RPC_SECRET_BYTES) != 0)
        return NULL;
    return q;
}

static void deliver(struct dht *d, const struct query *q,
                    const struct dht_message *m, uint64_t rtt)
{
    if (q->owner == NULL)
        return;
    if (q->purpose == QUERY_STORE)
        publish_store_ended(d, q->owner, q->candidate, OK);
    else
        lookup_answered(d, q->owner, q->candidate, m, rtt);
}

static void deliver_error(struct dht *d, const struct query *q,
                          const struct dht_message *m)
{
    enum error err = ERR_REMOTE;

    d->stats.errors_in++;
    if (q->owner == NULL)
        return;
    if (m->error_code == DHT_ERROR_CAS)
        err = ERR_CAS;
    if (m->error_code == DHT_ERROR_SEQ)
        err = ERR_SEQ;
    if (q->purpose == QUERY_STORE)
        publish_store_ended(d, q->owner, q->candidate, err);
    else
        lookup_error(d, q->owner, q->candidate);
}

/* Somebody else lives at the address now, or pretends to: the node that we
 * asked did not answer, and the one that did has yet to be asked. */
static enum error wrong_id(struct dht *d, const struct query *q,
                           const struct dht_message *m)
{
    engine_node_failed(d, &q->id, &q->to);
    table_named(&d->table[q->to.family], &m->id, &q->to, d->now);
    tell_failed(d, q, ERR_UNEXPECTED);
    return ERR_UNEXPECTED;
}

enum error rpc_receive(struct dht *d, const struct endpoint *from,
                       const struct dht_message *m)
{
    struct query *found = match(&d->rpc, from, m->transaction);
    struct query q;
    uint64_t rtt;

    if (found == NULL)
        return ERR_UNEXPECTED;
    q = *found;
    release(&d->rpc, (size_t)(found - d->rpc.queries));
    rtt = time_since(q.sent_at, d->now);
    if (m->kind == DHT_ERROR) {
        deliver_error(d, &q, m);
        return OK;
    }
    if (q.id_known && !id_equal(&q.id, &m->id))
        return wrong_id(d, &q, m);
    d->stats.answers_in++;
    if (q.slow)
        d->stats.late_answers++;
    measure(&d->rpc, rtt);
    /* The claim first: who is alone believes it (engine_vote). */
    if (m->has & DHT_HAS_IP)
        engine_vote(d, from, &m->ip);
    engine_node_answered(d, &m->id, from, rtt);
    deliver(d, &q, m, rtt);
    return OK;
}
