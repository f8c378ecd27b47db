/* SPDX-License-Identifier: MIT
 *
 * The life of a channel. Callbacks come from within channel_enter and
 * channel_leave, and whatever comes after one looks whether the channel goes
 * on.
 */
#include "tunnel/channel/channel_internal.h"

#include <sodium.h>
#include <stdlib.h>

enum error channel_new(const struct channel_env *env, void *holder, bool opener,
                       struct piece_budget *budget, struct channel **out)
{
    struct channel *ch = calloc(1, sizeof(*ch));

    if (ch == NULL)
        return ERR_NO_MEMORY;
    ch->env = *env;
    ch->holder = holder;
    ch->opener = opener;
    ch->budget = budget;
    ch->close_at = TIME_NEVER;
    ch->gap_since = TIME_NEVER;
    *out = ch;
    return OK;
}

static void destroy(struct channel *ch)
{
    gap_queue_deinit(&ch->queue);
    pieces_deinit(&ch->pieces, ch->budget);
    channel_move_end(ch);
    sodium_memzero(ch, sizeof(*ch));
    free(ch);
}

void channel_free(struct channel *ch)
{
    if (ch == NULL)
        return;
    ch->freed = true;
    if (ch->busy == 0)
        destroy(ch);
}

void channel_enter(struct channel *ch)
{
    ch->busy++;
}

void channel_leave(struct channel *ch)
{
    if (--ch->busy == 0 && ch->freed)
        destroy(ch);
}

bool channel_goes_on(const struct channel *ch)
{
    return !ch->over && !ch->freed;
}

void channel_finish(struct channel *ch, enum reason why, uint64_t now)
{
    ch->over = true;
    ch->use = NULL;
    for (unsigned i = 0; i < CHANNEL_LEGS && !ch->freed; i++) {
        struct circuit *c = ch->legs[i].circuit;

        leg_deinit(&ch->legs[i]);
        if (c != NULL)
            ch->env.leg_over(ch->holder, ch, c, now);
    }
    if (!ch->freed)
        ch->env.closed(ch->holder, ch, why, now);
}

void channel_close(struct channel *ch, enum reason why, uint64_t now)
{
    uint64_t linger = 0;

    if (ch->over || ch->closing)
        return;
    ch->closing = true;
    ch->why = why;
    for (unsigned i = 0; i < CHANNEL_LEGS; i++) {
        channel_say_close(ch, &ch->legs[i], why, now);
        if (ch->legs[i].circuit != NULL)
            linger = CHANNEL_CLOSE_TIME;
    }
    ch->close_at = time_after(now, linger);
    channel_move_end(ch);
    gap_queue_deinit(&ch->queue);
}

/* ---- Looking ------------------------------------------------------------ */

bool channel_is_live(const struct channel *ch)
{
    return ch->live;
}

bool channel_is_closing(const struct channel *ch)
{
    return ch->closing;
}

bool channel_in_gap(const struct channel *ch)
{
    return ch->use == NULL;
}

bool channel_in_doubt(const struct channel *ch)
{
    return ch->use != NULL && ch->doubted;
}

bool channel_is_opener(const struct channel *ch)
{
    return ch->opener;
}

struct circuit *channel_circuit(const struct channel *ch)
{
    return ch->use == NULL ? NULL : ch->use->circuit;
}

const struct channel_stats *channel_stats(const struct channel *ch)
{
    return &ch->stats;
}

uint64_t channel_rtt(const struct channel *ch)
{
    return ch->answers.mean;
}

uint64_t channel_overdue(const struct channel *ch)
{
    return patience_overdue(&ch->answers, ch->env.overdue);
}

/* ---- Time --------------------------------------------------------------- */

static uint64_t gap_end(const struct channel *ch)
{
    return time_after(ch->gap_since, CHANNEL_GRACE);
}

void channel_tick(struct channel *ch, uint64_t now)
{
    if (ch->over)
        return;
    channel_enter(ch);
    if (now >= ch->close_at) {
        channel_finish(ch, ch->why, now);
    } else if (!ch->closing && now >= gap_end(ch)) {
        channel_finish(ch, REASON_TIMEOUT, now);
    } else if (!ch->closing) {
        pieces_tick(&ch->pieces, ch->budget, now);
        channel_legs_tick(ch, now);
        if (channel_goes_on(ch) && !ch->closing)
            channel_move_tick(ch, now);
    }
    channel_leave(ch);
}

uint64_t channel_next_deadline(const struct channel *ch)
{
    uint64_t at;

    if (ch->over)
        return TIME_NEVER;
    if (ch->closing)
        return ch->close_at;
    at = time_min(gap_end(ch), pieces_next_deadline(&ch->pieces));
    for (unsigned i = 0; i < CHANNEL_LEGS; i++) {
        if (ch->legs[i].circuit != NULL)
            at = time_min(at, leg_next_deadline(&ch->legs[i], ch->opener));
    }
    return time_min(at, channel_move_deadline(ch));
}
