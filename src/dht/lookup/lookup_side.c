/* SPDX-License-Identifier: MIT
 *
 * One family's half of a Kademlia lookup (Maymounkov and Mazieres, 2002,
 * section 2.3), without the network. Slots hold the candidates, `order` lists
 * the slots by distance; what is decided walks that list from the nearest:
 *
 *     NEW --> ASKED --> [SLOW] --> ANSWERED --> [DISTRUSTED]
 *                              \-> FAILED
 *
 * A full list gives up its farthest candidate for one that is nearer.
 */
#include "dht/lookup/lookup_side.h"

#include "dht/table/table.h"
#include "dht/types/dht_request.h"
#include "dht/types/node_id.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 16

void lookup_side_init(struct lookup_side *s, const struct id *target,
                      enum node_id_rule ids)
{
    *s = (struct lookup_side){.target = *target, .ids = (uint8_t)ids};
}

void lookup_side_deinit(struct lookup_side *s)
{
    for (size_t i = 0; i < s->cap; i++)
        free(s->slots[i].token);
    free(s->slots);
    s->slots = NULL;
    s->cap = s->count = s->in_flight = 0;
}

/* ---- Order --------------------------------------------------------------- */

/* UINT32_MAX is that of candidates whose id is not known. */
static uint32_t first_distance(const struct lookup_side *s,
                               const struct candidate *c)
{
    return c->id_known
               ? (uint32_t)((id_word(&c->id, 0) ^ id_word(&s->target, 0)) >> 32)
               : UINT32_MAX;
}

static bool nearer(const struct lookup_side *s, const struct candidate *a,
                   const struct candidate *b)
{
    if (!a->id_known || !b->id_known)
        return a->id_known && !b->id_known;
    return id_compare_distance(&s->target, &a->id, &b->id) < 0;
}

/* The same of candidates that have slots. */
static bool nearer_slot(const struct lookup_side *s, uint8_t a, uint8_t b)
{
    if (s->distances[a] != s->distances[b])
        return s->distances[a] < s->distances[b];
    return nearer(s, &s->slots[a], &s->slots[b]);
}

static void place(struct lookup_side *s, uint8_t slot)
{
    size_t i = s->count++;

    s->distances[slot] = first_distance(s, &s->slots[slot]);
    while (i > 0 && nearer_slot(s, slot, s->order[i - 1])) {
        s->order[i] = s->order[i - 1];
        i--;
    }
    s->order[i] = slot;
}

static void unplace(struct lookup_side *s, uint8_t slot)
{
    size_t i = 0;

    while (s->order[i] != slot)
        i++;
    s->count--;
    memmove(s->order + i, s->order + i + 1, s->count - i);
}

static bool is_waiting(const struct candidate *c)
{
    return c->state == CANDIDATE_ASKED || c->state == CANDIDATE_SLOW;
}

/* Makes a slot free by giving up the farthest candidate that is not waited
 * for, if that one is farther than `c`. */
static enum error evict_for(struct lookup_side *s, const struct candidate *c)
{
    for (size_t i = s->count; i-- > 0;) {
        uint8_t slot = s->order[i];
        struct candidate *last = &s->slots[slot];

        if (is_waiting(last) || last->pinned)
            continue;
        if (!nearer(s, c, last))
            return ERR_FULL;
        unplace(s, slot);
        free(last->token);
        *last = (struct candidate){.state = CANDIDATE_FREE};
        /* Nobody is blamed for the one that comes into the slot. */
        for (size_t j = 0; j < s->cap; j++) {
            if (s->slots[j].namer == slot)
                s->slots[j].namer = LOOKUP_NOBODY;
        }
        return OK;
    }
    return ERR_FULL;
}

static enum error grow(struct lookup_side *s)
{
    size_t cap = s->cap == 0 ? FIRST_SLOTS : 2u * s->cap;
    struct candidate *slots = realloc(s->slots, cap * sizeof(*slots));

    if (slots == NULL)
        return ERR_NO_MEMORY;
    memset(slots + s->cap, 0, (cap - s->cap) * sizeof(*slots));
    s->slots = slots;
    s->cap = (uint8_t)cap;
    return OK;
}

static enum error free_slot(struct lookup_side *s, const struct candidate *c,
                            uint8_t *out)
{
    enum error err = OK;
    uint8_t slot = 0;

    if (s->count == s->cap)
        err = s->cap < LOOKUP_CANDIDATES ? grow(s) : evict_for(s, c);
    if (err != OK)
        return err;
    while (s->slots[slot].state != CANDIDATE_FREE)
        slot++;
    *out = slot;
    return OK;
}

/* ---- Adding -------------------------------------------------------------- */

/* Candidate `o` is at the same address as `c`, and keeps it out; `at_addr`
 * counts those at that address. */
static bool bars_addr(const struct lookup_side *s, const struct candidate *o,
                      const struct candidate *c, unsigned *at_addr)
{
    if (!endpoint_same_addr(&o->ep, &c->ep))
        return false;
    return o->ep.port == c->ep.port ||
           (s->ids != NODE_ID_ANY &&
            (o->state == CANDIDATE_ANSWERED || ++*at_addr == LOOKUP_PER_ADDR));
}

/* Candidate `o` has answered with the id of `c`. */
static bool bars_id(const struct candidate *o, const struct candidate *c)
{
    return o->state == CANDIDATE_ANSWERED && o->id_known && c->id_known &&
           id_equal(&o->id, &c->id);
}

/* Listed already. An entry that did not answer yet does not keep out another
 * address for the same id, nor another port of the same IP: it may be the one
 * that was made up. */
static bool is_listed(const struct lookup_side *s, const struct candidate *c)
{
    uint32_t distance = first_distance(s, c), addr = endpoint_tag(&c->ep);
    unsigned at_addr = 0;

    for (size_t i = 0; i < s->count; i++) {
        uint8_t slot = s->order[i];

        if (s->addrs[slot] == addr &&
            bars_addr(s, &s->slots[slot], c, &at_addr))
            return true;
        if (s->distances[slot] == distance && bars_id(&s->slots[slot], c))
            return true;
    }
    return false;
}

/* Its first bits, as the routing table counts subnets. */
static uint32_t subnet_of(const struct endpoint *ep)
{
    int bits = ep->family == FAMILY_IPV4 ? TABLE_SUBNET4 : TABLE_SUBNET6;

    return (uint32_t)(bytes_get_number64(ep->addr) >> (64 - bits));
}

static_assert(TABLE_SUBNET4 <= 32 && TABLE_SUBNET6 <= 32, "it is whole");

enum error lookup_side_add(struct lookup_side *s, const struct id *id,
                           const struct endpoint *ep, uint8_t hop,
                           uint8_t namer, uint32_t rtt)
{
    struct candidate c = {
        .ep = *ep,
        .rtt = rtt,
        .state = CANDIDATE_NEW,
        .hop = hop,
        .namer = namer,
        .id_known = id != NULL,
    };
    enum error err;
    uint8_t slot;

    if (id != NULL) {
        c.id = *id;
        c.id_secure = node_id_goes_first(s->ids, id, ep);
        if (hop > 1 && !c.id_secure && s->ids == NODE_ID_STRICT)
            return ERR_SIGNATURE;
    }
    if (is_listed(s, &c))
        return ERR_IN_USE;
    err = free_slot(s, &c, &slot);
    if (err != OK)
        return err;
    if (namer == slot)
        c.namer = LOOKUP_NOBODY; /* it had to go for this one */
    s->slots[slot] = c;
    s->addrs[slot] = endpoint_tag(&c.ep);
    s->subnets[slot] = subnet_of(&c.ep);
    place(s, slot);
    return OK;
}

/* ---- Whom to ask, and when that is all ----------------------------------- */

/* A walk over the list from the nearest, which is over when DHT_K are counted:
 * those who have answered, fit their address, and share no subnet. Who shares
 * one with somebody counted would not be counted, and is not worth asking. When
 * the list ends before that, the network is in fewer subnets than DHT_K, and a
 * second walk takes those that the first has passed over. */
struct walk {
    size_t counted;
    uint8_t slots[DHT_K];
    bool again; /* the second */
};

static bool same_subnet(const struct lookup_side *s, const struct walk *w,
                        uint8_t slot)
{
    for (size_t i = 0; i < w->counted && s->ids != NODE_ID_ANY; i++) {
        if (s->subnets[w->slots[i]] == s->subnets[slot])
            return true;
    }
    return false;
}

static bool is_counted(const struct walk *w, uint8_t slot)
{
    return memchr(w->slots, slot, w->counted) != NULL;
}

/* Whether this walk passes the candidate over. */
static bool is_passed_over(const struct lookup_side *s, const struct walk *w,
                           uint8_t slot)
{
    return w->again ? is_counted(w, slot) : same_subnet(s, w, slot);
}

static void count_believed(const struct lookup_side *s, struct walk *w,
                           uint8_t slot)
{
    const struct candidate *c = &s->slots[slot];

    if (c->state == CANDIDATE_ANSWERED &&
        (c->id_secure || s->ids != NODE_ID_STRICT) &&
        !is_passed_over(s, w, slot))
        w->slots[w->counted++] = slot;
}

/* A way in, for a lookup that has found none yet. */
static uint8_t next_unknown(const struct lookup_side *s)
{
    for (size_t i = s->count; i-- > 0;) {
        const struct candidate *c = &s->slots[s->order[i]];

        if (c->id_known)
            break;
        if (c->state == CANDIDATE_NEW)
            return s->order[i];
    }
    return LOOKUP_NOBODY;
}

/* The nearest in this walk that is in one of two states and could be counted.
 */
static uint8_t first_of(const struct lookup_side *s, struct walk *w,
                        enum candidate_state state, enum candidate_state other)
{
    for (size_t i = 0; i < s->count && w->counted < DHT_K; i++) {
        uint8_t slot = s->order[i];
        enum candidate_state is = s->slots[slot].state;

        if ((is == state || is == other) &&
            (is == CANDIDATE_ASKED || !is_passed_over(s, w, slot)))
            return slot;
        count_believed(s, w, slot);
    }
    w->again = true;
    return LOOKUP_NOBODY;
}

uint8_t lookup_side_next(const struct lookup_side *s)
{
    struct walk w = {.counted = 0};
    uint8_t slot = s->answered ? LOOKUP_NOBODY : next_unknown(s);

    if (slot == LOOKUP_NOBODY)
        slot = first_of(s, &w, CANDIDATE_NEW, CANDIDATE_NEW);
    /* Whoever is being asked may yet name others. */
    if (slot == LOOKUP_NOBODY && s->in_flight == 0)
        slot = first_of(s, &w, CANDIDATE_NEW, CANDIDATE_NEW);
    return slot;
}

bool lookup_side_done(const struct lookup_side *s)
{
    struct walk w = {.counted = 0};
    bool answered = false, slow = false;

    if (first_of(s, &w, CANDIDATE_ASKED, CANDIDATE_NEW) != LOOKUP_NOBODY ||
        first_of(s, &w, CANDIDATE_ASKED, CANDIDATE_NEW) != LOOKUP_NOBODY)
        return false;
    /* As long as nobody has answered, the slow ones are all there is. */
    for (size_t i = 0; i < s->count; i++) {
        answered |= s->slots[s->order[i]].state == CANDIDATE_ANSWERED;
        slow |= s->slots[s->order[i]].state == CANDIDATE_SLOW;
    }
    return answered || !slow;
}

/* So many of those who are to store have ids that fit, if there are so many:
 * whoever makes up ids to be the nearest has not all of it. */
static void prefer_fitting(const struct lookup_side *s, struct walk *w)
{
    size_t fitting = 0, last = w->counted;

    for (size_t i = 0; i < w->counted; i++)
        fitting += s->slots[w->slots[i]].id_secure;
    for (size_t i = 0; i < s->count && fitting < LOOKUP_FITTING; i++) {
        const struct candidate *c = &s->slots[s->order[i]];

        if (c->state != CANDIDATE_ANSWERED || !c->id_secure ||
            c->token == NULL || is_counted(w, s->order[i]) ||
            same_subnet(s, w, s->order[i]))
            continue;
        /* For the farthest that does not fit: fewer do than are wanted. */
        do
            last--;
        while (s->slots[w->slots[last]].id_secure);
        w->slots[last] = s->order[i];
        fitting++;
    }
}

size_t lookup_side_closest(const struct lookup_side *s, bool token,
                           uint8_t *slots, size_t max)
{
    struct walk w = {.counted = 0};

    assert(max <= DHT_K);
    for (int walks = 0; walks < 2; walks++) {
        for (size_t i = 0; i < s->count && w.counted < max; i++) {
            if (!token || s->slots[s->order[i]].token != NULL)
                count_believed(s, &w, s->order[i]);
        }
        w.again = true;
    }
    if (token && s->ids == NODE_ID_LENIENT && w.counted == DHT_K)
        prefer_fitting(s, &w);
    memcpy(slots, w.slots, w.counted);
    return w.counted;
}

/* ---- What happened ------------------------------------------------------- */

/* The candidate in a slot that is in use. */
static struct candidate *at(struct lookup_side *s, uint8_t slot)
{
    assert(slot < s->cap && s->slots[slot].state != CANDIDATE_FREE);
    return &s->slots[slot];
}

static void leave_flight(struct lookup_side *s, const struct candidate *c)
{
    if (c->state == CANDIDATE_ASKED)
        s->in_flight--;
}

void lookup_side_asked(struct lookup_side *s, uint8_t slot, uint64_t now)
{
    struct candidate *c = at(s, slot);

    assert(c->state == CANDIDATE_NEW);
    c->state = CANDIDATE_ASKED;
    c->asked_at = now;
    s->in_flight++;
}

/* Who is praised or blamed for what becomes of `c`; NULL: nobody. */
static struct candidate *namer_of(struct lookup_side *s,
                                  const struct candidate *c)
{
    return c->namer == LOOKUP_NOBODY ? NULL : &s->slots[c->namer];
}

void lookup_side_slow(struct lookup_side *s, uint8_t slot)
{
    struct candidate *c = at(s, slot);
    struct candidate *namer = namer_of(s, c);

    assert(c->state == CANDIDATE_ASKED);
    leave_flight(s, c);
    c->state = CANDIDATE_SLOW;
    if (namer != NULL)
        namer->named_silent++;
}

/* Somebody has under this id. */
static bool has_answered(const struct lookup_side *s, const struct id *id)
{
    const struct candidate c = {.id = *id, .id_known = true};
    uint32_t distance = first_distance(s, &c);

    for (size_t i = 0; i < s->count; i++) {
        uint8_t slot = s->order[i];

        if (s->distances[slot] == distance && bars_id(&s->slots[slot], &c))
            return true;
    }
    return false;
}

bool lookup_side_answered(struct lookup_side *s, uint8_t slot,
                          const struct id *id)
{
    struct candidate *c = at(s, slot);
    struct candidate *namer = namer_of(s, c);
    bool taken; /* the id, by one who has answered under it */

    assert(is_waiting(c));
    leave_flight(s, c);
    if (namer != NULL) {
        namer->named_alive++;
        if (c->state == CANDIDATE_SLOW)
            namer->named_silent--;
    }
    unplace(s, slot);
    taken = has_answered(s, id);
    c->state = taken ? CANDIDATE_FAILED : CANDIDATE_ANSWERED;
    c->id = *id;
    c->id_known = true;
    c->id_secure = node_id_goes_first(s->ids, id, &c->ep);
    place(s, slot);
    s->answered = true;
    return !taken;
}

void lookup_side_failed(struct lookup_side *s, uint8_t slot)
{
    struct candidate *c = at(s, slot);
    struct candidate *namer = namer_of(s, c);

    assert(is_waiting(c));
    leave_flight(s, c);
    if (namer != NULL && c->state == CANDIDATE_ASKED)
        namer->named_silent++;
    c->state = CANDIDATE_FAILED;
}

void lookup_side_refused(struct lookup_side *s, uint8_t slot)
{
    struct candidate *c = at(s, slot);
    struct candidate *namer = namer_of(s, c);

    assert(is_waiting(c));
    leave_flight(s, c);
    if (namer != NULL && c->state == CANDIDATE_SLOW)
        namer->named_silent--;
    c->state = CANDIDATE_FAILED;
}

static unsigned convicting(const struct lookup_side *s)
{
    return s->ids == NODE_ID_LENIENT ? LOOKUP_SUSPECT_LENIENT : LOOKUP_SUSPECT;
}

uint8_t lookup_side_suspect(const struct lookup_side *s, uint8_t slot)
{
    uint8_t namer = s->slots[slot].namer;
    const struct candidate *n;

    if (namer == LOOKUP_NOBODY)
        return LOOKUP_NOBODY;
    n = &s->slots[namer];
    if (n->state != CANDIDATE_ANSWERED || n->named_silent < convicting(s) ||
        n->named_silent < 4 * n->named_alive)
        return LOOKUP_NOBODY;
    return namer;
}

/* Those that only it has named are given up unasked. One that answered later
 * for itself, or is being asked, stays. */
void lookup_side_distrust(struct lookup_side *s, uint8_t slot)
{
    at(s, slot)->state = CANDIDATE_DISTRUSTED;
    for (size_t i = 0; i < s->cap; i++) {
        struct candidate *c = &s->slots[i];

        if (c->state == CANDIDATE_NEW && c->namer == slot)
            c->state = CANDIDATE_FAILED;
    }
}
