/* SPDX-License-Identifier: MIT
 *
 * What a link does by itself as time goes by: keepalives, rekeying, giving up.
 * tick_link does what is due by the link's state, up_deadline says when
 * something will be; who adds a duty to tick_up adds its time there.
 */
#include "tunnel/link/link_table.h"

#include "base/timestamp.h"

#include <sodium.h>

static void ping(struct links *l, struct link *link, uint64_t now)
{
    link->tries++;
    link->ping_at = now;
    link_send(l, link, CELL_PING, 0, bytes_of(NULL, 0), now);
}

static uint64_t ping_pause(const struct link *link)
{
    uint64_t pause = LINK_DOUBT_UNKNOWN;

    if (!link->doubted)
        return LINK_PING_PAUSE;
    if (link->rtt > 0)
        pause = link->rtt *
                (link->rtt_is_exact ? LINK_DOUBT_RTTS : LINK_DOUBT_SHAKES);
    if (pause < LINK_DOUBT_PAUSE)
        pause = LINK_DOUBT_PAUSE;
    return time_min(pause << link->doubts_wrong, LINK_PING_PAUSE);
}

static struct link_gone *find_gone(struct links *l, const struct endpoint *ep)
{
    for (unsigned i = 0; i < LINK_GONE_MAX; i++) {
        if (endpoint_equal(&l->gone[i].ep, ep))
            return &l->gone[i];
    }
    return NULL;
}

/* That of whoever is noted for longest makes room. */
static struct link_gone *place_for(struct links *l, const struct endpoint *ep)
{
    struct link_gone *g = find_gone(l, ep);

    if (g != NULL)
        return g;
    g = &l->gone[0];
    for (unsigned i = 1; i < LINK_GONE_MAX; i++) {
        if (l->gone[i].until < g->until)
            g = &l->gone[i];
    }
    return g;
}

static void note_gone(struct links *l, const struct link *link, uint64_t now)
{
    *place_for(l, &link->peer.ep) = (struct link_gone){
        .ep = link->peer.ep,
        .patience = LINK_PING_TRIES * ping_pause(link),
        .until = time_after(now, LINK_GONE_LIFE),
    };
}

void link_is_there(struct links *l, const struct endpoint *ep)
{
    struct link_gone *g = find_gone(l, ep);

    if (g != NULL)
        *g = (struct link_gone){0};
}

static unsigned ping_tries(const struct link *link)
{
    unsigned more = link->doubts_wrong < LINK_DOUBT_PINGS ? link->doubts_wrong
                                                          : LINK_DOUBT_PINGS;

    return LINK_PING_TRIES + (link->doubted ? more : 0);
}

/* When a link that is up and not suspect wants a PING. */
static uint64_t keepalive_at(struct links *l, const struct link *link)
{
    uint64_t last = link->heard_at > link->sent_at ? link->heard_at
                                                   : link->sent_at;
    uint64_t jitter =
        random_below(&l->env.random, 1000) * (LINK_KEEPALIVE_SPAN / 1000);

    return time_after(last, LINK_KEEPALIVE + jitter);
}

/* Pings a peer that does not answer what we send, or one that has been silent
 * long; false when it is given up. */
static bool check_alive(struct links *l, struct link *link, uint64_t now)
{
    uint64_t silent = time_since(link->heard_at, now);

    if (link->tries > 0) {
        if (time_since(link->ping_at, now) < ping_pause(link))
            return true;
        if (link->tries >= ping_tries(link))
            return false;
        ping(l, link, now);
    } else if (link->unanswered_at != TIME_NEVER) {
        if (time_since(link->unanswered_at, now) >= LINK_SUSPECT_AFTER)
            ping(l, link, now);
    } else if (link->users > 0
                   ? silent >= LINK_KEEPALIVE && now >= link->deadline
                   : link->initiator && silent >= LINK_KEPT_SILENCE) {
        ping(l, link, now);
    }
    return true;
}

static uint64_t unused_life(const struct link *link)
{
    return link->carried ? LINK_KEPT_LIFE : LINK_UNUSED_LIFE;
}

static uint64_t up_deadline(struct links *l, const struct link *link)
{
    uint64_t at = time_after(link->used_at, unused_life(link));

    if (link->users > 0)
        at = keepalive_at(l, link);
    else if (link->initiator && link->tries == 0 &&
             link->unanswered_at == TIME_NEVER)
        at = time_min(at, time_after(link->heard_at, LINK_KEPT_SILENCE));
    if (link->tries > 0)
        at = time_min(at, time_after(link->ping_at, ping_pause(link)));
    else
        at = time_min(at, time_after(link->unanswered_at, LINK_SUSPECT_AFTER));
    if (link->initiator)
        at = time_min(at, link->rekey_at);
    else
        at =
            time_min(at, time_after(link->session->born, LINK_SESSION_MAX_AGE));
    if (link->previous != NULL)
        at = time_min(at, time_after(link->session->born, LINK_PREVIOUS_LIFE));
    return time_min(at, large_deadline(link));
}

/* False when the link is gone. */
static bool tick_up(struct links *l, struct link *link, uint64_t now)
{
    uint64_t age = time_since(link->session->born, now);

    if (link->previous != NULL && age >= LINK_PREVIOUS_LIFE) {
        session_free(&l->sessions, link->previous);
        link->previous = NULL;
    }
    if (link->users == 0 &&
        time_since(link->used_at, now) >= unused_life(link)) {
        link_send(l, link, CELL_CLOSE, 0, bytes_of(NULL, 0), now);
        link_fail(l, link, REASON_IDLE, now);
        return false;
    }
    if (!check_alive(l, link, now) ||
        (!link->initiator && age >= LINK_SESSION_MAX_AGE)) {
        if (link->doubted && link->tries > 0)
            note_gone(l, link, now);
        link_fail(l, link, REASON_TIMEOUT, now);
        return false;
    }
    if (link->initiator && now >= link->rekey_at) {
        link->rekey_at = time_after(now, LINK_REKEY_RETRY);
        handshake_send_rekey(l, link, now);
    }
    large_tick(l, link, now);
    link_set_deadline(l, link, up_deadline(l, link));
    return true;
}

/* Our own links are tried by time, as are those whose target has shown that it
 * is there; those of others when they ask again. */
static bool waits_for_asker(const struct link *link)
{
    return link->counted && !link->proven;
}

static uint64_t opening_end(const struct link *link)
{
    return time_after(link->used_at, link->doubted
                                         ? LINK_DOUBT_INITS * LINK_INIT_TIMEOUT
                                         : LINK_OPEN_LIFE);
}

static bool tick_opening(struct links *l, struct link *link, uint64_t now)
{
    unsigned tries = link->doubted ? LINK_DOUBT_INITS : LINK_INIT_TRIES;
    uint64_t end = opening_end(link);
    bool waits = waits_for_asker(link);

    if (link->unwanted || (waits && now >= end) || now >= link->open_until)
        return false;
    if (link->tries == 1)
        l->env.unanswered(l->env.ctx, link, now);
    if (waits)
        link_set_deadline(l, link, end);
    return waits ||
           (link->tries < tries && handshake_start(l, link, now) == OK);
}

static bool tick_link(struct links *l, struct link *link, uint64_t now)
{
    switch (link->state) {
    case LINK_UP:
        return tick_up(l, link, now);
    case LINK_OPENING:
        if (tick_opening(l, link, now))
            return true;
        break;
    case LINK_HALF_OPEN:
        break;
    }
    link_fail(l, link, REASON_UNREACHABLE, now);
    return false;
}

void links_tick(struct links *l, uint64_t now)
{
    uint8_t fresh[32];

    if (cookie_jar_is_due(&l->jar, now)) {
        l->env.random.fill(l->env.random.ctx, fresh, sizeof(fresh));
        cookie_jar_rotate(&l->jar, fresh, now);
        sodium_memzero(fresh, sizeof(fresh));
    }
    if (now < l->deadline)
        return;
    l->deadline = TIME_NEVER;
    /* From the end: a link that goes is replaced by one that was seen. A
     * callback may close others, so that the end moves. */
    for (size_t i = l->count; i-- > 0;) {
        if (i >= l->count)
            continue;
        if (now >= l->links[i]->deadline)
            tick_link(l, l->links[i], now);
    }
    for (size_t i = 0; i < l->count; i++)
        l->deadline = time_min(l->deadline, l->links[i]->deadline);
}

void links_check(struct links *l, uint64_t now)
{
    for (size_t i = 0; i < l->count; i++) {
        struct link *link = l->links[i];

        large_moved(link);
        if (link->state != LINK_UP || link->users == 0 || link->tries > 0)
            continue;
        ping(l, link, now);
        link_set_deadline(l, link, up_deadline(l, link));
    }
}

/* ---- Peers that are said to be gone ------------------------------------- */

static uint64_t doubt_up(struct links *l, struct link *link, uint64_t now)
{
    if (link->tries == 0)
        ping(l, link, now);
    return up_deadline(l, link);
}

/* One INIT is enough for whom it has just been right about. */
static uint64_t doubt_opening(struct links *l, struct link *link, uint64_t now)
{
    const struct link_gone *g = find_gone(l, &link->peer.ep);
    uint64_t at = waits_for_asker(link)
                      ? opening_end(link)
                      : time_after(link->sent_at, LINK_INIT_TIMEOUT);

    if (g == NULL || now >= g->until)
        return at;
    link->open_until = time_after(link->sent_at, g->patience);
    return time_min(at, link->open_until);
}

static void doubt(struct links *l, struct link *link, uint64_t now)
{
    uint64_t at;

    link->doubted = true;
    l->stats.doubts++;
    at = link->state == LINK_UP ? doubt_up(l, link, now)
                                : doubt_opening(l, link, now);
    link_set_deadline(l, link, time_min(link->deadline, at));
}

void link_believe(struct links *l, struct link *link, uint64_t now)
{
    link->doubted = link->stale = false;
    if (link->doubts_wrong < LINK_DOUBTS_WRONG)
        link->doubts_wrong++;
    link->trusted_until =
        time_after(now, LINK_DOUBT_TRUST << link->doubts_wrong);
    l->stats.doubts_wrong++;
}

static bool may_doubt(const struct link *link, uint64_t now)
{
    return link->state != LINK_HALF_OPEN && !link->closing && !link->doubted &&
           now >= link->trusted_until;
}

/* The index is the peer's, which nobody knows who has not seen our cells. */
static struct link *sends_with(const struct links *l, uint32_t index,
                               const struct endpoint *to)
{
    for (size_t i = 0; i < l->count; i++) {
        struct link *link = l->links[i];

        if (link->state == LINK_UP && link->session->remote == index &&
            endpoint_equal(&link->peer.ep, to))
            return link;
    }
    return NULL;
}

enum error link_hear_unknown(struct links *l, const struct endpoint *from,
                             uint32_t index, uint64_t now)
{
    struct link *link;

    l->stats.unknown_in++;
    if (!token_bucket_take(&l->heard_bucket, &l->heard_rate, now))
        return ERR_RATE_LIMITED;
    link = sends_with(l, index, from);
    if (link == NULL) {
        l->stats.unknown_odd++;
        return ERR_UNEXPECTED;
    }
    if (may_doubt(link, now) &&
        token_bucket_take(&l->doubt_bucket, &l->doubt_rate, now)) {
        link->stale = true;
        doubt(l, link, now);
    }
    return OK;
}

void links_unreachable(struct links *l, const struct endpoint *ep, uint64_t now)
{
    for (size_t i = 0; i < l->count; i++) {
        struct link *link = l->links[i];

        if (!may_doubt(link, now) || !endpoint_equal(&link->peer.ep, ep))
            continue;
        if (!token_bucket_take(&l->doubt_bucket, &l->doubt_rate, now))
            return;
        doubt(l, link, now);
    }
}

uint64_t links_next_deadline(const struct links *l)
{
    return l->deadline;
}
