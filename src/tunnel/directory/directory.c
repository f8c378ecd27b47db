/* SPDX-License-Identifier: MIT
 *
 * The life of a directory, and the two ways by which what it knows changes.
 * What comes in goes through directory_learn: cheap checks, room, the
 * signature, and only then the table (known.c). What became of relays that were
 * used comes in by directory_succeeded, _failed, _doubted, _parted and
 * _measured. Each tick counts what is usable, and decides by that how eagerly
 * the four parts look for more.
 */
#include "tunnel/directory/directory_internal.h"

#include <stdlib.h>
#include <string.h>

#define ASK_RATE  20 /* ASKs a second */
#define ASK_BURST 20
/* A success is written down when the last one is this old; wall seconds. */
#define SEEN_STEP  600
#define RTT_SHARE  8 /* of a new round trip in the smoothed one: an eighth */
#define RATE_SHARE 4
/* Shares of doubt: of who says that it cannot go on, and of where to. */
#define DOUBT_HERE   8
#define DOUBT_SAID   16
#define MEASURED_FOR (30 * 24 * 3600) /* wall seconds */

void directory_config_init(struct directory_config *config)
{
    *config = (struct directory_config){
        .family = {true, true},
        .max_relays = 2048,
        .wanted_relays = 64,
        .wanted_exits = 4,
        .max_asks = 16,
        .max_candidates = 64,
        .max_neighbours = 64,
        .max_sources = 1024,
        .tell_rate = 500,
        .tell_burst = 500,
        .proven_rate = 5000,
        .proven_burst = 5000,
        .sample_rate = 500,
        .sample_burst = 500,
        .return_rate = 2,
        .return_burst = 8,
        .source_rate = 2,
        .source_burst = 20,
    };
}

static bool config_is_sound(const struct directory_config *c)
{
    return c->max_relays > 0 && c->max_asks > 0 && c->max_candidates > 0 &&
           c->max_neighbours > 0 && c->max_sources > 0 && c->tell_rate > 0 &&
           c->tell_burst > 0 && c->proven_rate > 0 && c->proven_burst > 0 &&
           c->sample_rate > 0 && c->sample_burst > 0 && c->return_rate > 0 &&
           c->return_burst > 0 && c->source_rate > 0 && c->source_burst > 0;
}

static void init_limiter(struct directory *d, struct limiter *l, unsigned rate,
                         unsigned burst)
{
    struct limiter_config limits = {.rate = rate,
                                    .burst = burst,
                                    .source_rate = d->config.source_rate,
                                    .source_burst = d->config.source_burst,
                                    .max_sources = d->config.max_sources};

    limiter_init(l, &limits, &d->env.random);
}

/* Each return holds one of the few ASKs under way. */
static void init_returns(struct directory *d)
{
    struct limiter_config limits = {.rate = d->config.return_rate,
                                    .burst = d->config.return_burst,
                                    .source_rate = 1,
                                    .source_burst = 1,
                                    .max_sources = d->config.max_sources};

    limiter_init(&d->reach.returns, &limits, &d->env.random);
}

static void init_limits(struct directory *d, uint64_t now)
{
    const struct directory_config *c = &d->config;
    uint8_t fresh[32];

    init_limiter(d, &d->tells, c->tell_rate, c->tell_burst);
    init_limiter(d, &d->proven, c->proven_rate, c->proven_burst);
    init_limiter(d, &d->samples, c->sample_rate, c->sample_burst);
    init_returns(d);
    d->env.random.fill(d->env.random.ctx, fresh, sizeof(fresh));
    cookie_jar_init(&d->jar, fresh, now);
    d->ask_rate = token_rate_of(ASK_RATE, ASK_BURST);
}

enum error directory_new(const struct directory_config *config,
                         const struct directory_env *env, uint64_t now,
                         struct directory **out)
{
    struct directory *d;

    if (!config_is_sound(config))
        return ERR_RANGE;
    d = calloc(1, sizeof(*d));
    if (d == NULL)
        return ERR_NO_MEMORY;
    d->config = *config;
    d->env = *env;
    known_init(&d->known, config->max_relays, config->testing_network);
    init_limits(d, now);
    d->asks = calloc(config->max_asks, sizeof(*d->asks));
    d->candidates = calloc(config->max_candidates, sizeof(*d->candidates));
    d->neighbours = calloc(config->max_neighbours, sizeof(*d->neighbours));
    if (d->asks == NULL || d->candidates == NULL || d->neighbours == NULL) {
        directory_free(d);
        return ERR_NO_MEMORY;
    }
    key_search_init(d, now);
    d->refresh_at = now;
    d->deadline = now;
    *out = d;
    return OK;
}

void directory_free(struct directory *d)
{
    if (d == NULL)
        return;
    searches_cancel(d);
    known_deinit(&d->known);
    limiter_deinit(&d->tells);
    limiter_deinit(&d->proven);
    limiter_deinit(&d->samples);
    limiter_deinit(&d->reach.returns);
    cookie_jar_deinit(&d->jar);
    free(d->asks);
    free(d->candidates);
    free(d->neighbours);
    free(d);
}

void directory_wake(struct directory *d, uint64_t at)
{
    d->deadline = time_min(d->deadline, at);
}

uint64_t directory_next_deadline(const struct directory *d)
{
    return d->deadline;
}

uint64_t directory_jitter(const struct directory *d, uint64_t duration)
{
    uint64_t half = duration / 2;

    return duration - half / 2 +
           (uint64_t)((double)half * random_u32(&d->env.random) / UINT32_MAX);
}

uint64_t directory_patience(const struct directory *d, unsigned parts,
                            uint64_t fast, uint64_t slow, uint64_t now)
{
    uint64_t wait = time_since(d->news_at, now) / parts;

    if (!d->wanting)
        return slow;
    return wait < fast ? fast : time_min(wait, slow);
}

static void count(struct directory *d, uint64_t wall)
{
    d->usable = d->exits = 0;
    for (unsigned i = 0; i < d->known.count; i++) {
        const struct known_relay *relay = d->known.relays[i];

        if (!known_is_usable(relay, wall))
            continue;
        d->usable++;
        d->exits += (relay->d.roles & ROLE_EXIT) != 0;
    }
}

static void begin_to_want(struct directory *d, uint64_t now)
{
    d->news_at = now;
    key_search_restart(d, now);
    sample_restart(d, now);
}

static void want(struct directory *d, uint64_t wall, uint64_t now)
{
    bool before = d->wanting;

    count(d, wall);
    d->wanting = d->needed || d->usable < d->config.wanted_relays ||
                 (d->own.unproven_count > 0 && d->usable < REACH_RELAYS) ||
                 d->exits < d->config.wanted_exits;
    if (d->wanting && !before) {
        begin_to_want(d, now);
    } else if (d->news) {
        d->news_at = now;
        key_search_news(d, now);
    }
    d->news = false;
}

void directory_tick(struct directory *d, uint64_t wall, uint64_t now)
{
    if (now < d->deadline)
        return;
    d->deadline = TIME_NEVER;
    survey_tick(d, now); /* it hears of news before they are taken up */
    want(d, wall, now);
    fetch_tick(d, wall);
    self_tick(d, wall, now);
    reach_tick(d, now);
    refresh_tick(d, wall, now);
    key_search_tick(d, now);
    ask_tick(d, wall, now);
    sample_tick(d, now);
}

/* ---- Learning ---------------------------------------------------------- */

/* Leaves the addresses that can be used from here. ERR_ADDRESS: none. */
static enum error filter(const struct directory *d, struct descriptor *desc)
{
    unsigned count = 0;

    for (unsigned i = 0; i < desc->address_count; i++)
        if (d->config.testing_network ||
            endpoint_is_global(&desc->addresses[i]))
            desc->addresses[count++] = desc->addresses[i];
    desc->address_count = (uint8_t)count;
    return count > 0 ? OK : ERR_ADDRESS;
}

bool directory_lists(const struct descriptor *desc, const struct endpoint *ep)
{
    for (unsigned i = 0; i < desc->address_count; i++)
        if (endpoint_same_addr(&desc->addresses[i], ep))
            return true;
    return false;
}

/* No newer than what is known of it. */
static bool is_older(const struct directory *d, const struct descriptor *desc)
{
    const struct known_relay *known = known_find(&d->known, desc->identity);

    return known != NULL && known->d.issued >= desc->issued;
}

/* All that can be seen without public-key work. */
static enum error check(const struct directory *d, struct descriptor *desc,
                        struct bytes text, uint64_t wall)
{
    enum error e = descriptor_read(text, d->config.network, desc);

    if (e != OK)
        return e;
    if (memcmp(desc->identity, d->config.identity, 32) == 0 ||
        !(desc->roles & ROLE_RELAY))
        return ERR_UNEXPECTED;
    e = descriptor_check_time(desc, wall);
    if (e == OK)
        e = filter(d, desc);
    if (e != OK)
        return e;
    return is_older(d, desc) ? ERR_SEQ : OK;
}

/* Where relays suffice, exits alone are news. */
static bool is_news(const struct directory *d, const struct descriptor *desc)
{
    if (desc->roles & ROLE_EXIT)
        return d->wanting;
    return d->usable < d->config.wanted_relays;
}

/* That it is a guard for now is not for the next life. */
static void remember(const struct directory *d, const struct known_relay *relay)
{
    struct stored_relay s = {.text = bytes_of(relay->text, relay->text_len),
                             .record = relay->record};

    if (known_is_hearsay(relay))
        return;
    if (relay->provisional)
        s.record.guard_since = s.record.guard_until = 0;
    memcpy(s.identity, relay->d.identity, sizeof(s.identity));
    d->env.remember(d->env.ctx, &s);
}

static void tell_news(struct directory *d, const struct descriptor *desc)
{
    if (!is_news(d, desc))
        return;
    d->news = true;
    directory_wake(d, 0);
}

static enum error take(struct directory *d, const struct known_word *w)
{
    struct known_relay *relay = known_find(&d->known, w->d->identity);
    bool is_new = relay == NULL, was_tried = !is_new && relay->tried;
    bool evicted = false;
    uint8_t gone[32];
    enum error e;

    e = known_add(&d->known, w, &relay, gone, &evicted);
    if (evicted) {
        d->stats.evicted++;
        d->env.forget(d->env.ctx, gone);
    }
    if (e != OK)
        return e;
    d->stats.learned += is_new;
    d->stats.renewed += !is_new;
    if (relay->tried && !was_tried)
        tell_news(d, w->d);
    else if (!relay->tried)
        refresh_soon(d);
    remember(d, relay);
    return OK;
}

/* Named before, in the same words, by another; now it has answered itself. */
static enum error confirm(struct directory *d, struct bytes text,
                          const struct endpoint *from, uint64_t wall)
{
    struct descriptor desc;
    struct known_relay *relay;
    bool was_tried;
    enum error e = descriptor_read(text, d->config.network, &desc);

    if (e != OK)
        return e;
    relay = known_find(&d->known, desc.identity);
    if (relay == NULL ||
        !bytes_equal(text, bytes_of(relay->text, relay->text_len)) ||
        !directory_lists(&desc, from))
        return ERR_SEQ;
    was_tried = relay->tried;
    e = known_answered(&d->known, relay, from);
    if (e != OK)
        return e;
    relay->record.last_seen = wall;
    if (!was_tried) {
        d->stats.confirmed++;
        tell_news(d, &relay->d);
    }
    remember(d, relay);
    return OK;
}

/* Who has no room as hearsay may still answer for itself. */
static void ask_instead(struct directory *d, const struct descriptor *desc)
{
    (void)directory_ask(d, &desc->addresses[0], 0);
}

static enum error verify_and_take(struct directory *d,
                                  const struct known_word *w)
{
    enum error e = known_has_room(&d->known, w);

    if (e == ERR_FULL && w->way == KNOWN_NAMED)
        ask_instead(d, w->d);
    if (e == OK)
        e = descriptor_verify(w->text, w->d);
    return e == OK ? take(d, w) : e;
}

enum error directory_learn(struct directory *d, struct bytes text,
                           const struct endpoint *from, bool itself,
                           uint64_t wall)
{
    struct descriptor desc;
    struct known_word w = {.d = &desc,
                           .text = text,
                           .way = itself ? KNOWN_ANSWERED : KNOWN_NAMED,
                           .from = *from,
                           .wall = wall};
    enum error e = check(d, &desc, text, wall);

    if (e == ERR_SEQ && itself)
        e = confirm(d, text, from, wall);
    else if (e == OK && itself && !directory_lists(&desc, from))
        e = ERR_ADDRESS;
    else if (e == OK)
        e = verify_and_take(d, &w);
    if (e != OK)
        d->stats.refused[e]++;
    return e;
}

enum error directory_add_stored(struct directory *d,
                                const struct stored_relay *stored,
                                uint64_t wall, uint64_t now)
{
    struct known_relay *relay;
    struct descriptor desc;
    struct known_word w = {
        .d = &desc, .text = stored->text, .way = KNOWN_STORED, .wall = wall};
    uint8_t gone[32];
    bool evicted = false;
    enum error e;

    e = descriptor_read(stored->text, d->config.network, &desc);
    if (e == OK)
        e = filter(d, &desc);
    if (e == OK && is_older(d, &desc))
        e = ERR_SEQ;
    if (e == OK)
        e = descriptor_verify(stored->text, &desc);
    if (e == OK)
        e = known_add(&d->known, &w, &relay, gone, &evicted);
    if (e != OK)
        return e;
    relay->record = stored->record;
    relay->record.failures = 0; /* it gets a new chance */
    relay->reached = relay->tried = true;
    d->refresh_at = now;
    directory_wake(d, now);
    return OK;
}

void directory_drop(struct directory *d, struct known_relay *relay)
{
    uint8_t identity[32];

    memcpy(identity, relay->d.identity, sizeof(identity));
    known_remove(&d->known, relay);
    d->env.forget(d->env.ctx, identity);
}

/* ---- What became of it ------------------------------------------------- */

void directory_succeeded(struct directory *d, const uint8_t identity[32],
                         uint64_t rtt, uint64_t wall)
{
    struct known_relay *relay = known_find(&d->known, identity);
    bool news;

    if (relay == NULL)
        return;
    news = !relay->reached || relay->record.failures > 0 ||
           relay->record.last_seen + SEEN_STEP <= wall;
    relay->reached = relay->tried = true;
    relay->record.failures = 0;
    relay->witness = 0;
    known_take_doubt(relay);
    if (rtt != 0)
        relay->record.rtt = relay->record.rtt == 0
                                ? rtt
                                : relay->record.rtt -
                                      relay->record.rtt / RTT_SHARE +
                                      rtt / RTT_SHARE;
    if (news) {
        relay->record.last_seen = wall;
        remember(d, relay);
    }
}

void directory_put_aside(struct directory *d, struct known_relay *relay,
                         uint64_t now)
{
    relay->record.failures = (uint16_t)known_failures(relay, now);
    if (relay->record.failures < UINT16_MAX)
        relay->record.failures++;
    relay->failed_at = now;
    remember(d, relay);
}

void directory_failed(struct directory *d, const uint8_t identity[32],
                      uint64_t now)
{
    struct known_relay *relay = known_find(&d->known, identity);

    /* All circuits through it fail at once, and so do not count. */
    if (relay == NULL || known_is_failing(relay, now))
        return;
    known_add_doubt(relay, DOUBT_HERE, now);
    directory_put_aside(d, relay, now);
}

void directory_doubted(struct directory *d, const uint8_t identity[32],
                       uint64_t now)
{
    struct known_relay *relay = known_find(&d->known, identity);

    if (relay != NULL)
        known_add_doubt(relay, DOUBT_HERE, now);
}

/* It takes two to say so. Where one relay alone is left to say it, and it is
 * the first hop, the other is this node itself, who asks: later, and not
 * because a hop behind the first says so, which must not learn who is asking.
 */
static void not_reached(struct directory *d, struct known_relay *relay,
                        const uint8_t by[32], bool by_first, uint64_t now)
{
    uint64_t witness, before = relay->witness;

    if (known_is_failing(relay, now))
        return;
    memcpy(&witness, by, sizeof(witness));
    relay->witness = witness;
    if (before != 0 && before != witness)
        directory_put_aside(d, relay, now);
    else if (by_first)
        ask_doubted(d, relay, now);
}

void directory_parted(struct directory *d, const uint8_t from[32],
                      const uint8_t to[32], bool from_first, bool failed,
                      uint64_t now)
{
    struct known_relay *first = known_find(&d->known, from);
    struct known_relay *second = known_find(&d->known, to);

    if (first != NULL)
        known_add_doubt(first, DOUBT_HERE, now);
    if (second == NULL)
        return;
    known_add_doubt(second, DOUBT_SAID, now);
    if (failed)
        not_reached(d, second, from, from_first, now);
}

void directory_measured(struct directory *d, const uint8_t identity[32],
                        uint32_t rate, uint64_t wall)
{
    struct known_relay *relay = known_find(&d->known, identity);

    if (relay == NULL)
        return;
    if (rate >= relay->record.capacity)
        relay->record.capacity = rate;
    else
        relay->record.capacity -= (relay->record.capacity - rate) / RATE_SHARE;
    relay->record.measured_at = wall;
    remember(d, relay);
}

void directory_forget_measures(struct directory *d, uint64_t wall)
{
    for (unsigned i = 0; i < d->known.count; i++) {
        struct known_relay *relay = d->known.relays[i];

        if (relay->record.capacity == 0 ||
            relay->record.measured_at + MEASURED_FOR > wall)
            continue;
        relay->record.capacity = 0;
        remember(d, relay);
    }
}

void directory_set_guard(struct directory *d, const uint8_t identity[32],
                         uint64_t since, uint64_t until, bool provisional)
{
    struct known_relay *relay = known_find(&d->known, identity);

    if (relay == NULL)
        return;
    relay->record.guard_since = since;
    relay->record.guard_until = until;
    relay->provisional = provisional;
    remember(d, relay);
}

void directory_set_wanted(struct directory *d, unsigned relays, unsigned exits,
                          uint64_t now)
{
    d->config.wanted_relays = relays;
    d->config.wanted_exits = exits;
    d->wanting = false; /* the next tick finds out, and starts anew */
    d->needed = d->needed && relays > 0;
    directory_wake(d, now);
}

void directory_set_needed(struct directory *d, bool needed, uint64_t now)
{
    if (needed && !d->needed) {
        begin_to_want(d, now);
        directory_wake(d, now);
    }
    d->needed = needed;
}
