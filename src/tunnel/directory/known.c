/* SPDX-License-Identifier: MIT
 *
 * A sorted array of relays, searched by halves. What a relay is worth (enum
 * worth) decides who makes room for whom; groups_have_room counts the shares of
 * one network and one informant. Failures and doubt are kept with the time they
 * are from and fade when they are read: nothing has to run for that.
 */
#include "tunnel/directory/known.h"

#include "base/timestamp.h"

#include <assert.h>
#include <sodium.h>
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

uint64_t known_group(const struct known *k, const struct endpoint *ep)
{
    static const uint8_t key[crypto_shorthash_KEYBYTES];
    uint8_t compact[ENDPOINT_COMPACT_MAX], hash[crypto_shorthash_BYTES];
    uint64_t group;

    if (k->testing_network) {
        size_t len = endpoint_write_compact(ep, compact);

        crypto_shorthash(hash, compact, len, key);
        memcpy(&group, hash, sizeof(group));
        return group;
    }
    group = (uint64_t)ep->addr[0] << 8 | ep->addr[1];
    if (ep->family == FAMILY_IPV4)
        return group;
    group = group << 16 | (uint64_t)ep->addr[2] << 8 | ep->addr[3];
    return group | UINT64_C(1) << 32;
}

bool known_is_usable(const struct known_relay *relay, uint64_t wall)
{
    return (relay->d.roles & ROLE_RELAY) != 0 &&
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
    return relay->informant == relay->group ? WORTH_FOUND : WORTH_HEARSAY;
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

/* `same` of the `count` others belong together; one more may. */
static bool share_allows(unsigned same, unsigned count)
{
    return same < KNOWN_GROUP_MIN || same < (count - same) / 4;
}

static bool groups_have_room(const struct known *k, uint64_t group,
                             uint64_t informant,
                             const struct known_relay *except)
{
    unsigned in_group = 0, from_informant = 0, count = 0;

    for (unsigned i = 0; i < k->count; i++) {
        const struct known_relay *relay = k->relays[i];

        if (relay == except)
            continue;
        count++;
        in_group += relay->group == group;
        from_informant += relay->informant == informant;
    }
    return share_allows(in_group, count) && share_allows(from_informant, count);
}

static bool has_room(const struct known *k, uint64_t group, uint64_t informant,
                     uint64_t wall)
{
    enum worth worth = group == informant ? WORTH_FOUND : WORTH_HEARSAY;

    return groups_have_room(k, group, informant, NULL) &&
           (k->count < k->max || victim(k, worth, wall) != NULL);
}

enum error known_has_room(const struct known *k, const struct descriptor *d,
                          uint64_t informant, uint64_t wall)
{
    uint64_t group = known_group(k, &d->addresses[0]);
    const struct known_relay *old = known_find(k, d->identity);

    /* One that moves must find room where it goes. */
    if (old != NULL)
        return old->group == group ||
                       groups_have_room(k, group, old->informant, old)
                   ? OK
                   : ERR_FULL;
    return has_room(k, group, informant, wall) ? OK : ERR_FULL;
}

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

/* The text becomes the relay's. */
static void set_descriptor(const struct known *k, struct known_relay *relay,
                           const struct descriptor *d, uint8_t *text,
                           size_t len)
{
    bool told_itself = relay->informant == relay->group;

    free(relay->text);
    relay->d = *d;
    relay->text = text;
    relay->text_len = (uint16_t)len;
    relay->group = known_group(k, &d->addresses[0]);
    if (told_itself)
        relay->informant = relay->group;
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

static struct known_relay *relay_new(const struct known *k,
                                     const struct descriptor *d, uint8_t *text,
                                     size_t len, uint64_t informant,
                                     uint64_t wall)
{
    struct known_relay *relay = calloc(1, sizeof(*relay));

    if (relay == NULL)
        return NULL;
    set_descriptor(k, relay, d, text, len);
    relay->informant = informant;
    relay->record.first_seen = relay->record.last_seen = wall;
    return relay;
}

/* Makes room at the cap, when known_has_room said that there is some. */
static void evict(struct known *k, const struct descriptor *d,
                  uint64_t informant, uint64_t wall, uint8_t evicted[32],
                  bool *did_evict)
{
    bool found = known_group(k, &d->addresses[0]) == informant;
    struct known_relay *least;

    if (k->count < k->max)
        return;
    least = victim(k, found ? WORTH_FOUND : WORTH_HEARSAY, wall);
    assert(least != NULL);
    memcpy(evicted, least->d.identity, 32);
    *did_evict = true;
    known_remove(k, least);
}

enum error known_add(struct known *k, const struct descriptor *d,
                     struct bytes text, uint64_t informant, uint64_t wall,
                     struct known_relay **out, uint8_t evicted[32],
                     bool *did_evict)
{
    struct known_relay *relay = known_find(k, d->identity);
    enum error e = known_has_room(k, d, informant, wall);
    uint8_t *copy;

    if (e != OK)
        return e;
    copy = copy_of(text);
    if (copy == NULL)
        return ERR_NO_MEMORY;
    if (relay != NULL) {
        set_descriptor(k, relay, d, copy, text.len);
        *out = relay;
        return OK;
    }
    relay = relay_new(k, d, copy, text.len, informant, wall);
    if (relay == NULL) {
        free(copy);
        return ERR_NO_MEMORY;
    }
    evict(k, d, informant, wall, evicted, did_evict);
    e = insert(k, relay);
    if (e != OK)
        relay_free(relay);
    else
        *out = relay;
    return e;
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
