/* SPDX-License-Identifier: MIT
 *
 * ASK and TELL: descriptors straight from those whom they describe; and COOKIE,
 * when they are asked more than they tell anybody.
 */
#include "tunnel/directory/directory_internal.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define ASK_TIMEOUT  (2 * TIME_S)
#define ASK_TRIES    2
#define RECENT_AFTER (10 * TIME_MIN) /* then the same may be asked again */
#define RECENT_FAST  (10 * TIME_S)   /* or so, while relays are looked for */
#define RECENT_NEED  (2 * TIME_MIN)  /* at most, while circuits lack some */

/* Anybody can have anything told under a well-known key, somebody else's
 * address with a thousand ports. Where no relay has answered yet, so many
 * endpoints of one host are asked in so long, as far back as is remembered, and
 * so often; of wider sources as many more as source_allowance says. */
#define STRANGERS_HOST  4
#define STRANGERS_OFTEN 24
#define STRANGERS_AFTER TIME_HOUR

/* A descriptor is renewed when it has this much left, wall seconds. */
#define RENEW_LEFT    (DESCRIPTOR_LIFETIME / 4)
#define PRUNE_AFTER   (3 * 24 * 3600) /* wall seconds since it expired */
#define REFRESH_EVERY (20 * TIME_S)
#define REFRESH_FAST  (100 * TIME_MS) /* while relays are wanted */

/* When the same relay may be asked again. */
#define AGAIN       TIME_HOUR
#define AGAIN_GUARD (5 * TIME_MIN)
#define AGAIN_FAST  TIME_MIN /* or so, while relays are looked for */
#define FETCH_AGAIN (30 * TIME_MIN)

/* One that others cannot reach, they say: asked after a pause, and again. Once
 * two are gone all are looked after, for as long as DOUBTS_LAST. */
#define DOUBTED_PAUSE TIME_S
#define DOUBTED_AGAIN (30 * TIME_S)
#define DOUBTS_LAST   (10 * TIME_S)

/* Whether a slot is free now. */
static bool has_room(const struct directory *d)
{
    return d->ask_count < d->config.max_asks;
}

static void send_ask(struct directory *d, struct ask *ask, uint64_t now)
{
    struct link_message m = {.kind = LINK_ASK,
                             .version = TUNNEL_VERSION,
                             .network = bytes_of_text(d->config.network),
                             .nonce = bytes_of(ask->nonce, LINK_ASK_NONCE),
                             .reached = ask->ep,
                             .ask_back = d->own.unproven_count > 0,
                             .cookie = ask->has_cookie ? ask->cookie : NULL};
    uint8_t datagram[LINK_MESSAGE_MAX];

    ask->tries++;
    ask->deadline = time_after(now, ASK_TIMEOUT);
    directory_wake(d, ask->deadline);
    d->stats.asks_out++;
    d->env.send(d->env.ctx, &ask->ep,
                bytes_of(datagram, link_message_write(&m, datagram)));
}

/* One that is not sent yet; has_room said yes. */
static struct ask *new_ask(struct directory *d, const struct endpoint *ep)
{
    struct ask *ask = d->asks;

    assert(has_room(d));
    while (ask->deadline != 0)
        ask++;
    *ask = (struct ask){.ep = *ep};
    d->env.random.fill(d->env.random.ctx, ask->nonce, sizeof(ask->nonce));
    d->ask_count++;
    return ask;
}

/* Asks at once; has_room said yes. */
static void start(struct directory *d, const struct endpoint *ep, uint64_t now)
{
    struct ask *ask = new_ask(d, ep);

    d->recent[d->recent_next].ep = *ep;
    d->recent[d->recent_next].at = now;
    d->recent_next = (d->recent_next + 1) % RECENT_MAX;
    send_ask(d, ask, now);
}

static void ask_end(struct directory *d, struct ask *ask)
{
    ask->deadline = 0;
    d->ask_count--;
    d->asks_for_others -= ask->for_others;
    /* Its slot is free for the next candidate. */
    if (d->candidate_count > 0)
        directory_wake(d, 0);
}

/* ---- Candidates -------------------------------------------------------- */

static struct endpoint *candidate(const struct directory *d, unsigned i)
{
    return &d->candidates[(d->candidate_first + i) % d->config.max_candidates];
}

static bool is_asked(const struct directory *d, const struct endpoint *ep)
{
    for (unsigned i = 0; i < d->candidate_count; i++)
        if (endpoint_equal(candidate(d, i), ep))
            return true;
    for (unsigned i = 0; i < d->config.max_asks; i++)
        if (d->asks[i].deadline != 0 && !d->asks[i].for_others &&
            endpoint_equal(&d->asks[i].ep, ep))
            return true;
    return false;
}

static bool asked_lately(const struct directory *d, const struct endpoint *ep,
                         uint64_t now)
{
    uint64_t pause = directory_patience(
        d, 2, RECENT_FAST, d->needed ? RECENT_NEED : RECENT_AFTER, now);

    for (unsigned i = 0; i < RECENT_MAX; i++)
        if (d->recent[i].at != 0 && endpoint_equal(&d->recent[i].ep, ep) &&
            time_since(d->recent[i].at, now) < pause)
            return true;
    return false;
}

static bool may_ask(const struct directory *d, const struct endpoint *ep)
{
    return endpoint_is_usable(ep) && d->config.family[ep->family] &&
           (d->config.testing_network || endpoint_is_global(ep));
}

enum error directory_ask(struct directory *d, const struct endpoint *ep,
                         uint64_t now)
{
    if (!may_ask(d, ep))
        return ERR_ADDRESS;
    if (is_asked(d, ep))
        return OK;
    if (d->candidate_count == d->config.max_candidates)
        return ERR_FULL;
    *candidate(d, d->candidate_count) = *ep;
    d->candidate_count++;
    directory_wake(d, now);
    return OK;
}

/* The relay that answered from this endpoint, NULL if none. That others say
 * that they live there keeps nobody from being asked. */
static struct known_relay *relay_at(const struct directory *d,
                                    const struct endpoint *ep)
{
    for (unsigned i = 0; i < d->known.count; i++)
        if (known_answered_from(d->known.relays[i], ep))
            return d->known.relays[i];
    return NULL;
}

/* The guard that says that it is there, NULL if none. */
static struct known_relay *guard_at(const struct directory *d,
                                    const struct endpoint *ep)
{
    for (unsigned i = 0; i < d->known.count; i++) {
        struct known_relay *relay = d->known.relays[i];

        if (relay->record.guard_since == 0)
            continue;
        for (unsigned a = 0; a < relay->d.address_count; a++)
            if (endpoint_equal(&relay->d.addresses[a], ep))
                return relay;
    }
    return NULL;
}

bool ask_is_familiar(const struct directory *d, const struct endpoint *ep)
{
    for (unsigned i = 0; i < RECENT_MAX; i++)
        if (d->recent[i].at != 0 && endpoint_equal(&d->recent[i].ep, ep))
            return true;
    return relay_at(d, ep) != NULL;
}

/* Whether the `i`th that was asked is of the same source, and no relay, or none
 * yet. */
static bool is_stranger_there(const struct directory *d, unsigned i,
                              const struct endpoint *ep,
                              enum source_level level, uint64_t now)
{
    return d->recent[i].at != 0 &&
           time_since(d->recent[i].at, now) < STRANGERS_AFTER &&
           source_same(&d->recent[i].ep, ep, level) &&
           relay_at(d, &d->recent[i].ep) == NULL;
}

static bool was_asked_before(const struct directory *d, unsigned i)
{
    for (unsigned j = 0; j < i; j++)
        if (d->recent[j].at != 0 &&
            endpoint_equal(&d->recent[j].ep, &d->recent[i].ep))
            return true;
    return false;
}

/* Too many others were asked there, or somebody too often. */
static bool is_pointed_at(const struct directory *d, const struct endpoint *ep,
                          enum source_level level, uint64_t now)
{
    unsigned most = source_allowance(level, STRANGERS_HOST, RECENT_MAX);
    unsigned others = 0, asked = 0;

    if (!source_counts(ep, level))
        return false;
    for (unsigned i = 0; i < RECENT_MAX; i++) {
        if (!is_stranger_there(d, i, ep, level, now))
            continue;
        asked++;
        others += !endpoint_equal(&d->recent[i].ep, ep) &&
                  !was_asked_before(d, i);
    }
    return others >= most || (level == SOURCE_HOST && asked >= STRANGERS_OFTEN);
}

static bool may_ask_stranger(const struct directory *d,
                             const struct endpoint *ep, uint64_t now)
{
    for (int l = 0; l < SOURCE_LEVELS && !d->config.testing_network; l++)
        if (is_pointed_at(d, ep, (enum source_level)l, now))
            return false;
    return true;
}

static bool is_fresh(const struct known_relay *relay, uint64_t wall)
{
    return relay->d.expires > wall + RENEW_LEFT;
}

static bool is_worth_asking(struct directory *d, const struct endpoint *ep,
                            uint64_t wall, uint64_t now)
{
    const struct known_relay *relay = relay_at(d, ep);

    if (asked_lately(d, ep, now) || (relay != NULL && is_fresh(relay, wall)))
        return false;
    if (relay != NULL || may_ask_stranger(d, ep, now))
        return true;
    d->stats.asks_spared++;
    return false;
}

static void start_candidates(struct directory *d, uint64_t wall, uint64_t now)
{
    while (d->candidate_count > 0 && has_room(d)) {
        struct endpoint ep = *candidate(d, 0);

        if (is_worth_asking(d, &ep, wall, now)) {
            if (!token_bucket_take(&d->ask_bucket, &d->ask_rate, now)) {
                directory_wake(d, now + d->ask_rate.interval);
                return;
            }
            start(d, &ep, now);
        }
        d->candidate_first =
            (d->candidate_first + 1) % d->config.max_candidates;
        d->candidate_count--;
    }
}

/* ---- For others -------------------------------------------------------- */

static bool is_asked_for_others(const struct directory *d,
                                const struct endpoint *ep)
{
    for (unsigned i = 0; i < d->config.max_asks; i++)
        if (d->asks[i].deadline != 0 && d->asks[i].for_others &&
            endpoint_equal(&d->asks[i].ep, ep))
            return true;
    return false;
}

enum error directory_ask_for(struct directory *d, const struct endpoint *ep,
                             uint64_t wall, uint64_t now)
{
    const struct known_relay *relay = relay_at(d, ep);
    struct ask *ask;

    if (!may_ask(d, ep))
        return ERR_ADDRESS;
    if (relay != NULL && is_fresh(relay, wall)) {
        d->env.told(d->env.ctx, ep, bytes_of(relay->text, relay->text_len),
                    now);
        return OK;
    }
    if (is_asked_for_others(d, ep))
        return OK;
    if (!has_room(d) || d->asks_for_others >= (d->config.max_asks + 1) / 2)
        return ERR_FULL;
    ask = new_ask(d, ep);
    ask->for_others = true;
    d->asks_for_others++;
    send_ask(d, ask, now);
    return OK;
}

/* The end of it. */
static void tell_others(struct directory *d, struct ask *ask, struct bytes text,
                        uint64_t now)
{
    const struct endpoint ep = ask->ep;

    ask_end(d, ask);
    d->env.told(d->env.ctx, &ep, text, now);
}

/* ---- Those that do not answer ------------------------------------------ */

/* Where two relays are gone there may be more, as in a partition: all are asked
 * whether they are there, before circuits are tried through each of them. */
static void note_gone(struct directory *d, uint64_t now)
{
    if (d->gone_at != 0 && time_since(d->gone_at, now) < DOUBTED_AGAIN) {
        d->doubts_until = time_after(now, DOUBTS_LAST);
        refresh_soon(d);
    }
    d->gone_at = now;
}

/* Nobody answers there: a guard may have moved, and left word in the DHT. It
 * is not looked up before, so that the DHT learns of no guard that works. */
static void ask_lost(struct directory *d, struct ask *ask, uint64_t now)
{
    struct known_relay *guard = guard_at(d, &ask->ep);
    struct known_relay *doubted = relay_at(d, &ask->ep);

    d->stats.asks_lost++;
    /* A neighbour of it has said so before, or others are gone too. */
    if (doubted != NULL && !known_is_failing(doubted, now) &&
        (doubted->witness != 0 || now < d->doubts_until)) {
        directory_put_aside(d, doubted, now);
        d->stats.gone++;
        note_gone(d, now);
    }
    if (guard != NULL && (guard->fetched_at == 0 ||
                          time_since(guard->fetched_at, now) >= FETCH_AGAIN)) {
        guard->fetched_at = now;
        fetch_start(d, guard->d.identity);
    }
    ask_end(d, ask);
}

static bool is_of_hearsay(const struct directory *d, const struct endpoint *ep)
{
    for (unsigned i = 0; i < d->known.count; i++) {
        const struct known_relay *relay = d->known.relays[i];

        for (unsigned a = 0; a < relay->d.address_count && !relay->tried; a++)
            if (endpoint_equal(&relay->d.addresses[a], ep))
                return true;
    }
    return false;
}

/* The NAT that it may be behind is to be open for the second try. */
static void ask_again(struct directory *d, struct ask *ask, uint64_t now)
{
    if (d->env.unanswered != NULL && is_of_hearsay(d, &ask->ep))
        d->env.unanswered(d->env.ctx, &ask->ep, now);
    send_ask(d, ask, now);
}

void ask_tick(struct directory *d, uint64_t wall, uint64_t now)
{
    for (unsigned i = 0; i < d->config.max_asks; i++) {
        struct ask *ask = &d->asks[i];

        if (ask->deadline == 0)
            continue;
        if (ask->deadline > now)
            directory_wake(d, ask->deadline);
        else if (ask->tries < ASK_TRIES)
            ask_again(d, ask, now);
        else if (ask->for_others)
            tell_others(d, ask, bytes_of(NULL, 0), now);
        else
            ask_lost(d, ask, now);
    }
    start_candidates(d, wall, now);
}

/* ---- Refreshing -------------------------------------------------------- */

static bool is_due(const struct directory *d, const struct known_relay *relay,
                   uint64_t wall, uint64_t now)
{
    uint64_t again = directory_patience(
        d, 2, AGAIN_FAST, relay->record.guard_since != 0 ? AGAIN_GUARD : AGAIN,
        now);

    return (!relay->tried || !is_fresh(relay, wall)) &&
           (relay->asked_at == 0 || time_since(relay->asked_at, now) >= again);
}

static bool is_doubted(const struct directory *d,
                       const struct known_relay *relay, uint64_t now)
{
    return relay->doubted ||
           (now < d->doubts_until && relay->answered > 0 &&
            !known_is_failing(relay, now) &&
            time_since(relay->asked_at, now) >= 2 * DOUBTED_AGAIN);
}

/* Whether `a` is to be asked before `b`: guards first, then what is hearsay,
 * then the one that runs out soonest. */
static bool is_before(const struct known_relay *a, const struct known_relay *b)
{
    bool guard_a = a->record.guard_since != 0;
    bool guard_b = b->record.guard_since != 0;

    if (guard_a != guard_b)
        return guard_a;
    if (a->tried != b->tried)
        return b->tried;
    return a->d.expires < b->d.expires;
}

static struct known_relay *most_due(const struct directory *d, uint64_t wall,
                                    uint64_t now)
{
    struct known_relay *best = NULL;

    for (unsigned i = 0; i < d->known.count; i++) {
        struct known_relay *relay = d->known.relays[i];

        if ((is_due(d, relay, wall, now) || is_doubted(d, relay, now)) &&
            (best == NULL || is_before(relay, best)))
            best = relay;
    }
    return best;
}

static void prune(struct directory *d, uint64_t wall)
{
    for (unsigned i = 0; i < d->known.count; i++) {
        struct known_relay *relay = d->known.relays[i];

        if (relay->record.guard_since == 0 && relay->asked_at != 0 &&
            relay->d.expires + PRUNE_AFTER < wall) {
            directory_drop(d, relay);
            return;
        }
    }
}

static bool can_ask(const struct directory *d, const struct endpoint *ep)
{
    return d->config.family[ep->family] && !is_asked(d, ep);
}

bool ask_now(struct directory *d, const struct endpoint *ep, uint64_t now)
{
    if (!has_room(d) || !can_ask(d, ep))
        return false;
    start(d, ep, now);
    return true;
}

/* Where it answered from; one that has not, at each of its addresses in turn.
 * One that has none of a family of ours is taken as it is, or it could never be
 * used. */
static bool ask_relay(struct directory *d, struct known_relay *relay,
                      uint64_t now)
{
    unsigned count = relay->d.address_count;
    unsigned first = relay->answered > 0 ? 0 : relay->asked % count;
    bool ours = false;

    relay->asked_at = now;
    relay->doubted = false;
    relay->asked++;
    for (unsigned i = 0; i < count; i++) {
        const struct endpoint *ep = &relay->d.addresses[(first + i) % count];

        ours = ours || d->config.family[ep->family];
        if (!can_ask(d, ep))
            continue;
        start(d, ep, now);
        return true;
    }
    relay->tried = relay->tried || !ours;
    return false;
}

void ask_doubted(struct directory *d, struct known_relay *relay, uint64_t now)
{
    if (relay->answered == 0 ||
        (relay->asked_at != 0 &&
         time_since(relay->asked_at, now) < DOUBTED_AGAIN))
        return;
    relay->doubted = true;
    d->refresh_at =
        time_min(d->refresh_at, now + directory_jitter(d, DOUBTED_PAUSE));
    directory_wake(d, d->refresh_at);
}

void refresh_soon(struct directory *d)
{
    d->refresh_at = 0;
    directory_wake(d, 0);
}

void refresh_tick(struct directory *d, uint64_t wall, uint64_t now)
{
    struct known_relay *relay;

    if (d->refresh_at <= now) {
        d->refresh_at = now + directory_jitter(d, REFRESH_EVERY);
        directory_forget_measures(d, wall);
        relay = most_due(d, wall, now);
        if (relay == NULL)
            prune(d, wall);
        else if (has_room(d) && ask_relay(d, relay, now) &&
                 (d->wanting || !relay->tried || now < d->doubts_until))
            d->refresh_at = now + REFRESH_FAST;
    }
    directory_wake(d, d->refresh_at);
}

/* ---- Datagrams --------------------------------------------------------- */

static void send_answer(struct directory *d, const struct endpoint *to,
                        struct link_message *m)
{
    uint8_t datagram[LINK_MESSAGE_MAX];

    d->env.send(d->env.ctx, to,
                bytes_of(datagram, link_message_write(m, datagram)));
}

static void send_cookie(struct directory *d, const struct endpoint *to,
                        const struct link_message *ask)
{
    uint8_t cookie[LINK_COOKIE_BYTES];
    struct link_message m = {
        .kind = LINK_COOKIE, .nonce = ask->nonce, .cookie = cookie};

    cookie_make(&d->jar, to, cookie);
    d->stats.cookies_out++;
    send_answer(d, to, &m);
}

static bool is_proven(const struct directory *d, const struct endpoint *from,
                      const struct link_message *ask)
{
    return ask->cookie != NULL &&
           !sodium_is_zero(ask->cookie, LINK_COOKIE_BYTES) &&
           cookie_is_right(&d->jar, ask->cookie, from);
}

/* Who has shown his address may say where he has reached us, and be asked in
 * return if he likes. */
static void hear(struct directory *d, const struct endpoint *from,
                 const struct link_message *ask, uint64_t wall, uint64_t now)
{
    if (ask->reached.port != 0) {
        reach_note(&d->reach, from, &ask->reached, now);
        d->stats.witnesses++;
        self_reached(d, wall, now);
    }
    if (!ask->ask_back)
        return;
    if (limiter_allow(&d->reach.returns, from, now) &&
        directory_ask(d, from, now) == OK)
        d->stats.returns++;
    else
        d->stats.returns_refused++;
}

/* Who has shown his address takes from buckets that nobody else can empty.
 * Others are asked to show it when theirs are empty, their own one too: it may
 * be another who asks in their name; and when more hangs on it than a TELL. */
static enum error admit(struct directory *d, const struct endpoint *from,
                        const struct link_message *ask, uint64_t wall,
                        uint64_t now)
{
    uint8_t fresh[32];

    if (cookie_jar_is_due(&d->jar, now)) {
        d->env.random.fill(d->env.random.ctx, fresh, sizeof(fresh));
        cookie_jar_rotate(&d->jar, fresh, now);
    }
    if (is_proven(d, from, ask)) {
        if (!limiter_allow(&d->proven, from, now))
            return ERR_RATE_LIMITED;
        hear(d, from, ask, wall, now);
        return OK;
    }
    if (!ask->ask_back && d->own.unproven_count == 0 &&
        limiter_allow(&d->tells, from, now))
        return OK;
    send_cookie(d, from, ask);
    return ERR_RATE_LIMITED;
}

enum error directory_receive_ask(struct directory *d,
                                 const struct endpoint *from,
                                 const struct link_message *ask, uint64_t wall,
                                 uint64_t now)
{
    struct link_message m = {.kind = LINK_TELL, .nonce = ask->nonce};
    enum error e;

    if (ask->version != TUNNEL_VERSION)
        return ERR_UNSUPPORTED;
    if (!bytes_equal(ask->network, bytes_of_text(d->config.network)))
        return ERR_NETWORK;
    if (directory_self_text(d).len == 0 && d->own.unproven_count == 0)
        return ERR_UNEXPECTED;
    d->stats.asks_in++;
    e = admit(d, from, ask, wall, now);
    if (e != OK)
        return e;
    m.descriptor = self_to_tell(d, wall, now);
    if (m.descriptor.len == 0)
        return ERR_UNEXPECTED; /* others must have reached us, too */
    d->stats.tells_out++;
    send_answer(d, from, &m);
    return OK;
}

static struct ask *find_ask(const struct directory *d,
                            const struct endpoint *from, struct bytes nonce)
{
    for (unsigned i = 0; i < d->config.max_asks; i++) {
        struct ask *ask = &d->asks[i];

        if (ask->deadline != 0 && endpoint_equal(&ask->ep, from) &&
            bytes_equal(nonce, bytes_of(ask->nonce, LINK_ASK_NONCE)))
            return ask;
    }
    return NULL;
}

/* Once, so that whoever answers with cookies keeps nobody busy. */
enum error directory_receive_cookie(struct directory *d,
                                    const struct endpoint *from,
                                    const struct link_message *cookie,
                                    uint64_t now)
{
    struct ask *ask = find_ask(d, from, cookie->nonce);

    if (ask == NULL || ask->has_cookie)
        return ERR_UNEXPECTED;
    memcpy(ask->cookie, cookie->cookie, sizeof(ask->cookie));
    ask->has_cookie = true;
    ask->tries--; /* it was answered */
    d->stats.cookies_in++;
    send_ask(d, ask, now);
    return OK;
}

/* What it says of the time is worth hearing when it is of the relay itself
 * and was taken up, or refused because of the time. */
static void hear_time(struct directory *d, const struct endpoint *from,
                      struct bytes text, enum error learned, uint64_t now)
{
    struct descriptor desc;

    if (learned != OK && learned != ERR_FUTURE && learned != ERR_EXPIRED)
        return;
    if (descriptor_read(text, d->config.network, &desc) != OK ||
        !directory_lists(&desc, from))
        return;
    if (learned == OK || descriptor_verify(text, &desc) == OK)
        clock_hint_add(&d->clock, desc.identity, desc.issued, now);
}

/* One who tells a descriptor of our identity which we have not signed. What we
 * have told ourselves comes back where our own address is asked. */
static void look_for_twin(struct directory *d, const struct endpoint *from,
                          struct bytes text, uint64_t now)
{
    struct bytes told = bytes_of(d->own.told, d->own.told_len);
    struct descriptor desc;

    if (descriptor_read(text, d->config.network, &desc) != OK ||
        memcmp(desc.identity, d->config.identity, 32) != 0 ||
        bytes_equal(text, told) || bytes_equal(text, directory_self_text(d)) ||
        descriptor_verify(text, &desc) != OK)
        return;
    d->twin = (struct directory_twin){*from, now};
}

enum error directory_receive_tell(struct directory *d,
                                  const struct endpoint *from,
                                  const struct link_message *tell,
                                  uint64_t wall, uint64_t now)
{
    struct ask *ask = find_ask(d, from, tell->nonce);
    enum error e;

    if (ask == NULL)
        return ERR_UNEXPECTED;
    d->stats.tells_in++;
    if (ask->for_others) {
        tell_others(d, ask, tell->descriptor, now);
        return OK;
    }
    ask_end(d, ask);
    e = directory_learn(d, tell->descriptor, from, true, wall);
    hear_time(d, from, tell->descriptor, e, now);
    if (e == ERR_UNEXPECTED)
        look_for_twin(d, from, tell->descriptor, now);
    return e;
}
