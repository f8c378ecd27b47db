/* SPDX-License-Identifier: MIT
 *
 * What the DHT says is kept until the next tick, which answers: the DHT may
 * call from within the request itself. Errands are known to it by a serial
 * number.
 */
#include "tunnel/meeting/errand.h"

#include "wire/item/item_signing.h"
#include "wire/item/value.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* What a circuit has used of its limits. */
struct errand_account {
    uint8_t lookups; /* in its life */
    uint8_t running;
    uint8_t asks;  /* that it may still make */
    uint8_t found; /* endpoints that it was told, the newest ones */
    uint8_t next;  /* where the next one goes */
    struct endpoint told[MEETING_PEERS_MAX];
};

struct errand {
    struct errand *next;
    struct meeting_circuit *circuit;
    enum meeting_message_type type; /* DHT_GET, DHT_PUT, RELAY_ASK */
    uint32_t id;                    /* the client's */
    uint64_t serial;                /* the DHT's cookie */
    uint64_t request;               /* of the DHT; 0: none, or it has ended */
    uint64_t deadline;
    bool done;
    enum error error;
    struct dht_provider_counts counts;
    struct endpoint ep; /* RELAY_ASK */
    bool has_item;      /* not told yet */
    int64_t seq;
    uint8_t signature[64];
    uint8_t value[MEETING_VALUE_BYTES];
    uint8_t peer_count;
    struct endpoint peers[MEETING_PEERS_MAX];
};

void errands_set_rates(struct meeting *m)
{
    const struct meeting_config *c = &m->config;
    const struct limiter_config lookups = {
        .rate = c->lookup_rate,
        .burst = c->lookup_burst,
        .source_rate = (c->lookup_rate + 3) / 4,
        .source_burst = (c->lookup_burst + 3) / 4,
        .max_sources = c->max_sources};

    limiter_configure(&m->lookups, &lookups);
}

void errands_init(struct meeting *m)
{
    const struct limiter_config any = {1, 1, 1, 1, 1};

    limiter_init(&m->lookups, &any, &m->env.random);
    errands_set_rates(m);
}

static void cancel(const struct meeting *m, struct errand *e)
{
    if (e->request != 0 && !e->done)
        m->env.dht->cancel(m->env.dht->ctx, e->request);
}

static void forget(struct meeting *m, struct errand *e)
{
    struct errand **at = &m->errands;

    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    cancel(m, e);
    m->errand_count--;
    if (e->type != MEETING_RELAY_ASK)
        e->circuit->account->running--;
    free(e);
}

void errands_deinit(struct meeting *m)
{
    assert(m->errands == NULL);
    limiter_deinit(&m->lookups);
}

size_t errands_memory(const struct meeting *m)
{
    return m->errand_count * sizeof(struct errand) +
           limiter_memory(&m->lookups);
}

/* ---- What the DHT says -------------------------------------------------- */

static struct errand *by_serial(const struct meeting *m, uint64_t serial)
{
    struct errand *e = m->errands;

    while (e != NULL && e->serial != serial)
        e = e->next;
    return e;
}

static void on_peer(void *ctx, uint64_t cookie, const struct endpoint *peer)
{
    struct meeting *m = ctx;
    struct errand *e = by_serial(m, cookie);

    if (e != NULL && e->peer_count < MEETING_PEERS_MAX)
        e->peers[e->peer_count++] = *peer;
}

/* Values of services have one length; others are nobody's business here. */
static void on_item(void *ctx, uint64_t cookie,
                    const struct dht_provider_item *item)
{
    static const uint8_t head[] = {0xc5, MEETING_VALUE_BYTES >> 8,
                                   MEETING_VALUE_BYTES & 0xff};
    struct meeting *m = ctx;
    struct errand *e = by_serial(m, cookie);

    if (e == NULL || item->value->len != sizeof(head) + MEETING_VALUE_BYTES ||
        memcmp(item->value->mp, head, sizeof(head)) != 0)
        return;
    e->has_item = true;
    e->seq = item->seq;
    memcpy(e->signature, item->signature, sizeof(e->signature));
    memcpy(e->value, item->value->mp + sizeof(head), sizeof(e->value));
    meeting_wake(m, 0);
}

static void on_counted(void *ctx, uint64_t cookie,
                       const struct dht_provider_counts *counts)
{
    const struct meeting *m = ctx;
    struct errand *e = by_serial(m, cookie);

    if (e != NULL)
        e->counts = *counts;
}

static void on_done(void *ctx, uint64_t cookie, enum error error)
{
    struct meeting *m = ctx;
    struct errand *e = by_serial(m, cookie);

    if (e == NULL)
        return;
    if (error == OK && e->type == MEETING_DHT_PUT && e->counts.stored == 0)
        e->counts.stored = 1; /* by a DHT that does not count */
    e->done = true;
    e->error = error;
    meeting_wake(m, 0);
}

/* ---- Answers ------------------------------------------------------------ */

static enum reason reason_of_error(enum error e)
{
    switch ((int)e) {
    case OK:
        return REASON_UNKNOWN;
    case ERR_FULL:
    case ERR_NO_MEMORY:
        return REASON_FULL;
    case ERR_SEQ:
        return REASON_POLICY; /* a newer one is out there */
    case ERR_UNSUPPORTED:
        return REASON_NO_EXIT;
    default:
        return REASON_UNREACHABLE;
    }
}

static void say_done(struct meeting *m, struct meeting_circuit *c, uint32_t id,
                     enum reason why, const struct dht_provider_counts *counts,
                     uint64_t now)
{
    const struct meeting_message answer = {.type = MEETING_DHT_DONE,
                                           .id = id,
                                           .reason = why,
                                           .asked = counts->asked,
                                           .answered = counts->answered,
                                           .stored = counts->stored};

    if (why != REASON_UNKNOWN)
        m->stats.lookups_failed++;
    meeting_say(m, c, &answer, now);
}

static void say_item(struct meeting *m, struct errand *e, uint64_t now)
{
    const struct meeting_message answer = {.type = MEETING_DHT_ITEM,
                                           .id = e->id,
                                           .seq = e->seq,
                                           .signature = e->signature,
                                           .value = e->value};

    e->has_item = false;
    meeting_say(m, e->circuit, &answer, now);
}

static void remember(struct errand_account *a, const struct errand *e)
{
    for (uint8_t i = 0; i < e->peer_count; i++) {
        a->told[a->next] = e->peers[i];
        a->next = (uint8_t)((a->next + 1) % MEETING_PEERS_MAX);
        if (a->found < MEETING_PEERS_MAX)
            a->found++;
    }
    a->asks = (uint8_t)(a->asks + ERRAND_ASKS);
}

static void say_peers(struct meeting *m, struct errand *e, uint64_t now)
{
    struct meeting_message answer = {
        .type = MEETING_DHT_PEERS, .id = e->id, .peer_count = e->peer_count};

    memcpy(answer.peers, e->peers, sizeof(answer.peers));
    remember(e->circuit->account, e);
    meeting_say(m, e->circuit, &answer, now);
}

static void say_told(struct meeting *m, struct meeting_circuit *c, uint32_t id,
                     struct bytes text, uint64_t now)
{
    const struct meeting_message answer = {
        .type = MEETING_RELAY_TOLD, .id = id, .descriptor = text};

    meeting_say(m, c, &answer, now);
}

/* It is over, one way or the other. */
static void end(struct meeting *m, struct errand *e, uint64_t now)
{
    enum reason why = e->done ? reason_of_error(e->error) : REASON_TIMEOUT;

    if (e->type == MEETING_RELAY_ASK) {
        say_told(m, e->circuit, e->id, bytes_of(NULL, 0), now);
    } else {
        if (e->peer_count > 0)
            say_peers(m, e, now);
        say_done(m, e->circuit, e->id, why, &e->counts, now);
    }
    forget(m, e);
}

void errands_tick(struct meeting *m, uint64_t now)
{
    struct errand *next;

    for (struct errand *e = m->errands; e != NULL; e = next) {
        next = e->next;
        if (e->has_item)
            say_item(m, e, now);
        if (e->done || e->deadline <= now)
            end(m, e, now);
        else
            meeting_wake(m, e->deadline);
    }
}

/* ---- Requests ----------------------------------------------------------- */

static struct errand *find(const struct meeting *m,
                           const struct meeting_circuit *c, uint32_t id)
{
    struct errand *e = m->errands;

    while (e != NULL && (e->circuit != c || e->id != id))
        e = e->next;
    return e;
}

static struct errand_account *account_of(struct meeting_circuit *c)
{
    if (c->account == NULL)
        c->account = calloc(1, sizeof(*c->account));
    return c->account;
}

static struct errand *new_errand(struct meeting *m, struct meeting_circuit *c,
                                 const struct meeting_message *msg,
                                 uint64_t now)
{
    struct errand *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    e->circuit = c;
    e->type = msg->type;
    e->id = msg->id;
    e->serial = ++m->next_serial;
    e->deadline = time_after(now, ERRAND_LIFE);
    e->next = m->errands;
    m->errands = e;
    m->errand_count++;
    meeting_wake(m, e->deadline);
    return e;
}

/* Whether there is a place for one more of its host. */
static bool has_place(const struct meeting *m, const struct meeting_circuit *c)
{
    const struct meeting_config *config = &m->config;
    unsigned alike = 0;

    for (const struct errand *e = m->errands; e != NULL; e = e->next)
        alike += source_same(&e->circuit->relay->source, &c->relay->source,
                             SOURCE_HOST);
    return m->errand_count < config->max_lookups &&
           (config->testing_network || alike < (config->max_lookups + 3) / 4);
}

static bool has_signed(const struct meeting_message *msg,
                       const struct value *value)
{
    uint8_t covered[ITEM_SIGNED_MAX];
    size_t len = item_signed_bytes(msg->salt, msg->seq, value, covered);

    return crypto_sign_verify_detached(msg->signature, covered, len,
                                       msg->key.p) == 0;
}

static enum error put(struct meeting *m, struct errand *e,
                      const struct meeting_message *msg,
                      const struct dht_provider_handler *handler)
{
    const struct dht_provider *dht = m->env.dht;
    struct dht_provider_item item = {.salt = msg->salt, .seq = msg->seq};
    struct value value;

    if (value_from_bytes(bytes_of(msg->value, MEETING_VALUE_BYTES), &value) !=
        OK)
        return ERR_TOO_LARGE;
    item.value = &value;
    memcpy(item.key, msg->key.p, sizeof(item.key));
    memcpy(item.signature, msg->signature, sizeof(item.signature));
    m->stats.puts++;
    return dht->put_once(dht->ctx, &item, handler, &e->request);
}

static enum error get(struct meeting *m, struct errand *e,
                      const struct meeting_message *msg,
                      const struct dht_provider_handler *handler)
{
    const struct dht_provider *dht = m->env.dht;
    struct id hash;

    m->stats.gets++;
    if (msg->key.len != ID_BYTES)
        return dht->get_item(dht->ctx, msg->key.p, msg->salt, handler,
                             &e->request);
    memcpy(hash.b, msg->key.p, sizeof(hash.b));
    return dht->get_peers(dht->ctx, &hash, handler, &e->request);
}

static enum reason start(struct meeting *m, struct meeting_circuit *c,
                         const struct meeting_message *msg, uint64_t now)
{
    struct errand *e = new_errand(m, c, msg, now);
    struct dht_provider_handler handler = {
        .ctx = m, .counted = on_counted, .done = on_done};
    enum error error;

    if (e == NULL)
        return REASON_FULL;
    c->account->lookups++;
    c->account->running++;
    handler.cookie = e->serial;
    if (msg->type == MEETING_DHT_PUT) {
        error = put(m, e, msg, &handler);
    } else {
        handler.peer = msg->key.len == ID_BYTES ? on_peer : NULL;
        handler.item = msg->key.len == ID_BYTES ? NULL : on_item;
        error = get(m, e, msg, &handler);
    }
    if (error == OK)
        return REASON_UNKNOWN;
    e->request = 0;
    forget(m, e);
    return reason_of_error(error);
}

/* The signature costs most of what can be had for nothing: it comes last. */
static enum reason check_put(struct meeting *m, struct meeting_circuit *c,
                             const struct meeting_message *msg, uint64_t now)
{
    struct value value;

    if (m->env.dht->put_once == NULL)
        return REASON_NO_EXIT;
    if (!meeting_may_verify(m, c, now))
        return REASON_RATE;
    if (value_from_bytes(bytes_of(msg->value, MEETING_VALUE_BYTES), &value) !=
            OK ||
        !has_signed(msg, &value))
        return REASON_PROTOCOL;
    return REASON_UNKNOWN;
}

static enum reason check(struct meeting *m, struct meeting_circuit *c,
                         const struct meeting_message *msg, uint64_t now)
{
    const struct errand_account *a = account_of(c);
    enum reason why = REASON_UNKNOWN;

    if (m->env.dht == NULL)
        return REASON_NO_EXIT;
    if (a == NULL || a->lookups == ERRANDS_MAX || a->running == ERRANDS_ATONCE)
        return REASON_FULL;
    if (msg->type == MEETING_DHT_PUT)
        why = check_put(m, c, msg, now);
    if (why != REASON_UNKNOWN)
        return why;
    if (!has_place(m, c))
        return REASON_FULL;
    return limiter_allow_known(&m->lookups, &c->relay->source, now)
               ? REASON_UNKNOWN
               : REASON_RATE;
}

enum reason errand_lookup(struct meeting *m, struct meeting_circuit *c,
                          const struct meeting_message *msg, uint64_t now)
{
    static const struct dht_provider_counts none;
    enum reason why;

    if (c->of_service || c->rendezvous != NULL)
        return REASON_PROTOCOL;
    if (find(m, c, msg->id) != NULL)
        return REASON_UNKNOWN;
    why = check(m, c, msg, now);
    if (why == REASON_UNKNOWN)
        why = start(m, c, msg, now);
    if (why != REASON_UNKNOWN) {
        m->stats.refused[why]++;
        say_done(m, c, msg->id, why, &none, now);
    }
    return REASON_UNKNOWN;
}

/* ---- Relays that are asked ---------------------------------------------- */

static bool was_told(const struct errand_account *a, const struct endpoint *ep)
{
    for (uint8_t i = 0; a != NULL && i < a->found; i++)
        if (endpoint_equal(&a->told[i], ep))
            return true;
    return false;
}

void errands_told(struct meeting *m, const struct endpoint *ep,
                  struct bytes text, uint64_t now)
{
    struct errand *next;

    for (struct errand *e = m->errands; e != NULL; e = next) {
        next = e->next;
        if (e->type != MEETING_RELAY_ASK || !endpoint_equal(&e->ep, ep))
            continue;
        say_told(m, e->circuit, e->id, text, now);
        forget(m, e);
    }
}

static bool start_ask(struct meeting *m, struct meeting_circuit *c,
                      const struct meeting_message *msg, uint64_t now)
{
    struct errand *e;

    if (c->account == NULL || c->account->asks == 0 ||
        !was_told(c->account, &msg->ep) || !has_place(m, c))
        return false;
    c->account->asks--;
    e = new_errand(m, c, msg, now);
    if (e == NULL)
        return false;
    e->ep = msg->ep;
    m->stats.asks++;
    if (m->env.tell(m->env.ctx, &msg->ep, m->wall, now) == OK)
        return true; /* `e` may be gone */
    forget(m, e);
    return false;
}

enum reason errand_ask(struct meeting *m, struct meeting_circuit *c,
                       const struct meeting_message *msg, uint64_t now)
{
    if (c->of_service || c->rendezvous != NULL)
        return REASON_PROTOCOL;
    if (find(m, c, msg->id) != NULL)
        return REASON_UNKNOWN;
    if (!start_ask(m, c, msg, now)) {
        m->stats.refused[REASON_POLICY]++;
        say_told(m, c, msg->id, bytes_of(NULL, 0), now);
    }
    return REASON_UNKNOWN;
}

void errand_circuit_gone(struct meeting *m, struct meeting_circuit *c)
{
    struct errand *next;

    for (struct errand *e = m->errands; e != NULL; e = next) {
        next = e->next;
        if (e->circuit == c)
            forget(m, e);
    }
    free(c->account);
    c->account = NULL;
}
