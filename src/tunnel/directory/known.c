/* SPDX-License-Identifier: MIT
 *
 * A sorted array of relays, searched by halves. What a relay is worth (enum
 * worth) decides who makes room for whom; places_have_room counts the shares of
 * a host, a site, a network and of an informant. Failures and doubt are kept
 * with the time they are from and fade when they are read: nothing has to run
 * for that.
 */
#include "tunnel/directory/known.h"

#include "base/timestamp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP    32
#define BACKOFF      (30 * TIME_S)
#define BACKOFF_MAX  TIME_HOUR
#define FAILURES_BAD 3
#define DOUBT_HALVES (6 * TIME_HOUR)
/* A relay heard of this much later than another of its class is worth more;
 * wall seconds. */
#define STALE_AFTER 3600

/* What a relay is worth when one has to go, from little to much. */
enum worth {
    WORTH_EXPIRED,
    WORTH_FAILING,
    WORTH_HEARSAY, /* named by another, and never reached */
    WORTH_FOUND,   /* told by itself */
    WORTH_REACHED,
    WORTH_GUARD
};

void known_init(struct known *k, unsigned max, bool testing_network)
{
    *k = (struct known){.max = max, .testing_network = testing_network};
}

static void relay_free(struct known_relay *relay)
{
    free(relay->text);
    free(relay);
}

void known_deinit(struct known *k)
{
    for (unsigned i = 0; i < k->count; i++)
        relay_free(k->relays[i]);
    free(k->relays);
}

/* Where an identity is, or belongs. */
static unsigned place_of(const struct known *k, const uint8_t identity[32],
                         bool *found)
{
    unsigned low = 0, high = k->count;

    *found = false;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        int order = memcmp(k->relays[middle]->d.identity, identity, 32);

        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct known_relay *known_find(const struct known *k,
                               const uint8_t identity[32])
{
    bool found;
    unsigned at = place_of(k, identity, &found);

    return found ? k->relays[at] : NULL;
}

/* In a testing network all may be of one host. */
static bool same_source(const struct known *k, const struct endpoint *a,
                        const struct endpoint *b, enum source_level level)
{
    return k->testing_network ? endpoint_equal(a, b) : source_same(a, b, level);
}

bool known_same_network(const struct known *k, const struct endpoint *a,
                        const struct endpoint *b)
{
    return same_source(k, a, b, SOURCE_NETWORK);
}

bool known_is_hearsay(const struct known_relay *relay)
{
    return relay->answered == 0 && !relay->reached;
}

bool known_answered_from(const struct known_relay *relay,
                         const struct endpoint *ep)
{
    for (unsigned i = 0; i < relay->answered; i++)
        if (endpoint_equal(&relay->d.addresses[i], ep))
            return true;
    return false;
}

bool known_is_usable(const struct known_relay *relay, uint64_t wall)
{
    return relay->tried && (relay->d.roles & ROLE_RELAY) != 0 &&
           descriptor_check_time(&relay->d, wall) == OK;
}

static uint64_t backoff(unsigned failures)
{
    uint64_t wait = BACKOFF;

    for (unsigned i = 1; i < failures && wait < BACKOFF_MAX; i++)
        wait *= 2;
    return time_min(wait, BACKOFF_MAX);
}

bool known_is_failing(const struct known_relay *relay, uint64_t now)
{
    return relay->record.failures > 0 &&
           time_since(relay->failed_at, now) < backoff(relay->record.failures);
}

unsigned known_failures(const struct known_relay *relay, uint64_t now)
{
    uint64_t hours = time_since(relay->failed_at, now) / TIME_HOUR;

    return hours >= relay->record.failures
               ? 0
               : relay->record.failures - (unsigned)hours;
}

unsigned known_doubt(const struct known_relay *relay, uint64_t now)
{
    uint64_t halvings = time_since(relay->doubted_at, now) / DOUBT_HALVES;

    return halvings >= 8 ? 0 : (unsigned)relay->doubt >> halvings;
}

void known_add_doubt(struct known_relay *relay, unsigned share, uint64_t now)
{
    unsigned doubt = known_doubt(relay, now);

    relay->doubt = (uint8_t)(doubt + (DOUBT_WHOLE - doubt) / share);
    relay->doubted_at = now;
}

void known_take_doubt(struct known_relay *relay)
{
    relay->doubt -= (uint8_t)((relay->doubt + 15) / 16);
}

bool known_is_doubtful(const struct known_relay *relay, uint64_t now)
{
    return known_doubt(relay, now) > DOUBT_WHOLE / 2;
}

static enum worth worth_of(const struct known_relay *relay, uint64_t wall)
{
    if (relay->record.guard_since != 0)
        return WORTH_GUARD;
    if (descriptor_check_time(&relay->d, wall) != OK)
        return WORTH_EXPIRED;
    if (relay->record.failures >= FAILURES_BAD)
        return WORTH_FAILING;
    if (relay->reached)
        return WORTH_REACHED;
    return relay->answered > 0 ? WORTH_FOUND : WORTH_HEARSAY;
}

/* The one that is worth least, the one heard of longest ago among equals;
 * NULL when a new relay of this worth has to stand back. */
static struct known_relay *victim(const struct known *k, enum worth worth,
                                  uint64_t wall)
{
    struct known_relay *least = NULL;
    enum worth least_worth = WORTH_GUARD;

    for (unsigned i = 0; i < k->count; i++) {
        struct known_relay *relay = k->relays[i];
        enum worth w = worth_of(relay, wall);

        if (w < least_worth ||
            (w == least_worth && least != NULL &&
             relay->record.last_seen < least->record.last_seen)) {
            least = relay;
            least_worth = w;
        }
    }
    if (least == NULL || least_worth > worth ||
        (least_worth == worth && least->record.last_seen + STALE_AFTER >= wall))
        return NULL;
    return least;
}

/* ---- Shares ------------------------------------------------------------ */

/* `same` of the `count` others are of one source of this level; one more may
 * be. */
static bool share_allows(enum source_level level, unsigned same, unsigned count)
{
    unsigned others = count - same;

    if (level == SOURCE_NETWORK)
        return same < KNOWN_NETWORK_MIN || same < others / 16;
    if (level == SOURCE_SITE)
        return same < KNOWN_SITE_MIN || same < others / 32;
    return same < KNOWN_HOST_MAX;
}

/* Whether it counts where `ep` is: where it answered from, or, while it has not
 * and `hearsay` counts, wherever it says that it lives. */
static bool lives_at(const struct known *k, const struct known_relay *relay,
                     const struct endpoint *ep, enum source_level level,
                     bool hearsay)
{
    unsigned count = relay->answered;

    if (count == 0 && hearsay)
        count = relay->d.address_count;
    for (unsigned i = 0; i < count; i++)
        if (same_source(k, &relay->d.addresses[i], ep, level))
            return true;
    return false;
}

static bool place_has_room(const struct known *k, const struct endpoint *ep,
                           bool hearsay, const struct known_relay *except)
{
    unsigned same[SOURCE_LEVELS] = {0}, count = 0;
    int lowest = k->testing_network ? SOURCE_NETWORK : SOURCE_HOST;

    for (unsigned i = 0; i < k->count; i++) {
        const struct known_relay *relay = k->relays[i];

        if (relay == except)
            continue;
        count++;
        /* From wide to narrow: most are of another network. */
        for (int level = SOURCE_NETWORK; level >= lowest; level--) {
            if (!lives_at(k, relay, ep, (enum source_level)level, hearsay))
                break;
            same[level]++;
        }
    }
    for (int level = lowest; level < SOURCE_LEVELS; level++)
        if (!share_allows((enum source_level)level, same[level], count))
            return false;
    return true;
}

/* Those that it named and those that live there, together. */
static bool informant_has_room(const struct known *k, const struct endpoint *ep,
                               const struct known_relay *except)
{
    unsigned same = 0, count = 0;

    for (unsigned i = 0; i < k->count; i++) {
        const struct known_relay *relay = k->relays[i];

        if (relay == except)
            continue;
        count++;
        same += known_is_hearsay(relay)
                    ? known_same_network(k, &relay->informant, ep)
                    : lives_at(k, relay, ep, SOURCE_NETWORK, true);
    }
    return share_allows(SOURCE_NETWORK, same, count);
}

static bool lists(const struct descriptor *d, const struct endpoint *ep)
{
    for (unsigned i = 0; i < d->address_count; i++)
        if (endpoint_equal(&d->addresses[i], ep))
            return true;
    return false;
}

/* It stays where it has answered from; one of the store, where it was. */
static bool stays(const struct known_relay *old, const struct descriptor *d)
{
    for (unsigned i = 0; i < old->answered; i++)
        if (lists(d, &old->d.addresses[i]))
            return true;
    if (old->answered > 0 || !old->tried)
        return false;
    for (unsigned i = 0; i < d->address_count; i++)
        if (!lists(&old->d, &d->addresses[i]))
            return false;
    return true;
}

static bool places_have_room(const struct known *k, const struct known_word *w,
                             const struct known_relay *old)
{
    if (w->way == KNOWN_ANSWERED)
        return (old != NULL && known_answered_from(old, &w->from)) ||
               place_has_room(k, &w->from, false, old);
    if (old != NULL && stays(old, w->d))
        return true;
    for (unsigned i = 0; i < w->d->address_count; i++)
        if (!place_has_room(k, &w->d->addresses[i], true, old))
            return false;
    return w->way == KNOWN_STORED || informant_has_room(k, &w->from, old);
}

static enum worth worth_of_word(const struct known_word *w)
{
    return w->way == KNOWN_NAMED ? WORTH_HEARSAY : WORTH_FOUND;
}

enum error known_has_room(const struct known *k, const struct known_word *w)
{
    const struct known_relay *old = known_find(k, w->d->identity);
    bool fits = old != NULL || k->count < k->max ||
                victim(k, worth_of_word(w), w->wall) != NULL;

    return fits && places_have_room(k, w, old) ? OK : ERR_FULL;
}

/* ---- Adding ------------------------------------------------------------ */

static bool grow(struct known *k)
{
    unsigned cap = k->cap == 0 ? FIRST_CAP : 2 * k->cap;
    struct known_relay **relays;

    if (cap > k->max)
        cap = k->max;
    relays = realloc(k->relays, cap * sizeof(struct known_relay *));
    if (relays == NULL)
        return false;
    k->relays = relays;
    k->cap = cap;
    return true;
}

static uint8_t *copy_of(struct bytes text)
{
    uint8_t *copy = malloc(text.len);

    if (copy != NULL)
        memcpy(copy, text.p, text.len);
    return copy;
}

/* To the front, behind the others that it answered from. */
static void put_in_front(struct known_relay *relay, unsigned i)
{
    struct endpoint ep = relay->d.addresses[i];

    relay->d.addresses[i] = relay->d.addresses[relay->answered];
    relay->d.addresses[relay->answered++] = ep;
}

static bool same_place(const struct endpoint *a, const struct endpoint *b,
                       bool exactly)
{
    return exactly ? endpoint_equal(a, b) : endpoint_same_addr(a, b);
}

/* With another port, as behind a NAT, when it does not list this one. */
static void mark_answered(struct known_relay *relay,
                          const struct endpoint *from, bool exactly)
{
    for (unsigned i = relay->answered; i < relay->d.address_count; i++)
        if (same_place(&relay->d.addresses[i], from, exactly))
            put_in_front(relay, i);
}

/* The one that it answered from last comes first: it may have moved. */
static void set_answered(struct known_relay *relay, const struct endpoint *from)
{
    bool exactly = lists(&relay->d, from);

    mark_answered(relay, from, exactly);
    for (unsigned i = 1; i < relay->answered; i++)
        if (same_place(&relay->d.addresses[i], from, exactly)) {
            struct endpoint ep = relay->d.addresses[i];

            relay->d.addresses[i] = relay->d.addresses[0];
            relay->d.addresses[0] = ep;
        }
    relay->tried = true;
}

/* The text becomes the relay's. What it moved away from counts no more. */
static void set_descriptor(struct known_relay *relay,
                           const struct known_word *w, uint8_t *text)
{
    struct known_relay old = *relay;
    bool moves = !stays(&old, w->d);

    free(relay->text);
    relay->d = *w->d;
    relay->text = text;
    relay->text_len = (uint16_t)w->text.len;
    relay->answered = 0;
    for (unsigned i = 0; i < old.answered; i++)
        mark_answered(relay, &old.d.addresses[i], true);
    if (w->way == KNOWN_ANSWERED) {
        set_answered(relay, &w->from);
    } else if (moves) {
        relay->tried = w->way == KNOWN_STORED;
        relay->reached = w->way == KNOWN_STORED;
        relay->asked_at = relay->asked = 0;
        relay->informant = w->from;
    }
}

static enum error insert(struct known *k, struct known_relay *relay)
{
    bool found;
    unsigned at = place_of(k, relay->d.identity, &found);

    if (k->count == k->cap && !grow(k))
        return ERR_NO_MEMORY;
    memmove(k->relays + at + 1, k->relays + at,
            (k->count - at) * sizeof(struct known_relay *));
    k->relays[at] = relay;
    k->count++;
    return OK;
}

static struct known_relay *relay_new(const struct known_word *w, uint8_t *text)
{
    struct known_relay *relay = calloc(1, sizeof(*relay));

    if (relay == NULL)
        return NULL;
    set_descriptor(relay, w, text);
    relay->record.first_seen = relay->record.last_seen = w->wall;
    return relay;
}

/* Makes room at the cap, when known_has_room said that there is some. */
static void evict(struct known *k, const struct known_word *w,
                  uint8_t evicted[32], bool *did_evict)
{
    struct known_relay *least;

    if (k->count < k->max)
        return;
    least = victim(k, worth_of_word(w), w->wall);
    assert(least != NULL);
    memcpy(evicted, least->d.identity, 32);
    *did_evict = true;
    known_remove(k, least);
}

enum error known_add(struct known *k, const struct known_word *w,
                     struct known_relay **out, uint8_t evicted[32],
                     bool *did_evict)
{
    struct known_relay *relay = known_find(k, w->d->identity);
    enum error e = known_has_room(k, w);
    uint8_t *copy;

    if (e != OK)
        return e;
    copy = copy_of(w->text);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    if (relay != NULL) {
        set_descriptor(relay, w, copy);
        *out = relay;
        return OK;
    }
    relay = relay_new(w, copy);
    if (relay == NULL) {
        free(copy);
        return ERR_NO_MEMORY;
    }
    evict(k, w, evicted, did_evict);
    e = insert(k, relay);
    if (e != OK)
        relay_free(relay);
    else
        *out = relay;
    return e;
}

enum error known_answered(struct known *k, struct known_relay *relay,
                          const struct endpoint *from)
{
    if (known_answered_from(relay, from))
        return ERR_SEQ;
    if (!place_has_room(k, from, false, relay))
        return ERR_FULL;
    set_answered(relay, from);
    return OK;
}

void known_remove(struct known *k, struct known_relay *relay)
{
    bool found;
    unsigned at = place_of(k, relay->d.identity, &found);

    assert(found);
    memmove(k->relays + at, k->relays + at + 1,
            (k->count - at - 1) * sizeof(struct known_relay *));
    k->count--;
    relay_free(relay);
}

size_t known_memory(const struct known *k)
{
    size_t bytes = k->cap * sizeof(struct known_relay *);

    for (unsigned i = 0; i < k->count; i++)
        bytes += sizeof(struct known_relay) + k->relays[i]->text_len;
    return bytes;
}
