/* SPDX-License-Identifier: MIT
 *
 * A round of a publication: a lookup, as whose client it hears of newer items
 * (BEP 44), then announce_peer or put to the nearest nodes that gave a token.
 * Each node is asked at most twice, and the round waits for none longer than
 * a short timeout after that.
 */
#include "dht/publish/publish.h"

#include "dht/contacts/contacts.h"
#include "dht/join/join.h"
#include "dht/lookup/lookup.h"
#include "dht/publish/publication.h"
#include "dht/query/query.h"
#include "dht/world/world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- The end of a round -------------------------------------------------- */

/* Doubled from time to time, 1 being the first. */
static uint64_t backed_off(uint64_t delay, unsigned times)
{
    return times < 8 ? time_min(delay << (times - 1), PUBLISH_PEER_EVERY)
                     : PUBLISH_PEER_EVERY;
}

/* Well before the others forget; after a failure sooner, or to see whether it
 * is found. */
static uint64_t next_round(const struct publication *p)
{
    uint64_t every = p->is_item ? PUBLISH_ITEM_EVERY : PUBLISH_PEER_EVERY;
    const struct dht_world *w = p->all->w;
    uint64_t delay;

    if (p->failed == 0 && p->unsettled == 0)
        return time_after(w->now,
                          world_jitter(w, every - every / 10, every / 10));
    if (p->failed > 0)
        delay = backed_off(PUBLISH_RETRY_MIN, p->failed);
    else
        delay = backed_off(PUBLISH_AGAIN, p->unsettled);
    return time_after(w->now, world_jitter(w, delay, delay / 4));
}

/* ---- Whether others find it ---------------------------------------------- */

/* A peer is known by our address, once others have told it. */
static bool can_be_checked(const struct publication *p)
{
    struct endpoint own;

    if (p->is_item)
        return true;
    for (int f = 0; f < FAMILIES; f++) {
        if (vote_winner(&p->all->contacts->vote[f], &own))
            return true;
    }
    return false;
}

static bool is_own(const struct publication *p, const struct lookup_find *what)
{
    struct endpoint own;

    if (what->item != NULL)
        return what->item->seq == p->item.seq &&
               bytes_equal(value_bytes(what->item->value),
                           value_bytes(p->value));
    return what->peer != NULL &&
           vote_winner(&p->all->contacts->vote[what->peer->family], &own) &&
           endpoint_same_addr(&own, what->peer) &&
           (p->implied_port || p->port == what->peer->port);
}

/* The search is over: did it find what the round before has stored? Who was
 * answered by nobody learns nothing. */
static void check(struct publication *p, const struct dht_result *search)
{
    p->missing = false;
    if (p->stored == 0 || search->answered == 0 || !can_be_checked(p))
        return;
    p->missing = !p->seen && !p->beaten;
    p->checked_at = p->all->w->now;
}

static void note_holders(struct publication *p)
{
    const struct round *r = p->round;

    memset(p->on, 0, sizeof(p->on));
    for (uint8_t i = 0; r != NULL && i < r->count; i++) {
        struct holders *h = &p->on[r->stores[i].ep.family];

        if (h->count == DHT_K)
            continue;
        memcpy(&h->names[h->count++], r->stores[i].id.b, sizeof(h->names[0]));
        h->farthest = r->stores[i].id; /* they come nearest first */
    }
}

bool publication_lacks(const struct publication *p, enum family f,
                       const struct id *id)
{
    const struct holders *h = &p->on[f];
    uint32_t name;

    memcpy(&name, id->b, sizeof(name));
    for (uint8_t i = 0; i < h->count; i++) {
        if (h->names[i] == name)
            return false;
    }
    return h->count < DHT_K ||
           id_compare_distance(&p->target, id, &h->farthest) < 0;
}

/* Sure that others find it is who has found it, as far as that can be told,
 * and whose every store was taken. */
static bool is_settled(const struct publication *p)
{
    const struct round *r = p->round;

    if (can_be_checked(p) && (p->checked_at == TIME_NEVER || p->missing))
        return false;
    return r == NULL || r->result.stored == r->count;
}

/* Where the condition did not hold nothing of `p` is out there, and what it
 * was to replace goes on; else `p` goes on without it. */
static void settle_condition(struct publication *p, enum error err)
{
    p->has_cas = false;
    if (err == ERR_CAS)
        publication_take_off(p, ERR_CAS);
    else
        publication_remove_others(p);
}

static void end_round(struct publication *p, struct dht_result *result)
{
    struct publications *all = p->all;
    enum error err = result->error;
    const struct dht_event event = {
        .kind = DHT_EVENT_PUBLISHED,
        .id = p->target,
        .stored = result->stored,
        .error = err,
    };

    result->duration = time_since(p->started_at, all->w->now);
    note_holders(p);
    p->unsettled = is_settled(p) ? 0 : p->unsettled + 1;
    publication_stop_round(p);
    p->ended_at = all->w->now;
    p->stored = result->stored;
    p->failed = err == OK ? 0 : p->failed + 1;
    p->at = p->beaten ? TIME_NEVER : next_round(p);
    if (p->hurried)
        p->at = time_min(p->at, time_after(all->w->now, TIME_S));
    p->hurried = false;
    all->at = all->w->now;
    if (!p->once)
        world_tell(all->w, &event);
    callbacks_done(&all->w->callbacks, &p->caller, result);
    p->caller = (struct caller){.request = 0};
    if (p->has_cas)
        settle_condition(p, err);
    else if (p->once)
        publication_take_off(p, err);
}

/* Why nobody has stored it: what a node said, before what none said. */
static enum error round_error(const struct round *r)
{
    if (r->result.stored > 0)
        return OK;
    if (r->refused != OK)
        return r->refused;
    if (r->result.answered > 0)
        return ERR_FULL; /* they gave no tokens */
    return r->result.asked > 0 ? ERR_TIMEOUT : ERR_NO_NODES;
}

static void end_storing(struct publication *p, enum error err)
{
    struct dht_result result = p->round->result;

    result.error = err;
    end_round(p, &result);
}

/* ---- Storing ------------------------------------------------------------- */

/* Some clients know nothing of implied_port: they are told the port that others
 * see, when that is known. */
static uint16_t announced_port(const struct publication *p, enum family f)
{
    struct endpoint own;

    if (p->port == 0 && vote_winner(&p->all->contacts->vote[f], &own))
        return own.port;
    return p->port;
}

static void fill_announce(const struct publication *p, enum family f,
                          struct dht_message *m)
{
    m->method = DHT_ANNOUNCE_PEER;
    m->target = p->target;
    m->port = announced_port(p, f);
    m->implied_port = p->implied_port;
    m->seed = p->seed;
    m->has |= DHT_HAS_TARGET | DHT_HAS_PORT;
}

static void fill_put(const struct publication *p, struct dht_message *m)
{
    m->method = DHT_PUT;
    m->value = *p->value;
    m->has |= DHT_HAS_VALUE;
    if (!p->item.mutable_item)
        return;
    m->key = p->item.key;
    m->signature = p->item.signature;
    m->seq = p->item.seq;
    m->has |= DHT_HAS_KEY | DHT_HAS_SIGNATURE | DHT_HAS_SEQ;
    if (p->item.salt.len > 0) {
        m->salt = p->item.salt;
        m->has |= DHT_HAS_SALT;
    }
    if (p->has_cas) {
        m->cas = p->cas;
        m->has |= DHT_HAS_CAS;
    }
}

static const struct query_owner store_owner;

static enum error send_store(struct publication *p, uint8_t i)
{
    struct storing *s = &p->round->stores[i];
    struct query q = {
        .to = s->ep,
        .id = s->id,
        .id_known = true,
        .owner = &store_owner,
        .ctx = p,
        .tag = i,
        .rtt_hint = s->rtt,
    };
    struct dht_message m;
    enum error err;

    dht_message_init(&m, DHT_QUERY);
    m.token = bytes_of(s->token, s->token_len);
    m.has |= DHT_HAS_TOKEN;
    if (p->is_item)
        fill_put(p, &m);
    else
        fill_announce(p, (enum family)s->ep.family, &m);
    err = query_send(p->all->queries, &m, q);
    if (err != OK)
        return err;
    s->sent++;
    s->flying++;
    return OK;
}

/* The node counts no more; the last one ends the round. */
static void settle(struct publication *p, struct storing *s, enum error err)
{
    struct round *r = p->round;

    if (!s->pending)
        return;
    s->pending = false;
    r->pending--;
    if (err == OK)
        r->result.stored++;
    else if (r->refused == OK || err == ERR_CAS || err == ERR_SEQ)
        r->refused = err;
    if (r->pending == 0)
        end_storing(p, round_error(r));
}

/* A store that was lost is sent once more: it does no harm twice, unless it
 * is conditional. */
static bool try_again(struct publication *p, uint8_t i)
{
    const struct storing *s = &p->round->stores[i];

    return s->pending && s->sent == 1 && !p->has_cas && send_store(p, i) == OK;
}

static void on_answered(void *ctx, uint8_t i, const struct dht_message *m,
                        uint64_t rtt)
{
    struct publication *p = ctx;
    struct storing *s = &p->round->stores[i];

    (void)m;
    (void)rtt;
    s->flying--;
    settle(p, s, OK);
}

static void on_refused(void *ctx, uint8_t i, enum error why)
{
    struct publication *p = ctx;
    struct storing *s = &p->round->stores[i];

    s->flying--;
    settle(p, s, why);
}

static void on_slow(void *ctx, uint8_t i)
{
    struct publication *p = ctx;

    if (!try_again(p, i))
        settle(p, &p->round->stores[i], ERR_TIMEOUT);
}

/* Lost without having been slow, as when the clock jumps; or somebody else
 * has answered. The other query to this node may still bring an answer. */
static void on_failed(void *ctx, uint8_t i, enum error why)
{
    struct publication *p = ctx;
    struct storing *s = &p->round->stores[i];

    s->flying--;
    if (why == ERR_TIMEOUT && try_again(p, i))
        return;
    if (s->flying == 0 || why != ERR_TIMEOUT)
        settle(p, s, why);
}

static const struct query_owner store_owner = {on_answered, on_refused, on_slow,
                                               on_failed};

static void start_storing(struct publication *p)
{
    struct round *r = p->round;

    for (uint8_t i = 0; i < r->count; i++) {
        enum error err = send_store(p, i);

        if (err != OK) {
            r->refused = err;
            continue;
        }
        r->stores[i].pending = true;
        r->pending++;
    }
    if (r->pending == 0)
        end_storing(p, round_error(r));
}

/* ---- Searching ----------------------------------------------------------- */

static bool search_seed(void *ctx, struct lookup *l, enum family f)
{
    const struct publication *p = ctx;

    return join_seed(p->all->maintain, l, f, 2);
}

/* Of two values of one version neither is newer: later rounds go on, lest
 * both of the writers give up. */
static bool is_taken(const struct publication *p, const struct dht_item *found)
{
    return p->caller.request != 0 && found->seq == p->item.seq &&
           !bytes_equal(value_bytes(found->value), value_bytes(p->value));
}

static void saw_item(struct publication *p, const struct dht_item *item)
{
    if (!item->mutable_item)
        return;
    if (item->seq > p->item.seq || is_taken(p, item)) {
        p->beaten = true;
        p->beaten_by = item->seq;
    }
    /* Reported in ascending order: the last one is the newest. */
    p->differs = item->seq != p->cas;
}

static void search_found(void *ctx, const struct lookup_find *what,
                         const struct dht_step *by)
{
    struct publication *p = ctx;

    /* Hop 0 is this node: what it has itself shows nothing. */
    if (by->hop > 0 && is_own(p, what))
        p->seen = true;
    if (what->item != NULL)
        saw_item(p, what->item);
    if (what->peer != NULL)
        callbacks_peer(&p->all->w->callbacks, &p->caller, what->peer, by);
}

static void search_step(void *ctx, const struct dht_step *step)
{
    const struct publication *p = ctx;

    callbacks_step(&p->all->w->callbacks, &p->caller, step);
}

static void add_store(void *ctx, const struct candidate *c)
{
    struct round *r = ctx;
    struct storing *s = &r->stores[r->count++];

    assert(c->token_len <= sizeof(s->token));
    s->ep = c->ep;
    s->id = c->id;
    s->rtt = c->rtt;
    memcpy(s->token, c->token, c->token_len);
    s->token_len = c->token_len;
}

/* Those that have no item would take ours on any condition. */
static enum error may_store(const struct publication *p)
{
    if (p->beaten)
        return ERR_SEQ;
    return p->has_cas && p->differs ? ERR_CAS : OK;
}

static void search_ended(void *ctx, struct lookup *l,
                         const struct dht_result *result)
{
    struct publication *p = ctx;
    struct dht_result copy = *result;

    p->search = NULL;
    check(p, result);
    copy.error = may_store(p);
    if (copy.error == OK) {
        p->round = calloc(1, sizeof(*p->round));
        copy.error = p->round != NULL ? OK : ERR_NO_MEMORY;
    }
    if (copy.error != OK) {
        end_round(p, &copy);
        return;
    }
    p->round->result = copy;
    lookup_closest_tokens(l, add_store, p->round);
    start_storing(p);
}

static const struct lookup_client search_client = {
    .seed = search_seed,
    .found = search_found,
    .step = search_step,
    .ended = search_ended,
};

/* ---- The beginning of a round -------------------------------------------- */

enum error publication_start_round(struct publication *p)
{
    const struct lookup_params params = {
        .client = &search_client,
        .ctx = p,
        .method = p->is_item ? DHT_GET : DHT_GET_PEERS,
        .target = &p->target,
        .family = {true, true},
        .salt = p->item.salt,
        .keeps_tokens = true,
        .random_target = true,
    };

    p->started_at = p->all->w->now;
    p->seen = false;
    return lookup_start(p->all->lookups, &params, &p->search);
}

void publication_stop_round(struct publication *p)
{
    if (p->search != NULL)
        lookup_drop(p->search);
    p->search = NULL;
    queries_leave(p->all->queries, p);
    free(p->round);
    p->round = NULL;
}
