/* SPDX-License-Identifier: MIT
 *
 * Which of the legs is sent on. The newest on which a cell came is used, and
 * leaves those before it behind; the opener may use one on which none came when
 * there is no other. When the leg in use is lost, one that was left and is
 * still there is used again; without one the gap begins, and ends with the
 * first cell that comes.
 */
#include "tunnel/channel/channel_internal.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

struct leg *channel_leg_of(struct channel *ch, const struct circuit *c)
{
    for (unsigned i = 0; i < CHANNEL_LEGS; i++) {
        if (ch->legs[i].circuit == c)
            return &ch->legs[i];
    }
    return NULL;
}

static void use(struct channel *ch, struct leg *l, uint64_t now)
{
    for (unsigned i = 0; i < CHANNEL_LEGS; i++) {
        struct leg *other = &ch->legs[i];

        if (other->number < l->number && other->left_at == TIME_NEVER)
            other->left_at = now;
    }
    l->left_at = TIME_NEVER;
    ch->doubted = false;
    ch->use = l;
    ch->used = l->number;
    memcpy(ch->used_name, l->resume, CHANNEL_RESUME_BYTES);
    ch->renew_at = l->renew_at;
    channel_flush(ch, now);
}

/* ---- Names -------------------------------------------------------------- */

bool channel_resume_id(const struct channel *ch,
                       uint8_t id[CHANNEL_RESUME_BYTES])
{
    bool known = ch->heard != 0 && ch->attached - ch->heard < CHANNEL_NAMES;
    uint64_t n = known ? ch->heard : ch->attached;

    if (n == 0)
        return false;
    memcpy(id, ch->names[n % CHANNEL_NAMES], CHANNEL_RESUME_BYTES);
    return true;
}

/* The opener calls it by a leg on which it has heard of us, which may be older
 * than the one that is used here: it has not heard of that yet. */
bool channel_resumes(const struct channel *ch,
                     const uint8_t id[CHANNEL_RESUME_BYTES])
{
    bool found = ch->used != 0 &&
                 sodium_memcmp(ch->used_name, id, CHANNEL_RESUME_BYTES) == 0;

    for (uint64_t n = ch->attached; n > 0 && ch->attached - n < CHANNEL_NAMES;
         n--)
        found |= sodium_memcmp(ch->names[n % CHANNEL_NAMES], id,
                               CHANNEL_RESUME_BYTES) == 0;
    return found;
}

/* ---- Losing one --------------------------------------------------------- */

static bool has_legs(const struct channel *ch)
{
    for (unsigned i = 0; i < CHANNEL_LEGS; i++) {
        if (ch->legs[i].circuit != NULL)
            return true;
    }
    return false;
}

/* What can be used instead: also one that was left a moment ago. */
static struct leg *newest_usable(struct channel *ch)
{
    struct leg *best = NULL;

    for (unsigned i = 0; i < CHANNEL_LEGS; i++) {
        struct leg *l = &ch->legs[i];

        if (l->circuit != NULL && (l->heard || ch->opener) &&
            (best == NULL || l->number > best->number))
            best = l;
    }
    return best;
}

/* The leg in use is gone. True when that makes a gap. */
static bool stop_using(struct channel *ch, uint64_t now)
{
    struct leg *next = newest_usable(ch);

    ch->use = NULL;
    if (next != NULL) {
        use(ch, next, now);
        channel_ask(ch, next, now); /* is it still there at the other end? */
        return false;
    }
    if (ch->gap_since == TIME_NEVER) {
        ch->gap_since = now;
        ch->stats.gaps++;
    }
    return true;
}

/* `tell`: it is the channel that gives it up. */
static void lose(struct channel *ch, struct leg *l, bool tell, uint64_t now)
{
    struct circuit *c = l->circuit;
    bool used = ch->use == l, gap;

    leg_deinit(l);
    gap = used && stop_using(ch, now);
    if (tell)
        ch->env.leg_over(ch->holder, ch, c, now);
    if (!channel_goes_on(ch))
        return;
    if (!has_legs(ch) && ch->closing)
        channel_finish(ch, ch->why, now);
    else if (!has_legs(ch) && !ch->opener && !ch->live)
        channel_finish(ch, REASON_TIMEOUT, now);
    else if (gap && ch->use == NULL && !ch->closing)
        ch->env.gap(ch->holder, ch, now);
}

void channel_detach(struct channel *ch, struct circuit *c, uint64_t now)
{
    struct leg *l = c == NULL ? NULL : channel_leg_of(ch, c);

    if (l == NULL || ch->over)
        return;
    channel_enter(ch);
    lose(ch, l, false, now);
    channel_leave(ch);
}

/* ---- A new one ---------------------------------------------------------- */

/* Of two legs that are not in use: the one left, else the older one. */
static bool goes_first(const struct leg *a, const struct leg *b)
{
    if ((a->left_at == TIME_NEVER) != (b->left_at == TIME_NEVER))
        return a->left_at != TIME_NEVER;
    return a->number < b->number;
}

/* Gives up the one that can be spared most. */
static void make_room(struct channel *ch, uint64_t now)
{
    struct leg *place = NULL;

    for (unsigned i = 0; i < CHANNEL_LEGS; i++) {
        struct leg *l = &ch->legs[i];

        if (l != ch->use && (place == NULL || goes_first(l, place)))
            place = l;
    }
    assert(place != NULL); /* one at most is in use */
    lose(ch, place, true, now);
}

static void add_leg(struct channel *ch, struct circuit *c,
                    const struct channel_keys *keys, uint64_t renew_at,
                    uint64_t now)
{
    struct leg *l;

    while ((l = channel_leg_of(ch, NULL)) == NULL && channel_goes_on(ch))
        make_room(ch, now);
    if (!channel_goes_on(ch))
        return;
    leg_init(l, c, keys, renew_at, now);
    l->number = ++ch->attached;
    memcpy(ch->names[l->number % CHANNEL_NAMES], l->resume,
           CHANNEL_RESUME_BYTES);
    if (!ch->opener)
        return;
    channel_ask(ch, l, now);
    if (ch->use == NULL || ch->doubted)
        use(ch, l, now);
}

void channel_attach(struct channel *ch, struct circuit *c,
                    const struct channel_keys *keys, uint64_t renew_at,
                    uint64_t now)
{
    channel_enter(ch);
    if (ch->over || ch->closing)
        ch->env.leg_over(ch->holder, ch, c, now);
    else
        add_leg(ch, c, keys, renew_at, now);
    channel_leave(ch);
}

/* ---- In the course of time ---------------------------------------------- */

void channel_leg_heard(struct channel *ch, struct leg *l, uint64_t now)
{
    leg_came(l);
    if (l->number > ch->heard)
        ch->heard = l->number;
    if (l == ch->use)
        ch->doubted = false;
    if (l->left_at == TIME_NEVER && l != ch->use) {
        if (ch->use != NULL)
            ch->stats.moves++;
        channel_move_end(ch);
        use(ch, l, now);
    }
    if (l == ch->use && ch->gap_since != TIME_NEVER) {
        uint64_t gap = time_since(ch->gap_since, now);

        if (gap > ch->stats.longest_gap)
            ch->stats.longest_gap = gap;
        ch->gap_since = TIME_NEVER;
    }
}

/* Doubts that follow each other soon come of a bad network, not of relays. */
static uint64_t doubt_pause(const struct channel *ch, uint64_t now)
{
    if (time_since(ch->doubted_at, now) >= 4 * ch->doubt_pause)
        return CHANNEL_DOUBT_FIRST;
    return time_min(2 * ch->doubt_pause, CHANNEL_DOUBT_MAX);
}

static void may_doubt(struct channel *ch, const struct leg *l, uint64_t now)
{
    if (!ch->opener || l != ch->use || ch->doubted || ch->closing ||
        !leg_is_doubtful(l) ||
        now < time_after(ch->doubted_at, ch->doubt_pause))
        return;
    ch->doubt_pause = doubt_pause(ch, now);
    ch->doubted_at = now;
    ch->doubted = true;
    ch->stats.doubts++;
    ch->env.doubt(ch->holder, ch, now);
}

void channel_legs_tick(struct channel *ch, uint64_t now)
{
    for (unsigned i = 0; i < CHANNEL_LEGS && channel_goes_on(ch); i++) {
        struct leg *l = &ch->legs[i];

        if (l->circuit == NULL)
            continue;
        switch (leg_due(l, ch->opener, now)) {
        case LEG_IN_TIME:
            break;
        case LEG_ASK:
            may_doubt(ch, l, now);
            if (channel_goes_on(ch) && l->circuit != NULL)
                channel_ask(ch, l, now);
            break;
        case LEG_DEAD:
        case LEG_OVER:
            lose(ch, l, true, now);
            break;
        }
    }
}
