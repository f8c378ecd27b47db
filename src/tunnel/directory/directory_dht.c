/* SPDX-License-Identifier: MIT
 *
 * Looking relays up in the DHT: the well-known keys in a random order, and
 * the item of a guard that has moved. Answers are kept, and acted upon in the
 * next tick.
 */
#include "tunnel/directory/directory_internal.h"

#include "wire/msgpack/mp_reader.h"
#include "wire/msgpack/mp_writer.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

/* Between two lookups (directory_patience). KNOWN is the upper bound when all
 * relays seem to be known, or none are wanted. */
#define PARTS          4
#define INTERVAL_MIN   (20 * TIME_MS)
#define INTERVAL_MAX   (2 * TIME_MIN)
#define INTERVAL_KNOWN (10 * TIME_MIN)
/* The upper bounds while circuits cannot be built. */
#define NEEDED_MAX   TIME_S
#define NEEDED_KNOWN TIME_MIN
/* Capture and recapture: so many endpoints in a row were known or asked
 * before. If one in ten were not, that would happen once in thirty times. */
#define FAMILIAR_ALL 32

#define FULL_RETRY       (500 * TIME_MS)
#define REFUSED_RETRY    (5 * TIME_S)
#define FAILED_RETRY     TIME_S /* doubled for each further failure */
#define FAILED_RETRY_MAX (30 * TIME_S)
#define MEET_UNTIL       48 /* usable relays */

/* Whatever others make us believe: a sweep over all keys at once, and then two
 * lookups a minute. */
static const struct token_rate purse_rate = {
    .interval = 30 * TIME_S,
    .depth = (DIRECTORY_KEYS - 1) * (30 * TIME_S),
};

#define KEY_TEXT_MAX 64

void directory_key(const char *network, unsigned i, struct id *out)
{
    uint8_t text[KEY_TEXT_MAX];
    struct mp_writer w;

    mp_writer_init(&w, text, sizeof(text));
    mp_write_array(&w, 3);
    mp_write_text(&w, "warren relay");
    mp_write_text(&w, network);
    mp_write_uint(&w, i);
    assert(w.err == OK);
    crypto_generichash(out->b, ID_BYTES, text, w.len, NULL, 0);
}

unsigned directory_key_index(const uint8_t identity[32])
{
    uint8_t hash[ID_BYTES];

    crypto_generichash(hash, sizeof(hash), identity, 32, NULL, 0);
    return hash[0];
}

/* ---- Answers ----------------------------------------------------------- */

/* One that is still waited for; answers to cancelled ones find nothing. */
static struct key_lookup *lookup_of(struct directory *d, uint64_t cookie)
{
    struct key_lookup *l;

    if (cookie % COOKIE_SLOTS >= LOOKUPS_MAX)
        return NULL;
    l = &d->key_search.slots[cookie % COOKIE_SLOTS];
    return l->busy && l->cookie == cookie ? l : NULL;
}

static bool has_network(const struct directory *d, const struct key_lookup *l,
                        const struct endpoint *ep)
{
    for (unsigned i = 0; i < l->count; i++)
        if (known_same_network(&d->known, &l->peers[i], ep))
            return true;
    return false;
}

/* Keeps LOOKUP_PEERS of all that come, each with the same chance (reservoir
 * sampling), one of a network: so whoever announces a thousand
 * endpoints under a key gets little of it. */
static void on_peer(void *ctx, uint64_t cookie, const struct endpoint *peer)
{
    struct directory *d = ctx;
    struct key_lookup *l = lookup_of(d, cookie);
    unsigned at;

    if (l == NULL || has_network(d, l, peer))
        return;
    l->seen++;
    if (l->count < LOOKUP_PEERS) {
        l->peers[l->count++] = *peer;
        return;
    }
    at = random_below(&d->env.random, l->seen);
    if (at < LOOKUP_PEERS)
        l->peers[at] = *peer;
}

static void recapture(struct directory *d, const struct endpoint *ep)
{
    if (ask_is_familiar(d, ep))
        d->key_search.familiar++;
    else
        d->key_search.familiar = 0;
}

static void on_done(void *ctx, uint64_t cookie, enum error e)
{
    struct directory *d = ctx;
    struct key_lookup *l = lookup_of(d, cookie);

    if (l == NULL)
        return;
    l->busy = false;
    if (e != OK) {
        d->stats.lookups_failed++;
        d->key_search.failed = true;
    } else {
        survey_looked(d);
        d->news |= d->key_search.failures > 0; /* the DHT is back */
        d->key_search.failures = 0;
    }
    for (unsigned i = 0; i < l->count; i++) {
        recapture(d, &l->peers[i]);
        (void)directory_ask(d, &l->peers[i], 0);
    }
    directory_wake(d, 0);
}

void directory_meet(struct directory *d, const struct endpoint *node,
                    uint64_t now)
{
    recapture(d, node);
    if (d->usable < MEET_UNTIL || d->needed)
        (void)directory_ask(d, node, now);
}

/* ---- Lookups ----------------------------------------------------------- */

static void shuffle(struct directory *d)
{
    struct key_search *s = &d->key_search;

    for (unsigned i = DIRECTORY_KEYS - 1; i > 0; i--) {
        unsigned j = random_below(&d->env.random, i + 1);
        uint8_t other = s->order[i];

        s->order[i] = s->order[j];
        s->order[j] = other;
    }
}

void key_search_init(struct directory *d, uint64_t now)
{
    for (unsigned i = 0; i < DIRECTORY_KEYS; i++)
        d->key_search.order[i] = (uint8_t)i;
    shuffle(d);
    d->key_search.at = now;
}

void key_search_restart(struct directory *d, uint64_t now)
{
    d->key_search.looked = 0;
    d->key_search.at = now;
}

void key_search_news(struct directory *d, uint64_t now)
{
    d->key_search.at =
        time_min(d->key_search.at, time_after(now, INTERVAL_MIN));
}

static unsigned next_key(struct directory *d)
{
    struct key_search *s = &d->key_search;

    if (s->next == DIRECTORY_KEYS) {
        s->next = 0;
        shuffle(d);
    }
    return s->order[s->next++];
}

static uint64_t interval(const struct directory *d, uint64_t now)
{
    const struct key_search *s = &d->key_search;
    bool all_known = s->looked >= DIRECTORY_KEYS || s->familiar >= FAMILIAR_ALL;
    uint64_t most = d->needed ? NEEDED_MAX : INTERVAL_MAX;

    if (all_known || !d->wanting)
        most = d->needed ? NEEDED_KNOWN : INTERVAL_KNOWN;
    /* Not one relay is known: all keys once, without a rest. */
    else if (d->needed && d->usable == 0)
        most = INTERVAL_MIN;
    return directory_jitter(d, directory_patience(d, all_known ? 1 : PARTS,
                                                  INTERVAL_MIN, most, now));
}

static enum error start(struct directory *d, struct key_lookup *l)
{
    struct key_search *s = &d->key_search;
    struct dht_provider_handler handler = {
        .ctx = d, .peer = on_peer, .done = on_done};
    uint64_t request = 0, cookie;
    struct id key;
    enum error e;

    s->cookies++;
    cookie = s->cookies * COOKIE_SLOTS + (uint64_t)(l - s->slots);
    *l = (struct key_lookup){.busy = true, .cookie = cookie};
    handler.cookie = cookie;
    directory_key(d->config.network, next_key(d), &key);
    e = d->env.dht->get_peers(d->env.dht->ctx, &key, &handler, &request);
    if (e != OK) {
        l->busy = false;
        s->next--;
        return e;
    }
    d->stats.lookups++;
    s->looked++;
    if (lookup_of(d, cookie) == l) /* it may be done already */
        l->request = request;
    return OK;
}

static struct key_lookup *free_slot(struct directory *d)
{
    unsigned count = d->wanting ? LOOKUPS_MAX : 1;

    for (unsigned i = 0; i < count; i++)
        if (!d->key_search.slots[i].busy)
            return &d->key_search.slots[i];
    return NULL;
}

/* Room for all whom the lookups under way and one more may find. Else what
 * many strangers do not answer would be the loss of those who come behind. */
static bool can_take_more(const struct directory *d)
{
    unsigned coming = LOOKUP_PEERS;

    for (unsigned i = 0; i < LOOKUPS_MAX; i++)
        coming += d->key_search.slots[i].busy ? LOOKUP_PEERS : 0;
    return d->candidate_count == 0 ||
           d->candidate_count + coming <= d->config.max_candidates;
}

/* Probably nobody is there to be asked yet. */
static void put_off(struct key_search *s, uint64_t now)
{
    uint64_t wait = FAILED_RETRY << (s->failures < 5 ? s->failures : 5);

    s->failed = false;
    s->failures++;
    s->at = time_after(now, time_min(wait, FAILED_RETRY_MAX));
}

void key_search_tick(struct directory *d, uint64_t now)
{
    struct key_search *s = &d->key_search;
    struct key_lookup *l = free_slot(d);

    if (d->env.dht == NULL || l == NULL)
        return;
    if (s->failed)
        put_off(s, now);
    if (s->at <= now && !can_take_more(d))
        s->at = time_after(now, FULL_RETRY);
    else if (s->at <= now && !token_bucket_take(&s->purse, &purse_rate, now))
        s->at = time_after(now, purse_rate.interval);
    else if (s->at <= now && start(d, l) == OK)
        s->at = time_after(now, interval(d, now));
    else if (s->at <= now)
        s->at = time_after(now, REFUSED_RETRY);
    directory_wake(d, s->at);
}

/* ---- The item of a relay ----------------------------------------------- */

static bool is_fetch(const struct directory *d, uint64_t cookie)
{
    return d->fetch.busy && d->fetch.cookie == cookie;
}

static void on_item(void *ctx, uint64_t cookie,
                    const struct dht_provider_item *item)
{
    struct directory *d = ctx;
    struct mp_token token;
    struct mp_tape tape = {.tokens = &token, .cap = 1};
    struct mp_reader r;
    struct bytes text;

    if (!is_fetch(d, cookie) ||
        memcmp(item->key, d->fetch.identity, sizeof(item->key)) != 0)
        return;
    mp_reader_parse(&r, &tape, value_bytes(item->value));
    text = mp_read_bytes(&r, 1, DESCRIPTOR_MAX);
    if (r.err != OK)
        return;
    memcpy(d->fetch.text, text.p, text.len);
    d->fetch.len = text.len;
}

static void on_fetched(void *ctx, uint64_t cookie, enum error e)
{
    struct directory *d = ctx;

    (void)e;
    if (!is_fetch(d, cookie))
        return;
    d->fetch.busy = false;
    directory_wake(d, 0);
}

void fetch_start(struct directory *d, const uint8_t identity[32])
{
    struct dht_provider_handler handler = {
        .ctx = d, .item = on_item, .done = on_fetched};
    uint64_t request = 0, cookie;

    if (d->env.dht == NULL || d->fetch.busy || d->fetch.len > 0)
        return;
    d->key_search.cookies++;
    cookie = d->key_search.cookies * COOKIE_SLOTS + COOKIE_FETCH;
    d->fetch = (struct fetch){.busy = true, .cookie = cookie};
    memcpy(d->fetch.identity, identity, sizeof(d->fetch.identity));
    handler.cookie = cookie;
    if (d->env.dht->get_item(d->env.dht->ctx, identity, bytes_of(NULL, 0),
                             &handler, &request) != OK) {
        d->fetch.busy = false;
        return;
    }
    d->stats.fetches++;
    if (is_fetch(d, cookie))
        d->fetch.request = request;
}

/* Where it says that it is now; at the old place, too, it may be said. */
static void ask_where_it_is(struct directory *d, const uint8_t identity[32])
{
    const struct known_relay *relay = known_find(&d->known, identity);

    for (unsigned i = 0; relay != NULL && i < relay->d.address_count; i++)
        (void)directory_ask(d, &relay->d.addresses[i], 0);
}

/* Takes up what came, if it is a newer word of the relay that was looked up.
 * It counts as named by somebody where it was. */
void fetch_tick(struct directory *d, uint64_t wall)
{
    struct bytes text = bytes_of(d->fetch.text, d->fetch.len);
    const struct known_relay *relay;

    if (d->fetch.busy || text.len == 0)
        return;
    relay = known_find(&d->known, d->fetch.identity);
    if (relay != NULL) {
        struct endpoint from = relay->d.addresses[0];

        if (directory_learn(d, text, &from, false, wall) == OK)
            ask_where_it_is(d, d->fetch.identity);
    }
    d->fetch.len = 0;
}

void searches_cancel(struct directory *d)
{
    for (unsigned i = 0; i < LOOKUPS_MAX; i++) {
        struct key_lookup *l = &d->key_search.slots[i];

        if (l->busy)
            d->env.dht->cancel(d->env.dht->ctx, l->request);
        l->busy = false;
    }
    if (d->fetch.busy)
        d->env.dht->cancel(d->env.dht->ctx, d->fetch.request);
    d->fetch.busy = false;
}
