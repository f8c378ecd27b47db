/* SPDX-License-Identifier: MIT
 *
 * Queries in flight, in slots. query_send fills a slot, end_query alone makes
 * it free again and tells the owner why; all that ends queries (an answer, an
 * error, a timeout, a slot that is wanted for another) comes by there.
 */
#include "dht/query/query.h"

#include "dht/contacts/contacts.h"
#include "dht/contacts/naming.h"
#include "dht/query/query_answer_len.h"
#include "dht/types/answer_limit.h"
#include "dht/world/world.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 4

void queries_init(struct queries *qs, struct dht_world *w,
                  struct contacts *contacts)
{
    *qs = (struct queries){.w = w, .contacts = contacts, .next_at = TIME_NEVER};
}

/* Most of the time nothing is in flight, and nothing is kept for it. */
static void free_slots(struct queries *qs)
{
    free(qs->slots);
    qs->slots = NULL;
    qs->cap = qs->end = 0;
    qs->next_at = TIME_NEVER;
}

void queries_deinit(struct queries *qs)
{
    free_slots(qs);
    queries_init(qs, qs->w, qs->contacts);
}

bool queries_are_full(const struct queries *qs)
{
    return qs->used >= qs->w->config.max_pending;
}

/* ---- Round trips --------------------------------------------------------- */

static uint64_t clamp_short(uint64_t timeout)
{
    if (timeout < QUERY_SHORT_MIN)
        return QUERY_SHORT_MIN;
    return timeout > QUERY_SHORT_MAX ? QUERY_SHORT_MAX : timeout;
}

uint64_t queries_short_timeout(const struct queries *qs, uint32_t rtt)
{
    if (rtt != 0)
        return clamp_short(3 * TIME_US * rtt);
    if (qs->srtt == 0)
        return QUERY_SHORT_INITIAL;
    return clamp_short(qs->srtt + 4 * qs->rttvar);
}

/* Smoothed as in RFC 6298, section 2. */
static void measure(struct queries *qs, uint64_t rtt)
{
    uint64_t off = rtt > qs->srtt ? rtt - qs->srtt : qs->srtt - rtt;

    if (qs->srtt == 0) {
        qs->srtt = rtt;
        qs->rttvar = rtt / 2;
    } else {
        qs->rttvar = qs->rttvar - qs->rttvar / 4 + off / 4;
        qs->srtt = qs->srtt - qs->srtt / 8 + rtt / 8;
    }
    if (qs->srtt == 0)
        qs->srtt = 1;
}

/* ---- Slots and ends ------------------------------------------------------ */

static void find_next(struct queries *qs)
{
    qs->next_at = TIME_NEVER;
    for (size_t i = 0; i < qs->end; i++) {
        if (qs->slots[i].sent_at != 0)
            qs->next_at = time_min(qs->next_at, qs->slots[i].deadline);
    }
}

static void free_slot(struct queries *qs, size_t slot)
{
    bool was_next = qs->slots[slot].deadline <= qs->next_at;

    qs->slots[slot].sent_at = 0;
    qs->used--;
    if (qs->used == 0) {
        free_slots(qs);
        return;
    }
    while (qs->end > 0 && qs->slots[qs->end - 1].sent_at == 0)
        qs->end--;
    if (was_next)
        find_next(qs);
}

/* How a query ends. */
struct query_end {
    enum { ANSWERED, REFUSED, FAILED } kind;
    enum error why;
    const struct dht_message *m; /* of an answer */
    uint64_t rtt;
};

/* Returns how many of the owner's functions were called: end_query asserts that
 * it is one, whatever ends there may be. */
static unsigned tell(const struct query *q, const struct query_end *end)
{
    const struct query_owner *owner = q->owner;
    unsigned told = 0;

    if (end->kind == ANSWERED) {
        owner->answered(q->ctx, q->tag, end->m, end->rtt);
        told++;
    }
    if (end->kind == REFUSED) {
        owner->refused(q->ctx, q->tag, end->why);
        told++;
    }
    if (end->kind == FAILED) {
        owner->failed(q->ctx, q->tag, end->why);
        told++;
    }
    return told;
}

/* Frees the slot first: the owner may want it for its next query. */
static void end_query(struct queries *qs, size_t slot, struct query_end end)
{
    struct query q = qs->slots[slot];
    unsigned told;

    assert(q.sent_at != 0);
    free_slot(qs, slot);
    if (q.owner == NULL)
        return;
    assert(qs->owned > 0);
    qs->owned--;
    told = tell(&q, &end);
    assert(told == 1);
}

/* Many nodes of the mainline DHT know BEP 5 alone, and leave the rest
 * unanswered. */
static bool may_not_know(const struct queries *qs, enum dht_method method)
{
    return qs->w->config.dialect == DHT_DIALECT_MAINLINE &&
           (method == DHT_GET || method == DHT_PUT ||
            method == DHT_SAMPLE_INFOHASHES);
}

/* It stays unanswered, for this reason. */
static void give_up(struct queries *qs, size_t slot, enum error why)
{
    const struct query *q = &qs->slots[slot];

    if (q->id_known && !q->excused)
        contacts_failed(qs->contacts, &q->id, &q->to);
    end_query(qs, slot, (struct query_end){FAILED, why, NULL, 0});
}

static void time_out(struct queries *qs, size_t slot)
{
    qs->w->stats.timeouts++;
    give_up(qs, slot, ERR_TIMEOUT);
}

/* Frees the slot of the query that has waited longest past its short timeout
 * and that no owner waits for: it has had its chance. */
static bool drop_slowest(struct queries *qs)
{
    size_t oldest = qs->end;

    for (size_t i = 0; i < qs->end; i++) {
        const struct query *q = &qs->slots[i];

        if (q->sent_at != 0 && q->slow && q->owner == NULL &&
            (oldest == qs->end || q->sent_at < qs->slots[oldest].sent_at))
            oldest = i;
    }
    if (oldest == qs->end)
        return false;
    time_out(qs, oldest);
    return true;
}

static enum error grow(struct queries *qs)
{
    size_t max = qs->w->config.max_pending;
    size_t cap = qs->cap == 0 ? FIRST_SLOTS : 2 * qs->cap;
    struct query *slots;

    if (cap > max)
        cap = max;
    slots = realloc(qs->slots, cap * sizeof(*slots));
    if (slots == NULL)
        return ERR_NO_MEMORY;
    memset(slots + qs->cap, 0, (cap - qs->cap) * sizeof(*slots));
    qs->slots = slots;
    qs->cap = cap;
    return OK;
}

static enum error take_slot(struct queries *qs, size_t *out)
{
    size_t slot = 0;

    if (queries_are_full(qs) && !drop_slowest(qs))
        return ERR_FULL;
    if (qs->used == qs->cap && grow(qs) != OK)
        return ERR_FULL;
    while (slot < qs->end && qs->slots[slot].sent_at != 0)
        slot++;
    assert(slot < qs->cap);
    *out = slot;
    return OK;
}

/* ---- Out ----------------------------------------------------------------- */

static void complete(const struct queries *qs, struct dht_message *m,
                     enum family f, const uint8_t *transaction)
{
    const struct dht_config *config = &qs->w->config;

    m->transaction = bytes_of(transaction, QUERY_TRANSACTION_BYTES);
    m->version = bytes_of(qs->w->version, sizeof(qs->w->version));
    m->network = bytes_of_text(config->network);
    m->read_only = config->read_only;
    m->id = qs->contacts->self[f];
    m->has |= DHT_HAS_ID;
}

static void write_transaction(uint8_t *out, size_t slot, const uint8_t *secret)
{
    out[0] = (uint8_t)(slot >> 8);
    out[1] = (uint8_t)slot;
    memcpy(out + 2, secret, QUERY_SECRET_BYTES);
}

/* Pads it so that what it asks for may come; the shortest padding takes 7
 * bytes. Nodes of the mainline DHT answer as they like, and have never seen
 * any. */
static enum error write_padded(const struct queries *qs, struct dht_message *m,
                               enum family f, uint8_t buf[DHT_PUT_MAX],
                               size_t *len)
{
    const enum dht_dialect dialect = qs->w->config.dialect;
    static const uint8_t zeros[DHT_MESSAGE_MAX];
    static const size_t head = 7; /* of the key and of a long string */
    size_t wanted = answer_needs(query_answer_len(m, f), f);
    enum error err;

    m->padding = bytes_of(zeros, 0);
    err = dht_message_write(dialect, m, buf, DHT_PUT_MAX, len);
    if (err != OK || *len >= wanted || dialect == DHT_DIALECT_MAINLINE)
        return err;
    m->padding.len = wanted - *len > head ? wanted - *len - head + 1 : 1;
    return dht_message_write(dialect, m, buf, DHT_MESSAGE_MAX, len);
}

enum error query_send(struct queries *qs, struct dht_message *m, struct query q)
{
    struct dht_world *w = qs->w;
    uint8_t transaction[QUERY_TRANSACTION_BYTES];
    uint8_t buf[DHT_PUT_MAX];
    size_t slot, len;
    enum error err = take_slot(qs, &slot);

    if (err != OK)
        return err;
    w->env.random(w->env.ctx, q.secret, sizeof(q.secret));
    write_transaction(transaction, slot, q.secret);
    complete(qs, m, (enum family)q.to.family, transaction);
    err = write_padded(qs, m, (enum family)q.to.family, buf, &len);
    if (err != OK)
        return err;
    /* A node may be created at time 0, which marks a free slot. */
    q.sent_at = w->now == 0 ? 1 : w->now;
    q.deadline =
        time_after(q.sent_at, time_min(queries_short_timeout(qs, q.rtt_hint),
                                       w->config.query_timeout));
    q.slow = false;
    q.excused = may_not_know(qs, m->method);
    q.number = ++qs->last;
    qs->slots[slot] = q;
    qs->used++;
    qs->owned += q.owner != NULL;
    if (slot >= qs->end)
        qs->end = slot + 1;
    qs->next_at = time_min(qs->next_at, q.deadline);
    w->stats.queries_out[m->method]++;
    world_send(w, &q.to, buf, len);
    return OK;
}

/* ---- Timeouts ------------------------------------------------------------ */

/* A deadline has passed: the long one, or the short one. A clock that jumps,
 * as when the host has slept, passes both at once. */
static void expire(struct queries *qs, size_t slot)
{
    struct query *q = &qs->slots[slot];
    uint64_t end = time_after(q->sent_at, qs->w->config.query_timeout);

    if (end <= qs->w->now) {
        time_out(qs, slot);
        return;
    }
    q->deadline = end;
    if (q->slow)
        return; /* query_timeout was made longer meanwhile */
    q->slow = true;
    if (q->owner != NULL)
        q->owner->slow(q->ctx, q->tag);
}

/* Owners may send while we walk: what they add lies in free slots, is due
 * later, and the array is indexed anew each time. */
void queries_tick(struct queries *qs)
{
    uint64_t now = qs->w->now;

    if (qs->next_at > now)
        return;
    for (size_t i = 0; i < qs->end; i++) {
        if (qs->slots[i].sent_at != 0 && qs->slots[i].deadline <= now)
            expire(qs, i);
    }
    find_next(qs);
}

/* Those that owners send meanwhile, to the same node too, are left alone: of
 * them nothing is known yet. */
void queries_send_failed(struct queries *qs, const struct endpoint *to,
                         enum error why)
{
    uint64_t last = qs->last;

    for (size_t i = 0; i < qs->end; i++) {
        const struct query *q = &qs->slots[i];

        if (q->sent_at == 0 || q->number > last || !endpoint_equal(&q->to, to))
            continue;
        qs->w->stats.unsent++;
        give_up(qs, i, why);
    }
}

void queries_leave(struct queries *qs, const void *ctx)
{
    for (size_t i = 0; i < qs->end; i++) {
        struct query *q = &qs->slots[i];

        if (q->sent_at == 0 || q->owner == NULL || q->ctx != ctx)
            continue;
        q->owner = NULL;
        qs->owned--;
    }
}

/* ---- In ------------------------------------------------------------------ */

/* The slot of the query that this belongs to, or `end`. */
static size_t match(const struct queries *qs, const struct endpoint *from,
                    struct bytes transaction)
{
    const struct query *q;
    size_t slot;

    if (transaction.len != QUERY_TRANSACTION_BYTES)
        return qs->end;
    slot = (size_t)(transaction.p[0] << 8 | transaction.p[1]);
    if (slot >= qs->end)
        return qs->end;
    q = &qs->slots[slot];
    if (q->sent_at == 0 || !endpoint_equal(&q->to, from) ||
        sodium_memcmp(q->secret, transaction.p + 2, QUERY_SECRET_BYTES) != 0)
        return qs->end;
    return slot;
}

/* Why a node refused; what concerns items alone has an error of its own. */
static enum error reason(const struct dht_message *m)
{
    if (m->error_code == DHT_ERROR_CAS)
        return ERR_CAS;
    return m->error_code == DHT_ERROR_SEQ ? ERR_SEQ : ERR_REMOTE;
}

/* The node that we asked did not answer. */
static void receive_from_other(struct queries *qs, size_t slot,
                               const struct dht_message *m)
{
    const struct query *q = &qs->slots[slot];

    contacts_renamed(qs->contacts, &q->id, &m->id, &q->to);
    end_query(qs, slot, (struct query_end){FAILED, ERR_UNEXPECTED, NULL, 0});
}

static void receive_answer(struct queries *qs, size_t slot,
                           const struct dht_message *m)
{
    struct dht_stats *stats = &qs->w->stats;
    const struct query *q = &qs->slots[slot];
    uint64_t rtt = time_since(q->sent_at, qs->w->now);

    stats->answers_in++;
    stats->late_answers += q->slow;
    measure(qs, rtt);
    /* The claim first: who is alone believes it (join_believes_anybody). */
    if (m->has & DHT_HAS_IP)
        contacts_vote(qs->contacts, &q->to, &m->ip);
    contacts_answered(qs->contacts, &m->id, &q->to, rtt);
    /* Nobody waits for it: it was asked for the table's sake. */
    if (q->owner == NULL)
        naming_take(qs->contacts, &(struct named){m->id, q->to}, m);
    end_query(qs, slot, (struct query_end){ANSWERED, OK, m, rtt});
}

enum error queries_receive(struct queries *qs, const struct endpoint *from,
                           const struct dht_message *m)
{
    size_t slot = match(qs, from, m->transaction);
    const struct query *q;

    if (slot == qs->end)
        return ERR_UNEXPECTED;
    q = &qs->slots[slot];
    if (m->kind == DHT_ERROR) {
        qs->w->stats.errors_in++;
        end_query(qs, slot, (struct query_end){REFUSED, reason(m), NULL, 0});
        return OK;
    }
    if (q->id_known && !id_equal(&q->id, &m->id)) {
        receive_from_other(qs, slot, m);
        return ERR_UNEXPECTED;
    }
    receive_answer(qs, slot, m);
    return OK;
}

void queries_check(const struct queries *qs)
{
    size_t used = 0, owned = 0;

    assert(qs->end <= qs->cap);
    for (size_t i = 0; i < qs->end; i++) {
        used += qs->slots[i].sent_at != 0;
        owned += qs->slots[i].sent_at != 0 && qs->slots[i].owner != NULL;
    }
    assert(used == qs->used && owned == qs->owned);
}
